use serde_json::{Value as Json, json};

use super::*;
use crate::canonical::{Delta, Event, Opening};

/// What the events of these names say, shortly: what opens, is added and closes.
fn read(events: &[(&str, Json)]) -> Vec<String> {
    let mut decoder = StreamDecoder::default();
    let mut said = Vec::new();
    for (name, data) in events {
        let data = data.to_string();
        let note = &mut |event: Event<'_>| said.extend(short(&event));
        let read = decoder.event(Some(name.as_bytes()), data.as_bytes(), note);
        read.unwrap();
    }
    said
}

fn short(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::Open {
            part,
            opening: Opening::ToolCall { name, .. },
            ..
        } => format!("{part}: call {name}"),
        Event::Open { part, opening, .. } => format!("{part}: {opening:?}"),
        Event::Delta {
            part,
            delta: Delta::Text(text) | Delta::Arguments(text) | Delta::Signature(text),
            ..
        } => format!("{part}+{text}"),
        Event::Close { part, .. } => format!("{part}."),
        Event::Error(error) => format!("{:?} {:?} {}", error.status, error.kind, error.message),
        _ => return None,
    })
}

fn start(index: u64, start: Json) -> (&'static str, Json) {
    (
        "contentBlockStart",
        json!({"contentBlockIndex": index, "start": start}),
    )
}

fn delta(index: u64, delta: Json) -> (&'static str, Json) {
    (
        "contentBlockDelta",
        json!({"contentBlockIndex": index, "delta": delta}),
    )
}

fn stop(index: u64) -> (&'static str, Json) {
    ("contentBlockStop", json!({"contentBlockIndex": index}))
}

#[test]
fn a_block_whose_start_says_nothing_is_what_is_said_in_it() {
    let call = json!({"toolUse": {"toolUseId": "1", "name": "f", "type": "server_tool_use"}});
    let said = read(&[
        start(0, json!({})),
        delta(0, json!({"text": "a"})),
        stop(0),
        start(1, json!({"text": {}})),
        delta(1, json!({"reasoningContent": {"text": "b", "later": 1}})),
        stop(1),
        // What runs at the provider is passed over.
        start(2, call),
        delta(2, json!({"toolUse": {"input": "{}"}})),
        stop(2),
        start(
            3,
            json!({"toolUse": {"toolUseId": "2", "name": "g", "later": 1}}),
        ),
        stop(3),
        ("contentBlockStart", json!({"contentBlockIndex": 4})),
        delta(4, json!({"text": "c"})),
    ]);
    let expect = [
        "0: Text",
        "0+a",
        "0.",
        "1: Reasoning",
        "1+b",
        "1.",
        "2: call g",
        "2+{}",
        "2.",
        "3: Text",
        "3+c",
    ];
    assert_eq!(said, expect);
}

#[test]
fn what_is_for_the_provider_alone_is_joined() {
    let piece = |text: &str| {
        let data = crate::base64::encode(text.as_bytes());
        delta(0, json!({"reasoningContent": {"redactedContent": data}}))
    };
    let text = delta(1, json!({"text": "a"}));
    let said = read(&[piece("s"), piece("ec"), piece("ret"), stop(0), text]);
    let secret = crate::base64::encode(b"secret");
    let expect = [
        format!("0: Redacted({secret:?})"),
        "0.".to_owned(),
        "1: Text".to_owned(),
        "1+a".to_owned(),
    ];
    assert_eq!(said, expect);

    let mut decoder = StreamDecoder::default();
    let (name, long) = piece(&"s".repeat(300 << 10));
    let long = long.to_string();
    let mut read = || decoder.event(Some(name.as_bytes()), long.as_bytes(), &mut |_| {});
    let results: Vec<bool> = (0..4).map(|_| read().is_ok()).collect();
    assert_eq!(results, [true, true, true, false]);
}

#[test]
fn errors_have_the_status_that_they_would_have_had() {
    let check = |name: &str, data: Json, expect: &str| {
        assert_eq!(read(&[(name, data)]), [expect], "{name}");
    };
    let exception = |name: &str, status: &str| {
        let expect = format!("{status} Some({name:?}) why");
        check(name, json!({"message": "why"}), &expect);
    };
    exception("validationException", "Some(400)");
    exception("modelTimeoutException", "Some(408)");
    exception("modelStreamErrorException", "Some(424)");
    exception("throttlingException", "Some(429)");
    exception("internalServerException", "Some(500)");
    exception("serviceUnavailableException", "Some(503)");
    exception("laterException", "None");
    // Of the connection, as the frames tell it.
    check(
        "error",
        json!({"code": "InternalFailure", "message": "why"}),
        r#"Some(500) Some("InternalFailure") why"#,
    );
    check("error", json!({"code": "Other"}), r#"None Some("Other") "#);
    assert!(read(&[("later", json!({"message": "why"}))]).is_empty());
}
