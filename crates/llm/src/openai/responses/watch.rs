//! What passes by in answers of this API, as far as a gateway needs it.

use super::{lenient, lenient_text, read_error, read_usage};
use crate::response::{EventFacts, Usage};
use crate::wire::{Object, Value};

/// Ends the names of all events with content.
const DELTA: &[u8] = b".delta";

/// Reads a `usage` object; `None` for anything else.
pub(crate) fn usage(raw: &[u8]) -> Option<Usage> {
    read_usage(Value::document(raw).ok()?).ok()
}

/// Whether an event may say more than some further content.
///
/// Asked of every event, so its name has to do, or its type where that stands first: some servers
/// write it last. What has neither there is looked at closely.
pub(crate) fn is_remarkable(name: Option<&[u8]>, data: &[u8]) -> bool {
    let kind = name.or_else(|| first_type(data));
    kind.is_none_or(|kind| !kind.ends_with(DELTA))
}

fn first_type(data: &[u8]) -> Option<&[u8]> {
    let rest = [&b"{"[..], b"\"type\"", b":", b"\""]
        .into_iter()
        .try_fold(data, |rest, token| {
            rest.trim_ascii_start().strip_prefix(token)
        })?;
    rest.split(|byte| *byte == b'"').next()
}

/// What an event says. Data that is not an event says nothing.
pub(crate) fn event_facts(name: Option<&[u8]>, data: &[u8]) -> EventFacts {
    let mut facts = EventFacts::default();
    let event = Value::document(data).and_then(|event| event.object());
    let Ok(mut event) = event else {
        return facts;
    };
    let kind = lenient_text(&mut event, "type");
    let name = name.and_then(|name| std::str::from_utf8(name).ok());
    match kind.as_deref().or(name).unwrap_or_default() {
        "response.created" | "response.queued" | "response.in_progress" => {
            state(&mut event, &mut facts);
        }
        "response.completed" | "response.incomplete" | "response.cancelled" => {
            facts.done = true;
            state(&mut event, &mut facts);
        }
        "response.failed" => {
            state(&mut event, &mut facts);
            facts.error.get_or_insert_default();
        }
        "response.output_item.added" => facts.content = item_says_something(&mut event),
        "error" => facts.error = Some(read_error(&mut event)),
        kind if kind.as_bytes().ends_with(DELTA) => {
            facts.content = event.opaque("delta").is_some_and(|delta| delta != "\"\"");
        }
        kind if !kind.starts_with("response.") && event.has("error") => {
            facts.error = Some(read_error(&mut event));
        }
        _ => {}
    }
    facts
}

/// The answer as it is after an event.
fn state(event: &mut Object<'_, '_>, facts: &mut EventFacts) {
    lenient(event, "response", |response| {
        let mut response = response.object()?;
        facts.model = lenient_text(&mut response, "model").map(Into::into);
        facts.usage = lenient(&mut response, "usage", read_usage);
        facts.error = response.has("error").then(|| read_error(&mut response));
        Ok(())
    });
}

/// A message or a thought begins empty; any other item names a call.
fn item_says_something(event: &mut Object<'_, '_>) -> bool {
    let kind = lenient(event, "item", |item| {
        Ok(lenient_text(&mut item.object()?, "type"))
    });
    let kind = kind.flatten();
    kind.is_some_and(|kind| kind != "message" && kind != "reasoning")
}

#[cfg(test)]
mod tests;
