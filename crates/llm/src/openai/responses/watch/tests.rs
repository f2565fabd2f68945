use bytes::Bytes;
use serde_json::{Value, json};

use crate::Api;
use crate::response::{Ended, PlainTap, StreamOptions, StreamReport, StreamTap, Usage};

/// An event as OpenAI sends it, with its type first, or as vLLM does, with its type last.
fn event(kind: &str, rest: &Value, type_first: bool) -> String {
    let rest = rest.to_string();
    let fields = &rest[1..rest.len() - 1];
    let fields = match type_first {
        true => format!("\"type\":\"{kind}\",{fields}"),
        false => format!("{fields},\"type\":\"{kind}\""),
    };
    format!("event: {kind}\ndata: {{{fields}}}\n\n")
}

fn state(status: &str, usage: &Value, error: &Value) -> Value {
    json!({"sequence_number": 1, "response": {"id": "resp_1", "object": "response",
        "status": status, "model": "gpt", "error": error, "output": [], "usage": usage}})
}

fn created() -> String {
    event(
        "response.created",
        &state("in_progress", &Value::Null, &Value::Null),
        true,
    )
}

fn message() -> String {
    let item = json!({"item": {"type": "message", "content": []}, "output_index": 0});
    event("response.output_item.added", &item, true)
}

fn text(text: &str) -> String {
    event(
        "response.output_text.delta",
        &json!({"delta": text, "output_index": 0}),
        false,
    )
}

fn counted() -> Value {
    json!({"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 14})
}

fn usage() -> Usage {
    Usage {
        input: Some(9),
        cached_input: Some(4),
        output: Some(5),
        reasoning: Some(3),
        ..Usage::default()
    }
}

fn last(kind: &str) -> String {
    event(
        &format!("response.{kind}"),
        &state(kind, &counted(), &Value::Null),
        true,
    )
}

/// What is forwarded of a stream, whether it has begun, and what it reports, however it is cut.
fn watch(stream: &str) -> (String, bool, StreamReport) {
    let run = |cut: usize| {
        let options = StreamOptions {
            drop_usage: true,
            ..StreamOptions::default()
        };
        let mut tap = StreamTap::new(Api::RESPONSES, options);
        let mut out = Vec::new();
        for piece in stream.as_bytes().chunks(cut) {
            tap.feed(Bytes::copy_from_slice(piece), &mut out)
                .expect("short events");
        }
        let begun = tap.begun();
        let report = tap.finish(&mut out);
        (
            String::from_utf8(out.concat()).expect("UTF-8"),
            begun,
            report,
        )
    };
    let whole = run(usize::MAX);
    for cut in 1..50 {
        assert_eq!(run(cut), whole, "{cut}");
    }
    whole
}

#[test]
fn a_good_stream_passes_whole() {
    let done = event("response.output_text.done", &json!({"text": "ab"}), true);
    for kind in ["completed", "incomplete"] {
        let stream = [
            created(),
            message(),
            text("a"),
            text("response.failed \"error\":{}"),
            done.clone(),
            last(kind),
        ]
        .concat();
        let (out, begun, report) = watch(&stream);
        assert_eq!((out, begun), (stream, true));
        let expect = StreamReport {
            ended: Ended::Complete,
            model: Some("gpt".to_owned()),
            usage: Some(usage()),
            content_events: 2,
            events: 6,
        };
        assert_eq!(report, expect);
    }
}

/// A stream that lacks its last event is not whole, whatever else says that it is over.
#[test]
fn only_the_last_event_ends_a_stream() {
    for end in ["", "data: [DONE]\n\n"] {
        let stream = [created(), message(), text("a"), text("b")].concat() + end;
        let (out, _, report) = watch(&stream);
        assert_eq!((out, report.ended), (stream, Ended::Truncated));
        assert_eq!((report.content_events, report.usage), (2, None));
    }
    let whole = [created(), text("a"), last("completed")].concat();
    let (out, _, report) = watch(whole.trim_end());
    assert_eq!((out, report.ended), (whole, Ended::Complete));
}

#[test]
fn an_answer_begins_with_its_first_content() {
    let begins = |kind: &str, fields: Value| {
        let stream = created() + &message() + &event(kind, &fields, true);
        watch(&stream).1
    };
    for kind in [
        "response.output_text.delta",
        "response.refusal.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
        "response.function_call_arguments.delta",
    ] {
        assert!(begins(kind, json!({"delta": "a"})), "{kind}");
        assert!(!begins(kind, json!({"delta": ""})), "{kind}");
    }
    let added = |kind: &str| {
        begins(
            "response.output_item.added",
            json!({"item": {"type": kind}}),
        )
    };
    assert!(added("function_call"));
    assert!(!added("reasoning") && !added("message"));
    assert!(!begins(
        "response.in_progress",
        json!({"response": {"model": "m"}})
    ));
}

#[test]
fn errors_are_told_in_three_ways() {
    let limited = json!({"code": "rate_limit_exceeded", "message": "slow down"});
    let failed = event(
        "response.failed",
        &state("failed", &Value::Null, &limited),
        true,
    );
    let own = event("error", &limited, false);
    let nested = "data: {\"error\":{\"code\":429,\"message\":\"slow down\"}}\n\n".to_owned();
    for event in [failed, own, nested] {
        for stream in [created() + &event, created() + &text("a") + &event] {
            let (out, _, report) = watch(&stream);
            let Ended::Failed(error) = report.ended else {
                panic!("{stream}");
            };
            assert_eq!(
                (error.status, &*error.message),
                (Some(429), "slow down"),
                "{stream}"
            );
            assert_eq!(out, stream);
        }
    }
}

#[test]
fn a_plain_answer_is_read() {
    let mut body = state("completed", &counted(), &Value::Null)["response"].take();
    // Of the other API, and none of ours.
    body["usage"]["prompt_tokens"] = 99.into();
    let mut tap = PlainTap::new(Api::RESPONSES);
    tap.feed(body.to_string().as_bytes());
    let plain = tap.finish();
    assert_eq!((plain.usage, plain.error), (Some(usage()), None));
    assert_eq!(
        (plain.model.as_deref(), plain.complete),
        (Some("gpt"), true)
    );
}
