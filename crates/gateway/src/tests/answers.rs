//! What becomes of answers as they pass: their ends, their books, their place at the endpoint.

use serde_json::Value;

use super::fixture::*;

const PLAIN: &str = "
pools:
  - name: plain
    dialect: none
    endpoints: [{ address: ADDRESS }]
    outlierDetection: { consecutiveErrors: 2, maxEjectionPercent: 100, minHealthPercent: 0 }
  - name: other
    dialect: none
    endpoints: [{ address: '127.0.0.1:9' }]
routes:
  - name: plain
    rules:
      - matches: [{ path: { type: PathPrefix, value: / } }]
        backendRefs: [{ pool: plain }]
        retry: { attempts: 0 }
";

const MODELS: &str = "
pools:
  - name: models
    models: [m]
    endpoints: [{ address: ADDRESS }]
routes:
  - name: models
    rules:
      - matches: [{ model: { value: m } }]
        backendRefs: [{ pool: models }]
        retry: { attempts: 0 }
        timeouts: { betweenChunks: 200ms }
";

async fn through(config: &str, upstream: &Upstream) -> Fixture {
    Fixture::start(&config.replace("ADDRESS", &upstream.address.to_string())).await
}

/// Asks once and returns the answer, the request's record and the endpoint's statistics.
async fn once(
    config: &str,
    answer: &str,
    request: &str,
) -> (String, Value, balance::EndpointStatus) {
    let upstream = Upstream::answering(answer).await;
    let fixture = through(config, &upstream).await;
    let answer = fixture.ask(request).await;
    fixture.idle().await;
    let runtime = fixture.gateway.shared.runtime.load_full();
    let status = runtime.upstreams()[0].pool.endpoints().remove(0);
    let mut records = fixture.records();
    assert_eq!(records.len(), 1, "{records:?}");
    (answer, records.remove(0), status)
}

/// Answers without a byte of body are complete, although nobody reads their body to the end.
#[tokio::test]
async fn answers_without_a_body_complete() {
    let none = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    let fresh = "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\nconnection: close\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\nconnection: close\r\n\r\n";
    let empty = answer("200 OK", "text/plain", "");
    for (method, answer, expect) in [
        ("GET", none, "204"),
        ("GET", fresh, "304"),
        ("HEAD", head, "200"),
        ("GET", &empty, "200"),
    ] {
        let (got, record, endpoint) = once(PLAIN, answer, &bare(method, "/x")).await;
        assert!(
            got.starts_with(&format!("HTTP/1.1 {expect}")),
            "{method} {got}"
        );
        assert_eq!(record["outcome"], "completed", "{method} {record}");
        assert_eq!(
            (endpoint.successes, endpoint.cancelled),
            (1, 0),
            "{method} {answer}"
        );
        assert_eq!(
            got.contains("content-length: 1234"),
            method == "HEAD",
            "{got}"
        );
    }
}

/// Trailers end a body; the server does not ask for more.
#[tokio::test]
async fn trailers_end_an_answer() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\
                  connection: close\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n";
    let request =
        bare("GET", "/x").replace("connection: close", "te: trailers\r\nconnection: close");
    let (got, record, endpoint) = once(PLAIN, answer, &request).await;
    assert!(got.contains("2\r\nhi\r\n0\r\n"), "{got}");
    assert_eq!(record["outcome"], "completed", "{record}");
    assert_eq!((endpoint.successes, endpoint.cancelled), (1, 0));
}

/// An error that is passed on is the endpoint's failure all the same.
#[tokio::test]
async fn an_error_that_is_passed_on_counts_against_its_endpoint() {
    let check = async |status: &str, error: Option<&str>, successes: u64, failures: u64| {
        let (got, record, endpoint) = once(
            PLAIN,
            &answer(status, "text/plain", "no"),
            &post("/x", "{}"),
        )
        .await;
        assert!(
            got.starts_with(&format!("HTTP/1.1 {status}")) && got.ends_with("no"),
            "{got}"
        );
        assert_eq!(record["outcome"], "completed");
        assert_eq!(record["error"].as_str(), error, "{status}");
        assert_eq!(
            (endpoint.successes, endpoint.failures),
            (successes, failures),
            "{status}"
        );
    };
    check("200 OK", None, 1, 0).await;
    check("404 Not Found", Some("upstream_rejected"), 0, 0).await;
    check("429 Too Many Requests", Some("rate_limited"), 0, 0).await;
    check("500 Internal Server Error", Some("upstream_error"), 0, 1).await;
    check("503 Service Unavailable", Some("overloaded"), 0, 1).await;
}

/// A `101` that nobody asked for is no answer.
#[tokio::test]
async fn switching_without_being_asked_is_a_fault() {
    let switching = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    let (got, record, _) = once(PLAIN, switching, &bare("GET", "/x")).await;
    assert!(got.starts_with("HTTP/1.1 502"), "{got}");
    assert_eq!(record["error"], "upstream_protocol");
}

/// A method that cannot be forwarded is the client's mistake.
#[tokio::test]
async fn what_cannot_be_forwarded_is_refused() {
    let request =
        "CONNECT localhost:80 HTTP/1.1\r\nhost: localhost:80\r\nconnection: close\r\n\r\n";
    let upstream = Upstream::answering("").await;
    let fixture = through(PLAIN, &upstream).await;
    let got = fixture.ask(request).await;
    assert!(got.starts_with("HTTP/1.1 40"), "{got}");
    assert!(upstream.received().is_empty());
    assert_eq!(fixture.records()[0]["outcome"], "rejected");
}

/// The client's own body broke off: not the upstream's doing.
#[tokio::test]
async fn a_body_that_is_too_long_is_not_the_upstreams_fault() {
    let limit = "limits: { maxBodyBytes: 1Ki }, address";
    let upstream = Upstream::answering("").await;
    let config = PLAIN.replace("ADDRESS", &upstream.address.to_string());
    let fixture = Fixture::start_with(&listening(&config).replacen("address", limit, 1)).await;
    let chunk = "a".repeat(4096);
    let request = format!(
        "POST /x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         transfer-encoding: chunked\r\n\r\n1000\r\n{chunk}\r\n0\r\n\r\n"
    );
    let got = fixture.ask(&request).await;
    assert!(got.starts_with("HTTP/1.1 413"), "{got}");
    fixture.idle().await;
    let runtime = fixture.gateway.shared.runtime.load_full();
    assert_eq!(runtime.upstreams()[0].pool.endpoints()[0].failures, 0);
    assert_eq!(fixture.records()[0]["error"], "request_too_large");
}

/// An empty body keeps its length: some servers insist on one for POST.
#[tokio::test]
async fn an_empty_post_says_that_it_is_empty() {
    let upstream = Upstream::answering(answer("200 OK", "text/plain", "ok")).await;
    let fixture = through(PLAIN, &upstream).await;
    fixture.ask(&post("/x", "")).await;
    let received = upstream.received();
    assert!(
        received[0].contains("content-length: 0\r\n"),
        "{received:?}"
    );
}

/// A client that does not ask for usage does not see it, but it is metered.
#[tokio::test]
async fn hidden_usage_is_metered() {
    let stream = events(&[CONTENT, FINISH, USAGE, "[DONE]"]);
    let (got, record, endpoint) = once(MODELS, &stream, &chat(true)).await;
    assert!(
        got.contains("hello") && got.contains("[DONE]") && !got.contains("usage"),
        "{got}"
    );
    assert_eq!(
        (&record["input_tokens"], &record["output_tokens"]),
        (&3.into(), &2.into())
    );
    assert_eq!(
        (record["outcome"].as_str(), endpoint.successes),
        (Some("completed"), 1)
    );
}

/// A stream that breaks off or falls silent after it has begun ends with an error event.
#[tokio::test]
async fn a_broken_stream_never_ends_as_if_it_were_whole() {
    let check = async |upstream: Upstream, error: &str| {
        let fixture = through(MODELS, &upstream).await;
        let got = fixture.ask(&chat(true)).await;
        assert!(got.contains("hello") && got.contains("\"error\""), "{got}");
        assert!(!got.contains("[DONE]"), "{got}");
        fixture.idle().await;
        let record = fixture.records().remove(0);
        assert_eq!(record["outcome"], "upstream_failed");
        assert_eq!(record["error"], error);
    };
    check(
        Upstream::answering(events(&[CONTENT])).await,
        "upstream_reset",
    )
    .await;
    check(Upstream::stalling(events(&[CONTENT])).await, "idle_timeout").await;
}

/// What an upstream must not learn, and what it must be told.
#[tokio::test]
async fn an_upstream_of_models_gets_a_clean_request() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", COMPLETION)).await;
    let fixture = through(MODELS, &upstream).await;
    let more = "authorization: Bearer caller\r\ncookie: a=1\r\nx_sluicegate_endpoint: a\r\n\
                accept-encoding: gzip\r\nexpect: 100-continue\r\nconnection: close, x-hop\r\n\
                x-hop: 1\r\nx-custom: kept\r\n";
    let request = chat(false).replace("connection: close\r\n", more);
    let got = fixture.ask(&request).await;
    assert!(
        got.contains("HTTP/1.1 200") && got.contains("hello"),
        "{got}"
    );
    let received = upstream.received().remove(0);
    for absent in [
        "caller",
        "cookie",
        "x_sluicegate",
        "gzip",
        "expect",
        "x-hop",
    ] {
        assert!(!received.contains(absent), "{absent}: {received}");
    }
    for present in [
        "accept-encoding: identity",
        "x-custom: kept",
        "x-forwarded-for: 127.0.0.1",
    ] {
        assert!(received.contains(present), "{present}: {received}");
    }
}

/// Path, host and model are the backend's own; the rest of the body is the client's.
#[tokio::test]
async fn each_backend_gets_its_own_path_host_and_model() {
    let check = async |backend: &str, reference: &str, request: &str, expect: &[&str]| {
        let upstream = Upstream::answering(answer("200 OK", "application/json", COMPLETION)).await;
        let config = format!(
            "{backend}\nroutes:\n  - name: r\n    rules:\n      - backendRefs: [{{ {reference} }}]\n"
        );
        let address = upstream.address.to_string();
        let fixture = Fixture::start(&config.replace("ADDRESS", &address)).await;
        let got = fixture.ask(request).await;
        assert!(got.starts_with("HTTP/1.1 200"), "{got}");
        let received = upstream.received().remove(0);
        for part in expect {
            assert!(
                received.contains(&part.replace("ADDRESS", &address)),
                "{part}: {received}"
            );
        }
    };
    let body = r#"{"temperature":0.10,"model":"m","messages":[],"x":[1, 2]}"#;
    let renamed = r#"{"temperature":0.10,"model":"big/m","messages":[],"x":[1, 2]}"#;
    let length = format!("content-length: {}\r\n", renamed.len());
    check(
        "providers: [{ name: p, baseUrl: 'http://ADDRESS/api/v3' }]",
        "provider: p, model: big/m",
        &post("/openai/v1/chat/completions?a=b", body),
        &[
            "POST /api/v3/chat/completions?a=b HTTP/1.1\r\n",
            "host: ADDRESS\r\n",
            &length,
            renamed,
        ],
    )
    .await;
    check(
        "pools: [{ name: p, models: [m], endpoints: [{ address: ADDRESS }] }]",
        "pool: p",
        &post("/v1/chat/completions", body),
        &[
            "POST /v1/chat/completions HTTP/1.1\r\n",
            "host: ADDRESS\r\n",
            body,
        ],
    )
    .await;
    check(
        "pools: [{ name: p, dialect: none, endpoints: [{ address: ADDRESS }] }]",
        "pool: p",
        &post("/a%20b/c?d=%2F", "plain"),
        &[
            "POST /a%20b/c?d=%2F HTTP/1.1\r\n",
            "host: localhost\r\n",
            "plain",
        ],
    )
    .await;
}
