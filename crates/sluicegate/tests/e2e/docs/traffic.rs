//! Requests of every kind that metrics and the access log tell apart.

use std::net::SocketAddr;

use bytes::Bytes;
use engine_server::{Deaths, EngineServer, FaultSpec};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::client::{chat, once, post};
use crate::process::{Gateway, engine, eventually, free_address};
use crate::upstream::{Upstream, answer};

const CONFIG: &str = r#"
listeners:
  - { name: main, address: LISTEN, exposeEndpoint: true }
providers:
  - { name: cloud, models: [cloud], baseUrl: "http://NOBODY/v1", auth: { azure: {} } }
pools:
  - { name: fleet, models: [m], endpoints: [{ address: "ENGINE" }] }
  - { name: flaky, models: [dying], endpoints: [{ address: "DYING" }] }
  - { name: reasoning, models: [thinker], endpoints: [{ address: "THINKER" }] }
  - { name: keeping, models: [keeper], dialect: anthropic, endpoints: [{ address: "KEEPER" }] }
  - { name: nobody, models: [nobody], endpoints: [{ address: "NOBODY" }] }
  - name: half
    models: [half]
    loadBalancer: { policy: RoundRobin }
    outlierDetection: { consecutiveErrors: 0 }
    endpoints: [{ address: "ENGINE" }, { address: "NOBODY" }]
routes:
  - name: chat
    rules:
      - matches: [{ model: { value: m } }]
        backendRefs: [{ pool: fleet }]
      - matches: [{ model: { value: falls-back } }]
        backendRefs: [{ pool: nobody }, { pool: fleet, priority: 1, model: m }]
      - matches: [{ model: { value: retries } }]
        backendRefs: [{ pool: half, model: m }]
"#;

/// An answer with what the simulated engines do not report.
const REASONED: &str = r#"{"id":"c","object":"chat.completion","model":"thinker-2","choices":[],
    "usage":{"prompt_tokens":5,"completion_tokens":9,"total_tokens":14,
    "prompt_tokens_details":{"audio_tokens":2,"image_tokens":1},
    "completion_tokens_details":{"reasoning_tokens":6,"audio_tokens":1,"image_tokens":1}}}"#;

/// One with what a cache keeps.
const KEPT: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"keeper-1","content":[],
    "stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":2,
    "cache_creation_input_tokens":10,"cache_creation":{"ephemeral_5m_input_tokens":4,
    "ephemeral_1h_input_tokens":6}}}"#;

/// The answer of a machine's service for identities.
const TOKEN: &str = r#"{"access_token":"t","expires_in":"3600"}"#;

/// A gateway that has been asked in every way.
pub struct Traffic {
    gateway: Gateway,
    requests: usize,
    _engines: [EngineServer; 2],
    _upstreams: [Upstream; 2],
}

impl Traffic {
    pub async fn of_every_kind() -> Self {
        let engines = [engine("m", 1000.0).await, engine("dying", 1000.0).await];
        let death = Some(Deaths {
            rate: 1.0,
            after_tokens: 3,
        });
        engines[1].faults().replace(FaultSpec {
            death,
            ..FaultSpec::default()
        });
        let thinker = Upstream::always(answer("200 OK", "application/json", REASONED)).await;
        let keeper = Upstream::always(answer("200 OK", "application/json", KEPT)).await;
        let config = CONFIG
            .replace("ENGINE", &engines[0].addr().to_string())
            .replace("DYING", &engines[1].addr().to_string())
            .replace("THINKER", &thinker.address.to_string())
            .replace("KEEPER", &keeper.address.to_string())
            .replace("NOBODY", &free_address().to_string());
        let identities = Upstream::always(answer("200 OK", "application/json", TOKEN)).await;
        let identities = format!("http://{}", identities.address);
        let variables = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", identities.as_str())];
        let gateway = Gateway::start_in(&config, &["--drain-delay", "200ms"], &variables).await;
        let mut traffic = Self {
            gateway,
            requests: 0,
            _engines: engines,
            _upstreams: [thinker, keeper],
        };
        traffic.ask().await;
        traffic
    }

    async fn ask(&mut self) {
        let mut known = chat("m", true, 5);
        let headers = known.headers_mut();
        headers.insert("user-agent", "docs".parse().unwrap());
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.insert("traceparent", trace.parse().unwrap());
        let long = "A sluice holds back what is not wanted yet. ".repeat(50);
        let message = json!({ "role": "user", "content": long });
        let cached = json!({ "model": "m", "max_tokens": 2, "messages": [message] });
        let mut requests = vec![known, chat("unknown", false, 1), chat("thinker", false, 1)];
        requests.extend([chat("dying", true, 20), chat("falls-back", false, 1)]);
        requests.extend((0..2).map(|_| post("/v1/chat/completions", &cached)));
        requests.extend((0..4).map(|_| chat("retries", false, 1)));
        requests.extend([translated(), chat("keeper", false, 1)]);
        self.requests = requests.len();
        for request in requests {
            once(self.address(), request).await;
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.gateway.address
    }

    pub async fn scrape(&self) -> String {
        self.gateway.metrics().await
    }

    /// The line of each request.
    pub async fn access_log(&self) -> Vec<Value> {
        eventually("every line is written", || async {
            self.gateway.access_log().len() >= self.requests
        })
        .await;
        self.gateway.access_log()
    }
}

/// A request that is translated, with a field that cannot be.
pub fn translated() -> Request<Full<Bytes>> {
    let message = json!({ "role": "user", "content": "What is a sluice?" });
    let body = json!({ "model": "m", "max_tokens": 2, "top_k": 4, "messages": [message] });
    post("/v1/messages", &body)
}

/// A question for tokens that no backend can answer.
pub fn counted() -> Request<Full<Bytes>> {
    let message = json!({ "role": "user", "content": "What is a sluice?" });
    post(
        "/v1/messages/count_tokens",
        &json!({ "model": "m", "messages": [message] }),
    )
}
