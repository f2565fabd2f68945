//! How the answer is to be made.

use crate::canonical::{Effort, Format, Given, Request, Thinking};
use crate::wire::ObjectWriter;

/// The first generation of models that demand the signature of a call, and whose thinking has
/// levels.
pub(super) const WITH_LEVELS: u32 = 3;

/// The number behind `gemini-`.
pub(super) fn generation_of(model: &str) -> Option<u32> {
    let (_, version) = model.split_once("gemini-")?;
    version.split(['.', '-']).next()?.parse().ok()
}

/// The seed, if it is in the range that the API has.
pub(super) fn seed(request: &Request<'_>) -> Option<i32> {
    let seed = request.seed.as_ref()?;
    i32::try_from(seed.value).ok()
}

pub(super) fn has_generation(request: &Request<'_>) -> bool {
    request.max_output.is_some()
        || request.temperature.is_some()
        || request.top_p.is_some()
        || request.top_k.is_some()
        || request.frequency_penalty.is_some()
        || request.presence_penalty.is_some()
        || seed(request).is_some()
        || request.stop.is_some()
        || request.choices.is_some()
        || request.log_probabilities.is_some()
        || request.format.is_some()
        || request.thinking.is_some()
}

pub(super) fn generation(o: &mut ObjectWriter<'_>, request: &Request<'_>) {
    let number = |given: &Option<Given<f64>>| given.map(|given| given.value);
    let count = |given: &Option<Given<u64>>| given.map(|given| given.value);
    o.maybe("maxOutputTokens", count(&request.max_output));
    o.maybe("temperature", number(&request.temperature));
    o.maybe("topP", number(&request.top_p));
    o.maybe("topK", count(&request.top_k));
    o.maybe("frequencyPenalty", number(&request.frequency_penalty));
    o.maybe("presencePenalty", number(&request.presence_penalty));
    o.maybe("seed", seed(request));
    if let Some(stop) = &request.stop {
        o.list("stopSequences", |l| {
            stop.value.iter().for_each(|text| l.value(text))
        });
    }
    o.maybe("candidateCount", count(&request.choices));
    if let Some(alternatives) = count(&request.log_probabilities) {
        o.value("responseLogprobs", true);
        o.maybe("logprobs", (alternatives > 0).then_some(alternatives));
    }
    match request.format.as_ref().map(|format| &format.value) {
        None => {}
        Some(Format::Text) => o.value("responseMimeType", "text/plain"),
        Some(Format::JsonObject) => o.value("responseMimeType", "application/json"),
        Some(Format::Schema { schema, .. }) => {
            o.value("responseMimeType", "application/json");
            o.raw("responseJsonSchema", schema);
        }
    }
    if let Some(thinking) = &request.thinking {
        o.object("thinkingConfig", |o| {
            write_thinking(o, thinking.value, &request.model)
        });
    }
}

/// How little a model can think that cannot be kept from it.
enum Least {
    Budget(u64),
    Level(&'static str),
}

impl Least {
    /// That of a model; `None` if it can be kept from it.
    fn of(model: &str) -> Option<Self> {
        match generation_of(model)? {
            generation if generation >= WITH_LEVELS => Some(Self::Level("LOW")),
            _ if model.contains("2.5-pro") => Some(Self::Budget(128)),
            _ => None,
        }
    }
}

/// Whether the model is not to think, but cannot be kept from it.
pub(super) fn always_thinks(request: &Request<'_>) -> bool {
    let is_off = |given: &Given<Thinking>| given.value == Thinking::Off;
    request.thinking.as_ref().is_some_and(is_off) && Least::of(&request.model).is_some()
}

fn write_thinking(o: &mut ObjectWriter<'_>, thinking: Thinking, model: &str) {
    let has_levels = generation_of(model).is_none_or(|generation| generation >= WITH_LEVELS);
    match thinking {
        Thinking::Off if let Some(least) = Least::of(model) => match least {
            Least::Budget(tokens) => o.value("thinkingBudget", tokens),
            Least::Level(level) => o.value("thinkingLevel", level),
        },
        Thinking::Off => o.value("thinkingBudget", 0),
        Thinking::Adaptive => o.value("thinkingBudget", -1),
        Thinking::Budget(tokens) => o.value("thinkingBudget", tokens),
        Thinking::Effort(effort) if has_levels => o.value("thinkingLevel", level(effort)),
        Thinking::Effort(effort) => o.value("thinkingBudget", budget(effort)),
    }
    if thinking != Thinking::Off {
        o.value("includeThoughts", true);
    }
}

const fn level(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal => "MINIMAL",
        Effort::Low => "LOW",
        Effort::Medium => "MEDIUM",
        Effort::High | Effort::XHigh => "HIGH",
    }
}

/// What the provider itself takes an effort for where a model's thinking has no levels.
const fn budget(effort: Effort) -> u64 {
    match effort {
        Effort::Minimal | Effort::Low => 1024,
        Effort::Medium => 8192,
        Effort::High | Effort::XHigh => 24_576,
    }
}
