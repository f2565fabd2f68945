//! Google's Gemini API as data and functions: paths, events, errors, model lists.
//!
//! What is asked for stands in the path: the model, and behind a colon what it is to do.

pub(crate) mod content;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::{Value as Json, json};

use crate::canonical::{Event, Opening};
use crate::error::ApiError;
use crate::models::Model;
use crate::response::{EventFacts, UpstreamError, Usage};
use crate::wire::Value;

/// Asks for a stream of events, not of the items of one array.
pub(crate) const EVENTS: &str = "alt=sse";

const GENERATE: &str = "generateContent";
const STREAM: &str = "streamGenerateContent";

/// The collections that models are in. A name may begin with that of its collection.
const COLLECTIONS: [&str; 2] = ["models/", "tunedModels/"];

/// The path below a base path at which `model` answers.
pub(crate) fn generate(model: &str, stream: bool) -> String {
    let method = if stream { STREAM } else { GENERATE };
    let named = COLLECTIONS
        .iter()
        .find_map(|collection| Some((*collection, model.strip_prefix(collection)?)));
    let (collection, name) = named.unwrap_or(("models/", model));
    let mut path = format!("/{collection}");
    escape(name, &mut path);
    path.push(':');
    path.push_str(method);
    path
}

/// Appends a segment of a path, percent-encoded (RFC 3986, section 2.1).
fn escape(segment: &str, path: &mut String) {
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// The model that a path asks to go on, and whether to stream; `None` if it asks for neither.
pub(crate) fn generation(path: &str) -> Option<(Cow<'_, str>, bool)> {
    let (_, method) = path.rsplit_once(':')?;
    let stream = match method {
        GENERATE => false,
        STREAM => true,
        _ => return None,
    };
    Some((unescaped(model_in_path(path)?), stream))
}

/// Undoes percent-encoding; what is not valid stays as it is.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = match byte {
            Some(_) => tail.get(2..).unwrap_or_default(),
            None => tail,
        };
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a client asks for events.
pub(crate) fn asks_for_events(query: Option<&str>) -> bool {
    let mut pairs = query.unwrap_or_default().split('&');
    pairs.any(|pair| pair.trim_start_matches('$') == EVENTS)
}

/// What follows the base path: the collection, and what of it is asked for.
pub(crate) fn resource(path: &str) -> &str {
    let at = ["/models", "/tunedModels"]
        .iter()
        .find_map(|name| path.find(name));
    at.and_then(|at| path.get(at..)).unwrap_or("/models")
}

/// The model's name in a path that has one, still percent-encoded.
pub(crate) fn model_in_path(path: &str) -> Option<&str> {
    let resource = resource(path).strip_prefix('/')?;
    let (named, _) = resource.rsplit_once(':').unwrap_or((resource, ""));
    match named.strip_prefix("models/") {
        Some(name) => Some(name),
        None => named.starts_with("tunedModels/").then_some(named),
    }
}

/// Reads a `usageMetadata` object; `None` for anything else.
pub(crate) fn usage(raw: &[u8]) -> Option<Usage> {
    content::usage(Value::document(raw).ok()?).ok()
}

/// Reads an `error` value.
pub(crate) fn upstream_error(raw: &[u8]) -> Option<UpstreamError> {
    content::error(Value::document(raw).ok()?).ok()
}

/// Whether data that lacks its terminator is all there.
pub(crate) fn is_whole_event(data: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(data).is_ok()
}

/// What an event says: it is an answer of its own.
pub(crate) fn event_facts(data: &[u8]) -> EventFacts {
    let mut facts = EventFacts::default();
    let mut note = |event: Event<'_>| match event {
        Event::Start { model, .. } if !model.is_empty() => facts.model = Some(model.into_owned()),
        Event::Delta { .. }
        | Event::Open {
            opening: Opening::ToolCall { .. } | Opening::Redacted(_),
            ..
        } => facts.content = true,
        Event::Usage(usage) => facts.usage = Some(usage),
        Event::Finish { .. } => facts.finished += 1,
        Event::Error(error) => facts.error = Some(error),
        _ => {}
    };
    let mut decoder = content::StreamDecoder::default();
    if decoder.event(None, data, &mut note).is_ok() {
        decoder.end(&mut note);
    }
    facts
}

/// Google's name of an HTTP status.
pub(crate) const fn status_name(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        400..=499 => "INVALID_ARGUMENT",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}

/// The body of an error answer. Messages name the field at fault.
pub(crate) fn error_body(error: &ApiError) -> Bytes {
    let body = json!({
        "error": {
            "code": error.status,
            "message": error.message,
            "status": status_name(error.status),
        }
    });
    body.to_string().into()
}

fn model_value(model: &Model) -> Json {
    json!({
        "name": format!("models/{}", model.id),
        "displayName": model.id,
        "supportedGenerationMethods": [GENERATE, STREAM],
    })
}

/// The description of a model.
pub(crate) fn model(model: &Model) -> Bytes {
    model_value(model).to_string().into()
}

/// The list of models, on one page.
pub(crate) fn model_list(models: &[Model]) -> Bytes {
    let models: Vec<Json> = models.iter().map(model_value).collect();
    json!({ "models": models }).to_string().into()
}
