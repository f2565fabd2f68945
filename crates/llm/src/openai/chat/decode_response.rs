//! From a chat completion.

use super::decode_request::{reasoning, tool_call};
use super::parts::{self, Rest};
use crate::canonical::{Choice, Content, Finish, Part, Response, Token, attach_citations};
use crate::openai::{self, citations, token};
use crate::wire::{Fault, Object, Value};

/// Reads an answer.
///
/// # Errors
/// If it is not a chat completion.
pub(crate) fn decode_response(body: &[u8]) -> Result<Response<'_>, Fault> {
    let mut object = Value::answer(body)?.object()?;
    let mut choices = object.require("choices", |list| list.list(choice))?;
    choices.sort_by_key(|(index, _)| *index);
    Ok(Response {
        id: object.text("id")?.unwrap_or_default(),
        model: object.text("model")?.unwrap_or_default(),
        created: object.take("created", |value| value.count())?,
        choices: choices.into_iter().map(|(_, choice)| choice).collect(),
        usage: object
            .opaque("usage")
            .and_then(|raw| openai::usage(raw.as_bytes())),
        service_tier: object.text("service_tier")?,
    })
}

fn choice<'a>(value: Value<'a, '_>) -> Result<(u64, Choice<'a>), Fault> {
    let mut object = value.object()?;
    let index = object
        .take("index", |value| value.count())?
        .unwrap_or_default();
    let finish = object.text("finish_reason")?;
    let choice = Choice {
        tokens: tokens(&mut object),
        parts: object.require("message", |value| answered(&mut value.object()?))?,
        finish: finish.map(finish_of),
    };
    Ok((index, choice))
}

fn answered<'a>(object: &mut Object<'a, '_>) -> Result<Vec<Part<'a>>, Fault> {
    let mut parts: Vec<Part<'_>> = reasoning(object)?
        .into_iter()
        .map(|reasoning| Part::new(Content::Reasoning(reasoning)))
        .collect();
    let text = |object: &mut Object<'a, '_>, name| {
        let text = object.text(name)?;
        Ok(text.filter(|text| !text.is_empty()))
    };
    let said = object.take("content", parts::answer)?;
    let said = said.into_iter().flatten().filter(says_something);
    parts.extend(said.map(Part::new));
    parts.extend(text(object, "refusal")?.map(|text| Part::new(Content::Refusal(text))));
    let mut unread = Rest::default();
    let citations = object.take("annotations", |list| Ok(citations::read(list)))?;
    attach_citations(&mut parts, citations.unwrap_or_default());
    let calls = object.take("tool_calls", |list| {
        list.list(|value| tool_call(value, &mut unread))
    })?;
    let calls = calls.into_iter().flatten();
    parts.extend(calls.map(|call| Part::new(Content::ToolCall(call))));
    Ok(parts)
}

fn says_something(content: &Content<'_>) -> bool {
    match content {
        Content::Text(text) => !text.is_empty(),
        Content::Reasoning(thought) => thought.text.as_ref().is_some_and(|text| !text.is_empty()),
        _ => true,
    }
}

/// The reason of that name.
pub(super) fn finish_of(name: std::borrow::Cow<'_, str>) -> Finish<'_> {
    match &*name {
        "stop" => Finish::Stop,
        // The latter is Mistral's, of a conversation that is longer than the model can read.
        "length" | "model_length" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" => Finish::ContentFilter,
        _ => Finish::Other(name),
    }
}

/// The tokens of a choice: of its text, else of its refusal. They are worth no failure.
pub(super) fn tokens<'a>(choice: &mut Object<'a, '_>) -> Vec<Token<'a>> {
    let tokens = choice.take("logprobs", |value| {
        let mut known = value.object()?;
        let text = known.take("content", token::read)?.unwrap_or_default();
        if !text.is_empty() {
            return Ok(text);
        }
        Ok(known.take("refusal", token::read)?.unwrap_or_default())
    });
    tokens.ok().flatten().unwrap_or_default()
}
