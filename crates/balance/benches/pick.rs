//! What a decision costs: pick and release, by policy and size of the pool.

use std::hint::black_box;

use balance::{Address, EndpointSpec, Outcome, PickRequest, Policy, Pool, PoolConfig, Time};
use divan::Bencher;

const SIZES: [usize; 3] = [4, 64, 500];
const OK: Outcome = Outcome::Success {
    first_token: None,
    output_tokens: 100,
};

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES)]
fn round_robin(bencher: Bencher<'_, '_>, endpoints: usize) {
    run(bencher, Policy::RoundRobin, endpoints);
}

#[divan::bench(args = SIZES)]
fn weighted_round_robin(bencher: Bencher<'_, '_>, endpoints: usize) {
    run(bencher, Policy::WeightedRoundRobin, endpoints);
}

#[divan::bench(args = SIZES)]
fn random(bencher: Bencher<'_, '_>, endpoints: usize) {
    run(bencher, Policy::Random, endpoints);
}

#[divan::bench(args = SIZES)]
fn least_request(bencher: Bencher<'_, '_>, endpoints: usize) {
    run(bencher, Policy::P2C, endpoints);
}

fn run(bencher: Bencher<'_, '_>, policy: Policy, endpoints: usize) {
    let pool = Pool::new(PoolConfig {
        policy,
        ..PoolConfig::default()
    });
    pool.set_endpoints((0..endpoints).map(spec).collect());
    let request = PickRequest::default();
    let now = Time::from_nanos(1);
    let mut random = 0u64;
    bencher.bench_local(|| {
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        if let Ok(pick) = pool.pick(black_box(&request), now, random) {
            pool.release(black_box(pick).token, OK, now);
        }
    });
}

fn spec(n: usize) -> EndpointSpec {
    EndpointSpec {
        weight: 1 + n as u32 % 4,
        ..EndpointSpec::new(
            format!("engine-{n}").as_str(),
            Address::new("10.0.0.1", 8000),
        )
    }
}
