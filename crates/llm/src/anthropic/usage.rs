//! Anthropic's `usage` in the terms of [`Usage`].
//!
//! Its classes exclude each other (`input_tokens` are those that no cache had a part in), ours
//! contain each other. In a stream the figures come in two events: what was read at the beginning,
//! what was written at the end, and each may repeat or raise what the other said.

use serde_json::Value;

use crate::response::Usage;

/// Reads a `usage` object; `None` for anything else. What is not a count is not known.
pub(crate) fn usage(raw: &[u8]) -> Option<Usage> {
    usage_of(&serde_json::from_slice(raw).ok()?)
}

pub(super) fn usage_of(value: &Value) -> Option<Usage> {
    let count = |value: &Value, name| value.get(name).and_then(Value::as_u64);
    let by_duration = value.get("cache_creation");
    let written_for = |name| by_duration.and_then(|durations| count(durations, name));
    let hour = written_for("ephemeral_1h_input_tokens");
    let minutes = written_for("ephemeral_5m_input_tokens");
    let cached_input = count(value, "cache_read_input_tokens");
    let cache_write = count(value, "cache_creation_input_tokens").or_else(|| sum(minutes?, [hour]));
    let reasoning = value
        .get("output_tokens_details")
        .and_then(|details| count(details, "thinking_tokens"));
    let fresh = count(value, "input_tokens");
    value.is_object().then(|| Usage {
        input: fresh.and_then(|fresh| sum(fresh, [cached_input, cache_write])),
        cached_input,
        cache_write,
        cache_write_hour: hour,
        output: count(value, "output_tokens"),
        reasoning,
        ..Usage::default()
    })
}

/// What is known of a stream's usage after an event that says `now`, class by class.
pub(crate) fn joined(before: Usage, now: Usage) -> Usage {
    let cached_input = later(before.cached_input, now.cached_input);
    let cache_write = later(before.cache_write, now.cache_write);
    let fresh = later(fresh(&before), fresh(&now));
    Usage {
        input: fresh.and_then(|fresh| sum(fresh, [cached_input, cache_write])),
        cached_input,
        cache_write,
        cache_write_hour: later(before.cache_write_hour, now.cache_write_hour),
        output: later(before.output, now.output),
        reasoning: later(before.reasoning, now.reasoning),
        ..Usage::default()
    }
}

/// The later figure. All are cumulative, so a 0 behind more than that is a server's way to leave
/// one out.
fn later(before: Option<u64>, now: Option<u64>) -> Option<u64> {
    now.filter(|now| *now > 0).or(before).or(now)
}

/// Tokens read that no cache had a part in.
fn fresh(usage: &Usage) -> Option<u64> {
    let cache = sum(0, [usage.cached_input, usage.cache_write])?;
    usage.input.map(|input| input.saturating_sub(cache))
}

/// The sum with what is known of the others; `None` if it is no count any more.
fn sum<const N: usize>(first: u64, others: [Option<u64>; N]) -> Option<u64> {
    others
        .into_iter()
        .flatten()
        .try_fold(first, |sum, other| sum.checked_add(other))
}
