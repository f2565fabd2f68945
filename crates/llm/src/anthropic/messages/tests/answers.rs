use serde_json::{Value as Json, json};

use super::assert_json;
use crate::anthropic::messages::{decode_response, encode_response};
use crate::canonical::{Choice, Content, Finish, Part, Reasoning, Response, ToolCall};
use crate::response::Usage;

fn answer(content: Json, reason: &str) -> Json {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
        "content": content, "stop_reason": reason, "stop_sequence": null,
        "usage": {
            "input_tokens": 3, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0, "output_tokens": 7,
        },
    })
}

/// Reads an answer and writes it again.
#[track_caller]
fn check(input: &Json, expect: &Json) {
    let body = input.to_string();
    let response = decode_response(body.as_bytes()).expect("an answer");
    assert_json(&encode_response(&response, 1), expect);
}

fn part(content: Content<'static>) -> Part<'static> {
    Part::new(content)
}

fn call(arguments: &'static str) -> Content<'static> {
    Content::ToolCall(ToolCall {
        id: "call_1".into(),
        name: "look".into(),
        arguments: arguments.into(),
        signature: None,
    })
}

fn response(parts: Vec<Part<'static>>, finish: Option<Finish<'static>>) -> Response<'static> {
    Response {
        id: "msg_1".into(),
        model: "claude".into(),
        choices: vec![Choice {
            parts,
            finish,
            ..Choice::default()
        }],
        usage: Some(Usage {
            input: Some(3),
            output: Some(7),
            ..Usage::default()
        }),
        ..Response::default()
    }
}

/// Writes an answer of another dialect.
#[track_caller]
fn check_written(content: Content<'static>, finish: Finish<'static>, expect: &Json) {
    let response = response(vec![part(content)], Some(finish));
    assert_json(&encode_response(&response, 1), expect);
}

#[test]
fn answers_keep_what_they_say() {
    let text = json!([{"type": "text", "text": "Hi \"you\"\n"}]);
    let parallel = json!([
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "a", "name": "look", "input": {"at": [1.50, {"b": null}]}},
        {"type": "tool_use", "id": "b", "name": "look", "input": {}},
    ]);
    let thoughts = json!([
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "thinking", "thinking": "", "signature": "b21pdHRlZA=="},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        {"type": "text", "text": "So."},
    ]);
    for (content, reason) in [
        (&text, "end_turn"),
        (&text, "max_tokens"),
        (&text, "pause_turn"),
        (&json!([]), "refusal"),
        (&parallel, "tool_use"),
        (&parallel, "max_tokens"),
        (&thoughts, "end_turn"),
    ] {
        let answer = answer(content.clone(), reason);
        check(&answer, &answer);
    }
}

#[test]
fn reasons_are_understood() {
    let check = |reason: &str, sequence: Json, expect: Finish<'_>| {
        let mut body = answer(json!([]), reason);
        body["stop_sequence"] = sequence;
        let body = body.to_string();
        let response = decode_response(body.as_bytes()).expect("an answer");
        assert_eq!(response.choices[0].finish, Some(expect), "{reason}");
    };
    let sequence = |text: &'static str| Finish::StopSequence(Some(text.into()));
    check("end_turn", Json::Null, Finish::Stop);
    check("max_tokens", Json::Null, Finish::Length);
    check("model_context_window_exceeded", Json::Null, Finish::Length);
    check("stop_sequence", json!("END"), sequence("END"));
    check("tool_use", Json::Null, Finish::ToolCalls);
    check("pause_turn", Json::Null, Finish::Pause);
    check("refusal", Json::Null, Finish::Refusal);
    check("compaction", Json::Null, Finish::Other("compaction".into()));
}

#[test]
fn a_stop_sequence_is_named() {
    let mut body = answer(json!([]), "stop_sequence");
    body["stop_sequence"] = json!("END");
    check(&body, &body);
}

#[test]
fn what_is_unknown_in_an_answer_is_passed_over() {
    let mut body = answer(
        json!([
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": "x"}},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
            {"type": "text", "text": "Found.", "citations": [{"type": "char_location"}]},
        ]),
        "end_turn",
    );
    body["container"] = json!({"id": "c"});
    body["usage"]["server_tool_use"] = json!({"web_search_requests": 1});
    check(
        &body,
        &answer(json!([{"type": "text", "text": "Found."}]), "end_turn"),
    );
}

#[test]
fn tokens_include_those_of_the_cache() {
    let mut body = answer(json!([]), "end_turn");
    body["usage"] = json!({
        "input_tokens": 10, "cache_creation_input_tokens": 200, "cache_read_input_tokens": 3000,
        "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
        "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 5},
        "service_tier": "priority",
    });
    let text = body.to_string();
    let response = decode_response(text.as_bytes()).expect("an answer");
    let expect = Usage {
        input: Some(3210),
        cached_input: Some(3000),
        cache_write: Some(200),
        cache_write_hour: Some(50),
        output: Some(7),
        reasoning: Some(5),
        ..Usage::default()
    };
    assert_eq!(response.usage, Some(expect));
    assert_eq!(response.service_tier.as_deref(), Some("priority"));
    check(&body, &body);
    body["usage"]["service_tier"] = json!("standard");
    let text = body.to_string();
    let response = decode_response(text.as_bytes()).expect("an answer");
    assert_eq!(response.service_tier.as_deref(), Some("default"));
    check(&body, &body);
}

#[test]
fn tokens_that_are_no_counts_are_not_known() {
    let body = br#"{"content": [], "usage": {"input_tokens": -1, "output_tokens": 2.0,
        "cache_creation": 7, "cache_read_input_tokens": null}}"#;
    let expect = Usage {
        output: Some(2),
        ..Usage::default()
    };
    assert_eq!(
        decode_response(body).expect("an answer").usage,
        Some(expect)
    );
}

#[test]
fn what_is_no_answer_is_a_fault() {
    let check = |body: &str, field: &str| {
        let fault = decode_response(body.as_bytes()).expect_err(body);
        assert_eq!(fault.field, field, "{body}");
    };
    check("[]", "");
    check("{", "");
    check(
        r#"{"type": "error", "error": {"type": "api_error"}}"#,
        "content",
    );
    check(
        r#"{"content": [{"type": "tool_use", "id": "a", "input": {}}]}"#,
        "content[0].name",
    );
    check(
        r#"{"content": [{"type": "text", "text": 1}]}"#,
        "content[0].text",
    );
}

#[test]
fn answers_of_other_dialects_are_written() {
    let text = |text: &str| json!([{"type": "text", "text": text}]);
    let refusal = Content::Refusal("I will not.".into());
    check_written(
        refusal,
        Finish::Refusal,
        &answer(text("I will not."), "refusal"),
    );
    let cut = Content::Text("Half".into());
    check_written(cut, Finish::ContentFilter, &answer(text("Half"), "refusal"));
    let other = Content::Text("Odd".into());
    check_written(
        other,
        Finish::Other("odd".into()),
        &answer(text("Odd"), "end_turn"),
    );
    let empty = Content::Text(String::new().into());
    check_written(empty, Finish::Stop, &answer(json!([]), "end_turn"));
    let unproven = Content::Reasoning(Reasoning {
        text: Some("Hm.".into()),
        ..Reasoning::default()
    });
    let shown = json!([{"type": "thinking", "thinking": "Hm.", "signature": ""}]);
    check_written(unproven, Finish::Stop, &answer(shown, "end_turn"));
}

#[test]
fn arguments_are_an_object() {
    let check = |arguments: &'static str, expect: Json| {
        let content =
            json!([{"type": "tool_use", "id": "call_1", "name": "look", "input": expect}]);
        // A forced call ends with `stop` in other dialects.
        check_written(call(arguments), Finish::Stop, &answer(content, "tool_use"));
    };
    check(r#" {"a": 1} "#, json!({"a": 1}));
    check("", json!({}));
    check("null", json!({}));
    check(r#"{"a": "#, json!({"INVALID_JSON": r#"{"a":"#}));
    check("[1]", json!({"INVALID_JSON": "[1]"}));
}

#[test]
fn only_the_first_choice_is_written() {
    let said = |text: &'static str| vec![Part::text(text)];
    let mut response = response(said("one"), Some(Finish::Stop));
    response.choices.push(Choice {
        parts: said("two"),
        finish: Some(Finish::Length),
        ..Choice::default()
    });
    let expect = answer(json!([{"type": "text", "text": "one"}]), "end_turn");
    assert_json(&encode_response(&response, 1), &expect);
}
