//! Writing an answer.

use crate::canonical::{Content, Part, Response, is_said};
use crate::wire::{ListWriter, object};

use super::citations::write_cited;
use super::{stop_reason, write_call, write_reasoning, write_text, write_usage};

/// Writes the body of an answer: of the first choice, since this API has no other. It tells neither
/// who made it nor when.
pub(crate) fn encode_response(response: &Response<'_>, _now: u64) -> Vec<u8> {
    let choice = response.choices.first();
    let parts = choice.map(|choice| &*choice.parts).unwrap_or_default();
    let finish = choice.and_then(|choice| choice.finish.as_ref());
    let is_call = |part: &Part<'_>| matches!(part.content, Content::ToolCall(_));
    object(|o| {
        o.object("output", |o| {
            o.object("message", |o| {
                o.value("role", "assistant");
                o.list("content", |list| {
                    parts.iter().for_each(|part| write_part(list, part));
                });
            });
        });
        o.value("stopReason", stop_reason(finish, parts.iter().any(is_call)));
        write_usage(o, &response.usage.unwrap_or_default());
        let tier = response.service_tier.as_deref();
        let known = ["priority", "default", "flex", "reserved"];
        if let Some(tier) = tier.filter(|tier| known.contains(tier)) {
            o.object("serviceTier", |o| o.value("type", tier));
        }
    })
}

/// Answers of this API hold no media that others make.
fn write_part(list: &mut ListWriter<'_>, part: &Part<'_>) {
    match &part.content {
        Content::Text(text) if is_said(text) => write_cited(list, text, &part.citations),
        Content::Refusal(text) if is_said(text) => write_text(list, text),
        Content::Reasoning(reasoning) => write_reasoning(list, reasoning),
        Content::ToolCall(call) => write_call(list, &call.id, call),
        Content::Text(_) | Content::Refusal(_) | Content::Media(_) | Content::ToolResult(_) => {}
    }
}
