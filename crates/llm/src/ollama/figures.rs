//! Tokens as Ollama counts them, beside what is said.

use serde::Deserialize;

use crate::response::Usage;
use crate::wire::ObjectWriter;

#[derive(Deserialize, Default)]
struct Figures {
    #[serde(default)]
    prompt_eval_count: Option<u64>,
    #[serde(default)]
    eval_count: Option<u64>,
}

/// The usage of two counts, as they stand in an answer.
pub(crate) fn usage(prompt: Option<&[u8]>, written: Option<&[u8]>) -> Option<Usage> {
    let count = |raw: Option<&[u8]>| serde_json::from_slice(raw?).ok();
    of(count(prompt), count(written))
}

/// The usage that a document tells.
pub(super) fn of_document(data: &[u8]) -> Option<Usage> {
    let figures: Figures = serde_json::from_slice(data).unwrap_or_default();
    of(figures.prompt_eval_count, figures.eval_count)
}

/// A prompt that was all in a cache is not counted, and neither is what was read of one that was not.
pub(super) fn of(input: Option<u64>, output: Option<u64>) -> Option<Usage> {
    (input.is_some() || output.is_some()).then_some(Usage {
        input,
        output,
        ..Usage::default()
    })
}

pub(super) fn write(usage: &Usage, o: &mut ObjectWriter<'_>) {
    o.maybe("prompt_eval_count", usage.input);
    o.maybe("eval_count", usage.output);
}
