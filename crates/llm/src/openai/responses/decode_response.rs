//! Answers of targets that speak this API.

use super::{
    FAILED, Proof, add_reasoning, lenient, lenient_text, paragraphs, read_finish, read_usage,
};
use crate::canonical::{Choice, Content, Part, Response, Token, ToolCall};
use crate::openai::{citations, token};
use crate::wire::{Fault, Object, Value};

/// Reads an answer. One that failed is a fault, which says why.
pub(crate) fn decode_response(body: &[u8]) -> Result<Response<'_>, Fault> {
    let mut fields = Value::answer(body)?.object()?;
    let status = lenient_text(&mut fields, "status");
    if status.as_deref() == Some(FAILED) {
        return Err(failure(&mut fields));
    }
    let reason = incomplete_reason(&mut fields);
    let (mut parts, mut tokens) = (Vec::new(), Vec::new());
    fields.require("output", |output| {
        output.each(|value| {
            tokens.extend(tokens_of(value));
            item(value, &mut parts)
        })
    })?;
    let any = |wanted: fn(&Content<'_>) -> bool| parts.iter().any(|part| wanted(&part.content));
    let called = any(|content| matches!(content, Content::ToolCall(_)));
    let refused = any(|content| matches!(content, Content::Refusal(_)));
    let created = lenient(&mut fields, "created_at", |value| value.number());
    Ok(Response {
        id: lenient_text(&mut fields, "id").unwrap_or_default(),
        model: lenient_text(&mut fields, "model").unwrap_or_default(),
        created: created.map(seconds),
        choices: vec![Choice {
            finish: Some(read_finish(status, reason, called, refused)),
            parts,
            tokens,
        }],
        usage: lenient(&mut fields, "usage", read_usage),
        service_tier: lenient_text(&mut fields, "service_tier"),
    })
}

/// Whole seconds of a time that may have a fraction.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time since the epoch; what is none becomes the nearest one"
)]
pub(super) fn seconds(time: f64) -> u64 {
    time as u64
}

pub(super) fn incomplete_reason<'a>(
    fields: &mut Object<'a, '_>,
) -> Option<std::borrow::Cow<'a, str>> {
    let reason = lenient(fields, "incomplete_details", |details| {
        Ok(lenient_text(&mut details.object()?, "reason"))
    });
    reason.flatten()
}

fn failure(fields: &mut Object<'_, '_>) -> Fault {
    let message = lenient(fields, "error", |error| {
        error.object()?.require_text("message")
    });
    let message = message.as_deref().unwrap_or("has no message");
    Fault::new("error", format!("says that the model failed: {message}"))
}

/// Reads an item. Those of tools that a server runs are passed over: their outcome is in the text.
pub(super) fn item<'a>(value: Value<'a, '_>, parts: &mut Vec<Part<'a>>) -> Result<(), Fault> {
    let mut fields = value.object()?;
    let kind = lenient_text(&mut fields, "type");
    match kind.as_deref() {
        Some("message") => {
            fields.take("content", |content| {
                content.each(|part| {
                    parts.extend(words(part)?);
                    Ok(())
                })
            })?;
        }
        Some("function_call") => parts.push(Part::new(Content::ToolCall(call(&mut fields)?))),
        Some("reasoning") => reasoning(&mut fields, parts),
        _ => {}
    }
    Ok(())
}

/// How probable the tokens of a message's text were. That is worth no failure.
fn tokens_of<'a>(item: Value<'a, '_>) -> Vec<Token<'a>> {
    let mut tokens = Vec::new();
    let read = item.object().and_then(|mut item| {
        item.take("content", |content| {
            content.each(|part| {
                let known = part.object()?.take("logprobs", token::read)?;
                tokens.extend(known.unwrap_or_default());
                Ok(())
            })
        })
    });
    if read.is_err() {
        tokens.clear();
    }
    tokens
}

/// A content part of a message, if it is one of those that we know.
fn words<'a>(value: Value<'a, '_>) -> Result<Option<Part<'a>>, Fault> {
    let mut fields = value.object()?;
    let kind = lenient_text(&mut fields, "type");
    Ok(match kind.as_deref() {
        Some("output_text") => {
            let citations = fields.take("annotations", |list| Ok(citations::read(list)))?;
            Some(Part {
                citations: citations.unwrap_or_default(),
                ..Part::text(fields.require_text("text")?)
            })
        }
        Some("refusal") => {
            let words = fields.require_text("refusal")?;
            Some(Part::new(Content::Refusal(words)))
        }
        _ => None,
    })
}

fn call<'a>(fields: &mut Object<'a, '_>) -> Result<ToolCall<'a>, Fault> {
    Ok(ToolCall {
        id: fields.require_text("call_id")?,
        name: fields.require_text("name")?,
        arguments: lenient_text(fields, "arguments").unwrap_or_default(),
        signature: None,
    })
}

fn reasoning<'a>(fields: &mut Object<'a, '_>, parts: &mut Vec<Part<'a>>) {
    let summary = lenient(fields, "summary", paragraphs).flatten();
    let text = summary.or_else(|| lenient(fields, "content", paragraphs).flatten());
    let proof = lenient_text(fields, "encrypted_content").map(Proof::read);
    add_reasoning(parts, text, proof);
}
