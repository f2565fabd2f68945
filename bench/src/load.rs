//! A closed loop of connections, each of which sends the next request when the last is answered.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode, Uri,
    client::conn::http1::{self, SendRequest},
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout},
};

#[derive(Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Address of the proxy
    #[arg(long)]
    target: SocketAddr,
    /// Connections
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// How long to begin new requests
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Ask for streams
    #[arg(long)]
    stream: bool,
}

/// Longest that one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What one connection has measured.
struct Tally {
    latency_us: Histogram<u64>,
    errors: u64,
    body_bytes: u64,
}

impl Tally {
    fn new() -> Result<Self> {
        // A minute at most, to three digits.
        let latency_us = Histogram::new_with_bounds(1, 60_000_000, 3)?;
        Ok(Self {
            latency_us,
            errors: 0,
            body_bytes: 0,
        })
    }

    fn add(&mut self, other: &Self) -> Result<()> {
        self.latency_us.add(&other.latency_us)?;
        self.errors += other.errors;
        self.body_bytes += other.body_bytes;
        Ok(())
    }
}

/// Run the load and print the result.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let body = request_body(arguments.stream);
    let began = Instant::now();
    let deadline = began + Duration::from_secs(arguments.seconds);
    let mut connections = JoinSet::new();
    for _ in 0..arguments.connections {
        connections.spawn(connection(arguments.target, body.clone(), deadline));
    }
    let mut total = Tally::new()?;
    while let Some(tally) = connections.join_next().await {
        total.add(&tally.context("a connection's task ended early")??)?;
    }
    let result = json!({
        "requests": total.latency_us.len(),
        "errors": total.errors,
        "seconds": began.elapsed().as_secs_f64(),
        "p50_us": total.latency_us.value_at_quantile(0.5),
        "p99_us": total.latency_us.value_at_quantile(0.99),
        "body_bytes": total.body_bytes,
    });
    println!("{result}");
    Ok(())
}

/// A chat completion request of about 1.5 KB.
fn request_body(stream: bool) -> Bytes {
    let text = "Tell me how a river that rises in the hills finds its way down to the sea. ";
    let messages = json!([
        {"role": "system", "content": "You are a patient teacher of geography."},
        {"role": "user", "content": text.repeat(17)},
    ]);
    json!({"model": "bench", "stream": stream, "max_tokens": 252, "messages": messages})
        .to_string()
        .into()
}

async fn connection(target: SocketAddr, body: Bytes, deadline: Instant) -> Result<Tally> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    let (mut sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
    let requests = async {
        let mut tally = Tally::new()?;
        while Instant::now() < deadline {
            let began = Instant::now();
            match timeout(REQUEST_TIMEOUT, exchange(&mut sender, target, body.clone())).await? {
                Ok(bytes) => {
                    let micros = u64::try_from(began.elapsed().as_micros())?;
                    tally.latency_us.saturating_record(micros.max(1));
                    tally.body_bytes += bytes;
                }
                Err(error) => {
                    eprintln!("{error:#}");
                    tally.errors += 1;
                    break;
                }
            }
        }
        drop(sender);
        Ok(tally)
    };
    let (tally, _) = tokio::join!(requests, driver);
    tally
}

/// One request; the bytes of the answer's body.
async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    target: SocketAddr,
    body: Bytes,
) -> Result<u64> {
    let request = Request::post(Uri::from_static("/v1/chat/completions"))
        .header(HOST, target.to_string())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body))?;
    sender.ready().await?;
    let mut response = sender.send_request(request).await?;
    let mut bytes = 0;
    while let Some(frame) = response.frame().await {
        bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    ensure!(
        response.status() == StatusCode::OK,
        "answered {}",
        response.status()
    );
    Ok(bytes)
}
