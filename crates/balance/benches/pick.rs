//! What a decision costs: pick and release, by policy and size of the pool.

use std::hint::black_box;

use std::num::NonZeroU32;

use balance::{
    Address, Chain, Cost, EndpointSpec, Outcome, PickRequest, Policy, Pool, PoolConfig,
    PrefixCaches, Time,
};
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

/// Prompts of 16,000 tokens in blocks of 256, of 64 conversations that an index of every endpoint's cache
/// knows; each pick looks its chain up and renews it.
#[divan::bench(args = SIZES)]
fn predicted_latency(bencher: Bencher<'_, '_>, endpoints: usize) {
    const BLOCK: NonZeroU32 = NonZeroU32::MIN.saturating_add(255);
    let pool = Pool::new(PoolConfig {
        policy: Policy::PREDICTED_LATENCY,
        prefix_caches: Some(PrefixCaches {
            block_tokens: BLOCK,
            capacity_tokens: 500_000,
        }),
        ..PoolConfig::default()
    });
    pool.set_endpoints((0..endpoints).map(spec).collect());
    let tokens: Vec<u32> = (1..=62).map(|block| block * BLOCK.get()).collect();
    let hashes = |which: u64| (0..62).map(move |block| (which << 32) + block).collect();
    let conversations: Vec<Vec<u64>> = (1..=64).map(hashes).collect();
    let now = Time::from_nanos(1);
    let mut random = 0u64;
    let mut pick = || {
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let conversation = &conversations[(random >> 58) as usize];
        let request = PickRequest {
            cost: Cost {
                prompt_tokens: 16_000,
                output_tokens: 0,
            },
            chain: Chain {
                hashes: conversation,
                tokens: &tokens,
            },
            ..PickRequest::default()
        };
        if let Ok(pick) = pool.pick(black_box(&request), now, random) {
            pool.release(black_box(pick).token, OK, now);
        }
    };
    (0..10_000).for_each(|_| pick());
    bencher.bench_local(pick);
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
