use super::*;
use crate::canonical::{Delta, Event, Finish, Opening, StreamTerms};
use crate::response::{UpstreamError, Usage};
use crate::sse;

const TERMS: StreamTerms = StreamTerms {
    usage: false,
    now: 0,
};

/// The events that chunks are read as, in short.
fn decoded(chunks: &[Json]) -> Vec<String> {
    let mut events = Vec::new();
    let mut decoder = StreamDecoder::default();
    let mut emit = |event: Event<'_>| events.push(short(&event));
    for chunk in chunks {
        decoder.event(None, &body(chunk), &mut emit).unwrap();
    }
    decoder.end(&mut emit);
    events
}

fn short(event: &Event<'_>) -> String {
    match event {
        Event::Start { id, model, .. } => format!("start {id} {model}"),
        Event::Open {
            choice,
            part,
            opening,
        } => format!(
            "open {choice}.{part} {}",
            match opening {
                Opening::Text => "text".to_owned(),
                Opening::Refusal => "refusal".to_owned(),
                Opening::Reasoning => "reasoning".to_owned(),
                Opening::Redacted(data) => format!("redacted {data}"),
                Opening::ToolCall { id, name } => format!("call {id} {name}"),
            }
        ),
        Event::Delta {
            choice,
            part,
            delta,
        } => format!(
            "{choice}.{part} {}",
            match delta {
                Delta::Text(text) => text.to_string(),
                Delta::Arguments(text) => format!("arguments {text}"),
                Delta::Signature(text) => format!("signature {text}"),
            }
        ),
        Event::Close { choice, part } => format!("close {choice}.{part}"),
        Event::Finish { choice, finish } => format!("finish {choice} {finish:?}"),
        Event::Usage(usage) => format!("usage {:?} {:?}", usage.input, usage.output),
        Event::Tokens { choice, tokens } => format!("{choice} tokens {}", tokens.len()),
        Event::Cite { part, citation, .. } => format!("cite {part} {:?}", citation.span),
        Event::Ping => "ping".to_owned(),
        Event::End => "end".to_owned(),
        Event::Error(error) => format!(
            "error {:?} {:?} {}",
            error.status, error.kind, error.message
        ),
    }
}

fn chunk(parts: Json) -> Json {
    json!({
        "candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}],
        "modelVersion": "m",
        "responseId": "r",
    })
}

fn last(reason: &str, usage: Json) -> Json {
    let mut chunk = chunk(json!([{"text": ""}]));
    chunk["candidates"][0]["finishReason"] = reason.into();
    chunk["usageMetadata"] = usage;
    chunk
}

/// A stream with all there is.
fn chunks() -> Vec<Json> {
    let call =
        |id: &str, args: Json| json!({"functionCall": {"id": id, "name": "f", "args": args}});
    let mut signed = call("b", json!({"x": [1, 2]}));
    signed["thoughtSignature"] = "dHdv".into();
    vec![
        chunk(json!([{"text": "Hm", "thought": true}])),
        chunk(json!([{"text": "Hm", "thought": true}])),
        chunk(json!([{"text": "", "thought": true, "thoughtSignature": "c2ln"}])),
        chunk(json!([{"text": "Let "}])),
        chunk(json!([{"text": "me"}])),
        chunk(json!([call("a", json!({}))])),
        chunk(json!([signed])),
        chunk(json!([{"text": "", "thoughtSignature": "dHJl"}])),
        last(
            "STOP",
            json!({"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3}),
        ),
    ]
}

#[test]
fn chunks_are_read() {
    assert_eq!(
        decoded(&chunks()),
        [
            "start r m",
            "open 0.0 reasoning",
            "0.0 Hm",
            "0.0 Hm",
            "0.0 signature c2ln",
            "close 0.0",
            "open 0.1 text",
            "0.1 Let ",
            "0.1 me",
            "close 0.1",
            "open 0.2 call a f",
            "0.2 arguments {}",
            "close 0.2",
            "open 0.3 call b f",
            "0.3 signature dHdv",
            "0.3 arguments {\"x\":[1,2]}",
            "close 0.3",
            "open 0.4 reasoning",
            "0.4 signature dHJl",
            "usage Some(1) Some(2)",
            "close 0.4",
            "finish 0 ToolCalls",
            "end",
        ]
    );
}

/// The chunks that events are written as.
fn encoded(events: &[Event<'_>], framing: Framing) -> Vec<u8> {
    let mut encoder = StreamEncoder::new(TERMS, framing);
    let mut out = Vec::new();
    events
        .iter()
        .for_each(|event| encoder.event(event, &mut out));
    out
}

fn frames(stream: &[u8]) -> Vec<Json> {
    let mut decoder = sse::Decoder::new(sse::DEFAULT_MAX_FRAME * 2);
    decoder.push(stream.to_vec().into());
    let mut chunks = Vec::new();
    while let Some(frame) = decoder.next_frame().unwrap() {
        assert_eq!(frame.raw.iter().filter(|byte| **byte == b'\n').count(), 2);
        chunks.push(serde_json::from_slice(&frame.data().unwrap()).unwrap());
    }
    assert!(decoder.finish().is_none());
    chunks
}

#[test]
fn a_stream_comes_out_as_it_went_in() {
    for framing in [Framing::Events, Framing::Array] {
        let mut encoder = StreamEncoder::new(TERMS, framing);
        let mut decoder = StreamDecoder::default();
        let mut out = Vec::new();
        for chunk in chunks() {
            let mut emit = |event: Event<'_>| encoder.event(&event, &mut out);
            decoder.event(None, &body(&chunk), &mut emit).unwrap();
        }
        decoder.end(&mut |event| encoder.event(&event, &mut out));
        let written = match framing {
            Framing::Events => frames(&out),
            Framing::Array => serde_json::from_slice(&out).unwrap(),
        };
        assert_eq!(written, chunks(), "{framing:?}");
    }
}

#[test]
fn calls_without_ids_and_several_candidates() {
    let candidate = |index: u32, text: &str| {
        json!({"index": index, "finishReason": "STOP",
        "content": {"parts": [{"text": text}]}})
    };
    let call = json!({"parts": [{"functionCall": {"name": "f"}}]});
    let events = decoded(&[
        // Some say in every chunk that they are done.
        json!({"responseId": "r", "candidates": [candidate(0, "a"), candidate(1, "b")]}),
        json!({"candidates": [{"index": 1, "content": call, "finishReason": "MAX_TOKENS"}]}),
        json!({"candidates": [candidate(0, "c")]}),
        json!({"candidates": [{"index": 0, "content": call}]}),
    ]);
    assert_eq!(
        events,
        [
            "start r ",
            "open 0.0 text",
            "0.0 a",
            "open 1.0 text",
            "1.0 b",
            "close 1.0",
            "open 1.1 call call_r_0 f",
            "1.1 arguments {}",
            "close 1.1",
            "0.0 c",
            "close 0.0",
            "open 0.1 call call_r_1 f",
            "0.1 arguments {}",
            "close 0.1",
            "finish 0 ToolCalls",
            "finish 1 Length",
            "end",
        ]
    );
}

#[test]
fn a_blocked_prompt_an_error_and_a_stream_that_is_cut() {
    let blocked = json!({"promptFeedback": {"blockReason": "OTHER"}, "modelVersion": "m"});
    assert_eq!(
        decoded(&[blocked]),
        ["start  m", "finish 0 ContentFilter", "end"]
    );
    let error = json!({"error": {"code": 429, "message": "Slow", "status": "RESOURCE_EXHAUSTED"}});
    assert_eq!(
        decoded(&[error.clone(), chunk(json!([]))]),
        ["error Some(429) Some(\"RESOURCE_EXHAUSTED\") Slow"]
    );
    let text = chunk(json!([{"text": "a"}]));
    assert_eq!(
        decoded(std::slice::from_ref(&text)),
        ["start r m", "open 0.0 text", "0.0 a"]
    );
    assert_eq!(
        decoded(&[text, error]).last().unwrap(),
        "error Some(429) Some(\"RESOURCE_EXHAUSTED\") Slow"
    );
    assert_eq!(decoded(&[]), [""; 0]);
    let mut decoder = StreamDecoder::default();
    let fault = decoder
        .event(None, b"{\"candidates\": 1}", &mut |_| {})
        .unwrap_err();
    assert_eq!(fault.field, "candidates");
    assert!(decoder.event(None, b"nonsense", &mut |_| {}).is_err());
}

fn start() -> Event<'static> {
    Event::Start {
        id: "r".into(),
        model: "m".into(),
        created: Some(1),
    }
}

fn open(part: u32, opening: Opening<'static>) -> Event<'static> {
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

fn delta(part: u32, delta: Delta<'_>) -> Event<'_> {
    Event::Delta {
        choice: 0,
        part,
        delta,
    }
}

fn arguments(part: u32, text: &str) -> Event<'_> {
    delta(part, Delta::Arguments(text.into()))
}

fn close(part: u32) -> Event<'static> {
    Event::Close { choice: 0, part }
}

fn finish(finish: Finish<'static>) -> Event<'static> {
    Event::Finish { choice: 0, finish }
}

#[test]
fn what_other_dialects_stream() {
    let usage = |input, output| {
        Event::Usage(Usage {
            input,
            output,
            reasoning: output.map(|_| 1),
            ..Usage::default()
        })
    };
    let stream = encoded(
        &[
            start(),
            usage(Some(5), None),
            Event::Ping,
            open(0, Opening::Redacted("AAAA".into())),
            close(0),
            open(1, Opening::Refusal),
            delta(1, Delta::Text("No".into())),
            delta(1, Delta::Text("".into())),
            close(1),
            open_call(2, "a"),
            open_call(3, "b"),
            arguments(2, "{\"x\":\r\n"),
            arguments(3, ""),
            arguments(2, "1}"),
            close(3),
            close(2),
            finish(Finish::ToolCalls),
            usage(None, Some(3)),
            Event::End,
            Event::End,
        ],
        Framing::Events,
    );
    let usage = json!({"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 1,
        "totalTokenCount": 8});
    assert_eq!(
        frames(&stream),
        [
            chunk(json!([{"text": "", "thoughtSignature": "redactedAAAA"}])),
            chunk(json!([{"text": "No"}])),
            chunk(json!([{"functionCall": {"id": "b", "name": "f", "args": {}}}])),
            chunk(json!([{"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}}])),
            last("STOP", usage),
        ]
    );
}

#[test]
fn a_call_that_is_broken_or_too_long() {
    let broken = encoded(
        &[
            start(),
            open_call(0, "a"),
            arguments(0, "{\"x"),
            close(0),
            finish(Finish::ToolCalls),
            Event::End,
        ],
        Framing::Events,
    );
    let mut expect = last("MALFORMED_FUNCTION_CALL", Json::Null);
    expect.as_object_mut().unwrap().remove("usageMetadata");
    assert_eq!(frames(&broken), [expect]);

    let long = "x".repeat(1024 * 1024);
    let piece = || arguments(0, &long);
    let fits = [start(), open_call(0, "a"), piece(), piece(), piece()];
    assert!(encoded(&fits, Framing::Events).is_empty());
    let mut events = fits.to_vec();
    events.extend([piece(), close(0), finish(Finish::Stop), Event::End]);
    let frames = frames(&encoded(&events, Framing::Events));
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["error"]["status"], "INTERNAL");
}

#[test]
fn errors_and_empty_streams() {
    let error = Event::Error(UpstreamError {
        status: Some(503),
        message: "Busy".to_owned(),
        ..UpstreamError::default()
    });
    let text = [
        start(),
        open(0, Opening::Text),
        delta(0, Delta::Text("a".into())),
    ];
    let mut events = text.to_vec();
    events.extend([error, close(0), Event::End]);
    let expect = json!([
        chunk(json!([{"text": "a"}])),
        {"error": {"code": 503, "message": "Busy", "status": "UNAVAILABLE"}},
    ]);
    let array: Json = serde_json::from_slice(&encoded(&events, Framing::Array)).unwrap();
    assert_eq!(array, expect);
    assert_eq!(
        Json::from(frames(&encoded(&events, Framing::Events))),
        expect
    );
    let empty = encoded(&[start(), Event::End], Framing::Array);
    let empty: Json = serde_json::from_slice(&empty).unwrap();
    assert_eq!(empty, json!([{"modelVersion": "m", "responseId": "r"}]));
}
