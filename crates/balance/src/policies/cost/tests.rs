use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::fixtures::{ERROR, OK, at, began, number, pool_of, tally};
use crate::{Chain, Cost, Pick, PickRequest, Policy, Pool, PoolConfig, PrefixCaches};

const RULES: [Rule; 7] = [
    Rule::LeastPendingWork,
    Rule::LMetric,
    Rule::Dynamo { scale: 1.0 },
    Rule::Sglang,
    Rule::LlmD,
    Rule::AiBrix,
    Rule::PredictedLatency { weight: 1.0 },
];

fn pool(rule: Rule, weights: &[u32]) -> Pool {
    let config = PoolConfig {
        policy: Policy::Cost(rule),
        prefix_caches: caches(),
        ..PoolConfig::default()
    };
    pool_of(config, weights)
}

fn caches() -> Option<PrefixCaches> {
    Some(PrefixCaches {
        block_tokens: NonZeroU32::new(10).unwrap(),
        capacity_tokens: 1000,
    })
}

/// A request for a prompt of this chain, ten tokens a block.
fn pick(pool: &Pool, chain: &[u64], random: u64) -> Pick {
    let request = PickRequest {
        cost: Cost {
            prompt_tokens: chain.len() as u32 * 10,
            output_tokens: 0,
        },
        chain: Chain {
            hashes: chain,
            tokens: &[],
        },
        ..PickRequest::default()
    };
    pool.pick(&request, at(1), random).unwrap()
}

/// Prompts that have nothing in common.
fn apart(number: u64, blocks: u64) -> Vec<u64> {
    (0..blocks).map(|block| number * 1000 + block + 1).collect()
}

#[test]
fn every_rule_spreads_what_comes_at_once() {
    for rule in RULES {
        let pool = pool(rule, &[1; 4]);
        let picks: Vec<Pick> = (0..40).map(|n| pick(&pool, &apart(n, 5), n)).collect();
        let endpoints: Vec<usize> = picks
            .iter()
            .map(|pick| number(pick.endpoint.id()))
            .collect();
        let tally = tally(&endpoints, 4);
        assert!(
            tally.iter().all(|count| (6..=14).contains(count)),
            "{rule:?}: {tally:?}"
        );
        assert!(picks.iter().all(|pick| pick.alternatives.len() == 3));
    }
}

#[test]
fn rules_that_know_caches_go_where_the_prompt_is() {
    let follow = [
        Rule::LeastPendingWork,
        Rule::LMetric,
        Rule::Sglang,
        Rule::LlmD,
        Rule::AiBrix,
        Rule::PredictedLatency { weight: 1.0 },
    ];
    for rule in follow {
        let pool = pool(rule, &[1; 4]);
        let mut first = pick(&pool, &apart(7, 20), 1);
        pool.response_began(&mut first.token, began(Duration::from_millis(10)), at(1));
        let at_first = number(first.endpoint.id());
        pool.release(first.token, OK, at(1));
        let mut longer = apart(7, 20);
        longer.extend([1, 2]);
        for random in 0..20 {
            let next = pick(&pool, &longer, random);
            assert_eq!(number(next.endpoint.id()), at_first, "{rule:?}");
            pool.release(next.token, OK, at(1));
        }
    }
}

#[test]
fn what_an_endpoint_has_generated_is_known_too() {
    let pool = pool(Rule::LeastPendingWork, &[1; 4]);
    let first = pick(&pool, &apart(7, 2), 1);
    let computed = apart(7, 20);
    let chain = Chain {
        hashes: &computed,
        tokens: &[],
    };
    pool.computed(&first.endpoint, &chain);
    let endpoint = number(first.endpoint.id());
    pool.release(first.token, OK, at(1));
    let next = pick(&pool, &apart(7, 21), 5);
    assert_eq!(number(next.endpoint.id()), endpoint);
    // All but the last block, which nobody has computed.
    assert_eq!(pool.endpoints()[endpoint].in_flight_prompt_tokens, 210);
    assert_eq!(next.token.prefill, 10);
    pool.release(next.token, OK, at(1));
}

#[test]
fn an_endpoint_that_leaves_takes_its_cache_along() {
    let pool = pool(Rule::LeastPendingWork, &[1, 1]);
    let first = pick(&pool, &apart(7, 20), 1);
    pool.release(first.token, OK, at(1));
    pool.set_endpoints(Vec::new());
    pool.set_endpoints(crate::fixtures::specs(&[1, 1]));
    let again = pick(&pool, &apart(7, 20), 1);
    assert_eq!(again.token.prefill, 200);
    pool.release(again.token, OK, at(1));
}

/// Requests one after another at two endpoints, each done before the next; of endpoint 0 each token takes
/// `slower` times as long. How many of the last half it got.
fn share_of_slow(rule: Rule, slower: u64) -> usize {
    let pool = pool(rule, &[1; 2]);
    let mut held: Vec<Pick> = Vec::new();
    let mut picked = Vec::new();
    for n in 0..400_u64 {
        let pick = pick(&pool, &apart(n, 100), n);
        picked.push(number(pick.endpoint.id()));
        held.push(pick);
        // Four are in flight at any time, and the first ends first: that says nothing of who is slow.
        if held.len() > 4 {
            let mut done = held.remove(0);
            let slow = number(done.endpoint.id()) == 0;
            let tokens = done.token.ahead + u64::from(done.token.prefill);
            let took = Duration::from_micros(tokens * 100 * if slow { slower } else { 1 });
            pool.response_began(&mut done.token, began(took), at(1));
            pool.release(done.token, OK, at(1));
        }
    }
    held.into_iter()
        .for_each(|pick| pool.release(pick.token, OK, at(1)));
    let left = pool.endpoints();
    assert!(left.iter().all(|endpoint| endpoint.in_flight == 0));
    tally(&picked[200..], 2)[0]
}

#[test]
fn a_slow_endpoint_is_known_by_its_first_tokens() {
    let ours = Rule::PredictedLatency { weight: 1.0 };
    let (equal, slow) = (share_of_slow(ours, 1), share_of_slow(ours, 3));
    assert!((80..=120).contains(&equal), "{equal}");
    assert!(slow < 70, "{slow}");
    let blind = share_of_slow(Rule::LeastPendingWork, 3);
    assert!((80..=120).contains(&blind), "{blind}");
}

/// What says nothing of prefilling teaches nothing: errors, whole answers, short prompts.
#[test]
fn only_first_tokens_of_long_prompts_teach() {
    let pool = pool(Rule::PredictedLatency { weight: 1.0 }, &[1; 2]);
    for n in 0..100 {
        let blocks = if n % 2 == 0 { 100 } else { 5 };
        let mut pick = pick(&pool, &apart(n, blocks), n);
        let mut began = began(Duration::from_micros(1));
        began.by_first_token = blocks == 5;
        pool.response_began(&mut pick.token, began, at(1));
        pool.release(pick.token, OK, at(1));
    }
    let picked = pick(&pool, &apart(1000, 100), 1);
    assert_eq!(picked.endpoint.counters().pace(), None);
    pool.release(picked.token, OK, at(1));
}

#[test]
fn an_endpoint_that_looked_slow_once_is_tried_again() {
    let pool = pool(Rule::PredictedLatency { weight: 1.0 }, &[1; 2]);
    for n in 0..40 {
        let mut pick = pick(&pool, &apart(n, 100), n);
        let slow = number(pick.endpoint.id()) == 0;
        let took = Duration::from_millis(if slow { 60_000 } else { 100 });
        pool.response_began(&mut pick.token, began(took), at(1));
        pool.release(pick.token, OK, at(1));
    }
    let later = |seconds| {
        let prompts = (0..40).map(|n| apart(n + 5000, 100));
        let picks = prompts.map(|prompt| {
            let request = PickRequest {
                cost: Cost {
                    prompt_tokens: 1000,
                    output_tokens: 0,
                },
                chain: Chain {
                    hashes: &prompt,
                    tokens: &[],
                },
                ..PickRequest::default()
            };
            let pick = pool.pick(&request, at(seconds), 7).unwrap();
            let endpoint = number(pick.endpoint.id());
            (endpoint, pick)
        });
        let (endpoints, picks): (Vec<_>, Vec<_>) = picks.unzip();
        picks
            .into_iter()
            .for_each(|pick| pool.release(pick.token, OK, at(seconds)));
        tally(&endpoints, 2)[0]
    };
    let (soon, late) = (later(2), later(1000));
    // Four times as slow at most is what it counts as, and that fades.
    assert!((4..14).contains(&soon), "{soon}");
    assert!((18..=22).contains(&late), "{late}");
}

/// Nothing but the policy keeps requests away: nobody is ejected, and the one that fails has the prompt in
/// its cache.
#[test]
fn one_that_fails_fast_does_not_look_idle() {
    for rule in RULES {
        let config = PoolConfig {
            policy: Policy::Cost(rule),
            outlier: None,
            prefix_caches: caches(),
            ..PoolConfig::default()
        };
        let pool = pool_of(config, &[1; 4]);
        let mut picked = Vec::new();
        for n in 0..200 {
            let pick = pick(&pool, &apart(n, 50), n);
            let endpoint = number(pick.endpoint.id());
            picked.push(endpoint);
            let outcome = if endpoint == 2 { ERROR } else { OK };
            pool.release(pick.token, outcome, at(1));
        }
        let failed = tally(&picked, 4)[2];
        assert!(
            failed <= 20,
            "{rule:?}: {failed} of 200 went to the one that fails"
        );
    }
}

#[test]
fn weights_count_beside_each_other() {
    for rule in [
        Rule::LeastPendingWork,
        Rule::PredictedLatency { weight: 1.0 },
    ] {
        let shares = |weights: &[u32]| {
            let pool = pool(rule, weights);
            let picks: Vec<Pick> = (0..40).map(|n| pick(&pool, &apart(n, 5), n)).collect();
            let of = |pick: &Pick| number(pick.endpoint.id());
            tally(&picks.iter().map(of).collect::<Vec<_>>(), weights.len())
        };
        let tripled = shares(&[1, 3]);
        assert!((27..=33).contains(&tripled[1]), "{rule:?}: {tripled:?}");
        assert_eq!(shares(&[100; 4]), shares(&[1; 4]), "{rule:?}");
    }
}

/// What an engine had is gone with its address, and so it is with its seat.
#[test]
fn a_restart_at_another_address_empties_the_cache() {
    let pool = pool(Rule::LeastPendingWork, &[1, 1]);
    let first = pick(&pool, &apart(7, 20), 1);
    let endpoint = number(first.endpoint.id());
    pool.release(first.token, OK, at(1));
    let mut moved = crate::fixtures::specs(&[1, 1]);
    moved[endpoint].address = crate::Address::new("10.0.0.9", 9);
    pool.set_endpoints(moved);
    let again = pick(&pool, &apart(7, 20), 1);
    assert_eq!(again.token.prefill, 200);
    pool.release(again.token, OK, at(1));
}

#[test]
fn an_alternative_is_told_of_the_prompt_too() {
    let pool = pool(Rule::LeastPendingWork, &[1, 1]);
    let prompt = apart(7, 20);
    let first = pick(&pool, &prompt, 1);
    let request = PickRequest {
        cost: first.token.cost(),
        chain: Chain {
            hashes: &prompt,
            tokens: &[],
        },
        ..PickRequest::default()
    };
    let other = std::sync::Arc::clone(&first.alternatives[0]);
    let second = pool.reserve(&other, &request, at(1)).unwrap();
    assert_eq!(second.prefill, 200);
    pool.release(second, OK, at(1));
    let again = pool.reserve(&other, &request, at(1)).unwrap();
    assert_eq!(again.prefill, 1);
    pool.release(again, OK, at(1));
    pool.release(first.token, OK, at(1));
}
