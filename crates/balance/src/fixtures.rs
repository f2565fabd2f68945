//! Pools and outcomes for tests.

use std::time::Duration;

use crate::{
    Address, Began, EndpointId, EndpointSpec, EndpointStatus, FailureKind, Outcome, Pick,
    PickError, PickRequest, Policy, Pool, PoolConfig, Time,
};

pub(crate) const OK: Outcome = Outcome::Success {
    first_token: None,
    output_tokens: 1,
};
pub(crate) const REFUSED: Outcome = Outcome::Failure(FailureKind::Connect);
pub(crate) const ERROR: Outcome = Outcome::Failure(FailureKind::Status(500));

/// A response that begins by its first token.
pub(crate) fn began(after: Duration) -> Began {
    Began {
        after,
        by_first_token: true,
    }
}

pub(crate) fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

/// The id of the n-th endpoint.
pub(crate) fn id(n: usize) -> EndpointId {
    format!("e{n}").into()
}

/// Endpoints `e0`, `e1`, … of these weights.
pub(crate) fn specs(weights: &[u32]) -> Vec<EndpointSpec> {
    let specs = weights.iter().enumerate();
    specs
        .map(|(n, &weight)| EndpointSpec {
            weight,
            ..EndpointSpec::new(id(n), Address::new("10.0.0.1", 8000 + n as u16))
        })
        .collect()
}

pub(crate) fn pool_of(config: PoolConfig, weights: &[u32]) -> Pool {
    let pool = Pool::new(config);
    pool.set_endpoints(specs(weights));
    pool
}

pub(crate) fn pool(policy: Policy, weights: &[u32]) -> Pool {
    pool_of(
        PoolConfig {
            policy,
            ..PoolConfig::default()
        },
        weights,
    )
}

pub(crate) fn pick(
    pool: &Pool,
    exclude: &[EndpointId],
    now: Time,
    random: u64,
) -> Result<Pick, PickError> {
    let request = PickRequest {
        exclude,
        ..PickRequest::default()
    };
    pool.pick(&request, now, random)
}

/// Which endpoint `e<n>` this is.
pub(crate) fn number(id: &EndpointId) -> usize {
    id.as_str()[1..].parse().unwrap()
}

/// Requests one after another, each with its outcome, and the endpoint each went to.
pub(crate) fn sequence(
    pool: &Pool,
    requests: usize,
    outcome: impl Fn(usize, usize) -> Outcome,
    now: impl Fn(usize) -> Time,
) -> Vec<usize> {
    (0..requests)
        .map(|request| {
            let pick = pick(pool, &[], now(request), request as u64).unwrap();
            let endpoint = number(pick.endpoint.id());
            pool.release(pick.token, outcome(request, endpoint), now(request));
            endpoint
        })
        .collect()
}

/// How often each endpoint occurs.
pub(crate) fn tally(endpoints: &[usize], all: usize) -> Vec<usize> {
    (0..all)
        .map(|n| endpoints.iter().filter(|&&endpoint| endpoint == n).count())
        .collect()
}

pub(crate) fn status(pool: &Pool, n: usize) -> EndpointStatus {
    pool.endpoints()
        .into_iter()
        .find(|status| status.id == id(n))
        .unwrap()
}
