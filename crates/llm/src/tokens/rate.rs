//! How many bytes of text a model reads as one token.
//!
//! That differs by vocabulary and, more, by what is written: English prose has about 4.5, code 3,
//! Hindi from 2 to 10. A model mostly reads more of the same, and every answer tells how many tokens
//! its prompt was. So the rate is all bytes over all tokens, of which older ones are forgotten by
//! halves.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::BYTES_PER_TOKEN;

/// Bytes that the rule of thumb weighs as much as, so that the first prompts do not decide alone.
const PRIOR_BYTES: u64 = 4096;

/// Bytes after which what was learned counts half: some thousand prompts of a few kilobytes.
const HALF_LIFE_BYTES: u64 = 16 << 20;

/// Bytes of one prompt, at most, that are learned from, lest one outweighs the rest.
const MAX_PROMPT_BYTES: u64 = 1 << 20;

/// Bytes of one prompt, at least: of a shorter one the model's template is most.
const MIN_PROMPT_BYTES: u64 = 512;

/// Bytes per token that are believed: vocabularies hold no longer words on average, and a byte is at
/// most two tokens.
const BELIEVED: std::ops::RangeInclusive<f64> = 0.5..=32.0;

/// The rate of one model, learned from what its upstreams report. Shared without a lock.
#[derive(Debug)]
pub struct Rate {
    /// Bytes in the upper half, tokens in the lower.
    sums: AtomicU64,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            sums: AtomicU64::new(pack(PRIOR_BYTES, PRIOR_BYTES / BYTES_PER_TOKEN)),
        }
    }
}

impl Rate {
    /// Tokens in so many bytes of text, rounded up.
    #[must_use]
    pub fn of_bytes(&self, bytes: u64) -> u64 {
        let (all, tokens) = unpack(self.sums.load(Relaxed));
        let product = u128::from(bytes) * u128::from(tokens);
        u64::try_from(product.div_ceil(u128::from(all.max(1)))).unwrap_or(u64::MAX)
    }

    /// Bytes per token.
    #[must_use]
    pub fn bytes_per_token(&self) -> f64 {
        let (bytes, tokens) = unpack(self.sums.load(Relaxed));
        bytes as f64 / tokens.max(1) as f64
    }

    /// Learns that a prompt of `bytes` bytes of text was read as `tokens` tokens. Figures that cannot
    /// be teach nothing, and neither do short prompts.
    pub fn learn(&self, bytes: u64, tokens: u64) {
        if bytes < MIN_PROMPT_BYTES || !BELIEVED.contains(&(bytes as f64 / tokens as f64)) {
            return;
        }
        let kept = bytes.min(MAX_PROMPT_BYTES);
        let tokens = (tokens * kept).div_ceil(bytes);
        let add = |sums| {
            let (mut all, mut all_tokens) = unpack(sums);
            if all + kept > 2 * HALF_LIFE_BYTES {
                (all, all_tokens) = (all / 2, all_tokens / 2);
            }
            Some(pack(all + kept, (all_tokens + tokens).max(1)))
        };
        // The closure always gives a value, so it cannot fail.
        let _ = self.sums.fetch_update(Relaxed, Relaxed, add);
    }
}

const fn pack(bytes: u64, tokens: u64) -> u64 {
    bytes << 32 | tokens
}

const fn unpack(sums: u64) -> (u64, u64) {
    (sums >> 32, sums & 0xFFFF_FFFF)
}

#[cfg(test)]
mod tests {
    use super::{HALF_LIFE_BYTES, MAX_PROMPT_BYTES, Rate};

    fn close(rate: &Rate, expect: f64) {
        let rate = rate.bytes_per_token();
        assert!((rate / expect - 1.0).abs() < 0.02, "{rate}, not {expect}");
    }

    #[test]
    fn the_rule_of_thumb_holds_until_something_is_known() {
        let rate = Rate::default();
        assert_eq!([0, 1, 4, 5].map(|bytes| rate.of_bytes(bytes)), [0, 1, 1, 2]);
        assert_eq!(rate.of_bytes(u64::MAX), u64::MAX / 4 + 1);
    }

    #[test]
    fn a_rate_is_learned_from_a_few_prompts_and_relearned() {
        let rate = Rate::default();
        for _ in 0..400 {
            rate.learn(8000, 4000);
        }
        close(&rate, 2.0);
        assert!(rate.of_bytes(2000).abs_diff(1000) < 10, "{rate:?}");
        for _ in 0..20 * HALF_LIFE_BYTES / 8000 {
            rate.learn(8000, 1000);
        }
        close(&rate, 8.0);
    }

    #[test]
    fn what_cannot_be_is_not_believed() {
        let rate = Rate::default();
        for (bytes, tokens) in [(8000, 0), (8000, 1), (8000, 100_000), (100, 50), (0, 0)] {
            rate.learn(bytes, tokens);
        }
        rate.learn(8000, u64::MAX);
        close(&rate, 4.0);
    }

    #[test]
    fn the_longest_prompt_is_one_among_many() {
        let rate = Rate::default();
        rate.learn(u64::from(u32::MAX), u64::from(u32::MAX) / 2);
        for _ in 0..8 * MAX_PROMPT_BYTES / 8000 {
            rate.learn(8000, 2000);
        }
        let rate = rate.bytes_per_token();
        assert!(rate > 3.5, "{rate}");
    }
}
