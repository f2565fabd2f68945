//! Where a request may go next: targets by weight, endpoints by the balancer, tiers in order.
//!
//! A rule names targets in tiers. Within a tier a target is drawn by weight and its pool picks an
//! endpoint that this request has not tried yet; a pool with none left drops out of the draw. When
//! a tier has nothing left, or has had its share of attempts, the next tier is asked. Each tier
//! has its own count of attempts: a fallback that only the last attempt may reach is none.
//!
//! What was tried is an endpoint *of a backend, for a model*: two accounts at one provider share
//! its host name and not its quota, and the smaller model that a route falls back to is often
//! served where the larger one has just failed.
//!
//! A target whose backend speaks a dialect that the request cannot be translated to is none for it.
//!
//! Only when nothing new is left anywhere may an endpoint be asked twice.
//!
//! The first attempt at a backend is always allowed and earns its retry budget; every further one
//! there must be paid from it, unless the attempt before never reached an endpoint. So a budget
//! bounds what retries add to a backend that is in trouble, and never stands between a request and
//! its fallback: an outage of the first tier is just when every request needs the second.

use std::sync::Arc;

use balance::{Cost, Endpoint, EndpointId, PickError, PickRequest, Time, Token};
use llm::translate::Way;
use llm::{Api, Dialect};
use mesh::snapshot::{Rule, Target, Tier};
use smallvec::SmallVec;

use crate::chain::Chain;
use crate::route::Prompt;
use crate::runtime::{Dialled, Runtime, Upstream};

/// An endpoint with a place reserved for this request, and what the request must say to it.
pub(crate) struct Candidate<'a> {
    pub(crate) target: &'a Target,
    pub(crate) upstream: &'a Arc<Upstream>,
    pub(crate) endpoint: Arc<Endpoint>,
    /// How to connect to it.
    pub(crate) dialled: Dialled,
    /// The place; taken by who answers for it.
    pub(crate) token: Option<Token>,
    /// The endpoint was asked before by this request.
    pub(crate) again: bool,
}

/// Nothing is left to try.
#[derive(Debug, Clone)]
pub(crate) struct Exhausted {
    /// The last backend that could have served, and why it could not; absent when every attempt
    /// allowed was spent.
    pub(crate) refused: Option<(Arc<str>, PickError)>,
}

/// An endpoint that this request was sent to.
struct Tried<'a> {
    backend: usize,
    model: Option<&'a str>,
    endpoint: EndpointId,
    /// It asked to be left alone: not asked again, even when nothing else is left.
    busy: bool,
}

impl Tried<'_> {
    fn is_of(&self, target: &Target) -> bool {
        self.backend == target.backend.index && self.model == target.model.as_deref()
    }
}

/// The way of one request through a rule's targets.
pub(crate) struct Targets<'a> {
    rule: &'a Rule,
    /// The API that is asked; `None` for a plain request.
    api: Option<Api>,
    /// What is asked of a model, where one is.
    prompt: Option<&'a Prompt>,
    runtime: &'a Runtime,
    tier: usize,
    attempts_left: u32,
    made: u32,
    again: bool,
    tried: SmallVec<[Tried<'a>; 4]>,
    /// Indices in the snapshot of the backends that attempts were made at.
    asked: SmallVec<[usize; 4]>,
    /// Those of them whose budget has paid for an attempt that is yet to be made.
    paid: SmallVec<[usize; 2]>,
    /// Indices of the tier's targets whose pools have nothing left for this request.
    spent: SmallVec<[usize; 4]>,
    /// The ordered alternatives of the last pick, and the target they belong to.
    alternatives: Option<(usize, SmallVec<[Arc<Endpoint>; 3]>)>,
    refused: Option<(Arc<str>, PickError)>,
    /// Dialects that the request cannot be said in.
    mute: SmallVec<[Dialect; 2]>,
}

impl<'a> Targets<'a> {
    /// Starts at the first tier of `rule`, for what is asked of `api`: `prompt`, where it is for a model.
    pub(crate) fn new(
        rule: &'a Rule,
        api: Option<Api>,
        prompt: Option<&'a Prompt>,
        runtime: &'a Runtime,
    ) -> Self {
        Self {
            rule,
            api,
            prompt,
            runtime,
            tier: 0,
            attempts_left: allowed(rule),
            made: 0,
            again: false,
            tried: SmallVec::new(),
            asked: SmallVec::new(),
            paid: SmallVec::new(),
            spent: SmallVec::new(),
            alternatives: None,
            refused: None,
            mute: SmallVec::new(),
        }
    }

    /// The attempt that was taken last cannot be made: its dialect cannot say what is asked for. It
    /// counts for nothing, and no other of the dialect is tried.
    pub(crate) fn cannot_say(&mut self, dialect: Option<Dialect>) {
        self.mute.extend(dialect);
        self.attempts_left += 1;
        self.made = self.made.saturating_sub(1);
        self.alternatives = None;
    }

    /// Picks and reserves the next endpoint. `free` tells that the attempt before this one never
    /// reached an endpoint.
    pub(crate) fn next(
        &mut self,
        cost: Cost,
        free: bool,
        now: Time,
    ) -> Result<Candidate<'a>, Exhausted> {
        loop {
            while let Some(tier) = self.rule.tiers().get(self.tier) {
                if self.attempts_left > 0
                    && let Some(candidate) = self.next_in(tier, cost, free, now)
                {
                    self.attempts_left -= 1;
                    self.made += 1;
                    return Ok(candidate);
                }
                self.descend();
            }
            if !self.start_again() {
                return Err(Exhausted {
                    refused: self.refused.take(),
                });
            }
        }
    }

    /// Notes that the endpoint just tried asked to be left alone (429).
    pub(crate) fn was_busy(&mut self) {
        if let Some(last) = self.tried.last_mut() {
            last.busy = true;
        }
    }

    fn next_in(
        &mut self,
        tier: &'a Tier,
        cost: Cost,
        free: bool,
        now: Time,
    ) -> Option<Candidate<'a>> {
        if let Some(candidate) = self.next_alternative(tier, cost, free, now) {
            return Some(candidate);
        }
        while let Some((index, target)) = self.draw(tier) {
            let Some(upstream) = self.runtime.upstream(&target.backend) else {
                self.spent.push(index);
                continue;
            };
            if !free && !self.is_affordable(upstream, now) {
                self.spent.push(index);
                continue;
            }
            let exclude = self.excluded(target);
            let chain = self.chain(target, cost);
            let request = PickRequest {
                cost,
                exclude: &exclude,
                chain: chain.of_pick(),
                ..PickRequest::default()
            };
            match upstream.pool.pick(&request, now, fastrand::u64(..)) {
                Ok(pick) => {
                    self.alternatives = Some((index, pick.alternatives));
                    return Some(self.candidate(target, upstream, pick.endpoint, pick.token));
                }
                Err(error) => {
                    self.spent.push(index);
                    self.note_refusal(target, error);
                }
            }
        }
        None
    }

    /// What the prompt begins with, for a target whose balancer wants to know that.
    fn chain(&self, target: &Target, cost: Cost) -> Chain {
        let knows_prefixes = target.backend.load_balancer.policy.knows_prefixes();
        let prompt = self.prompt.filter(|_| knows_prefixes);
        let digest = prompt.and_then(|prompt| Some((prompt, prompt.scan.digest.as_ref()?)));
        let Some((prompt, digest)) = digest else {
            return Chain::default();
        };
        let asked = prompt.scan.model.as_ref().map(|model| &*model.value);
        let model = target.model.as_deref().or(asked).unwrap_or_default();
        Chain::of(digest, model, cost.prompt_tokens)
    }

    fn next_alternative(
        &mut self,
        tier: &'a Tier,
        cost: Cost,
        free: bool,
        now: Time,
    ) -> Option<Candidate<'a>> {
        let (index, mut endpoints) = self.alternatives.take()?;
        let target = tier.targets().get(index)?;
        let upstream = self.runtime.upstream(&target.backend)?;
        if !free && !self.is_affordable(upstream, now) {
            return None;
        }
        let exclude = self.excluded(target);
        let chain = self.chain(target, cost);
        while !endpoints.is_empty() {
            let endpoint = endpoints.remove(0);
            if exclude.contains(endpoint.id()) {
                continue;
            }
            let request = PickRequest {
                cost,
                chain: chain.of_pick(),
                ..PickRequest::default()
            };
            if let Ok(token) = upstream.pool.reserve(&endpoint, &request, now) {
                self.alternatives = Some((index, endpoints));
                return Some(self.candidate(target, upstream, endpoint, token));
            }
        }
        None
    }

    /// Whether the backend's budget bears another attempt there, which it then pays for.
    fn is_affordable(&mut self, upstream: &Upstream, now: Time) -> bool {
        let index = upstream.backend.index;
        if !self.asked.contains(&index) || self.paid.contains(&index) {
            return true;
        }
        let paid = upstream.pool.retry_budget().withdraw(now);
        if paid {
            self.paid.push(index);
        }
        paid
    }

    /// The endpoints that `target` must not be sent to.
    fn excluded(&self, target: &Target) -> SmallVec<[EndpointId; 4]> {
        let of_target = self.tried.iter().filter(|tried| tried.is_of(target));
        of_target.map(|tried| tried.endpoint.clone()).collect()
    }

    fn candidate(
        &mut self,
        target: &'a Target,
        upstream: &'a Arc<Upstream>,
        endpoint: Arc<Endpoint>,
        token: Token,
    ) -> Candidate<'a> {
        let index = target.backend.index;
        self.tried.push(Tried {
            backend: index,
            model: target.model.as_deref(),
            endpoint: endpoint.id().clone(),
            busy: false,
        });
        self.paid.retain(|paid| *paid != index);
        if !self.asked.contains(&index) {
            self.asked.push(index);
            upstream.pool.retry_budget().deposit();
        }
        let dialled = upstream.dial(endpoint.address());
        Candidate {
            target,
            upstream,
            endpoint,
            dialled,
            token: Some(token),
            again: self.again,
        }
    }

    /// Whether a target of the tier may be asked.
    fn is_open(&self, index: usize, target: &Target) -> bool {
        let is_mute = |dialect| self.mute.contains(&dialect);
        serves(target, self.api)
            && !self.spent.contains(&index)
            && !target.backend.dialect.is_some_and(is_mute)
    }

    /// Draws a target by weight among those that can serve and are not spent.
    fn draw(&self, tier: &'a Tier) -> Option<(usize, &'a Target)> {
        let open = || {
            tier.targets()
                .iter()
                .enumerate()
                .filter(|(index, target)| self.is_open(*index, target))
        };
        let total: u64 = open().map(|(_, target)| u64::from(target.weight)).sum();
        if total == 0 {
            return None;
        }
        let mut point = fastrand::u64(..total);
        open().find(
            |(_, target)| match point.checked_sub(u64::from(target.weight)) {
                Some(rest) => {
                    point = rest;
                    false
                }
                None => true,
            },
        )
    }

    fn descend(&mut self) {
        self.tier += 1;
        self.attempts_left = if self.again {
            self.left_of_first_tier()
        } else {
            allowed(self.rule)
        };
        self.spent.clear();
        self.alternatives = None;
    }

    /// What one tier's attempts leave when those of all tiers are taken off.
    fn left_of_first_tier(&self) -> u32 {
        allowed(self.rule).saturating_sub(self.made)
    }

    /// With every endpoint tried and attempts to spare, those that may be asked again are.
    fn start_again(&mut self) -> bool {
        let room = self.left_of_first_tier();
        if room == 0 || self.tried.iter().all(|tried| tried.busy) {
            return false;
        }
        self.again = true;
        self.tier = 0;
        self.attempts_left = room;
        self.tried.retain(|tried| tried.busy);
        self.spent.clear();
        self.alternatives = None;
        true
    }

    fn note_refusal(&mut self, target: &Target, error: PickError) {
        let only_tried = error == PickError::AllExcluded;
        if !only_tried || self.refused.is_none() {
            self.refused = Some((Arc::clone(&target.backend.name), error));
        }
    }
}

/// Whether `target` can be asked at `api`: in the same dialect or in another that has the like.
pub(crate) fn serves(target: &Target, api: Option<Api>) -> bool {
    let Some((api, dialect)) = api.zip(target.backend.dialect) else {
        return api.is_none();
    };
    Way::of(api, dialect, target.backend.quirks).is_some_and(Way::asks_backend)
}

/// The attempts a tier is given: the first and those of the rule's retry policy.
fn allowed(rule: &Rule) -> u32 {
    1 + u32::from(rule.retry.attempts)
}

#[cfg(test)]
mod tests;
