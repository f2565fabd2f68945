//! LLM APIs as bytes: what a request asks for and what an answer reports.
//!
//! A gateway that speaks the same dialect on both sides should not rebuild what it only has to
//! read. So nothing here makes a tree of a body: [`scan`] finds the few spans that policy needs in
//! one pass over the pieces as they arrive, [`splice`] replaces exactly those, and [`response`]
//! watches an answer go by. Unknown fields survive because nobody touched them.
//!
//! The crate is pure: it does no I/O, reads no clock, draws no random numbers. What differs between
//! dialects is data and functions in a module of the dialect's name (`openai`, `anthropic`, `gemini`, `ollama`, `bedrock`,
//! `cohere`); a further dialect is a further module and a variant of [`Dialect`].

mod anthropic;
pub mod api;
mod base64;
mod bedrock;
mod canonical;
mod client;
mod cohere;
pub mod digest;
pub mod error;
pub mod event_stream;
pub mod frames;
mod gemini;
mod json;
pub mod limits;
mod magic;
pub mod models;
mod ollama;
mod openai;
mod percent;
mod quirks;
pub mod response;
pub mod scan;
pub mod splice;
pub mod sse;
#[cfg(test)]
mod testing;
mod time;
pub mod tokens;
pub mod translate;
mod wire;

pub use api::{Api, Dialect, KeyHeader, Method, Operation};
pub use client::Client;
pub use error::{ApiError, ErrorKind};
pub use json::{Fault, SyntaxError};
pub use percent::decoded;
pub use quirks::Quirks;

/// Media type of JSON bodies.
pub const CONTENT_TYPE_JSON: &str = "application/json";
/// Media type of streamed answers.
pub const CONTENT_TYPE_EVENT_STREAM: &str = "text/event-stream";
