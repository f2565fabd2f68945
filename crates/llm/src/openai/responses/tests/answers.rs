//! Whole answers.

use super::*;

const USAGE: Usage = Usage {
    input: Some(10),
    cached_input: Some(4),
    cache_write: Some(3),
    cache_write_hour: None,
    output: Some(6),
    reasoning: Some(2),
    input_audio: None,
    input_image: None,
    output_audio: None,
    output_image: None,
};

fn answer<'a>(parts: Vec<Content<'a>>, finish: Finish<'static>) -> Response<'a> {
    Response {
        id: "r1".into(),
        model: "m".into(),
        created: Some(7),
        choices: vec![Choice {
            parts: parts.into_iter().map(Part::new).collect(),
            finish: Some(finish),
            ..Choice::default()
        }],
        usage: Some(USAGE),
        service_tier: None,
    }
}

fn write(response: &Response<'_>) -> Json {
    serde_json::from_slice(&encode_response(response, 99)).unwrap()
}

/// Every field that a client's types require is there.
#[test]
fn an_answer_is_whole() {
    let written = write(&answer(vec![text("hi")], Finish::Stop));
    let expect = json!({
        "id": "r1", "object": "response", "created_at": 7, "status": "completed",
        "background": false, "error": null, "incomplete_details": null, "model": "m",
        "output": [{"id": "msg_r1_0", "type": "message", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": "hi", "annotations": [], "logprobs": []}]}],
        "instructions": null, "max_output_tokens": null, "max_tool_calls": null, "metadata": {},
        "parallel_tool_calls": true, "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null}, "store": false, "temperature": null,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [],
        "top_logprobs": 0, "top_p": null, "truncation": "disabled", "user": null,
        "service_tier": null,
        "usage": {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 4,
                "cache_write_tokens": 3},
            "output_tokens": 6, "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 16},
    });
    assert_eq!(written, expect);
    let tier = |tier: &'static str| {
        let response = Response {
            service_tier: Some(tier.into()),
            ..Response::default()
        };
        write(&response)["service_tier"].clone()
    };
    assert_eq!((tier("flex"), tier("batch")), (json!("flex"), Json::Null));
    let empty = write(&Response::default());
    assert_eq!(
        (&empty["created_at"], &empty["output"]),
        (&json!(99), &json!([]))
    );
    assert_eq!(empty["usage"], Json::Null);
}

#[test]
fn answers_come_back_as_they_were() {
    let check = |parts: Vec<Content<'_>>, finish: Finish<'static>, items: &[&str]| {
        let response = answer(parts, finish);
        let written = encode_response(&response, 0);
        assert_eq!(decode_response(&written).unwrap(), response);
        let written: Json = serde_json::from_slice(&written).unwrap();
        let output = written["output"].as_array().unwrap().iter();
        let ids: Vec<_> = output.map(|item| item["id"].as_str().unwrap()).collect();
        assert_eq!(ids, items);
    };
    let signed = Content::Reasoning(Reasoning {
        text: Some("so".into()),
        signature: Some("sig".into()),
        redacted: None,
    });
    let mut signed_call = call("c 1", "f", "{}");
    if let Content::ToolCall(call) = &mut signed_call {
        call.signature = Some("proof".into());
    }
    let refusal = || Content::Refusal("no".into());
    check(vec![text("a"), text("b")], Finish::Stop, &["msg_r1_0"]);
    check(vec![text("a"), refusal()], Finish::Refusal, &["msg_r1_0"]);
    check(vec![text("a")], Finish::Length, &["msg_r1_0"]);
    check(vec![], Finish::ContentFilter, &[]);
    check(
        vec![
            thought(Some("so"), None),
            text("a"),
            call("c1", "f", "{"),
            call("c2", "f", "{}"),
        ],
        Finish::ToolCalls,
        &["rs_r1_0", "msg_r1_1", "fc_r1_2", "fc_r1_3"],
    );
    check(
        vec![
            thought(Some("so"), None),
            thought(None, Some("gAAA")),
            text("a"),
        ],
        Finish::Stop,
        &["rs_r1_0", "msg_r1_2"],
    );
    check(
        vec![signed, thought(None, Some("x"))],
        Finish::Stop,
        &["rs_r1_0", "rs_r1_1"],
    );
    check(
        vec![signed_call, call("c2", "f", "{}")],
        Finish::ToolCalls,
        &["fc_r1_0", "rs_r1_0", "fc_r1_1"],
    );
}

/// Proofs of others survive a client that sends back the items it got.
#[test]
fn proofs_return_with_the_next_turn() {
    let signed = Content::Reasoning(Reasoning {
        text: Some("so".into()),
        signature: Some("sig".into()),
        redacted: None,
    });
    let mut signed_call = call("c 1", "f", "{}");
    if let Content::ToolCall(call) = &mut signed_call {
        call.signature = Some("proof".into());
    }
    let parts = vec![
        signed,
        thought(None, Some("x")),
        text("a"),
        signed_call,
        call("c2", "g", "{}"),
    ];
    let written = write(&answer(parts.clone(), Finish::ToolCalls));
    let mut input = written["output"].clone();
    let output = json!({"type": "function_call_output", "call_id": "c2", "output": ""});
    input.as_array_mut().unwrap().push(output);
    let body = json!({"model": "m", "input": input}).to_string();
    let request = decode_request(body.as_bytes()).unwrap();
    assert_eq!(request.messages[0], message(Role::Assistant, parts));
    assert_eq!(request.messages.len(), 2);
}

#[test]
fn an_end_has_a_status() {
    let check = |parts: Vec<Content<'_>>, finish: Finish<'static>, status: &str, reason: Json| {
        let written = write(&answer(parts, finish));
        assert_eq!(written["status"], status);
        assert_eq!(written["incomplete_details"], reason);
        assert_eq!(written["output"][0]["status"], status);
    };
    let cut = |reason: &str| json!({"reason": reason});
    check(
        vec![text("a")],
        Finish::StopSequence(None),
        "completed",
        Json::Null,
    );
    check(vec![text("a")], Finish::Pause, "completed", Json::Null);
    check(
        vec![text("a")],
        Finish::Length,
        "incomplete",
        cut("max_output_tokens"),
    );
    check(
        vec![text("a")],
        Finish::ContentFilter,
        "incomplete",
        cut("content_filter"),
    );
    check(
        vec![text("a")],
        Finish::Refusal,
        "incomplete",
        cut("content_filter"),
    );
    check(
        vec![Content::Refusal("no".into())],
        Finish::Refusal,
        "completed",
        Json::Null,
    );
}

/// Answers are read for what we know of them.
#[test]
fn what_is_unknown_in_an_answer_is_passed_over() {
    let body = json!({
        "id": "r1", "object": "response", "created_at": 7.5, "model": "m", "status": "completed",
        "novel": {}, "usage": {"input_tokens": 1, "output_tokens": null}, "service_tier": "default",
        "output": [
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "message", "content": [
                {"type": "novel"}, {"type": "output_text", "text": "hi", "annotations": [{}]}]},
        ],
    });
    let body = body.to_string();
    let response = decode_response(body.as_bytes()).unwrap();
    assert_eq!(response.choices[0].parts, [Part::text("hi")]);
    assert_eq!(
        (response.created, response.service_tier.as_deref()),
        (Some(7), Some("default"))
    );
    assert_eq!(
        response.usage,
        Some(Usage {
            input: Some(1),
            ..Usage::default()
        })
    );
}

#[test]
fn an_answer_that_is_none_is_a_fault() {
    let check = |body: Json, field: &str, message: &str| {
        let body = body.to_string();
        let fault = decode_response(body.as_bytes()).unwrap_err();
        assert_eq!((&*fault.field, &*fault.message), (field, message));
    };
    check(json!({"id": "r1"}), "output", "is missing");
    check(
        json!({"status": "failed", "output": [], "error": {"code": "server_error", "message": "boom"}}),
        "error",
        "says that the model failed: boom",
    );
    check(
        json!({"output": [{"type": "function_call", "name": "f", "arguments": ""}]}),
        "output[0].call_id",
        "is missing",
    );
}
