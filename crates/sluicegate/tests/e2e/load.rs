//! Load at a steady rate, and what became of each request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::client::{Client, events};

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// A whole answer of status 200.
    Whole,
    /// A stream that had begun and ended with the dialect's in-stream error.
    InStreamError,
    /// A stream that had begun and whose connection was aborted.
    Aborted,
    /// Anything else; none of these is ever right.
    Failed(String),
}

/// Load that runs until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Vec<Fate>>>,
}

impl Load {
    /// `workers` connections that send `rate` requests a second together, for a minute at most.
    pub fn start(
        address: SocketAddr,
        workers: u32,
        rate: u32,
        request: impl Fn() -> Request<Full<Bytes>>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let period = Duration::from_secs(1) * workers / rate;
        let workers = (0..workers)
            .map(|worker| {
                let (stop, request) = (Arc::clone(&stop), request());
                let first = Instant::now() + period * worker / workers.max(1);
                tokio::spawn(work(address, stop, first, period, request))
            })
            .collect();
        Self { stop, workers }
    }

    /// Stops and tells the fates.
    pub async fn stop(self) -> Fates {
        self.stop.store(true, Ordering::Relaxed);
        let mut fates = Vec::new();
        for worker in self.workers {
            fates.extend(worker.await.unwrap());
        }
        Fates(fates)
    }
}

/// The fates of many requests.
pub struct Fates(pub Vec<Fate>);

impl Fates {
    pub fn count(&self, fate: &Fate) -> usize {
        self.0.iter().filter(|one| *one == fate).count()
    }

    /// No request may have failed before it had begun. `--nocapture` shows how many there were.
    pub fn assert_none_failed(&self) {
        println!(
            "{} requests: {} whole, {} broken by an in-stream error, {} aborted",
            self.0.len(),
            self.count(&Fate::Whole),
            self.count(&Fate::InStreamError),
            self.count(&Fate::Aborted)
        );
        let failed: Vec<&Fate> = self
            .0
            .iter()
            .filter(|fate| matches!(fate, Fate::Failed(_)))
            .collect();
        let total = self.0.len();
        assert!(
            failed.is_empty(),
            "{} of {total} failed: {:?}",
            failed.len(),
            failed.first()
        );
    }
}

async fn work(
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    first: Instant,
    period: Duration,
    request: Request<Full<Bytes>>,
) -> Vec<Fate> {
    let mut client = Client::new(address);
    let mut fates = Vec::new();
    let mut ticks = tokio::time::interval_at(first, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = first + Duration::from_secs(60);
    while !stop.load(Ordering::Relaxed) && Instant::now() < end {
        ticks.tick().await;
        fates.push(fate(&mut client, request.clone()).await);
    }
    fates
}

async fn fate(client: &mut Client, request: Request<Full<Bytes>>) -> Fate {
    let response = match client.start(request).await {
        Ok(response) => response,
        Err(error) => return Fate::Failed(format!("no answer: {error}")),
    };
    let status = response.status();
    let streamed = response
        .headers()
        .get("content-type")
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let mut body = response.into_body();
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                let data = frame.into_data().unwrap_or_default();
                text.push_str(&String::from_utf8_lossy(&data));
            }
            Err(_) if streamed && !text.is_empty() => return Fate::Aborted,
            Err(error) => return Fate::Failed(format!("broke off: {error}")),
        }
    }
    match (status.as_u16(), streamed) {
        (200, false) => Fate::Whole,
        (200, true) => stream_fate(&text),
        _ => Fate::Failed(format!("{status}: {text}")),
    }
}

fn stream_fate(text: &str) -> Fate {
    match events(text).last() {
        Some(&"[DONE]") => Fate::Whole,
        Some(last) if last.contains("\"error\"") => Fate::InStreamError,
        last => Fate::Failed(format!("ended cleanly without its end, after {last:?}")),
    }
}
