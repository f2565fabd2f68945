//! A body that is repeated, over a network that fails in the middle of it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Sleep, sleep, timeout};
use turmoil::net::{TcpListener, TcpStream};

use super::{CONNECT, PORT, pool, read_head, sim};
use crate::budget::BodyBudget;
use crate::pool::{Pool, Protocol, Target};
use crate::replay::{Replay, ReplayConfig};

/// A prompt whose client writes it piece by piece.
struct Written {
    pieces: VecDeque<Bytes>,
    pause: Pin<Box<Sleep>>,
    every: Duration,
}

impl Written {
    fn new(prompt: &[u8], every: Duration) -> Self {
        Self {
            pieces: prompt.chunks(1700).map(Bytes::copy_from_slice).collect(),
            pause: Box::pin(sleep(every)),
            every,
        }
    }
}

impl http_body::Body for Written {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.pause.as_mut().poll(cx));
        self.pause = Box::pin(sleep(self.every));
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
    }
}

/// A server that answers with the body it was sent, once it has all of it.
async fn echo(mut tcp: TcpStream) {
    while let Some(head) = read_head(&mut tcp).await {
        let mut lines = head.lines();
        let length = lines.find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        if tcp.read_exact(&mut body).await.is_err()
            || tcp.write_all(answer.as_bytes()).await.is_err()
            || tcp.write_all(&body).await.is_err()
        {
            return;
        }
    }
}

async fn attempt(pool: &Pool, host: &str, replay: &Replay) -> Option<Bytes> {
    let address = format!("{host}:{PORT}").parse().unwrap();
    let target = Target::new(address, Protocol::Http1, None);
    let request = Request::post("/v1/chat/completions").header("host", host);
    let request = request.body(replay.body(None).into()).unwrap();
    let response = pool.send(&target, request, CONNECT).await.ok()?;
    Some(response.into_body().collect().await.ok()?.to_bytes())
}

/// The first server is cut off at some moment, mostly while it is sent the prompt; what it was sent
/// and what its client has yet to write reach the second as they were.
#[test]
fn a_prompt_reaches_the_second_server_whole_however_the_first_attempt_ended() {
    let mut repeated = 0;
    for seed in 0..30 {
        let mut sim = sim(seed);
        for name in ["first", "second"] {
            sim.host(name, || async {
                let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
                loop {
                    let (tcp, _) = listener.accept().await?;
                    tokio::task::spawn_local(echo(tcp));
                }
            });
        }
        let (told, outcome) = std::sync::mpsc::channel();
        sim.client("client", async move {
            let prompt: Vec<u8> = (0..60_000_u32).map(|at| (at % 249) as u8).collect();
            let (pool, _) = pool();
            let budget = BodyBudget::new(1 << 20);
            let every = Duration::from_millis(1 + seed % 7);
            let source = Written::new(&prompt, every);
            let replay = Replay::new(source, &budget, Arc::new(ReplayConfig::default()));
            let cut = tokio::task::spawn_local(async move {
                sleep(Duration::from_millis(11 * seed)).await;
                turmoil::partition("client", "first");
            });
            let patience = Duration::from_millis(500);
            let first = timeout(patience, attempt(&pool, "first", &replay)).await;
            let answer = match first.ok().flatten() {
                Some(answer) => answer,
                None => {
                    told.send(()).unwrap();
                    attempt(&pool, "second", &replay).await.unwrap()
                }
            };
            assert!(answer == prompt, "seed {seed}");
            cut.await?;
            drop(replay);
            assert_eq!(budget.used(), 0);
            Ok(())
        });
        sim.run().unwrap();
        repeated += outcome.iter().count();
    }
    assert!(
        (5..30).contains(&repeated),
        "{repeated} of 30 were repeated"
    );
}
