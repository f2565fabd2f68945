//! An HTTP server with vLLM's surface around the engine model.
//!
//! What stands behind a gateway in tests and benchmarks decides what they can find. This server
//! answers as vLLM does (paths, bodies, refusals, metrics, load reports), takes the time that a
//! GPU would take, holds the cache that a GPU would hold, and fails on command. It shares no code
//! with the gateway: an engine that used the gateway's own parsers and writers could not show
//! their faults.
//!
//! Everything is deterministic: the text is a function of the prompt, the token ids of the text.
//! The whole answer is therefore planned when a request arrives and the engine only decides
//! *when* each token is due; that makes a token cost one small message.
//!
//! What it does not do: call tools (they are part of the prompt, and the model never chooses to
//! call one; a request that insists is refused), see images (refused, as by any text-only model)
//! and tell log probabilities (always `null`).

mod api;
mod body;
mod config;
mod embed;
mod fault;
mod generate;
mod metrics;
mod render;
mod replica;
mod server;
mod service;
mod template;
mod tokenizer;

pub use config::{ConfigError, EngineConfig};
pub use fault::{Deaths, Errors, FaultSpec, Faults, Hangs};
pub use server::{EngineServer, StartError};
