//! WebSocket, and other upgrades, through plain routes.

use crate::client::{chat, once};
use crate::plain::service;
use crate::process::{Gateway, eventually};
use crate::raw::Raw;
use crate::upstream::{Step, Upstream, answer, completion};

const HANDSHAKE: &str = "GET /chat?room=1 HTTP/1.1\r\nhost: ws.example.com\r\n\
    connection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const EVERYTHING: &str = "      - backendRefs: [{ pool: service }]\n";

async fn in_flight(gateway: &Gateway) -> serde_json::Value {
    gateway.endpoints().await[0]["inFlight"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_go_both_ways_until_the_client_is_done() {
    let upstream = Upstream::always(vec![
        Step::Send([SWITCH.as_bytes(), b"hello"].concat()),
        Step::Echo,
    ])
    .await;
    let gateway = Gateway::start(&service(&[upstream.address], EVERYTHING)).await;
    let mut client = Raw::open(gateway.address).await;
    client.send(HANDSHAKE).await;
    let head = client.until("\r\n\r\n").await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    for line in [
        "connection: upgrade\r\n",
        "upgrade: websocket\r\n",
        "x-request-id: ",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    assert!(
        head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"),
        "{head}"
    );
    client.until("hello").await;
    for frame in ["\u{1}one", "\u{2}two"] {
        client.send(frame).await;
        assert_eq!(client.until(frame).await, frame);
    }
    assert_eq!(
        in_flight(&gateway).await,
        1,
        "a tunnel counts as long as it lasts"
    );
    let sent = upstream.request();
    assert_eq!(sent.line, "GET /chat?room=1 HTTP/1.1");
    assert_eq!(sent.header("upgrade").as_deref(), Some("websocket"));
    assert_eq!(
        sent.header("connection")
            .map(|value| value.to_lowercase())
            .as_deref(),
        Some("upgrade")
    );
    assert_eq!(
        sent.header("sec-websocket-key").as_deref(),
        Some("dGhlIHNhbXBsZSBub25jZQ==")
    );
    assert_eq!(sent.header("host").as_deref(), Some("ws.example.com"));
    client.shutdown().await;
    assert_eq!(client.rest().await, "");
    upstream.until_left(1).await;
    eventually("released", || async { in_flight(&gateway).await == 0 }).await;
    let line = gateway.logged(1).await.remove(0);
    assert_eq!(
        (&line["status"], &line["outcome"]),
        (&101.into(), &"completed".into()),
        "{line}"
    );
    assert_eq!(
        (&line["bytes_received"], &line["bytes_sent"]),
        (&8.into(), &13.into()),
        "{line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_ends_when_the_upstream_is_done() {
    let bye = [SWITCH.as_bytes(), b"bye"].concat();
    let upstream = Upstream::always(vec![Step::Send(bye), Step::Close]).await;
    let gateway = Gateway::start(&service(&[upstream.address], EVERYTHING)).await;
    let mut client = Raw::open(gateway.address).await;
    client.send(HANDSHAKE).await;
    client.until("\r\n\r\n").await;
    assert_eq!(client.rest().await, "bye");
    drop(client);
    eventually("released", || async { in_flight(&gateway).await == 0 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let upstream = Upstream::always(answer("403 Forbidden", "text/plain", "no")).await;
    let gateway = Gateway::start(&service(&[upstream.address], EVERYTHING)).await;
    let mut client = Raw::open(gateway.address).await;
    client.send(HANDSHAKE).await;
    let head = client.until("\r\n\r\nno").await;
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    client.send(HANDSHAKE).await;
    client.until("\r\n\r\nno").await;
    assert_eq!(
        gateway
            .metric("sluicegate_connections_accepted_total")
            .await,
        1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn h2c_and_upgrades_of_model_paths_are_not_carried() {
    let upstream = Upstream::always(answer("200 OK", "text/plain", "ok")).await;
    let gateway = Gateway::start(&service(&[upstream.address], EVERYTHING)).await;
    let mut client = Raw::open(gateway.address).await;
    let smuggled = HANDSHAKE.replace("websocket", "h2c");
    client
        .send(smuggled.replace("keep-alive, Upgrade", "Upgrade, HTTP2-Settings"))
        .await;
    client.until("\r\n\r\nok").await;
    assert_eq!(upstream.request().header("upgrade"), None);

    let models = Upstream::always(completion("m")).await;
    let config = service(&[upstream.address], EVERYTHING);
    let pool = format!(
        "pools:\n  - name: models\n    models: [m]\n    endpoints: [{{ address: \"{}\" }}]\n",
        models.address
    );
    let gateway = Gateway::start(&config.replace("pools:\n", &pool)).await;
    let mut request = chat("m", false, 1);
    request
        .headers_mut()
        .insert("connection", "upgrade".parse().unwrap());
    request
        .headers_mut()
        .insert("upgrade", "websocket".parse().unwrap());
    assert_eq!(once(gateway.address, request).await.status, 200);
    let sent = models.request();
    assert_eq!(
        (sent.header("upgrade"), sent.header("connection")),
        (None, None)
    );
}
