use super::*;
use crate::error::ErrorKind;
use crate::frames::Framing;
use crate::response::{Ended, PlainTap, StreamOptions, StreamTap};
use crate::scan::{ScanOptions, Scanner};
use crate::{Api, Dialect, Operation};

#[test]
fn paths_tell_what_is_asked() {
    let check = |path: &str, operation: Option<Operation>, model: Option<&str>| {
        let api = Api::of_path(path);
        let expect = operation.map(|operation| Api {
            dialect: Dialect::Bedrock,
            operation,
        });
        assert_eq!(api, expect, "{path}");
        assert_eq!(api.and_then(|api| api.model_in_path(path)), model, "{path}");
    };
    let name = "anthropic.claude-3-haiku-20240307-v1%3A0";
    let chat = Some(Operation::ChatCompletions);
    check(&format!("/model/{name}/converse"), chat, Some(name));
    check(
        &format!("/base/model/{name}/converse-stream"),
        chat,
        Some(name),
    );
    check("/model/arn%3Aaws%2Fx/converse", chat, Some("arn%3Aaws%2Fx"));
    check(
        "/model/a/b/count-tokens",
        Some(Operation::CountTokens),
        Some("a/b"),
    );
    check("/foundation-models", Some(Operation::ListModels), None);
    check("/foundation-models/m", Some(Operation::GetModel), Some("m"));
    check("/model//converse", None, None);
    check("/model/../converse", None, None);
    check("/model/m/invoke", None, None);
    check("/converse", None, None);
}

#[test]
fn an_upstream_is_asked_below_its_own_path() {
    let check = |path, model, expect| assert_eq!(Api::CONVERSE.resource(path, model), expect);
    check("/x/model/a%3A0/converse", None, "/model/a%3A0/converse");
    check(
        "/model/a:0/converse-stream",
        None,
        "/model/a%3A0/converse-stream",
    );
    check(
        "/model/a/converse",
        Some("b:1/c"),
        "/model/b%3A1%2Fc/converse",
    );
    assert_eq!(
        Api::CONVERSE.stream_in_path("/model/a/converse"),
        Some(false)
    );
    assert_eq!(
        Api::CONVERSE.stream_in_path("/model/a/converse-stream"),
        Some(true)
    );
}

#[test]
fn what_policy_reads_is_found() {
    let body = br#"{"messages":[{"role":"user","content":[{"text":"hello"}]}],
        "system":[{"text":"brief"}],"inferenceConfig":{"maxTokens":7}}"#;
    let schema = schema(Operation::ChatCompletions).unwrap();
    let mut scanner = Scanner::new(schema, ScanOptions::default());
    scanner.push(body).unwrap();
    let scan = scanner.finish().unwrap();
    assert_eq!(scan.output_bound(), Some(7));
    assert!(scan.prompt_bytes >= 10, "{}", scan.prompt_bytes);
}

#[test]
fn plain_answers_are_watched() {
    let read = |body: &str| {
        let mut tap = PlainTap::new(Api::CONVERSE);
        body.as_bytes().chunks(5).for_each(|piece| tap.feed(piece));
        tap.finish()
    };
    let answer = read(
        r#"{"output":{"message":{}},"usage":{"inputTokens":10,"outputTokens":3,"totalTokens":18,
            "cacheReadInputTokens":4,"cacheWriteInputTokens":1,
            "cacheDetails":[{"ttl":"5m","inputTokens":0},{"ttl":"1h","inputTokens":1}]}}"#,
    );
    let usage = answer.usage.unwrap();
    assert_eq!(
        (usage.input, usage.cached_input, usage.output),
        (Some(15), Some(4), Some(3))
    );
    assert_eq!(
        (usage.cache_write, usage.cache_write_hour),
        (Some(1), Some(1))
    );
    for body in [r#"{"message":"no"}"#, r#"{"Message":"no"}"#] {
        assert_eq!(read(body).error.unwrap().message, "no", "{body}");
    }
}

fn stream(events: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, payload) in events {
        event_stream::encode(
            event_stream::Kind::Event,
            name,
            payload.as_bytes(),
            &mut out,
        );
    }
    out
}

const SAID: [(&str, &str); 6] = [
    ("messageStart", r#"{"role":"assistant"}"#),
    (
        "contentBlockDelta",
        r#"{"contentBlockIndex":0,"delta":{"text":"Hel"},"p":"abc"}"#,
    ),
    (
        "contentBlockDelta",
        r#"{"contentBlockIndex":0,"delta":{"text":"lo"},"p":"a"}"#,
    ),
    ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
    ("messageStop", r#"{"stopReason":"end_turn"}"#),
    (
        "metadata",
        r#"{"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3},"metrics":{"latencyMs":5}}"#,
    ),
];

#[test]
fn streams_are_watched_and_passed_on() {
    let bytes = stream(&SAID);
    let mut tap = StreamTap::new(Api::CONVERSE, StreamOptions::default());
    let mut out = Vec::new();
    for piece in bytes.chunks(11) {
        tap.feed(Bytes::copy_from_slice(piece), &mut out).unwrap();
    }
    assert!(tap.begun());
    let report = tap.finish(&mut out);
    assert_eq!(out.concat(), bytes);
    assert_eq!(report.ended, Ended::Complete);
    assert_eq!(
        (report.usage.unwrap().output, report.content_events),
        (Some(2), 2)
    );
}

#[test]
fn a_cut_stream_is_truncated_and_an_exception_fails_it() {
    let watch = |bytes: &[u8]| {
        let mut tap = StreamTap::new(Api::CONVERSE, StreamOptions::default());
        let mut out = Vec::new();
        tap.feed(Bytes::copy_from_slice(bytes), &mut out).unwrap();
        tap.finish(&mut out).ended
    };
    let bytes = stream(&SAID[..4]);
    assert_eq!(watch(&bytes), Ended::Truncated);
    assert_eq!(watch(&bytes[..bytes.len() - 3]), Ended::Truncated);
    // Complete: the reason has been told.
    assert_eq!(watch(&stream(&SAID[..5])), Ended::Complete);
    let error = ApiError::new(ErrorKind::RateLimited, "slow down");
    let failed = [bytes, error_message(&error).to_vec()].concat();
    let Ended::Failed(error) = watch(&failed) else {
        panic!("not failed")
    };
    assert_eq!((error.status, &*error.message), (Some(429), "slow down"));
}

#[test]
fn errors_have_amazons_names() {
    let check = |status: u16, name: &str, in_stream: &str| {
        let error = ApiError {
            status,
            ..ApiError::new(ErrorKind::Upstream, "why")
        };
        let body: Json = serde_json::from_slice(&error_body(&error)).unwrap();
        assert_eq!(
            body,
            json!({ "__type": name, "message": "why" }),
            "{status}"
        );
        let message = error_message(&error);
        let mut frames = crate::frames::Decoder::new(Framing::Messages, 1000);
        frames.push(message);
        let frame = frames.next_frame().unwrap().unwrap();
        assert_eq!(frame.name(), Some(in_stream.as_bytes()), "{status}");
    };
    check(400, "ValidationException", "validationException");
    check(401, "AccessDeniedException", "validationException");
    check(404, "ResourceNotFoundException", "validationException");
    check(413, "ValidationException", "validationException");
    check(429, "ThrottlingException", "throttlingException");
    check(
        502,
        "ServiceUnavailableException",
        "serviceUnavailableException",
    );
    check(504, "ModelTimeoutException", "modelStreamErrorException");
    check(500, "InternalServerException", "internalServerException");
}
