use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::parse;
use crate::anthropic::messages::{StreamDecoder, StreamEncoder};
use crate::canonical::{Delta, Event, Finish, Opening, StreamTerms};
use crate::response::{UpstreamError, Usage};
use crate::sse;
use crate::wire::Fault;

/// The events of a stream, given by their data.
fn decode(data: &[Json]) -> Result<Vec<Event<'static>>, Fault> {
    let mut decoder = StreamDecoder::default();
    let mut events = Vec::new();
    for data in data {
        let name = data["type"].as_str().map(str::as_bytes);
        let data = data.to_string();
        decoder.event(name, data.as_bytes(), &mut |event| {
            events.push(event.into_owned())
        })?;
    }
    Ok(events)
}

fn open(choice: u32, part: u32, opening: Opening<'static>) -> Event<'static> {
    Event::Open {
        choice,
        part,
        opening,
    }
}

fn delta_of(choice: u32, part: u32, delta: Delta<'static>) -> Event<'static> {
    Event::Delta {
        choice,
        part,
        delta,
    }
}

fn close(part: u32) -> Event<'static> {
    Event::Close { choice: 0, part }
}

fn finish(finish: Finish<'static>) -> Event<'static> {
    Event::Finish { choice: 0, finish }
}

fn text(part: u32, text: &'static str) -> Event<'static> {
    delta_of(0, part, Delta::Text(text.into()))
}

fn arguments(part: u32, text: &'static str) -> Event<'static> {
    delta_of(0, part, Delta::Arguments(text.into()))
}

fn call(id: &'static str) -> Opening<'static> {
    Opening::ToolCall {
        id: id.into(),
        name: "look".into(),
    }
}

fn start() -> Event<'static> {
    Event::Start {
        id: "msg_1".into(),
        model: "claude".into(),
        created: None,
    }
}

/// The data of the events that are written, each under its own name.
fn encode(events: &[Event<'_>]) -> Vec<Json> {
    let mut encoder = StreamEncoder::new(StreamTerms {
        usage: false,
        now: 1,
    });
    let mut out = Vec::new();
    for event in events {
        encoder.event(event, &mut out);
    }
    let mut frames = sse::Decoder::new(sse::DEFAULT_MAX_FRAME);
    frames.push(Bytes::from(out));
    let mut found = Vec::new();
    while let Some(frame) = frames.next_frame().expect("short frames") {
        let data = parse(&frame.data().expect("data"));
        assert_eq!(frame.event(), data["type"].as_str().map(str::as_bytes));
        found.push(data);
    }
    assert_eq!(frames.finish(), None, "a frame lacks its end");
    found
}

#[track_caller]
fn assert_written(events: &[Event<'_>], expect: &[Json]) {
    let found = encode(events);
    let lines = |events: &[Json]| {
        let lines: Vec<_> = events.iter().map(Json::to_string).collect();
        lines.join("\n")
    };
    assert_eq!(
        found,
        expect,
        "found\n{}\nexpected\n{}",
        lines(&found),
        lines(expect)
    );
}

fn figures(input: u64, output: u64) -> Json {
    json!({
        "input_tokens": input, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0, "output_tokens": output,
    })
}

fn message_start(usage: Json) -> Json {
    json!({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage,
    }})
}

fn block_start(index: u64, block: Json) -> Json {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn block_delta(index: u64, delta: Json) -> Json {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn text_start(index: u64) -> Json {
    block_start(index, json!({"type": "text", "text": ""}))
}

fn text_delta(index: u64, text: &str) -> Json {
    block_delta(index, json!({"type": "text_delta", "text": text}))
}

fn call_start(index: u64, id: &str) -> Json {
    block_start(
        index,
        json!({"type": "tool_use", "id": id, "name": "look", "input": {}}),
    )
}

fn call_delta(index: u64, text: &str) -> Json {
    block_delta(
        index,
        json!({"type": "input_json_delta", "partial_json": text}),
    )
}

fn thinking_start(index: u64) -> Json {
    block_start(
        index,
        json!({"type": "thinking", "thinking": "", "signature": ""}),
    )
}

fn stop(index: u64) -> Json {
    json!({"type": "content_block_stop", "index": index})
}

fn message_delta(reason: &str, usage: Json) -> Json {
    let delta = json!({"stop_reason": reason, "stop_sequence": null});
    json!({"type": "message_delta", "delta": delta, "usage": usage})
}

fn message_stop() -> Json {
    json!({"type": "message_stop"})
}

/// What the first event says of the output is no count.
fn usage_of_prompt(input: u64) -> Usage {
    Usage {
        output: None,
        ..usage(input, 0)
    }
}

fn usage(input: u64, output: u64) -> Usage {
    Usage {
        input: Some(input),
        cached_input: Some(0),
        cache_write: Some(0),
        output: Some(output),
        ..Usage::default()
    }
}

/// Thoughts, text and two calls, as the API streams them.
fn long_stream() -> Vec<Json> {
    vec![
        message_start(figures(9, 1)),
        thinking_start(0),
        block_delta(0, json!({"type": "thinking_delta", "thinking": "H"})),
        json!({"type": "ping"}),
        block_delta(0, json!({"type": "thinking_delta", "thinking": "m"})),
        block_delta(0, json!({"type": "signature_delta", "signature": "c2ln"})),
        stop(0),
        block_start(1, json!({"type": "redacted_thinking", "data": "b3BhcXVl"})),
        stop(1),
        text_start(2),
        text_delta(2, "I \"look\".\n"),
        stop(2),
        call_start(3, "a"),
        call_delta(3, "{\"at"),
        call_delta(3, "\": 1}"),
        stop(3),
        call_start(4, "b"),
        call_delta(4, "{}"),
        stop(4),
        message_delta("tool_use", figures(9, 30)),
        message_stop(),
    ]
}

#[test]
fn a_stream_is_read() {
    let signature = Delta::Signature("c2ln".into());
    let expect = [
        start(),
        Event::Usage(usage_of_prompt(9)),
        open(0, 0, Opening::Reasoning),
        text(0, "H"),
        Event::Ping,
        text(0, "m"),
        delta_of(0, 0, signature),
        close(0),
        open(0, 1, Opening::Redacted("b3BhcXVl".into())),
        close(1),
        open(0, 2, Opening::Text),
        text(2, "I \"look\".\n"),
        close(2),
        open(0, 3, call("a")),
        arguments(3, "{\"at"),
        arguments(3, "\": 1}"),
        close(3),
        open(0, 4, call("b")),
        arguments(4, "{}"),
        close(4),
        finish(Finish::ToolCalls),
        Event::Usage(usage(9, 30)),
        Event::End,
    ];
    assert_eq!(decode(&long_stream()).expect("a stream"), expect);
}

#[test]
fn a_stream_read_and_written_is_the_same() {
    let stream = long_stream();
    let events = decode(&stream).expect("a stream");
    let mut expect = stream.clone();
    // What was read by then is not known when the stream begins.
    expect[0] = message_start(figures(0, 0));
    assert_written(&events, &expect);
    // And once more, to the same events but for those figures.
    let again = decode(&encode(&events)).expect("a stream");
    assert_eq!(again[2..], events[2..]);
}

#[test]
fn figures_add_up_over_events() {
    let mut first = figures(5, 1);
    first["cache_read_input_tokens"] = json!(100);
    first["cache_creation_input_tokens"] = json!(20);
    first["cache_creation"] = json!({"ephemeral_1h_input_tokens": 8});
    let last = json!({"output_tokens": 40, "output_tokens_details": {"thinking_tokens": 30}});
    let stream = [
        message_start(first),
        message_delta("end_turn", last),
        message_stop(),
    ];
    let events = decode(&stream).expect("a stream");
    let expect = Usage {
        input: Some(125),
        cached_input: Some(100),
        cache_write: Some(20),
        cache_write_hour: Some(8),
        output: Some(40),
        reasoning: Some(30),
        ..Usage::default()
    };
    assert_eq!(events[3], Event::Usage(expect));
}

#[test]
fn blocks_may_be_whole_at_once_unknown_or_empty() {
    let whole = json!({"type": "tool_use", "id": "a", "name": "look", "input": {"at": 1}});
    let stream = [
        message_start(figures(1, 1)),
        block_start(
            0,
            json!({"type": "server_tool_use", "id": "s", "name": "x", "input": {}}),
        ),
        call_delta(0, "{\"q\": 1}"),
        stop(0),
        block_start(1, whole),
        stop(1),
        call_start(2, "b"),
        call_delta(2, ""),
        stop(2),
        json!({"type": "something_new", "index": "?"}),
        block_start(3, json!({"type": "text", "text": "Hi"})),
        block_delta(3, json!({"type": "citations_delta", "citation": {}})),
        // Neither stopped nor finished.
        message_stop(),
        message_delta("end_turn", figures(1, 1)),
    ];
    let expect = [
        start(),
        Event::Usage(usage_of_prompt(1)),
        open(0, 0, call("a")),
        arguments(0, "{\"at\":1}"),
        close(0),
        open(0, 1, call("b")),
        arguments(1, "{}"),
        close(1),
        open(0, 2, Opening::Text),
        text(2, "Hi"),
        close(2),
        Event::End,
    ];
    assert_eq!(decode(&stream).expect("a stream"), expect);
}

#[test]
fn the_name_of_an_event_does_where_its_data_have_none() {
    let mut decoder = StreamDecoder::default();
    let mut events = Vec::new();
    let data = br#"{"message": {"id": "msg_1", "model": "claude"}}"#;
    let mut emit = |event: Event<'_>| events.push(event.into_owned());
    decoder
        .event(Some(b"message_start"), data, &mut emit)
        .expect("an event");
    assert_eq!(events, [start()]);
}

#[test]
fn an_error_ends_a_stream() {
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}});
    let stream = [message_start(figures(1, 1)), error.clone(), message_stop()];
    let events = decode(&stream).expect("a stream");
    let expect = UpstreamError {
        status: Some(529),
        kind: Some("overloaded_error".into()),
        message: "Busy".into(),
        ..UpstreamError::default()
    };
    assert_eq!(events[2..], [Event::Error(expect)]);
    assert_written(&events, &[message_start(figures(0, 0)), error]);
}

#[test]
fn errors_of_other_dialects_get_a_kind() {
    let check = |kind: Option<&str>, status: Option<u16>, expect: &str| {
        let error = UpstreamError {
            kind: kind.map(String::from),
            status,
            message: "No".into(),
            ..UpstreamError::default()
        };
        let error = [Event::Error(error), Event::End];
        let expect = json!({"type": "error", "error": {"type": expect, "message": "No"}});
        assert_written(&error, &[expect]);
    };
    check(Some("server_error"), None, "api_error");
    check(Some("requests"), Some(429), "rate_limit_error");
    check(None, Some(503), "overloaded_error");
    check(None, Some(502), "api_error");
    check(None, Some(422), "invalid_request_error");
    check(Some("timeout_error"), Some(500), "timeout_error");
}

#[test]
fn what_is_no_stream_is_a_fault() {
    let check = |stream: &[Json], field: &str| {
        let fault = decode(stream).expect_err(field);
        assert_eq!(fault.field, field, "{stream:?}");
    };
    check(&[text_start(0)], "type");
    check(&[message_start(figures(1, 1)), text_delta(0, "x")], "index");
    check(
        &[
            message_start(figures(1, 1)),
            json!({"type": "content_block_stop"}),
        ],
        "index",
    );
    check(&[json!({"type": "message_start"})], "message");
    check(&[json!(1)], "");
}

#[test]
fn usage_after_the_finish_is_told_at_the_end() {
    let events = [
        start(),
        open(0, 0, Opening::Text),
        text(0, "Hi"),
        close(0),
        finish(Finish::StopSequence(Some("END".into()))),
        Event::Usage(Usage {
            input: Some(50),
            cached_input: Some(40),
            output: Some(2),
            reasoning: Some(1),
            ..Usage::default()
        }),
        Event::End,
        Event::Ping,
    ];
    let expect = [
        message_start(figures(0, 0)),
        text_start(0),
        text_delta(0, "Hi"),
        stop(0),
        json!({
            "type": "message_delta",
            "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"},
            "usage": {
                "input_tokens": 10, "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 40, "output_tokens": 2,
                "output_tokens_details": {"thinking_tokens": 1},
            },
        }),
        message_stop(),
    ];
    assert_written(&events, &expect);
}

#[test]
fn empty_parts_further_choices_and_proofs_of_calls_are_not_written() {
    let signature = || Delta::Signature("c2ln".into());
    let events = [
        start(),
        open(0, 0, Opening::Text),
        open(1, 0, Opening::Text),
        delta_of(1, 0, Delta::Text("other".into())),
        text(0, ""),
        close(0),
        open(0, 1, Opening::Reasoning),
        delta_of(0, 1, signature()),
        close(1),
        open(0, 2, Opening::Refusal),
        text(2, "No."),
        close(2),
        open(0, 3, call("a")),
        delta_of(0, 3, signature()),
        close(3),
        Event::Finish {
            choice: 1,
            finish: Finish::Length,
        },
        finish(Finish::Stop),
        Event::End,
    ];
    let expect = [
        message_start(figures(0, 0)),
        thinking_start(0),
        block_delta(0, json!({"type": "signature_delta", "signature": "c2ln"})),
        stop(0),
        text_start(1),
        text_delta(1, "No."),
        stop(1),
        call_start(2, "a"),
        stop(2),
        message_delta("tool_use", figures(0, 0)),
        message_stop(),
    ];
    assert_written(&events, &expect);
}

#[test]
fn interleaved_calls_are_written_one_after_the_other() {
    let events = [
        start(),
        open(0, 0, call("a")),
        open(0, 1, call("b")),
        arguments(1, "{"),
        arguments(0, "{}"),
        arguments(1, "\"x\":"),
        open(0, 2, Opening::Text),
        open(0, 3, Opening::Text),
        text(3, "Hi"),
        open(0, 4, call("c")),
        arguments(4, "{}"),
        close(4),
        close(0),
        arguments(1, "1}"),
        // Not closed.
        finish(Finish::ToolCalls),
        Event::End,
    ];
    let expect = [
        message_start(figures(0, 0)),
        call_start(0, "a"),
        call_delta(0, "{}"),
        stop(0),
        call_start(1, "b"),
        call_delta(1, "{\"x\":"),
        call_delta(1, "1}"),
        stop(1),
        text_start(2),
        text_delta(2, "Hi"),
        stop(2),
        call_start(3, "c"),
        call_delta(3, "{}"),
        stop(3),
        message_delta("tool_use", figures(0, 0)),
        message_stop(),
    ];
    assert_written(&events, &expect);
}

/// What waits is bounded, and given up loudly.
#[test]
fn too_much_that_waits_is_an_error() {
    let more = "x".repeat(1 << 19);
    let more = || delta_of(0, 1, Delta::Arguments(more.clone().into()));
    let mut events = vec![
        start(),
        open(0, 0, call("a")),
        open(0, 1, call("b")),
        more(),
    ];
    assert_eq!(
        encode(&events).last().unwrap()["type"],
        "content_block_start"
    );
    events.extend([more(), more(), close(0), Event::End]);
    assert_eq!(encode(&events).last().unwrap()["type"], "error");
    // What has been written waits no longer.
    let mut events = vec![start(), open(0, 1, call("b"))];
    events.extend(std::iter::repeat_with(more).take(4));
    events.push(Event::End);
    assert_eq!(encode(&events).last().unwrap()["type"], "message_stop");
}

#[test]
fn blocks_without_end_are_refused() {
    let mut events = vec![message_start(figures(0, 0))];
    events.extend((0..128).map(text_start));
    assert!(decode(&events).is_ok());
    events.push(text_start(128));
    assert_eq!(decode(&events).unwrap_err().message, "is one of too many");
}

#[test]
fn what_is_open_at_the_end_is_stopped() {
    let events = [
        start(),
        open(0, 0, Opening::Text),
        text(0, "Hi"),
        Event::End,
    ];
    let expect = [
        message_start(figures(0, 0)),
        text_start(0),
        text_delta(0, "Hi"),
        stop(0),
        message_delta("end_turn", figures(0, 0)),
        message_stop(),
    ];
    assert_written(&events, &expect);
}
