//! Tokens as Cohere counts them.
//!
//! `tokens` are those that the model read and wrote; `billed_units` leave out what Cohere adds to a
//! prompt, and are all that some answers have. Counts are written as floats.

use serde::Deserialize;

use crate::response::Usage;
use crate::wire::ObjectWriter;

#[derive(Deserialize, Default)]
struct Figures {
    #[serde(default)]
    tokens: Option<Tokens>,
    #[serde(default)]
    billed_units: Option<Tokens>,
    #[serde(default)]
    cached_tokens: Option<f64>,
}

#[derive(Deserialize, Default, Clone, Copy)]
struct Tokens {
    #[serde(default)]
    input_tokens: Option<f64>,
    #[serde(default)]
    output_tokens: Option<f64>,
}

/// Reads a `usage` object, or a `meta` with the same inside.
pub(crate) fn usage(raw: &[u8]) -> Option<Usage> {
    let figures: Figures = serde_json::from_slice(raw).ok()?;
    let (tokens, billed) = (
        figures.tokens.unwrap_or_default(),
        figures.billed_units.unwrap_or_default(),
    );
    let usage = Usage {
        input: tokens.input_tokens.or(billed.input_tokens).and_then(count),
        cached_input: figures.cached_tokens.and_then(count),
        output: tokens
            .output_tokens
            .or(billed.output_tokens)
            .and_then(count),
        ..Usage::default()
    };
    (usage != Usage::default()).then_some(usage)
}

fn count(number: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, below 2^53"
    )]
    (0.0..9e15).contains(&number).then_some(number as u64)
}

pub(super) fn write(usage: &Usage, o: &mut ObjectWriter<'_>) {
    let tokens = |o: &mut ObjectWriter<'_>| {
        o.value("input_tokens", usage.input.unwrap_or_default());
        o.value("output_tokens", usage.output.unwrap_or_default());
    };
    o.object("billed_units", tokens);
    o.object("tokens", tokens);
    o.maybe("cached_tokens", usage.cached_input);
}
