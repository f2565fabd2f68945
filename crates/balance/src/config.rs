//! What a pool is told to do. Plain values; every combination of them is valid.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::policies::Rule;

/// A share from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u8);

impl Percent {
    /// `value` hundredths; above 100 it is 100.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        if value > 100 {
            Self(100)
        } else {
            Self(value as u8)
        }
    }

    /// From 0 to 100.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0 as u32
    }

    /// This share of `whole`, rounded down.
    pub(crate) fn of(self, whole: usize) -> usize {
        whole.saturating_mul(usize::from(self.0)) / 100
    }
}

/// How an endpoint is chosen among the available ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Policy {
    /// In turn, whatever the weights.
    RoundRobin,
    /// In turn, exactly in proportion to the weights, evenly spaced.
    WeightedRoundRobin,
    /// At random, in proportion to the weights.
    Random,
    /// The least loaded of a few drawn at random in proportion to the weights; load is requests
    /// in flight, this one included, over weight. Two choices are nearly as good as looking at
    /// all, and do not send every gateway to the same endpoint.
    LeastRequest {
        /// How many are drawn. One is `Random`; as many as there are endpoints looks at all.
        choices: NonZeroU32,
    },
    /// Where a request costs least, by what is known of every endpoint.
    Cost(Rule),
}

impl Policy {
    /// The least delay for all, in which that of others weighs as much as a request's own.
    pub const PREDICTED_LATENCY: Self = Self::Cost(Rule::PredictedLatency { weight: 1.0 });

    /// Least request of two random choices.
    pub const P2C: Self = Self::LeastRequest {
        choices: NonZeroU32::MIN.saturating_add(1),
    };
}

/// When an endpoint is ejected for how it answers, and for how long.
///
/// The names and the rule are Envoy's; the defaults are not: pools of engines are small, so 10%
/// would be less than one endpoint, and after an ejection only one request at a time is tried,
/// so coming back early costs one request, not a share of the traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// Failures of any kind in a row that eject; 0 never does.
    pub consecutive_errors: u32,
    /// Failures to connect in a row that eject; 0 never does. Fewer than of other errors: an
    /// engine that refuses a connection is gone, whereas one that answers 500 may have been given
    /// a bad request. Not one, since a single lost handshake proves nothing.
    pub consecutive_connect_errors: u32,
    /// The first ejection lasts this long, the n-th in succession n times as long. Each such time
    /// spent healthy takes one off n.
    pub base_ejection: Duration,
    /// No ejection lasts longer (nor shorter than `base_ejection`).
    pub max_ejection: Duration,
    /// At most this share of the endpoints is out at a time, but always at least one unless it is
    /// the only one.
    pub max_ejection_percent: Percent,
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            consecutive_errors: 5,
            consecutive_connect_errors: 2,
            base_ejection: Duration::from_secs(10),
            max_ejection: Duration::from_secs(60),
            max_ejection_percent: Percent::new(50),
        }
    }
}

/// How many probes in a row change an endpoint's health. The first probe of an endpoint decides
/// by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthThresholds {
    /// Failed probes after which a healthy endpoint is unhealthy.
    pub unhealthy: NonZeroU32,
    /// Passed probes after which an unhealthy endpoint is healthy.
    pub healthy: NonZeroU32,
}

impl Default for HealthThresholds {
    /// Three failures, one success.
    fn default() -> Self {
        Self {
            unhealthy: NonZeroU32::MIN.saturating_add(2),
            healthy: NonZeroU32::MIN,
        }
    }
}

/// How many retries a pool bears, so that retries cannot multiply an outage.
///
/// A bucket of retries: each request puts a part of one in, each retry takes one out, and a small
/// steady income keeps retries possible when there is little traffic. The defaults are
/// Linkerd's (ratio 0.2, 10 per second over a window of 10 s).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudgetConfig {
    /// Retries earned by a hundred requests.
    pub ratio: Percent,
    /// Retries earned by a second.
    pub min_per_second: u32,
    /// Retries that can be saved up.
    pub reserve: u32,
}

impl Default for RetryBudgetConfig {
    fn default() -> Self {
        Self {
            ratio: Percent::new(20),
            min_per_second: 10,
            reserve: 100,
        }
    }
}

/// What is known of the prefix caches of a pool's engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixCaches {
    /// Tokens in a block of the chains that picks are given.
    pub block_tokens: NonZeroU32,
    /// Tokens whose keys and values an endpoint has memory for.
    pub capacity_tokens: u64,
}

/// Everything a pool is configured with.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolConfig {
    /// How an endpoint is chosen.
    pub policy: Policy,
    /// Ejection of endpoints that fail; `None` never ejects.
    pub outlier: Option<OutlierDetection>,
    /// What probes mean; `None` ignores them. With probes an endpoint counts as unavailable until
    /// its first probe passed, so that one that still loads its weights gets no request.
    pub health: Option<HealthThresholds>,
    /// No endpoint is given more requests at a time.
    pub max_in_flight_per_endpoint: Option<u32>,
    /// If a smaller share of the endpoints than this is available, the probes are more likely to
    /// be wrong than that many endpoints: probe health is ignored, and ejected endpoints are used
    /// after all others. Envoy's panic threshold; 0 never panics.
    pub panic_threshold: Percent,
    /// How many retries the pool bears.
    pub retry_budget: RetryBudgetConfig,
    /// The engines' prefix caches; `None` where picks are given no chains.
    pub prefix_caches: Option<PrefixCaches>,
}

impl Default for PoolConfig {
    /// Least request of two choices, outlier detection, no probes, no limit, panic below 50%.
    fn default() -> Self {
        Self {
            policy: Policy::P2C,
            outlier: Some(OutlierDetection::default()),
            health: None,
            max_in_flight_per_endpoint: None,
            panic_threshold: Percent::new(50),
            retry_budget: RetryBudgetConfig::default(),
            prefix_caches: None,
        }
    }
}
