//! Anthropic's Messages API from and to the model between dialects.
//!
//! What both directions share stands here: the words for why an answer ended, the counting of tokens,
//! the kinds of errors, and the blocks that requests and answers have in common.
//!
//! Three things differ from most dialects. Counts of input leave out what a cache had to do with,
//! while the model's include it. Blocks of an answer have no choice above them: there is one answer.
//! And a call's arguments are an object, not its text, so text that is none has to be wrapped.

mod citations;
mod decode_request;
mod decode_response;
mod decode_stream;
mod depth;
mod encode_request;
mod encode_response;
mod encode_stream;
mod generation;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::canonical::{Citation, Finish, Reasoning, ToolCall};
use crate::error::ErrorKind;
use crate::response::Usage;
use crate::wire::{ListWriter, ObjectWriter, Value, object};

pub(crate) use decode_request::{decode_counted, decode_request, effort, thinking, tool_choice};
pub(crate) use decode_response::decode_response;
pub(crate) use decode_stream::StreamDecoder;
pub(crate) use depth::{Depth, Sampling};
pub(crate) use encode_request::encode_request;
pub(crate) use encode_response::encode_response;
pub(crate) use encode_stream::StreamEncoder;

/// Kinds of errors, and the status that each comes with.
const ERRORS: [(&str, u16); 10] = [
    ("invalid_request_error", 400),
    ("authentication_error", 401),
    ("billing_error", 402),
    ("permission_error", 403),
    ("not_found_error", 404),
    ("request_too_large", 413),
    ("rate_limit_error", 429),
    ("api_error", 500),
    ("timeout_error", 504),
    ("overloaded_error", 529),
];

/// The status that an error of this kind has where it comes as a status.
fn error_status(kind: &str) -> Option<u16> {
    let known = ERRORS.iter().find(|(name, _)| *name == kind);
    known.map(|(_, status)| *status)
}

/// The kind of an error: its own where this API has that, else what its status is called.
fn error_kind(kind: Option<&str>, status: Option<u16>) -> &'static str {
    let own = ERRORS.iter().find(|(name, _)| Some(*name) == kind);
    let called = || ERRORS.iter().find(|(_, other)| Some(*other) == status);
    match own.or_else(called) {
        Some((name, _)) => name,
        None => status.map_or("api_error", |status| {
            super::error_type(ErrorKind::of_status(status), status)
        }),
    }
}

/// What a `stop_reason` means, with the `stop_sequence` beside it.
fn finish<'a>(reason: Cow<'a, str>, sequence: Option<Cow<'a, str>>) -> Finish<'a> {
    match &*reason {
        "end_turn" => Finish::Stop,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "stop_sequence" => Finish::StopSequence(sequence),
        "tool_use" => Finish::ToolCalls,
        "pause_turn" => Finish::Pause,
        "refusal" => Finish::Refusal,
        _ => Finish::Other(reason),
    }
}

/// What an answer holds beside text.
#[derive(Debug, Clone, Copy, Default)]
struct Holds {
    calls: bool,
    refusal: bool,
}

/// The `stop_reason` and the `stop_sequence` of an answer.
///
/// Clients make the calls of an answer if this says `tool_use`, and know a refusal by it alone. But
/// servers of other dialects say of an answer that calls, or refuses in words, that it simply ended. So
/// what it holds counts.
fn stop_reason<'f>(
    finish: Option<&'f Finish<'_>>,
    holds: Holds,
) -> (&'static str, Option<&'f str>) {
    match finish {
        None | Some(Finish::Stop | Finish::Other(_)) if holds.calls => ("tool_use", None),
        None | Some(Finish::Stop | Finish::Other(_)) if holds.refusal => ("refusal", None),
        None | Some(Finish::Stop | Finish::Other(_)) => ("end_turn", None),
        Some(Finish::StopSequence(sequence)) => ("stop_sequence", sequence.as_deref()),
        Some(Finish::Length) => ("max_tokens", None),
        Some(Finish::ToolCalls) => ("tool_use", None),
        Some(Finish::Refusal | Finish::ContentFilter) => ("refusal", None),
        Some(Finish::Pause) => ("pause_turn", None),
    }
}

/// Tokens as this API counts them. In a stream they come bit by bit, so they are kept in its own
/// terms until they are complete enough to be added up.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    /// Neither read from a cache nor written to one.
    input: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    cache_write_hour: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

impl Figures {
    /// Takes over what a `usage` object says. What it does not say, or says in a way that is no count,
    /// stays as it was.
    fn update(&mut self, usage: Value<'_, '_>) {
        let Ok(mut usage) = usage.object() else {
            return;
        };
        let mut read = |name, figure: &mut Option<u64>| {
            if let Ok(Some(count)) = usage.take(name, |v| v.count()) {
                // Some servers end with zeros for what they have told before.
                *figure = Some(count)
                    .filter(|count| *count > 0)
                    .or(*figure)
                    .or(Some(0));
            }
        };
        read("input_tokens", &mut self.input);
        read("cache_read_input_tokens", &mut self.cache_read);
        read("cache_creation_input_tokens", &mut self.cache_write);
        read("output_tokens", &mut self.output);
        let mut inside = |name, inner, figure: &mut Option<u64>| {
            let count = usage.take(name, |value| value.object()?.take(inner, |v| v.count()));
            if let Ok(Some(Some(count))) = count {
                *figure = Some(count);
            }
        };
        let hour = &mut self.cache_write_hour;
        inside("cache_creation", "ephemeral_1h_input_tokens", hour);
        inside(
            "output_tokens_details",
            "thinking_tokens",
            &mut self.thinking,
        );
    }

    fn usage(&self) -> Usage {
        let cached = [self.cache_read, self.cache_write];
        let cached = cached.into_iter().flatten();
        Usage {
            input: self
                .input
                .map(|input| cached.fold(input, u64::saturating_add)),
            cached_input: self.cache_read,
            cache_write: self.cache_write,
            cache_write_hour: self.cache_write_hour,
            output: self.output,
            reasoning: self.thinking,
            ..Usage::default()
        }
    }
}

/// Writes the fields of a `usage` object. Clients add up the first four, so these are always there.
fn write_usage(o: &mut ObjectWriter<'_>, usage: &Usage) {
    let read = usage.cached_input.unwrap_or(0);
    let written = usage.cache_write.unwrap_or(0);
    let input = usage.input.unwrap_or(0);
    let input = input.saturating_sub(read.saturating_add(written));
    o.value("input_tokens", input);
    o.value("cache_creation_input_tokens", written);
    o.value("cache_read_input_tokens", read);
    o.value("output_tokens", usage.output.unwrap_or(0));
    if let Some(hour) = usage.cache_write_hour {
        o.object("cache_creation", |o| {
            o.value("ephemeral_5m_input_tokens", written.saturating_sub(hour));
            o.value("ephemeral_1h_input_tokens", hour);
        });
    }
    if let Some(thinking) = usage.reasoning {
        o.object("output_tokens_details", |o| {
            o.value("thinking_tokens", thinking)
        });
    }
}

/// Writes a block of text with what it cites.
fn write_text<'c>(
    o: &mut ObjectWriter<'_>,
    text: &str,
    citations: impl ExactSizeIterator<Item = &'c Citation<'c>>,
) {
    o.value("type", "text");
    o.value("text", text);
    if citations.len() > 0 {
        o.list("citations", |list| citations::write(list, citations));
    }
}

/// Writes the blocks of reasoning: with a proof, or readable for the provider alone; `unproven` text
/// too if the reader is a client and not the API.
fn write_reasoning(list: &mut ListWriter<'_>, reasoning: &Reasoning<'_>, unproven: bool) {
    let proof = reasoning.proof();
    if proof.is_some() || (unproven && reasoning.text.is_some()) {
        list.object(|o| {
            o.value("type", "thinking");
            o.value("thinking", reasoning.text.as_deref().unwrap_or_default());
            o.value("signature", proof.unwrap_or_default());
        });
    }
    if let Some(data) = &reasoning.redacted {
        list.object(|o| {
            o.value("type", "redacted_thinking");
            o.value("data", data);
        });
    }
}

/// Writes the fields of a call.
fn write_call(o: &mut ObjectWriter<'_>, id: &str, call: &ToolCall<'_>) {
    o.value("type", "tool_use");
    o.value("id", id);
    o.value("name", &call.name);
    o.raw("input", &arguments(&call.arguments));
}

/// A call's arguments as an object. What a model wrote that is none is wrapped the way that
/// Anthropic's documentation has it for broken arguments, so that neither is anything lost nor does a
/// tool run with arguments that nobody gave.
pub(crate) fn arguments(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if matches!(text, "" | "null") {
        return Cow::Borrowed("{}");
    }
    match Value::document(text.as_bytes()) {
        Ok(value) if value.is_object() => Cow::Borrowed(text),
        _ => {
            let wrapped = object(|o| o.value("INVALID_JSON", text));
            Cow::Owned(String::from_utf8(wrapped).unwrap_or_default())
        }
    }
}
