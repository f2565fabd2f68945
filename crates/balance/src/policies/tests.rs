use std::collections::VecDeque;
use std::num::NonZeroU32;

use proptest::prelude::*;

use crate::fixtures::{ERROR, OK, at, id, number, pick, pool, pool_of, sequence, tally};
use crate::{Policy, Pool, PoolConfig};

const POLICIES: [Policy; 4] = [
    Policy::RoundRobin,
    Policy::WeightedRoundRobin,
    Policy::Random,
    Policy::P2C,
];

fn served(pool: &Pool, requests: usize) -> Vec<usize> {
    sequence(pool, requests, |_, _| OK, |_| at(1))
}

/// Requests in flight at each endpoint when this many are held.
fn held(pool: &Pool, requests: u64) -> Vec<u32> {
    let tokens: Vec<_> = (0..requests)
        .map(|n| pick(pool, &[], at(1), n).unwrap().token)
        .collect();
    let in_flight = pool
        .endpoints()
        .iter()
        .map(|status| status.in_flight)
        .collect();
    tokens
        .into_iter()
        .for_each(|token| pool.release(token, OK, at(1)));
    in_flight
}

#[test]
fn round_robin_ignores_weights() {
    let pool = pool(Policy::RoundRobin, &[1, 7, 3]);
    for cycle in served(&pool, 300).chunks(3) {
        assert_eq!(tally(cycle, 3), [1, 1, 1]);
    }
}

#[test]
fn round_robin_is_fair_to_the_neighbour_of_an_excluded_endpoint() {
    let pool = pool(Policy::RoundRobin, &[1; 5]);
    let picked: Vec<usize> = (0..1_000)
        .map(|n| {
            let exclude = if n % 2 == 0 { vec![id(0)] } else { vec![] };
            let pick = pick(&pool, &exclude, at(1), n).unwrap();
            pool.release(pick.token, OK, at(1));
            number(pick.endpoint.id())
        })
        .collect();
    assert_eq!(tally(&picked, 5), [200; 5]);
}

#[test]
fn an_endpoint_that_was_full_for_long_does_not_catch_up_all_at_once() {
    let config = PoolConfig {
        policy: Policy::RoundRobin,
        max_in_flight_per_endpoint: Some(1),
        ..PoolConfig::default()
    };
    let pool = pool_of(config, &[1; 3]);
    let long = pick(&pool, &[], at(1), 0).unwrap();
    let slow = number(long.endpoint.id());
    assert_eq!(tally(&served(&pool, 100), 3)[slow], 0);
    pool.release(long.token, OK, at(1));
    let share = tally(&served(&pool, 30), 3)[slow];
    assert!((10..=11).contains(&share), "{share} of 30");
}

#[test]
fn an_endpoint_that_joins_has_no_claim_to_the_past() {
    for policy in [Policy::RoundRobin, Policy::WeightedRoundRobin] {
        let pool = pool(policy, &[1; 3]);
        served(&pool, 1_000);
        pool.set_endpoints(crate::fixtures::specs(&[1; 4]));
        let share = tally(&served(&pool, 40), 4)[3];
        assert!((9..=11).contains(&share), "{share} of 40");
    }
}

#[test]
fn turns_taken_under_another_policy_do_not_count() {
    let pool = pool(Policy::RoundRobin, &[1; 3]);
    served(&pool, 1_000);
    for policy in [Policy::Random, Policy::WeightedRoundRobin] {
        pool.configure(PoolConfig {
            policy,
            ..PoolConfig::default()
        });
    }
    pool.set_endpoints(crate::fixtures::specs(&[1; 4]));
    assert_eq!(tally(&served(&pool, 40), 4), [10; 4]);
}

proptest! {
    #[test]
    fn every_window_of_weighted_round_robin_has_the_exact_proportion(
        weights in prop::collection::vec(1u32..20, 1..8),
        seed in any::<u64>(),
    ) {
        let pool = pool(Policy::WeightedRoundRobin, &weights);
        let sum = weights.iter().sum::<u32>() as usize;
        let picked: Vec<usize> = (0..3 * sum as u64)
            .map(|n| {
                let pick = pick(&pool, &[], at(1), seed.wrapping_add(n)).unwrap();
                pool.release(pick.token, OK, at(1));
                number(pick.endpoint.id())
            })
            .collect();
        let expect: Vec<usize> = weights.iter().map(|&weight| weight as usize).collect();
        for window in picked.windows(sum) {
            prop_assert_eq!(tally(window, weights.len()), expect.clone());
        }
    }
}

#[test]
fn an_endpoint_that_was_ejected_does_not_catch_up_all_at_once() {
    let pool = pool(Policy::RoundRobin, &[1; 3]);
    let outcome = |_, endpoint| if endpoint == 0 { ERROR } else { OK };
    sequence(&pool, 1_000, outcome, |_| at(1));
    let share = tally(&sequence(&pool, 30, |_, _| OK, |_| at(60)), 3)[0];
    assert!((10..=11).contains(&share), "{share} of 30");
}

#[test]
fn no_endpoint_is_ranked_twice_however_heavy_it_is() {
    let weights: Vec<u32> = (0..40)
        .map(|n| if n == 7 { 1_000_000 } else { 1 })
        .collect();
    for policy in POLICIES {
        let pool = pool(policy, &weights);
        for random in 0..100 {
            let pick = pick(&pool, &[], at(1), random).unwrap();
            let mut ids: Vec<_> = pick.alternatives.iter().map(|other| other.id()).collect();
            ids.push(pick.endpoint.id());
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), 4, "{policy:?}");
            pool.release(pick.token, OK, at(1));
        }
    }
}

/// Whether counts are in proportion to the weights, each within a tenth.
fn is_proportional(counts: &[usize], weights: &[u32]) -> bool {
    let unit = counts.iter().sum::<usize>() as f64 / f64::from(weights.iter().sum::<u32>());
    counts.iter().zip(weights).all(|(&count, &weight)| {
        let share = count as f64 / (unit * f64::from(weight));
        (0.9..1.1).contains(&share)
    })
}

#[test]
fn random_draws_are_proportional_to_the_weights_in_small_and_large_pools() {
    let large: Vec<u32> = (0..40).map(|n| 1 + n % 4).collect();
    for weights in [&[1, 2, 5][..], &[1; 40], &large] {
        let picked = served(&pool(Policy::Random, weights), 2_000 * weights.len());
        let counts = tally(&picked, weights.len());
        assert!(
            is_proportional(&counts, weights),
            "{counts:?} for {weights:?}"
        );
    }
}

#[test]
fn random_draws_stay_proportional_among_those_that_are_not_excluded() {
    let pool = pool(Policy::Random, &[2; 40]);
    let exclude: Vec<_> = (4..40).map(id).collect();
    let picked: Vec<usize> = (0..8_000)
        .map(|n| {
            let pick = pick(&pool, &exclude, at(1), n).unwrap();
            pool.release(pick.token, OK, at(1));
            number(pick.endpoint.id())
        })
        .collect();
    assert!(is_proportional(&tally(&picked, 4), &[2; 4]));
}

#[test]
fn least_request_over_idle_endpoints_is_proportional_to_the_weights() {
    for weights in [&[1, 3][..], &[1; 40], &[4, 2, 1, 1]] {
        let picked = served(&pool(Policy::P2C, weights), 2_000 * weights.len());
        let counts = tally(&picked, weights.len());
        assert!(
            is_proportional(&counts, weights),
            "{counts:?} for {weights:?}"
        );
    }
}

#[test]
fn least_request_fills_endpoints_in_proportion_to_the_weights() {
    let in_flight = held(&pool(Policy::P2C, &[1, 2, 4]), 700);
    for (count, expect) in in_flight.iter().zip([100u32, 200, 400]) {
        assert!(count.abs_diff(expect) <= 4, "{in_flight:?}");
    }
}

#[test]
fn two_choices_spread_better_than_one() {
    let random = held(&pool(Policy::Random, &[1; 64]), 640);
    let p2c = held(&pool(Policy::P2C, &[1; 64]), 640);
    assert!(random.iter().max() >= Some(&16), "{random:?}");
    assert!(p2c.iter().max() <= Some(&12), "{p2c:?}");
}

#[test]
fn as_many_choices_as_endpoints_find_the_least_loaded() {
    let choices = NonZeroU32::new(64).unwrap();
    let in_flight = held(&pool(Policy::LeastRequest { choices }, &[1; 64]), 640);
    assert_eq!(in_flight, [10; 64]);
}

/// Twenty requests a second for a minute to four endpoints; good ones take ten seconds, the first
/// fails at once. Its share.
fn share_of_fast_failing(config: PoolConfig) -> f64 {
    let pool = pool_of(config, &[1; 4]);
    let mut running = VecDeque::new();
    let mut failed = 0;
    for n in 0..1_200u64 {
        let now = at(0) + std::time::Duration::from_millis(50 * n);
        let pick = pick(&pool, &[], now, n).unwrap();
        if pick.endpoint.id() == &id(0) {
            failed += 1;
            pool.release(pick.token, ERROR, now);
        } else {
            running.push_back(pick.token);
        }
        if running.len() > 150 {
            pool.release(running.pop_front().unwrap(), OK, now);
        }
    }
    f64::from(failed) / 1_200.0
}

#[test]
fn an_endpoint_that_fails_fast_does_not_look_idle() {
    let without = PoolConfig {
        outlier: None,
        ..PoolConfig::default()
    };
    let share = share_of_fast_failing(without);
    assert!(share < 0.25, "{share} without ejection");
    let share = share_of_fast_failing(PoolConfig::default());
    assert!(share < 0.02, "{share} with ejection");
}

#[test]
fn the_same_randomness_and_history_give_the_same_picks() {
    for policy in POLICIES {
        let picks = || served(&pool(policy, &[1, 2, 3, 4, 5]), 100);
        assert_eq!(picks(), picks(), "{policy:?}");
    }
}

#[test]
fn alternatives_are_ordered_by_load() {
    let pool = pool(Policy::P2C, &[1; 4]);
    let tokens: Vec<_> = (0..4usize)
        .flat_map(|n| {
            let others: Vec<_> = (0..4).filter(|&other| other != n).map(id).collect();
            let pool = &pool;
            (0..n as u64).map(move |random| pick(pool, &others, at(1), random).unwrap().token)
        })
        .collect();
    for random in 0..20 {
        let pick = pick(&pool, &[], at(1), random).unwrap();
        let loads: Vec<u32> = pick
            .alternatives
            .iter()
            .map(|other| other.in_flight())
            .collect();
        assert_eq!(loads.len(), 3);
        assert!(loads.is_sorted(), "{loads:?}");
        pool.release(pick.token, OK, at(1));
    }
    tokens
        .into_iter()
        .for_each(|token| pool.release(token, OK, at(1)));
}
