//! Gemini's API behind clients of other dialects: what it is sent, and what they get.

use serde_json::{Value, json};

use super::fixture::*;

const PROVIDERS: &str = "
providers:
  - name: gemini
    dialect: gemini
    baseUrl: http://ADDRESS/v1beta
    apiKey: ${env:KEY}
routes:
  - name: r
    rules:
      - backendRefs: [{ provider: gemini, model: gemini-2.5/pro }]
";

const ANSWER: &str = r#"{"candidates":[{"content":{"parts":[{"text":"hello"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":5,"cachedContentTokenCount":3,"candidatesTokenCount":2,"thoughtsTokenCount":4,"totalTokenCount":11},"modelVersion":"gemini-2.5-pro-001","responseId":"r"}"#;
const PIECE: &str = r#"{"candidates":[{"content":{"parts":[{"text":"hel"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":5},"modelVersion":"gemini-2.5-pro-001","responseId":"r"}"#;
const ERROR: &str =
    r#"{"error":{"code":STATUS,"message":"not so fast","status":"RESOURCE_EXHAUSTED"}}"#;

/// Asks an upstream; gives what the client got and the request's record.
async fn ask(upstream: &Upstream, request: &str) -> (String, Value) {
    let address = upstream.address.to_string();
    let fixture = Fixture::start(&PROVIDERS.replace("ADDRESS", &address)).await;
    let got = fixture.ask(request).await;
    fixture.idle().await;
    (got, fixture.records().remove(0))
}

fn message(stream: bool) -> String {
    post("/v1/messages", &super::anthropic::body(stream))
}

fn body_of(text: &str) -> Value {
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{text}"))
}

/// All of thinking and answer count as written.
fn is_metered(record: &Value) {
    let count = |name: &str| record[name].as_u64();
    let counts = ["input_tokens", "cached_input_tokens", "output_tokens"];
    assert_eq!(counts.map(count), [5, 3, 6].map(Some), "{record}");
    assert_eq!(record["model_served"], "gemini-2.5-pro-001", "{record}");
    assert_eq!(record["outcome"], "completed", "{record}");
}

#[tokio::test]
async fn a_chat_is_answered() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", ANSWER)).await;
    let request = chat(false)
        .replace("/v1/chat/completions", "/v1/chat/completions?key=theirs")
        .replace(
            "connection: close\r\n",
            "connection: close\r\nauthorization: Bearer theirs\r\nx-goog-api-key: theirs\r\n",
        );
    let (got, record) = ask(&upstream, &request).await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    let completion = body_of(&got);
    let choice = &completion["choices"][0];
    assert_eq!(choice["message"]["content"], "hello", "{got}");
    assert_eq!(choice["finish_reason"], "stop");
    assert_eq!(completion["usage"]["completion_tokens"], 6);
    is_metered(&record);
    let received = upstream.received().remove(0);
    let line = "POST /v1beta/models/gemini-2.5%2Fpro:generateContent HTTP/1.1\r\n";
    assert!(received.starts_with(line), "{received}");
    assert!(
        received.contains("x-goog-api-key: sk-own\r\n"),
        "{received}"
    );
    assert!(!received.contains("theirs"), "{received}");
    let sent = body_of(&received);
    let contents = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
    assert_eq!(sent["contents"], contents);
    assert_eq!(sent["generationConfig"]["maxOutputTokens"], 8);
    assert_eq!(sent.get("model"), None);
}

#[tokio::test]
async fn a_message_is_answered() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", ANSWER)).await;
    let (got, record) = ask(&upstream, &message(false)).await;
    let answered = body_of(&got);
    assert_eq!(
        answered["content"],
        json!([{"type": "text", "text": "hello"}])
    );
    assert_eq!(answered["usage"]["input_tokens"], 2);
    is_metered(&record);
    let sent = body_of(&upstream.received().remove(0));
    assert_eq!(sent["systemInstruction"]["parts"][0]["text"], "be brief");
}

#[tokio::test]
async fn streams_are_asked_for_as_events_and_end_with_the_connection() {
    let last = ANSWER.replace("hello", "lo");
    for (request, end) in [
        (chat(true), "data: [DONE]"),
        (message(true), "message_stop"),
    ] {
        let upstream = Upstream::answering(events(&[PIECE, &last])).await;
        let (got, record) = ask(&upstream, &request).await;
        assert!(got.contains("content-type: text/event-stream"), "{got}");
        assert!(got.contains("\"hel\"") && got.contains("\"lo\""), "{got}");
        assert!(got.contains(end), "{got}");
        is_metered(&record);
        let received = upstream.received().remove(0);
        let line =
            "POST /v1beta/models/gemini-2.5%2Fpro:streamGenerateContent?alt=sse HTTP/1.1\r\n";
        assert!(received.starts_with(line), "{received}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error() {
    // Its last event is promised, and so is more than comes.
    let body = format!("data: {PIECE}\n\n");
    let cut = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{body}",
        body.len() + 1
    );
    let done = cut.replace("\"index\":0", "\"index\":0,\"finishReason\":\"STOP\"");
    for answer in [events(&[PIECE]), cut, done] {
        for (request, end) in [(chat(true), "[DONE]"), (message(true), "message_stop")] {
            let upstream = Upstream::answering(answer.clone()).await;
            let (got, record) = ask(&upstream, &request).await;
            assert!(got.contains("\"error\"") && !got.contains(end), "{got}");
            assert_eq!(record["outcome"], "upstream_failed", "{record}");
        }
    }
}

#[tokio::test]
async fn errors_are_told_in_the_dialect_of_the_client() {
    let refusal = answer(
        "400 Bad Request",
        "application/json",
        &ERROR.replace("STATUS", "400"),
    );
    let busy = answer(
        "429 Busy",
        "application/json",
        &ERROR.replace("STATUS", "429"),
    );
    let in_stream = events(&[&ERROR.replace("STATUS", "429")]);
    for (answer, stream, status, chat_type, message_type) in [
        (
            &refusal,
            false,
            "400",
            "invalid_request_error",
            "invalid_request_error",
        ),
        (&busy, true, "429", "requests", "rate_limit_error"),
        (&in_stream, true, "429", "requests", "rate_limit_error"),
    ] {
        for (request, expect) in [(chat(stream), chat_type), (message(stream), message_type)] {
            let upstream = Upstream::answering(answer.as_str()).await;
            let (got, _) = ask(&upstream, &request).await;
            assert!(got.starts_with(&format!("HTTP/1.1 {status}")), "{got}");
            let error = &body_of(&got)["error"];
            assert_eq!(
                (&error["message"], &error["type"]),
                (&json!("not so fast"), &json!(expect))
            );
        }
    }
}

/// What has no like in Gemini's API is refused before anything is sent.
#[tokio::test]
async fn other_operations_are_not_served() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", "{}")).await;
    let request = post("/v1/completions", r#"{"model":"m","prompt":"hi"}"#);
    let (got, _) = ask(&upstream, &request).await;
    assert!(got.starts_with("HTTP/1.1 400"), "{got}");
    assert_eq!(
        body_of(&got)["error"]["code"],
        "dialect_not_served",
        "{got}"
    );
    assert!(upstream.received().is_empty());
}
