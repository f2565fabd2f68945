//! Getting an answer: attempt after attempt, until one has begun.
//!
//! An answer has *begun* at its first text, reasoning, refusal or tool call; until then the client
//! has seen nothing and every failure may be repeated elsewhere. Repeating costs somebody's
//! capacity, so it is bounded three times: by the rule's count of attempts, by the backend's retry
//! budget (see [`targets`](crate::targets)), and by the request's total time.

mod failed;
mod hold;
mod once;
mod place;

use std::sync::Arc;

use llm::translate::Dropped;
use tokio::time::Instant;

pub(crate) use failed::{Failed, Reason, UpstreamAnswer};
pub(crate) use hold::Held;
pub(crate) use place::Place;

use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::route::Routed;
use crate::runtime::Runtime;
use crate::shared::Shared;
use crate::targets::{Candidate, Targets};
use crate::watchdog::Timeout;

/// An answer that has begun, and what is needed to see it through.
pub(crate) struct Begun {
    pub(crate) head: http::response::Parts,
    pub(crate) held: Held,
    pub(crate) place: Place,
    /// When the whole request must be over.
    pub(crate) end: Option<Instant>,
    /// The request's fields that could not be said in the backend's dialect.
    pub(crate) dropped: Dropped,
}

/// How an attempt loop ended without an answer of its own making.
pub(crate) enum Ran {
    /// An upstream's answer has begun.
    Begun(Box<Begun>),
    /// No attempt succeeded, but the last one left an answer that tells the client more than we
    /// could: it is passed on as it came.
    Relay(Box<UpstreamAnswer>, telemetry::ErrorType),
}

/// Tries targets until an answer has begun or nothing is left to try.
pub(crate) async fn run(
    runtime: &Runtime,
    shared: &Arc<Shared>,
    exchange: &mut Exchange,
    routed: &Routed,
) -> Result<Ran, Failure> {
    let end = routed
        .rule
        .timeouts
        .request
        .map(|limit| exchange.started + limit);
    let mut targets = Targets::new(&routed.rule, routed.api(), routed.prompt(), runtime);
    let mut last: Option<Failed> = None;
    let mut unsaid: Option<Failed> = None;
    loop {
        let now = Instant::now();
        if is_over(end, now) {
            return Err(Failure::timeout(Timeout::Request, &routed.rule.timeouts));
        }
        let free = last.as_ref().is_some_and(|failed| failed.free);
        let mut candidate = match targets.next(routed.cost, free, shared.clock.at(now)) {
            Ok(candidate) => candidate,
            Err(exhausted) => {
                // What no dialect could say is not why others failed or could not be asked.
                let unsaid = unsaid.filter(|_| exhausted.refused.is_none());
                return give_up(last.or(unsaid), Some(exhausted), routed);
            }
        };
        let mut place = Place::new(&mut candidate, shared, now);
        if candidate.again {
            if !back_off(routed, exchange.attempts, end).await {
                return give_up(last, None, routed);
            }
            place.begins(Instant::now());
        }
        note_repeat(shared, exchange, last.as_ref(), &candidate);
        match once::attempt(shared, exchange, routed, &candidate, place, end).await {
            Ok(begun) => return Ok(Ran::Begun(begun)),
            Err(failed) if failed.untranslatable.is_some() => {
                targets.cannot_say(candidate.target.backend.dialect);
                unsaid = Some(failed);
            }
            Err(failed) if !failed.repeatable => return give_up(Some(failed), None, routed),
            Err(failed) => {
                if failed.reason == Reason::Status(429) {
                    targets.was_busy();
                }
                last = Some(failed);
            }
        }
    }
}

/// Whether the time for the whole request is over: nothing more may be sent then.
fn is_over(end: Option<Instant>, now: Instant) -> bool {
    end.is_some_and(|end| now >= end)
}

/// Counts a retry or a fallback, by what the attempt before it failed of.
fn note_repeat(shared: &Shared, exchange: &Exchange, last: Option<&Failed>, next: &Candidate<'_>) {
    let Some(failed) = last else { return };
    let series = shared.metrics.series(&exchange.labels());
    if exchange.backend.as_deref() == Some(&*next.target.backend.name) {
        series.retry(failed.reason.error_type());
    } else {
        series.fallback(failed.reason.error_type());
    }
}

/// Waits before an endpoint is asked again: exponentially longer, with full jitter (AWS
/// Architecture Blog, "Exponential Backoff And Jitter"). False, at once, if the request would be
/// over by then.
async fn back_off(routed: &Routed, attempts: u32, end: Option<Instant>) -> bool {
    let longest = routed.rule.retry.backoff(attempts.saturating_sub(1));
    let wait = longest.mul_f64(fastrand::f64());
    if is_over(end, Instant::now() + wait) {
        return false;
    }
    tokio::time::sleep(wait).await;
    true
}

/// The end of a request that no attempt could answer.
fn give_up(
    last: Option<Failed>,
    exhausted: Option<crate::targets::Exhausted>,
    routed: &Routed,
) -> Result<Ran, Failure> {
    match (last, exhausted.and_then(|exhausted| exhausted.refused)) {
        (
            Some(Failed {
                answer: Some(answer),
                reason,
                ..
            }),
            _,
        ) => Ok(Ran::Relay(answer, reason.error_type())),
        (Some(failed), _) => Err(failed.into_failure(routed)),
        (None, Some((backend, reason))) => Err(Failure::NoEndpoint { backend, reason }),
        (None, None) => Err(Failure::NoRoute(routed.head.uri.path().to_owned())),
    }
}
