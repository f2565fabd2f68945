//! A place reserved at an endpoint, given back exactly once.
//!
//! `balance` hands out inert tokens; this guard makes sure that each comes back whatever becomes
//! of the request, and with the outcome that is true: a place that is merely dropped belonged to a
//! client that left, which says nothing about the endpoint.

use std::sync::Arc;

use balance::{Began, Outcome, Token};
use tokio::time::Instant;

use crate::shared::Clock;
use crate::shared::Shared;
use crate::targets::Candidate;

/// A reservation.
pub(crate) struct Place {
    pool: Arc<balance::Pool>,
    clock: Clock,
    token: Option<Token>,
    taken: Instant,
}

impl Place {
    /// Takes charge of the candidate's token.
    pub(crate) fn new(candidate: &mut Candidate<'_>, shared: &Shared, now: Instant) -> Self {
        Self {
            pool: Arc::clone(&candidate.upstream.pool),
            clock: shared.clock,
            token: candidate.token.take(),
            taken: now,
        }
    }

    /// The attempt begins only now: what was waited before is not the endpoint's time.
    pub(crate) fn begins(&mut self, now: Instant) {
        self.taken = now;
    }

    /// The answer has begun; `by_first_token` if it does by that.
    pub(crate) fn response_began(&mut self, by_first_token: bool, now: Instant) {
        if let Some(token) = &mut self.token {
            let began = Began {
                after: now.saturating_duration_since(self.taken),
                by_first_token,
            };
            self.pool.response_began(token, began, self.clock.at(now));
        }
    }

    /// Gives the place back.
    pub(crate) fn release(mut self, outcome: Outcome) {
        self.give_back(outcome);
    }

    fn give_back(&mut self, outcome: Outcome) {
        if let Some(token) = self.token.take() {
            self.pool.release(token, outcome, self.clock.now());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.give_back(Outcome::Cancelled);
    }
}
