use super::*;
use crate::{Api, Dialect};

#[test]
fn paths_are_those_of_version_two() {
    for (path, expect) in [
        ("/v2/chat", Some(Operation::ChatCompletions)),
        ("/cohere/v2/chat/", Some(Operation::ChatCompletions)),
        ("/v2/rerank", Some(Operation::Rerank)),
        ("/v2/embed", Some(Operation::Embeddings)),
        ("/v1/chat", None),
        ("/api/chat", None),
        ("/v2/chat/completions", None),
    ] {
        assert_eq!(operation(path), expect, "{path}");
    }
    let of = |path| Api::of_path(path).map(|api| api.dialect);
    assert_eq!(of("/v2/rerank"), Some(Dialect::Cohere));
    assert_eq!(of("/v1/rerank"), Some(Dialect::OpenAi));
    assert_eq!(of("/rerank"), Some(Dialect::OpenAi));
    assert_eq!(of("/api/chat"), Some(Dialect::Ollama));
}

#[test]
fn its_sdks_ask_for_models_in_its_own_form() {
    let asked = |header: &'static str| Api::asked("/v1/models", |name| name == header).unwrap();
    assert_eq!(asked(SDK_HEADER).dialect, Dialect::Cohere);
    assert_eq!(asked("x-other").dialect, Dialect::OpenAi);
}

#[test]
fn usage_is_what_the_model_read_and_wrote() {
    let both = br#"{"billed_units":{"input_tokens":5.0,"output_tokens":7},"tokens":{"input_tokens":70.0,"output_tokens":7.0},"cached_tokens":64}"#;
    let read = usage(both).unwrap();
    assert_eq!(
        (read.input, read.cached_input, read.output),
        (Some(70), Some(64), Some(7))
    );
    let billed = br#"{"api_version":{"version":"2"},"billed_units":{"input_tokens":5}}"#;
    assert_eq!(usage(billed).unwrap().input, Some(5));
    for nothing in [
        "{}",
        r#"{"billed_units":{"search_units":1}}"#,
        "7",
        r#"{"tokens":{"input_tokens":-1}}"#,
    ] {
        assert_eq!(usage(nothing.as_bytes()), None, "{nothing}");
    }
}

#[test]
fn events_are_watched() {
    let facts = |data: &str| event_facts(None, data.as_bytes());
    let said =
        facts(r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"a"}}}}"#);
    assert!(said.content && !said.done);
    let end = facts(
        r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":3,"output_tokens":2}}}}"#,
    );
    assert!(end.done);
    assert_eq!((end.finished, end.usage.unwrap().output), (1, Some(2)));
    let failed =
        facts(r#"{"type":"message-end","delta":{"error":"no room","finish_reason":"ERROR"}}"#);
    assert_eq!(failed.error.unwrap().message, "no room");
    assert!(!failed.done);
    let last = facts("[DONE]");
    assert!(!last.content && !last.done && last.error.is_none());
}

#[test]
fn an_error_is_a_message_and_an_answer_is_none() {
    assert_eq!(
        upstream_error(br#""invalid api token""#).unwrap().message,
        "invalid api token"
    );
    assert_eq!(upstream_error(br#"{"role":"assistant"}"#), None);
}
