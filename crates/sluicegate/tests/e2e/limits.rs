//! Slow and greedy clients: what each may take, and that the others do not notice.

use crate::client::{chat, once};
use crate::process::{Gateway, eventually};
use crate::raw::Raw;
use crate::upstream::{Upstream, completion};

/// A gateway whose listener has these bounds.
async fn bounded(bounds: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::always(completion("m")).await;
    let config = format!(
        "listeners:\n  - name: main\n    address: LISTEN\n    {bounds}\n\
         pools:\n  - name: p\n    models: [m]\n    endpoints: [{{ address: \"{}\" }}]\n",
        upstream.address
    );
    (Gateway::start(&config).await, upstream)
}

const HEAD: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_head_over_the_limit_is_refused() {
    let (gateway, upstream) = bounded("limits: { maxHeaderBytes: 8Ki }").await;
    let mut client = Raw::open(gateway.address).await;
    client
        .send(format!("{HEAD}x-pad: {}\r\n\r\n", "x".repeat(9000)))
        .await;
    let head = client.until("\r\n").await;
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    let mut client = Raw::open(gateway.address).await;
    let body = "{\"model\":\"m\"}";
    let pad = "x".repeat(7000);
    client
        .send(format!(
            "{HEAD}x-pad: {pad}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    client.until("HTTP/1.1 200 OK\r\n").await;
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_come_ends_its_connection() {
    let (gateway, upstream) = bounded("timeouts: { header: 200ms }").await;
    for begun in ["", HEAD] {
        let mut client = Raw::open(gateway.address).await;
        client.send(begun).await;
        let got = client.rest().await;
        assert!(got.is_empty() || got.starts_with("HTTP/1.1 408 "), "{got}");
    }
    assert_eq!(once(gateway.address, chat("m", false, 1)).await.status, 200);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_refused() {
    let (gateway, upstream) = bounded("timeouts: { bodyIdle: 200ms }").await;
    let mut client = Raw::open(gateway.address).await;
    client
        .send(format!("{HEAD}content-length: 100\r\n\r\n{{\"model\":"))
        .await;
    let got = client.rest().await;
    assert!(got.starts_with("HTTP/1.1 408 "), "{got}");
    assert!(got.contains("\"code\":\"timeout\""), "{got}");
    assert_eq!(upstream.count(), 0);
    assert_eq!(gateway.logged(1).await[0]["error"], "request_timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed() {
    let (gateway, _upstream) = bounded("timeouts: { idle: 200ms }").await;
    let mut client = Raw::open(gateway.address).await;
    client
        .send("GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    let got = client.rest().await;
    assert!(
        got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with('}'),
        "{got}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_source_has_no_more_connections_than_its_share() {
    let (gateway, _upstream) = bounded("limits: { maxConnectionsPerSource: 2 }").await;
    let ask = "GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = Raw::open(gateway.address).await;
        client.send(ask).await;
        client.until("\r\n\r\n").await;
        held.push(client);
    }
    let mut third = Raw::open(gateway.address).await;
    assert_eq!(third.rest().await, "");
    assert_eq!(
        gateway.metric("sluicegate_connections_refused_total").await,
        1.0
    );
    assert_eq!(gateway.metric("sluicegate_connections_open").await, 2.0);
    held.clear();
    let open = || async { gateway.metric("sluicegate_connections_open").await == 0.0 };
    eventually("both are closed", open).await;
    assert_eq!(once(gateway.address, chat("m", false, 1)).await.status, 200);
}
