//! Google's Gemini API as data and functions: paths, fields, events, errors, model lists.

pub(crate) mod content;
pub(crate) mod embed;
pub(crate) mod path;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::{Value as Json, json};

use crate::Operation;
use crate::canonical::Event;
use crate::error::ApiError;
use crate::models::Model;
use crate::response::{EventFacts, UpstreamError, Usage};
use crate::scan::{Role, Schema, field};
use crate::wire::Value;

/// Servers take the names of Protocol Buffers beside those of JSON.
static GENERATE: Schema = Schema {
    fields: &[
        field("contents", Role::Contents),
        field("systemInstruction", Role::Instruction),
        field("system_instruction", Role::Instruction),
        field("tools", Role::Tools),
        field("generationConfig", Role::GenerationConfig),
        field("generation_config", Role::GenerationConfig),
        field("model", Role::Named),
    ],
};

/// To count a whole request, it is wrapped into another; what it is read as then decides nothing.
static COUNT: Schema = Schema {
    fields: &[
        field("contents", Role::Contents),
        field("model", Role::Named),
        field("generateContentRequest", Role::Wrapped),
        field("generate_content_request", Role::Wrapped),
    ],
};

static EMBED: Schema = Schema {
    fields: &[
        field("content", Role::Instruction),
        field("model", Role::Named),
        field("requests", Role::Batch),
    ],
};

/// The request fields of `operation`.
pub(crate) fn schema(operation: Operation) -> Option<&'static Schema> {
    match operation {
        Operation::ChatCompletions => Some(&GENERATE),
        Operation::CountTokens => Some(&COUNT),
        Operation::Embeddings => Some(&EMBED),
        _ => None,
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
        // The end of this one event's bytes is not that of the stream.
        Event::End => {}
        event => facts.note(event),
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
        424 => "INTERNAL",
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
        "supportedGenerationMethods": path::GENERATION,
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
