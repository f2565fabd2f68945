//! Reading an answer.

use std::borrow::Cow;

use super::decode_request::read_call;
use super::finish_of;
use crate::canonical::{Choice, Content, Part, Reasoning, Response, Token, ToolCall};
use crate::ollama::figures;
use crate::openai::token;
use crate::response::Usage;
use crate::wire::{Fault, Object, Value};

/// An answer, or a line of a stream: what it adds.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) model: Cow<'a, str>,
    pub(super) thinking: Option<Cow<'a, str>>,
    pub(super) text: Option<Cow<'a, str>>,
    /// Whose ids may be empty.
    pub(super) calls: Vec<ToolCall<'a>>,
    pub(super) tokens: Vec<Token<'a>>,
    pub(super) done: bool,
    pub(super) reason: Option<Cow<'a, str>>,
    pub(super) usage: Option<Usage>,
}

impl<'a> Line<'a> {
    pub(super) fn read(object: &mut Object<'a, '_>) -> Result<Self, Fault> {
        let message = object.take("message", |message| said(&mut message.object()?, "content"))?;
        let (thinking, text, calls) = match message {
            Some(said) => said,
            // An answer of `/api/generate`.
            None if object.has("response") => said(object, "response")?,
            None => return Err(object.fault("message", "is missing")),
        };
        // They are worth no failure.
        let tokens = object.take("logprobs", token::read).ok().flatten();
        let mut count = |name| object.take(name, |value| value.count());
        let usage = figures::of(count("prompt_eval_count")?, count("eval_count")?);
        Ok(Self {
            model: object.text("model")?.unwrap_or_default(),
            thinking,
            text,
            calls,
            tokens: tokens.unwrap_or_default(),
            done: object
                .take("done", |value| value.boolean())?
                .unwrap_or_default(),
            reason: object.text("done_reason")?,
            usage,
        })
    }
}

/// Thoughts, text and calls.
type Said<'a> = (
    Option<Cow<'a, str>>,
    Option<Cow<'a, str>>,
    Vec<ToolCall<'a>>,
);

fn said<'a>(object: &mut Object<'a, '_>, text: &str) -> Result<Said<'a>, Fault> {
    let not_empty = |text: &Cow<'_, str>| !text.is_empty();
    let calls = object.take("tool_calls", |list| list.list(read_call))?;
    Ok((
        object.text("thinking")?.filter(not_empty),
        object.text(text)?.filter(not_empty),
        calls.unwrap_or_default(),
    ))
}

/// The id of a call, by its number if it has none.
pub(super) fn call_id<'a>(id: Cow<'a, str>, number: usize) -> Cow<'a, str> {
    if id.is_empty() {
        format!("call_{number}").into()
    } else {
        id
    }
}

/// Reads an answer.
///
/// # Errors
/// If it is none.
pub(crate) fn decode_response(body: &[u8]) -> Result<Response<'_>, Fault> {
    let line = Line::read(&mut Value::answer(body)?.object()?)?;
    let finish = finish_of(line.reason.as_deref(), !line.calls.is_empty());
    let reasoning = line.thinking.map(|text| {
        Part::new(Content::Reasoning(Reasoning {
            text: Some(text),
            ..Reasoning::default()
        }))
    });
    let mut parts: Vec<_> = reasoning.into_iter().collect();
    parts.extend(line.text.map(Part::text));
    for (number, mut call) in line.calls.into_iter().enumerate() {
        call.id = call_id(call.id, number);
        parts.push(Part::new(Content::ToolCall(call)));
    }
    Ok(Response {
        model: line.model,
        choices: vec![Choice {
            parts,
            finish: Some(finish),
            tokens: line.tokens,
        }],
        usage: line.usage,
        ..Response::default()
    })
}
