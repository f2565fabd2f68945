//! Media that a request names by URL, for a backend that takes them only within it.

use serde_json::{Value, json};

use super::fixture::*;

const DONE: &str = r#"{"model":"q","message":{"role":"assistant","content":"hello"},"done":true}"#;

/// A rule for a backend of Ollama's dialect.
fn config(upstream: &Upstream, rule: &str) -> String {
    format!(
        "providers: [{{ name: local, dialect: ollama, baseUrl: 'http://{}' }}]\n\
         routes: [{{ name: r, rules: [{{ {rule} backendRefs: [{{ provider: local }}] }}] }}]\n",
        upstream.address
    )
}

fn look_at(url: &str) -> String {
    let image = json!({"type": "image_url", "image_url": {"url": url}});
    let messages = json!([{"role": "user", "content": [image]}]);
    let body = json!({"model": "q", "messages": messages}).to_string();
    post("/v1/chat/completions", &body)
}

fn sent(received: &str) -> Value {
    let (_, body) = received.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn an_image_is_fetched_where_the_rule_says_so() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", DONE)).await;
    let images = Upstream::answering(answer("200 OK", "image/png", "PNG")).await;
    let fixture = Fixture::start(&config(&upstream, "fetchMedia: true,")).await;
    let got = fixture
        .ask(&look_at(&format!("http://{}/a", images.address)))
        .await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    let asked = images.received().remove(0);
    assert!(asked.starts_with("GET /a HTTP/1.1\r\n"), "{asked}");
    assert!(!asked.contains("authorization"), "{asked}");
    let body = sent(&upstream.received().remove(0));
    assert_eq!(body["messages"][0]["images"], json!(["UE5H"]));
    fixture.idle().await;
    assert_eq!(fixture.gateway.shared.bodies.used(), 0);
}

#[tokio::test]
async fn else_it_is_refused_and_nobody_is_asked() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", DONE)).await;
    let images = Upstream::answering(answer("200 OK", "image/png", "PNG")).await;
    let fixture = Fixture::start(&config(&upstream, "")).await;
    let got = fixture
        .ask(&look_at(&format!("http://{}/a", images.address)))
        .await;
    assert!(got.starts_with("HTTP/1.1 400"), "{got}");
    assert!(images.received().is_empty() && upstream.received().is_empty());
}

#[tokio::test]
async fn what_cannot_be_fetched_is_named() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", DONE)).await;
    let images = Upstream::answering(answer("404 Not Found", "text/plain", "secret")).await;
    let fixture = Fixture::start(&config(&upstream, "fetchMedia: true,")).await;
    let got = fixture
        .ask(&look_at(&format!("http://{}/a", images.address)))
        .await;
    assert!(got.starts_with("HTTP/1.1 400"), "{got}");
    assert!(
        got.contains("/a, which is answered with status 404"),
        "{got}"
    );
    assert!(
        got.contains(r#""param":"messages""#) && !got.contains("secret"),
        "{got}"
    );
    let got = fixture
        .ask(&look_at("http://169.254.169.254/latest/meta-data"))
        .await;
    assert!(got.contains("not on the public internet"), "{got}");
    assert!(upstream.received().is_empty());
}
