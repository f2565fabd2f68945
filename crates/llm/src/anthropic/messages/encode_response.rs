//! Writing an answer.

use crate::canonical::{Content, Part, Response, cut_by_citations, is_said};
use crate::wire::{ListWriter, object};

use super::{Holds, citations, stop_reason, write_call, write_reasoning, write_text, write_usage};

/// Writes the body of an answer: of the first choice, since this API has no other. It does not tell
/// when an answer was made.
pub(crate) fn encode_response(response: &Response<'_>, _now: u64) -> Vec<u8> {
    let choice = response.choices.first();
    let parts = choice.map(|choice| &*choice.parts).unwrap_or_default();
    let finish = choice.and_then(|choice| choice.finish.as_ref());
    let (reason, sequence) = stop_reason(finish, holds(parts));
    object(|o| {
        o.value("id", &response.id);
        o.value("type", "message");
        o.value("role", "assistant");
        o.value("model", &response.model);
        o.list("content", |list| {
            parts.iter().for_each(|part| write_part(list, part));
        });
        o.value("stop_reason", reason);
        o.value("stop_sequence", sequence);
        o.object("usage", |o| {
            write_usage(o, &response.usage.unwrap_or_default());
            let tier = response.service_tier.as_deref();
            o.maybe("service_tier", tier.and_then(service_tier));
        });
    })
}

fn holds(parts: &[Part<'_>]) -> Holds {
    let any = |is: fn(&Content<'_>) -> bool| parts.iter().any(|part| is(&part.content));
    Holds {
        calls: any(|content| matches!(content, Content::ToolCall(_))),
        refusal: any(|content| matches!(content, Content::Refusal(text) if is_said(text))),
    }
}

/// The tier that served an answer, as this API calls it.
fn service_tier(tier: &str) -> Option<&'static str> {
    match tier {
        "standard" | "default" => Some("standard"),
        "priority" => Some("priority"),
        "batch" => Some("batch"),
        _ => None,
    }
}

/// Answers of this API hold no media, and proofs of reasoning only where the reasoning stands.
fn write_part(list: &mut ListWriter<'_>, part: &Part<'_>) {
    match &part.content {
        Content::Text(text) if is_said(text) => {
            let told = part.citations.iter().filter(|one| citations::is_told(one));
            for (text, cited) in cut_by_citations(text, told) {
                list.object(|o| write_text(o, text, cited.into_iter()));
            }
        }
        Content::Refusal(text) if is_said(text) => {
            list.object(|o| write_text(o, text, [].into_iter()));
        }
        Content::Reasoning(reasoning) => write_reasoning(list, reasoning, true),
        Content::ToolCall(call) => list.object(|o| write_call(o, &call.id, call)),
        Content::Text(_) | Content::Refusal(_) | Content::Media(_) | Content::ToolResult(_) => {}
    }
}
