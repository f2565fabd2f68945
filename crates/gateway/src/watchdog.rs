//! The two clocks of an answer under way: the gap between chunks and the total.
//!
//! One timer serves both. A chunk only notes when it came; the timer is polled when it has fired,
//! and is then set to what is really due. Setting it anew at every chunk would cost a timer-wheel
//! operation a chunk, for a timeout that almost never strikes. While it has yet to fire and will
//! wake this task, it need not even be polled.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::coop;
use tokio::time::{Instant, Sleep};

/// Which of a request's timeouts struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timeout {
    /// No connection to the endpoint in time.
    Connect,
    /// The answer did not begin in time.
    FirstToken,
    /// A stream fell silent.
    BetweenChunks,
    /// One attempt took longer than the route allows.
    BackendRequest,
    /// The whole request took longer than the route allows.
    Request,
}

impl Timeout {
    /// The name of the field under `timeouts` that sets it.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Timeout::Connect => "connect",
            Timeout::FirstToken => "firstToken",
            Timeout::BetweenChunks => "betweenChunks",
            Timeout::BackendRequest => "backendRequest",
            Timeout::Request => "request",
        }
    }
}

/// Watches an answer under way.
#[derive(Debug)]
pub(crate) struct Watchdog {
    timer: Pin<Box<Sleep>>,
    /// Whom the timer wakes when it fires.
    wakes: Option<Waker>,
    /// When the last chunk came.
    last: Instant,
    between: Option<Duration>,
    end: Option<Instant>,
}

impl Watchdog {
    /// Allows `between` from one chunk to the next, and nothing after `end`; `None` if neither is
    /// bounded.
    pub(crate) fn new(
        now: Instant,
        between: Option<Duration>,
        end: Option<Instant>,
    ) -> Option<Self> {
        let due = earlier(between.map(|gap| now + gap), end)?;
        Some(Self {
            timer: Box::pin(tokio::time::sleep_until(due)),
            wakes: None,
            last: now,
            between,
            end,
        })
    }

    /// A chunk came.
    pub(crate) fn fed(&mut self, now: Instant) {
        self.last = now;
    }

    /// Ready when a timeout has struck; registers for a wake-up otherwise.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Timeout> {
        if self.will_wake(context) {
            return Poll::Pending;
        }
        loop {
            // A timer that is polled by a task without budget only wakes it at once.
            let registers = coop::has_budget_remaining();
            if self.timer.as_mut().poll(context).is_pending() {
                self.wakes = registers.then(|| context.waker().clone());
                return Poll::Pending;
            }
            let now = Instant::now();
            if self.end.is_some_and(|end| now >= end) {
                return Poll::Ready(Timeout::Request);
            }
            let silent_at = self.between.map(|gap| self.last + gap);
            match earlier(silent_at, self.end) {
                Some(due) if due > now => self.timer.as_mut().reset(due),
                _ => return Poll::Ready(Timeout::BetweenChunks),
            }
        }
    }

    /// Whether the timer has yet to fire and will wake this task then. It may have fired while
    /// nobody polled it, as where the client took nothing for a time.
    fn will_wake(&self, context: &Context<'_>) -> bool {
        let this_task = |waker: &Waker| waker.will_wake(context.waker());
        !self.timer.is_elapsed() && self.wakes.as_ref().is_some_and(this_task)
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests;
