//! A server that drains, over a network that turmoil simulates: slow, and in the end cut and mended
//! again. Compiled with `--cfg turmoil` by `cargo xtask test`.
//!
//! What must hold: a client that asks elsewhere what this server refused gets every answer, whole,
//! and no request is handled twice; and the drain ends when it was to end, whatever becomes of the
//! network.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, sleep, timeout};
use turmoil::Sim;

use super::{Drain, DrainConfig, Outcome, run};
use crate::listener::{ConnInfo, ListenerConfig, Listeners, RequestBody};
use crate::pool::simulations::{CONNECT, PORT, request, sim};
use crate::pool::{Pool, PoolConfig, Protocol, SendError, Sent, Target, UpstreamBody};
use crate::tasks::Tasks;

const DEADLINE: Duration = Duration::from_secs(4);
/// When the first of the two servers begins to drain.
const SIGNAL: Duration = Duration::from_secs(1);
/// With a delay from nothing, which closes connections that clients are about to use, to what is
/// longer than any pause of theirs.
fn config(seed: u64) -> DrainConfig {
    DrainConfig {
        delay: Duration::from_millis(20 * (seed % 10)),
        deadline: DEADLINE,
    }
}

const CALLERS: u32 = 6;
const REQUESTS: u32 = 20;

/// What the servers have handled and how the drain ended.
#[derive(Debug, Default)]
struct Record {
    handled: Vec<(&'static str, String)>,
    drained: Option<(Outcome, Duration)>,
}

type Shared = Arc<Mutex<Record>>;

/// Its path, letter by letter.
struct Spelled {
    path: Bytes,
    pause: Pin<Box<Sleep>>,
}

impl Body for Spelled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.path.is_empty() {
            return Poll::Ready(None);
        }
        ready!(self.pause.as_mut().poll(cx));
        self.pause = Box::pin(sleep(Duration::from_millis(10)));
        Poll::Ready(Some(Ok(Frame::data(self.path.split_to(1)))))
    }
}

/// A server that drains as `drains` says, and is gone then.
fn serve(sim: &mut Sim<'static>, name: &'static str, drains: Option<DrainConfig>, record: &Shared) {
    let record = record.clone();
    sim.host(name, move || {
        let (record, noted) = (record.clone(), record.clone());
        let handle = move |request: Request<RequestBody>, _: Arc<ConnInfo>| {
            let path = request.uri().path().to_owned();
            noted.lock().unwrap().handled.push((name, path.clone()));
            let pause = Box::pin(sleep(Duration::from_millis(10)));
            let path = path.into();
            std::future::ready(Response::new(Spelled { path, pause }))
        };
        async move {
            let (trigger, watch) = Drain::new();
            let connections = Tasks::new();
            let listeners = Listeners::new(handle, watch, connections.clone());
            let address = ([0, 0, 0, 0], PORT).into();
            let config = ListenerConfig::plain(name, address);
            listeners.apply(vec![config]).await?;
            if let Some(config) = drains {
                sleep(SIGNAL).await;
                let begun = Instant::now();
                let outcome = run(trigger, config, &[connections]).await;
                record.lock().unwrap().drained = Some((outcome, begun.elapsed()));
            }
            std::future::pending().await
        }
    });
}

async fn send(
    pool: &Pool,
    server: &str,
    protocol: Protocol,
    path: &str,
) -> Result<Response<UpstreamBody>, SendError> {
    let address = format!("{server}:{PORT}").parse().unwrap();
    let target = Target::new(address, protocol, None);
    pool.send(&target, request(path), CONNECT).await
}

/// Asks the servers in turn until one takes the request.
async fn ask(pool: &Pool, protocol: Protocol, path: &str) -> Result<Bytes, SendError> {
    let mut last = None;
    for server in ["draining", "staying"] {
        match send(pool, server, protocol, path).await {
            Ok(response) => {
                let body = response.into_body().collect().await;
                return Ok(body.expect("an answer that has begun is whole").to_bytes());
            }
            Err(error) if error.sent == Sent::Nothing || error.is_idle_close() => {
                last = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap())
}

/// A caller that never gives up. Some of its pauses are long enough for a connection to be closed
/// as idle.
async fn call(caller: u32, seed: u64) -> turmoil::Result {
    let (pool, protocol) = client(caller);
    for number in 0..REQUESTS {
        let path = format!("/{caller}-{number}");
        let answer = ask(&pool, protocol, &path).await;
        assert_eq!(answer.unwrap(), path, "seed {seed}");
        let pause = (7 * u64::from(number + caller) + seed) % 90;
        sleep(Duration::from_millis(pause)).await;
    }
    Ok(())
}

fn client(caller: u32) -> (Pool, Protocol) {
    let protocol = [Protocol::Http1, Protocol::H2][caller as usize % 2];
    (Pool::new(PoolConfig::default(), Tasks::new()), protocol)
}

#[test]
fn a_drain_costs_no_request_and_repeats_none() {
    let mut moved = 0;
    for seed in 0..40 {
        let mut sim = sim(seed);
        let record = Shared::default();
        serve(&mut sim, "draining", Some(config(seed)), &record);
        serve(&mut sim, "staying", None, &record);
        for caller in 0..CALLERS {
            sim.client(format!("caller-{caller}"), call(caller, seed));
        }
        sim.run().unwrap();
        let record = record.lock().unwrap();
        let mut handled: Vec<_> = record.handled.iter().map(|(_, path)| path).collect();
        handled.sort();
        handled.dedup();
        assert_eq!(handled.len(), (CALLERS * REQUESTS) as usize, "seed {seed}");
        assert_eq!(
            handled.len(),
            record.handled.len(),
            "seed {seed}: {record:?}"
        );
        let (outcome, took) = record.drained.unwrap();
        assert_eq!(outcome, Outcome::Finished, "seed {seed}");
        assert!(took < DEADLINE, "seed {seed}: {took:?}");
        moved += record
            .handled
            .iter()
            .filter(|(by, _)| *by == "staying")
            .count();
    }
    assert!(
        moved > 500,
        "only {moved} requests moved: nothing was tested"
    );
}

/// A caller that gives up on what takes too long, and believes what it is told of the rest.
async fn call_over_bad_network(caller: u32, unsent: Arc<Mutex<Vec<String>>>) -> turmoil::Result {
    let (pool, protocol) = client(caller);
    for number in 0..REQUESTS {
        let path = format!("/{caller}-{number}");
        let patience = Duration::from_millis(100 + 37 * u64::from(number));
        match timeout(patience, send(&pool, "draining", protocol, &path)).await {
            Ok(Ok(response)) => {
                let body = timeout(patience, response.into_body().collect()).await;
                if let Ok(Ok(body)) = body {
                    assert_eq!(body.to_bytes(), path);
                }
            }
            Ok(Err(error)) if error.sent == Sent::Nothing => unsent.lock().unwrap().push(path),
            Ok(Err(_)) | Err(_) => {}
        }
        sleep(Duration::from_millis(50)).await;
    }
    // The drain ends after the last of them.
    sleep(SIGNAL + DEADLINE).await;
    Ok(())
}

/// Runs to the end, with some callers cut off for a time around or behind the signal.
fn cut_and_mend(sim: &mut Sim<'static>, seed: u64) {
    let cut = Duration::from_millis(800 + 31 * seed);
    let mended = cut + Duration::from_millis(700 * (seed % 7));
    for (at, change) in [
        (cut, Sim::partition as fn(&Sim<'static>, _, _)),
        (mended, Sim::repair),
    ] {
        while sim.elapsed() < at {
            assert!(!sim.step().unwrap(), "it lasts longer");
        }
        for caller in ["caller-0", "caller-1"] {
            change(sim, caller, "draining");
        }
    }
    sim.run().unwrap();
}

#[test]
fn a_drain_ends_in_time_over_any_network() {
    let mut aborted = 0;
    for seed in 0..40 {
        let mut sim = sim(seed);
        let (record, unsent) = (Shared::default(), Arc::default());
        serve(&mut sim, "draining", Some(config(seed)), &record);
        for caller in 0..CALLERS {
            let call = call_over_bad_network(caller, Arc::clone(&unsent));
            sim.client(format!("caller-{caller}"), call);
        }
        cut_and_mend(&mut sim, seed);
        let record = record.lock().unwrap();
        let handled: Vec<_> = record.handled.iter().map(|(_, path)| path).collect();
        let lied = unsent
            .lock()
            .unwrap()
            .iter()
            .any(|path| handled.contains(&path));
        assert!(!lied, "seed {seed}: {handled:?}");
        let (outcome, took) = record.drained.unwrap();
        assert!(
            took <= DEADLINE + Duration::from_millis(2),
            "seed {seed}: {took:?}"
        );
        aborted += u32::from(outcome != Outcome::Finished);
    }
    assert!(
        (1..40).contains(&aborted),
        "{aborted} of 40 drains were aborted"
    );
}
