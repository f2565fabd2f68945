//! The endpoints of one service: pick, reserve, release.
//!
//! One mutex guards what a decision needs. Picks hold it for a decision; releases take it only if
//! the outcome changes an endpoint's condition; metrics take it for one clone of an `Arc`.

mod state;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};

use smallvec::SmallVec;

use crate::config::PoolConfig;
use crate::endpoint::{Endpoint, EndpointSpec, EndpointStatus};
use crate::identity::EndpointId;
use crate::prefix::{Caches, Chain};
use crate::request::{Began, Outcome, Pick, PickError, PickRequest, ReserveError, Token};
use crate::retry_budget::RetryBudget;
use crate::time::Time;
use state::State;

/// The endpoints of one service.
#[derive(Debug)]
pub struct Pool {
    state: Mutex<State>,
    /// What the endpoints hold in their caches. Looked up before a pick and told of it afterwards, since
    /// a long prompt takes longer than a decision may.
    caches: RwLock<Caches>,
    retry_budget: RetryBudget,
}

impl Pool {
    /// A pool without endpoints.
    #[must_use]
    pub fn new(config: PoolConfig) -> Self {
        Self {
            retry_budget: RetryBudget::new(config.retry_budget),
            caches: RwLock::new(Caches::new(config.prefix_caches)),
            state: Mutex::new(State::new(config)),
        }
    }

    /// Goes on under another configuration. Nothing that is known of the endpoints is lost,
    /// except that without outlier detection none stays ejected.
    pub fn configure(&self, config: PoolConfig) {
        self.retry_budget.configure(config.retry_budget);
        let caches = config.prefix_caches;
        let seats = {
            let mut state = self.lock();
            state.configure(config);
            state.seats()
        };
        self.caches().configure(caches, &seats);
    }

    /// Makes these the endpoints, in this order; of several with one id the first counts.
    ///
    /// Those that stay keep their statistics, requests in flight and ejections, also at another
    /// address. Tokens of those that leave can still be released, and if one comes back before
    /// they are, it is what it was.
    pub fn set_endpoints(&self, endpoints: Vec<EndpointSpec>) {
        let taken = self.lock().set_endpoints(endpoints);
        if !taken.is_empty() {
            let mut caches = self.caches();
            taken.into_iter().for_each(|seat| caches.seat(seat));
        }
    }

    /// Chooses an endpoint and takes a place there, in one step. Of equal `random` and history
    /// the choice is the same.
    ///
    /// # Errors
    /// If no endpoint may be picked; see [`PickError`].
    pub fn pick(
        &self,
        request: &PickRequest<'_>,
        now: Time,
        random: u64,
    ) -> Result<Pick, PickError> {
        let cached = self.cached(request);
        let (pick, seat) = self.lock().pick(request, &cached, now, random)?;
        if !cached.is_empty() {
            self.caches().insert(seat, &request.chain);
        }
        Ok(pick)
    }

    /// Takes a place at an endpoint that was an alternative.
    ///
    /// # Errors
    /// If it has left, is full or is no longer healthy; see [`ReserveError`].
    pub fn reserve(
        &self,
        endpoint: &Arc<Endpoint>,
        request: &PickRequest<'_>,
        now: Time,
    ) -> Result<Token, ReserveError> {
        let cached = self.cached(request);
        let reserved = self.lock().reserve(endpoint, request.cost, &cached, now);
        let (token, seat) = reserved?;
        if !cached.is_empty() {
            self.caches().insert(seat, &request.chain);
        }
        Ok(token)
    }

    /// The response of a request began. Optional; ends a trial with a success long before a stream ends.
    pub fn response_began(&self, token: &mut Token, began: Began, now: Time) {
        if std::mem::replace(&mut token.began, true) {
            return;
        }
        let counters = token.endpoint.counters();
        counters.record_first_token(began.after);
        counters.prefilled(token.prefill);
        if began.by_first_token {
            counters.learn(token.prefill, token.ahead, began.after, now);
        }
        if token.trial {
            self.lock().trial_succeeded(token, now);
        }
    }

    /// Gives a place back, with what became of the request.
    pub fn release(&self, token: Token, outcome: Outcome, now: Time) {
        let counters = Arc::clone(token.endpoint.counters());
        let concerns_condition = match outcome {
            Outcome::Failure(_) => true,
            Outcome::Success { .. } => token.trial || counters.is_troubled(),
            Outcome::Cancelled | Outcome::Neutral => token.trial,
        };
        // Judged before its place is free, lest a failing endpoint look idle in between.
        if concerns_condition {
            self.lock().judge(&token, outcome, now);
        }
        let outcome = match outcome {
            Outcome::Success { output_tokens, .. } if token.began => Outcome::Success {
                first_token: None,
                output_tokens,
            },
            outcome => outcome,
        };
        if !token.began {
            counters.prefilled(token.prefill);
        }
        counters.release(token.cost, outcome);
    }

    /// An active probe of an endpoint passed or failed. Ignored if the pool has no health
    /// thresholds or no such endpoint.
    pub fn report_probe(&self, id: &EndpointId, ok: bool) {
        self.lock().report_probe(id, ok);
    }

    /// Every endpoint at this moment, in the order given to [`Pool::set_endpoints`].
    #[must_use]
    pub fn endpoints(&self) -> Vec<EndpointStatus> {
        let endpoints = self.lock().listed();
        endpoints.iter().map(|endpoint| endpoint.status()).collect()
    }

    /// How many retries the pool still bears.
    #[must_use]
    pub fn retry_budget(&self) -> &RetryBudget {
        &self.retry_budget
    }

    /// An endpoint has computed `chain`, of which its pick was told but the beginning: the prompt and what
    /// was generated, with which the next turn of a conversation begins.
    pub fn computed(&self, endpoint: &Endpoint, chain: &Chain<'_>) {
        let seat = self.lock().members.seat_of(endpoint);
        if let Some(seat) = seat {
            self.caches().insert(seat, chain);
        }
    }

    /// Tokens of a prompt that each endpoint holds, by slot; nothing if nothing is to be prefilled, or what
    /// is held is not known.
    fn cached(&self, request: &PickRequest<'_>) -> SmallVec<[u32; 64]> {
        if request.chain.hashes.is_empty() || request.cost.prompt_tokens == 0 {
            return SmallVec::new();
        }
        let caches = self.caches.read().unwrap_or_else(PoisonError::into_inner);
        caches.cached(&request.chain)
    }

    fn caches(&self) -> RwLockWriteGuard<'_, Caches> {
        self.caches.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
