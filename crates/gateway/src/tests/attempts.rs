//! Retries and fallbacks, seen from the client.

use super::fixture::*;

const TIERS: &str = "
pools:
  - name: first
    models: [m]
    endpoints: [{ name: a, address: FIRST }]
    outlierDetection: { consecutiveErrors: 0 }
    retryBudget: { percent: 0, minRetriesPerSecond: 0 }
  - name: second
    models: [m]
    endpoints: [{ name: a, address: SECOND }]
    retryBudget: { percent: 0, minRetriesPerSecond: 0 }
routes:
  - name: models
    rules:
      - matches: [{ model: { value: m } }]
        backendRefs: [{ pool: first }, { pool: second, priority: 1 }]
        retry: { attempts: ATTEMPTS, backoff: { base: 1ms, max: 1ms } }
        timeouts: { request: TOTAL, firstToken: 30s }
";

async fn tiers(first: &Upstream, second: &Upstream, attempts: &str, total: &str) -> Fixture {
    let config = TIERS
        .replace("FIRST", &first.address.to_string())
        .replace("SECOND", &second.address.to_string())
        .replace("ATTEMPTS", attempts)
        .replace("TOTAL", total);
    Fixture::start(&config).await
}

/// A budget bounds retries at a backend; an outage is when every request needs the fallback. That
/// both pools name their endpoint alike changes nothing.
#[tokio::test]
async fn a_fallback_needs_no_budget() {
    for status in ["429 Too Many Requests", "500 Internal Server Error"] {
        let first = Upstream::answering(answer(status, "application/json", "{}")).await;
        let second = Upstream::answering(answer("200 OK", "application/json", COMPLETION)).await;
        let fixture = tiers(&first, &second, "2", "30s").await;
        for _ in 0..8 {
            let got = fixture.ask(&chat(false)).await;
            assert!(got.starts_with("HTTP/1.1 200"), "{status}: {got}");
            assert!(got.contains("x-sluicegate-attempts: 2"), "{got}");
        }
        assert_eq!(
            (first.received().len(), second.received().len()),
            (8, 8),
            "{status}"
        );
    }
}

/// What the system says of a failed connection is for the operator, not for clients.
#[tokio::test]
async fn the_log_tells_what_lies_behind_a_failure() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let config =
        format!("pools: [{{ name: p, models: [m], endpoints: [{{ address: '{address}' }}] }}]");
    let fixture = Fixture::start(&config).await;
    let got = fixture.ask(&chat(false)).await;
    assert!(
        got.contains("\"p did not answer: no connection could be made\""),
        "{got}"
    );
    fixture.logged(1).await;
    let records = fixture.records();
    let detail = records[0]["error_detail"].as_str().unwrap();
    let cause = format!("upstream {address}: no connection (");
    assert!(detail.contains(&cause), "{detail}");
}

/// A budget that is a share of the requests only, without retries earned by time, allows retries.
#[tokio::test]
async fn a_budget_may_be_a_share_alone() {
    let broken = || Upstream::answering(answer("500 Internal Server Error", "text/plain", "no"));
    let (first, second) = (broken().await, broken().await);
    let budget = |percent| format!("retryBudget: {{ percent: {percent}, minRetriesPerSecond: 0 }}");
    let config = TIERS
        .replace(&budget(0), &budget(100))
        .replace("FIRST", &first.address.to_string())
        .replace("SECOND", &second.address.to_string())
        .replace("ATTEMPTS", "3")
        .replace("TOTAL", "30s");
    let fixture = Fixture::start(&config).await;
    let got = fixture.ask(&chat(false)).await;
    assert!(got.contains("x-sluicegate-attempts: 4"), "{got}");
}

/// With nothing in the budget nothing is repeated at the same backend.
#[tokio::test]
async fn a_retry_needs_a_budget() {
    let broken = || Upstream::answering(answer("500 Internal Server Error", "text/plain", "no"));
    let (first, second) = (broken().await, broken().await);
    let fixture = tiers(&first, &second, "9", "30s").await;
    let got = fixture.ask(&chat(false)).await;
    assert!(
        got.starts_with("HTTP/1.1 500") && got.ends_with("no"),
        "{got}"
    );
    assert_eq!((first.received().len(), second.received().len()), (1, 1));
}

/// The same provider under two names, or with two models, is two things to try.
#[tokio::test]
async fn one_host_may_be_a_fallback_of_itself() {
    let upstream = Upstream::answering(answer("429 Too Many Requests", "text/plain", "busy")).await;
    let config = "
providers:
  - { name: one, baseUrl: 'http://ADDRESS/v1' }
  - { name: two, baseUrl: 'http://ADDRESS/v1' }
routes:
  - name: models
    rules:
      - matches: [{ model: { value: m } }]
        backendRefs:
          - { provider: one, model: large }
          - { provider: two, model: large, priority: 1 }
          - { provider: one, model: small, priority: 2 }
        retry: { attempts: 1, backoff: { base: 1ms, max: 1ms } }
";
    let fixture = Fixture::start(&config.replace("ADDRESS", &upstream.address.to_string())).await;
    let got = fixture.ask(&chat(false)).await;
    assert!(
        got.starts_with("HTTP/1.1 429") && got.ends_with("busy"),
        "{got}"
    );
    let received = upstream.received();
    let models: Vec<bool> = received
        .iter()
        .map(|request| request.contains("large"))
        .collect();
    assert_eq!(models, [true, true, false], "{received:?}");
}

/// When the time is over nothing more is sent.
#[tokio::test]
async fn the_total_ends_the_attempts() {
    let (first, second) = (Upstream::stalling("").await, Upstream::stalling("").await);
    let fixture = tiers(&first, &second, "3", "100ms").await;
    let got = fixture.ask(&chat(false)).await;
    assert!(got.starts_with("HTTP/1.1 504"), "{got}");
    assert_eq!((first.received().len(), second.received().len()), (1, 0));
    let record = fixture.records().remove(0);
    assert_eq!(record["error"], "request_timeout");
}

/// An error inside a stream, before any content, is one more reason to try elsewhere.
#[tokio::test]
async fn a_stream_that_fails_before_it_begins_is_repeated() {
    let failing = events(&[r#"{"error":{"message":"out of memory"}}"#]);
    let truncated = events(&[r#"{"choices":[{"index":0,"delta":{"role":"assistant"}}]}"#]);
    let html = answer("200 OK", "text/html", "<p>Sign in</p>");
    let cut = format!(
        "{}{}",
        answer("200 OK", "application/json", &COMPLETION[..40]),
        ""
    )
    .replace("content-length: 40", "content-length: 400");
    for broken in [
        failing,
        truncated,
        html,
        cut,
        String::new(),
        "nonsense\r\n\r\n".to_owned(),
    ] {
        let first = Upstream::answering(broken.clone()).await;
        let second = Upstream::answering(events(&[CONTENT, FINISH, "[DONE]"])).await;
        let fixture = tiers(&first, &second, "0", "30s").await;
        let got = fixture.ask(&chat(true)).await;
        assert!(
            got.contains("hello") && got.contains("[DONE]"),
            "{broken}: {got}"
        );
        assert!(
            !got.contains("out of memory") && !got.contains("assistant"),
            "{got}"
        );
    }
}

/// What the upstream meant to say reaches the client as the answer it should have been.
#[tokio::test]
async fn an_error_in_a_stream_that_nobody_can_mend_is_answered_as_one() {
    let too_long = r#"{"error":{"message":"the context is too long","code":400}}"#;
    let first = Upstream::answering(events(&[too_long])).await;
    let second = Upstream::answering(events(&[CONTENT, FINISH, "[DONE]"])).await;
    let fixture = tiers(&first, &second, "2", "30s").await;
    let got = fixture.ask(&chat(true)).await;
    assert!(got.starts_with("HTTP/1.1 400"), "{got}");
    assert!(got.contains("the context is too long"), "{got}");
    assert!(got.contains("application/json"), "{got}");
    let asked = (first.received().len(), second.received().len());
    assert_eq!(asked, (1, 0), "the request is at fault, wherever it goes");
}
