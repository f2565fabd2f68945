//! Amazon Bedrock's API as data and functions: paths, fields, events, errors, model lists.
//!
//! Clients of Converse ask any model in one form. Whom they ask stands in the path, whether they want
//! a stream too, and streams are messages of [`event_stream`].

pub(crate) mod converse;
pub(crate) mod path;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde_json::{Value as Json, json};

use crate::Operation;
use crate::canonical::Event;
use crate::error::ApiError;
use crate::event_stream;
use crate::models::Model;
use crate::response::{EventFacts, UpstreamError, Usage};
use crate::scan::{Role, Schema, field};
use crate::wire::Value;

static CONVERSE: Schema = Schema {
    fields: &[
        field("messages", Role::Messages),
        field("system", Role::System),
        field("inferenceConfig", Role::InferenceConfig),
    ],
};

/// What is to be counted is wrapped; what it is read as decides nothing.
static COUNT: Schema = Schema { fields: &[] };

/// The request fields of `operation`.
pub(crate) fn schema(operation: Operation) -> Option<&'static Schema> {
    match operation {
        Operation::ChatCompletions => Some(&CONVERSE),
        Operation::CountTokens => Some(&COUNT),
        _ => None,
    }
}

/// Reads a `usage` object; `None` for anything else.
pub(crate) fn usage(raw: &[u8]) -> Option<Usage> {
    converse::usage(Value::document(raw).ok()?).ok()
}

/// Reads the `message` of an error answer.
pub(crate) fn upstream_error(raw: &[u8]) -> Option<UpstreamError> {
    let message = Value::document(raw).ok()?.text().ok()?;
    Some(UpstreamError {
        message: message.into_owned(),
        ..UpstreamError::default()
    })
}

/// Whether an event may say more than some further content.
pub(crate) fn is_remarkable(name: Option<&[u8]>) -> bool {
    name != Some(b"contentBlockDelta")
}

/// What an event says.
pub(crate) fn event_facts(name: Option<&[u8]>, data: &[u8]) -> EventFacts {
    let mut facts = EventFacts::default();
    // A frame that is no event of this API says nothing.
    let _ = converse::StreamDecoder::within().event(name, data, &mut |event| facts.note(event));
    facts
}

/// Names of errors, each with the status that it comes with, and what it is called in a stream of
/// Converse, which knows fewer. Of those with one status the first is written.
const ERRORS: [(u16, &str, &str); 11] = [
    (400, "ValidationException", "validationException"),
    (403, "AccessDeniedException", "validationException"),
    (404, "ResourceNotFoundException", "validationException"),
    (408, "ModelTimeoutException", "modelStreamErrorException"),
    (424, "ModelErrorException", "modelStreamErrorException"),
    (
        424,
        "ModelStreamErrorException",
        "modelStreamErrorException",
    ),
    (429, "ThrottlingException", "throttlingException"),
    (429, "ModelNotReadyException", "throttlingException"),
    (500, "InternalServerException", "internalServerException"),
    (500, "InternalFailure", "internalServerException"),
    (
        503,
        "ServiceUnavailableException",
        "serviceUnavailableException",
    ),
];

/// The names of an error of this status.
fn names_of(status: u16) -> (&'static str, &'static str) {
    let like = match status {
        401 => 403,
        504 => 408,
        502 | 529 => 503,
        status => status,
    };
    let known = ERRORS.iter().find(|(status, ..)| *status == like);
    let (_, name, in_stream) = known.copied().unwrap_or(match status {
        400..=499 => (400, "ValidationException", "validationException"),
        _ => (500, "InternalServerException", "internalServerException"),
    });
    (name, in_stream)
}

/// The status of an error of this name. In a stream, names begin with a small letter.
fn status_of(name: &str) -> Option<u16> {
    let mut known = ERRORS.iter();
    let known = known.find(|(_, plain, _)| plain.eq_ignore_ascii_case(name));
    known.map(|(status, ..)| *status)
}

/// What an exception of a stream says; `None` if it is none.
pub(crate) fn exception(name: &[u8], payload: &[u8]) -> Option<UpstreamError> {
    let mut error = None;
    let note = &mut |event: Event<'_>| {
        if let Event::Error(told) = event {
            error = Some(told);
        }
    };
    // What is no event of this API says nothing.
    let _ = converse::StreamDecoder::within().event(Some(name), payload, note);
    error
}

/// The body of an error answer. Messages name the field at fault; the SDKs find the name of the error
/// here where no header has it.
pub(crate) fn error_body(error: &ApiError) -> Bytes {
    let (name, _) = names_of(error.status);
    json!({ "__type": name, "message": error.message })
        .to_string()
        .into()
}

/// The message that ends a stream which has failed.
pub(crate) fn error_message(error: &ApiError) -> Bytes {
    let mut out = Vec::new();
    write_exception(error.status, &error.message, &mut out);
    out.into()
}

fn write_exception(status: u16, message: &str, out: &mut Vec<u8>) {
    let (_, name) = names_of(status);
    let payload = json!({ "message": message }).to_string();
    event_stream::encode(event_stream::Kind::Exception, name, payload.as_bytes(), out);
}

fn model_value(model: &Model) -> Json {
    json!({
        "modelArn": format!("arn:aws:bedrock:::foundation-model/{}", model.id),
        "modelId": model.id,
        "modelName": model.id,
        "providerName": model.owned_by,
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": true,
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": { "status": "ACTIVE" },
    })
}

/// The description of a model.
pub(crate) fn model(model: &Model) -> Bytes {
    json!({ "modelDetails": model_value(model) })
        .to_string()
        .into()
}

/// The list of models.
pub(crate) fn model_list(models: &[Model]) -> Bytes {
    let models: Vec<Json> = models.iter().map(model_value).collect();
    json!({ "modelSummaries": models }).to_string().into()
}
