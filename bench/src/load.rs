//! Chat completions over a number of connections, as a closed or an open loop.
//!
//! In a closed loop a connection sends its next request when the last one is answered: good to load
//! a proxy fully, and with one connection to see what it adds to a request alone. An open loop sends
//! at a steady rate whatever the answers do, and latency counts from the time at which a request was
//! due, so that one which had to wait for a free connection is as slow as its user would find it
//! (no coordinated omission).

use crate::{
    answer::Answer,
    client::{Opened, Prompt, connect},
};
use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::{StatusCode, body::Bytes, client::conn::http1::SendRequest};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, thread, time::Duration};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

#[derive(Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Address of the proxy
    #[arg(long)]
    target: SocketAddr,
    /// Connections
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Requests per second (an open loop); without it each connection sends when it is answered
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,
    /// How long to begin new requests
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// How the upstream is to answer
    #[arg(long, value_enum, default_value_t = Answer::Whole)]
    answer: Answer,
    /// Bytes of each request
    #[arg(long, default_value_t = 1500)]
    prompt_bytes: usize,
    /// Model to ask for
    #[arg(long, default_value = "bench")]
    model: String,
}

/// Longest that one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Time between the first requests of two connections in a closed loop, so that paced streams are not in step.
const STAGGER: Duration = Duration::from_millis(1);

/// Run the load and print the result.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { target, answer, .. } = arguments;
    let prompt = Prompt::new(target, &arguments.model, arguments.prompt_bytes, answer)?;
    let mut opened = Vec::new();
    for _ in 0..arguments.connections {
        opened.push(connect(target).await?);
    }
    // From here on, so that no request waits for connections to be opened.
    let began = Instant::now();
    let arrivals = Arrivals::new(&arguments, began);
    let mut connections = JoinSet::new();
    for (number, opened) in opened.into_iter().enumerate() {
        let first = match arrivals {
            Arrivals::Closed { .. } => began + STAGGER * u32::try_from(number)?,
            Arrivals::Open(_) => began,
        };
        connections.spawn(connection(opened, prompt.clone(), arrivals.clone(), first));
    }
    let mut total = Tally::new()?;
    while let Some(tally) = connections.join_next().await {
        total.add(&tally.context("a connection's task ended early")??)?;
    }
    println!("{}", total.report(began.elapsed()));
    Ok(())
}

/// When requests are due.
#[derive(Clone)]
enum Arrivals {
    /// At once, until then.
    Closed { until: Instant },
    /// At the times that come here.
    Open(Arc<Mutex<mpsc::UnboundedReceiver<Instant>>>),
}

impl Arrivals {
    fn new(arguments: &Arguments, began: Instant) -> Self {
        match arguments.rate {
            None => Self::Closed {
                until: began + Duration::from_secs(arguments.seconds.into()),
            },
            Some(rate) => {
                let (sender, receiver) = mpsc::unbounded_channel();
                let count = u64::from(rate) * u64::from(arguments.seconds);
                // A thread, since the runtime's own timers go by whole milliseconds.
                thread::spawn(move || pace(&sender, began, rate, count));
                Self::Open(Arc::new(Mutex::new(receiver)))
            }
        }
    }

    /// When the next request is due, which is now or was before; none at the end.
    async fn next(&self) -> Option<Instant> {
        match self {
            Self::Closed { until } => Some(Instant::now()).filter(|now| now < until),
            Self::Open(due) => due.lock().await.recv().await,
        }
    }
}

/// Send each time when it has come.
fn pace(due: &mpsc::UnboundedSender<Instant>, began: Instant, rate: u32, count: u64) {
    for number in 0..count {
        let time = began + Duration::from_nanos(number * 1_000_000_000 / u64::from(rate));
        thread::sleep(time.saturating_duration_since(Instant::now()));
        if due.send(time).is_err() {
            return;
        }
    }
}

/// What has been measured.
struct Tally {
    /// From when a request was due to the end of its answer.
    latency: Times,
    /// The same to the first piece of the answer's body.
    first: Times,
    /// From one piece of a body to the next.
    gap: Times,
    errors: u64,
    /// Answers that Sluicegate says took more than one attempt.
    retried: u64,
    body_bytes: u64,
}

/// A histogram of times.
struct Times(Histogram<u64>);

impl Times {
    fn new() -> Result<Self> {
        // Nanoseconds up to a minute, to three digits.
        Ok(Self(Histogram::new_with_bounds(1, 60_000_000_000, 3)?))
    }

    fn record(&mut self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanoseconds.max(1));
    }

    /// A quantile in microseconds; 0 when nothing was recorded.
    fn quantile_us(&self, quantile: f64) -> f64 {
        // Below 2^53 ns, which is a hundred days, the conversion is exact.
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }
}

impl Tally {
    fn new() -> Result<Self> {
        Ok(Self {
            latency: Times::new()?,
            first: Times::new()?,
            gap: Times::new()?,
            errors: 0,
            retried: 0,
            body_bytes: 0,
        })
    }

    fn add(&mut self, other: &Self) -> Result<()> {
        self.latency.0.add(&other.latency.0)?;
        self.first.0.add(&other.first.0)?;
        self.gap.0.add(&other.gap.0)?;
        self.errors += other.errors;
        self.retried += other.retried;
        self.body_bytes += other.body_bytes;
        Ok(())
    }

    fn report(&self, elapsed: Duration) -> Value {
        json!({
            "requests": self.latency.0.len(),
            "errors": self.errors,
            "retried": self.retried,
            "seconds": elapsed.as_secs_f64(),
            "p50_us": self.latency.quantile_us(0.5),
            "p99_us": self.latency.quantile_us(0.99),
            "first_p50_us": self.first.quantile_us(0.5),
            "first_p99_us": self.first.quantile_us(0.99),
            "gap_max_us": self.gap.quantile_us(1.0),
            "body_bytes": self.body_bytes,
        })
    }
}

/// Send requests over a connection, from `first` on.
async fn connection(
    (mut sender, driver): Opened,
    prompt: Prompt,
    arrivals: Arrivals,
    first: Instant,
) -> Result<Tally> {
    let requests = async {
        let mut tally = Tally::new()?;
        sleep_until(first).await;
        while let Some(due) = arrivals.next().await {
            let exchange = exchange(&mut sender, &prompt, due, &mut tally);
            if let Err(error) = timeout(REQUEST_TIMEOUT, exchange).await? {
                eprintln!("{error:#}");
                tally.errors += 1;
                break;
            }
        }
        drop(sender);
        Ok(tally)
    };
    let (tally, _) = tokio::join!(requests, driver);
    tally
}

/// One request and its answer.
async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    prompt: &Prompt,
    due: Instant,
    tally: &mut Tally,
) -> Result<()> {
    sender.ready().await?;
    let mut response = sender.send_request(prompt.request()?).await?;
    let mut last = None;
    while let Some(frame) = response.frame().await {
        tally.body_bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
        let now = Instant::now();
        match last.replace(now) {
            None => tally.first.record(now - due),
            Some(last) => tally.gap.record(now - last),
        }
    }
    tally.latency.record(due.elapsed());
    let status = response.status();
    ensure!(status == StatusCode::OK, "answered {status}");
    let attempts = response.headers().get("x-sluicegate-attempts");
    tally.retried += u64::from(attempts.is_some_and(|attempts| attempts != "1"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Arrivals, Tally};
    use std::{sync::Arc, thread, time::Duration};
    use tokio::{
        sync::{Mutex, mpsc},
        time::Instant,
    };

    #[test]
    fn quantiles_are_those_of_all_connections() {
        let mut total = Tally::new().unwrap();
        for half in [1..=50, 51..=100] {
            let mut tally = Tally::new().unwrap();
            half.for_each(|ms| tally.latency.record(Duration::from_millis(ms)));
            total.add(&tally).unwrap();
        }
        let report = total.report(Duration::from_secs(2));
        let check = |field: &str, expected: f64| {
            let value = report[field].as_f64().unwrap();
            assert!(
                (value / expected - 1.0).abs() < 0.002,
                "{field}: {value}, not {expected}"
            );
        };
        check("requests", 100.0);
        check("seconds", 2.0);
        check("p50_us", 50_000.0);
        check("p99_us", 99_000.0);
        assert_eq!(report["gap_max_us"], 0.0);
    }

    #[tokio::test]
    async fn an_open_loop_is_due_at_its_rate_however_late_it_is_asked() {
        let (sender, receiver) = mpsc::unbounded_channel();
        let began = Instant::now();
        thread::spawn(move || super::pace(&sender, began, 1000, 20));
        let arrivals = Arrivals::Open(Arc::new(Mutex::new(receiver)));
        let mut due = Vec::new();
        while let Some(time) = arrivals.next().await {
            due.push(time - began);
        }
        let expected: Vec<_> = (0..20).map(Duration::from_millis).collect();
        assert_eq!(due, expected);
    }
}
