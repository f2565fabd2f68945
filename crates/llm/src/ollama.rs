//! Ollama's own API as data and functions: paths, fields, events, errors, model lists.
//!
//! Its streams have a JSON document a line, and a request that does not say otherwise gets one.

pub(crate) mod chat;
pub(crate) mod embed;
mod figures;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value as Json, json};

pub(crate) use self::figures::usage;
use crate::Operation;
use crate::error::ApiError;
use crate::models::Model;
use crate::response::{EventFacts, UpstreamError};
use crate::scan::{Role, Schema, field};

const RESOURCES: [(&str, Operation); 5] = [
    ("/api/chat", Operation::ChatCompletions),
    ("/api/generate", Operation::Completions),
    ("/api/embed", Operation::Embeddings),
    ("/api/tags", Operation::ListModels),
    ("/api/show", Operation::ShowModel),
];

/// The operation at `path`.
pub(crate) fn operation(path: &str) -> Option<Operation> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let known = RESOURCES
        .iter()
        .find(|(resource, _)| path.ends_with(resource));
    known.map(|(_, operation)| *operation)
}

/// The path of `operation` below a base path.
pub(crate) fn resource(operation: Operation) -> &'static str {
    let known = RESOURCES.iter().find(|(_, other)| *other == operation);
    known.map_or("/api/tags", |(resource, _)| resource)
}

static CHAT: Schema = Schema {
    fields: &[
        field("model", Role::Model),
        field("stream", Role::Stream),
        field("messages", Role::Messages),
        field("tools", Role::Tools),
        field("options", Role::Options),
    ],
};

static GENERATE: Schema = Schema {
    fields: &[
        field("model", Role::Model),
        field("stream", Role::Stream),
        field("system", Role::System),
        field("prompt", Role::Prompt),
        field("options", Role::Options),
    ],
};

static EMBED: Schema = Schema {
    fields: &[field("model", Role::Model), field("input", Role::Prompt)],
};

static SHOW: Schema = Schema {
    fields: &[
        field("model", Role::Model),
        // Its name before there were others.
        field("name", Role::Model),
    ],
};

/// The request fields of `operation`.
pub(crate) fn schema(operation: Operation) -> Option<&'static Schema> {
    match operation {
        Operation::ChatCompletions => Some(&CHAT),
        Operation::Completions => Some(&GENERATE),
        Operation::Embeddings => Some(&EMBED),
        Operation::ShowModel => Some(&SHOW),
        _ => None,
    }
}

/// A line of a stream, as far as the gateway needs it.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    message: Option<Said>,
    /// Of `/api/generate`.
    #[serde(flatten)]
    said: Said,
    #[serde(default)]
    done: bool,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize, Default)]
struct Said {
    #[serde(default, alias = "response")]
    content: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<serde::de::IgnoredAny>>,
}

impl Said {
    fn says_something(&self) -> bool {
        let is_text = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let has_calls = self
            .tool_calls
            .as_ref()
            .is_some_and(|calls| !calls.is_empty());
        is_text(&self.content) || is_text(&self.thinking) || has_calls
    }
}

/// Whether a line may say more than some further content.
pub(crate) fn is_remarkable(data: &[u8]) -> bool {
    data.first() != Some(&b'{')
        || crate::json::any_quoted(data, *b"de", |at| match data.get(at + 1) {
            Some(b'd') => crate::openai::value_begins(data, at, b"\"done\"", b't'),
            Some(b'e') => data[at..].starts_with(b"\"error\""),
            _ => false,
        })
}

/// What a line says. One that is no answer says nothing.
pub(crate) fn event_facts(data: &[u8]) -> EventFacts {
    let Ok(line) = serde_json::from_slice::<Line>(data) else {
        return EventFacts::default();
    };
    let message = line.message.unwrap_or_default();
    EventFacts {
        content: message.says_something() || line.said.says_something(),
        usage_only: false,
        finished: u64::from(line.done),
        done: line.done,
        model: line.model,
        usage: figures::of_document(data),
        error: line.error.map(|message| UpstreamError {
            message,
            ..UpstreamError::default()
        }),
    }
}

/// The body of an error answer. Messages name the field at fault.
pub(crate) fn error_body(error: &ApiError) -> Bytes {
    json!({ "error": error.message }).to_string().into()
}

/// The line that ends a stream which has failed.
pub(crate) fn error_line(error: &ApiError) -> Bytes {
    let mut line = error_body(error).to_vec();
    line.push(b'\n');
    line.into()
}

/// What is known of a model here: that it is served.
fn details() -> Json {
    json!({
        "parent_model": "",
        "format": "",
        "family": "",
        "families": null,
        "parameter_size": "",
        "quantization_level": "",
    })
}

/// The description of a model. Clients ask it for what the model can do; that it calls tools is
/// assumed, since one that does not says so when it is asked to.
pub(crate) fn model(model: &Model) -> Bytes {
    let body = json!({
        "modelfile": "",
        "parameters": "",
        "template": "",
        "details": details(),
        "model_info": { "general.architecture": "", "general.basename": model.id },
        "capabilities": ["completion", "tools"],
    });
    body.to_string().into()
}

/// The list of models.
pub(crate) fn model_list(models: &[Model]) -> Bytes {
    let models: Vec<Json> = models
        .iter()
        .map(|model| {
            json!({
                "name": model.id,
                "model": model.id,
                "modified_at": crate::time::rfc3339(model.created),
                "size": 0,
                "digest": "",
                "details": details(),
            })
        })
        .collect();
    json!({ "models": models }).to_string().into()
}
