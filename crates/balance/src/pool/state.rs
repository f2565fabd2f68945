//! What the pool's mutex guards, and the decisions made on it.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::candidates::{Candidates, Class, Filter};
use crate::condition::Change;
use crate::config::{OutlierDetection, PoolConfig};
use crate::endpoint::{Endpoint, EndpointSpec};
use crate::identity::EndpointId;
use crate::members::{Member, Members};
use crate::policies::{self, Choice, Prompt, RANKED, Ranked, Selector};
use crate::prefix::Seat;
use crate::request::{Cost, Outcome, Pick, PickError, PickRequest, ReserveError, Token};
use crate::time::Time;

#[derive(Debug)]
pub(super) struct State {
    config: PoolConfig,
    pub(super) members: Members,
    /// The endpoints of `members`, for readers to take along.
    listed: Arc<[Arc<Endpoint>]>,
    candidates: Candidates,
    selector: Selector,
}

impl State {
    pub(super) fn new(config: PoolConfig) -> Self {
        Self {
            selector: Selector::new(config.policy),
            config,
            members: Members::default(),
            listed: Arc::default(),
            candidates: Candidates::stale(),
        }
    }

    pub(super) fn configure(&mut self, config: PoolConfig) {
        if config.policy != self.config.policy {
            self.selector = Selector::new(config.policy);
        }
        self.config = config;
        self.reconcile();
    }

    /// Returns the seats of those whose caches are empty.
    pub(super) fn set_endpoints(&mut self, endpoints: Vec<EndpointSpec>) -> Vec<Seat> {
        let taken = self.members.replace(endpoints);
        self.listed = self
            .members
            .as_slice()
            .iter()
            .map(|member| Arc::clone(&member.endpoint))
            .collect();
        self.reconcile();
        taken
    }

    /// The seats of all members.
    pub(super) fn seats(&self) -> Vec<Seat> {
        let members = self.members.as_slice().iter();
        members.map(|member| member.seat).collect()
    }

    /// Brings what depends on members and configuration up to date with them.
    fn reconcile(&mut self) {
        let probed = self.config.health.is_some();
        for Member {
            endpoint,
            condition,
            ..
        } in self.members.iter_mut()
        {
            if self.config.outlier.is_none() {
                condition.outlier.pardon();
            }
            endpoint.counters().publish(condition, probed);
        }
        self.candidates = Candidates::stale();
    }

    pub(super) fn pick(
        &mut self,
        request: &PickRequest<'_>,
        cached: &[u32],
        now: Time,
        random: u64,
    ) -> Result<(Pick, Seat), PickError> {
        let mut rng = fastrand::Rng::with_seed(random);
        self.refresh(now, &mut rng);
        let filter = Filter {
            exclude: request.exclude,
            limit: self.config.max_in_flight_per_endpoint,
            one_trial: true,
        };
        let ranked = self.rank(request, filter, cached, now, &mut rng);
        let Some(&best) = ranked.first() else {
            return Err(self.why_none(filter));
        };
        self.selector.picked(&mut self.members, best);
        let alternatives = ranked.iter().skip(1).take(RANKED - 1);
        let alternatives: SmallVec<[Arc<Endpoint>; 3]> = alternatives
            .filter_map(|&position| self.members.as_slice().get(position))
            .map(|member| Arc::clone(&member.endpoint))
            .collect();
        let (token, seat) = self
            .take_place(best, request.cost, cached)
            .ok_or(PickError::NoEndpoints)?;
        let pick = Pick {
            endpoint: Arc::clone(&token.endpoint),
            token,
            alternatives,
        };
        Ok((pick, seat))
    }

    pub(super) fn listed(&self) -> Arc<[Arc<Endpoint>]> {
        Arc::clone(&self.listed)
    }

    fn refresh(&mut self, now: Time, rng: &mut fastrand::Rng) {
        if !self.candidates.is_valid(now) {
            self.candidates = Candidates::new(self.members.as_slice(), &self.config, now);
            self.selector
                .rebuild(&mut self.members, &self.candidates.first, rng);
        }
    }

    fn rank(
        &self,
        request: &PickRequest<'_>,
        filter: Filter<'_>,
        cached: &[u32],
        now: Time,
        rng: &mut fastrand::Rng,
    ) -> Ranked {
        let caches = self.config.prefix_caches;
        let first = Choice {
            prompt: Prompt {
                tokens: request.cost.prompt_tokens,
            },
            cached,
            memory_tokens: caches.map_or(f64::INFINITY, |caches| caches.capacity_tokens as f64),
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

    /// Tokens that endpoints hold of a prompt are known by slot, as far as they are.
    fn take_place(&mut self, position: usize, cost: Cost, cached: &[u32]) -> Option<(Token, Seat)> {
        let member = self.members.get_mut(position)?;
        let trial = member.condition.outlier.reserved();
        let seat = member.seat;
        let cached = cached.get(usize::from(seat.slot)).copied().unwrap_or(0);
        let cached = cached.min(cost.prompt_tokens.saturating_sub(1));
        let prefill = cost.prompt_tokens - cached;
        let counters = member.endpoint.counters();
        let ahead = counters.pending_prefill();
        counters.reserve(cost, prefill);
        let token = Token {
            endpoint: Arc::clone(&member.endpoint),
            cost,
            epoch: member.condition.outlier.epoch(),
            trial,
            began: false,
            prefill,
            ahead,
        };
        Some((token, seat))
    }

    pub(super) fn reserve(
        &mut self,
        endpoint: &Endpoint,
        cost: Cost,
        cached: &[u32],
        now: Time,
    ) -> Result<(Token, Seat), ReserveError> {
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
        self.take_place(position, cost, cached)
            .ok_or(ReserveError::Gone)
    }

    /// What follows in the response is then an ordinary request to a sound endpoint.
    pub(super) fn trial_succeeded(&mut self, token: &mut Token, now: Time) {
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
    pub(super) fn judge(&mut self, token: &Token, outcome: Outcome, now: Time) {
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

    pub(super) fn report_probe(&mut self, id: &EndpointId, ok: bool) {
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
