mod invariants;
mod scheduling;
mod validation;

use std::num::NonZeroU32;

use super::*;
use crate::StepCost;

pub(super) fn size(tokens: u32) -> NonZeroU32 {
    NonZeroU32::new(tokens).unwrap()
}

/// An engine of 1 ms steps whose limits a test sets.
pub(super) fn profile() -> Profile {
    let nothing = StepCost {
        floor: 1.0,
        weights: 0.0,
        per_token: 0.0,
        per_square: 0.0,
        per_decode: 0.0,
        per_context: 0.0,
        overhead: 0.0,
    };
    Profile {
        cost: nothing,
        kv_tokens: 400,
        block_size: size(4),
        max_num_seqs: 4,
        max_num_batched_tokens: 16,
        max_model_len: 200,
        max_loras: 0,
        ..Profile::llama_3_1_8b_h100()
    }
}

/// A request whose prompt counts up from `first`.
pub(super) fn request(first: u32, prompt: u32, output: u32) -> Request {
    let prompt: Vec<u32> = (first..first + prompt).collect();
    let output: Vec<u32> = (0..output).map(|at| first + 1_000_000 + at).collect();
    Request {
        sequence: Sequence::from_tokens(&prompt, &output, 0, size(4)).unwrap(),
        adapter: None,
    }
}

/// Runs one step and returns its load and news.
pub(super) fn step(engine: &mut Engine, now: Nanos) -> (StepLoad, Vec<Progress>) {
    let Next::Step(step) = engine.start_step(now) else {
        panic!("nothing to do")
    };
    let mut progress = Vec::new();
    engine.finish_step(&mut progress);
    (step.load, progress)
}
