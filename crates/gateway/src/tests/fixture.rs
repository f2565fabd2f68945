//! A gateway in this process, upstreams that do as they are told, and a client that shares no code
//! with either.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mesh::resources::{Secret, SecretRef, Secrets};
use mesh::snapshot::Snapshot;
use net::drain::DrainConfig;
use serde_json::Value;
use telemetry::AccessLog;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{Config, Gateway};

/// Longer than anything that is not stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running gateway and its access log.
pub(crate) struct Fixture {
    pub(crate) gateway: Gateway,
    log: Arc<AccessLog>,
    lines: Lines,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compiles a configuration; `${env:KEY}` is `sk-own`.
pub(crate) fn snapshot(yaml: &str) -> Arc<Snapshot> {
    let read = manifests::read(&[manifests::File::new("test.yaml", yaml)]).unwrap();
    let key = SecretRef::Env("KEY".to_owned());
    let secrets = Secrets::from([(key, Secret::from("sk-own"))]);
    Arc::new(Snapshot::compile(&read.resources, &secrets).unwrap())
}

impl Fixture {
    /// Starts a gateway; `yaml` needs no listeners.
    pub(crate) async fn start(yaml: &str) -> Self {
        Self::start_with(&listening(yaml)).await
    }

    /// Starts a gateway whose listener is named `main`.
    pub(crate) async fn start_with(yaml: &str) -> Self {
        Self::start_within(1 << 26, yaml).await
    }

    /// Likewise, with so much memory for request bodies.
    pub(crate) async fn start_within(body_memory: u64, yaml: &str) -> Self {
        let lines = Lines::default();
        let log = Arc::new(AccessLog::to_writer(lines.clone(), 1 << 24).unwrap());
        let runtime = tokio::runtime::Handle::current();
        let config = Config {
            data: runtime.clone(),
            control: runtime,
            admin: None,
            drain: DrainConfig::default(),
            body_memory,
            access_log: Some(Arc::clone(&log)),
            variables: credentials::Variables::default(),
            fetches_from: |address| address == Ipv4Addr::LOCALHOST,
            version: ("0", "test"),
        };
        let gateway = Gateway::start(config, snapshot(yaml)).await.unwrap();
        Self {
            gateway,
            log,
            lines,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.local_addr("main").unwrap()
    }

    /// Sends `request` as it is and reads until the gateway closes.
    pub(crate) async fn ask(&self, request: &str) -> String {
        let mut socket = self.begin(request).await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
        let _reset = read.expect("no end of the answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Sends `request` as it is.
    pub(crate) async fn begin(&self, request: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address()).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        socket
    }

    /// Requests and prompt tokens that endpoints still count as theirs.
    pub(crate) fn reserved(&self) -> u64 {
        let runtime = self.gateway.shared.runtime.load();
        let endpoints = runtime
            .upstreams()
            .iter()
            .flat_map(|upstream| upstream.pool.endpoints());
        endpoints
            .map(|status| u64::from(status.in_flight) + status.in_flight_prompt_tokens)
            .sum()
    }

    /// The requests in flight at the listener, as the gauge shows itself.
    fn in_flight(&self) -> String {
        let runtime = self.gateway.shared.runtime.load();
        format!("{:?}", runtime.entry("main").unwrap().in_flight)
    }

    /// Waits until no endpoint and no listener has a request in flight.
    pub(crate) async fn idle(&self) {
        let idle = async {
            while self.reserved() > 0 || self.in_flight() != "InFlightGauge(0)" {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, idle)
            .await
            .expect("a reservation was never released");
    }

    /// Waits until so many requests have been logged.
    pub(crate) async fn logged(&self, requests: usize) {
        let lines = || {
            let lines = self.lines.0.lock().unwrap();
            lines.iter().filter(|byte| **byte == b'\n').count()
        };
        let logged = async {
            while lines() < requests {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, logged).await;
        assert!(
            in_time.is_ok(),
            "{} of {requests} requests were settled",
            lines()
        );
    }

    /// Ends the log and returns its lines.
    pub(crate) fn records(&self) -> Vec<Value> {
        assert!(self.log.close(PATIENCE));
        let lines = self.lines.0.lock().unwrap();
        let text = String::from_utf8(lines.clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// The configuration with a listener on a free port.
pub(crate) fn listening(yaml: &str) -> String {
    let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = free.local_addr().unwrap();
    format!("listeners:\n  - {{ name: main, address: {address} }}\n{yaml}")
}

/// A chat completion for the model `m`, the last on its connection.
pub(crate) fn chat(stream: bool) -> String {
    let body = format!(
        r#"{{"model":"m","stream":{stream},"max_tokens":8,"messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    post("/v1/chat/completions", &body)
}

/// A POST of JSON, the last on its connection.
pub(crate) fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A request without a body, the last on its connection.
pub(crate) fn bare(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}

/// An upstream that answers every connection's first request with the bytes it was given, and
/// then closes.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    /// Answers with `answer`.
    pub(crate) async fn answering(answer: impl Into<String>) -> Self {
        Self::with(answer, false).await
    }

    /// Sends `answer` and then nothing, without closing.
    pub(crate) async fn stalling(answer: impl Into<String>) -> Self {
        Self::with(answer, true).await
    }

    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    async fn with(answer: impl Into<String>, stall: bool) -> Self {
        let answer: Arc<str> = answer.into().into();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                tokio::spawn(async move {
                    let Some(request) = read_request(&mut socket).await else {
                        return;
                    };
                    seen.lock().unwrap().push(request);
                    let _gone = socket.write_all(answer.as_bytes()).await;
                    if stall {
                        let _closed = socket.read(&mut [0]).await;
                    }
                });
            }
        });
        Self { address, received }
    }

    /// The requests so far, head and body, in the order they came.
    pub(crate) fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }
}

async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && is_whole(head, body)
        {
            return Some(text);
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn is_whole(head: &str, body: &str) -> bool {
    let value = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    match (value("content-length"), value("transfer-encoding")) {
        (Some(length), _) => body.len() >= length.parse().unwrap(),
        (None, Some(_)) => body.ends_with("0\r\n\r\n"),
        (None, None) => true,
    }
}

/// An answer with a length and whether the connection closes after it.
pub(crate) fn answer(status: &str, content_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A stream of events that ends with the connection.
pub(crate) fn events(events: &[&str]) -> String {
    let body: String = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}")
}

/// The JSON answer of a chat completion.
pub(crate) const COMPLETION: &str = r#"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;
/// The first event with content of a streamed one.
pub(crate) const CONTENT: &str =
    r#"{"choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}"#;
/// The event that finishes it.
pub(crate) const FINISH: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
/// Its usage.
pub(crate) const USAGE: &str =
    r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;
