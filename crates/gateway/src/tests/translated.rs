//! Requests whose backend speaks another dialect than their client.

use serde_json::{Value, json};

use super::anthropic::{
    BLOCK, BLOCK_END, DELTA, END, MESSAGE, START, STOP, ask, body, is_metered, named,
};
use super::fixture::*;

fn body_of(got: &str) -> Value {
    let (_, body) = got.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{got}"))
}

/// A request in Anthropic's dialect for the model of the provider that speaks OpenAI's.
fn message(stream: bool) -> String {
    post("/v1/messages", &body(stream).replace("\"m\"", "\"g\""))
}

/// The events of a stream.
fn data(got: &str) -> Vec<Value> {
    let lines = got.lines().filter_map(|line| line.strip_prefix("data: "));
    lines
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect()
}

#[tokio::test]
async fn a_chat_is_answered_by_anthropics_api() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", MESSAGE)).await;
    let request = chat(false)
        .replace("/v1/chat/completions", "/v1/chat/completions?a=b")
        .replace(
            "connection: close\r\n",
            "connection: close\r\nopenai-organization: org\r\n",
        );
    let (got, record) = ask(&upstream, &request).await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    let completion = body_of(&got);
    assert_eq!(completion["object"], "chat.completion");
    assert_eq!(completion["choices"][0]["message"]["content"], "hello");
    assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    assert_eq!(completion["usage"]["prompt_tokens"], 53);
    is_metered(&record, 2);
    assert_eq!(record["dialect"], "openai", "{record}");
    assert_eq!(record["model_served"], "m-2026", "{record}");
    let received = upstream.received().remove(0);
    assert!(
        received.starts_with("POST /v1/messages HTTP/1.1\r\n"),
        "{received}"
    );
    assert!(
        received.contains("anthropic-version: 2023-06-01\r\n"),
        "{received}"
    );
    assert!(!received.contains("openai-organization"), "{received}");
    let sent = body_of(&received);
    let messages = json!([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]);
    let plain = json!([{"role": "user", "content": "hi"}]);
    assert!(
        sent["messages"] == messages || sent["messages"] == plain,
        "{sent}"
    );
    assert_eq!(sent["max_tokens"], 8);
}

#[tokio::test]
async fn a_chat_is_streamed_by_anthropics_api() {
    let stream = named(&[START, BLOCK, DELTA, DELTA, BLOCK_END, STOP, END]);
    let upstream = Upstream::answering(stream).await;
    let (got, record) = ask(&upstream, &chat(true)).await;
    let text: String = data(&got)
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, "hellohello", "{got}");
    assert!(got.contains("data: [DONE]\n\n"), "{got}");
    // Not asked for: metered, and not shown.
    assert!(!got.contains("prompt_tokens"), "{got}");
    is_metered(&record, 2);
    assert_eq!(record["outcome"], "completed", "{record}");
}

#[tokio::test]
async fn a_message_is_answered_by_openais_api() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", COMPLETION)).await;
    let request = message(false).replace(
        "connection: close\r\n",
        "connection: close\r\nanthropic-version: 2023-06-01\r\nx-api-key: mine\r\n",
    );
    let (got, record) = ask(&upstream, &request).await;
    let answer = body_of(&got);
    assert_eq!(answer["type"], "message", "{got}");
    assert_eq!(answer["content"][0]["text"], "hello");
    assert_eq!(answer["stop_reason"], "end_turn");
    assert_eq!(record["output_tokens"], 2, "{record}");
    let received = upstream.received().remove(0);
    assert!(
        received.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
        "{received}"
    );
    assert!(!received.contains("anthropic-"), "{received}");
    assert!(!received.contains("mine"), "{received}");
    let roles: Vec<_> = body_of(&received)["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].clone())
        .collect();
    assert_eq!(roles, ["system", "user"]);
}

#[tokio::test]
async fn a_message_is_streamed_by_openais_api() {
    let stream = events(&[CONTENT, CONTENT, FINISH, USAGE, "[DONE]"]);
    let upstream = Upstream::answering(stream).await;
    let (got, record) = ask(&upstream, &message(true)).await;
    assert!(got.contains("content-type: text/event-stream"), "{got}");
    let kinds: Vec<_> = data(&got)
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect();
    let expect = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(kinds, expect, "{got}");
    assert_eq!(record["output_tokens"], 2, "{record}");
    let asked = body_of(&upstream.received().remove(0));
    assert_eq!(asked["stream_options"], json!({"include_usage": true}));
}

/// A cut stream is told of in the dialect of the client.
#[tokio::test]
async fn a_translated_stream_that_breaks_off_ends_with_an_error() {
    let upstream = Upstream::answering(events(&[CONTENT])).await;
    let (got, record) = ask(&upstream, &message(true)).await;
    assert!(got.contains("event: error\ndata: "), "{got}");
    assert!(!got.contains("message_stop"), "{got}");
    assert_eq!(record["outcome"], "upstream_failed", "{record}");
}

#[tokio::test]
async fn errors_are_told_in_the_dialect_of_the_client() {
    let theirs =
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"too many"}}"#;
    let refusal = answer("400 Bad Request", "application/json", theirs);
    let upstream = Upstream::answering(refusal).await;
    let (got, _) = ask(&upstream, &chat(false)).await;
    assert!(got.starts_with("HTTP/1.1 400"), "{got}");
    let error = body_of(&got);
    assert_eq!(error["error"]["message"], "too many", "{got}");
    assert_eq!(error["error"]["type"], "invalid_request_error", "{got}");

    // An overloaded server is asked again; what it says at last has a status that the client knows.
    let theirs = r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#;
    let overloaded = answer("529 Overloaded", "application/json", theirs);
    let upstream = Upstream::answering(overloaded).await;
    let (got, _) = ask(&upstream, &chat(false)).await;
    assert!(got.starts_with("HTTP/1.1 503"), "{got}");
    assert_eq!(body_of(&got)["error"]["message"], "busy", "{got}");

    // What Bedrock calls the failure of a model is no fault of the client.
    let failed = answer("424 Failed Dependency", "application/json", theirs);
    let upstream = Upstream::answering(failed).await;
    let (got, _) = ask(&upstream, &chat(false)).await;
    assert!(got.starts_with("HTTP/1.1 502"), "{got}");
}

#[tokio::test]
async fn what_cannot_be_said_is_dropped_or_refused() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", MESSAGE)).await;
    let with = |extra: &str| {
        let body =
            format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{extra}}}"#);
        post("/v1/chat/completions", &body)
    };
    let (got, _) = ask(&upstream, &with(r#""seed":1,"logit_bias":{"1":2}"#)).await;
    assert!(
        got.contains("x-sluicegate-dropped: seed, logit_bias\r\n"),
        "{got}"
    );
    let (got, record) = ask(&upstream, &with(r#""n":2"#)).await;
    assert!(got.starts_with("HTTP/1.1 400"), "{got}");
    assert_eq!(body_of(&got)["error"]["param"], "n", "{got}");
    assert_eq!(record["error"], "invalid_request", "{record}");
    assert_eq!(upstream.received().len(), 1);
}

/// Where a rule wants all or nothing, a hint is refused as well.
#[tokio::test]
async fn a_strict_rule_refuses_what_would_be_dropped() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", MESSAGE)).await;
    let config = format!(
        "providers: [{{ name: claude, dialect: anthropic, baseUrl: 'http://{}/v1' }}]\n\
         routes: [{{ name: r, rules: [{{ translation: strict, \
         backendRefs: [{{ provider: claude }}] }}] }}]\n",
        upstream.address
    );
    let fixture = Fixture::start(&config).await;
    let got = fixture.ask(&chat(false)).await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    let seeded = chat(false).replace(r#""max_tokens":8"#, r#""seed":      8"#);
    let got = fixture.ask(&seeded).await;
    assert!(got.starts_with("HTTP/1.1 400"), "{got}");
    assert_eq!(body_of(&got)["error"]["param"], "seed", "{got}");
    assert_eq!(upstream.received().len(), 1);
}

/// A fallback may speak another dialect; what it cannot say does not hide why it was asked.
#[tokio::test]
async fn a_request_falls_back_to_another_dialect() {
    let broken = Upstream::answering(answer("503 Busy", "application/json", "{}")).await;
    let upstream = Upstream::answering(answer("200 OK", "application/json", MESSAGE)).await;
    let config = "
providers:
  - { name: gpt, baseUrl: 'http://FIRST/v1' }
  - { name: claude, dialect: anthropic, baseUrl: 'http://SECOND/v1' }
routes:
  - name: both
    rules:
      - backendRefs: [{ provider: gpt }, { provider: claude, priority: 1 }]
";
    let config = config
        .replace("FIRST", &broken.address.to_string())
        .replace("SECOND", &upstream.address.to_string());
    let fixture = Fixture::start(&config).await;
    let got = fixture.ask(&chat(false)).await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    assert_eq!(body_of(&got)["choices"][0]["message"]["content"], "hello");
    let two = chat(false).replace(r#""max_tokens":8"#, r#""n":         2"#);
    let got = fixture.ask(&two).await;
    assert!(got.starts_with("HTTP/1.1 503"), "{got}");
}

/// What a dialect cannot say costs no attempt: the other backend of the tier is asked.
#[tokio::test]
async fn a_request_goes_where_it_can_be_said() {
    let claude = Upstream::answering(answer("200 OK", "application/json", MESSAGE)).await;
    let gpt = Upstream::answering(answer("200 OK", "application/json", COMPLETION)).await;
    let config = "
providers:
  - { name: claude, dialect: anthropic, baseUrl: 'http://FIRST/v1' }
  - { name: gpt, baseUrl: 'http://SECOND/v1' }
routes:
  - name: both
    rules:
      - backendRefs: [{ provider: claude, weight: 1000 }, { provider: gpt }]
        retry: { attempts: 0 }
";
    let config = config
        .replace("FIRST", &claude.address.to_string())
        .replace("SECOND", &gpt.address.to_string());
    let fixture = Fixture::start(&config).await;
    let two = chat(false).replace(r#""max_tokens":8"#, r#""n":         2"#);
    for _ in 0..5 {
        let got = fixture.ask(&two).await;
        assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    }
    assert!(claude.received().is_empty());
}

const CLAUDE: &str = "
providers: [{ name: claude, dialect: anthropic, baseUrl: 'http://UPSTREAM/v1' }]
routes: [{ name: r, rules: [{ backendRefs: [{ provider: claude }] }] }]
";

fn long(bytes: usize) -> String {
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"{}"}}]}}"#,
        "a".repeat(bytes)
    );
    post("/v1/chat/completions", &body)
}

/// Copies of a body for another dialect are as much memory as the body itself.
#[tokio::test]
async fn a_translation_takes_its_memory_from_the_budget() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", MESSAGE)).await;
    let config = listening(&CLAUDE.replace("UPSTREAM", &upstream.address.to_string()));
    let fixture = Fixture::start_within(1 << 20, &config).await;
    let got = fixture.ask(&long(100_000)).await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    let got = fixture.ask(&long(500_000)).await;
    assert!(got.starts_with("HTTP/1.1 503"), "{got}");
    assert!(got.contains("no room for the request body"), "{got}");
    assert_eq!(upstream.received().len(), 1);
    fixture.idle().await;
    assert_eq!(fixture.gateway.shared.bodies.used(), 0);
}

/// An upstream that reads nothing keeps the body here, counted until the client goes.
#[tokio::test]
async fn a_translated_body_is_counted_until_it_is_sent() {
    const BYTES: usize = 24 << 20;
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = deaf.local_addr().unwrap().to_string();
    let config = listening(&CLAUDE.replace("UPSTREAM", &address));
    let fixture = Fixture::start_within(1 << 28, &config).await;
    let client = fixture.begin(&long(BYTES)).await;
    let used = || fixture.gateway.shared.bodies.used();
    let (_connection, _) = deaf.accept().await.unwrap();
    // The record has gone to a file but for its end, what was read for the translation is gone.
    let settled = async {
        while !(BYTES as u64..(BYTES + (512 << 10)) as u64).contains(&used()) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, settled).await;
    assert!(in_time.is_ok(), "{} are counted", used());
    drop(client);
    fixture.idle().await;
    assert_eq!(used(), 0);
}

/// Features in trial are asked for in a header, which goes no further.
#[tokio::test]
async fn a_header_that_asks_for_more_is_listed() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", COMPLETION)).await;
    let request = message(false).replace(
        "connection: close\r\n",
        "connection: close\r\nanthropic-beta: context-1m-2025-08-07\r\n",
    );
    let (got, _) = ask(&upstream, &request).await;
    assert!(
        got.contains("x-sluicegate-dropped: anthropic-beta\r\n"),
        "{got}"
    );
}

/// Clients slow down by what headers say of their limits.
#[tokio::test]
async fn limits_are_told_in_the_dialect_of_the_client() {
    let limited = |status: &str, body: &str, headers: &str| {
        let plain = answer(status, "application/json", body);
        plain.replace(
            "connection: close\r\n",
            &format!("connection: close\r\n{headers}"),
        )
    };
    let theirs = "x-ratelimit-remaining-requests: 7\r\nx-request-id: req_theirs\r\n";
    let upstream = Upstream::answering(limited("200 OK", COMPLETION, theirs)).await;
    let (got, _) = ask(&upstream, &message(false)).await;
    assert!(
        got.contains("anthropic-ratelimit-requests-remaining: 7\r\n"),
        "{got}"
    );
    assert!(got.contains("\r\nrequest-id: req_theirs\r\n"), "{got}");
    assert!(!got.contains("x-request-id: req_theirs"), "{got}");

    let theirs = "anthropic-ratelimit-requests-remaining: 0\r\nretry-after: 3\r\n";
    let busy = r#"{"type":"error","error":{"type":"rate_limit_error","message":"later"}}"#;
    let busy = limited("429 Too Many Requests", busy, theirs);
    let upstream = Upstream::answering(busy).await;
    let (got, _) = ask(&upstream, &chat(false)).await;
    assert!(got.starts_with("HTTP/1.1 429"), "{got}");
    assert!(
        got.contains("x-ratelimit-remaining-requests: 0\r\n"),
        "{got}"
    );
    assert!(got.contains("retry-after: 3\r\n"), "{got}");
}
