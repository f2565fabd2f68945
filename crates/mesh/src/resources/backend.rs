//! What providers and pools have in common: how their endpoints are connected to and judged.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Duration;

/// Which HTTP is spoken to the endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Over TLS what the endpoint chooses (ALPN); on plain sockets HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only; on plain sockets by prior knowledge. gRPC needs it.
    H2,
}

/// The client side of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UpstreamTls {
    /// Path of a file with the certificate authorities (PEM) to trust instead of the public ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Name that is sent (SNI) and that the certificate must carry. Default: the host connected
    /// to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// How connections to endpoints are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConnectionPool {
    /// Requests in flight at most to one endpoint, from this proxy. At least 1. Absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_requests_per_endpoint: Option<u32>,
    /// Idle connections kept at most per endpoint. 0 keeps none. Default: 128.
    pub max_idle_per_endpoint: u32,
    /// How long an idle HTTP/1.1 connection is kept. Should be less than the upstream's own
    /// keep-alive timeout, or requests meet connections that are just being closed. More than 0s.
    /// Absent: 4s for pools, since vLLM and SGLang close after 5s; 55s for providers, since cloud
    /// load balancers close after 60s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Duration>,
    /// Age from which a connection takes no new request, so that a fleet behind one address is
    /// spread anew. More than 0s. Absent: 30m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// HTTP/2 connections at most per endpoint; one more is opened when the streams of the others
    /// are used up. At least 1. Default: 4.
    #[schemars(range(min = 1))]
    pub http2_max_connections: u32,
}

impl Default for ConnectionPool {
    fn default() -> Self {
        Self {
            max_requests_per_endpoint: None,
            max_idle_per_endpoint: 128,
            idle_timeout: None,
            max_age: None,
            http2_max_connections: 4,
        }
    }
}

/// When an endpoint that fails is left out for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutlierDetection {
    /// Failures in a row (connect errors, resets, timeouts, 5xx) that eject an endpoint. 0 ejects
    /// none. Default: 5.
    pub consecutive_errors: u32,
    /// Length of the first ejection; the n-th in close succession is n times as long. More than
    /// 0s. Default: 10s.
    pub base_ejection_time: Duration,
    /// Length of an ejection at most. At least baseEjectionTime. Default: 1m.
    pub max_ejection_time: Duration,
    /// Percentage of the endpoints that may be ejected at the same time; at least one may be,
    /// unless it is the only one. 0 to 100. Default: 50.
    #[schemars(range(min = 0, max = 100))]
    pub max_ejection_percent: u8,
    /// When fewer than this percentage of the endpoints are healthy, health is ignored: better
    /// some answers from a bad fleet than none (Envoy's panic threshold). 0 to 100; 0 never
    /// ignores health. Default: 50.
    #[schemars(range(min = 0, max = 100))]
    pub min_health_percent: u8,
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            consecutive_errors: 5,
            base_ejection_time: Duration::from_secs(10),
            max_ejection_time: Duration::from_secs(60),
            max_ejection_percent: 50,
            min_health_percent: 50,
        }
    }
}

/// How many retries may be made, as a share of the requests: a bound on the load that retries add
/// to endpoints that are overloaded already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryBudget {
    /// Retries as a percentage of requests. 0 to 100. Default: 20.
    #[schemars(range(min = 0, max = 100))]
    pub percent: u8,
    /// Retries per second that are allowed however few requests there are. Default: 10.
    pub min_retries_per_second: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            percent: 20,
            min_retries_per_second: 10,
        }
    }
}
