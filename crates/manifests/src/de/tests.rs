use serde::Deserialize;

use super::*;
use crate::tree::parse;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Thing {
    text: Option<String>,
    count: Option<u8>,
    ratio: Option<f64>,
    flag: Option<bool>,
    word: Option<Word>,
    list: Option<Vec<Inner>>,
}

#[derive(Debug, PartialEq, Deserialize)]
enum Word {
    One,
    Two,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    name: String,
}

fn read_thing(text: &str) -> Result<Thing, Vec<String>> {
    let parsed = parse(text);
    let told = |fault: Fault| {
        let start = fault.span.unwrap().start;
        format!("{}:{} {}", start.line, start.column + 1, fault.message)
    };
    read::<Thing>(&parsed.documents[0], BTreeSet::new(), &[])
        .map_err(|faults| faults.into_iter().map(told).collect())
}

#[test]
fn values_are_read() {
    let thing = read_thing("{text: no, count: 0x10, ratio: 2, flag: true, word: Two}").unwrap();
    assert_eq!(thing.text.as_deref(), Some("no"));
    assert_eq!(
        (thing.count, thing.ratio, thing.flag),
        (Some(16), Some(2.0), Some(true))
    );
    assert_eq!(thing.word, Some(Word::Two));
    let thing = read_thing("{text: ~, list: [{name: '1'}]}").unwrap();
    assert_eq!(
        (thing.text, thing.list),
        (None, Some(vec![Inner { name: "1".into() }]))
    );
}

#[test]
fn faults_stand_at_the_innermost_place() {
    let check = |text, expect: &[&str]| assert_eq!(read_thing(text).unwrap_err(), expect, "{text}");
    check("text: 1", &["1:7 expected text, found a number"]);
    check("text: [a]", &["1:8 expected text, found a list"]);
    check(
        "count: 256",
        &["1:8 expected an integer from 0 to 255, found a number out of range"],
    );
    check(
        "count: 1.5",
        &["1:8 expected an integer from 0 to 255, found a number"],
    );
    check("flag: yes", &["1:7 expected `true` or `false`, found text"]);
    check("word: Tow", &["1:7 `Tow` is not known here"]);
    check("word: [Two]", &["1:8 expected a word, found a list"]);
    check("list: x", &["1:7 expected a list, found text"]);
    check(
        "list:\n  - name: a\n  - x",
        &["3:5 expected a mapping, found text"],
    );
    check(
        "list:\n  - nam: a",
        &["2:5 unknown field `nam`", "2:5 missing field `name`"],
    );
    check(
        "a: 1\nb: 2\ntext: x",
        &["1:1 unknown field `a`", "2:1 unknown field `b`"],
    );
    check("- a", &["1:3 expected a mapping, found a list"]);
}
