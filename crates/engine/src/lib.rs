//! A step-level model of a vLLM-like engine, without a clock.
//!
//! A gateway for language models is only as good as the engine it was tested against. Model
//! servers that merely sleep per request hide what balancing is about: that requests share
//! steps, that a prefill delays every stream that is being decoded, that generated tokens take
//! memory, that a full cache preempts, and that a prefix is worth something only where it was
//! computed. This crate models exactly those: continuous batching under a token budget, chunked
//! prefill, a paged KV cache with shared prefixes, recompute preemption and LoRA slots. It does
//! not model what a balancer cannot see (kernels, sampling, speculative decoding).
//!
//! It is driven in two calls, [`Engine::start_step`] and [`Engine::finish_step`], with virtual
//! time as an argument, so that the same model runs behind an HTTP server in real time and in a
//! discrete-event simulation of hours in seconds. State becomes visible only in `finish_step`:
//! whoever reads [`Engine::stats`] during a step sees what a scrape of a real engine would see.
//!
//! The *content* of a request is a chain of block hashes ([`Sequence`]), not tokens: it is what a
//! prefix cache compares, it is 1/16 of the memory, it can be computed outside the engine once
//! for many replicas, and it is what published traces contain.

mod engine;
mod kv;
mod lora;
mod profile;
mod sequence;
mod time;

pub use engine::{Engine, Next, Progress, Request, RequestId, Stats, Step, SubmitError};
pub use lora::AdapterId;
pub use profile::{Profile, ProfileError, StepCost, StepLoad};
pub use sequence::{Sequence, SequenceError, salt};
pub use time::Nanos;
