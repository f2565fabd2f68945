//! What a step computes, and for whom.

use std::collections::BTreeMap;

use super::*;
use crate::SequenceError;

fn load(prefill_tokens: u32, decodes: u32) -> (u32, u32) {
    (prefill_tokens, decodes)
}

fn run_step(engine: &mut Engine) -> ((u32, u32), Vec<Progress>) {
    let (load, progress) = step(engine, Nanos::ZERO);
    ((load.prefill_tokens, load.decodes), progress)
}

fn run_to_end(engine: &mut Engine) -> Vec<Progress> {
    let mut last = Vec::new();
    while engine.start_step(Nanos::ZERO) != Next::Idle {
        let (_, progress) = step(engine, Nanos::ZERO);
        last.extend(progress.into_iter().filter(|news| news.finished));
    }
    last
}

#[test]
fn a_long_prompt_is_prefilled_in_chunks_beside_decoding() {
    let mut engine = Engine::new(profile()).unwrap();
    let short = engine.submit(request(0, 6, 3)).unwrap();
    let long = engine.submit(request(100, 30, 1)).unwrap();
    let (first, news) = run_step(&mut engine);
    assert_eq!(
        first,
        load(16, 0),
        "6 tokens of the first prompt and 10 of the second"
    );
    assert_eq!(news.iter().map(|news| news.id).collect::<Vec<_>>(), [short]);
    let (second, _) = run_step(&mut engine);
    assert_eq!(
        second,
        load(15, 1),
        "decoding comes first, the chunk gets the rest"
    );
    let (third, news) = run_step(&mut engine);
    assert_eq!(third, load(5, 1));
    assert_eq!(
        news.iter()
            .map(|news| (news.id, news.generated, news.finished))
            .collect::<Vec<_>>(),
        [(short, 3, true), (long, 1, true)]
    );
    assert_eq!(engine.start_step(Nanos::ZERO), Next::Idle);
    assert_eq!(engine.stats().kv_blocks_used, 0);
}

#[test]
fn a_prefix_is_a_hit_once_it_has_been_computed() {
    let mut engine = Engine::new(profile()).unwrap();
    engine.submit(request(0, 8, 1)).unwrap();
    engine.submit(request(0, 8, 1)).unwrap();
    let (both, _) = run_step(&mut engine);
    assert_eq!(
        both,
        load(16, 0),
        "equal prompts in one step are both computed"
    );
    engine.submit(request(0, 8, 1)).unwrap();
    let (third, news) = run_step(&mut engine);
    assert_eq!(
        third,
        load(4, 0),
        "the last block is computed, or nothing could be sampled"
    );
    assert_eq!(news[0].cached_tokens, 4);
    assert_eq!(engine.stats().prefix_queries, 24);
    assert_eq!(engine.stats().prefix_hits, 4);
}

#[test]
fn generated_tokens_take_blocks_and_can_be_hit() {
    let mut engine = Engine::new(profile()).unwrap();
    let first = request(0, 6, 7);
    engine.submit(first.clone()).unwrap();
    run_step(&mut engine);
    assert_eq!(engine.stats().kv_blocks_used, 2);
    for _ in 0..5 {
        run_step(&mut engine);
    }
    assert_eq!(
        engine.stats().kv_blocks_used,
        3,
        "6 prompt and 5 computed output tokens"
    );
    run_to_end(&mut engine);
    assert_eq!(engine.cached_tokens(&first.sequence), 4, "of its prompt");
    let turn: Vec<u32> = (0..6)
        .chain((0..7).map(|at| 1_000_000 + at))
        .chain([9; 8])
        .collect();
    let next = Sequence::from_tokens(&turn, &[1], 0, size(4)).unwrap();
    assert_eq!(engine.cached_tokens(&next), 12, "and of what it generated");
}

#[test]
fn the_last_admitted_is_preempted_and_recomputed() {
    let tight = Profile {
        kv_tokens: 40,
        max_model_len: 40,
        max_num_batched_tokens: 64,
        ..profile()
    };
    let mut engine = Engine::new(tight).unwrap();
    let first = engine.submit(request(0, 16, 20)).unwrap();
    let second = engine.submit(request(100, 16, 20)).unwrap();
    run_step(&mut engine);
    assert_eq!(engine.stats().running, 2);
    let third = engine.submit(request(200, 2, 1)).unwrap();
    let mut news = Vec::new();
    while engine.stats().preemptions == 0 {
        (_, news) = run_step(&mut engine);
    }
    let admitted = news.iter().map(|news| news.id).collect::<Vec<_>>();
    assert_eq!(
        admitted,
        [first],
        "a step that preempts admits nobody in the freed blocks"
    );
    assert_eq!((engine.stats().running, engine.stats().waiting), (1, 2));
    let mut generated = BTreeMap::new();
    let mut order = Vec::new();
    while engine.start_step(Nanos::ZERO) != Next::Idle {
        for news in run_step(&mut engine).1 {
            generated.insert(news.id, news.generated);
            order.push(news.id);
        }
    }
    order.dedup();
    assert_eq!(
        order[..3],
        [first, second, third],
        "the preempted waits at the head"
    );
    assert_eq!(generated, [(first, 20), (second, 20), (third, 1)].into());
    assert_eq!(engine.stats().generated_tokens, 41);
    assert_eq!(
        (engine.stats().prompt_tokens, engine.stats().prefix_queries),
        (34, 34),
        "a recomputed prompt counts once"
    );
}

#[test]
fn an_embedding_ends_with_its_prefill() {
    let mut engine = Engine::new(profile()).unwrap();
    engine.submit(request(0, 20, 0)).unwrap();
    assert!(run_step(&mut engine).1.is_empty());
    let (_, news) = run_step(&mut engine);
    assert_eq!((news[0].generated, news[0].finished), (0, true));
    assert_eq!(engine.stats().kv_blocks_used, 0);
}

#[test]
fn an_abort_frees_blocks_even_during_a_step() {
    let mut engine = Engine::new(profile()).unwrap();
    let running = engine.submit(request(0, 8, 9)).unwrap();
    run_step(&mut engine);
    let waiting = engine.submit(request(50, 8, 9)).unwrap();
    assert!(engine.abort(waiting));
    engine.start_step(Nanos::ZERO);
    assert!(engine.abort(running));
    assert!(!engine.abort(running));
    let mut progress = Vec::new();
    engine.finish_step(&mut progress);
    assert!(progress.is_empty());
    assert_eq!(
        (engine.stats().kv_blocks_used, engine.stats().running),
        (0, 0)
    );
}

#[test]
fn a_request_waits_for_its_adapter_and_others_overtake_it() {
    let load = Nanos::from_millis(500);
    let one_slot = Profile {
        max_loras: 1,
        lora_load: load,
        ..profile()
    };
    let mut engine = Engine::new(one_slot).unwrap();
    let with = |first, adapter| Request {
        adapter: Some(AdapterId(adapter)),
        ..request(first, 4, 2)
    };
    let first = engine.submit(with(0, 1)).unwrap();
    let second = engine.submit(with(20, 2)).unwrap();
    assert_eq!(engine.start_step(Nanos::ZERO), Next::Wait(load));
    let base = engine.submit(request(40, 4, 1)).unwrap();
    let ids = |news: Vec<Progress>| news.iter().map(|news| news.id).collect::<Vec<_>>();
    assert_eq!(ids(step(&mut engine, Nanos::from_millis(1)).1), [base]);
    assert_eq!(ids(step(&mut engine, load).1), [first]);
    assert_eq!(engine.running_adapters(), [AdapterId(1)].into());
    assert_eq!(engine.waiting_adapters(), [AdapterId(2)].into());
    assert_eq!(ids(step(&mut engine, load).1), [first]);
    assert_eq!(
        engine.start_step(load),
        Next::Wait(load + load),
        "the idle adapter is evicted"
    );
    assert_eq!(ids(step(&mut engine, load + load).1), [second]);
}

#[test]
fn what_could_never_run_is_refused() {
    let mut engine = Engine::new(profile()).unwrap();
    assert_eq!(
        engine.submit(request(0, 150, 51)),
        Err(SubmitError::TooLong {
            tokens: 201,
            max_model_len: 200
        })
    );
    let sequence = Sequence::from_tokens(&[1], &[1], 0, size(8)).unwrap();
    assert_eq!(
        engine.submit(Request {
            sequence,
            adapter: None
        }),
        Err(SubmitError::BlockSize {
            expected: 4,
            got: 8
        })
    );
    let adapter = Some(AdapterId(1));
    assert_eq!(
        engine.submit(Request {
            adapter,
            ..request(0, 1, 1)
        }),
        Err(SubmitError::AdaptersOff)
    );
    let empty = Sequence::from_tokens(&[], &[1], 0, size(4));
    assert_eq!(empty, Err(SequenceError::EmptyPrompt));
    let small = Profile {
        kv_tokens: 199,
        ..profile()
    };
    assert_eq!(
        Engine::new(small).err(),
        Some(ProfileError::ModelLength {
            max_model_len: 200,
            room: 196
        })
    );
}

#[test]
fn host_blocks_are_hits_that_cost_a_transfer() {
    let tight = Profile {
        kv_tokens: 32,
        max_model_len: 32,
        max_num_batched_tokens: 64,
        host_kv_tokens: 64,
        host_load_per_token: 0.5,
        ..profile()
    };
    let mut engine = Engine::new(tight).unwrap();
    for first in [0, 100] {
        engine.submit(request(first, 31, 1)).unwrap();
        run_to_end(&mut engine);
    }
    engine.submit(request(0, 31, 1)).unwrap();
    let Next::Step(step) = engine.start_step(Nanos::ZERO) else {
        panic!("nothing to do")
    };
    assert_eq!((step.load.prefill_tokens, step.load.host_tokens), (3, 28));
    assert_eq!(step.duration, Nanos::from_millis(1 + 14));
}
