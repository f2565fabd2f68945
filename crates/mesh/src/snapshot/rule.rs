//! Rules made ready: what becomes of the requests that match, with nothing left to look up.

mod compile;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

pub(super) use compile::{Backends, Place, compile};

use super::backend::Backend;
use super::filters::{Filters, FixedResponse, Redirect};
use crate::resources::Translation;

/// What becomes of the requests that match.
#[derive(Debug)]
pub struct Rule {
    /// Name of its route, with the namespace in front (`namespace/name`) unless it is the default
    /// one; for a backend without routes, that of the backend.
    pub route: Arc<str>,
    /// Its own name: unique in the route, by default its index.
    pub name: Arc<str>,
    /// Which requests it is for.
    pub kind: RuleKind,
    /// What is done with them.
    pub action: Action,
    /// What is changed in request and response.
    pub filters: Filters,
    /// Bounds on time.
    pub timeouts: Timeouts,
    /// When a failed attempt is repeated.
    pub retry: RetryPolicy,
    /// What becomes of a request that a backend of another dialect cannot express in full.
    pub translation: Translation,
    /// Whether media are fetched that a backend of another dialect takes only within the request.
    pub fetch_media: bool,
}

/// Which requests a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleKind {
    /// Those of an LLM dialect's paths: nothing else may reach an engine.
    Llm,
    /// All that match.
    Plain,
}

/// What a rule does.
#[derive(Debug)]
pub enum Action {
    /// Forward to one of these, in order of priority. Never empty.
    Forward(Vec<Tier>),
    /// Answer with a redirect.
    Redirect(Redirect),
    /// Answer by itself.
    Respond(FixedResponse),
}

impl Rule {
    /// The tiers to forward to; empty for a rule that answers by itself.
    pub fn tiers(&self) -> &[Tier] {
        match &self.action {
            Action::Forward(tiers) => tiers,
            Action::Redirect(_) | Action::Respond(_) => &[],
        }
    }

    /// All targets, in order of priority.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.tiers().iter().flat_map(Tier::targets)
    }
}

/// Targets of one priority.
#[derive(Debug)]
pub struct Tier {
    priority: u8,
    targets: Vec<Target>,
    /// Sum of the weights up to and including the target of the same index; strictly increasing.
    cumulative: Vec<u64>,
}

/// A backend, and what is asked of it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where requests go.
    pub backend: Arc<Backend>,
    /// Share of the tier's requests, at least 1.
    pub weight: u32,
    /// Model that is asked for in the place of the client's.
    pub model: Option<Arc<str>>,
}

impl Tier {
    /// A tier of the targets whose weight is not 0; `None` if there are none.
    fn new(priority: u8, mut targets: Vec<Target>) -> Option<Self> {
        targets.retain(|target| target.weight > 0);
        let cumulative = targets.iter().scan(0, |sum, target| {
            *sum += u64::from(target.weight);
            Some(*sum)
        });
        let cumulative: Vec<u64> = cumulative.collect();
        (!targets.is_empty()).then_some(Self {
            priority,
            targets,
            cumulative,
        })
    }

    /// Its priority: a tier of a higher number is tried after one of a lower.
    pub fn priority(&self) -> u8 {
        self.priority
    }

    /// Its targets, at least one.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The target that a uniformly random number falls to, by weight.
    pub fn pick(&self, random: u64) -> &Target {
        let total = self.cumulative.last().copied().unwrap_or_default();
        let point = (u128::from(random) * u128::from(total)) >> 64;
        let index = self
            .cumulative
            .partition_point(|sum| u128::from(*sum) <= point);
        // `point` is below the last sum, so the index is one of a target.
        &self.targets[index]
    }
}

/// Bounds on time; `None` is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To open a connection.
    pub connect: Duration,
    /// From sending an attempt to its first token.
    pub first_token: Option<Duration>,
    /// Longest pause within a response.
    pub between_chunks: Option<Duration>,
    /// The whole, retries included.
    pub request: Option<Duration>,
    /// One attempt that is not streamed.
    pub backend_request: Option<Duration>,
}

/// When a failed attempt is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Repetitions at most, after the first attempt.
    pub attempts: u8,
    /// The statuses of 400 to 599 that are repeated, a bit each.
    codes: [u64; 4],
    /// The first pause at most.
    pub backoff_base: Duration,
    /// Any pause at most.
    pub backoff_max: Duration,
}

impl RetryPolicy {
    /// Whether an answer of this status is a failure to be repeated.
    pub fn retries(&self, status: StatusCode) -> bool {
        let bit = status.as_u16().checked_sub(400).map(usize::from);
        bit.and_then(|bit| Some(self.codes.get(bit / 64)? >> (bit % 64) & 1 == 1))
            .unwrap_or(false)
    }

    /// The statuses that are repeated, ascending.
    pub fn codes(&self) -> impl Iterator<Item = u16> {
        (400..600)
            .filter(|code| StatusCode::from_u16(*code).is_ok_and(|status| self.retries(status)))
    }

    /// The longest pause before the `n`-th repetition, counted from 0: doubled each time. A pause
    /// is drawn from between 0 and this.
    pub fn backoff(&self, n: u32) -> Duration {
        self.backoff_base
            .saturating_mul(2u32.saturating_pow(n))
            .min(self.backoff_max)
    }
}

#[cfg(test)]
mod tests;
