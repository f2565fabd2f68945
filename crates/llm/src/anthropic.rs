//! Anthropic's API as data and functions: paths, field names, errors, model lists.
//!
//! vLLM, Ollama and several providers speak it too; what they leave out or spell otherwise is
//! accepted here, and only Anthropic's own forms are written.

mod events;
pub(crate) mod messages;
mod usage;
pub(crate) mod venue;

use bytes::Bytes;
use serde_json::{Value, json};

pub(crate) use self::events::{event_facts, is_remarkable, is_whole_event};
pub(crate) use self::usage::{joined, usage};
use crate::Operation;
use crate::error::{ApiError, ErrorKind};
use crate::models::Model;
use crate::response::UpstreamError;
use crate::scan::{Role, Schema, field};

/// Header and value that name the version of the API, which every request must have. A client that
/// wants a later one says so; this is the one that every server and every model knows.
pub(crate) const DEFAULT_HEADERS: [(&str, &str); 1] = [("anthropic-version", "2023-06-01")];

const MESSAGES_PATH: &str = "/messages";
const COUNT_TOKENS_PATH: &str = "/messages/count_tokens";

/// The operation at `path`. Unlike OpenAI's names, `/messages` alone is what many a plain service
/// calls its own, so `/v1` must stand before it.
pub(crate) fn operation(path: &str) -> Option<Operation> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_at = |resource| {
        path.strip_suffix(resource)
            .is_some_and(|base: &str| base.ends_with("/v1"))
    };
    if is_at(MESSAGES_PATH) {
        Some(Operation::ChatCompletions)
    } else {
        is_at(COUNT_TOKENS_PATH).then_some(Operation::CountTokens)
    }
}

/// The path of `operation` below a base path, if it is not one that OpenAI's API has as well.
pub(crate) const fn resource(operation: Operation) -> Option<&'static str> {
    match operation {
        Operation::ChatCompletions => Some(MESSAGES_PATH),
        Operation::CountTokens => Some(COUNT_TOKENS_PATH),
        _ => None,
    }
}

static MESSAGES: Schema = Schema {
    fields: &[
        field("model", Role::Model),
        field("stream", Role::Stream),
        field("max_tokens", Role::MaxTokens),
        field("system", Role::System),
        field("messages", Role::Messages),
        field("tools", Role::Tools),
        field("metadata", Role::Metadata),
    ],
};

static COUNT_TOKENS: Schema = Schema {
    fields: &[
        field("model", Role::Model),
        field("system", Role::System),
        field("messages", Role::Messages),
        field("tools", Role::Tools),
    ],
};

/// The request fields of `operation`.
pub(crate) fn schema(operation: Operation) -> Option<&'static Schema> {
    match operation {
        Operation::ChatCompletions => Some(&MESSAGES),
        Operation::CountTokens => Some(&COUNT_TOKENS),
        _ => None,
    }
}

/// Types of errors and the statuses they come with.
const STATUSES: [(&str, u16); 11] = [
    ("invalid_request_error", 400),
    ("authentication_error", 401),
    ("billing_error", 402),
    ("permission_error", 403),
    ("not_found_error", 404),
    ("conflict_error", 409),
    ("request_too_large", 413),
    ("rate_limit_error", 429),
    ("api_error", 500),
    ("timeout_error", 504),
    ("overloaded_error", 529),
];

/// Reads an `error` value. In a stream nothing but its type tells the status.
pub(crate) fn upstream_error(raw: &[u8]) -> Option<UpstreamError> {
    upstream_error_of(&serde_json::from_slice(raw).ok()?)
}

fn upstream_error_of(value: &Value) -> Option<UpstreamError> {
    let text = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = text("type");
    let known = STATUSES
        .iter()
        .find(|(name, _)| Some(*name) == kind.as_deref());
    let message = match value {
        Value::String(message) => message.clone(),
        Value::Object(_) => text("message").unwrap_or_default(),
        _ => return None,
    };
    Some(UpstreamError {
        status: known.map(|(_, status)| *status),
        kind,
        message,
        ..UpstreamError::default()
    })
}

/// Anthropic's `type` for an error of this kind and status.
const fn error_type(kind: ErrorKind, status: u16) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest if status == 402 => "billing_error",
        ErrorKind::InvalidRequest | ErrorKind::MethodNotAllowed => "invalid_request_error",
        ErrorKind::Authentication => "authentication_error",
        ErrorKind::PermissionDenied => "permission_error",
        ErrorKind::NotFound => "not_found_error",
        ErrorKind::RequestTooLarge => "request_too_large",
        ErrorKind::RateLimited => "rate_limit_error",
        ErrorKind::Unavailable => "overloaded_error",
        ErrorKind::Timeout => "timeout_error",
        ErrorKind::Upstream | ErrorKind::Internal => "api_error",
    }
}

/// The body of an error answer. The field at fault has no place of its own in it; messages name it.
pub(crate) fn error_body(error: &ApiError) -> Bytes {
    let mut body = json!({
        "type": "error",
        "error": {
            "type": error_type(error.kind, error.status),
            "message": error.message,
        },
        "request_id": null,
    });
    if let Some(code) = &error.code {
        body["error"]["details"] = json!({"error_code": code});
    }
    body.to_string().into()
}

fn model_value(model: &Model) -> Value {
    json!({
        "type": "model",
        "id": model.id,
        "display_name": model.id,
        "created_at": timestamp(model.created),
    })
}

/// The description of a model.
pub(crate) fn model(model: &Model) -> Bytes {
    model_value(model).to_string().into()
}

/// The list of models, on one page.
pub(crate) fn model_list(models: &[Model]) -> Bytes {
    let data: Vec<Value> = models.iter().map(model_value).collect();
    let id = |model: Option<&Model>| model.map(|model| model.id.clone());
    let body = json!({
        "data": data,
        "has_more": false,
        "first_id": id(models.first()),
        "last_id": id(models.last()),
    });
    body.to_string().into()
}

/// Seconds since the Unix epoch as RFC 3339 writes them; by the proleptic Gregorian calendar in
/// years that begin in March, so that a leap day is the last of its year.
fn timestamp(seconds: u64) -> String {
    const DAYS_BEFORE_EPOCH: u64 = 719_468;
    const DAYS_IN_ERA: u64 = 146_097;
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let days = days + DAYS_BEFORE_EPOCH;
    let (era, day) = (days / DAYS_IN_ERA, days % DAYS_IN_ERA);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / (DAYS_IN_ERA - 1)) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests;
