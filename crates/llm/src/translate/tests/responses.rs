//! Clients of the Responses API whose model is served by Anthropic's.

use super::*;
use crate::response::Usage;

const RESPONSES: Api = Api::RESPONSES;

fn ask() -> Value {
    json!({
        "model": "ours", "max_output_tokens": 50, "instructions": "be brief", "store": false, "seed": 3,
        "input": [
            {"role": "user", "content": [
                {"type": "input_text", "text": "what is it?"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{\"n\": 1.50}"},
            {"type": "function_call_output", "call_id": "a", "output": "one"},
            {"role": "user", "content": "so?"},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
        "tool_choice": "required", "user": "eve",
    })
}

#[test]
fn a_request_becomes_messages() {
    let (body, dropped) = request(RESPONSES, Dialect::Anthropic, &ask());
    assert_eq!(
        (&body["model"], &body["max_tokens"]),
        (&json!("theirs"), &json!(50))
    );
    assert!(body["system"].to_string().contains("be brief"), "{body}");
    let messages = body["messages"].as_array().unwrap();
    let roles: Vec<_> = messages.iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    let image = json!({"type": "base64", "media_type": "image/png", "data": "AAAA"});
    assert_eq!(messages[0]["content"][1]["source"], image);
    assert_eq!(messages[1]["content"][0]["input"], json!({"n": 1.5}));
    assert_eq!(messages[2]["content"][0]["tool_use_id"], "a");
    assert_eq!(messages[2]["content"][1]["text"], "so?");
    assert_eq!(body["tools"][0]["input_schema"], json!({"type": "object"}));
    assert_eq!(body["tool_choice"], json!({"type": "any"}));
    assert_eq!(body["metadata"], json!({"user_id": "eve"}));
    assert_eq!(dropped, ["seed"]);
}

#[test]
fn what_a_server_would_have_to_keep_or_run_is_refused() {
    let with = |field: &str, value: Value| {
        let mut body = ask();
        body[field] = value;
        refused(RESPONSES, Dialect::Anthropic, &body)
    };
    assert_eq!(
        with("previous_response_id", json!("resp_1")),
        "previous_response_id"
    );
    assert_eq!(with("background", json!(true)), "background");
    assert_eq!(
        with("tools", json!([{"type": "web_search"}])),
        "tools[0].type"
    );
}

fn message() -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "so"},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"n": 1}}],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 2, "cache_read_input_tokens": 3,
            "cache_creation_input_tokens": 4, "output_tokens": 5},
    })
}

/// What the client sends in its next turn has all that Anthropic wants to see again.
fn comes_back(output: &Value) {
    let mut input = vec![json!({"role": "user", "content": "hi"})];
    input.extend(output.as_array().unwrap().iter().cloned());
    input.push(json!({"type": "function_call_output", "call_id": "a", "output": "done"}));
    let (body, _) = request(
        RESPONSES,
        Dialect::Anthropic,
        &json!({"model": "m", "input": input}),
    );
    assert_eq!(body["messages"][1]["content"], message()["content"]);
}

#[test]
fn a_message_becomes_an_answer() {
    let response = answer(RESPONSES, Dialect::Anthropic, &message());
    assert_eq!(
        (&response["object"], &response["status"]),
        (&json!("response"), &json!("completed"))
    );
    assert_eq!(
        (&response["model"], &response["created_at"]),
        (&json!("claude"), &json!(7))
    );
    let output = &response["output"];
    assert_eq!(output[0]["summary"][0]["text"], "hm");
    assert_eq!(output[1]["content"][0]["text"], "so");
    assert_eq!(output[2]["arguments"], r#"{"n":1}"#);
    assert_eq!(response["usage"]["input_tokens"], 9);
    assert_eq!(
        response["usage"]["input_tokens_details"]["cached_tokens"],
        3
    );
    comes_back(output);
}

fn named(events: &[Value]) -> String {
    let event = |data: &Value| {
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap()
        )
    };
    events.iter().map(event).collect()
}

fn message_stream() -> String {
    let delta = |index: u32, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let begin = |index: u32, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let end = |index: u32| json!({"type": "content_block_stop", "index": index});
    let mut start = message();
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    named(&[
        json!({"type": "message_start", "message": start}),
        begin(
            0,
            json!({"type": "thinking", "thinking": "", "signature": ""}),
        ),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, json!({"type": "signature_delta", "signature": "s"})),
        end(0),
        json!({"type": "ping"}),
        begin(1, json!({"type": "text", "text": ""})),
        delta(1, json!({"type": "text_delta", "text": "s"})),
        delta(1, json!({"type": "text_delta", "text": "o"})),
        end(1),
        begin(
            2,
            json!({"type": "tool_use", "id": "a", "name": "f", "input": {}}),
        ),
        delta(
            2,
            json!({"type": "input_json_delta", "partial_json": "{\"n\":"}),
        ),
        delta(2, json!({"type": "input_json_delta", "partial_json": "1}"})),
        end(2),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 5}}),
        json!({"type": "message_stop"}),
    ])
}

fn data(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[test]
fn a_stream_is_the_same_however_it_is_cut() {
    let whole = stream(RESPONSES, Dialect::Anthropic, &message_stream(), usize::MAX);
    for cut in 1..60 {
        let again = stream(RESPONSES, Dialect::Anthropic, &message_stream(), cut);
        assert_eq!(again, whole, "{cut}");
    }
    let (text, report) = whole;
    assert_eq!(
        (&report.ended, report.model.as_deref()),
        (&Ended::Complete, Some("claude"))
    );
    let usage = Usage {
        input: Some(9),
        cached_input: Some(3),
        cache_write: Some(4),
        output: Some(5),
        ..Usage::default()
    };
    assert_eq!(report.usage, Some(usage));
    let events = data(&text);
    assert_eq!(report.events, events.len() as u64);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{event}");
    }
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"]["usage"]["output_tokens"], 5);
    comes_back(&last["response"]["output"]);
    assert!(!text.contains("[DONE]"), "{text}");
}

#[test]
fn a_stream_that_breaks_off_or_fails_is_not_completed() {
    let whole = message_stream();
    let cut = whole.split_once("event: message_delta").unwrap().0;
    let (text, report) = stream(RESPONSES, Dialect::Anthropic, cut, 10);
    assert_eq!(report.ended, Ended::Truncated);
    assert!(!text.contains("response.completed"), "{text}");
    assert_eq!(report.events, data(&text).len() as u64);
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}});
    let (text, report) = stream(
        RESPONSES,
        Dialect::Anthropic,
        &(cut.to_owned() + &named(&[error])),
        10,
    );
    assert!(matches!(report.ended, Ended::Failed(_)));
    let events = data(&text);
    let mut errors = events.iter().filter(|event| event["type"] == "error");
    assert_eq!(errors.next().unwrap()["message"], "busy");
    assert_eq!(events.last().unwrap()["type"], "response.failed", "{text}");
}

/// The field that is named is one that the client has.
#[test]
fn what_cannot_be_said_in_a_conversation_is_named_by_the_client_s_word() {
    let mut body = ask();
    let file = json!({"type": "input_file", "file_id": "file_1"});
    body["input"] = json!([{"role": "user", "content": [file]}]);
    assert_eq!(refused(RESPONSES, Dialect::Anthropic, &body), "input");
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": [
        {"type": "file", "file": {"file_id": "file_1"}}]}]});
    let field = refused(Api::CHAT_COMPLETIONS, Dialect::Anthropic, &chat);
    assert_eq!(field, "messages");
}
