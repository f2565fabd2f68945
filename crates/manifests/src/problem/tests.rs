use super::*;

fn at(source: &str, offset: usize, len: usize) -> String {
    let place = Place {
        line: 1,
        column: offset + 1,
        offset,
        len,
    };
    let problem = Problem {
        place: Some(place),
        source: source.into(),
        ..Problem::of_file("a.yaml", "wrong")
    };
    problem.excerpt().unwrap()
}

#[test]
fn excerpts_mark_the_place() {
    let check = |source: &str, offset, len, expect: &str| {
        assert_eq!(at(source, offset, len), expect, "{source:?}");
    };
    check("a: b", 3, 1, "a: b\n   ^");
    check("x\r\na: bcd\r\ny", 6, 3, "a: bcd\n   ^^^");
    check("é: b", 4, 1, "é: b\n   ^");
    check("\ta: b", 4, 1, " a: b\n    ^");
    check("a: \u{1b}[31m", 3, 2, "a: \u{fffd}[31m\n   ^^");
    check("", 0, 0, "\n^");
    check("a", 5, 9, "a\n ^");
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let line = format!("{}HERE{}", "a".repeat(5_000), "b".repeat(5_000));
    let shown = at(&line, 5_000, 4);
    let (line, mark) = shown.split_once('\n').unwrap();
    assert_eq!(line.chars().count(), MAX_SHOWN + 1);
    assert_eq!(
        line.find("HERE").map(|at| line[..at].chars().count()),
        mark.find('^')
    );
}

#[test]
fn a_whole_file_has_no_excerpt() {
    let problem = Problem::of_file("a.yaml", "cannot be read").with_help("look");
    assert_eq!(
        problem.to_string(),
        "error: cannot be read\n --> a.yaml\n  = help: look"
    );
}
