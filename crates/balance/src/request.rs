//! What a pick is asked, what it answers, and what it is told afterwards.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::endpoint::Endpoint;
use crate::identity::EndpointId;
use crate::prefix::Chain;

/// What a request is expected to cost, in tokens. Estimates or bounds; zero where unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Tokens to prefill.
    pub prompt_tokens: u32,
    /// Tokens to generate.
    pub output_tokens: u32,
}

/// What a pick depends on besides the pool.
#[derive(Clone, Copy, Debug, Default)]
pub struct PickRequest<'a> {
    /// Reserved at the endpoint until the token is released.
    pub cost: Cost,
    /// Endpoints that must not be picked, usually because they failed this request.
    pub exclude: &'a [EndpointId],
    /// What policies with affinity keep together; the others ignore it.
    pub hash_key: Option<u64>,
    /// The prompt, for policies that know the engines' caches; empty if it is not known.
    pub chain: Chain<'a>,
}

/// An endpoint with a place reserved at it.
#[derive(Debug)]
pub struct Pick {
    /// The endpoint.
    pub endpoint: Arc<Endpoint>,
    /// The place; to be released.
    pub token: Token,
    /// Where to go if the endpoint fails, next best first, nothing reserved; take a place with
    /// [`Pool::reserve`](crate::Pool::reserve).
    pub alternatives: SmallVec<[Arc<Endpoint>; 3]>,
}

/// A place at an endpoint. Counts there until it is given to
/// [`Pool::release`](crate::Pool::release), exactly once; dropping it leaks the place.
#[derive(Debug)]
#[must_use = "the place is taken until the token is released"]
pub struct Token {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) cost: Cost,
    /// The endpoint's ejection epoch when the place was taken: what began before an ejection or
    /// a recovery says nothing about what is after it.
    pub(crate) epoch: u32,
    /// Whether this request tries out an endpoint that was ejected.
    pub(crate) trial: bool,
    pub(crate) began: bool,
    /// Tokens of the prompt to prefill, by what was known of the endpoint's cache.
    pub(crate) prefill: u32,
    /// Tokens to prefill there before it.
    pub(crate) ahead: u64,
}

impl Token {
    /// Where the place is.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// What is reserved.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.cost
    }
}

/// How a response began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Began {
    /// How long after the request was sent.
    pub after: Duration,
    /// Whether that is the time of its first token, of which most is prefilling: neither an error nor the
    /// whole of an answer that is not streamed. From such times the endpoint's pace is learned.
    pub by_first_token: bool,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The endpoint answered well, to the end.
    Success {
        /// Time from sending to the first token, unless
        /// [`Pool::response_began`](crate::Pool::response_began) was told it.
        first_token: Option<Duration>,
        /// Tokens generated; zero if not known.
        output_tokens: u32,
    },
    /// The endpoint failed.
    Failure(FailureKind),
    /// The client left: says nothing about the endpoint.
    Cancelled,
    /// The endpoint answered, but the answer says nothing about its health, as most 4xx.
    Neutral,
}

/// How an endpoint failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection: refused, unreachable, TLS failed or timed out.
    Connect,
    /// The connection was there, the answer did not come in time.
    Timeout,
    /// The connection broke before the answer began.
    Reset,
    /// An answer with this status, which the caller judges to be the endpoint's fault.
    Status(u16),
    /// The answer broke after it began.
    Stream,
}

/// Why no endpoint was picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PickError {
    /// The pool has no endpoint of a weight above zero.
    #[error("the pool has no endpoints")]
    NoEndpoints,
    /// Every endpoint that could be picked is excluded by the request.
    #[error("every available endpoint of the pool was already tried")]
    AllExcluded,
    /// An endpoint could be picked if it were not at its limit of requests in flight.
    #[error("every available endpoint of the pool is at its limit of requests in flight")]
    AllFull,
    /// Endpoints are ejected or fail their probes.
    #[error("no endpoint of the pool is healthy")]
    AllUnhealthy,
}

/// Why there is no place at an endpoint that was an alternative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReserveError {
    /// It left the pool.
    #[error("the endpoint left the pool")]
    Gone,
    /// It is at its limit of requests in flight.
    #[error("the endpoint is at its limit of requests in flight")]
    Full,
    /// It was ejected or fails its probes.
    #[error("the endpoint is not healthy")]
    Unhealthy,
}
