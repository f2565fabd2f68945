use super::tell_apart;
use crate::canonical::{Content, Message, Part, Role, ToolCall, ToolResult};

/// Messages of calls, and of results with a `>` before their id.
fn messages<'a>(ids: &[&[&'a str]]) -> Vec<Message<'a>> {
    let part = |id: &&'a str| match id.strip_prefix('>') {
        Some(id) => Part::new(Content::ToolResult(ToolResult {
            call: id.into(),
            parts: Vec::new(),
            is_error: false,
        })),
        None => Part::new(Content::ToolCall(ToolCall {
            id: (*id).into(),
            name: "f".into(),
            arguments: "{}".into(),
            signature: None,
        })),
    };
    let message = |ids: &&[&'a str]| Message {
        role: Role::User,
        name: None,
        parts: ids.iter().map(part).collect(),
    };
    ids.iter().map(message).collect()
}

#[test]
fn calls_of_one_id_are_told_apart() {
    let check = |ids: &[&[&str]], expect: &[&[&str]]| {
        let mut told = messages(ids);
        tell_apart(&mut told);
        assert_eq!(told, messages(expect), "{ids:?}");
    };
    check(&[&["a", "b"], &[">b", ">a"]], &[&["a", "b"], &[">b", ">a"]]);
    // The same in each turn.
    check(
        &[&["a"], &[">a"], &["a"], &[">a"], &["a"], &[">a"]],
        &[&["a"], &[">a"], &["a_1"], &[">a_1"], &["a_2"], &[">a_2"]],
    );
    // The same in one turn.
    check(
        &[&["a", "a"], &[">a"], &[">a"]],
        &[&["a", "a_1"], &[">a"], &[">a_1"]],
    );
    // A call that got no result.
    check(&[&["a"], &["a"], &[">a"]], &[&["a"], &["a_1"], &[">a_1"]]);
    // More results than calls, and one of no call.
    check(
        &[&["a"], &["a"], &[">a", ">a", ">b"]],
        &[&["a"], &["a_1"], &[">a_1", ">a_1", ">b"]],
    );
    // An id that is just the one that would be made.
    check(
        &[&["a_1"], &["a"], &["a"], &[">a"], &["a_2"], &[">a_2"]],
        &[
            &["a_1"],
            &["a"],
            &["a_2"],
            &[">a_2"],
            &["a_2_1"],
            &[">a_2_1"],
        ],
    );
}
