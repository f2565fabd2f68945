use serde_json::{Value, json};

use super::*;
use crate::canonical::{Content, Dropped, Effort, Request, Role, Source, Thinking};

fn read(body: &Value) -> Value {
    let text = body.to_string();
    let request = decode_request(text.as_bytes()).unwrap();
    let mut dropped = Dropped::default();
    let written = encode_request(&request, &mut dropped).unwrap();
    serde_json::from_slice(&written).unwrap()
}

#[track_caller]
fn refused(body: &Value, field: &str) {
    let text = body.to_string();
    let fault = decode_request(text.as_bytes()).map(drop).unwrap_err();
    assert_eq!(fault.field, field, "{fault}");
}

fn with(fields: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let object = body.as_object_mut().unwrap();
    object.extend(fields.as_object().unwrap().clone());
    body
}

fn decoded<T>(body: &Value, look: impl FnOnce(&Request<'_>) -> T) -> T {
    look(&decode_request(body.to_string().as_bytes()).unwrap())
}

#[test]
fn a_stream_is_what_is_meant_unless_it_is_said() {
    assert_eq!(read(&with(json!({})))["stream"], true);
    assert_eq!(read(&with(json!({"stream": null})))["stream"], true);
    assert_eq!(read(&with(json!({"stream": false})))["stream"], false);
}

/// Older clients give calls no ids and results the name of the tool, or nothing.
#[test]
fn results_find_the_calls_that_they_are_of() {
    let call = |name: &str| json!({"function": {"name": name, "arguments": {"n": 1}}});
    let result = |fields: Value| {
        let mut message = json!({"role": "tool", "content": "r"});
        message
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        message
    };
    let body = |results: &[Value]| {
        let mut messages = vec![
            json!({"role": "user", "content": "hi"}),
            json!({"role": "assistant", "content": "", "tool_calls": [call("f"), call("g"), call("f")]}),
        ];
        messages.extend_from_slice(results);
        json!({"model": "m", "messages": messages})
    };
    let ids = |results: &[Value]| -> Vec<Value> {
        let written = read(&body(results));
        let messages = written["messages"].as_array().unwrap()[2..].iter();
        messages
            .map(|message| message["tool_call_id"].clone())
            .collect()
    };
    let named = |name: &str| result(json!({"tool_name": name}));
    assert_eq!(
        ids(&[named("g"), named("f"), named("f")]),
        ["call_1", "call_0", "call_2"]
    );
    assert_eq!(
        ids(&[result(json!({})), result(json!({}))]),
        ["call_0", "call_1"]
    );
    assert_eq!(ids(&[result(json!({"name": "g"}))]), ["call_1"]);
    refused(&body(&[named("h")]), "messages[2].tool_name");
}

#[test]
fn images_are_told_by_their_first_bytes() {
    let image =
        |data: &str| with(json!({"messages": [{"role": "user", "content": "", "images": [data]}]}));
    for (data, expect) in [
        ("iVBORw0KGgo=", "image/png"),
        ("/9j/4AAQ", "image/jpeg"),
        ("UklGRiQA", "image/webp"),
    ] {
        decoded(&image(data), |request| {
            let [part] = &request.messages[0].parts[..] else {
                panic!("{request:?}");
            };
            let Content::Media(media) = &part.content else {
                panic!("{part:?}");
            };
            assert!(
                matches!(&media.source, Source::Base64 { media_type, .. } if media_type == expect)
            );
        });
    }
    refused(&image("AAAA"), "messages[0].images[0]");
}

#[test]
fn bounds_and_thinking_are_read() {
    let bound = |options: Value| {
        decoded(&with(json!({"options": options})), |request| {
            request.max_output.map(|given| given.value)
        })
    };
    assert_eq!(bound(json!({"num_predict": 5})), Some(5));
    assert_eq!(bound(json!({"num_predict": -1})), None);
    let think = |think: Value| {
        decoded(&with(json!({"think": think})), |request| {
            request.thinking.unwrap().value
        })
    };
    assert_eq!(think(json!(false)), Thinking::Off);
    assert_eq!(think(json!(true)), Thinking::Adaptive);
    assert_eq!(think(json!("high")), Thinking::Effort(Effort::High));
    refused(&with(json!({"think": "hard"})), "think");
    let hints = decoded(
        &with(json!({"keep_alive": "5m", "options": {"num_ctx": 9}})),
        |request| {
            request
                .rest
                .iter()
                .map(|(name, _)| name.to_string())
                .collect::<Vec<_>>()
        },
    );
    assert_eq!(hints, ["options.num_ctx", "keep_alive"]);
}

#[test]
fn a_prompt_is_a_conversation_of_one_turn() {
    let body = json!({"model": "m", "prompt": "hi", "system": "be brief", "raw": false, "suffix": "",
        "context": []});
    let text = body.to_string();
    let request = decode_generate(text.as_bytes()).unwrap();
    let roles: Vec<_> = request
        .messages
        .iter()
        .map(|message| message.role)
        .collect();
    assert_eq!(roles, [Role::System, Role::User]);
    assert!(request.stream && request.rest.is_empty());
    for (field, value) in [
        ("suffix", json!("x")),
        ("raw", json!(true)),
        ("template", json!("x")),
        ("context", json!([1])),
        ("prompt", json!("")),
    ] {
        let mut body = body.clone();
        body[field] = value;
        let fault = decode_generate(body.to_string().as_bytes())
            .map(drop)
            .unwrap_err();
        assert_eq!(fault.field, field);
    }
}

/// A model may write what is no object; nothing of it is lost.
#[test]
fn arguments_that_are_no_object_are_kept() {
    let written = |arguments: &str| -> Value {
        let object = crate::wire::object(|o| write_arguments(arguments, o));
        serde_json::from_slice(&object).unwrap()
    };
    assert_eq!(written(r#"{"a": 1.50}"#), json!({"arguments": {"a": 1.5}}));
    assert_eq!(written(" "), json!({"arguments": {}}));
    assert_eq!(
        written(r#"{"a": "#),
        json!({"arguments": {"_arguments": r#"{"a": "#}})
    );
    assert_eq!(written("[1]"), json!({"arguments": {"_arguments": "[1]"}}));
}

#[test]
fn answers_are_read_past_what_is_not_known() {
    let call = json!({"later": 1, "function": {"name": "f", "arguments": {}, "later": 1}});
    let body = json!({"model": "m", "done": true,
        "message": {"role": "assistant", "content": "", "tool_calls": [call]}});
    let body = body.to_string();
    let response = decode_response(body.as_bytes()).unwrap();
    let [part] = &response.choices[0].parts[..] else {
        panic!("{response:?}");
    };
    assert!(matches!(&part.content, Content::ToolCall(call) if call.name == "f"));
}

#[test]
fn what_only_others_say_of_themselves_is_not_lost_in_silence() {
    let say = |role: &str, fields: Value| {
        let mut message = json!({"role": role, "content": "a"});
        let object = message.as_object_mut().unwrap();
        object.extend(fields.as_object().unwrap().clone());
        with(json!({"messages": [message]}))
    };
    let rest = |body: &Value| {
        decoded(body, |request| {
            let names = request.rest.iter().map(|(name, _)| name.to_string());
            names.collect::<Vec<_>>()
        })
    };
    let thinks = json!({"thinking": "b", "tool_name": "c"});
    assert_eq!(
        rest(&say("user", thinks)),
        ["messages.thinking", "messages.tool_name"]
    );
    let empty = json!({"thinking": "", "tool_calls": [], "tool_name": "", "tool_call_id": null});
    assert!(rest(&say("system", empty)).is_empty());
    let calls = json!({"tool_calls": [{"function": {"name": "f", "arguments": {}}}]});
    refused(&say("user", calls), "messages[0].tool_calls");
}

#[test]
fn whole_numbers_may_be_floats() {
    let options = json!({"seed": 7.0, "num_predict": 5.0, "top_k": 3.0});
    decoded(&with(json!({"options": options})), |request| {
        assert_eq!(request.seed.unwrap().value, 7);
        assert_eq!(request.max_output.unwrap().value, 5);
    });
    let body = with(json!({"options": {"seed": 7.5}}));
    refused(&body, "options.seed");
}

#[test]
fn openais_open_models_always_think() {
    let written = |model: &str| {
        let body = with(json!({"think": false, "model": model})).to_string();
        let request = decode_request(body.as_bytes()).unwrap();
        let mut dropped = Dropped::default();
        let written = encode_request(&request, &mut dropped).unwrap();
        let written: Value = serde_json::from_slice(&written).unwrap();
        (written["think"].clone(), dropped.fields().to_vec())
    };
    assert_eq!(written("qwen3"), (json!(false), vec![]));
    assert_eq!(
        written("gpt-oss:20b"),
        (Value::Null, vec!["think".to_owned()])
    );
}
