mod model;

use std::num::NonZeroU32;
use std::thread;
use std::time::Duration;

use super::*;
use crate::fixtures::{
    ERROR, OK, REFUSED, at, began, id, number, pick, pool, pool_of, sequence, specs, status, tally,
};
use crate::{Cost, FailureKind, Health, HealthThresholds, OutlierDetection, Percent, Policy};

fn probed() -> PoolConfig {
    PoolConfig {
        health: Some(HealthThresholds::default()),
        ..PoolConfig::default()
    }
}

fn is_ejected(pool: &Pool, n: usize) -> bool {
    matches!(status(pool, n).health, Health::Ejected { .. })
}

/// Ejects an endpoint at a time.
fn eject(pool: &Pool, n: usize, now: Time) {
    let others: Vec<_> = pool
        .endpoints()
        .into_iter()
        .map(|status| status.id)
        .collect();
    let others: Vec<_> = others.into_iter().filter(|other| *other != id(n)).collect();
    for random in 0..2 {
        let token = pick(pool, &others, now, random).unwrap().token;
        pool.release(token, REFUSED, now);
    }
    assert!(is_ejected(pool, n));
}

#[test]
fn why_nothing_is_picked() {
    let config = PoolConfig {
        max_in_flight_per_endpoint: Some(1),
        panic_threshold: Percent::new(0),
        ..PoolConfig::default()
    };
    let why = |pool: &Pool, exclude: &[EndpointId]| pick(pool, exclude, at(1), 0).unwrap_err();
    assert_eq!(
        why(&pool_of(config.clone(), &[]), &[]),
        PickError::NoEndpoints
    );
    assert_eq!(
        why(&pool_of(config.clone(), &[0, 0]), &[]),
        PickError::NoEndpoints
    );

    let pool = pool_of(config.clone(), &[1, 1]);
    assert_eq!(why(&pool, &[id(0), id(1)]), PickError::AllExcluded);
    let token = pick(&pool, &[id(0)], at(1), 0).unwrap().token;
    assert_eq!(why(&pool, &[id(0)]), PickError::AllFull);
    assert_eq!(why(&pool, &[id(0), id(1)]), PickError::AllExcluded);
    pool.release(token, OK, at(1));

    let pool = pool_of(
        PoolConfig {
            panic_threshold: Percent::new(0),
            ..probed()
        },
        &[1, 1],
    );
    assert_eq!(why(&pool, &[]), PickError::AllUnhealthy);
}

#[test]
fn an_engine_that_is_killed_stops_receiving_within_two_requests() {
    for policy in [
        Policy::RoundRobin,
        Policy::WeightedRoundRobin,
        Policy::Random,
        Policy::P2C,
    ] {
        let pool = pool(policy, &[1; 4]);
        let outcome = |request: usize, endpoint: usize| match endpoint {
            0 if request >= 100 => REFUSED,
            _ => OK,
        };
        let picked = sequence(&pool, 1_100, outcome, |_| at(1));
        let refused = tally(&picked[100..], 4)[0];
        assert!((1..=2).contains(&refused), "{refused} with {policy:?}");
    }
}

#[test]
fn what_dies_with_an_engine_ejects_it_once() {
    let pool = pool(Policy::RoundRobin, &[1, 1]);
    let tokens: Vec<_> = (0..100)
        .map(|n| pick(&pool, &[id(1)], at(1), n).unwrap().token)
        .collect();
    for token in tokens {
        pool.release(token, Outcome::Failure(FailureKind::Stream), at(1));
    }
    let status = status(&pool, 0);
    assert_eq!(status.ejections, 1);
    assert_eq!(status.health, Health::Ejected { until: at(11) });
}

#[test]
fn after_an_ejection_one_request_at_a_time_tries_until_one_succeeds() {
    let pool = pool(Policy::P2C, &[1, 1, 1]);
    eject(&pool, 0, at(1));
    let others = [id(1), id(2)];
    assert_eq!(
        pick(&pool, &others, at(10), 0).unwrap_err(),
        PickError::AllExcluded
    );

    let trial = pick(&pool, &others, at(11), 0).unwrap().token;
    assert!(
        pick(&pool, &others, at(11), 0).is_err(),
        "one trial at a time"
    );
    pool.release(trial, Outcome::Cancelled, at(12));

    let trial = pick(&pool, &others, at(12), 0).unwrap().token;
    pool.release(trial, ERROR, at(12));
    assert_eq!(status(&pool, 0).health, Health::Ejected { until: at(32) });

    let trial = pick(&pool, &others, at(32), 0).unwrap().token;
    pool.release(trial, OK, at(33));
    assert_eq!(status(&pool, 0).health, Health::Healthy);
    let tokens: Vec<_> = (0..10)
        .map(|n| pick(&pool, &others, at(33), n).unwrap().token)
        .collect();
    tokens
        .into_iter()
        .for_each(|token| pool.release(token, OK, at(34)));
}

#[test]
fn a_trial_succeeds_when_the_response_begins_and_counts_as_ordinary_from_there() {
    let pool = pool(Policy::P2C, &[1, 1]);
    eject(&pool, 0, at(1));
    let mut trial = pick(&pool, &[id(1)], at(11), 0).unwrap().token;
    pool.response_began(&mut trial, began(Duration::from_millis(200)), at(11));
    pool.response_began(&mut trial, began(Duration::from_millis(900)), at(12));
    assert_eq!(status(&pool, 0).health, Health::Healthy);
    pool.release(trial, Outcome::Failure(FailureKind::Stream), at(13));
    assert_eq!(status(&pool, 0).health, Health::Healthy);

    let errors = (0..4).map(|n| {
        let token = pick(&pool, &[id(1)], at(13), n).unwrap().token;
        pool.release(token, ERROR, at(13));
        is_ejected(&pool, 0)
    });
    assert_eq!(
        errors.collect::<Vec<_>>(),
        [false, false, false, true],
        "the stream counted"
    );
    assert_eq!(status(&pool, 0).first_token_sum, Duration::from_millis(200));
}

#[test]
fn a_stream_from_before_an_ejection_says_nothing_about_the_endpoint_after_it() {
    let pool = pool(Policy::P2C, &[1, 1]);
    let before: Vec<_> = (0..2)
        .map(|n| pick(&pool, &[id(1)], at(1), n).unwrap().token)
        .collect();
    eject(&pool, 0, at(1));
    let trial = pick(&pool, &[id(1)], at(11), 0).unwrap().token;
    for (token, outcome) in before.into_iter().zip([OK, ERROR]) {
        pool.release(token, outcome, at(12));
        assert_eq!(status(&pool, 0).health, Health::Ejected { until: at(11) });
    }
    assert!(
        pick(&pool, &[id(1)], at(12), 0).is_err(),
        "the trial is still under way"
    );
    pool.release(trial, OK, at(12));
    assert_eq!(status(&pool, 0).health, Health::Healthy);
}

/// Endpoints out of `all` that are ejected when all refuse connections.
fn check_ejected(all: usize, max_ejection_percent: u32, expect: usize) {
    let outlier = OutlierDetection {
        max_ejection_percent: Percent::new(max_ejection_percent),
        ..OutlierDetection::default()
    };
    let config = PoolConfig {
        outlier: Some(outlier),
        ..PoolConfig::default()
    };
    let pool = pool_of(config, &vec![1; all]);
    sequence(&pool, 50 * all, |_, _| REFUSED, |_| at(1));
    let ejected = (0..all).filter(|&n| is_ejected(&pool, n)).count();
    assert_eq!(ejected, expect, "of {all} at {max_ejection_percent}%");
}

#[test]
fn a_share_of_the_endpoints_may_be_ejected_and_always_one_unless_it_is_the_only_one() {
    check_ejected(1, 100, 0);
    check_ejected(2, 0, 1);
    check_ejected(4, 10, 1);
    check_ejected(4, 50, 2);
    check_ejected(4, 100, 4);
    check_ejected(5, 50, 2);
}

#[test]
fn an_endpoint_that_is_not_probed_yet_gets_nothing_while_others_pass() {
    let pool = pool_of(probed(), &[1; 3]);
    pool.report_probe(&id(0), true);
    pool.report_probe(&id(1), true);
    let picked = sequence(&pool, 100, |_, _| OK, |_| at(1));
    assert_eq!(tally(&picked, 3)[2], 0);
    assert_eq!(status(&pool, 2).health, Health::Unprobed);
    pool.report_probe(&id(2), true);
    let picked = sequence(&pool, 100, |_, _| OK, |_| at(1));
    assert!(tally(&picked, 3)[2] > 0);
}

#[test]
fn failed_probes_take_an_endpoint_out_and_passed_ones_bring_it_back() {
    let pool = pool_of(probed(), &[1; 3]);
    (0..3).for_each(|n| pool.report_probe(&id(n), true));
    (0..3).for_each(|_| pool.report_probe(&id(0), false));
    assert_eq!(status(&pool, 0).health, Health::Unhealthy);
    let kept = pick(&pool, &[id(0)], at(1), 0).unwrap();
    assert!(kept.alternatives.iter().all(|other| other.id() != &id(0)));
    pool.release(kept.token, OK, at(1));
    let picked = sequence(&pool, 100, |_, _| OK, |_| at(1));
    assert_eq!(tally(&picked, 3)[0], 0);
    pool.report_probe(&id(0), true);
    assert_eq!(status(&pool, 0).health, Health::Healthy);
}

#[test]
fn with_too_few_available_probes_are_ignored_and_ejected_endpoints_come_last() {
    let pool = pool_of(probed(), &[1; 4]);
    let picked = sequence(&pool, 400, |_, _| OK, |_| at(1));
    assert!(
        tally(&picked, 4).iter().all(|&count| count > 50),
        "all unprobed"
    );

    (0..4).for_each(|n| pool.report_probe(&id(n), n == 1));
    eject(&pool, 0, at(1));
    let picked = sequence(&pool, 400, |_, _| OK, |_| at(1));
    let counts = tally(&picked, 4);
    assert!(
        counts[0] == 0 && counts[2] > 50 && counts[3] > 50,
        "{counts:?}"
    );
    let last = pick(&pool, &[], at(1), 0).unwrap();
    assert_eq!(
        last.alternatives.last().map(|other| other.id()),
        Some(&id(0))
    );
    pool.release(last.token, OK, at(1));
    let resort = pick(&pool, &[id(1), id(2), id(3)], at(1), 0).unwrap();
    assert_eq!(resort.endpoint.id(), &id(0));
    pool.release(resort.token, OK, at(1));
    assert_eq!(
        status(&pool, 0).health,
        Health::Unhealthy,
        "a success ends the ejection"
    );
}

#[test]
fn reserving_an_alternative_is_refused_when_it_is_no_longer_one() {
    let config = PoolConfig {
        max_in_flight_per_endpoint: Some(2),
        ..PoolConfig::default()
    };
    let pool = pool_of(config, &[1; 3]);
    let first = pick(&pool, &[], at(1), 0).unwrap();
    let other = Arc::clone(&first.alternatives[0]);
    let cost = Cost {
        prompt_tokens: 7,
        output_tokens: 3,
    };
    let asked = PickRequest {
        cost,
        ..PickRequest::default()
    };
    let tokens: Vec<_> = (0..2)
        .map(|_| pool.reserve(&other, &asked, at(1)).unwrap())
        .collect();
    assert_eq!(
        status(&pool, number(other.id())).in_flight_prompt_tokens,
        14
    );
    assert_eq!(
        pool.reserve(&other, &asked, at(1)).unwrap_err(),
        ReserveError::Full
    );
    tokens
        .into_iter()
        .for_each(|token| pool.release(token, REFUSED, at(1)));
    assert_eq!(
        pool.reserve(&other, &asked, at(1)).unwrap_err(),
        ReserveError::Unhealthy
    );
    pool.set_endpoints(vec![]);
    assert_eq!(
        pool.reserve(&other, &asked, at(1)).unwrap_err(),
        ReserveError::Gone
    );
    pool.release(first.token, OK, at(1));
}

#[test]
fn an_endpoint_keeps_its_state_at_another_address() {
    let pool = pool(Policy::P2C, &[1, 1]);
    eject(&pool, 0, at(1));
    let held = pick(&pool, &[], at(1), 0).unwrap();
    let mut moved = specs(&[1, 1]);
    moved
        .iter_mut()
        .for_each(|spec| spec.address = crate::Address::new("10.9.9.9", 1));
    pool.set_endpoints(moved.clone());
    assert!(is_ejected(&pool, 0));
    assert_eq!(status(&pool, 0).failures, 2);
    assert_eq!(status(&pool, 1).in_flight, 1);
    assert_eq!(status(&pool, 1).address, moved[1].address);
    assert_eq!(
        held.endpoint.address(),
        &specs(&[1, 1])[1].address,
        "as picked"
    );
    pool.release(held.token, OK, at(1));
    assert_eq!(status(&pool, 1).in_flight, 0);
    assert_eq!(status(&pool, 1).successes, 1);
}

#[test]
fn an_endpoint_that_comes_back_is_as_busy_as_it_was() {
    let pool = pool(Policy::P2C, &[1, 1]);
    let held = pick(&pool, &[id(1)], at(1), 0).unwrap().token;
    eject(&pool, 0, at(1));
    pool.set_endpoints(specs(&[1, 1]).split_off(1));
    pool.set_endpoints(specs(&[1, 1]));
    assert_eq!(status(&pool, 0).in_flight, 1);
    assert!(is_ejected(&pool, 0));
    pool.set_endpoints(vec![]);
    pool.release(held, OK, at(2));
    pool.set_endpoints(specs(&[1, 1]));
    assert_eq!(
        status(&pool, 0).requests,
        0,
        "forgotten with its last request"
    );
}

#[test]
fn without_outlier_detection_nothing_stays_ejected() {
    let pool = pool(Policy::P2C, &[1, 1]);
    eject(&pool, 0, at(1));
    pool.configure(PoolConfig {
        outlier: None,
        ..PoolConfig::default()
    });
    assert_eq!(status(&pool, 0).health, Health::Healthy);
    pool.release(pick(&pool, &[id(1)], at(1), 0).unwrap().token, OK, at(1));
}

#[test]
fn what_left_ejected_comes_back_sound_without_outlier_detection() {
    let pool = pool(Policy::P2C, &[1, 1]);
    let held = pick(&pool, &[id(1)], at(1), 0).unwrap().token;
    eject(&pool, 0, at(1));
    pool.set_endpoints(vec![]);
    pool.configure(PoolConfig {
        outlier: None,
        ..PoolConfig::default()
    });
    pool.set_endpoints(specs(&[1, 1]));
    assert_eq!(status(&pool, 0).health, Health::Healthy);
    pool.release(held, OK, at(1));
}

#[test]
fn outcomes_that_say_nothing_about_the_endpoint_change_nothing_but_counts() {
    let pool = pool(Policy::RoundRobin, &[1, 1]);
    let outcomes = [Outcome::Neutral, Outcome::Cancelled];
    for outcome in outcomes.into_iter().cycle().take(100) {
        let token = pick(&pool, &[id(1)], at(1), 0).unwrap().token;
        pool.release(token, outcome, at(1));
    }
    let status = status(&pool, 0);
    assert_eq!(
        (status.neutral, status.cancelled, status.in_flight),
        (50, 50, 0)
    );
    assert_eq!(status.health, Health::Healthy);
}

#[test]
fn the_limit_holds_when_threads_pick_and_release_at_once() {
    let config = PoolConfig {
        max_in_flight_per_endpoint: Some(2),
        policy: Policy::LeastRequest {
            choices: NonZeroU32::MIN,
        },
        ..PoolConfig::default()
    };
    let pool = pool_of(config, &[1, 1]);
    thread::scope(|scope| {
        for thread in 0..4u64 {
            let pool = &pool;
            scope.spawn(move || {
                for n in 0..5_000 {
                    if let Ok(pick) = pick(pool, &[], at(1), thread * 5_000 + n) {
                        assert!(pick.endpoint.in_flight() <= 2);
                        pool.release(pick.token, if n % 7 == 0 { ERROR } else { OK }, at(1));
                    }
                }
            });
        }
    });
    for status in pool.endpoints() {
        assert_eq!(status.in_flight, 0);
        assert_eq!(status.requests, status.successes + status.failures);
    }
}
