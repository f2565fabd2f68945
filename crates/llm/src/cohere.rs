//! Cohere's API of version 2 as data and functions: paths, fields, events, errors, model lists.
//!
//! Answers do not name their model, and neither do streams, whose events are named as their type is.

pub(crate) mod chat;
pub(crate) mod embed;
mod figures;
pub(crate) mod rerank;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde_json::{Value as Json, json};

pub(crate) use self::figures::usage;
use crate::Operation;
use crate::error::ApiError;
use crate::models::Model;
use crate::response::{EventFacts, UpstreamError};
use crate::scan::{Role, Schema, field};

const VERSION: &str = "/v2";

const RESOURCES: [(&str, Operation); 3] = [
    ("/chat", Operation::ChatCompletions),
    ("/embed", Operation::Embeddings),
    ("/rerank", Operation::Rerank),
];

/// A header that its SDKs always send, as those of others made by the same generator do.
pub(crate) const SDK_HEADER: &str = "x-fern-sdk-name";

/// The operation at `path`. Its lists of models are where OpenAI's are.
pub(crate) fn operation(path: &str) -> Option<Operation> {
    let path = path.strip_suffix('/').unwrap_or(path);
    RESOURCES.iter().find_map(|(resource, operation)| {
        let base = path.strip_suffix(resource)?;
        base.ends_with(VERSION).then_some(*operation)
    })
}

/// The path of `operation` below a base path, if it has one of its own.
pub(crate) fn resource(operation: Operation) -> Option<&'static str> {
    let known = RESOURCES.iter().find(|(_, other)| *other == operation);
    known.map(|(resource, _)| *resource)
}

static CHAT: Schema = Schema {
    fields: &[
        field("model", Role::Model),
        field("stream", Role::Stream),
        field("messages", Role::Messages),
        field("tools", Role::Tools),
        field("max_tokens", Role::MaxTokens),
    ],
};

static EMBED: Schema = Schema {
    fields: &[field("model", Role::Model), field("texts", Role::Prompt)],
};

static RERANK: Schema = Schema {
    fields: &[
        field("model", Role::Model),
        field("query", Role::System),
        field("documents", Role::Prompt),
    ],
};

/// The request fields of `operation`.
pub(crate) fn schema(operation: Operation) -> Option<&'static Schema> {
    match operation {
        Operation::ChatCompletions => Some(&CHAT),
        Operation::Embeddings => Some(&EMBED),
        Operation::Rerank => Some(&RERANK),
        _ => None,
    }
}

/// Whether an event may say more than some further content.
pub(crate) fn is_remarkable(name: Option<&[u8]>) -> bool {
    !matches!(
        name,
        Some(b"content-delta" | b"tool-call-delta" | b"tool-plan-delta")
    )
}

/// What an event says.
pub(crate) fn event_facts(name: Option<&[u8]>, data: &[u8]) -> EventFacts {
    let mut facts = EventFacts::default();
    // What is no event of this API says nothing.
    let _ = chat::StreamDecoder::within().event(name, data, &mut |event| facts.note(event));
    facts
}

/// Reads the `message` of an error answer. That of an answer is an object, and no error.
pub(crate) fn upstream_error(raw: &[u8]) -> Option<UpstreamError> {
    let message = serde_json::from_slice(raw).ok()?;
    Some(UpstreamError {
        message,
        ..UpstreamError::default()
    })
}

/// The body of an error answer. Messages name the field at fault.
pub(crate) fn error_body(error: &ApiError) -> Bytes {
    json!({ "message": error.message }).to_string().into()
}

/// The event that ends a stream which has failed.
pub(crate) fn error_event(error: &ApiError) -> Bytes {
    let mut out = Vec::new();
    chat::write_error(&error.message, &mut out);
    out.into()
}

/// What is known of a model here: its name, and that it can be asked.
fn model_value(model: &Model) -> Json {
    json!({
        "name": model.id,
        "is_deprecated": false,
        "endpoints": ["chat"],
        "finetuned": false,
        "default_endpoints": [],
    })
}

/// The description of a model.
pub(crate) fn model(model: &Model) -> Bytes {
    model_value(model).to_string().into()
}

/// The list of models.
pub(crate) fn model_list(models: &[Model]) -> Bytes {
    let models: Vec<Json> = models.iter().map(model_value).collect();
    json!({ "models": models }).to_string().into()
}
