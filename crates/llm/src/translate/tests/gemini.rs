//! To and from Gemini, whose model and kind of answer stand in the path.

use super::*;
use crate::Operation;

const GEMINI: Api = Api {
    dialect: Dialect::Gemini,
    operation: Operation::ChatCompletions,
};

fn sent(client: Api, body: &Value, model: Option<&str>) -> TranslatedRequest {
    let between = pair(client, Dialect::Gemini);
    let body = body.to_string();
    between
        .request(Asked::default(), body.as_bytes(), model)
        .unwrap()
}

#[test]
fn a_chat_becomes_contents() {
    let mut chat = chat_request();
    chat.as_object_mut().unwrap().remove("parallel_tool_calls");
    let translated = sent(CHAT, &chat, Some("gemini-2.5/pro"));
    assert_eq!(
        translated.resource,
        "/models/gemini-2.5%2Fpro:generateContent"
    );
    assert_eq!(translated.query, None);
    let body: Value = serde_json::from_slice(&translated.body).unwrap();
    assert_eq!(body["systemInstruction"]["parts"][0]["text"], "be brief");
    let contents = body["contents"].as_array().unwrap();
    let roles: Vec<_> = contents.iter().map(|turn| &turn["role"]).collect();
    assert_eq!(roles[..2], ["user", "model"]);
    assert_eq!(
        contents[0]["parts"][1]["inlineData"],
        json!({"mimeType": "image/png", "data": "AAAA"})
    );
    assert_eq!(contents[1]["parts"][0]["functionCall"]["args"]["n"], 1.5);
    assert_eq!(contents[2]["parts"][0]["functionResponse"]["name"], "f");
    let config = &body["generationConfig"];
    assert_eq!(
        (&config["maxOutputTokens"], &config["seed"]),
        (&json!(50), &json!(3))
    );
    assert_eq!(body["toolConfig"]["functionCallingConfig"]["mode"], "ANY");
    assert_eq!(body.get("model").or(body.get("stream")), None);
    assert_eq!(translated.dropped.fields(), ["user", "logit_bias"]);
    assert_eq!(
        refused(CHAT, Dialect::Gemini, &chat_request()),
        "parallel_tool_calls"
    );
}

#[test]
fn a_stream_is_asked_for_in_the_path() {
    let body = json!({"model": "m", "max_tokens": 9, "stream": true,
        "messages": [{"role": "user", "content": "hi"}]});
    for client in [CHAT, MESSAGES] {
        let translated = sent(client, &body, None);
        assert_eq!(translated.resource, "/models/m:streamGenerateContent");
        assert_eq!(translated.query, Some("alt=sse"));
    }
}

#[test]
fn other_requests_keep_their_paths() {
    let body = json!({"model": "m", "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}]});
    for (client, dialect, expect) in [
        (MESSAGES, Dialect::OpenAi, "/chat/completions"),
        (CHAT, Dialect::Anthropic, "/messages"),
    ] {
        let between = pair(client, dialect);
        let body = body.to_string();
        let translated = between.request(Asked::default(), body.as_bytes(), None);
        assert_eq!(translated.unwrap().resource, expect);
    }
}

fn said(parts: &Value, finish: Option<&str>) -> Value {
    json!({
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": finish,
            "index": 0}],
        "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 4,
            "thoughtsTokenCount": 2, "cachedContentTokenCount": 3},
        "modelVersion": "gemini-3-pro", "responseId": "r",
    })
}

fn call() -> Value {
    json!({"functionCall": {"name": "f", "args": {"n": 1}}, "thoughtSignature": "c2ln"})
}

#[test]
fn answers_are_read() {
    let body = said(
        &json!([{"text": "hm", "thought": true}, {"text": "so"}, call()]),
        Some("STOP"),
    );
    let chat = answer(CHAT, Dialect::Gemini, &body);
    let choice = &chat["choices"][0];
    assert_eq!(choice["message"]["content"], "so");
    assert_eq!(choice["message"]["reasoning_content"], "hm");
    let called = &choice["message"]["tool_calls"][0];
    assert_eq!(
        called["function"],
        json!({"name": "f", "arguments": "{\"n\":1}"})
    );
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(chat["usage"]["prompt_tokens"], 7);
    assert_eq!(chat["usage"]["completion_tokens"], 6);
    // And back: the next turn has the signature, without which it is refused.
    let next = json!({"model": "gemini-3-pro", "messages": [
        {"role": "user", "content": "hi"}, choice["message"],
        {"role": "tool", "tool_call_id": called["id"], "content": "done"}]});
    let (body, _) = request(CHAT, Dialect::Gemini, &next);
    let parts = body["contents"][1]["parts"].as_array().unwrap();
    assert_eq!(parts.last().unwrap()["thoughtSignature"], "c2ln", "{body}");

    let message = answer(
        MESSAGES,
        Dialect::Gemini,
        &said(&json!([{"text": "so"}]), Some("MAX_TOKENS")),
    );
    assert_eq!(message["content"], json!([{"type": "text", "text": "so"}]));
    assert_eq!(message["stop_reason"], "max_tokens");
    assert_eq!(message["usage"]["input_tokens"], 4);
    assert_eq!(message["usage"]["output_tokens"], 6);
}

fn streamed() -> String {
    let events = [
        said(&json!([{"text": "hm", "thought": true}]), None),
        said(&json!([{"text": "so"}]), None),
        said(&json!([{"text": "."}, call()]), None),
        said(&json!([{"text": ""}]), Some("STOP")),
    ];
    let events = events.iter().map(|event| format!("data: {event}\r\n\r\n"));
    events.collect()
}

#[test]
fn streams_end_with_their_bytes_however_they_are_cut() {
    for client in [CHAT, MESSAGES] {
        let whole = stream(client, Dialect::Gemini, &streamed(), usize::MAX);
        for cut in 1..60 {
            assert_eq!(
                stream(client, Dialect::Gemini, &streamed(), cut),
                whole,
                "{cut}"
            );
        }
        let (text, report) = whole;
        assert_eq!(report.ended, Ended::Complete, "{text}");
        assert_eq!(report.usage.and_then(|usage| usage.output), Some(6));
        assert_eq!(report.model.as_deref(), Some("gemini-3-pro"));
        let calls = if client == CHAT {
            "\"tool_calls\""
        } else {
            "\"tool_use\""
        };
        assert!(text.contains(calls), "{text}");
        // The last blank line may be missing.
        let (again, _) = stream(client, Dialect::Gemini, streamed().trim_end(), 9);
        assert_eq!(again, text);
    }
}

/// Of a call it comes with a function, since OpenAI's own client demands one in every piece of a call;
/// at the end of an answer it comes alone, and says nothing.
#[test]
fn signatures_survive_in_a_chat_that_is_streamed() {
    let alone = json!([{"text": "", "thoughtSignature": "YWxvbmU="}]);
    let events = [
        said(&json!([{"text": "so"}, call()]), None),
        said(&alone, Some("STOP")),
    ];
    let events: String = events
        .map(|event| format!("data: {event}\r\n\r\n"))
        .concat();
    let (text, _) = stream(CHAT, Dialect::Gemini, &events, usize::MAX);
    let data = text.lines().filter_map(|line| line.strip_prefix("data: {"));
    let deltas: Vec<Value> = data
        .map(|data| serde_json::from_str(&format!("{{{data}")).unwrap())
        .map(|chunk: Value| chunk["choices"][0]["delta"].clone())
        .collect();
    let mut pieces = deltas.iter().filter_map(|delta| delta.get("tool_calls"));
    assert!(
        pieces.all(|calls| calls[0]["function"].is_object()),
        "{text}"
    );
    let signed = |delta: &&Value| delta["tool_calls"][0].get("extra_content").is_some();
    assert_eq!(deltas.iter().filter(signed).count(), 1, "{text}");
    let mut proofs = deltas
        .iter()
        .filter(|delta| delta.get("reasoning_details").is_some());
    let proof = proofs.next().unwrap();
    assert_eq!(proof["reasoning_details"][0]["signature"], "YWxvbmU=");
    assert_eq!(proof.get("content"), None);
    assert_eq!(proofs.next(), None);
}

#[test]
fn a_stream_that_is_cut_off_is_truncated() {
    let whole = streamed();
    let last = whole.rfind("data: ").unwrap();
    let is_end = |text: &str| text.contains("[DONE]") || text.contains("message_stop");
    for client in [CHAT, MESSAGES] {
        for end in [0, 5, last, last + 5, whole.trim_end().len() - 1] {
            let (text, report) = stream(client, Dialect::Gemini, &whole[..end], 50);
            assert_eq!(report.ended, Ended::Truncated, "{end}: {text}");
            assert!(!is_end(&text), "{end}: {text}");
        }
        // Some servers say in each event that they are done: where the next is cut, they are not.
        let early = whole.replace("\"finishReason\":null", "\"finishReason\":\"STOP\"");
        let (text, report) = stream(client, Dialect::Gemini, &early[..early.len() - 20], 50);
        assert_eq!(report.ended, Ended::Truncated, "{text}");
        let between = pair(client, Dialect::Gemini);
        let mut translator = translator(between, None, true);
        let mut out = Vec::new();
        translator.feed(early.into(), &mut out).unwrap();
        let report = translator.break_off(&mut out);
        assert_eq!(report.ended, Ended::Truncated);
    }
}

#[test]
fn errors_within_a_stream_are_told() {
    let error =
        "data: {\"error\":{\"code\":503,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"}}\n\n";
    let (text, report) = stream(CHAT, Dialect::Gemini, error, 10);
    let Ended::Failed(told) = report.ended else {
        panic!("{text}")
    };
    assert_eq!((told.status, &*told.message), (Some(503), "busy"));
    let (text, _) = stream(MESSAGES, Dialect::Gemini, error, 10);
    assert!(
        text.contains("event: error\n") && text.contains("overloaded_error"),
        "{text}"
    );
}

/// Whose statuses are among those of requests at fault.
#[test]
fn errors_of_a_model_are_not_the_request_s() {
    for (status, of_openai, of_anthropic) in [
        (400, "invalid_request_error", "invalid_request_error"),
        (408, "server_error", "timeout_error"),
        (424, "server_error", "api_error"),
    ] {
        let error = json!({"error": {"code": status, "message": "why"}});
        let event = format!("data: {error}\n\n");
        for (client, kind) in [
            (CHAT, of_openai),
            (Api::RESPONSES, of_openai),
            (MESSAGES, of_anthropic),
        ] {
            let (text, _) = stream(client, Dialect::Gemini, &event, 50);
            let said = format!("\"type\":\"{kind}\"");
            assert!(text.contains(&said), "{status}: {text}");
        }
        let (text, _) = stream(Api::RESPONSES, Dialect::Gemini, &event, 50);
        let fault = if status == 400 {
            "invalid_prompt"
        } else {
            "server_error"
        };
        assert!(
            text.contains(&format!("\"code\":\"{fault}\"")),
            "{status}: {text}"
        );
    }
}

/// A client of Gemini's is read and answered in its own form.
#[test]
fn contents_become_a_chat() {
    let between = pair(GEMINI, Dialect::OpenAi);
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}).to_string();
    let asked = Asked {
        path: "/v1beta/models/org%2Fm:streamGenerateContent",
        query: Some("alt=sse"),
        betas: None,
    };
    let translated = between.request(asked, body.as_bytes(), None).unwrap();
    let chat: Value = serde_json::from_slice(&translated.body).unwrap();
    assert_eq!(
        (&chat["model"], &chat["stream"]),
        (&json!("org/m"), &json!(true))
    );
    let elsewhere = between.request(Asked::default(), body.as_bytes(), None);
    assert_eq!(elsewhere.unwrap_err().field, "model");

    let written = |query| {
        let mut translator = translator(between, query, true);
        let mut out = Vec::new();
        translator.feed(two_calls().into(), &mut out).unwrap();
        let report = translator.finish(&mut out);
        assert_eq!(report.ended, Ended::Complete);
        String::from_utf8(out.concat()).unwrap()
    };
    let back = stream(CHAT, Dialect::Gemini, &written(asked.query), 7);
    assert_eq!(back.1.ended, Ended::Complete);
    let array: Vec<Value> = serde_json::from_str(&written(None)).unwrap();
    assert_eq!(
        array.last().unwrap()["usageMetadata"]["promptTokenCount"],
        3
    );
}

/// The end of such a stream is that of the connection; one that is reset may have said all before.
#[test]
fn a_stream_that_breaks_off_behind_its_end_is_whole() {
    let event = |text: &str, finish: Option<&str>| {
        let mut candidate = json!({"index": 0, "content": {"parts": [{"text": text}]}});
        if let Some(finish) = finish {
            candidate["finishReason"] = finish.into();
        }
        format!(
            "data: {}\n\n",
            json!({"responseId": "r", "candidates": [candidate]})
        )
    };
    let check = |events: &[String], expect: Ended| {
        let between = pair(CHAT, Dialect::Gemini);
        let mut translator = translator(between, None, false);
        let mut out = Vec::new();
        translator.feed(events.concat().into(), &mut out).unwrap();
        let report = translator.break_off(&mut out);
        assert_eq!(report.ended, expect, "{events:?}");
        let whole = String::from_utf8(out.concat()).unwrap().contains("[DONE]");
        assert_eq!(whole, expect == Ended::Complete);
    };
    let stop = Some("STOP");
    check(&[event("a", None), event("b", stop)], Ended::Complete);
    check(&[event("a", stop), event("", stop)], Ended::Complete);
    check(&[event("a", None)], Ended::Truncated);
    // Says in each event that it is the last.
    check(&[event("a", stop), event("b", stop)], Ended::Truncated);
}
