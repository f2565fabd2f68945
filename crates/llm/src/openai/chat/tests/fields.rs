//! Fields that are named, renamed or left out.

use super::*;
use crate::canonical::Part;

/// What is not understood is listed, wherever it stands.
#[test]
fn nothing_is_lost_in_silence() {
    let check = |request: Json, expect: &[&str]| {
        assert_eq!(reencoded(&request).1, expect, "{request}");
    };
    let say = |message: Json| json!({"model": "m", "messages": [message]});
    check(
        ask(
            json!({"stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false}}),
        ),
        &["stream_options.include_obfuscation"],
    );
    check(
        ask(
            json!({"response_format": {"type": "json_schema", "json_schema":
            {"name": "n", "schema": {}, "examples": [1]}}}),
        ),
        &["response_format.json_schema.examples"],
    );
    check(
        ask(json!({"tool_choice": {"type": "function", "function": {"name": "f", "x": 1}}})),
        &["tool_choice.function.x"],
    );
    check(
        say(json!({"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://x.test/a", "format": "image/png"}},
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav", "language": "en"}},
        ]})),
        &[
            "messages.content.image_url.format",
            "messages.content.input_audio.language",
        ],
    );
    check(
        say(
            json!({"role": "assistant", "reasoning_details": [{"type": "reasoning.new", "x": 1}],
            "tool_calls": [{"id": "1", "index": 0, "type": "function", "by": "me", "function":
                {"name": "f", "arguments": "{}", "parsed_arguments": {}}}]}),
        ),
        &[
            "messages.reasoning_details",
            "messages.tool_calls.function.parsed_arguments",
            "messages.tool_calls.by",
        ],
    );
}

#[test]
fn media_without_a_place_for_their_name_say_so() {
    let mut request = decode_request(br#"{"model":"m","messages":[]}"#).unwrap();
    let part = Content::Media(Media {
        kind: MediaKind::Document,
        source: Source::Text("words".into()),
        name: Some("a title".into()),
        detail: Some("high".into()),
        cited: false,
    });
    request.messages.push(crate::canonical::Message {
        role: Role::User,
        name: None,
        parts: vec![crate::canonical::Part::new(part)],
    });
    let mut dropped = Dropped::default();
    encode_request(&request, &Quirks::NONE, &mut dropped).unwrap();
    assert_eq!(dropped.fields(), ["title", "detail"]);
}

/// Each of the two names is refused or not known somewhere.
#[test]
fn the_bound_of_tokens_has_the_name_that_the_server_knows() {
    let check = |model: &str, field: &str, expect: &str| {
        let mut request = ask(json!({"model": model}));
        request[field] = 5.into();
        let (written, _) = reencoded(&request);
        assert_eq!(written[expect], 5, "{written}");
        let other = ["max_tokens", "max_completion_tokens"];
        let other = other.into_iter().find(|name| *name != expect).unwrap();
        assert!(written.get(other).is_none(), "{written}");
    };
    let (older, newer) = ("max_tokens", "max_completion_tokens");
    for model in [
        "gpt-5",
        "gpt-4o",
        "o3-mini",
        "openai/o1",
        "ft:gpt-4o:us::1",
        "chatgpt-4o-latest",
    ] {
        check(model, older, newer);
        check(model, newer, newer);
    }
    for model in [
        "m",
        "gpt-oss-120b",
        "openai/gpt-oss-20b",
        "mistral-large",
        "olmo",
        "meta/llama-4",
    ] {
        check(model, older, older);
        check(model, newer, newer);
    }
}

/// The calls of a conversation are told apart by their ids, so those of two answers must differ.
#[test]
fn ids_that_are_made_up_are_of_one_answer() {
    let ids = |answer: &str| {
        let call = |index: u32| {
            json!({"id": answer, "model": "m", "choices": [{"index": 0, "delta": {
                "tool_calls": [{"index": index, "function": {"name": "f", "arguments": "{}"}}]
            }}]})
        };
        let ids = events(&[call(0), call(1), finish("stop")]);
        let ids = ids.into_iter().filter_map(|event| match event {
            Event::Open {
                opening: Opening::ToolCall { id, .. },
                ..
            } => Some(id.into_owned()),
            _ => None,
        });
        ids.collect::<Vec<_>>()
    };
    let mut all = [ids("a"), ids("b"), ids("b")].concat();
    assert!(all.iter().all(|id| id.len() <= 40), "{all:?}");
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 4, "{all:?}");
}

/// Clients that do not know of thoughts keep the last piece that a stream had of each field.
#[test]
fn a_proof_whose_text_is_lost_is_left_out() {
    let kept = |fields: Json| {
        let mut message = json!({"role": "assistant", "content": "a"});
        for (name, value) in fields.as_object().unwrap() {
            message[name] = value.clone();
        }
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "q"}, message]});
        let body = body.to_string();
        let request = decode_request(body.as_bytes()).unwrap();
        let is_thought = |part: &&Part<'_>| matches!(part.content, Content::Reasoning(_));
        let thoughts = request.messages[1].parts.iter().filter(is_thought).count();
        let dropped = request.rest.iter().map(|(name, _)| name.to_string());
        (thoughts, dropped.collect::<Vec<_>>())
    };
    let proof = json!([{"type": "reasoning.text", "signature": "s", "index": 0}]);
    let torn = json!({"reasoning_content": "end.", "reasoning_details": proof});
    assert_eq!(
        kept(torn),
        (0, vec!["messages.reasoning_details".to_owned()])
    );
    // A provider may show nothing of what it proves.
    assert_eq!(kept(json!({"reasoning_details": proof})), (1, vec![]));
    let whole = json!([{"type": "reasoning.text", "text": "All.", "signature": "s"}]);
    let whole = json!({"reasoning_content": "All.", "reasoning_details": whole});
    assert_eq!(kept(whole), (1, vec![]));
}
