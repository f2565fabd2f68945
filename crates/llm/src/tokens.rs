//! Token counts before a tokenizer has spoken: estimates for admission and scheduling.
//!
//! Exact counts need each model's own tokenizer at some tens of megabytes a second, and reservations
//! are settled with what the upstream reports; so an estimate from the length is what admission
//! uses.

use crate::scan::Scan;

/// Bytes of UTF-8 text for one token: OpenAI's rule of thumb for English. Code takes about 3 to 4,
/// Chinese and Japanese about 3.
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

/// Estimates a request from its scan; `default_output` tokens are assumed for each answer that the
/// request does not bound.
#[must_use]
pub fn estimate(scan: &Scan, default_output: u64) -> Estimate {
    let each = scan.output_bound().unwrap_or(default_output);
    Estimate {
        input: of_bytes(scan.prompt_bytes),
        output: each.saturating_mul(scan.choices()),
    }
}

/// Tokens in so many bytes of text, rounded up.
#[must_use]
pub const fn of_bytes(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

#[cfg(test)]
mod tests;
