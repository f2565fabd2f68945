//! The pool over a network that turmoil simulates: slow, cut and mended again, in the same way for the
//! same seed. Compiled with `--cfg turmoil` by `cargo xtask test`.
//!
//! What must hold whatever happens: an answer is that of its own request, whole; a request of which
//! nothing was sent, as the pool says, never reached the server; and when the network is well again,
//! so is the pool.

mod repeats;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use turmoil::net::{TcpListener, TcpStream};
use turmoil::{Builder, Sim};

use super::{Pool, PoolConfig, Protocol, SendErrorKind, Sent, Target};
use crate::body::Body;
use crate::tasks::Tasks;

pub(crate) type Log = Arc<Mutex<BTreeSet<String>>>;

pub(crate) const CONNECT: Duration = Duration::from_secs(1);
pub(crate) const PORT: u16 = 80;

pub(crate) fn sim(seed: u64) -> Sim<'static> {
    Builder::new()
        .rng_seed(seed)
        .simulation_duration(Duration::from_secs(600))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(40))
        .build()
}

/// A server that answers each request with its path, in pieces, and notes it. Paths that end in 3
/// get no answer but the end of the connection, those that end in 7 get half of one.
fn serve(sim: &mut Sim<'static>, log: &Log) {
    let log = log.clone();
    sim.host("server", move || {
        let log = log.clone();
        async move {
            let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
            loop {
                let (tcp, _) = listener.accept().await?;
                tokio::task::spawn_local(answer_all(tcp, log.clone()));
            }
        }
    });
}

async fn answer_all(mut tcp: TcpStream, log: Log) {
    while let Some(path) = read_request(&mut tcp).await {
        log.lock().unwrap().insert(path.clone());
        let mut pieces = vec!["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned()];
        pieces.extend(path.chars().map(|letter| format!("1\r\n{letter}\r\n")));
        pieces.push("0\r\n\r\n".to_owned());
        match path.chars().last() {
            Some('3') => return,
            Some('7') => pieces.truncate(2),
            _ => {}
        }
        let cut = pieces.len() == 2;
        for piece in pieces {
            if tcp.write_all(piece.as_bytes()).await.is_err() {
                return;
            }
        }
        if cut {
            return;
        }
    }
}

async fn read_request(tcp: &mut TcpStream) -> Option<String> {
    let head = read_head(tcp).await?;
    Some(head.split(' ').nth(1)?.to_owned())
}

async fn read_head(tcp: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

fn pool() -> (Pool, Target) {
    let address = format!("server:{PORT}").parse().unwrap();
    (
        Pool::new(PoolConfig::default(), Tasks::new()),
        Target::new(address, Protocol::Http1, None),
    )
}

pub(crate) fn request(path: &str) -> Request<Body> {
    Request::get(path)
        .header("host", "server")
        .body(Body::Empty)
        .unwrap()
}

/// The answer's body; `None` if there is none within the time.
async fn ask(pool: &Pool, target: &Target, path: &str, patience: Duration) -> Option<Bytes> {
    let exchange = async {
        let response = pool.send(target, request(path), CONNECT).await.ok()?;
        Some(response.into_body().collect().await.ok()?.to_bytes())
    };
    timeout(patience, exchange).await.ok().flatten()
}

#[test]
fn a_partition_costs_what_is_under_way_and_nothing_after_it() {
    let mut sim = sim(1);
    let log = Log::default();
    serve(&mut sim, &log);
    sim.client("client", async {
        let (pool, target) = pool();
        let long = Duration::from_secs(10);
        assert_eq!(
            ask(&pool, &target, "/before", long).await.unwrap(),
            "/before"
        );
        turmoil::partition("client", "server");
        let short = Duration::from_secs(2);
        assert_eq!(ask(&pool, &target, "/during", short).await, None);
        assert_eq!(pool.stats().open, 0, "given up with its request");
        turmoil::repair("client", "server");
        assert_eq!(ask(&pool, &target, "/after", long).await.unwrap(), "/after");
        assert_eq!((pool.stats().connects, pool.stats().idle), (2, 1));
        Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn no_connection_in_time_is_told_with_nothing_sent() {
    let mut sim = sim(2);
    let log = Log::default();
    serve(&mut sim, &log);
    sim.client("client", async {
        let (pool, target) = pool();
        turmoil::hold("client", "server");
        let error = pool
            .send(&target, request("/x"), CONNECT)
            .await
            .unwrap_err();
        let expected = (SendErrorKind::ConnectTimeout, Sent::Nothing);
        assert_eq!((error.kind, error.sent), expected, "{error}");
        turmoil::release("client", "server");
        Ok(())
    });
    sim.run().unwrap();
    assert!(log.lock().unwrap().is_empty());
}

/// A server that goes away with all its connections and comes back.
#[test]
fn a_server_that_restarts_is_asked_over_new_connections() {
    let mut sim = sim(3);
    let log = Log::default();
    serve(&mut sim, &log);
    sim.client("client", async {
        let (pool, target) = pool();
        let long = Duration::from_secs(10);
        ask(&pool, &target, "/before", long).await.unwrap();
        sleep(Duration::from_secs(2)).await;
        assert_eq!(ask(&pool, &target, "/after", long).await.unwrap(), "/after");
        assert_eq!(pool.stats().connects, 2);
        Ok(())
    });
    while sim.elapsed() < Duration::from_secs(1) {
        sim.step().unwrap();
    }
    sim.bounce("server");
    sim.run().unwrap();
}

/// Many callers over a network that is cut at any moment.
#[test]
fn no_answer_is_anothers_and_what_was_not_sent_was_not_seen() {
    let mut answered = 0;
    for seed in 0..30 {
        let mut sim = sim(seed);
        let (seen, outcomes) = (Log::default(), Arc::new(Mutex::new(Outcomes::default())));
        serve(&mut sim, &seen);
        let told = outcomes.clone();
        sim.client("client", async move {
            let (pool, target) = pool();
            let call = |caller| call(caller, pool.clone(), target.clone(), told.clone());
            let callers: Vec<_> = (0..4).map(call).map(tokio::task::spawn_local).collect();
            for caller in callers {
                caller.await?;
            }
            Ok(())
        });
        disturb(&mut sim, seed);
        let (seen, outcomes) = (seen.lock().unwrap(), outcomes.lock().unwrap());
        assert!(
            seen.is_disjoint(&outcomes.unsent),
            "seed {seed}: {outcomes:?}"
        );
        answered += outcomes.answered;
    }
    assert!(
        answered > 500,
        "only {answered} answers: nothing was tested"
    );
}

#[derive(Debug, Default)]
struct Outcomes {
    answered: u32,
    /// The requests of which nothing was sent, as the pool says.
    unsent: BTreeSet<String>,
}

async fn call(caller: u32, pool: Pool, target: Target, outcomes: Arc<Mutex<Outcomes>>) {
    for number in 0..20 {
        let path = format!("/{caller}-{number}");
        let patience = Duration::from_millis(50 + 37 * number);
        let outcome = timeout(patience, exchange(&pool, &target, &path)).await;
        let mut outcomes = outcomes.lock().unwrap();
        match outcome {
            Ok(Ok(body)) => {
                assert_eq!(body, path);
                outcomes.answered += 1;
            }
            Ok(Err(Sent::Nothing)) => drop(outcomes.unsent.insert(path)),
            Ok(Err(Sent::Maybe)) | Err(_) => {}
        }
    }
}

async fn exchange(pool: &Pool, target: &Target, path: &str) -> Result<Bytes, Sent> {
    let sent = pool.send(target, request(path), CONNECT).await;
    let body = sent.map_err(|error| error.sent)?.into_body();
    let collected = body.collect().await.map_err(|_| Sent::Maybe)?;
    Ok(collected.to_bytes())
}

/// Runs to the end, cutting and mending, at times that follow from the seed.
fn disturb(sim: &mut Sim<'static>, seed: u64) {
    let period = 211 + 17 * (seed % 13);
    let mut cut = false;
    let mut due = Duration::from_millis(period);
    while !sim.step().unwrap() {
        if sim.elapsed() >= due {
            due += Duration::from_millis(if cut { period } else { 90 });
            cut = !cut;
            if cut {
                sim.partition("client", "server");
            } else {
                sim.repair("client", "server");
            }
        }
    }
}
