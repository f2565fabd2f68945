//! A set of endpoints of one's own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backend::{ConnectionPool, OutlierDetection, Protocol, RetryBudget, UpstreamTls};
use super::secret::SecretRef;
use super::units::Duration;

/// Endpoints of one's own that serve the same: replicas of an inference engine, or of any HTTP
/// service. Exactly one of `endpoints` and `dns` is set. Without any route that refers to it, a
/// pool of an LLM dialect serves its own models under their own names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PoolSpec {
    /// API that the endpoints speak, or none for a plain HTTP, gRPC or WebSocket service. Default:
    /// openai.
    pub dialect: PoolDialect,
    /// HTTP version spoken. Default: auto.
    pub protocol: Protocol,
    /// The endpoints themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// A name whose every address is an endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// Path in front of the dialect's own, such as `/v1`. Only for an LLM dialect. Default: `/v1`,
    /// and none for ollama, whose paths have no version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_path: Option<String>,
    /// Names of the models they serve. Empty: any model that nothing else serves. Only for an LLM
    /// dialect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Key that is sent with each request in the place of the client's. Absent: none is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretRef>,
    /// Connect with TLS. Absent: plain sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// How an endpoint is chosen.
    pub load_balancer: LoadBalancer,
    /// Ask the endpoints for their health. Absent: they are judged by their answers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// When an endpoint that fails is left out.
    pub outlier_detection: OutlierDetection,
    /// How connections are kept.
    pub connection_pool: ConnectionPool,
    /// How many retries may be made.
    pub retry_budget: RetryBudget,
}

/// The APIs that a pool can speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PoolDialect {
    /// OpenAI's API, as vLLM, SGLang and others serve it.
    #[default]
    Openai,
    /// Anthropic's API, as vLLM and others serve it beside OpenAI's.
    Anthropic,
    /// Ollama's own API.
    Ollama,
    /// Not an LLM API.
    None,
}

/// One replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// Name by which statistics are kept, unique in the pool. Default: the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Host (name or IP address) and port, such as `10.0.0.7:8000` or `[fd00::7]:8000`.
    pub address: String,
    /// Share of the requests relative to the other endpoints, for the policies that weigh. 1 to
    /// 1000000. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub weight: u32,
}

fn one() -> u32 {
    1
}

/// A name whose every address is an endpoint, such as a headless Kubernetes service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dns {
    /// Name to resolve.
    pub host: String,
    /// Port of every endpoint. 1 to 65535.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// How often the name is resolved again. At least 100ms. Default: 5s.
    #[serde(default = "default_refresh")]
    pub refresh: Duration,
}

fn default_refresh() -> Duration {
    Duration::from_secs(5)
}

/// How an endpoint is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadBalancer {
    /// Rule by which an endpoint is chosen. Default: LeastRequest.
    pub policy: LoadBalancerPolicy,
    /// Endpoints that LeastRequest draws at random to compare. 2 to 16. Default: 2.
    #[schemars(range(min = 2, max = 16))]
    pub choices: u8,
    /// Tokens whose keys and values an endpoint's engine has memory for (vLLM logs it at its start). By
    /// it, rules that know prefixes tell what an engine still has in its cache. At least 1. Default: 300000.
    #[schemars(range(min = 1))]
    pub cache_tokens: u64,
}

impl Default for LoadBalancer {
    fn default() -> Self {
        Self {
            policy: LoadBalancerPolicy::default(),
            choices: 2,
            cache_tokens: 300_000,
        }
    }
}

/// Rules by which an endpoint is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LoadBalancerPolicy {
    /// Each in turn, whatever its weight.
    RoundRobin,
    /// Each in turn, as often as its weight says.
    WeightedRoundRobin,
    /// Any, with a probability by weight.
    Random,
    /// The one with the fewest requests in flight for its weight, out of a few drawn at random.
    #[default]
    LeastRequest,
    /// The one where the request delays all requests least, by what this gateway knows of each: tokens to
    /// prefill, requests in flight, which beginning of the prompt its engine has in its cache, and how
    /// fast it lately was. For engines such as vLLM.
    PredictedLatency,
    /// The one with the fewest tokens to prefill, this request's own that are not in its cache included.
    LeastPendingWork,
    /// Tokens to prefill times requests in flight, as LMetric has it.
    LMetric,
    /// Tokens to prefill and tokens of context, as NVIDIA Dynamo's router has it.
    Dynamo,
    /// The longest match in a cache, unless load differs much, as SGLang's router has it.
    #[serde(rename = "SGLang")]
    Sglang,
    /// The best of queue, memory and match, as llm-d scores them.
    LlmD,
    /// The longest match among endpoints that are not too busy, as AIBrix has it.
    #[serde(rename = "AIBrix")]
    AiBrix,
}

impl LoadBalancerPolicy {
    /// Whether it looks at what engines have in their prefix caches.
    pub const fn knows_prefixes(self) -> bool {
        match self {
            Self::RoundRobin | Self::WeightedRoundRobin | Self::Random | Self::LeastRequest => {
                false
            }
            Self::PredictedLatency
            | Self::LeastPendingWork
            | Self::LMetric
            | Self::Dynamo
            | Self::Sglang
            | Self::LlmD
            | Self::AiBrix => true,
        }
    }
}

/// Active probing of health: `GET path` of each endpoint, where any 2xx is healthy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HealthCheck {
    /// Path that is asked for. Default: `/health`.
    pub path: String,
    /// Time from one probe to the next. At least 100ms. Default: 5s.
    pub interval: Duration,
    /// Time after which a probe has failed. More than 0s. Default: 2s.
    pub timeout: Duration,
    /// Probes in a row that must succeed until an unhealthy endpoint is used again. At least 1.
    /// Default: 1.
    #[schemars(range(min = 1))]
    pub healthy_threshold: u32,
    /// Probes in a row that must fail until an endpoint is no longer used. At least 1. Default: 3.
    #[schemars(range(min = 1))]
    pub unhealthy_threshold: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: "/health".to_owned(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            healthy_threshold: 1,
            unhealthy_threshold: 3,
        }
    }
}
