use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{cuts, pieces, value, write};

fn tap(pieces: &[&[u8]]) -> Plain {
    let mut tap = PlainTap::new(Api::CHAT_COMPLETIONS);
    pieces.iter().for_each(|piece| tap.feed(piece));
    tap.finish()
}

fn plain(body: &str) -> Plain {
    let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
    let (whole, split) = (tap(&[body.as_bytes()]), tap(&bytes));
    assert_eq!(whole, split, "{body}");
    whole
}

#[test]
fn usage_is_read() {
    let found = plain(
        r#"{"id":"x","model":"gpt-5-2026","choices":[{"usage":{"prompt_tokens":99}}],"usage":
           {"prompt_tokens":10,"completion_tokens":20,"total_tokens":30,
            "prompt_tokens_details":{"cached_tokens":4},
            "completion_tokens_details":{"reasoning_tokens":5}}}"#,
    );
    let usage = Usage {
        input: Some(10),
        cached_input: Some(4),
        output: Some(20),
        reasoning: Some(5),
        ..Usage::default()
    };
    assert_eq!(found.usage, Some(usage));
    assert_eq!(
        (found.model.as_deref(), found.complete),
        (Some("gpt-5-2026"), true)
    );
    assert_eq!(found.error, None);
}

#[test]
fn missing_classes_are_not_zero() {
    let usage = plain(r#"{"usage":{"prompt_tokens":3,"prompt_tokens_details":null}}"#).usage;
    assert_eq!(
        usage,
        Some(Usage {
            input: Some(3),
            ..Usage::default()
        })
    );
    let deepseek = plain(r#"{"usage":{"prompt_cache_hit_tokens":2}}"#).usage;
    assert_eq!(deepseek.and_then(|usage| usage.cached_input), Some(2));
    // SGLang has a count of its own at the top, which is 0 where nothing was counted.
    let sglang = plain(
        r#"{"usage":{"completion_tokens_details":{"reasoning_tokens":7},"reasoning_tokens":0,
            "cached_tokens":1}}"#,
    )
    .usage
    .unwrap();
    assert_eq!((sglang.reasoning, sglang.cached_input), (Some(7), None));
    assert_eq!(plain(r#"{"usage":null}"#).usage, None);
    assert_eq!(
        plain(r#"{"usage":{"prompt_tokens":"3"}}"#).usage,
        Some(Usage::default())
    );
}

#[test]
fn errors_are_read() {
    let found = plain(
        r#"{"error":{"message":"no","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#,
    );
    let error = found.error.expect("an error");
    assert_eq!(error.message, "no");
    assert_eq!(error.kind.as_deref(), Some("invalid_request_error"));
    assert_eq!(error.param.as_deref(), Some("model"));
    assert_eq!(
        (error.code.as_deref(), error.status),
        (Some("model_not_found"), None)
    );
    let numeric = plain(r#"{"error":{"message":"no","code":429}}"#)
        .error
        .expect("an error");
    assert_eq!(numeric.status, Some(429));
    assert_eq!(
        plain(r#"{"error":"no"}"#).error.expect("an error").message,
        "no"
    );
    assert_eq!(plain(r#"{"error":null}"#).error, None);
}

#[test]
fn tokens_of_each_kind_are_read() {
    let chat = plain(
        r#"{"choices":[],"usage":{"prompt_tokens":90,"completion_tokens":30,
            "prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":6,"audio_tokens":20,"image_tokens":10},
            "completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":7}}}"#,
    );
    let usage = Usage {
        input: Some(90),
        cached_input: Some(4),
        cache_write: Some(6),
        input_audio: Some(20),
        input_image: Some(10),
        output: Some(30),
        reasoning: Some(5),
        output_audio: Some(7),
        ..Usage::default()
    };
    assert_eq!(chat.usage, Some(usage));
    // Some servers write zeros for the names of another API.
    let both = plain(
        r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,"input_tokens":0,
            "output_tokens":0,"prompt_tokens_details":{"cached_tokens":4},"input_tokens_details":null}}"#,
    );
    let usage = both.usage.unwrap();
    assert_eq!(
        (usage.input, usage.cached_input, usage.output),
        (Some(5), Some(4), Some(7))
    );
    // As images and transcriptions have it.
    let image = plain(
        r#"{"created":1,"data":[],"usage":{"total_tokens":100,"input_tokens":50,"output_tokens":50,
            "input_tokens_details":{"text_tokens":10,"image_tokens":40},
            "output_tokens_details":{"image_tokens":50}}}"#,
    );
    let usage = Usage {
        input: Some(50),
        input_image: Some(40),
        output: Some(50),
        output_image: Some(50),
        ..Usage::default()
    };
    assert_eq!(image.usage, Some(usage));
    let heard = plain(
        r#"{"text":"a","usage":{"type":"tokens","input_tokens":14,"output_tokens":2,
            "input_token_details":{"text_tokens":0,"audio_tokens":14}}}"#,
    );
    assert_eq!(heard.usage.and_then(|usage| usage.input_audio), Some(14));
}

#[test]
fn answers_of_anthropic_are_read() {
    let read = |body: &str| {
        let mut tap = PlainTap::new(Api::MESSAGES);
        body.as_bytes().chunks(7).for_each(|piece| tap.feed(piece));
        tap.finish()
    };
    let found = read(
        r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],
            "stop_reason":"end_turn","usage":{"input_tokens":3,"cache_read_input_tokens":40,
            "cache_creation_input_tokens":10,"output_tokens":2}}"#,
    );
    let usage = Usage {
        input: Some(53),
        cached_input: Some(40),
        cache_write: Some(10),
        output: Some(2),
        ..Usage::default()
    };
    assert_eq!(
        (found.usage, found.model.as_deref()),
        (Some(usage), Some("claude"))
    );
    assert!(found.complete && found.error.is_none());
    let failed = read(
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"no"},"request_id":"r"}"#,
    );
    let error = failed.error.expect("an error");
    assert_eq!((error.status, error.message.as_str()), (Some(429), "no"));
    assert_eq!(read(r#"{"input_tokens":5}"#).usage, None);
}

#[test]
fn what_is_not_json_reports_nothing() {
    for body in [
        "",
        "<html>",
        "[1]",
        "{\"usage\":{\"prompt_tokens\":1}",
        "{}{",
    ] {
        assert!(!plain(body).complete, "{body}");
    }
    assert_eq!(plain("{\"usage\":{\"prompt_tokens\":1").usage, None);
}

#[test]
fn captures_are_bounded() {
    let body = format!(
        "{{\"usage\":{{\"a\":\"{}\"}},\"model\":\"m\"}}",
        "x".repeat(MAX_CAPTURE)
    );
    let found = plain(&body);
    assert_eq!((found.usage, found.model.as_deref()), (None, Some("m")));
}

proptest! {
    #[test]
    fn any_writing_and_split_reports_the_same(
        other in value(), input: u64, model in ".{0,9}", seed: u64, cuts in cuts()
    ) {
        let body = json!({"a": other, "model": model, "usage": {"prompt_tokens": input}});
        let found = tap(&pieces(&write(&body, seed), &cuts));
        prop_assert!(found.complete);
        prop_assert_eq!(found.model, Some(model));
        prop_assert_eq!(found.usage, Some(Usage { input: Some(input), ..Usage::default() }));
    }
}

/// A stream of Gemini's may be one array; what its last answers say counts.
#[test]
fn an_array_of_answers_is_one_stream() {
    let read = |body: &str, split: usize| {
        let mut tap = PlainTap::new(Api::GENERATE_CONTENT);
        body.as_bytes()
            .chunks(split)
            .for_each(|piece| tap.feed(piece));
        tap.finish()
    };
    let body = r#" [{"usageMetadata":{"promptTokenCount":1},"modelVersion":"g"},
        {"x":[{"usageMetadata":{"promptTokenCount":9}}],
         "usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2}}, {}]"#;
    for split in [1, 7, body.len()] {
        let found = read(body, split);
        let usage = found.usage.unwrap_or_default();
        assert_eq!((usage.input, usage.output), (Some(3), Some(2)), "{split}");
        assert_eq!((found.model.as_deref(), found.complete), (Some("g"), true));
        assert!(!read(&format!("{body}}}"), split).complete);
        assert!(!read(body.trim_end_matches(']'), split).complete);
    }
}
