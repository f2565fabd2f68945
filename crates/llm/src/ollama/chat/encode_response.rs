//! Writing an answer.

use super::encode_request::write_call;
use super::{Place, reason};
use crate::canonical::{Choice, Content, Part, Response, Token};
use crate::ollama::figures;
use crate::openai::token;
use crate::time::rfc3339;
use crate::wire::{ObjectWriter, object};

/// Writes an answer: the first choice, since this API has no other. `now`, in seconds since the Unix
/// epoch, is when it was made if it does not say.
pub(crate) fn encode_response(response: &Response<'_>, place: Place, now: u64) -> Vec<u8> {
    let nothing = Choice::default();
    let choice = response.choices.first().unwrap_or(&nothing);
    object(|o| {
        write_head(&response.model, response.created.unwrap_or(now), o);
        match place {
            Place::Chat => o.object("message", |o| {
                o.value("role", "assistant");
                write_said(choice, "content", o);
            }),
            Place::Generate => write_said(choice, "response", o),
        }
        write_tokens(&choice.tokens, o);
        o.value("done", true);
        let is_refusal = |part: &Part<'_>| matches!(part.content, Content::Refusal(_));
        let refuses = choice.parts.iter().any(is_refusal);
        o.value("done_reason", reason(choice.finish.as_ref(), refuses));
        figures::write(&response.usage.unwrap_or_default(), o);
    })
}

/// Writes what each answer and each line of a stream begins with.
pub(super) fn write_head(model: &str, created: u64, o: &mut ObjectWriter<'_>) {
    o.value("model", model);
    o.value("created_at", rfc3339(created));
}

pub(super) fn write_tokens(tokens: &[Token<'_>], o: &mut ObjectWriter<'_>) {
    if !tokens.is_empty() {
        o.list("logprobs", |list| token::write(tokens, list));
    }
}

fn write_said(choice: &Choice<'_>, field: &str, o: &mut ObjectWriter<'_>) {
    let (mut text, mut thoughts) = (String::new(), String::new());
    let mut calls = Vec::new();
    for part in &choice.parts {
        match &part.content {
            Content::Text(more) | Content::Refusal(more) => text.push_str(more),
            Content::Reasoning(reasoning) => {
                thoughts.push_str(reasoning.text.as_deref().unwrap_or_default());
            }
            Content::ToolCall(call) => calls.push(call),
            Content::Media(_) | Content::ToolResult(_) => {}
        }
    }
    o.value(field, text);
    o.maybe("thinking", Some(thoughts).filter(|text| !text.is_empty()));
    if !calls.is_empty() {
        o.list("tool_calls", |list| {
            calls.iter().for_each(|call| write_call(call, list));
        });
    }
}
