//! Abuse and faults: what hostile clients, lying upstreams and a failing machine do to a gateway.
//!
//! Every test has a [`Scene`]: a gateway, an upstream of the attacked model `x` and of the plain
//! path `/files` that plays its part, and beside them a client that wants nothing but its answers
//! from the model `m`. Whatever happens, that client must notice nothing, memory stays bounded,
//! nothing panics and nothing stays in flight.

mod faults;
mod http2;
#[cfg(target_os = "linux")]
mod machine;
mod origins;
mod reliability;
mod requests;
mod secrets;
mod slow;
mod smuggling;
mod upstreams;

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, Request};
use http_body_util::Full;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Answer, PATIENCE, chat, once, request};
use crate::load::{Fate, Load};
use crate::process::{Gateway, eventually};
use crate::upstream::{Received, Step, Upstream, completion};

pub const CHAT: &str = "/v1/chat/completions";

/// Timeouts short enough for a test, for a listener.
pub const SHORT: &str = "timeouts: { header: 1s, idle: 2s, bodyIdle: 1s, write: 1s }";

/// A gateway under attack.
pub struct Scene {
    pub gateway: Gateway,
    /// Serves the model `x` and the path `/files`.
    pub target: Upstream,
    _good: Upstream,
    bystander: Load,
    peak: u64,
}

impl Scene {
    /// `listener` is a line of the listener, `rule` lines of the rule for the model `x`; `script`
    /// is what the attacked upstream does.
    pub async fn start(
        listener: &str,
        rule: &str,
        script: impl Fn(&Received) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(listener, rule, &[], script).await
    }

    pub async fn start_with(
        listener: &str,
        rule: &str,
        arguments: &[&str],
        script: impl Fn(&Received) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let (good, target) = (
            Upstream::always(completion("m")).await,
            Upstream::start(script).await,
        );
        let config = config(listener, rule, good.address, target.address);
        let gateway = Gateway::start_with(&config, arguments).await;
        Self::around(gateway, good, target).await
    }

    /// A scene around a gateway that was started with [`config`].
    pub async fn around(gateway: Gateway, good: Upstream, target: Upstream) -> Self {
        let address = gateway.address;
        assert_eq!(once(address, chat("m", false, 1)).await.status, 200);
        let peak = peak_memory(&gateway);
        let bystander = Load::start(address, 2, 20, || chat("m", false, 1));
        Self {
            gateway,
            target,
            _good: good,
            bystander,
            peak,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.gateway.address
    }

    /// Sends bytes on a connection of their own; see [`exchange`].
    pub async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        exchange(self.address(), bytes).await
    }

    /// Asks the model `x` on a connection of its own.
    pub async fn ask(&self, stream: bool) -> Answer {
        once(self.address(), chat("x", stream, 10)).await
    }

    /// The other client has noticed nothing, the process has taken at most `mib` MiB more than at
    /// the beginning, nothing has panicked, nothing is left.
    pub async fn unharmed(self, mib: u64) {
        let after = once(self.address(), chat("m", false, 1)).await;
        assert_eq!(after.status, 200, "{}", after.text());
        let fates = self.bystander.stop().await;
        fates.assert_none_failed();
        assert!(fates.count(&Fate::Whole) > 0);
        let panics = self.gateway.metric("sluicegate_task_panics_total").await;
        assert_eq!(panics, 0.0, "{}", self.gateway.log());
        let grown = peak_memory(&self.gateway).saturating_sub(self.peak);
        assert!(grown < mib << 20, "{} KiB more", grown >> 10);
        nothing_in_flight(&self.gateway).await;
    }
}

/// Waits until the attacked model has no request in flight, though others may.
pub async fn nothing_in_flight_but_the_bystander(scene: &Scene) {
    eventually("attacked requests ended", || async {
        let endpoints = scene.gateway.endpoints().await;
        let target = scene.target.address.to_string();
        let attacked = endpoints
            .iter()
            .filter(|one| one["address"] == target.as_str());
        attacked.into_iter().all(|one| one["inFlight"] == 0)
    })
    .await;
}

pub async fn nothing_in_flight(gateway: &Gateway) {
    eventually("nothing in flight", || async {
        let endpoints = gateway.endpoints().await;
        endpoints.iter().all(|one| one["inFlight"] == 0)
            && gateway.metric("sluicegate_requests_in_flight").await == 0.0
    })
    .await;
}

/// `good` serves the model `m`; `target` serves the model `x` and the path `/files`.
pub fn config(listener: &str, rule: &str, good: SocketAddr, target: SocketAddr) -> String {
    format!(
        "listeners:\n  - name: main\n    address: LISTEN\n    {listener}\n\
         pools:\n  - {{ name: good, models: [m], endpoints: [{{ address: \"{good}\" }}] }}\n  \
         - name: target\n    endpoints: [{{ address: \"{target}\" }}]\n    \
         outlierDetection: {{ consecutiveErrors: 0 }}\n  \
         - name: files\n    dialect: none\n    endpoints: [{{ address: \"{target}\" }}]\n    \
         outlierDetection: {{ consecutiveErrors: 0 }}\n\
         routes:\n  - name: attacked\n    rules:\n      - matches: [{{ model: {{ value: x }} }}]\n        \
         backendRefs: [{{ pool: target }}]\n        retry: {{ attempts: 0 }}\n{rule}  \
         - name: files\n    rules:\n      - matches: [{{ path: {{ value: /files }} }}]\n        \
         backendRefs: [{{ pool: files }}]\n        retry: {{ attempts: 0 }}\n"
    )
}

/// The most memory that the process has ever had resident, in bytes.
pub fn peak_memory(gateway: &Gateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// How long an answer may pause before it is taken for whole.
const SILENCE: Duration = Duration::from_millis(300);

/// Sends bytes on a connection of their own, whatever becomes of them, and returns what is
/// answered until the other side closes or, after an answer, falls silent.
pub async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let bytes = bytes.as_ref().to_vec();
    let writing = tokio::spawn(async move {
        drop(write.write_all(&bytes).await);
        write
    });
    let mut answer = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    loop {
        let patience = if answer.is_empty() { PATIENCE } else { SILENCE };
        match timeout(patience, read.read(&mut buffer)).await {
            Ok(Ok(count)) if count > 0 => answer.extend_from_slice(&buffer[..count]),
            Err(_) => {
                assert!(!answer.is_empty(), "neither answered nor closed");
                break;
            }
            Ok(_) => break,
        }
    }
    writing.abort();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of the first answer; 0 if there is none.
pub fn status(answer: &str) -> u16 {
    let status = answer
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5));
    status
        .and_then(|status| status.parse().ok())
        .unwrap_or_default()
}

/// A request whose JSON body is `body`.
pub fn prompt(body: &str) -> Request<Full<bytes::Bytes>> {
    request(Method::POST, CHAT, body)
}

/// A chat completion with this text as its prompt.
pub fn chat_about(text: &str) -> String {
    json!({ "model": "x", "messages": [{ "role": "user", "content": text }] }).to_string()
}
