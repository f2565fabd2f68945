//! What is known of a finished request, as plain values.
//!
//! It borrows: the record is made once at the end of a request, from what the request already
//! holds, and costs no allocation. There is no field for a prompt, an answer, a header's value other
//! than those named, or a query string, so none can reach a log.

use crate::{
    error_type::ErrorType,
    format::{milliseconds, rfc3339, text},
};
use serde::{Serialize, Serializer};
use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

#[cfg(test)]
pub(crate) mod tests;

/// A finished request. Its serialised form is a line of the access log: the fields have their names
/// here, durations are in milliseconds with microsecond digits and end in `_ms`, absent values are
/// left out, and strings longer than their bound are cut.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RequestRecord<'a> {
    /// When the request began; in the log RFC 3339, UTC, with microseconds.
    #[serde(serialize_with = "rfc3339")]
    pub timestamp: SystemTime,
    /// The id given to the request, also answered to the client as `x-request-id`.
    #[serde(serialize_with = "text::<_, 128>")]
    pub request_id: &'a str,
    /// Name of the listener that accepted it.
    pub listener: &'a str,
    /// Name of the route that matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'a str>,
    /// The route's rule, by name or index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'a str>,
    /// HTTP method.
    #[serde(serialize_with = "text::<_, 32>")]
    pub method: &'a str,
    /// Path *without the query*, which may carry credentials; what follows a `?` is cut off.
    #[serde(serialize_with = "path")]
    pub path: &'a str,
    /// HTTP status answered to the client; 499 when it left before there was one.
    pub status: u16,
    /// How the request ended.
    pub outcome: Outcome,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorType>,
    /// A message for the operator; must not hold secrets or content.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_text::<_, 512>"
    )]
    pub error_detail: Option<&'a str>,
    /// API dialect of the client: `openai`, `anthropic` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dialect: Option<&'a str>,
    /// Operation within the dialect: `chat`, `embeddings` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'a str>,
    /// The model that the client asked for, as it wrote it.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_text::<_, 256>"
    )]
    pub model_requested: Option<&'a str>,
    /// The model that the upstream says it used.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_text::<_, 256>"
    )]
    pub model_served: Option<&'a str>,
    /// Name of the provider or pool of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<&'a str>,
    /// Name of the endpoint of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<&'a str>,
    /// Attempts made at an upstream, the first included.
    pub attempts: u32,
    /// Whether the response was a stream.
    pub stream: bool,
    /// Tokens used.
    #[serde(flatten)]
    pub tokens: Tokens,
    /// From the request's first byte to the response's last.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
    /// From the request's first byte to the response's first token.
    #[serde(
        rename = "time_to_first_token_ms",
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_milliseconds"
    )]
    pub time_to_first_token: Option<Duration>,
    /// Mean time per output token after the first.
    #[serde(
        rename = "time_per_output_token_ms",
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_milliseconds"
    )]
    pub time_per_output_token: Option<Duration>,
    /// The gateway's own share of the duration, see [`UpstreamTime`](crate::UpstreamTime).
    #[serde(rename = "overhead_ms", serialize_with = "milliseconds")]
    pub overhead: Duration,
    /// Bytes of the request body received.
    pub bytes_received: u64,
    /// Bytes of the response body sent.
    pub bytes_sent: u64,
    /// Name of the caller (a key's name, a JWT subject, a SPIFFE id), never its credential.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_text::<_, 256>"
    )]
    pub caller: Option<&'a str>,
    /// Address of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ip: Option<IpAddr>,
    /// The W3C `traceparent` of the request.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_text::<_, 128>"
    )]
    pub traceparent: Option<&'a str>,
    /// The client's `user-agent`.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_text::<_, 256>"
    )]
    pub user_agent: Option<&'a str>,
}

/// Tokens by class. `None` is "not known", which is not zero. The classes overlap as OpenTelemetry
/// says: cached and cache-creation tokens are part of the input, reasoning tokens of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// Tokens of the prompt.
    #[serde(rename = "input_tokens", skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// Tokens generated.
    #[serde(rename = "output_tokens", skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// Tokens of the prompt that were read from the upstream's cache.
    #[serde(
        rename = "cached_input_tokens",
        skip_serializing_if = "Option::is_none"
    )]
    pub cached_input: Option<u64>,
    /// Tokens of the prompt that were written to the upstream's cache.
    #[serde(
        rename = "cache_creation_input_tokens",
        skip_serializing_if = "Option::is_none"
    )]
    pub cache_creation_input: Option<u64>,
    /// Tokens generated as reasoning.
    #[serde(rename = "reasoning_tokens", skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
    /// Whether the counts are our estimate because the upstream did not report them.
    #[serde(
        rename = "tokens_estimated",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub estimated: bool,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The response was complete, whatever its status.
    Completed,
    /// The gateway answered by itself: a check failed, a limit was reached, nothing could serve it.
    Rejected,
    /// The client left before the response was complete.
    ClientAborted,
    /// The upstream failed, and no other attempt could mend it.
    UpstreamFailed,
}

impl Outcome {
    /// Every value, in the order of declaration.
    pub const ALL: [Self; 4] = [
        Self::Completed,
        Self::Rejected,
        Self::ClientAborted,
        Self::UpstreamFailed,
    ];

    /// The label value: the name in snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::ClientAborted => "client_aborted",
            Self::UpstreamFailed => "upstream_failed",
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Longest path that is logged, in bytes.
const MAX_PATH: usize = 1024;

fn path<S: Serializer>(path: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let without_query = path.split('?').next().unwrap_or_default();
    text::<S, MAX_PATH>(without_query, serializer)
}

fn optional_text<S: Serializer, const MAX: usize>(
    value: &Option<&str>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    text::<S, MAX>(value.unwrap_or_default(), serializer)
}

fn optional_milliseconds<S: Serializer>(
    value: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    milliseconds(&value.unwrap_or_default(), serializer)
}
