use std::time::Duration;

use http_body_util::BodyExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::h2::{connect, fetch, request};
use super::start;
use crate::drain::{DrainConfig, Outcome, Stage, run};
use crate::limits::Limits;
use crate::tasks::Tasks;

#[tokio::test(start_paused = true)]
async fn http1_clients_are_told_and_lose_no_request() {
    let server = start(Limits::default()).await;
    let mut kept = server.connect().await;
    kept.get("/").await;
    kept.read_until("ok").await;
    let mut silent = server.connect().await;

    server.drain.advance(Stage::Draining);
    sleep(Duration::from_secs(1)).await;
    kept.get("/").await;
    assert!(kept.read_to_end().await.contains("connection: close"));
    let mut new = server.connect().await;
    new.get("/").await;
    assert!(new.read_to_end().await.contains("connection: close"));

    server.drain.advance(Stage::Closing);
    sleep(Duration::from_secs(1)).await;
    silent.get("/").await;
    assert!(silent.read_to_end().await.contains("connection: close"));
    assert!(TcpStream::connect(server.address).await.is_err());
    server.connections.wait().await;
}

#[tokio::test(start_paused = true)]
async fn idle_http1_connections_are_closed_with_the_listeners() {
    let server = start(Limits::default()).await;
    let mut idle = server.connect().await;
    idle.get("/").await;
    idle.read_until("ok").await;
    server.drain.advance(Stage::Draining);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.connections.live(), 1);
    server.drain.advance(Stage::Closing);
    assert_eq!(idle.read_to_end().await, "");
    server.connections.wait().await;
}

#[tokio::test]
async fn a_connection_in_the_kernels_queue_is_served() {
    let server = start(Limits::default()).await;
    let queued = std::net::TcpStream::connect(server.address).unwrap();
    server.drain.advance(Stage::Closing);
    queued.set_nonblocking(true).unwrap();
    let mut queued = super::Client(TcpStream::from_std(queued).unwrap());
    queued.get("/").await;
    assert!(queued.read_to_end().await.ends_with("ok"));
}

#[tokio::test(start_paused = true)]
async fn streams_finish_and_the_drain_with_them() {
    let server = start(Limits::default()).await;
    let mut http1 = server.connect().await;
    http1.get("/pause").await;
    http1.read_until("a\r\n").await;
    let (mut sender, driver) = connect(&server).await;
    let h2 = sender.send_request(request("/pause", "")).await.unwrap();

    let begun = Instant::now();
    let config = DrainConfig {
        delay: Duration::from_secs(5),
        deadline: Duration::from_secs(3600),
    };
    let outcome = run(
        server.drain,
        config,
        std::slice::from_ref(&server.connections),
    )
    .await;
    assert_eq!(outcome, Outcome::Finished);
    let elapsed = begun.elapsed().as_secs();
    assert!((600..605).contains(&elapsed), "{elapsed}");
    assert!(http1.read_to_end().await.ends_with("b\r\n0\r\n\r\n"));
    assert_eq!(h2.into_body().collect().await.unwrap().to_bytes(), "ab");
    assert!(sender.send_request(request("/", "")).await.is_err());
    driver.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_aborted_at_the_deadline() {
    let server = start(Limits::default()).await;
    let mut http1 = server.connect().await;
    http1.get("/pause").await;
    http1.read_until("a\r\n").await;
    let (mut sender, _driver) = connect(&server).await;
    let h2 = sender.send_request(request("/pause", "")).await.unwrap();

    let begun = Instant::now();
    let outcome = run(
        server.drain,
        DrainConfig::default(),
        std::slice::from_ref(&server.connections),
    )
    .await;
    assert!(matches!(outcome, Outcome::Aborted { .. }), "{outcome:?}");
    assert_eq!(begun.elapsed().as_secs(), 25);
    server.connections.wait().await;
    assert!(!http1.read_to_end().await.contains('b'));
    assert!(h2.into_body().collect().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_h2_client_is_told_at_once_and_a_new_one_at_its_first_request() {
    let server = start(Limits::default()).await;
    let (mut used, used_driver) = connect(&server).await;
    assert_eq!(fetch(&mut used, "/").await, "ok");
    server.drain.advance(Stage::Draining);
    used_driver.await.unwrap().unwrap();

    let (mut new, new_driver) = connect(&server).await;
    sleep(Duration::from_secs(1)).await;
    assert!(!new_driver.is_finished());
    assert_eq!(fetch(&mut new, "/").await, "ok");
    new_driver.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_dropped_closes_its_sockets() {
    let server = start(Limits::default()).await;
    let address = server.address;
    drop(server.set);
    Tasks::new()
        .spawn("let it close", sleep(Duration::from_millis(1)))
        .await
        .unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}
