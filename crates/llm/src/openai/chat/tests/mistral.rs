//! What Mistral's models and clients say otherwise.

use serde_json::{Value, json};

use super::*;
use crate::Client;
use crate::canonical::Reasoning;

const THOUGHT: &str = r#"{"type": "thinking", "thinking": [{"type": "text", "text": "so "},
    {"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "so"}]}"#;

#[test]
fn thoughts_stand_in_the_content() {
    let content = format!(
        r#"[{THOUGHT}, {{"type": "reference", "reference_ids": [1]}}, {{"type": "text", "text": "a"}}]"#
    );
    let body = format!(
        r#"{{"choices": [{{"index": 0, "finish_reason": "model_length",
            "message": {{"role": "assistant", "content": {content}}}}}]}}"#
    );
    let response = decode_response(body.as_bytes()).unwrap();
    let [choice] = &*response.choices else {
        panic!("{response:?}")
    };
    assert_eq!(choice.finish, Some(Finish::Length));
    let [thought, text] = &*choice.parts else {
        panic!("{choice:?}")
    };
    let expect = Content::Reasoning(Reasoning {
        text: Some("so so".into()),
        ..Reasoning::default()
    });
    assert_eq!(thought.content, expect);
    assert_eq!(text.content, Content::Text("a".into()));

    // And as the clients send it back.
    let body = format!(
        r#"{{"model": "m", "messages": [{{"role": "assistant", "prefix": false,
            "content": [{THOUGHT}, {{"type": "text", "text": "a"}}]}}]}}"#
    );
    let request = decode_request(body.as_bytes()).unwrap();
    assert_eq!(request.messages[0].parts, choice.parts);
}

#[test]
fn thoughts_of_a_stream_come_in_parts() {
    let say = |content: Json| json!({"choices": [{"index": 0, "delta": {"content": content}}]});
    let think = |text: &str| {
        say(json!([{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]))
    };
    let chunks = [think("so "), think("so"), say(json!("a")), finish("stop")];
    let events: Vec<String> = events(&chunks).iter().map(short).collect();
    let text = events.join(" ");
    assert!(text.contains("+so ") && text.contains("+a"), "{text}");
}

#[test]
fn a_user_does_not_think() {
    let body =
        format!(r#"{{"model": "m", "messages": [{{"role": "user", "content": [{THOUGHT}]}}]}}"#);
    let fault = decode_request(body.as_bytes()).unwrap_err();
    assert!(format!("{fault:?}").contains("messages[0].content[0].type"));
}

#[test]
fn what_a_client_asks_by_its_own_names() {
    let body = |prefix: bool| {
        json!({"model": "m", "tool_choice": "any", "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b", "prefix": prefix},
        ]})
        .to_string()
    };
    let plain = body(false);
    let request = decode_request(plain.as_bytes()).unwrap();
    assert_eq!(request.tool_choice.unwrap().value, ToolChoice::Required);
    let fault = decode_request(body(true).as_bytes())
        .map(|_| ())
        .unwrap_err();
    assert!(format!("{fault:?}").contains("messages[1].prefix"));
}

/// In each of the places where it may stand.
#[test]
fn an_error_of_validation_has_words() {
    let detail = json!([
        {"type": "extra_forbidden", "loc": ["body", "user"], "msg": "Extra inputs are not permitted"},
        {"type": "missing", "loc": ["body", "messages", 0, "content"], "msg": "Field required"},
    ]);
    let expect = "user: Extra inputs are not permitted; messages.0.content: Field required";
    let check = |body: Json, expect: &str| {
        let error = crate::openai::other_error(body.to_string().as_bytes()).unwrap();
        assert_eq!(error.message, expect);
    };
    check(json!({"detail": detail}), expect);
    check(
        json!({"object": "error", "message": {"detail": detail}, "type": "invalid"}),
        expect,
    );
    check(json!({"detail": "Unauthorized"}), "Unauthorized");
    check(json!({"object": "error", "message": "no"}), "no");
    assert!(crate::openai::other_error(b"{\"detail\": 3}").is_none());
}

/// Its client takes each piece of a call for a call.
#[test]
fn a_call_is_streamed_as_a_whole() {
    let delta = |part, delta| Event::Delta {
        choice: 0,
        part,
        delta,
    };
    let open = |part, id: &'static str| Event::Open {
        choice: 0,
        part,
        opening: Opening::ToolCall {
            id: id.into(),
            name: "weather".into(),
        },
    };
    let mut encoder = StreamEncoder::new(StreamTerms {
        usage: false,
        now: 1,
    });
    encoder.write_for(Client::Mistral);
    let mut out = Vec::new();
    for event in [
        open(0, "a"),
        delta(0, Delta::Arguments("{\"city\":".into())),
        open(1, "b"),
        delta(0, Delta::Arguments("\"Cahul\"}".into())),
        delta(0, Delta::Signature("proof".into())),
        Event::Close { choice: 0, part: 0 },
        Event::Close { choice: 0, part: 1 },
    ] {
        encoder.event(&event, &mut out);
    }
    let told = String::from_utf8(out).unwrap();
    let chunks = told.lines().filter_map(|line| line.strip_prefix("data: "));
    let calls: Vec<Value> = chunks
        .map(|chunk| serde_json::from_str::<Value>(chunk).unwrap())
        .map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].clone())
        .filter(|calls| !calls.is_null())
        .collect();
    assert_eq!(calls.len(), 2, "{told}");
    let call = |at: usize| calls[at][0]["function"].clone();
    assert_eq!(
        call(0),
        json!({"name": "weather", "arguments": "{\"city\":\"Cahul\"}"})
    );
    assert_eq!(call(1), json!({"name": "weather", "arguments": "{}"}));
    assert_eq!(calls[1][0]["index"], 1);
    assert!(told.contains("proof"));
}

#[test]
fn its_client_is_known_by_its_name() {
    assert_eq!(
        Client::of_agent("mistral-client-python/3.7.0"),
        Client::Mistral
    );
    assert_eq!(Client::of_agent("OpenAI/Python 3.54.0"), Client::Any);
}
