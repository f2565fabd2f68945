//! Streams.

use super::*;
use crate::sse;

const START: Event<'static> = Event::Start {
    id: std::borrow::Cow::Borrowed("r1"),
    model: std::borrow::Cow::Borrowed("m"),
    created: Some(7),
};

fn open(part: u32, opening: Opening<'_>) -> Event<'_> {
    Event::Open {
        choice: 0,
        part,
        opening,
    }
}

fn open_call(part: u32, id: &'static str) -> Event<'static> {
    open(
        part,
        Opening::ToolCall {
            id: id.into(),
            name: "f".into(),
        },
    )
}

fn say(part: u32, text: &str) -> Event<'_> {
    Event::Delta {
        choice: 0,
        part,
        delta: Delta::Text(text.into()),
    }
}

fn argue(part: u32, text: &str) -> Event<'_> {
    Event::Delta {
        choice: 0,
        part,
        delta: Delta::Arguments(text.into()),
    }
}

fn sign(part: u32, text: &str) -> Event<'_> {
    Event::Delta {
        choice: 0,
        part,
        delta: Delta::Signature(text.into()),
    }
}

fn close(part: u32) -> Event<'static> {
    Event::Close { choice: 0, part }
}

fn finish(finish: Finish<'static>) -> Event<'static> {
    Event::Finish { choice: 0, finish }
}

fn usage(input: u64, output: u64) -> Event<'static> {
    Event::Usage(Usage {
        input: Some(input),
        cached_input: Some(0),
        cache_write: Some(0),
        output: Some(output),
        reasoning: Some(0),
        ..Usage::default()
    })
}

fn encode(events: &[Event<'_>]) -> Vec<u8> {
    let mut encoder = StreamEncoder::new(StreamTerms {
        usage: true,
        now: 7,
    });
    let mut out = Vec::new();
    events
        .iter()
        .for_each(|event| encoder.event(event, &mut out));
    out
}

/// Data of each event; its name is its type and its number is its place.
fn frames(stream: Vec<u8>) -> Vec<Json> {
    let mut decoder = sse::Decoder::new(1 << 26);
    decoder.push(stream.into());
    let mut all = Vec::new();
    while let Some(frame) = decoder.next_frame().unwrap() {
        let Some(data) = frame.data() else { continue };
        let data: Json = serde_json::from_slice(&data).unwrap();
        assert_eq!(
            frame.event().unwrap(),
            data["type"].as_str().unwrap().as_bytes()
        );
        assert_eq!(data["sequence_number"], all.len());
        all.push(data);
    }
    all
}

fn decode(frames: &[Json]) -> Vec<String> {
    let mut decoder = StreamDecoder::default();
    let mut events = Vec::new();
    for frame in frames {
        let data = frame.to_string();
        let mut emit = |event: Event<'_>| events.push(format!("{event:?}"));
        decoder.event(None, data.as_bytes(), &mut emit).unwrap();
    }
    events
}

fn texts(events: &[Event<'_>]) -> Vec<String> {
    events.iter().map(|event| format!("{event:?}")).collect()
}

/// The type of an event and, in short, what it is about.
fn short(frame: &Json) -> String {
    let mut short = frame["type"]
        .as_str()
        .unwrap()
        .trim_start_matches("response.")
        .to_owned();
    for name in [
        "output_index",
        "content_index",
        "summary_index",
        "delta",
        "text",
        "arguments",
        "refusal",
    ] {
        match &frame[name] {
            Json::Null => {}
            Json::String(text) => short += &format!(" {text}"),
            other => short += &format!(" {other}"),
        }
    }
    short
}

fn check_encoded(events: &[Event<'_>], expect: &[&str]) -> Vec<Json> {
    let frames = frames(encode(events));
    let short: Vec<_> = frames.iter().map(short).collect();
    assert_eq!(short, expect);
    frames
}

/// The whole life of an answer with everything in it, there and back.
#[test]
fn a_stream_is_written_and_read() {
    let events = [
        START,
        open(0, Opening::Reasoning),
        say(0, "so"),
        say(0, " so"),
        close(0),
        open(1, Opening::Redacted("gAAA".into())),
        close(1),
        open(2, Opening::Text),
        say(2, "a"),
        say(2, "b"),
        close(2),
        open(3, Opening::Refusal),
        say(3, "no"),
        close(3),
        open_call(4, "c1"),
        argue(4, "{}"),
        close(4),
        finish(Finish::ToolCalls),
        usage(3, 4),
        Event::End,
    ];
    let frames = check_encoded(
        &events,
        &[
            "created",
            "in_progress",
            "output_item.added 0",
            "reasoning_summary_part.added 0 0",
            "reasoning_summary_text.delta 0 0 so",
            "reasoning_summary_text.delta 0 0  so",
            "reasoning_summary_text.done 0 0 so so",
            "reasoning_summary_part.done 0 0",
            "output_item.done 0",
            "output_item.added 1",
            "content_part.added 1 0",
            "output_text.delta 1 0 a",
            "output_text.delta 1 0 b",
            "output_text.done 1 0 ab",
            "content_part.done 1 0",
            "content_part.added 1 1",
            "refusal.delta 1 1 no",
            "refusal.done 1 1 no",
            "content_part.done 1 1",
            "output_item.done 1",
            "output_item.added 2",
            "function_call_arguments.delta 2 {}",
            "function_call_arguments.done 2 {}",
            "output_item.done 2",
            "completed",
        ],
    );
    assert_eq!(decode(&frames), texts(&events));

    // The last event has the answer as it would be without a stream, item by item as it was told.
    let Some([.., Json::Object(last)]) = Some(frames.as_slice()) else {
        panic!()
    };
    let response = &last["response"];
    let output = response["output"].as_array().unwrap();
    let done = frames
        .iter()
        .filter(|frame| frame["type"] == "response.output_item.done");
    assert_eq!(
        done.map(|frame| &frame["item"]).collect::<Vec<_>>(),
        output.iter().collect::<Vec<_>>()
    );
    let parts = vec![
        thought(Some("so so"), None),
        thought(None, Some("gAAA")),
        text("ab"),
        Content::Refusal("no".into()),
        call("c1", "f", "{}"),
    ];
    let whole = Response {
        id: "r1".into(),
        model: "m".into(),
        created: Some(7),
        choices: vec![Choice {
            parts: parts.into_iter().map(Part::new).collect(),
            finish: Some(Finish::ToolCalls),
            ..Choice::default()
        }],
        usage: match usage(3, 4) {
            Event::Usage(usage) => Some(usage),
            _ => None,
        },
        service_tier: None,
    };
    let whole: Json = serde_json::from_slice(&encode_response(&whole, 0)).unwrap();
    assert_eq!(*response, whole);

    // An item begins empty and in progress; so does the answer.
    assert_eq!(frames[0]["response"]["status"], "in_progress");
    assert_eq!(frames[0]["response"]["usage"], Json::Null);
    let added = json!({"id": "msg_r1_2", "type": "message", "status": "in_progress",
        "role": "assistant", "content": []});
    assert_eq!(frames[9]["item"], added);
    assert_eq!(frames[11]["item_id"], "msg_r1_2");
    assert_eq!(frames[11]["logprobs"], json!([]));
    assert_eq!(frames[22]["name"], "f");
}

#[test]
fn interleaved_calls_stay_apart() {
    let events = [
        START,
        open_call(0, "c1"),
        open_call(1, "c2"),
        argue(0, "{\"a\":"),
        argue(1, "{\"b\":"),
        argue(0, "1}"),
        argue(1, "2}"),
        close(1),
        close(0),
        finish(Finish::ToolCalls),
        Event::End,
    ];
    let frames = check_encoded(
        &events,
        &[
            "created",
            "in_progress",
            "output_item.added 0",
            "output_item.added 1",
            "function_call_arguments.delta 0 {\"a\":",
            "function_call_arguments.delta 1 {\"b\":",
            "function_call_arguments.delta 0 1}",
            "function_call_arguments.delta 1 2}",
            "function_call_arguments.done 1 {\"b\":2}",
            "output_item.done 1",
            "function_call_arguments.done 0 {\"a\":1}",
            "output_item.done 0",
            "completed",
        ],
    );
    assert_eq!(decode(&frames), texts(&events));
    let output = &frames[12]["response"]["output"];
    assert_eq!(output[0]["arguments"], "{\"a\":1}");
    assert_eq!(output[1]["call_id"], "c2");
}

/// A text that is open when a call begins, and is left to the end.
#[test]
fn parts_that_overlap_are_items_that_overlap() {
    let events = [
        START,
        open(0, Opening::Text),
        say(0, "a"),
        open_call(1, "c1"),
        say(0, "b"),
        close(0),
        open(2, Opening::Text),
        say(2, "c"),
        finish(Finish::Length),
        Event::End,
    ];
    let frames = check_encoded(
        &events,
        &[
            "created",
            "in_progress",
            "output_item.added 0",
            "content_part.added 0 0",
            "output_text.delta 0 0 a",
            "output_item.added 1",
            "output_text.delta 0 0 b",
            "output_text.done 0 0 ab",
            "content_part.done 0 0",
            "output_item.done 0",
            "output_item.added 2",
            "content_part.added 2 0",
            "output_text.delta 2 0 c",
            "function_call_arguments.done 1 ",
            "output_item.done 1",
            "output_text.done 2 0 c",
            "content_part.done 2 0",
            "output_item.done 2",
            "incomplete",
        ],
    );
    assert_eq!(frames[17]["item"]["status"], "incomplete");
    let response = &frames[18]["response"];
    assert_eq!(response["status"], "incomplete");
    assert_eq!(
        response["incomplete_details"]["reason"],
        "max_output_tokens"
    );
}

#[test]
fn proofs_are_kept() {
    let events = [
        START,
        open(0, Opening::Reasoning),
        say(0, "so"),
        sign(0, "si"),
        sign(0, "g"),
        close(0),
        open(1, Opening::Redacted("x".into())),
        close(1),
        open_call(2, "c1"),
        argue(2, "{}"),
        sign(2, "proof"),
        close(2),
        finish(Finish::ToolCalls),
        Event::End,
    ];
    let frames = frames(encode(&events));
    let last = frames.last().unwrap();
    let output = last["response"]["output"].as_array().unwrap();
    let told = |item: &Json| item["encrypted_content"].as_str().map(str::to_owned);
    let told: Vec<_> = output.iter().map(told).collect();
    let expect = ["signature:sig", "x", "", "call-signature:c1 proof"];
    let expect = expect.map(|told| (!told.is_empty()).then(|| told.to_owned()));
    assert_eq!(told, expect);
    assert_eq!(output[3]["id"], "rs_r1_2");
    let decoded = decode(&frames);
    assert_eq!(decoded[3], format!("{:?}", sign(0, "sig")));
}

#[test]
fn figures_may_come_late_and_in_pieces() {
    let early = Event::Usage(Usage {
        input: Some(5),
        output: Some(1),
        ..Usage::default()
    });
    let late = Event::Usage(Usage {
        output: Some(8),
        reasoning: Some(2),
        ..Usage::default()
    });
    let frames = frames(encode(&[
        START,
        early,
        finish(Finish::Stop),
        late,
        Event::End,
    ]));
    let expect = json!({"input_tokens": 5, "input_tokens_details": {"cached_tokens": 0,
            "cache_write_tokens": 0},
        "output_tokens": 8, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 13});
    assert_eq!(frames.last().unwrap()["response"]["usage"], expect);
}

#[test]
fn an_error_ends_a_stream() {
    let error = UpstreamError {
        status: Some(429),
        message: "slow down".into(),
        ..UpstreamError::default()
    };
    let after = [Event::Error(error.clone()), say(0, "x"), Event::End];
    let mut events = vec![START, open(0, Opening::Text), say(0, "a")];
    events.extend(after.clone());
    let frames = frames(encode(&events));
    let [.., event, failed] = frames.as_slice() else {
        panic!()
    };
    assert_eq!(event["code"], "rate_limit_exceeded");
    assert_eq!(
        (&event["message"], &event["param"]),
        (&json!("slow down"), &Json::Null)
    );
    let raised = json!({"type": "requests", "code": "rate_limit_exceeded",
        "message": "slow down", "param": null});
    assert_eq!(event["error"], raised);
    let expect = json!({"code": "rate_limit_exceeded", "message": "slow down"});
    assert_eq!(failed["response"]["error"], expect);
    assert_eq!(failed["response"]["status"], "failed");
    assert_eq!(failed["type"], "response.failed");

    // One that never began has nothing to fail.
    let frames = super::streams::frames(encode(&after));
    assert_eq!(frames.iter().map(short).collect::<Vec<_>>(), ["error"]);
}

#[test]
fn an_answer_without_end_is_cut() {
    let text = "x".repeat(1 << 20);
    let mut events = vec![START, open(0, Opening::Text)];
    events.extend((0..20).map(|_| say(0, &text)));
    events.push(Event::End);
    let frames = frames(encode(&events));
    let deltas = frames
        .iter()
        .filter(|frame| frame["type"] == "response.output_text.delta");
    assert_eq!(deltas.count(), 15);
    let [.., error, failed] = frames.as_slice() else {
        panic!()
    };
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("error"), &json!("answer_too_long"))
    );
    assert_eq!(failed["response"]["output"], json!([]));
}

#[test]
fn a_ping_is_a_comment_and_other_choices_are_none() {
    assert_eq!(encode(&[Event::Ping]), b": ping\n\n");
    let open = Event::Open {
        choice: 1,
        part: 0,
        opening: Opening::Text,
    };
    let delta = Event::Delta {
        choice: 1,
        part: 0,
        delta: Delta::Text("x".into()),
    };
    assert_eq!(encode(&[open, delta]), b"");
}

mod read;
