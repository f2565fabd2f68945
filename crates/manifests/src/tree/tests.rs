use super::scalar::{Scalar, resolve};
use super::*;

/// A tree in one line: `?` marks plain scalars.
fn shape(node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, plain: true } => format!("?{text}"),
        Value::Scalar { text, .. } => text.to_string(),
        Value::Sequence(items) => {
            format!(
                "[{}]",
                items.iter().map(shape).collect::<Vec<_>>().join(",")
            )
        }
        Value::Mapping(entries) => {
            let entry = |entry: &Entry| format!("{}:{}", entry.key, shape(&entry.value));
            format!(
                "{{{}}}",
                entries.iter().map(entry).collect::<Vec<_>>().join(",")
            )
        }
    }
}

#[test]
fn documents_become_trees() {
    let check = |text: &str, expect: &[&str]| {
        let parsed = parse(text);
        assert_eq!(parsed.faults, [], "{text}");
        assert_eq!(
            parsed.documents.iter().map(shape).collect::<Vec<_>>(),
            expect,
            "{text}"
        );
    };
    check("", &[]);
    check("a: 1\n---\nb: '1'\n", &["{a:?1}", "{b:1}"]);
    check("a: &x [1, two]\nb: *x\n", &["{a:[?1,?two],b:[?1,?two]}"]);
    check("a: !!str 1\nb: |\n  x\n  y\n", &["{a:1,b:x\ny\n}"]);
    check(
        "{\n\t\"a\": [1,\n\t\t\"b\"],\r\n\t\"c\": null\n}",
        &["{a:[?1,b],c:?null}"],
    );
    check("a:\nb: {}\nc: []\n", &["{a:?~,b:{},c:[]}"]);
}

#[test]
fn faults_are_found() {
    let check = |text: &str, expect: &str| {
        let parsed = parse(text);
        let fault = parsed
            .faults
            .first()
            .map(|fault| fault.message.as_str())
            .unwrap_or("none");
        assert!(fault.contains(expect), "{text:?}: {fault}");
    };
    check("a: 1\na: 2\n", "`a` is given twice");
    check("a: *x\n", "unknown anchor");
    check("a: &x [*x]\n", "no finished node");
    check("a: &x 1\n---\nb: *x\n", "no finished node");
    check("a: &x 1\nb: {<<: {c: 1}}\n", "merge keys");
    check("a: !secret x\n", "the tag");
    check("a: b\0c\n", "NUL");
    check(&"[".repeat(MANY), "limit");
    check(&"- ".repeat(MANY), "deeper than 64");
    check(&"{a: ".repeat(MANY), "limit");
}

const MANY: usize = 10_000;

#[test]
fn alias_bombs_are_refused() {
    let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs += &format!("a{level}: &a{level} [{below}]\n");
    }
    assert!(parse(&laughs).faults[0].message.contains("copy more than"));

    let nested = "&a [".repeat(60) + &"x,".repeat(MANY);
    assert!(
        parse(&(nested + &"]".repeat(60))).faults[0]
            .message
            .contains("copy more than")
    );

    let mut tower = "a0: &a0 [x]\n".to_owned();
    for level in 1..MANY {
        tower += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    assert!(parse(&tower).faults[0].message.contains("nests deeper"));
}

#[test]
fn plain_scalars_follow_the_core_schema() {
    let check = |text, expect| assert_eq!(resolve(text), expect, "{text:?}");
    for text in ["", "~", "null", "Null", "NULL"] {
        check(text, Scalar::Null);
    }
    for text in [
        "no", "NO", "yes", "on", "off", "y", "nULL", "tRUE", "0o8", "0x", "0b1", "1_000",
    ] {
        check(text, Scalar::Text);
    }
    for text in [
        "12:30:45", "inf", "nan", "+.nan", "--1", "-+1", "+-1", "++1", "1e", ".", "-", "e1",
    ] {
        check(text, Scalar::Text);
    }
    check("True", Scalar::Bool(true));
    check("false", Scalar::Bool(false));
    check("0", Scalar::Unsigned(0));
    check("010", Scalar::Unsigned(10));
    check("+12", Scalar::Unsigned(12));
    check("-12", Scalar::Negative(-12));
    check("0o17", Scalar::Unsigned(15));
    check("0xfF", Scalar::Unsigned(255));
    check("0x+f", Scalar::Text);
    check("18446744073709551615", Scalar::Unsigned(u64::MAX));
    check(
        "18446744073709551616",
        Scalar::Float(18_446_744_073_709_551_616.0),
    );
    check("1.5", Scalar::Float(1.5));
    check("-.5e1", Scalar::Float(-5.0));
    check("1.", Scalar::Float(1.0));
    check("-.inf", Scalar::Float(f64::NEG_INFINITY));
    assert!(matches!(resolve(".nan"), Scalar::Float(value) if value.is_nan()));
}

#[test]
fn spans_count_characters() {
    let parsed = parse("é: [ü, \"x\"]  # ö\nb: 1\n");
    let document = &parsed.documents[0];
    let list = &document.entry("é").unwrap().value;
    let at = |span: Span| (span.start.line, span.start.column, span.end.column);
    assert_eq!(at(list.span), (1, 3, 10));
    assert_eq!(at(list.item(1).unwrap().span), (1, 7, 10));
    assert_eq!(at(document.entry("b").unwrap().mark()), (2, 3, 4));
}
