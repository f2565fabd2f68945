//! Reading an answer. What it has beside is passed over: a server may add to its answers.

use std::borrow::Cow;

use super::decode_request::plan;
use super::{citations, finish_of, probability};
use crate::canonical::{Choice, Content, Part, Reasoning, Response, Token, ToolCall};
use crate::cohere::figures;
use crate::wire::{Fault, Object, Value};

/// Reads an answer.
///
/// # Errors
/// If it is none, or says that it failed.
pub(crate) fn decode_response(body: &[u8]) -> Result<Response<'_>, Fault> {
    let mut object = Value::answer(body)?.object()?;
    let parts = object.require("message", |value| answered(&mut value.object()?))?;
    let finish = object.take("finish_reason", |value| {
        finish_of(&value.text()?).map_err(|why| value.fault(why))
    })?;
    Ok(Response {
        id: object.text("id")?.unwrap_or_default(),
        choices: vec![Choice {
            parts,
            finish,
            tokens: tokens(&mut object),
        }],
        usage: object
            .opaque("usage")
            .and_then(|raw| figures::usage(raw.as_bytes())),
        ..Response::default()
    })
}

/// They are worth no failure.
fn tokens<'a>(object: &mut Object<'a, '_>) -> Vec<Token<'a>> {
    let tokens = object.take("logprobs", |list| list.list(probability));
    tokens.ok().flatten().unwrap_or_default()
}

fn answered<'a>(object: &mut Object<'a, '_>) -> Result<Vec<Part<'a>>, Fault> {
    let mut parts = Vec::new();
    object.take("content", |list| {
        list.each(|value| block(value, &mut parts))
    })?;
    let contents = parts.len();
    parts.extend(plan(object)?);
    object.take("citations", |list| {
        citations::attach(list, &mut parts, contents, false)
    })?;
    object.take("tool_calls", |list| {
        list.each(|value| {
            parts.push(Part::new(Content::ToolCall(tool_call(value)?)));
            Ok(())
        })
    })?;
    Ok(parts)
}

fn block<'a>(value: Value<'a, '_>, parts: &mut Vec<Part<'a>>) -> Result<(), Fault> {
    let mut object = value.object()?;
    let content = match &*object.require_text("type")? {
        "text" => Some(Content::Text(object.require_text("text")?)),
        "thinking" => Some(Content::Reasoning(Reasoning {
            text: Some(object.require_text("thinking")?),
            ..Reasoning::default()
        })),
        _ => None,
    };
    parts.extend(content.map(Part::new));
    Ok(())
}

fn tool_call<'a>(value: Value<'a, '_>) -> Result<ToolCall<'a>, Fault> {
    let mut object = value.object()?;
    let id = object.require_text("id")?;
    object.require("function", |value| {
        let mut function = value.object()?;
        Ok(ToolCall {
            id,
            name: function.require_text("name")?,
            arguments: function.text("arguments")?.unwrap_or(Cow::Borrowed("{}")),
            signature: None,
        })
    })
}
