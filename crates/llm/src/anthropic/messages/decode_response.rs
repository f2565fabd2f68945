//! Reading an answer.

use std::borrow::Cow;

use crate::canonical::{Choice, Content, Part, Reasoning, Response, ToolCall};
use crate::wire::{Fault, Object, Value};

use super::{Figures, citations, finish};

/// Reads the body of an answer. Blocks of tools that ran at the provider are passed over: what they
/// came to is in the text.
///
/// # Errors
/// If it is none.
pub(crate) fn decode_response(body: &[u8]) -> Result<Response<'_>, Fault> {
    let mut object = Value::answer(body)?.object()?;
    let mut parts = Vec::new();
    object.require("content", |content| {
        content.each(|value| {
            parts.extend(block(&mut value.object()?)?);
            Ok(())
        })
    })?;
    let sequence = object.text("stop_sequence")?;
    let reason = object.text("stop_reason")?;
    let finish = reason.map(|reason| finish(reason, sequence));
    let mut response = Response {
        id: object.text("id")?.unwrap_or_default(),
        model: object.text("model")?.unwrap_or_default(),
        choices: vec![Choice {
            parts,
            finish,
            ..Choice::default()
        }],
        ..Response::default()
    };
    object.take("usage", |usage| {
        let mut figures = Figures::default();
        figures.update(usage);
        response.usage = Some(figures.usage());
        let tier = usage.object()?.text("service_tier")?;
        response.service_tier = tier.map(service_tier);
        Ok(())
    })?;
    Ok(response)
}

/// What Anthropic calls standard, others call the default.
fn service_tier(tier: Cow<'_, str>) -> Cow<'_, str> {
    if tier == "standard" {
        Cow::Borrowed("default")
    } else {
        tier
    }
}

fn block<'a>(object: &mut Object<'a, '_>) -> Result<Option<Part<'a>>, Fault> {
    let kind = object.require_text("type")?;
    let citations = object.take("citations", |list| Ok(citations::read(list)))?;
    let content = match &*kind {
        "text" => Content::Text(object.require_text("text")?),
        "thinking" => Content::Reasoning(Reasoning {
            text: Some(object.require_text("thinking")?),
            signature: object.text("signature")?.filter(|proof| !proof.is_empty()),
            redacted: None,
        }),
        "redacted_thinking" => Content::Reasoning(Reasoning {
            redacted: Some(object.require_text("data")?),
            ..Reasoning::default()
        }),
        "tool_use" => Content::ToolCall(ToolCall {
            id: object.require_text("id")?,
            name: object.require_text("name")?,
            arguments: object.require("input", |v| v.opaque_object())?,
            signature: None,
        }),
        _ => return Ok(None),
    };
    Ok(Some(Part {
        citations: citations.unwrap_or_default(),
        ..Part::new(content)
    }))
}
