//! OpenAI's API as data and functions: paths, field names, events, errors, model lists.
//!
//! Servers that speak this dialect differ at the edges (vLLM's bare error objects, DeepSeek's names
//! for cached tokens, `reasoning` beside `reasoning_content`); what they add is accepted here, and
//! only OpenAI's own forms are written.

mod cache;
pub(crate) mod chat;
mod citations;
pub(crate) mod embeddings;
mod figures;
pub(crate) mod media;
pub(crate) mod rerank;
pub(crate) mod responses;
pub(crate) mod token;

use crate::json::any_quoted;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use self::figures::Figures;
use crate::error::{ApiError, ErrorKind};
use crate::models::Model;
use crate::percent::climbs;
use crate::response::{EventFacts, UpstreamError, Usage};
use crate::scan::{Role, Schema, field};
use crate::{Client, Operation};

/// Ends a stream.
pub(crate) const END_OF_STREAM: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

const DONE: &[u8] = b"[DONE]";

const RESOURCES: [(&str, Operation); 12] = [
    ("/chat/completions", Operation::ChatCompletions),
    ("/responses", Operation::Responses),
    ("/completions", Operation::Completions),
    ("/embeddings", Operation::Embeddings),
    ("/images/generations", Operation::Images),
    ("/images/edits", Operation::ImageEdits),
    ("/audio/speech", Operation::Speech),
    ("/audio/transcriptions", Operation::Transcriptions),
    ("/audio/translations", Operation::Translations),
    ("/moderations", Operation::Moderations),
    ("/rerank", Operation::Rerank),
    ("/models", Operation::ListModels),
];

const DEPLOYMENTS: &str = "/openai/deployments";
const DEPLOYMENTS_OF: &str = "/openai/deployments/";

/// The operation at `path`.
pub(crate) fn operation(path: &str) -> Option<Operation> {
    if let Some(id) = model_in_path(path) {
        return (!id.is_empty() && !climbs(id)).then_some(Operation::GetModel);
    }
    let path = without_slash(path);
    RESOURCES.iter().find_map(|(resource, operation)| {
        let base = path.strip_suffix(resource)?;
        let is_base = base.is_empty() || base.ends_with("/v1") || is_azures(base);
        is_base.then_some(*operation)
    })
}

/// Whether Azure has the API below `base`: `/openai`, or a deployment below it.
fn is_azures(base: &str) -> bool {
    base.ends_with("/openai")
        || base.rsplit_once('/').is_some_and(|(deployments, name)| {
            !name.is_empty() && deployments.ends_with(DEPLOYMENTS)
        })
}

/// The deployment that a path of Azure's asks, which is what its clients call a model.
pub(crate) fn deployment(path: &str) -> Option<&str> {
    let at = path.rfind(DEPLOYMENTS_OF)? + DEPLOYMENTS_OF.len();
    let (name, _) = path.get(at..)?.split_once('/')?;
    Some(name)
}

/// The path of `operation` below a base path; a model's is the end of `path`.
pub(crate) fn resource(operation: Operation, path: &str) -> &str {
    let fixed = RESOURCES.iter().find(|(_, other)| *other == operation);
    match fixed {
        Some((resource, _)) => resource,
        None => model_resource(path).unwrap_or("/models"),
    }
}

/// The model's name in a path that has one.
pub(crate) fn model_in_path(path: &str) -> Option<&str> {
    model_resource(path)?.strip_prefix("/models/")
}

/// What follows the base path, OpenAI's or Azure's, where that begins with `/models/`.
fn model_resource(path: &str) -> Option<&str> {
    let path = without_slash(path);
    let below = |base: &str, models: &str| Some(path.find(models)? + base.len());
    let openais = below("/v1", "/v1/models/");
    let azures = below("/openai", "/openai/models/");
    match openais.into_iter().chain(azures).min() {
        Some(at) => path.get(at..),
        None => path.starts_with("/models/").then_some(path),
    }
}

/// The path without a slash at its end, which means nothing.
fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

static CHAT: Schema = Schema {
    fields: &[
        field("model", Role::Model),
        field("stream", Role::Stream),
        field("stream_options", Role::StreamOptions),
        field("max_tokens", Role::MaxTokens),
        field("max_completion_tokens", Role::MaxCompletionTokens),
        field("n", Role::Choices),
        field("messages", Role::Messages),
        field("tools", Role::Tools),
        field("user", Role::User),
    ],
};

static RESPONSES: Schema = Schema {
    fields: &[
        field("model", Role::Model),
        field("stream", Role::Stream),
        field("max_output_tokens", Role::MaxCompletionTokens),
        field("instructions", Role::System),
        field("input", Role::Input),
        field("tools", Role::Tools),
        field("user", Role::User),
    ],
};

static COMPLETIONS: Schema = Schema {
    fields: &[
        field("model", Role::Model),
        field("stream", Role::Stream),
        field("stream_options", Role::StreamOptions),
        field("max_tokens", Role::MaxTokens),
        field("n", Role::Choices),
        field("prompt", Role::Prompt),
        field("user", Role::User),
    ],
};

static EMBEDDINGS: Schema = Schema {
    fields: &[
        field("model", Role::Model),
        field("input", Role::Prompt),
        field("user", Role::User),
    ],
};

static IMAGES: Schema = Schema {
    fields: &[
        field("model", Role::Model),
        field("stream", Role::Stream),
        field("n", Role::Choices),
        field("prompt", Role::Prompt),
        field("user", Role::User),
    ],
};

static SPEECH: Schema = Schema {
    fields: &[field("model", Role::Model), field("input", Role::Prompt)],
};

/// A recording comes in a form, of which JSON has a reference at most.
static TRANSCRIPTIONS: Schema = Schema {
    fields: &[field("model", Role::Model), field("stream", Role::Stream)],
};

/// What is judged may be a list of objects, which is nothing to count here.
/// As Jina has it, and vLLM after it.
static RERANK: Schema = Schema {
    fields: &[
        field("model", Role::Model),
        field("query", Role::System),
        field("documents", Role::Prompt),
    ],
};

static MODERATIONS: Schema = Schema {
    fields: &[field("model", Role::Model)],
};

/// The request fields of `operation`.
pub(crate) fn schema(operation: Operation) -> Option<&'static Schema> {
    match operation {
        Operation::ChatCompletions => Some(&CHAT),
        Operation::Responses => Some(&RESPONSES),
        Operation::Completions => Some(&COMPLETIONS),
        Operation::Embeddings => Some(&EMBEDDINGS),
        Operation::Images | Operation::ImageEdits => Some(&IMAGES),
        Operation::Speech => Some(&SPEECH),
        Operation::Transcriptions | Operation::Translations => Some(&TRANSCRIPTIONS),
        Operation::Moderations => Some(&MODERATIONS),
        Operation::Rerank => Some(&RERANK),
        Operation::CountTokens
        | Operation::ListModels
        | Operation::GetModel
        | Operation::ShowModel => None,
    }
}

/// Reads a `usage` object; `None` for anything else.
pub(crate) fn usage(raw: &[u8]) -> Option<Usage> {
    serde_json::from_slice::<Figures>(raw).ok()?.usage()
}

/// The same of the Responses API, of images and of transcriptions.
pub(crate) fn newer_usage(raw: &[u8]) -> Option<Usage> {
    serde_json::from_slice::<Figures>(raw).ok()?.newer_usage()
}

/// Reads an `error` value: an object, or a bare message as some servers send it.
pub(crate) fn upstream_error(raw: &[u8]) -> Option<UpstreamError> {
    upstream_error_of(&serde_json::from_slice(raw).ok()?)
}

fn upstream_error_of(value: &Value) -> Option<UpstreamError> {
    if let Value::String(message) = value {
        return Some(UpstreamError {
            message: message.clone(),
            ..UpstreamError::default()
        });
    }
    let text = |name| match value.get(name) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let code = text("code");
    let status = [text("status"), code.clone()].into_iter().flatten();
    value.is_object().then(|| UpstreamError {
        status: status
            .filter_map(|status| status.parse().ok())
            .find(|s| (400..600).contains(s)),
        kind: text("type"),
        code,
        param: text("param"),
        message: value.get("message").and_then(words).unwrap_or_default(),
    })
}

/// The words of an error: a text, or as servers made with FastAPI have it, a list of what is wrong and
/// where. Mistral has that list below a further `detail`.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(faults) => {
            let faults: Vec<_> = faults.iter().filter_map(fault).collect();
            (!faults.is_empty()).then(|| faults.join("; "))
        }
        Value::Object(fields) => words(fields.get("detail")?),
        _ => None,
    }
}

/// What is wrong and where: `{"loc": ["body", "messages", 0], "msg": "…"}`.
fn fault(value: &Value) -> Option<String> {
    let message = value.get("msg")?.as_str()?;
    let place = value.get("loc").and_then(Value::as_array);
    let names = place.into_iter().flatten().filter(|name| *name != "body");
    let names: Vec<_> = names
        .map(|name| {
            name.as_str()
                .map_or_else(|| name.to_string(), str::to_owned)
        })
        .collect();
    Some(match names.is_empty() {
        true => message.to_owned(),
        false => format!("{}: {message}", names.join(".")),
    })
}

/// A chunk of a stream, as far as the gateway needs it.
#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Figures,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    text: Option<Value>,
    #[serde(default)]
    finish_reason: Option<Value>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<Value>,
    #[serde(default)]
    reasoning: Option<Value>,
    #[serde(default)]
    reasoning_content: Option<Value>,
    #[serde(default)]
    refusal: Option<Value>,
    #[serde(default)]
    tool_calls: Option<Value>,
    #[serde(default)]
    function_call: Option<Value>,
    #[serde(default)]
    audio: Option<Value>,
}

impl Choice {
    fn has_content(&self) -> bool {
        let values = |delta: &Delta| {
            [
                &delta.content,
                &delta.reasoning,
                &delta.reasoning_content,
                &delta.refusal,
                &delta.tool_calls,
                &delta.function_call,
                &delta.audio,
            ]
            .into_iter()
            .any(says_something)
        };
        says_something(&self.text) || self.delta.as_ref().is_some_and(values)
    }
}

/// An empty string, list or object is what a server sends to say nothing.
fn says_something(value: &Option<Value>) -> bool {
    match value {
        None => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(_) => true,
    }
}

/// Whether an event may say more than some further content.
///
/// Asked of every event, so the three names are looked for in one pass; a name inside a text only
/// costs the closer look.
pub(crate) fn is_remarkable(data: &[u8]) -> bool {
    data.first() != Some(&b'{')
        || any_quoted(data, *b"ufe", |at| match data.get(at + 1) {
            Some(b'u') => value_begins(data, at, b"\"usage\"", b'{'),
            Some(b'f') => value_begins(data, at, b"\"finish_reason\"", b'"'),
            Some(b'e') => data[at..].starts_with(b"\"error\""),
            _ => false,
        })
}

/// Whether `name` stands at `at` and has a value that begins with `byte`.
pub(crate) fn value_begins(data: &[u8], at: usize, name: &[u8], byte: u8) -> bool {
    let Some(rest) = data[at..].strip_prefix(name) else {
        return false;
    };
    let value = rest.trim_ascii_start().strip_prefix(b":");
    let value = value.unwrap_or_default().trim_ascii_start();
    value.first() == Some(&byte)
}

/// Whether data that lacks its terminator is all there.
pub(crate) fn is_whole_event(data: &[u8]) -> bool {
    data.trim_ascii() == DONE || serde_json::from_slice::<IgnoredAny>(data).is_ok()
}

/// What an event says. Data that is not a chunk says nothing.
pub(crate) fn event_facts(data: &[u8]) -> EventFacts {
    if data.trim_ascii() == DONE {
        return EventFacts {
            done: true,
            ..EventFacts::default()
        };
    }
    if let Some(error) = event_error(data) {
        return EventFacts {
            error: Some(error),
            ..EventFacts::default()
        };
    }
    let Ok(chunk) = serde_json::from_slice::<Chunk>(data) else {
        return EventFacts::default();
    };
    let choices = chunk.choices.unwrap_or_default();
    let usage = chunk.usage.usage();
    let finished = choices
        .iter()
        .filter(|choice| says_something(&choice.finish_reason))
        .count();
    EventFacts {
        content: choices.iter().any(Choice::has_content),
        model: chunk.model,
        usage_only: usage.is_some() && choices.is_empty(),
        finished: finished as u64,
        done: false,
        usage,
        error: None,
    }
}

/// The error of an error event: `{"error": …}`, or vLLM's older `{"object": "error", …}`.
pub(crate) fn event_error(data: &[u8]) -> Option<UpstreamError> {
    memchr::memmem::find(data, b"\"error\"")?;
    let event: Value = serde_json::from_slice(data).ok()?;
    match event.get("error") {
        Some(error) => upstream_error_of(error),
        None if event.get("object") == Some(&Value::from("error")) => upstream_error_of(&event),
        None => None,
    }
}

/// The error of an answer that has none in `error`: one of an event's forms, or the `detail` of
/// servers made with FastAPI.
pub(crate) fn other_error(body: &[u8]) -> Option<UpstreamError> {
    event_error(body).or_else(|| {
        let body: Value = serde_json::from_slice(body).ok()?;
        Some(UpstreamError {
            message: words(body.get("detail")?)?,
            ..UpstreamError::default()
        })
    })
}

/// OpenAI's `type` and usual `code` for each kind.
const fn error_strings(kind: ErrorKind) -> (&'static str, Option<&'static str>) {
    match kind {
        ErrorKind::InvalidRequest => ("invalid_request_error", None),
        ErrorKind::Authentication => ("invalid_request_error", Some("invalid_api_key")),
        ErrorKind::PermissionDenied => ("invalid_request_error", Some("permission_denied")),
        ErrorKind::NotFound => ("invalid_request_error", Some("unknown_url")),
        ErrorKind::MethodNotAllowed => ("invalid_request_error", Some("method_not_supported")),
        ErrorKind::RequestTooLarge => ("invalid_request_error", Some("request_too_large")),
        ErrorKind::RateLimited => ("requests", Some("rate_limit_exceeded")),
        ErrorKind::Unavailable => ("server_error", Some("service_unavailable")),
        ErrorKind::Timeout => ("server_error", Some("timeout")),
        ErrorKind::Upstream => ("server_error", Some("upstream_error")),
        ErrorKind::Internal => ("server_error", None),
    }
}

/// The event that ends a stream of the Responses API, whose events are numbered. It says the same
/// twice: as OpenAI documents it, and as OpenAI sends it, which is what its clients raise.
pub(crate) fn numbered_error(error: &ApiError, number: u64) -> Bytes {
    let (kind, code) = error_strings(error.kind);
    let code = error.code.as_deref().or(code);
    let body = json!({
        "type": "error",
        "code": code,
        "message": error.message,
        "param": error.param,
        "error": {
            "type": kind,
            "code": code,
            "message": error.message,
            "param": error.param,
        },
        "sequence_number": number,
    });
    body.to_string().into()
}

/// The tier that served an answer, if it is one of OpenAI's: clients' types know no other.
pub(crate) fn service_tier(tier: &str) -> Option<&str> {
    let known = [
        "auto",
        "default",
        "flex",
        "scale",
        "priority",
        "fast",
        "ultrafast",
    ];
    known.contains(&tier).then_some(tier)
}

/// The body of an error answer.
pub(crate) fn error_body(error: &ApiError) -> Bytes {
    let (kind, code) = error_strings(error.kind);
    let body = json!({
        "error": {
            "message": error.message,
            "type": kind,
            "param": error.param,
            "code": error.code.as_deref().or(code),
        }
    });
    body.to_string().into()
}

fn model_value(model: &Model, client: Client) -> Value {
    let mut value = json!({
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
    });
    if client == Client::Mistral {
        value["type"] = "base".into();
        // What else a model can do is not known.
        value["capabilities"] = json!({ "completion_chat": true });
    }
    value
}

/// The description of a model.
pub(crate) fn model(model: &Model, client: Client) -> Bytes {
    model_value(model, client).to_string().into()
}

/// The list of models.
pub(crate) fn model_list(models: &[Model], client: Client) -> Bytes {
    let data = models.iter().map(|model| model_value(model, client));
    let data: Vec<Value> = data.collect();
    json!({ "object": "list", "data": data }).to_string().into()
}
