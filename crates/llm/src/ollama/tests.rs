use serde_json::Value;

use super::*;
use crate::Client;
use crate::response::{Ended, PlainTap, StreamOptions, StreamTap, Usage};
use crate::{Api, Dialect, ErrorKind, error, models};

#[test]
fn paths_are_known_below_any_base() {
    let api = |operation| Api {
        dialect: Dialect::Ollama,
        operation,
    };
    for (path, operation) in [
        ("/api/chat", Operation::ChatCompletions),
        ("/ours/api/generate/", Operation::Completions),
        ("/api/embed", Operation::Embeddings),
        ("/api/tags", Operation::ListModels),
        ("/api/show", Operation::ShowModel),
    ] {
        assert_eq!(Api::of_path(path), Some(api(operation)), "{path}");
    }
    for path in ["/api/pull", "/chat", "/api/chat/x", "/v1/api"] {
        assert_eq!(Api::of_path(path), None, "{path}");
    }
    assert_eq!(
        api(Operation::ChatCompletions).resource("/x/api/chat", None),
        "/api/chat"
    );
}

#[test]
fn answers_tell_their_usage_in_two_fields() {
    let read = |body: &str| {
        let mut tap = PlainTap::new(Api::OLLAMA_CHAT);
        body.as_bytes().chunks(3).for_each(|piece| tap.feed(piece));
        tap.finish()
    };
    let plain =
        read(r#"{"model":"m","message":{"eval_count":9},"eval_count":5,"prompt_eval_count":7}"#);
    let usage = Usage {
        input: Some(7),
        output: Some(5),
        ..Usage::default()
    };
    assert_eq!(
        (plain.usage, plain.model.as_deref()),
        (Some(usage), Some("m"))
    );
    // A prompt that was all in the cache is not counted.
    let cached = read(r#"{"eval_count":5}"#).usage.unwrap();
    assert_eq!((cached.input, cached.output), (None, Some(5)));
    assert_eq!(
        read(r#"{"error":"no such model"}"#).error.unwrap().message,
        "no such model"
    );
}

fn watch(stream: &str, cut: usize) -> (String, crate::response::StreamReport) {
    let mut tap = StreamTap::new(Api::OLLAMA_CHAT, StreamOptions::default());
    let mut out = Vec::new();
    for piece in stream.as_bytes().chunks(cut) {
        tap.feed(Bytes::copy_from_slice(piece), &mut out).unwrap();
    }
    let report = tap.finish(&mut out);
    (String::from_utf8(out.concat()).unwrap(), report)
}

const SAID: &str = concat!(
    r#"{"model":"m","message":{"role":"assistant","content":""},"done":false}"#,
    "\n",
    r#"{"model":"m","message":{"role":"assistant","content":"a \"done\": true"},"done":false}"#,
    "\n",
    r#"{"model":"m","message":{"role":"assistant","content":"b"},"done": false}"#,
    "\n",
);
const DONE: &str =
    r#"{"model":"m","message":{"role":"assistant","content":""},"done": true,"eval_count":2}"#;

#[test]
fn a_stream_is_complete_when_it_says_that_it_is_done() {
    for cut in [1, 7, 1000] {
        let whole = [SAID, DONE, "\n"].concat();
        let (passed, report) = watch(&whole, cut);
        assert_eq!(passed, whole);
        assert_eq!(report.ended, Ended::Complete);
        assert_eq!(report.content_events, 2);
        assert_eq!(report.usage.unwrap().output, Some(2));
        // The last line may lack its end, and gets it.
        assert_eq!(watch(&[SAID, DONE].concat(), cut), (whole, report));
        let (passed, report) = watch(SAID, cut);
        assert_eq!((passed.as_str(), report.ended), (SAID, Ended::Truncated));
        let failed = [SAID, "{\"error\":\"out of memory\"}\n"].concat();
        let Ended::Failed(error) = watch(&failed, cut).1.ended else {
            panic!("not failed");
        };
        assert_eq!(error.message, "out of memory");
    }
}

#[test]
fn a_stream_begins_with_text_thoughts_or_calls() {
    let begun = |line: &str| {
        let mut tap = StreamTap::new(Api::OLLAMA_CHAT, StreamOptions::default());
        tap.feed(Bytes::from(format!("{line}\n")), &mut Vec::new())
            .unwrap();
        tap.begun()
    };
    assert!(!begun(
        r#"{"message":{"content":"","tool_calls":[]},"done":false}"#
    ));
    assert!(begun(r#"{"message":{"content":"a"},"done":false}"#));
    assert!(begun(
        r#"{"message":{"content":"","thinking":"a"},"done":false}"#
    ));
    assert!(begun(r#"{"message":{"tool_calls":[{}]},"done":false}"#));
    assert!(begun(r#"{"response":"a","done":false}"#));
    assert!(!begun(r#"{"response":"","done":false}"#));
}

#[test]
fn errors_and_models_are_ollamas() {
    let error = ApiError::new(ErrorKind::NotFound, "no such model");
    let body = r#"{"error":"no such model"}"#;
    assert_eq!(error::encode(Dialect::Ollama, &error), body);
    let event = error::stream_event(Api::OLLAMA_CHAT, &error, 0);
    assert_eq!(event, format!("{body}\n"));
    let model = Model {
        id: "m".into(),
        created: 0,
        owned_by: "us".into(),
    };
    let list: Value =
        serde_json::from_slice(&models::encode_list(Dialect::Ollama, Client::Any, &[model]))
            .unwrap();
    assert_eq!(list["models"][0]["model"], "m");
    assert_eq!(list["models"][0]["modified_at"], "1970-01-01T00:00:00Z");
}
