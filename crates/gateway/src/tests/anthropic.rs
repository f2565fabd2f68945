//! Anthropic's API passed through: what its upstream is sent, what its client gets, what is metered.

use serde_json::Value;

use super::fixture::*;

const PROVIDERS: &str = "
providers:
  - name: claude
    dialect: anthropic
    baseUrl: http://ADDRESS/v1
    models: [m]
  - name: gpt
    baseUrl: http://ADDRESS/v1
    models: [g]
";

pub(super) const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m-2026","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"cache_read_input_tokens":40,"cache_creation_input_tokens":10,"cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":6},"output_tokens":2}}"#;

pub(super) const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m-2026","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_read_input_tokens":40,"cache_creation_input_tokens":10,"output_tokens":1}}}"#;
pub(super) const BLOCK: &str =
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
pub(super) const DELTA: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}"#;
pub(super) const BLOCK_END: &str = r#"{"type":"content_block_stop","index":0}"#;
pub(super) const STOP: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2}}"#;
pub(super) const END: &str = r#"{"type":"message_stop"}"#;

/// A stream of events with their names, that ends with the connection.
pub(super) fn named(events: &[&str]) -> String {
    let body: String = events
        .iter()
        .map(|event| {
            let value: Value = serde_json::from_str(event).unwrap();
            format!(
                "event: {}\ndata: {event}\n\n",
                value["type"].as_str().unwrap()
            )
        })
        .collect();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}")
}

pub(super) fn body(stream: bool) -> String {
    format!(
        r#"{{"model":"m","max_tokens":8,"stream":{stream},"system":[{{"type":"text","text":"be brief"}}],"messages":[{{"role":"user","content":"hi"}}]}}"#
    )
}

/// Asks an upstream that answers with `answer`; gives what the client got and the request's record.
pub(super) async fn ask(upstream: &Upstream, request: &str) -> (String, Value) {
    let address = upstream.address.to_string();
    let fixture = Fixture::start(&PROVIDERS.replace("ADDRESS", &address)).await;
    let got = fixture.ask(request).await;
    fixture.idle().await;
    (got, fixture.records().remove(0))
}

pub(super) fn is_metered(record: &Value, output: u64) {
    let count = |name: &str| record[name].as_u64();
    assert_eq!(
        (
            count("input_tokens"),
            count("cached_input_tokens"),
            count("cache_creation_input_tokens"),
            count("output_tokens")
        ),
        (Some(53), Some(40), Some(10), Some(output)),
        "{record}"
    );
}

#[tokio::test]
async fn a_message_passes_as_it_is_and_is_metered() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", MESSAGE)).await;
    let request = post("/anthropic/v1/messages?beta=true", &body(false)).replace(
        "connection: close\r\n",
        "connection: close\r\nx-api-key: of-the-client\r\nanthropic-beta: b1\r\n",
    );
    let (got, record) = ask(&upstream, &request).await;
    assert!(
        got.starts_with("HTTP/1.1 200") && got.ends_with(MESSAGE),
        "{got}"
    );
    is_metered(&record, 2);
    assert_eq!(record["dialect"], "anthropic", "{record}");
    assert_eq!(record["operation"], "chat", "{record}");
    assert_eq!(record["model_served"], "m-2026", "{record}");
    let received = upstream.received().remove(0);
    assert!(
        received.starts_with("POST /v1/messages?beta=true HTTP/1.1\r\n"),
        "{received}"
    );
    assert!(received.ends_with(&body(false)), "{received}");
    assert!(
        received.contains("anthropic-version: 2023-06-01\r\n"),
        "{received}"
    );
    assert!(received.contains("anthropic-beta: b1\r\n"), "{received}");
    assert!(!received.contains("of-the-client"), "{received}");
}

/// The body is not touched to ask for usage, which comes unasked.
#[tokio::test]
async fn a_stream_passes_as_it_is_and_is_metered() {
    let ping = r#"{"type":"ping"}"#;
    let stream = named(&[START, BLOCK, ping, DELTA, DELTA, BLOCK_END, STOP, END]);
    let upstream = Upstream::answering(stream.clone()).await;
    let request = post("/v1/messages", &body(true)).replace(
        "connection: close\r\n",
        "connection: close\r\nanthropic-version: 2099-01-01\r\n",
    );
    let (got, record) = ask(&upstream, &request).await;
    let (_, events) = stream.split_once("\r\n\r\n").unwrap();
    for event in events.split_inclusive("\n\n") {
        assert!(got.contains(event), "{event}: {got}");
    }
    is_metered(&record, 2);
    assert_eq!(record["outcome"], "completed", "{record}");
    assert_eq!(record["model_served"], "m-2026", "{record}");
    let received = upstream.received().remove(0);
    assert!(received.ends_with(&body(true)), "{received}");
    assert!(
        received.contains("anthropic-version: 2099-01-01\r\n"),
        "{received}"
    );
    assert!(!received.contains("2023-06-01"), "{received}");
}

/// What was read is known from the first event; what was written is counted as it went by.
#[tokio::test]
async fn a_broken_stream_ends_with_an_error_and_is_metered_as_far_as_it_came() {
    let upstream = Upstream::answering(named(&[START, BLOCK, DELTA, DELTA, DELTA])).await;
    let (got, record) = ask(&upstream, &post("/v1/messages", &body(true))).await;
    assert!(got.contains("hello"), "{got}");
    let (_, error) = got.split_once("event: error\ndata: ").expect("an error");
    let error: Value = serde_json::from_str(error.lines().next().unwrap()).unwrap();
    assert_eq!(error["type"], "error");
    assert_eq!(error["error"]["type"], "api_error");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("claude did not answer"), "{message}");
    is_metered(&record, 3);
    assert_eq!(record["tokens_estimated"], true, "{record}");
    assert_eq!(record["error"], "upstream_reset", "{record}");
}

/// An error before any content becomes the answer that it should have been.
#[tokio::test]
async fn an_error_event_before_content_gets_its_status() {
    let overloaded =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let upstream = Upstream::answering(named(&[START, overloaded])).await;
    let (got, _) = ask(&upstream, &post("/v1/messages", &body(true))).await;
    assert!(got.starts_with("HTTP/1.1 529"), "{got}");
    let (_, body) = got.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["type"], "error");
    assert_eq!(body["error"]["type"], "overloaded_error");
    assert_eq!(body["error"]["message"], "Overloaded");
}

#[tokio::test]
async fn tokens_are_counted_by_the_upstream() {
    let counted = answer("200 OK", "application/json", r#"{"input_tokens":9}"#);
    let upstream = Upstream::answering(counted).await;
    let request = post(
        "/v1/messages/count_tokens",
        r#"{"model":"m","messages":[]}"#,
    );
    let (got, record) = ask(&upstream, &request).await;
    assert!(got.ends_with(r#"{"input_tokens":9}"#), "{got}");
    assert_eq!(record["operation"], "count_tokens", "{record}");
    assert!(
        record["input_tokens"].is_null(),
        "nothing was generated: {record}"
    );
    let received = upstream.received().remove(0);
    assert!(
        received.starts_with("POST /v1/messages/count_tokens HTTP"),
        "{received}"
    );
}

/// What another dialect has no counterpart of is not sent there, and each caller is told in its own.
#[tokio::test]
async fn what_another_dialect_does_not_have_is_refused() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", "{}")).await;
    let embeddings = post("/v1/embeddings", r#"{"model":"m","input":"a"}"#);
    let (got, _) = ask(&upstream, &embeddings).await;
    let message = "the model `m` is served by an API of another dialect";
    assert!(
        got.starts_with("HTTP/1.1 400") && got.contains(message),
        "{got}"
    );
    assert!(got.contains(r#""param":"model""#), "{got}");
    assert!(upstream.received().is_empty());
}

/// Tokens are counted here where no backend counts any.
#[tokio::test]
async fn what_another_dialect_cannot_count_is_estimated() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", "{}")).await;
    let count = |request: String| post("/v1/messages/count_tokens", &request);
    let request = body(false).replace("\"m\"", "\"g\"");
    let (got, _) = ask(&upstream, &count(request.clone())).await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    assert!(got.contains("x-sluicegate-estimated: tokens"), "{got}");
    let (_, counted) = got.split_once("\r\n\r\n").unwrap();
    let counted: Value = serde_json::from_str(counted).unwrap();
    assert!(counted["input_tokens"].as_u64() > Some(5), "{counted}");
    let wrong = request.replace("\"user\"", "\"nobody\"");
    let (got, _) = ask(&upstream, &count(wrong)).await;
    assert!(got.starts_with("HTTP/1.1 400"), "{got}");
    let (_, body) = got.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["error"]["type"], "invalid_request_error");
    assert!(upstream.received().is_empty());
}

/// Where a rule has backends of both, each request that cannot be translated goes to its own.
#[tokio::test]
async fn of_several_backends_one_of_the_dialect_is_asked() {
    let counted = r#"{"input_tokens":9}"#;
    let embedded = r#"{"object":"list","data":[]}"#;
    let upstream = Upstream::answering(answer("200 OK", "application/json", counted)).await;
    let other = Upstream::answering(answer("200 OK", "application/json", embedded)).await;
    let config = "
providers:
  - { name: claude, dialect: anthropic, baseUrl: 'http://FIRST/v1' }
  - { name: gpt, baseUrl: 'http://SECOND/v1' }
routes:
  - name: both
    rules:
      - backendRefs: [{ provider: gpt, weight: 9 }, { provider: claude }]
";
    let config = config
        .replace("FIRST", &upstream.address.to_string())
        .replace("SECOND", &other.address.to_string());
    let fixture = Fixture::start(&config).await;
    for _ in 0..8 {
        let request = post("/v1/messages/count_tokens", &body(false));
        let got = fixture.ask(&request).await;
        assert!(got.ends_with(counted), "{got}");
        let request = post("/v1/embeddings", r#"{"model":"m","input":"a"}"#);
        let got = fixture.ask(&request).await;
        assert!(got.ends_with(embedded), "{got}");
    }
    assert_eq!((upstream.received().len(), other.received().len()), (8, 8));
}

/// The key goes where the dialect has it, in the place of the client's.
#[tokio::test]
async fn the_key_is_sent_as_the_dialect_has_it() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", MESSAGE)).await;
    let config = format!(
        "providers: [{{ name: c, dialect: anthropic, apiKey: '${{env:KEY}}', \
         baseUrl: 'http://{}/v1' }}]\n",
        upstream.address
    );
    let fixture = Fixture::start(&config).await;
    let request = post("/v1/messages", &body(false)).replace(
        "connection: close\r\n",
        "connection: close\r\nx-api-key: of-the-client\r\nauthorization: Bearer a\r\n",
    );
    fixture.ask(&request).await;
    let received = upstream.received().remove(0);
    assert!(received.contains("x-api-key: sk-own\r\n"), "{received}");
    for absent in ["of-the-client", "authorization"] {
        assert!(!received.contains(absent), "{absent}: {received}");
    }
}

/// A service that calls a path of its own `/v1/messages` is none of our business.
#[tokio::test]
async fn a_plain_service_may_use_the_path() {
    let upstream = Upstream::answering(answer("200 OK", "text/plain", "posts")).await;
    let config = format!(
        "pools: [{{ name: p, dialect: none, endpoints: [{{ address: '{}' }}] }}]\n\
         routes: [{{ name: r, rules: [{{ backendRefs: [{{ pool: p }}] }}] }}]\n",
        upstream.address
    );
    let fixture = Fixture::start(&config).await;
    for request in [bare("GET", "/v1/messages"), post("/v1/messages", "text")] {
        let got = fixture.ask(&request).await;
        assert!(
            got.starts_with("HTTP/1.1 200") && got.ends_with("posts"),
            "{got}"
        );
    }
    let (got, _) = ask(&upstream, &bare("GET", "/v1/messages")).await;
    assert!(got.starts_with("HTTP/1.1 405"), "{got}");
}
