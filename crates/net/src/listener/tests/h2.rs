use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::{PAUSE, Server, start};
use crate::limits::{H2Limits, Limits};
use crate::tasks::{Handle, Tasks};

pub(super) type Sender = SendRequest<Full<Bytes>>;
pub(super) type Driver = Handle<hyper::Result<()>>;

pub(super) async fn connect(server: &Server) -> (Sender, Driver) {
    speak(server.connect().await.0).await
}

pub(super) async fn speak<S>(stream: S) -> (Sender, Driver)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    let handshake = builder
        .initial_stream_window_size(65_535)
        .initial_connection_window_size(16 << 20)
        .handshake(TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    (sender, Tasks::new().spawn("client", connection))
}

pub(super) fn request(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(format!("http://test{path}"))
        .body(Full::new(body.into()))
        .unwrap()
}

pub(super) async fn fetch(sender: &mut Sender, path: &str) -> String {
    let response = sender.send_request(request(path, "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn both_protocols_are_spoken_on_one_plain_port() {
    let server = start(Limits::default()).await;
    let (mut sender, _driver) = connect(&server).await;
    assert_eq!(fetch(&mut sender, "/protocol").await, "H2");
    let mut client = server.connect().await;
    client.get("/protocol").await;
    client.read_until("Http1").await;
}

#[tokio::test]
async fn a_preface_in_pieces_is_recognised() {
    let server = start(Limits::default()).await;
    let mut stream = server.connect().await.0;
    for piece in [
        &b"P"[..],
        b"RI * HT",
        b"TP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0\0\0\x04\0\0\0\0\0",
    ] {
        stream.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut settings = [0; 9];
    stream.read_exact(&mut settings).await.unwrap();
    assert_eq!(
        settings[3], 4,
        "the answer to a preface is a SETTINGS frame"
    );
}

#[tokio::test]
async fn what_only_begins_like_a_preface_is_http1() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    for piece in ["P", "R", "OPFIND /protocol HTTP/1.1\r\n\r\n"] {
        client.write(piece).await;
        tokio::task::yield_now().await;
    }
    client.read_until("Http1").await;
}

#[tokio::test]
async fn large_bodies_pass_both_ways() {
    let server = start(Limits::default()).await;
    let (mut sender, _driver) = connect(&server).await;
    let sent: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let response = sender
        .send_request(request("/echo", sent.clone()))
        .await
        .unwrap();
    assert_eq!(response.headers()["content-length"], "3000000");
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        sent
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_window_is_reset_and_others_go_on() {
    let server = start(Limits::default()).await;
    let begun = Instant::now();
    let (mut sender, _driver) = connect(&server).await;
    let stalled = sender.send_request(request("/endless", "")).await.unwrap();
    assert_eq!(fetch(&mut sender, "/").await, "ok");
    server.events.endless_dropped.notified().await;
    let elapsed = begun.elapsed();
    assert!(
        elapsed >= Duration::from_secs(60) && elapsed < Duration::from_secs(61),
        "{elapsed:?}"
    );
    assert!(stalled.into_body().collect().await.is_err());
    assert_eq!(fetch(&mut sender, "/").await, "ok");
}

#[tokio::test(start_paused = true)]
async fn one_large_chunk_that_is_taken_slowly_is_not_stalled() {
    let server = start(Limits::default()).await;
    let (mut sender, _driver) = connect(&server).await;
    let mut body = sender
        .send_request(request("/large", ""))
        .await
        .unwrap()
        .into_body();
    let mut taken = 0;
    while let Some(frame) = body.frame().await {
        taken += frame.unwrap().into_data().unwrap().len();
        sleep(Duration::from_secs(3)).await;
    }
    assert_eq!(taken, 1 << 20);
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_nothing_to_send_is_not_stalled() {
    let server = start(Limits::default()).await;
    let begun = Instant::now();
    let (mut sender, _driver) = connect(&server).await;
    assert_eq!(fetch(&mut sender, "/pause").await, "ab");
    assert!(begun.elapsed() >= PAUSE);
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_be_opened_ahead_and_is_closed_when_idle() {
    let server = start(Limits::default()).await;
    let (mut sender, driver) = connect(&server).await;
    sleep(Duration::from_secs(70)).await;
    assert_eq!(fetch(&mut sender, "/").await, "ok");
    let begun = Instant::now();
    driver.await.unwrap().unwrap();
    let elapsed = begun.elapsed();
    assert!(
        elapsed >= Duration::from_secs(75) && elapsed < Duration::from_secs(76),
        "{elapsed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_no_ping_is_closed() {
    let server = start(Limits::default()).await;
    let begun = Instant::now();
    let mut client = server.connect().await;
    client.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    client.write([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    client.read_to_end().await;
    assert_eq!(
        begun.elapsed().as_secs(),
        50,
        "a ping after 30 s, no answer for 20 s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_in_a_pause_ends_the_exchange() {
    let server = start(Limits::default()).await;
    let begun = Instant::now();
    let (mut sender, driver) = connect(&server).await;
    let response = sender.send_request(request("/pause", "")).await.unwrap();
    drop((response, sender, driver));
    server.connections.wait().await;
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn streams_over_the_bound_wait() {
    let h2 = H2Limits {
        max_concurrent_streams: 1,
        ..H2Limits::default()
    };
    let server = start(Limits {
        h2,
        ..Limits::default()
    })
    .await;
    let (mut sender, _driver) = connect(&server).await;
    assert_eq!(fetch(&mut sender, "/").await, "ok");
    let first = sender.send_request(request("/endless", "")).await.unwrap();
    let mut other = sender.clone();
    let mut second = std::pin::pin!(fetch(&mut other, "/"));
    tokio::select! {
        _ = &mut second => panic!("two streams at once"),
        () = sleep(Duration::from_millis(50)) => {}
    }
    drop(first);
    assert_eq!(second.await, "ok");
}

/// CVE-2023-44487: streams opened and reset at once.
#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    let server = start(Limits::default()).await;
    let mut client = server.connect().await;
    client.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let mut frames = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    // :method GET, :scheme http, :path /, :authority "a", from the static table.
    let head = [0x82, 0x86, 0x84, 0x41, 1, b'a'];
    for stream in (1..20_000_u32).step_by(2) {
        frames.extend([0, 0, 6, 1, 5]);
        frames.extend(stream.to_be_bytes());
        frames.extend(head);
        frames.extend([0, 0, 4, 3, 0]);
        frames.extend(stream.to_be_bytes());
        frames.extend([0, 0, 0, 8]);
    }
    let _ = client.0.write_all(&frames).await;
    timeout(Duration::from_secs(20), client.read_to_end())
        .await
        .unwrap();
    server.connections.wait().await;
}

#[tokio::test]
async fn a_panicking_handler_costs_its_own_stream_only() {
    let server = start(Limits::default()).await;
    let (mut sender, _driver) = connect(&server).await;
    assert!(sender.send_request(request("/panic", "")).await.is_err());
    assert_eq!(server.connections.panicked(), 1);
    assert_eq!(fetch(&mut sender, "/").await, "ok");
}
