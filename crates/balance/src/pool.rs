//! The endpoints of one service: pick, reserve, release.
//!
//! One mutex guards what a decision needs. Picks hold it for a decision; releases take it only if
//! the outcome changes an endpoint's condition; metrics take it for one clone of an `Arc`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smallvec::SmallVec;

use crate::candidates::{Candidates, Class, Filter};
use crate::condition::Change;
use crate::config::{OutlierDetection, PoolConfig};
use crate::endpoint::{Endpoint, EndpointSpec, EndpointStatus};
use crate::identity::EndpointId;
use crate::members::Members;
use crate::policies::{self, Choice, RANKED, Ranked, Selector};
use crate::request::{Cost, Outcome, Pick, PickError, PickRequest, ReserveError, Token};
use crate::retry_budget::RetryBudget;
use crate::time::Time;

#[cfg(test)]
mod tests;

/// The endpoints of one service.
#[derive(Debug)]
pub struct Pool {
    state: Mutex<State>,
    retry_budget: RetryBudget,
}

impl Pool {
    /// A pool without endpoints.
    #[must_use]
    pub fn new(config: PoolConfig) -> Self {
        Self {
            retry_budget: RetryBudget::new(config.retry_budget),
            state: Mutex::new(State::new(config)),
        }
    }

    /// Goes on under another configuration. Nothing that is known of the endpoints is lost,
    /// except that without outlier detection none stays ejected.
    pub fn configure(&self, config: PoolConfig) {
        self.retry_budget.configure(config.retry_budget);
        self.lock().configure(config);
    }

    /// Makes these the endpoints, in this order; of several with one id the first counts.
    ///
    /// Those that stay keep their statistics, requests in flight and ejections, also at another
    /// address. Tokens of those that leave can still be released, and if one comes back before
    /// they are, it is what it was.
    pub fn set_endpoints(&self, endpoints: Vec<EndpointSpec>) {
        self.lock().set_endpoints(endpoints);
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
        self.lock().pick(request, now, random)
    }

    /// Takes a place at an endpoint that was an alternative.
    ///
    /// # Errors
    /// If it has left, is full or is no longer healthy; see [`ReserveError`].
    pub fn reserve(
        &self,
        endpoint: &Arc<Endpoint>,
        cost: &Cost,
        now: Time,
    ) -> Result<Token, ReserveError> {
        self.lock().reserve(endpoint, *cost, now)
    }

    /// The response of a request began, `first_token` after it was sent. Optional; ends a trial
    /// with a success long before a stream ends.
    pub fn response_began(&self, token: &mut Token, first_token: Duration, now: Time) {
        if std::mem::replace(&mut token.began, true) {
            return;
        }
        token.endpoint.counters().record_first_token(first_token);
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
        let endpoints = Arc::clone(&self.lock().listed);
        endpoints.iter().map(|endpoint| endpoint.status()).collect()
    }

    /// How many retries the pool still bears.
    #[must_use]
    pub fn retry_budget(&self) -> &RetryBudget {
        &self.retry_budget
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct State {
    config: PoolConfig,
    members: Members,
    /// The endpoints of `members`, for readers to take along.
    listed: Arc<[Arc<Endpoint>]>,
    candidates: Candidates,
    selector: Selector,
}

impl State {
    fn new(config: PoolConfig) -> Self {
        Self {
            selector: Selector::new(config.policy),
            config,
            members: Members::default(),
            listed: Arc::default(),
            candidates: Candidates::stale(),
        }
    }

    fn configure(&mut self, config: PoolConfig) {
        if config.policy != self.config.policy {
            self.selector = Selector::new(config.policy);
        }
        let probed = config.health.is_some();
        for member in self.members.iter_mut() {
            if config.outlier.is_none() {
                member.condition.outlier.pardon();
            }
            member
                .endpoint
                .counters()
                .publish(&member.condition, probed);
        }
        self.config = config;
        self.candidates = Candidates::stale();
    }

    fn set_endpoints(&mut self, endpoints: Vec<EndpointSpec>) {
        self.members.replace(endpoints);
        let probed = self.config.health.is_some();
        for member in self.members.iter_mut() {
            member
                .endpoint
                .counters()
                .publish(&member.condition, probed);
        }
        self.listed = self
            .members
            .as_slice()
            .iter()
            .map(|member| Arc::clone(&member.endpoint))
            .collect();
        self.candidates = Candidates::stale();
    }

    fn pick(
        &mut self,
        request: &PickRequest<'_>,
        now: Time,
        random: u64,
    ) -> Result<Pick, PickError> {
        let mut rng = fastrand::Rng::with_seed(random);
        self.refresh(now, &mut rng);
        let filter = Filter {
            exclude: request.exclude,
            limit: self.config.max_in_flight_per_endpoint,
            one_trial: true,
        };
        let ranked = self.rank(filter, now, &mut rng);
        let Some(&best) = ranked.first() else {
            return Err(self.why_none(filter));
        };
        self.selector.picked(&mut self.members, best);
        let alternatives = ranked.iter().skip(1).take(RANKED - 1);
        let alternatives: SmallVec<[Arc<Endpoint>; 3]> = alternatives
            .filter_map(|&position| self.members.as_slice().get(position))
            .map(|member| Arc::clone(&member.endpoint))
            .collect();
        let token = self
            .take_place(best, request.cost)
            .ok_or(PickError::NoEndpoints)?;
        Ok(Pick {
            endpoint: Arc::clone(&token.endpoint),
            token,
            alternatives,
        })
    }

    fn refresh(&mut self, now: Time, rng: &mut fastrand::Rng) {
        if !self.candidates.is_valid(now) {
            self.candidates = Candidates::new(self.members.as_slice(), &self.config, now);
            self.selector
                .rebuild(&mut self.members, &self.candidates.first, rng);
        }
    }

    fn rank(&self, filter: Filter<'_>, now: Time, rng: &mut fastrand::Rng) -> Ranked {
        let first = Choice {
            members: self.members.as_slice(),
            tier: &self.candidates.first,
            filter,
            now,
        };
        let mut ranked = self.selector.rank(&first, rng);
        if self.candidates.panic && ranked.len() < RANKED {
            let last = Choice {
                tier: &self.candidates.last,
                filter: Filter {
                    one_trial: false,
                    ..filter
                },
                ..first
            };
            for position in policies::rank_at_random(&last, rng) {
                if !ranked.contains(&position) {
                    ranked.push(position);
                }
            }
        }
        ranked
    }

    /// Why nothing was ranked: of several reasons the one that passes soonest.
    fn why_none(&self, filter: Filter<'_>) -> PickError {
        let members = self.members.as_slice();
        if members.iter().all(|member| member.endpoint.weight() == 0) {
            return PickError::NoEndpoints;
        }
        let tiers = [&self.candidates.first, &self.candidates.last];
        let candidates = || {
            let positions = tiers.iter().flat_map(|tier| tier.positions());
            positions.filter_map(|&position| members.get(position))
        };
        if candidates().any(|member| filter.is_full(member) && !filter.excludes(member)) {
            PickError::AllFull
        } else if candidates().any(|member| filter.excludes(member)) {
            PickError::AllExcluded
        } else {
            PickError::AllUnhealthy
        }
    }

    fn take_place(&mut self, position: usize, cost: Cost) -> Option<Token> {
        let member = self.members.get_mut(position)?;
        let trial = member.condition.outlier.reserved();
        member.endpoint.counters().reserve(cost);
        Some(Token {
            endpoint: Arc::clone(&member.endpoint),
            cost,
            epoch: member.condition.outlier.epoch(),
            trial,
            began: false,
        })
    }

    fn reserve(
        &mut self,
        endpoint: &Endpoint,
        cost: Cost,
        now: Time,
    ) -> Result<Token, ReserveError> {
        let position = self
            .members
            .position_of(endpoint)
            .ok_or(ReserveError::Gone)?;
        let member = self.members.get_mut(position).ok_or(ReserveError::Gone)?;
        let filter = Filter {
            exclude: &[],
            limit: self.config.max_in_flight_per_endpoint,
            one_trial: true,
        };
        if filter.is_full(member) {
            return Err(ReserveError::Full);
        }
        let healthy = match Class::of(member, &self.config, now) {
            Class::Available => true,
            Class::OnTrial => !filter.is_busy_with_trial(member),
            Class::Unhealthy | Class::Ejected => false,
        };
        if !healthy && !self.candidates.panic {
            return Err(ReserveError::Unhealthy);
        }
        self.take_place(position, cost).ok_or(ReserveError::Gone)
    }

    /// What follows in the response is then an ordinary request to a sound endpoint.
    fn trial_succeeded(&mut self, token: &mut Token, now: Time) {
        let condition = self.members.condition_of(&token.endpoint);
        if !condition.is_some_and(|condition| condition.concerns(token.epoch)) {
            return;
        }
        let outcome = Outcome::Success {
            first_token: None,
            output_tokens: 0,
        };
        self.judge(token, outcome, now);
        if let Some(condition) = self.members.condition_of(&token.endpoint) {
            token.epoch = condition.outlier.epoch();
            token.trial = false;
        }
    }

    /// Lets an outcome bear on the condition of the endpoint, if it still concerns it.
    fn judge(&mut self, token: &Token, outcome: Outcome, now: Time) {
        let ejectable = matches!(outcome, Outcome::Failure(_)) && self.may_eject_another();
        let Some(condition) = self.members.condition_of(&token.endpoint) else {
            return;
        };
        if !condition.concerns(token.epoch) {
            return;
        }
        if token.trial {
            condition.outlier.trial_ended();
        }
        let was_ejected = condition.outlier.ejected_until().is_some();
        let change = match outcome {
            Outcome::Success { .. } => condition.succeeded(now),
            Outcome::Failure(kind) => {
                let config = self.config.outlier.as_ref();
                let config = config.filter(|_| ejectable || was_ejected);
                condition.failed(kind, config, now)
            }
            Outcome::Cancelled | Outcome::Neutral => Change::None,
        };
        let counters = token.endpoint.counters();
        counters.publish(condition, self.config.health.is_some());
        match change {
            Change::None => return,
            Change::Ejected => counters.record_ejection(),
            Change::Recovered => {}
        }
        self.candidates = Candidates::stale();
    }

    /// Whether one more endpoint may be ejected beside those that are.
    fn may_eject_another(&self) -> bool {
        let Some(OutlierDetection {
            max_ejection_percent,
            ..
        }) = self.config.outlier
        else {
            return false;
        };
        let all = self.members.as_slice().len();
        all > 1 && self.members.ejected() < max_ejection_percent.of(all).max(1)
    }

    fn report_probe(&mut self, id: &EndpointId, ok: bool) {
        let Some(thresholds) = self.config.health else {
            return;
        };
        let Some(member) = self.members.by_id(id) else {
            return;
        };
        if member.condition.probe.report(ok, thresholds) {
            member.endpoint.counters().publish(&member.condition, true);
            self.candidates = Candidates::stale();
        }
    }
}
