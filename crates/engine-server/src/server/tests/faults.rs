//! Faults on command.

use http::{Method, StatusCode};
use serde_json::json;

use super::client::{Answer, get, metric, post, send};
use super::*;
use crate::{Deaths, Errors, FaultSpec, Hangs};

const CHAT: &str = "/v1/chat/completions";

fn ask(stream: bool) -> String {
    json!({"model": "m", "stream": stream, "max_tokens": 10,
           "messages": [{"role": "user", "content": "hi"}]})
    .to_string()
}

async fn chat(addr: SocketAddr, stream: bool) -> Result<Answer, String> {
    send(addr, Method::POST, CHAT, &[], &ask(stream)).await
}

#[tokio::test]
async fn errors_come_at_their_rate_and_can_be_cleared() {
    let server = start().await;
    let set = r#"{"errors":{"rate":0.5,"status":429,"retry_after":7}}"#;
    let shown = post(server.addr(), "/fault", set).await.json();
    assert_eq!(shown["errors"]["status"], 429);
    let mut errors = 0;
    for _ in 0..40 {
        let answer = chat(server.addr(), false).await.unwrap();
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.headers["retry-after"], "7");
            assert_eq!(answer.json()["error"]["code"], 429);
            errors += 1;
        }
    }
    assert!((8..=32).contains(&errors), "{errors} of 40");
    assert_eq!(get(server.addr(), "/health").await.status, StatusCode::OK);
    post(server.addr(), "/fault", "{}").await;
    assert_eq!(
        chat(server.addr(), false).await.unwrap().status,
        StatusCode::OK
    );
    assert_eq!(server.faults().get(), FaultSpec::default());
    assert_eq!(
        post(server.addr(), "/fault", r#"{"error":1}"#).await.status,
        StatusCode::BAD_REQUEST
    );
    server.shutdown().await;
}

#[tokio::test]
async fn a_stream_dies_after_some_tokens() {
    let server = start().await;
    let death = Some(Deaths {
        rate: 1.0,
        after_tokens: 4,
    });
    server.faults().replace(FaultSpec {
        death,
        ..FaultSpec::default()
    });
    let opened = client::open(server.addr(), Method::POST, CHAT, &[], &ask(true))
        .await
        .unwrap();
    let mut body = opened.body;
    let mut text = String::new();
    let end = loop {
        use http_body_util::BodyExt;
        match body.frame().await {
            Some(Ok(frame)) => {
                text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap())
            }
            end => break end,
        }
    };
    assert!(
        end.is_some_and(|error| error.is_err()),
        "the connection is aborted, not ended"
    );
    assert_eq!(
        text.matches("\"content\":").count(),
        5,
        "a role and four tokens"
    );
    assert!(chat(server.addr(), false).await.is_err());
    server.faults().clear();
    assert!(chat(server.addr(), true).await.is_ok());
    assert_eq!(metric(server.addr(), "vllm:kv_cache_usage_perc").await, 0.0);
    server.shutdown().await;
}

#[tokio::test]
async fn a_hanging_replica_reads_and_does_not_answer() {
    let server = start().await;
    let hang = |for_ms| FaultSpec {
        hang: Some(Hangs { rate: 1.0, for_ms }),
        ..Default::default()
    };
    server.faults().replace(hang(None));
    let waited = tokio::time::timeout(Duration::from_millis(100), chat(server.addr(), true)).await;
    assert!(waited.is_err());
    assert_eq!(get(server.addr(), "/health").await.status, StatusCode::OK);
    server.faults().replace(hang(Some(1)));
    assert_eq!(
        chat(server.addr(), true).await.unwrap().status,
        StatusCode::OK
    );
    server.shutdown().await;
}

#[tokio::test]
async fn a_straggler_takes_longer_by_its_own_metrics() {
    let server = start().await;
    let mean = async || {
        let sum = metric(server.addr(), "vllm:inter_token_latency_seconds_sum").await;
        sum / metric(server.addr(), "vllm:inter_token_latency_seconds_count").await
    };
    chat(server.addr(), false).await.unwrap();
    let usual = mean().await;
    server.faults().replace(FaultSpec {
        slowdown: Some(4.0),
        ..FaultSpec::default()
    });
    chat(server.addr(), false).await.unwrap();
    assert!(
        (mean().await / usual - 2.5).abs() < 0.1,
        "half of the tokens took four times as long"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn metrics_can_be_slow_and_health_bad() {
    let server = start().await;
    let spec = FaultSpec {
        metrics_delay_ms: Some(60),
        unhealthy: true,
        ..FaultSpec::default()
    };
    server.faults().replace(spec);
    let began = tokio::time::Instant::now();
    get(server.addr(), "/metrics").await;
    assert!(began.elapsed() >= Duration::from_millis(60));
    assert_eq!(
        get(server.addr(), "/health").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    server.shutdown().await;
}

#[tokio::test]
async fn connections_are_refused_for_a_time() {
    let server = start().await;
    post(
        server.addr(),
        "/fault",
        r#"{"refuse_ms":300,"unhealthy":true}"#,
    )
    .await;
    while TcpStream::connect(server.addr()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    while TcpStream::connect(server.addr()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let after = server.faults().get();
    assert_eq!((after.refuse_ms, after.unhealthy), (None, true));
    assert_eq!(
        chat(server.addr(), true).await.unwrap().status,
        StatusCode::OK
    );
    server.shutdown().await;
}

#[tokio::test]
async fn faults_hold_from_the_start() {
    let errors = Some(Errors {
        rate: 1.0,
        status: 503,
        retry_after: None,
    });
    let faults = FaultSpec {
        errors,
        ..FaultSpec::default()
    };
    let server = EngineServer::start(EngineConfig { faults, ..config() })
        .await
        .unwrap();
    let answer = chat(server.addr(), true).await.unwrap();
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["error"]["type"], "Service Unavailable");
    server.kill().await;
}
