use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{cuts, pieces};

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn delta(delta: Value) -> String {
    event(
        &json!({"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": null}], "usage": null}),
    )
}

fn role() -> String {
    delta(json!({"role": "assistant", "content": ""}))
}

fn text(text: &str) -> String {
    delta(json!({ "content": text }))
}

fn stop() -> String {
    event(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": null}))
}

fn usage_chunk() -> String {
    event(&json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}))
}

const DONE: &str = "data: [DONE]\n\n";

struct Seen {
    out: String,
    report: StreamReport,
    begun: bool,
}

fn tap(pieces: &[&[u8]], options: StreamOptions) -> Seen {
    let mut tap = StreamTap::new(Api::CHAT_COMPLETIONS, options);
    let mut out = Vec::new();
    for piece in pieces {
        tap.feed(Bytes::copy_from_slice(piece), &mut out)
            .expect("short events");
    }
    let begun = tap.begun();
    let report = tap.finish(&mut out);
    assert!(out.iter().all(|bytes| !bytes.is_empty()));
    Seen {
        out: String::from_utf8(out.concat()).expect("UTF-8"),
        report,
        begun,
    }
}

fn watch(stream: &str, options: StreamOptions) -> Seen {
    let whole = tap(&[stream.as_bytes()], options);
    let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
    let split = tap(&bytes, options);
    assert_eq!((&whole.out, &whole.report), (&split.out, &split.report));
    whole
}

const DROP: StreamOptions = StreamOptions {
    drop_usage: true,
    framing: None,
    choices: 1,
    max_frame: DEFAULT_MAX_FRAME,
};

#[test]
fn a_good_stream_passes_whole() {
    let stream = [
        role(),
        text("a"),
        text("b"),
        stop(),
        usage_chunk(),
        DONE.into(),
    ]
    .concat();
    let seen = watch(&stream, StreamOptions::default());
    assert_eq!(seen.out, stream);
    let usage = Usage {
        input: Some(7),
        output: Some(2),
        ..Usage::default()
    };
    let report = StreamReport {
        ended: Ended::Complete,
        model: Some("m".to_owned()),
        usage: Some(usage),
        content_events: 2,
        events: stream.matches("data: ").count() as u64,
    };
    assert_eq!(seen.report, report);
}

#[test]
fn a_chunk_that_names_no_model_is_passed_over() {
    let filters = event(&json!({"model": "", "choices": [], "prompt_filter_results": []}));
    let stream = [filters, role(), text("a"), stop(), DONE.into()].concat();
    let seen = watch(&stream, StreamOptions::default());
    assert_eq!(seen.report.model.as_deref(), Some("m"));
}

#[test]
fn no_part_of_a_dropped_chunk_is_left_behind() {
    let stream = [role(), text("a"), stop(), usage_chunk(), DONE.into()].concat();
    let stream = stream.replace('\n', "\r\n");
    let end = stream.find("data: [DONE]").expect("the end event");
    for cut in [end - 3, end - 2, end - 1, end] {
        let (head, tail) = stream.as_bytes().split_at(cut);
        let seen = tap(&[head, tail], DROP);
        assert_eq!(
            seen.out.replace("\r\n", "\n"),
            [role(), text("a"), stop(), DONE.into()].concat()
        );
    }
}

#[test]
fn the_usage_chunk_is_dropped_where_nobody_asked() {
    let head = [role(), text("a"), stop()].concat();
    let seen = watch(&[&head, &usage_chunk(), DONE].concat(), DROP);
    assert_eq!(seen.out, head + DONE);
    assert_eq!(seen.report.usage.and_then(|usage| usage.input), Some(7));
}

#[test]
fn only_the_usage_chunk_is_dropped() {
    let filter = event(&json!({"choices": [], "prompt_filter_results": []}));
    let continuous = event(&json!({
        "choices": [{"index": 0, "delta": {"content": "x"}}], "usage": {"prompt_tokens": 7}
    }));
    let quoted = text("\"usage\": {\"prompt_tokens\": 9} \"finish_reason\":\"stop\" \"error\"");
    let stream = [filter, continuous, quoted, stop(), DONE.into()].concat();
    let seen = watch(&stream, DROP);
    assert_eq!(seen.out, stream);
    assert_eq!(seen.report.usage.and_then(|usage| usage.input), Some(7));
    assert_eq!(
        (seen.report.ended, seen.report.content_events),
        (Ended::Complete, 2)
    );
}

#[track_caller]
fn begins(delta: Value, expect: bool) {
    let stream = event(&json!({"choices": [{"index": 0, "delta": delta}]}));
    assert_eq!(watch(&stream, DROP).begun, expect, "{delta}");
}

#[test]
fn content_of_any_sort_begins() {
    begins(json!({"content": "a"}), true);
    begins(json!({"reasoning_content": "a"}), true);
    begins(json!({"reasoning": "a"}), true);
    begins(json!({"refusal": "a"}), true);
    begins(
        json!({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]}),
        true,
    );
    begins(json!({"function_call": {"name": "f"}}), true);
    begins(json!({"role": "assistant"}), false);
    begins(
        json!({"role": "assistant", "content": "", "refusal": null, "tool_calls": []}),
        false,
    );
    begins(json!({"content": null}), false);
    begins(json!({}), false);
    let completion = |text: &str| event(&json!({"choices": [{"index": 0, "text": text}]}));
    assert!(watch(&completion("a"), DROP).begun);
    assert!(!watch(&completion(""), DROP).begun);
    for stream in [
        ": keep-alive\n\n",
        "event: ping\n\n",
        "data: {\"choices\":null}\n\n",
        "data: x\n\n",
    ] {
        assert!(!watch(stream, DROP).begun, "{stream:?}");
    }
    assert!(!watch(&usage_chunk(), DROP).begun);
}

#[test]
fn what_begins_is_known_before_the_next_chunk() {
    let mut tap = StreamTap::new(Api::CHAT_COMPLETIONS, DROP);
    let mut out = Vec::new();
    tap.feed(role().into(), &mut out).expect("short");
    assert!(!tap.begun());
    tap.feed(text("a").into(), &mut out).expect("short");
    assert!(tap.begun() && !tap.finished() && tap.error().is_none());
}

#[track_caller]
fn fails(event: &str, status: Option<u16>, message: &str) {
    for before in [String::new(), role(), text("a")] {
        let stream = before.clone() + event;
        let seen = watch(&stream, DROP);
        assert_eq!(seen.out, stream, "the event itself goes on");
        let Ended::Failed(error) = seen.report.ended else {
            panic!("not failed: {event}")
        };
        assert_eq!(
            (error.status, error.message.as_str()),
            (status, message),
            "{event}"
        );
    }
}

#[test]
fn error_events_fail_the_stream() {
    fails(
        "data: {\"error\":{\"message\":\"m\",\"code\":503}}\n\n",
        Some(503),
        "m",
    );
    fails(
        "event: error\ndata: {\"error\":{\"message\":\"m\",\"code\":\"c\"}}\n\n",
        None,
        "m",
    );
    fails(
        "data: {\"object\":\"error\",\"message\":\"m\",\"code\":400}\n\n",
        Some(400),
        "m",
    );
    fails("data: {\"error\":\"m\"}\n\n", None, "m");
    let own = crate::ApiError::new(crate::ErrorKind::Timeout, "late");
    let own = crate::error::stream_event(Api::CHAT_COMPLETIONS, &own, 0);
    fails(std::str::from_utf8(&own).expect("UTF-8"), None, "late");
}

#[test]
fn a_null_error_is_none() {
    let stream = event(&json!({"error": null, "choices": [{"delta": {"content": "a"}}]}));
    let seen = watch(&stream, DROP);
    assert!(seen.begun);
    assert_eq!(seen.report.ended, Ended::Truncated);
}

#[track_caller]
fn ends(stream: &str, choices: u64, out: &str, ended: Ended) {
    let seen = watch(stream, StreamOptions { choices, ..DROP });
    assert_eq!((seen.out.as_str(), seen.report.ended), (out, ended));
}

#[test]
fn a_stream_ends_with_its_finish_event_or_is_truncated() {
    let (a, stop) = (text("a"), stop());
    let empty_reason =
        event(&json!({"choices": [{"delta": {"content": "a"}, "finish_reason": ""}]}));
    ends("", 1, "", Ended::Truncated);
    ends("", 0, "", Ended::Truncated);
    ends(&a, 1, &a, Ended::Truncated);
    ends(
        &(a.repeat(2) + &empty_reason),
        1,
        &(a.repeat(2) + &empty_reason),
        Ended::Truncated,
    );
    ends(
        &[&a, DONE].concat(),
        1,
        &[&a, DONE].concat(),
        Ended::Complete,
    );
    ends(
        &[&a[..], &stop].concat(),
        2,
        &[&a[..], &stop].concat(),
        Ended::Truncated,
    );
}

#[test]
fn oddities_are_mended() {
    let (a, stop) = (text("a"), stop());
    let good = [&a, &stop[..], DONE].concat();
    ends(&[&a[..], &stop].concat(), 1, &good, Ended::Complete);
    let unterminated = [&a, &stop[..], "data: [DONE]"].concat();
    ends(&unterminated, 1, &good, Ended::Complete);
    let cut = [&a, &stop[..stop.len() - 8]].concat();
    ends(&cut, 1, &a, Ended::Truncated);
}

#[test]
fn neighbours_are_forwarded_as_one_slice() {
    let chunk = Bytes::from([text("a"), text("b"), usage_chunk(), stop(), DONE.into()].concat());
    let mut tap = StreamTap::new(Api::CHAT_COMPLETIONS, DROP);
    let mut out = Vec::new();
    tap.feed(chunk.clone(), &mut out).expect("short");
    assert_eq!(out.len(), 2);
    assert_eq!(out[0].as_ptr(), chunk.as_ptr());
    assert_eq!(out.concat().len(), chunk.len() - usage_chunk().len());
}

#[test]
fn events_are_bounded() {
    let mut tap = StreamTap::new(
        Api::CHAT_COMPLETIONS,
        StreamOptions {
            max_frame: 20,
            ..StreamOptions::default()
        },
    );
    let fed = tap.feed(
        Bytes::from_static(b"data: 0123456789abcdef"),
        &mut Vec::new(),
    );
    assert_eq!(fed, Err(crate::sse::FrameTooLong { limit: 20 }.into()));
}

/// Anthropic's events, named as its own server names them.
mod anthropic {
    use super::*;

    fn named(value: Value) -> String {
        let name = value["type"].as_str().expect("a type");
        format!("event: {name}\ndata: {value}\n\n")
    }

    fn start() -> String {
        named(
            json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude",
            "content": [], "usage": {"input_tokens": 3, "cache_read_input_tokens": 40,
            "cache_creation_input_tokens": 0, "output_tokens": 1}}}),
        )
    }

    fn block(block: Value) -> String {
        named(json!({"type": "content_block_start", "index": 0, "content_block": block}))
    }

    /// As servers write it, its type first.
    fn delta(delta: Value) -> String {
        format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{delta}}}\n\n"
        )
    }

    fn text(text: &str) -> String {
        delta(json!({"type": "text_delta", "text": text}))
    }

    fn stop(sequence: &str) -> String {
        named(json!({"type": "message_delta",
            "delta": {"stop_reason": "stop_sequence", "stop_sequence": sequence},
            "usage": {"output_tokens": 9}}))
    }

    fn end() -> String {
        named(json!({"type": "message_stop"}))
    }

    fn ping() -> String {
        named(json!({"type": "ping"}))
    }

    fn watch(stream: &str) -> Seen {
        let run = |pieces: &[&[u8]]| {
            let mut tap = StreamTap::new(Api::MESSAGES, DROP);
            let mut out = Vec::new();
            for piece in pieces {
                tap.feed(Bytes::copy_from_slice(piece), &mut out)
                    .expect("short events");
            }
            let begun = tap.begun();
            let report = tap.finish(&mut out);
            let out = String::from_utf8(out.concat()).expect("UTF-8");
            Seen { out, report, begun }
        };
        let whole = run(&[stream.as_bytes()]);
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        let split = run(&bytes);
        assert_eq!((&whole.out, &whole.report), (&split.out, &split.report));
        whole
    }

    #[test]
    fn a_good_stream_passes_whole() {
        let empty = block(json!({"type": "text", "text": ""}));
        let block_end = named(json!({"type": "content_block_stop", "index": 0}));
        let stream = [
            start(),
            empty,
            ping(),
            text("a"),
            ping(),
            text("\"message_stop\""),
            block_end,
            stop("content_block_delta"),
            end(),
        ]
        .concat();
        let seen = watch(&stream);
        assert_eq!(seen.out, stream);
        let usage = Usage {
            input: Some(43),
            cached_input: Some(40),
            cache_write: Some(0),
            output: Some(9),
            ..Usage::default()
        };
        let report = StreamReport {
            ended: Ended::Complete,
            model: Some("claude".to_owned()),
            usage: Some(usage),
            content_events: 2,
            events: 9,
        };
        assert_eq!(seen.report, report);
    }

    #[test]
    fn what_has_been_written_is_known_at_the_end_only() {
        let seen = watch(&[start(), text("a"), text("b")].concat());
        assert_eq!(seen.report.ended, Ended::Truncated);
        let usage = seen.report.usage.expect("usage");
        assert_eq!((usage.input, usage.output), (Some(43), None));
        assert_eq!(seen.report.content_events, 2);
    }

    #[test]
    fn a_stop_reason_is_not_the_end() {
        let cut = [start(), text("a"), stop("x")].concat();
        let seen = watch(&cut);
        assert_eq!((&seen.out, seen.report.ended), (&cut, Ended::Truncated));
        let unterminated = [start(), text("a"), stop("x"), end().trim_end().to_owned()].concat();
        assert_eq!(watch(&unterminated).report.ended, Ended::Complete);
        let empty = [start(), stop("x"), end()].concat();
        let seen = watch(&empty);
        assert_eq!((seen.begun, seen.report.ended), (false, Ended::Complete));
    }

    #[test]
    fn content_of_any_sort_begins() {
        let check = |event: String, expect| {
            assert_eq!(watch(&(start() + &event)).begun, expect, "{event}");
        };
        check(text("a"), true);
        check(
            delta(json!({"type": "thinking_delta", "thinking": "a"})),
            true,
        );
        check(
            delta(json!({"type": "input_json_delta", "partial_json": "{"})),
            true,
        );
        check(
            block(json!({"type": "tool_use", "id": "t", "name": "f", "input": {}})),
            true,
        );
        check(
            block(json!({"type": "redacted_thinking", "data": "x"})),
            true,
        );
        check(block(json!({"type": "text", "text": "a"})), true);
        check(block(json!({"type": "text", "text": ""})), false);
        check(
            block(json!({"type": "thinking", "thinking": "", "signature": ""})),
            false,
        );
        check(text(""), false);
        check(ping(), false);
        check("data: x\n\n".to_owned(), false);
        check("data: {}\n\n".to_owned(), false);
        check(": keep-alive\n\n".to_owned(), false);
    }

    #[test]
    fn error_events_fail_the_stream() {
        let overloaded =
            named(json!({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}));
        let own = crate::ApiError::new(crate::ErrorKind::Timeout, "m");
        let own = crate::error::stream_event(Api::MESSAGES, &own, 0);
        let own = String::from_utf8(own.to_vec()).expect("UTF-8");
        let bare = "data: {\"error\":\"m\"}\n\n".to_owned();
        for (event, status) in [(overloaded, Some(529)), (own, Some(504)), (bare, None)] {
            for before in [String::new(), start(), start() + &text("a")] {
                let stream = before + &event;
                let seen = watch(&stream);
                assert_eq!(seen.out, stream, "the event itself goes on");
                let Ended::Failed(error) = seen.report.ended else {
                    panic!("not failed: {event}")
                };
                assert_eq!(
                    (error.status, error.message.as_str()),
                    (status, "m"),
                    "{event}"
                );
            }
        }
    }
}

fn any_event() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,12}".prop_map(|content| text(&content)),
        Just(role()),
        Just(stop()),
        Just(usage_chunk()),
        Just(DONE.to_owned()),
        Just(": ping\r\n\r\n".to_owned()),
        Just("data: {\"error\":{\"message\":\"m\"}}\r\n\r\n".to_owned()),
        "[ -~]{0,12}".prop_map(|noise| noise + "\n"),
    ]
}

proptest! {
    #[test]
    fn any_split_reports_the_same(
        events in prop::collection::vec(any_event(), 0..12), drop_usage: bool, cuts in cuts()
    ) {
        let (stream, options) = (events.concat(), StreamOptions { drop_usage, ..DROP });
        let whole = tap(&[stream.as_bytes()], options);
        let split = tap(&pieces(stream.as_bytes(), &cuts), options);
        prop_assert_eq!(whole.out, split.out);
        prop_assert_eq!(whole.report, split.report);
        prop_assert_eq!(whole.begun, split.begun);
    }

    #[test]
    fn nothing_is_lost_or_added(
        texts in prop::collection::vec(".{0,12}", 0..12), cuts in cuts()
    ) {
        let events: String = texts.iter().map(|content| text(content)).collect();
        let stream = events + DONE;
        let seen = tap(&pieces(stream.as_bytes(), &cuts), DROP);
        prop_assert_eq!(seen.out, stream);
    }
}
