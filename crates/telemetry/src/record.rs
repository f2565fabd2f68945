//! What is known of a finished request, as plain values.
//!
//! It borrows: the record is made once at the end of a request, from what the request already
//! holds, and costs no allocation. There is no field for a prompt, an answer, a header's value other
//! than those named, or a query string, so none can reach a log.

use crate::error_type::ErrorType;
use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

mod line;
#[cfg(test)]
pub(crate) mod tests;

/// A finished request. Written out it is a line of the access log ([`write_line`](Self::write_line)):
/// the fields have their names here, durations are in milliseconds with microsecond digits and end in `_ms`, absent values are
/// left out, and strings longer than their bound are cut.
#[derive(Clone, Copy, Debug)]
pub struct RequestRecord<'a> {
    /// When the request began; in the log RFC 3339, UTC, with microseconds.
    pub timestamp: SystemTime,
    /// The id given to the request, also answered to the client as `x-request-id`.
    pub request_id: &'a str,
    /// Name of the listener that accepted it.
    pub listener: &'a str,
    /// Name of the route that matched.
    pub route: Option<&'a str>,
    /// The route's rule, by name or index.
    pub rule: Option<&'a str>,
    /// HTTP method.
    pub method: &'a str,
    /// Path *without the query*, which may carry credentials; what follows a `?` is cut off.
    pub path: &'a str,
    /// HTTP status answered to the client; 499 when it left before there was one.
    pub status: u16,
    /// How the request ended.
    pub outcome: Outcome,
    /// Why it failed, if it did.
    pub error: Option<ErrorType>,
    /// A message for the operator; must not hold secrets or content.
    pub error_detail: Option<&'a str>,
    /// API dialect of the client: `openai`, `anthropic` …
    pub dialect: Option<&'a str>,
    /// Operation within the dialect: `chat`, `embeddings` …
    pub operation: Option<&'a str>,
    /// The model that the client asked for, as it wrote it.
    pub model_requested: Option<&'a str>,
    /// The model that the upstream says it used.
    pub model_served: Option<&'a str>,
    /// Name of the provider or pool of the last attempt.
    pub backend: Option<&'a str>,
    /// Name of the endpoint of the last attempt.
    pub endpoint: Option<&'a str>,
    /// Attempts made at an upstream, the first included.
    pub attempts: u32,
    /// Whether the response was a stream.
    pub stream: bool,
    /// Tokens used.
    pub tokens: Tokens,
    /// From the request's first byte to the response's last.
    pub duration: Duration,
    /// From the request's first byte to the response's first token.
    pub time_to_first_token: Option<Duration>,
    /// Mean time per output token after the first.
    pub time_per_output_token: Option<Duration>,
    /// The gateway's own share of the duration, see [`UpstreamTime`](crate::UpstreamTime).
    pub overhead: Duration,
    /// Bytes of the request body received.
    pub bytes_received: u64,
    /// Bytes of the response body sent.
    pub bytes_sent: u64,
    /// Name of the caller (a key's name, a JWT subject, a SPIFFE id), never its credential.
    pub caller: Option<&'a str>,
    /// Address of the client.
    pub client_ip: Option<IpAddr>,
    /// The W3C `traceparent` of the request.
    pub traceparent: Option<&'a str>,
    /// The client's `user-agent`.
    pub user_agent: Option<&'a str>,
}

/// Tokens by class. `None` is "not known", which is not zero. The classes overlap as OpenTelemetry
/// says: cached and cache-creation tokens are part of the input, reasoning tokens of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Tokens of the prompt.
    pub input: Option<u64>,
    /// Tokens generated.
    pub output: Option<u64>,
    /// Tokens of the prompt that were read from the upstream's cache.
    pub cached_input: Option<u64>,
    /// Tokens of the prompt that were written to the upstream's cache.
    pub cache_creation_input: Option<u64>,
    /// Of these, those that the cache keeps for an hour.
    pub cache_creation_hour_input: Option<u64>,
    /// Tokens of the prompt that are audio.
    pub input_audio: Option<u64>,
    /// Tokens of the prompt that are images.
    pub input_image: Option<u64>,
    /// Tokens generated as reasoning.
    pub reasoning: Option<u64>,
    /// Tokens generated as audio.
    pub output_audio: Option<u64>,
    /// Tokens generated as images.
    pub output_image: Option<u64>,
    /// Whether the counts are our estimate because the upstream did not report them.
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
