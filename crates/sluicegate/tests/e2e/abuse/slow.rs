//! Clients that hold what they have and do nothing with it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use super::{CHAT, SHORT, Scene, chat_about, status};
use crate::client::{PATIENCE, chat, once};
use crate::raw::Raw;
use crate::upstream::{Step, completion, piece, stream_head};

/// Reads and discards until the other side closes.
async fn until_closed(mut stream: TcpStream) {
    let mut buffer = vec![0; 4096];
    while let Ok(Ok(1..)) = timeout(PATIENCE, stream.read(&mut buffer)).await {}
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_half_open_connections_are_closed_in_time_and_cost_little() {
    const COUNT: usize = 3000;
    drop(rlimit::increase_nofile_limit(4 * COUNT as u64));
    let scene = Scene::start(SHORT, "", |_| completion("x")).await;
    let beginnings = [
        "",
        "P",
        "GET /files HTTP/1.1\r\nhost: x\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    let mut open = Vec::new();
    for index in 0..COUNT {
        let mut stream = TcpStream::connect(scene.address()).await.unwrap();
        let beginning = beginnings[index % beginnings.len()];
        stream.write_all(beginning.as_bytes()).await.unwrap();
        open.push(stream);
    }
    let begun = Instant::now();
    for stream in open {
        until_closed(stream).await;
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "closed after {took:?}");
    // 16 KiB each: buffers of a head, hyper's and h2's state, the task.
    scene.unharmed(COUNT as u64 * 16 / 1024).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_drips_is_closed_and_a_body_that_drips_is_served() {
    let scene = Scene::start(SHORT, "", |_| completion("x")).await;
    let address = scene.address();
    let dripping_head = async {
        let mut client = TcpStream::connect(address).await.unwrap();
        let begun = Instant::now();
        for byte in b"GET /files HTTP/1.1\r\nx-never-ending: ".iter().cycle() {
            if client.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(100)).await;
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "a head may drip for ever"
            );
        }
    };
    let dripping_body = async {
        let mut client = Raw::open(address).await;
        let body = "{\"model\":\"x\",\"messages\":[]}";
        let length = body.len();
        client
            .send(format!(
                "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"
            ))
            .await;
        for byte in body.as_bytes() {
            client.send([*byte]).await;
            sleep(Duration::from_millis(60)).await;
        }
        assert!(client.until("\r\n").await.starts_with("HTTP/1.1 200 "));
    };
    tokio::join!(dripping_head, dripping_body);
    assert_eq!(scene.target.count(), 1);
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stands_still_is_answered_408_and_lets_go() {
    let scene = Scene::start(SHORT, "", |_| completion("x")).await;
    let waiting = (0..100).map(|_| {
        let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{{");
        let address = scene.address();
        tokio::spawn(async move { super::exchange(address, head).await })
    });
    for waiting in waiting.collect::<Vec<_>>() {
        let got = waiting.await.unwrap();
        assert_eq!(status(&got), 408, "{got}");
        assert!(got.contains("\"error\""), "{got}");
    }
    assert_eq!(scene.target.count(), 0);
    scene.unharmed(32).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_that_wait_for_their_engine_stay_within_the_body_budget() {
    let scene = Scene::start_with(
        "timeouts: { write: 1s }",
        "        timeouts: { backendRequest: 3s }\n",
        &["--body-memory", "8Mi"],
        |_| vec![Step::Hang],
    )
    .await;
    // 60 MB of prompts that nobody answers; what has no room in memory goes to files.
    let prompts = (0..60).map(|_| {
        let body = chat_about(&"x".repeat(1 << 20));
        let address = scene.address();
        tokio::spawn(async move { once(address, super::prompt(&body)).await })
    });
    for prompt in prompts.collect::<Vec<_>>() {
        let got = prompt.await.unwrap();
        assert_eq!(got.status, 504, "{}", got.text());
    }
    scene.unharmed(40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_of_streams_that_do_not_read_are_dropped_with_their_streams() {
    const COUNT: usize = 60;
    let text = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
        "x".repeat(60_000)
    );
    let scene = Scene::start("timeouts: { write: 1s }", "", move |_| {
        let pieces = (0..1000).map(|_| piece(&text));
        std::iter::once(stream_head()).chain(pieces).collect()
    })
    .await;
    let ask = {
        let body = http_body_util::BodyExt::collect(chat("x", true, 10).into_body());
        let body = body.await.unwrap().to_bytes();
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    };
    let mut readers = Vec::new();
    for _ in 0..COUNT {
        // A small window, so that what waits does not hide in the kernel.
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(scene.address()).await.unwrap();
        stream.write_all(&ask).await.unwrap();
        readers.push(stream);
    }
    // Each has begun, and 3.6 GB wait for all of them together.
    for stream in &readers {
        timeout(PATIENCE, stream.readable()).await.unwrap().unwrap();
    }
    scene
        .target
        .until("all asked", |seen| seen.len() == COUNT)
        .await;
    super::nothing_in_flight_but_the_bystander(&scene).await;
    drop(readers);
    // hyper reads up to 408 KiB of an upstream ahead; beside them wait a piece or two on their way.
    scene.unharmed(COUNT as u64 * 768 / 1024).await;
}
