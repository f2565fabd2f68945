//! Token counts before a tokenizer has spoken: estimates for admission and scheduling, and for clients
//! that ask how long a prompt is where no upstream can tell.
//!
//! Exact counts need each model's own tokenizer at some tens of megabytes a second, and its template.
//! So admission and scheduling go by the length, at a [`Rate`] that is learned from what the upstream
//! reports, and reservations are settled with that. Who asks for a count gets one by the model's
//! [`Vocabulary`] where it is public.

mod count;
mod rate;
mod vocabulary;

use crate::scan::Scan;

pub use count::{Counting, count};
pub use rate::Rate;
pub use vocabulary::Vocabulary;

/// Bytes of UTF-8 text for one token where nothing is known: OpenAI's rule of thumb for English. Code
/// takes about 3 to 4, Chinese and Japanese about 3.
pub const BYTES_PER_TOKEN: u64 = 4;

/// Tokens that a request is expected to cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens the model reads.
    pub input: u64,
    /// Tokens it may write, over all answers asked for.
    pub output: u64,
}

impl Estimate {
    /// Both together.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// Estimates a request from its scan, at the rate of its model; `default_output` tokens are assumed for
/// each answer that the request does not bound.
#[must_use]
pub fn estimate(scan: &Scan, rate: &Rate, default_output: u64) -> Estimate {
    let each = scan.output_bound().unwrap_or(default_output);
    Estimate {
        input: rate.of_bytes(scan.prompt_bytes),
        output: each.saturating_mul(scan.choices()),
    }
}

#[cfg(test)]
mod tests;
