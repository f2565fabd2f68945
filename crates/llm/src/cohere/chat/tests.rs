use serde_json::{Value, json};

use super::*;
use crate::canonical::{Dropped, Event};

fn through(body: &Value) -> (Value, Vec<String>) {
    let text = body.to_string();
    let request = decode_request(text.as_bytes()).unwrap();
    let mut dropped = Dropped::default();
    let written = encode_request(&request, &mut dropped).unwrap();
    (
        serde_json::from_slice(&written).unwrap(),
        dropped.fields().to_vec(),
    )
}

#[track_caller]
fn refused(body: &Value, field: &str) {
    let text = body.to_string();
    let fault = decode_request(text.as_bytes()).map(drop).unwrap_err();
    assert_eq!(fault.field, field, "{fault}");
}

fn with(fields: Value) -> Value {
    let mut body =
        json!({"model": "m", "stream": false, "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    body
}

/// What this API can say is the same behind the canonical form.
#[test]
fn what_is_read_is_written_again() {
    let tool =
        json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}});
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    for fields in [
        json!({"k": 5, "p": 0.5, "seed": 7, "frequency_penalty": 0.5, "presence_penalty": 0.25}),
        json!({"thinking": {"type": "enabled", "token_budget": 512}}),
        json!({"thinking": {"type": "disabled"}}),
        json!({"thinking": {"type": "enabled"}, "logprobs": true}),
        json!({"response_format": {"type": "json_object"}}),
        json!({"tools": [tool], "strict_tools": true, "tool_choice": "REQUIRED"}),
        json!({"messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"},
                {"type": "image_url", "image_url": {"url": "https://a.b/c.png", "detail": "low"}}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "so"}],
                "tool_plan": "I ask", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "x"},
                {"type": "text", "text": "y"}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "so"},
                {"type": "text", "text": "done"}]},
        ]}),
    ] {
        let body = with(fields);
        assert_eq!(through(&body), (body, vec![]));
    }
}

#[test]
fn what_no_other_model_does_is_refused() {
    refused(&with(json!({"documents": ["a"]})), "documents");
    refused(&with(json!({"safety_mode": "STRICT"})), "safety_mode");
    refused(&with(json!({"tool_choice": "auto"})), "tool_choice");
    refused(&with(json!({"thinking": {"type": "on"}})), "thinking.type");
    refused(
        &with(json!({"messages": [{"role": "user", "content": [{"type": "video"}]}]})),
        "messages[0].content[0].type",
    );
    refused(
        &with(json!({"messages": [{"role": "tool", "content": "x"}]})),
        "messages[0].tool_call_id",
    );
    let (_, dropped) = through(&with(json!({
        "documents": [], "safety_mode": "OFF", "citation_options": {"mode": "FAST"}, "priority": 3,
        "messages": [{"role": "user", "content": "hi"},
            {"role": "assistant", "content": "a", "citations": [
                {"start": 0, "end": 1, "text": "a", "sources": [{"type": "document", "id": "d"}]}]}],
    })));
    assert_eq!(
        dropped,
        ["citations", "citation_options", "priority", "safety_mode"]
    );
}

/// What a tool has found is text to other models, and nothing of it is lost.
#[test]
fn documents_of_results_are_their_data() {
    let document = json!({"type": "document", "document": {"id": "1", "data": {"a": [1, "b"]}}});
    let result = json!({"role": "tool", "tool_call_id": "c", "content": [document]});
    let (written, dropped) = through(&with(json!({"messages": [result]})));
    assert_eq!(written["messages"][0]["content"], r#"{"a":[1,"b"]}"#);
    assert_eq!(dropped, ["messages.content.document.id"]);
}

#[test]
fn one_of_several_tools_cannot_be_demanded() {
    let tools = |n: usize| {
        (0..n).map(|i| json!({"type": "function", "function": {"name": format!("f{i}")}}))
    };
    let choose = |n: usize| {
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}],
            "tools": tools(n).collect::<Vec<_>>(),
            "tool_choice": {"type": "function", "function": {"name": "f0"}}})
        .to_string();
        let request = crate::openai::chat::decode_request(body.as_bytes()).unwrap();
        let written = encode_request(&request, &mut Dropped::default());
        written.map(|body| serde_json::from_slice::<Value>(&body).unwrap()["tool_choice"].clone())
    };
    assert_eq!(choose(1).unwrap(), "REQUIRED");
    assert_eq!(choose(2).unwrap_err().field, "tool_choice");
}

/// An answer that its server could not finish is not taken for a whole one.
#[test]
fn an_answer_that_failed_is_a_fault() {
    for reason in ["ERROR", "TIMEOUT"] {
        let answer = json!({"id": "a", "finish_reason": reason, "message": {"role": "assistant"}});
        let fault = decode_response(answer.to_string().as_bytes())
            .map(drop)
            .unwrap_err();
        assert_eq!(fault.field, "finish_reason");
        let end = json!({"type": "message-end", "delta": {"finish_reason": reason}}).to_string();
        let mut last = None;
        let note = &mut |event: Event<'_>| last = Some(matches!(event, Event::Error(_)));
        StreamDecoder::default()
            .event(None, end.as_bytes(), note)
            .unwrap();
        assert_eq!(last, Some(true));
    }
}

/// A server may add to what it answers.
#[test]
fn answers_are_read_leniently() {
    let answer = json!({"id": "a", "finish_reason": "NEW", "new": 1, "message": {"role": "assistant", "new": 1,
        "content": [{"type": "new"}, {"type": "text", "text": "b", "new": 1}],
        "tool_calls": [{"id": "c", "new": 1, "function": {"name": "f", "new": 1}}]}});
    let body = answer.to_string();
    let response = decode_response(body.as_bytes()).unwrap();
    let [choice] = &response.choices[..] else {
        panic!()
    };
    assert_eq!(choice.parts.len(), 2);
}

#[test]
fn open_parts_are_bounded() {
    let mut decoder = StreamDecoder::default();
    let mut faults = 0;
    for index in 0..1000 {
        let event = json!({"type": "content-start", "index": index, "delta": {"message": {"content": {"type": "text"}}}});
        let read = decoder.event(None, event.to_string().as_bytes(), &mut |_| {});
        faults += usize::from(read.is_err());
    }
    assert_eq!(faults, 1000 - 128);
}
