//! The events of a streamed answer.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::upstream_error_of;
use super::usage::usage_of;
use crate::response::EventFacts;

/// Whether an event may say more than some further content.
///
/// Asked of every event, so it looks at the beginning only: the type stands first in the events of
/// all servers, and what is not a delta there, or stands otherwise, is looked at closely. To search
/// the whole event would not do: a client may choose its stop sequence, which the last event tells.
pub(crate) fn is_remarkable(data: &[u8]) -> bool {
    let rest = [&b"{"[..], b"\"type\"", b":", b"\"content_block_delta\""]
        .into_iter()
        .try_fold(data, |rest, token| {
            rest.trim_ascii_start().strip_prefix(token)
        });
    rest.is_none()
}

/// Whether data that lacks its terminator is all there.
pub(crate) fn is_whole_event(data: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(data).is_ok()
}

/// What an event says. Data that is not an event says nothing.
pub(crate) fn event_facts(data: &[u8]) -> EventFacts {
    let mut facts = EventFacts::default();
    let Ok(event) = serde_json::from_slice::<Value>(data) else {
        return facts;
    };
    let field = |name| event.get(name).unwrap_or(&Value::Null);
    match field("type").as_str() {
        Some("message_start") => start(field("message"), &mut facts),
        Some("content_block_start") => facts.content = block_says_something(field("content_block")),
        Some("content_block_delta") => facts.content = delta_says_something(field("delta")),
        Some("message_delta") => facts.usage = usage_of(field("usage")),
        Some("message_stop") => facts.done = true,
        // What stands before a server may know of its errors no more than that they are such.
        Some("error") | None => facts.error = upstream_error_of(field("error")),
        Some(_) => {}
    }
    facts
}

/// The tokens written that the first event counts are no more than have been written so far.
fn start(message: &Value, facts: &mut EventFacts) {
    let model = message.get("model").and_then(Value::as_str);
    facts.model = model.map(str::to_owned);
    facts.usage = message.get("usage").and_then(usage_of).map(|usage| {
        let (output, reasoning) = (None, None);
        crate::response::Usage {
            output,
            reasoning,
            ..usage
        }
    });
}

/// A block of text or thinking begins empty; any other names a call, or holds its result.
fn block_says_something(block: &Value) -> bool {
    match block.get("type").and_then(Value::as_str) {
        Some("text") => is_text(block, "text"),
        Some("thinking") => is_text(block, "thinking"),
        Some(_) => true,
        None => false,
    }
}

fn delta_says_something(delta: &Value) -> bool {
    ["text", "thinking", "partial_json"]
        .into_iter()
        .any(|name| is_text(delta, name))
}

fn is_text(value: &Value, name: &str) -> bool {
    let text = value.get(name).and_then(Value::as_str);
    text.is_some_and(|text| !text.is_empty())
}
