//! A pool under random interleavings, beside a model that only counts tokens.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::fixtures::{began, specs as specs_of};
use crate::{Chain, Cost, PrefixCaches, Rule};

const ALL: usize = 5;
const LIMIT: u32 = 4;
const COST: Cost = Cost {
    prompt_tokens: 10,
    output_tokens: 3,
};

/// Two conversations that begin alike.
const BLOCKS: [[u64; 4]; 2] = [[1, 2, 3, 4], [1, 2, 5, 6]];
const TOKENS: [u32; 4] = [3, 6, 9, 10];

#[derive(Clone, Debug)]
enum Step {
    Pick {
        exclude: Option<usize>,
        /// How many blocks of the prompt are told, of one of two conversations.
        chain: (usize, usize),
        random: u64,
    },
    ReserveAlternative {
        which: usize,
    },
    Begin {
        which: usize,
    },
    Release {
        which: usize,
        outcome: Outcome,
    },
    SetEndpoints {
        weights: Vec<Option<u32>>,
        port: u16,
    },
    Probe {
        n: usize,
        ok: bool,
    },
    Configure(PoolConfig),
    Wait {
        millis: u64,
    },
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => Just(OK),
        2 => Just(ERROR),
        2 => Just(REFUSED),
        1 => Just(Outcome::Cancelled),
        1 => Just(Outcome::Neutral),
    ]
}

fn config() -> impl Strategy<Value = PoolConfig> {
    let policy = prop_oneof![
        Just(Policy::RoundRobin),
        Just(Policy::WeightedRoundRobin),
        Just(Policy::Random),
        Just(Policy::P2C),
        Just(Policy::PREDICTED_LATENCY),
        rule().prop_map(Policy::Cost),
    ];
    let caches = prop::option::of((0u64..40).prop_map(|capacity_tokens| PrefixCaches {
        block_tokens: NonZeroU32::MIN.saturating_add(2),
        capacity_tokens,
    }));
    let percents = (0u32..=100, 0u32..=100);
    (policy, caches, any::<bool>(), any::<bool>(), percents).prop_map(
        |(policy, prefix_caches, outlier, probes, (max_ejection_percent, panic_threshold))| {
            PoolConfig {
                prefix_caches,
                policy,
                outlier: outlier.then(|| OutlierDetection {
                    max_ejection_percent: Percent::new(max_ejection_percent),
                    ..OutlierDetection::default()
                }),
                health: probes.then(HealthThresholds::default),
                max_in_flight_per_endpoint: Some(LIMIT),
                panic_threshold: Percent::new(panic_threshold),
                ..PoolConfig::default()
            }
        },
    )
}

fn rule() -> impl Strategy<Value = Rule> {
    prop_oneof![
        Just(Rule::LeastPendingWork),
        Just(Rule::LMetric),
        Just(Rule::Dynamo { scale: 1.0 }),
        Just(Rule::Sglang),
        Just(Rule::LlmD),
        Just(Rule::AiBrix),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let exclude = prop::option::weighted(0.3, 0..ALL);
    let weights = prop::collection::vec(prop::option::weighted(0.8, 0u32..4), ALL);
    prop_oneof![
        8 => (exclude, (0..2usize, 0..=BLOCKS[0].len()), any::<u64>())
            .prop_map(|(exclude, chain, random)| Step::Pick { exclude, chain, random }),
        2 => any::<usize>().prop_map(|which| Step::ReserveAlternative { which }),
        2 => any::<usize>().prop_map(|which| Step::Begin { which }),
        8 => (any::<usize>(), outcome())
            .prop_map(|(which, outcome)| Step::Release { which, outcome }),
        1 => (weights, any::<u16>())
            .prop_map(|(weights, port)| Step::SetEndpoints { weights, port }),
        2 => (0..ALL, any::<bool>()).prop_map(|(n, ok)| Step::Probe { n, ok }),
        1 => config().prop_map(Step::Configure),
        3 => (0u64..15_000).prop_map(|millis| Step::Wait { millis }),
    ]
}

struct World {
    pool: Pool,
    config: PoolConfig,
    now: Time,
    tokens: Vec<Token>,
    alternatives: Vec<Arc<Endpoint>>,
}

impl World {
    fn new(config: PoolConfig) -> Self {
        Self {
            pool: pool_of(config.clone(), &[1; ALL]),
            config,
            now: at(1),
            tokens: Vec::new(),
            alternatives: Vec::new(),
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Pick {
                exclude,
                chain,
                random,
            } => self.pick(exclude, chain, random),
            Step::ReserveAlternative { which } => self.reserve_alternative(which),
            Step::Begin { which } => {
                let all = self.tokens.len().max(1);
                if let Some(token) = self.tokens.get_mut(which % all) {
                    self.pool
                        .response_began(token, began(Duration::from_millis(1)), self.now);
                }
            }
            Step::Release { which, outcome } => self.release(which, outcome),
            Step::SetEndpoints { weights, port } => {
                self.pool.set_endpoints(endpoints(&weights, port))
            }
            Step::Probe { n, ok } => self.pool.report_probe(&id(n), ok),
            Step::Configure(config) => {
                self.config = config.clone();
                self.pool.configure(config);
            }
            Step::Wait { millis } => self.now = self.now + Duration::from_millis(millis),
        }
    }

    fn pick(&mut self, exclude: Option<usize>, (which, told): (usize, usize), random: u64) {
        let exclude: Vec<EndpointId> = exclude.map(id).into_iter().collect();
        let before = self.by_id();
        let request = PickRequest {
            cost: COST,
            exclude: &exclude,
            chain: Chain {
                hashes: &BLOCKS[which][..told],
                tokens: &TOKENS[..told],
            },
            ..PickRequest::default()
        };
        let Ok(pick) = self.pool.pick(&request, self.now, random) else {
            self.check_that_none_could_be_picked(&exclude);
            return;
        };
        let picked = &before[pick.endpoint.id()];
        assert!(picked.weight > 0 && picked.in_flight < LIMIT);
        assert!(!exclude.contains(&picked.id));
        if self.config.panic_threshold == Percent::new(0) {
            self.check_available(picked);
        }
        let mut distinct = vec![pick.endpoint.id()];
        for other in &pick.alternatives {
            assert!(!distinct.contains(&other.id()) && !exclude.contains(other.id()));
            distinct.push(other.id());
        }
        self.tokens.push(pick.token);
        self.alternatives = pick.alternatives.to_vec();
    }

    /// Without panic: not out by its probes or an ejection, and no second trial.
    fn check_available(&self, picked: &EndpointStatus) {
        match picked.health {
            Health::Healthy => {}
            Health::Ejected { until } => {
                assert!(until <= self.now);
                let trials = self.tokens.iter().filter(|token| {
                    token.trial && token.endpoint.id() == &picked.id && self.concerns_now(token)
                });
                assert_eq!(trials.count(), 0);
            }
            Health::Unprobed | Health::Unhealthy => panic!("picked {picked:?}"),
        }
    }

    fn concerns_now(&self, token: &Token) -> bool {
        let mut state = self.pool.lock();
        let condition = state.members.condition_of(&token.endpoint);
        condition.is_some_and(|condition| condition.concerns(token.epoch))
    }

    fn check_that_none_could_be_picked(&self, exclude: &[EndpointId]) {
        let open = self.by_id().into_values().find(|status| {
            status.health == Health::Healthy
                && status.weight > 0
                && status.in_flight < LIMIT
                && !exclude.contains(&status.id)
        });
        assert_eq!(open, None);
    }

    fn reserve_alternative(&mut self, which: usize) {
        let all = self.alternatives.len().max(1);
        if let Some(endpoint) = self.alternatives.get(which % all)
            && let Ok(token) = self.pool.reserve(endpoint, &asked(), self.now)
        {
            self.tokens.push(token);
        }
    }

    fn release(&mut self, which: usize, outcome: Outcome) {
        if self.tokens.is_empty() {
            return;
        }
        let before = self.ejected();
        let token = self.tokens.swap_remove(which % self.tokens.len());
        self.pool.release(token, outcome, self.now);
        let all = self.pool.endpoints().len();
        if self.ejected() > before {
            let percent = self.config.outlier.as_ref().unwrap().max_ejection_percent;
            assert!(self.ejected() <= percent.of(all).max(1) && all > 1);
        }
    }

    fn ejected(&self) -> usize {
        let statuses = self.pool.endpoints().into_iter();
        let ejected = statuses.filter(|status| matches!(status.health, Health::Ejected { .. }));
        ejected.count()
    }

    fn by_id(&self) -> BTreeMap<EndpointId, EndpointStatus> {
        let statuses = self.pool.endpoints().into_iter();
        statuses.map(|status| (status.id.clone(), status)).collect()
    }

    fn check_counts(&self) {
        for status in self.pool.endpoints() {
            let held = self
                .tokens
                .iter()
                .filter(|token| token.endpoint.id() == &status.id);
            let held = held.count() as u64;
            assert_eq!(u64::from(status.in_flight), held);
            assert!(status.in_flight <= LIMIT);
            assert_eq!(
                status.in_flight_prompt_tokens,
                held * u64::from(COST.prompt_tokens)
            );
            assert_eq!(
                status.in_flight_output_tokens,
                held * u64::from(COST.output_tokens)
            );
            let settled = status.successes + status.failures + status.cancelled + status.neutral;
            assert_eq!(status.requests, settled + held);
        }
    }

    /// Everything that is released, probed and left alone for long is picked again.
    fn check_recovery(mut self) {
        while let Some(token) = self.tokens.pop() {
            self.pool.release(token, Outcome::Cancelled, self.now);
        }
        self.check_counts();
        let endpoints = self.pool.endpoints().into_iter();
        let serving: Vec<_> = endpoints.filter(|status| status.weight > 0).collect();
        serving
            .iter()
            .for_each(|status| self.pool.report_probe(&status.id, true));
        self.now = self.now + OutlierDetection::default().max_ejection;
        for target in &serving {
            let others = serving.iter().map(|status| status.id.clone());
            let others: Vec<_> = others.filter(|other| *other != target.id).collect();
            let token = pick(&self.pool, &others, self.now, 0).unwrap().token;
            self.pool.release(token, OK, self.now);
        }
        for status in self
            .by_id()
            .into_values()
            .filter(|status| status.weight > 0)
        {
            assert_eq!(status.health, Health::Healthy);
        }
    }
}

fn endpoints(weights: &[Option<u32>], port: u16) -> Vec<EndpointSpec> {
    let given: Vec<u32> = weights.iter().map(|weight| weight.unwrap_or(0)).collect();
    let specs = specs_of(&given).into_iter().zip(weights);
    specs
        .filter(|(_, weight)| weight.is_some())
        .map(|(spec, _)| EndpointSpec {
            address: crate::Address::new("10.0.0.2", port),
            ..spec
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn places_are_counted_limits_hold_and_endpoints_recover(
        config in config(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new(config);
        for step in steps {
            world.run(step);
            world.check_counts();
        }
        world.check_recovery();
    }
}

fn asked() -> PickRequest<'static> {
    PickRequest {
        cost: COST,
        ..PickRequest::default()
    }
}
