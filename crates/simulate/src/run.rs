//! The replay of a trace before a fleet.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use balance::{
    Began, Chain, Cost, EndpointId, EndpointSpec, Outcome, PickRequest, Policy, Pool, PoolConfig,
    PrefixCaches, Time, Token,
};
use engine::{Engine, Nanos, Next, Profile, ProfileError, Progress, Request, RequestId, StepLoad};

use crate::trace::{Arrival, Trace};

/// Engines behind one pool.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// What each engine is.
    pub profile: Profile,
    /// How many times as long as the profile says a step takes on each engine; as many as there are
    /// engines.
    pub slowness: Vec<f64>,
    /// How the pool chooses among them.
    pub policy: Policy,
    /// Seed of the pool's choices.
    pub seed: u64,
}

impl Fleet {
    /// So many equal engines.
    #[must_use]
    pub fn of(profile: Profile, replicas: NonZeroU32, policy: Policy, seed: u64) -> Self {
        Self {
            profile,
            slowness: vec![1.0; replicas.get() as usize],
            policy,
            seed,
        }
    }
}

/// What a request of the trace saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// When it arrived.
    pub arrived: Nanos,
    /// Which engine served it.
    pub engine: usize,
    /// Tokens of its prompt.
    pub prompt_tokens: u32,
    /// Of these, those that the engine found in its cache.
    pub cached_tokens: u32,
    /// Tokens generated.
    pub output_tokens: u32,
    /// From its arrival to its first token.
    pub first_token: Nanos,
    /// From its first token to its last.
    pub decoding: Nanos,
    /// How long its prompt takes an engine that has nothing else to do and nothing cached.
    pub cold_prefill: Nanos,
}

/// What became of a trace.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    /// Requests, in the order in which they ended.
    pub seen: Vec<Seen>,
    /// Requests that no engine could ever compute: too long for it.
    pub refused: usize,
    /// Requests that lost their memory to others and began anew.
    pub preemptions: u64,
    /// Prompt tokens that each engine computed.
    pub prefilled: Vec<u64>,
}

/// Replays `trace` to its end.
///
/// # Errors
/// If the fleet's profile contradicts itself.
pub fn replay(trace: &Trace, fleet: &Fleet) -> Result<Outcomes, ProfileError> {
    let mut replay = Replay::new(trace, fleet)?;
    while replay.advance() {}
    Ok(replay.finish())
}

/// A request that an engine has.
struct Open {
    arrival: usize,
    token: Token,
    first_token: Option<Nanos>,
}

struct Server {
    engine: Engine,
    slowness: f64,
    /// Something will happen to it: a step ends, or it wakes.
    is_due: bool,
    open: BTreeMap<RequestId, Open>,
    prefilled: u64,
}

struct Replay<'t> {
    trace: &'t [Arrival],
    /// The next arrival.
    next: usize,
    pool: Pool,
    rng: fastrand::Rng,
    ids: BTreeMap<EndpointId, usize>,
    servers: Vec<Server>,
    /// When something happens to which engine.
    due: BinaryHeap<Reverse<(Nanos, usize)>>,
    outcomes: Outcomes,
    progress: Vec<Progress>,
}

impl<'t> Replay<'t> {
    fn new(trace: &'t Trace, fleet: &Fleet) -> Result<Self, ProfileError> {
        let engine = Engine::new(fleet.profile.clone())?;
        let pool = Pool::new(PoolConfig {
            policy: fleet.policy,
            prefix_caches: Some(PrefixCaches {
                block_tokens: fleet.profile.block_size,
                capacity_tokens: u64::from(fleet.profile.kv_tokens),
            }),
            outlier: None,
            ..PoolConfig::default()
        });
        let ids: Vec<EndpointId> = (0..fleet.slowness.len())
            .map(|number| EndpointId::from(format!("engine-{number:04}")))
            .collect();
        // Where an engine is does not matter: nobody connects.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let spec = |id: &EndpointId| EndpointSpec::new(id.clone(), nowhere);
        pool.set_endpoints(ids.iter().map(spec).collect());
        let server = |slowness: &f64| Server {
            engine: engine.clone(),
            slowness: *slowness,
            is_due: false,
            open: BTreeMap::new(),
            prefilled: 0,
        };
        Ok(Self {
            trace: trace.arrivals(),
            next: 0,
            pool,
            rng: fastrand::Rng::with_seed(fleet.seed),
            ids: ids.into_iter().zip(0..).collect(),
            servers: fleet.slowness.iter().map(server).collect(),
            due: BinaryHeap::new(),
            outcomes: Outcomes::default(),
            progress: Vec::new(),
        })
    }

    /// Lets the next thing happen; false if there is none. What ends at a moment ends before what arrives.
    fn advance(&mut self) -> bool {
        let arrival = self.trace.get(self.next).map(|arrival| arrival.at);
        let due = self.due.peek().map(|Reverse((at, _))| *at);
        match (due, arrival) {
            (Some(due), arrival) if arrival.is_none_or(|arrival| due <= arrival) => {
                if let Some(Reverse((now, server))) = self.due.pop() {
                    self.step_ends(server, now);
                }
                true
            }
            (_, Some(now)) => {
                self.arrive(now);
                true
            }
            _ => false,
        }
    }

    fn arrive(&mut self, now: Nanos) {
        let number = self.next;
        self.next += 1;
        let Some(arrival) = self.trace.get(number) else {
            return;
        };
        let sequence = &arrival.sequence;
        let blocks = sequence.prompt_tokens() / sequence.block_size();
        let chain = sequence.hashes().get(..blocks as usize).unwrap_or_default();
        let request = PickRequest {
            cost: Cost {
                prompt_tokens: sequence.prompt_tokens(),
                // Nobody knows it beforehand.
                output_tokens: 0,
            },
            chain: chain_of(chain),
            ..PickRequest::default()
        };
        let Ok(pick) = self.pool.pick(&request, time(now), self.rng.u64(..)) else {
            self.outcomes.refused += 1;
            return;
        };
        let at = self
            .ids
            .get(pick.endpoint.id())
            .copied()
            .unwrap_or_default();
        let Some(server) = self.servers.get_mut(at) else {
            return;
        };
        let submitted = server.engine.submit(Request {
            sequence: sequence.clone(),
            adapter: None,
        });
        let Ok(id) = submitted else {
            self.outcomes.refused += 1;
            self.pool.release(pick.token, Outcome::Neutral, time(now));
            return;
        };
        let open = Open {
            arrival: number,
            token: pick.token,
            first_token: None,
        };
        server.open.insert(id, open);
        self.go_on(at, now);
    }

    /// Lets an engine compute what it has, if it is not at it.
    fn go_on(&mut self, at: usize, now: Nanos) {
        let Some(server) = self.servers.get_mut(at).filter(|server| !server.is_due) else {
            return;
        };
        let due = match server.engine.start_step(now) {
            Next::Step(step) => {
                server.prefilled += u64::from(step.load.prefill_tokens);
                let duration = step.duration.as_millis_f64() * server.slowness;
                now + Nanos::from_millis_f64(duration)
            }
            Next::Wait(until) => until,
            Next::Idle => return,
        };
        server.is_due = true;
        self.due.push(Reverse((due, at)));
    }

    fn step_ends(&mut self, at: usize, now: Nanos) {
        let Some(server) = self.servers.get_mut(at) else {
            return;
        };
        server.is_due = false;
        let mut progress = std::mem::take(&mut self.progress);
        server.engine.finish_step(&mut progress);
        for news in progress.drain(..) {
            self.progressed(at, news, now);
        }
        self.progress = progress;
        self.go_on(at, now);
    }

    fn progressed(&mut self, at: usize, news: Progress, now: Nanos) {
        let Some(server) = self.servers.get_mut(at) else {
            return;
        };
        let Some(open) = server.open.get_mut(&news.id) else {
            return;
        };
        let Some(arrival) = self.trace.get(open.arrival) else {
            return;
        };
        let waited = now.since(arrival.at);
        if open.first_token.is_none() {
            open.first_token = Some(waited);
            let began = Began {
                after: Duration::from_nanos(waited.0),
                by_first_token: true,
            };
            self.pool.response_began(&mut open.token, began, time(now));
        }
        if !news.finished {
            return;
        }
        let Some(open) = server.open.remove(&news.id) else {
            return;
        };
        let first_token = open.first_token.unwrap_or(waited);
        let sequence = &arrival.sequence;
        self.outcomes.seen.push(Seen {
            arrived: arrival.at,
            engine: at,
            prompt_tokens: sequence.prompt_tokens(),
            cached_tokens: news.cached_tokens,
            output_tokens: sequence.output_tokens(),
            first_token,
            decoding: waited.since(first_token),
            cold_prefill: cold_prefill(server.engine.profile(), sequence.prompt_tokens()),
        });
        let endpoint = std::sync::Arc::clone(open.token.endpoint());
        self.pool.computed(&endpoint, &chain_of(sequence.hashes()));
        let outcome = Outcome::Success {
            first_token: None,
            output_tokens: sequence.output_tokens(),
        };
        self.pool.release(open.token, outcome, time(now));
    }

    fn finish(mut self) -> Outcomes {
        let servers = self.servers.iter();
        self.outcomes.preemptions = servers
            .clone()
            .map(|one| one.engine.stats().preemptions)
            .sum();
        self.outcomes.prefilled = servers.map(|one| one.prefilled).collect();
        self.outcomes
    }
}

/// How long a prompt takes alone, in chunks of the most that a step computes.
#[must_use]
pub fn cold_prefill(profile: &Profile, prompt_tokens: u32) -> Nanos {
    let mut time = Nanos::ZERO;
    let mut start = 0;
    while start < prompt_tokens {
        let chunk = (prompt_tokens - start).min(profile.max_num_batched_tokens);
        let mut load = StepLoad::default();
        load.add_prefill(start, chunk);
        time += profile.cost.time(&load);
        start += chunk;
    }
    time
}

/// A chain whose blocks are the engine's own.
const fn chain_of(hashes: &[u64]) -> Chain<'_> {
    Chain {
        hashes,
        tokens: &[],
    }
}

const fn time(at: Nanos) -> Time {
    Time::from_nanos(at.0)
}

#[cfg(test)]
mod tests;
