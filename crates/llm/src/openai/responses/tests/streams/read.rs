//! Streams as other servers write them.

use super::*;

fn check_decoded(frames: &[Json], events: &[Event<'_>]) {
    assert_eq!(decode(frames), texts(events));
}

fn created() -> Json {
    json!({"type": "response.created", "response": {"id": "r1", "model": "m", "created_at": 7.0}})
}

fn completed() -> Json {
    json!({"type": "response.completed", "response": {"status": "completed"}})
}

/// Paragraphs of a summary are one text, and thoughts beside a summary are passed over.
#[test]
fn paragraphs_are_joined() {
    let delta = |at: u32, text: &str| {
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0,
            "summary_index": at, "delta": text})
    };
    let item = json!({"type": "reasoning", "encrypted_content": "gAAA", "summary": [
        {"type": "summary_text", "text": "ab"}, {"type": "summary_text", "text": "c"}]});
    check_decoded(
        &[
            created(),
            json!({"type": "response.novel", "output_index": 0}),
            json!({"type": "response.output_item.added", "output_index": 0,
                "item": {"type": "reasoning", "summary": []}}),
            delta(0, "a"),
            delta(0, "b"),
            json!({"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0,
                "delta": "hidden"}),
            delta(1, "c"),
            json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
            completed(),
            delta(1, "late"),
        ],
        &[
            START,
            open(0, Opening::Reasoning),
            say(0, "a"),
            say(0, "b"),
            say(0, "\n\n"),
            say(0, "c"),
            close(0),
            open(1, Opening::Redacted("gAAA".into())),
            close(1),
            finish(Finish::Stop),
            Event::End,
        ],
    );
}

/// Servers that tell a thing only when it is done are understood.
#[test]
fn what_had_no_delta_is_read_whole() {
    let message = json!({"type": "message", "content": [{"type": "output_text", "text": "hi"}]});
    let call = json!({"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"});
    let told = [
        open(0, Opening::Text),
        say(0, "hi"),
        close(0),
        open_call(1, "c1"),
        argue(1, "{}"),
        close(1),
        finish(Finish::ToolCalls),
        Event::End,
    ];
    let mut expect = vec![START];
    expect.extend(told);
    let done = |at: u32, item: &Json| json!({"type": "response.output_item.done", "output_index": at, "item": item});
    check_decoded(
        &[created(), done(0, &message), done(1, &call), completed()],
        &expect,
    );
    let response = json!({"id": "r1", "model": "m", "created_at": 7, "output": [message, call]});
    check_decoded(
        &[json!({"type": "response.completed", "response": response})],
        &expect,
    );
    let added = json!({"type": "function_call", "call_id": "c1", "name": "f", "arguments": ""});
    check_decoded(
        &[
            created(),
            json!({"type": "response.output_text.done", "output_index": 0, "text": "hi"}),
            done(0, &message),
            json!({"type": "response.output_item.added", "output_index": 1, "item": added}),
            json!({"type": "response.function_call_arguments.done", "output_index": 1,
                "arguments": "{}"}),
            done(1, &call),
            completed(),
        ],
        &expect,
    );
}

#[test]
fn a_failure_is_an_error_event() {
    let error = |code: &str, message: &str| {
        Event::Error(UpstreamError {
            code: Some(code.into()),
            message: message.into(),
            ..UpstreamError::default()
        })
    };
    let failed = json!({"type": "response.failed", "response": {"status": "failed",
        "error": {"code": "server_error", "message": "boom"}}});
    let boom = Event::Error(UpstreamError {
        status: Some(500),
        code: Some("server_error".into()),
        message: "boom".into(),
        ..UpstreamError::default()
    });
    let flat = json!({"type": "error", "code": "x", "message": "y", "param": null});
    let nested = json!({"type": "error", "error": {"code": "x", "message": "y"}});
    let bare = json!({"error": {"code": "x", "message": "y"}});
    check_decoded(&[created(), failed, completed()], &[START, boom]);
    check_decoded(&[flat, completed()], &[error("x", "y")]);
    check_decoded(&[nested], &[error("x", "y")]);
    check_decoded(&[bare], &[error("x", "y")]);
    let cut = json!({"type": "response.incomplete", "response": {"status": "incomplete",
        "incomplete_details": {"reason": "content_filter"}}});
    check_decoded(
        &[created(), cut],
        &[START, finish(Finish::ContentFilter), Event::End],
    );
}

/// A server that puts the type of an event only where the transport has it.
#[test]
fn the_name_of_an_event_is_its_type() {
    let mut decoder = StreamDecoder::default();
    let mut events = Vec::new();
    let mut emit = |event: Event<'_>| events.push(format!("{event:?}"));
    let name = b"response.output_text.delta".as_slice();
    let data = br#"{"output_index": 0, "content_index": 0, "delta": "a"}"#;
    decoder.event(Some(name), data, &mut emit).unwrap();
    let start = Event::Start {
        id: "".into(),
        model: "".into(),
        created: None,
    };
    assert_eq!(events, texts(&[start, open(0, Opening::Text), say(0, "a")]));
}

#[test]
fn data_that_is_no_event_is_a_fault_but_for_the_end() {
    let mut decoder = StreamDecoder::default();
    let mut emit = |event: Event<'_>| panic!("{event:?}");
    decoder.event(None, b"[DONE]", &mut emit).unwrap();
    assert!(decoder.event(None, b"{", &mut emit).is_err());
}
