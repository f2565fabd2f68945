//! Reading an answer.

use crate::canonical::{Choice, Content, Part, Response};
use crate::wire::{Fault, Object, Value};

use super::decode_request::{reasoning, tool_use};
use super::{citations, finish, usage};

/// Reads the body of an answer. What is neither said, thought nor called is passed over.
///
/// # Errors
/// If it is none.
pub(crate) fn decode_response(body: &[u8]) -> Result<Response<'_>, Fault> {
    let mut object = Value::answer(body)?.object()?;
    let mut parts = Vec::new();
    object.require("output", |output| {
        output.object()?.require("message", |message| {
            message.object()?.require("content", |content| {
                content.each(|value| {
                    parts.extend(block(&mut value.object()?)?);
                    Ok(())
                })
            })
        })
    })?;
    let reason = object.text("stopReason")?;
    let mut response = Response {
        choices: vec![Choice {
            parts,
            finish: reason.map(finish),
            ..Choice::default()
        }],
        ..Response::default()
    };
    response.usage = object.take("usage", usage)?;
    let tier = object.take("serviceTier", |tier| tier.object()?.text("type"))?;
    response.service_tier = tier.flatten();
    Ok(response)
}

fn block<'a>(object: &mut Object<'a, '_>) -> Result<Option<Part<'a>>, Fault> {
    if let Some(text) = object.text("text")? {
        return Ok(Some(Part::text(text)));
    }
    if let Some(reasoning) = object.take("reasoningContent", reasoning)? {
        return Ok(Some(Part::new(Content::Reasoning(reasoning))));
    }
    if let Some(cited) = object.take("citationsContent", citations::read_block)? {
        return Ok(Some(cited));
    }
    // A call that ran at the provider is none of the client's.
    let call = object.take("toolUse", |call| match call.object()?.has("type") {
        true => Ok(None),
        false => tool_use(call).map(Some),
    })?;
    Ok(call.flatten().map(Part::new))
}
