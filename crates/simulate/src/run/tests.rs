use engine::Sequence;

use super::*;
use crate::policies::named;
use crate::report::{Objective, figures};

fn profile() -> Profile {
    Profile::qwen3_32b_h100_tp2()
}

/// Requests of 4,000 tokens that share half with every sixty-first before them.
fn trace(requests: u64, every_ms: u64) -> Trace {
    let block = profile().block_size;
    let chunk = NonZeroU32::new(500).unwrap();
    let arrival = |number: u64| {
        let chunks: Vec<u64> = (0..8)
            .map(|chunk| match chunk {
                0..4 => (number % 61) * 10 + chunk,
                _ => (number + 1) * 1000 + chunk,
            })
            .collect();
        let sequence = Sequence::from_chunks(&chunks, chunk, 4000, 50, number, block);
        Arrival {
            at: Nanos::from_millis(number * every_ms),
            sequence: sequence.unwrap(),
        }
    };
    Trace::new((0..requests).map(arrival).collect()).unwrap()
}

fn fleet(policy: &str, replicas: u32) -> Fleet {
    let replicas = NonZeroU32::new(replicas).unwrap();
    Fleet::of(profile(), replicas, named(policy).unwrap(), 3)
}

#[test]
fn one_request_takes_what_its_prompt_and_its_answer_take() {
    let outcomes = replay(&trace(1, 1), &fleet("random", 2)).unwrap();
    let [seen] = &outcomes.seen[..] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(
        (seen.prompt_tokens, seen.cached_tokens, seen.output_tokens),
        (4000, 0, 50)
    );
    assert_eq!(seen.first_token, seen.cold_prefill);
    let decode = StepLoad {
        decodes: 1,
        context_tokens: 4025,
        ..StepLoad::default()
    };
    let step = profile().cost.time(&decode).as_millis_f64();
    let took = seen.decoding.as_millis_f64() / 49.0;
    assert!(
        (took / step - 1.0).abs() < 0.01,
        "{took} ms a token, not {step}"
    );
}

#[test]
fn equal_seeds_give_equal_runs() {
    let trace = trace(200, 60);
    for policy in ["random", "least-request", "predicted-latency", "llm-d"] {
        let run = |seed| {
            let fleet = Fleet {
                seed,
                ..fleet(policy, 4)
            };
            replay(&trace, &fleet).unwrap().seen
        };
        assert_eq!(run(3), run(3), "{policy}");
        assert_ne!(run(3), run(4), "{policy}");
    }
}

#[test]
fn every_request_ends_whatever_the_policy() {
    let trace = trace(300, 40);
    for (policy, _) in crate::policies::NAMES {
        let outcomes = replay(&trace, &fleet(policy, 3)).unwrap();
        assert_eq!(
            (outcomes.seen.len(), outcomes.refused),
            (300, 0),
            "{policy}"
        );
    }
}

#[test]
fn who_knows_the_caches_computes_less() {
    let trace = trace(400, 120);
    let hits = |policy| {
        let outcomes = replay(&trace, &fleet(policy, 4)).unwrap();
        figures(&outcomes, &Objective::default(), 0.05)[8]
    };
    let (blind, knowing) = (hits("round-robin"), hits("predicted-latency"));
    // Half of each prompt is shared, but with the first of its kind.
    assert!(knowing > 0.3 && knowing < 0.5, "{knowing}");
    assert!(blind < 0.25, "{blind}");
}

#[test]
fn a_replica_at_half_speed_gets_less_where_speed_is_learned() {
    let trace = trace(600, 90);
    let share = |policy| {
        let mut fleet = fleet(policy, 4);
        fleet.slowness[0] = 2.0;
        let outcomes = replay(&trace, &fleet).unwrap();
        let slow = outcomes.seen.iter().filter(|seen| seen.engine == 0).count();
        slow as f64 / outcomes.seen.len() as f64
    };
    let (blind, knowing) = (share("round-robin"), share("predicted-latency"));
    assert!(knowing < 0.21 && knowing < blind, "{knowing}, {blind}");
}

#[test]
fn what_is_too_long_for_an_engine_is_refused() {
    let block = profile().block_size;
    let chunk = NonZeroU32::new(200_000).unwrap();
    let sequence = Sequence::from_chunks(&[1], chunk, 200_000, 5, 1, block).unwrap();
    let arrival = Arrival {
        at: Nanos::ZERO,
        sequence,
    };
    let trace = Trace::new(vec![arrival]).unwrap();
    let outcomes = replay(&trace, &fleet("predicted-latency", 2)).unwrap();
    assert_eq!((outcomes.seen.len(), outcomes.refused), (0, 1));
    assert!(figures(&outcomes, &Objective::default(), 0.0)[0].abs() < 1e-9);
}
