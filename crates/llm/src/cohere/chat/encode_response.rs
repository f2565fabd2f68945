//! Writing an answer.

use super::{citations, reason, write_probabilities};
use crate::canonical::{Choice, Content, Part, Response, Ruler, ToolCall};
use crate::cohere::figures;
use crate::wire::{ListWriter, ObjectWriter, object};

/// Writes an answer: the first choice, since this API has no other.
pub(crate) fn encode_response(response: &Response<'_>) -> Vec<u8> {
    let nothing = Choice::default();
    let choice = response.choices.first().unwrap_or(&nothing);
    object(|o| {
        o.value("id", &response.id);
        o.value("finish_reason", reason(choice.finish.as_ref()));
        o.object("message", |o| write_message(choice, o));
        if let Some(usage) = &response.usage {
            o.object("usage", |o| figures::write(usage, o));
        }
        if !choice.tokens.is_empty() {
            o.list("logprobs", |list| write_probabilities(&choice.tokens, list));
        }
    })
}

fn write_message(choice: &Choice<'_>, o: &mut ObjectWriter<'_>) {
    o.value("role", "assistant");
    let contents = || choice.parts.iter().map(|part| &part.content);
    if contents().any(|content| !matches!(content, Content::ToolCall(_))) {
        o.list("content", |list| {
            contents().for_each(|content| write_block(content, list));
        });
    }
    write_citations(choice, o);
    let calls = || contents().filter_map(call);
    if calls().next().is_some() {
        o.list("tool_calls", |list| {
            calls().for_each(|call| list.object(|o| write_call(call, o)));
        });
    }
}

/// Writes what the blocks of content cite.
fn write_citations(choice: &Choice<'_>, o: &mut ObjectWriter<'_>) {
    if choice.parts.iter().all(|part| part.citations.is_empty()) {
        return;
    }
    o.list("citations", |list| {
        let is_block = |part: &&Part<'_>| has_block(&part.content);
        for (number, part) in (0..).zip(choice.parts.iter().filter(is_block)) {
            let Content::Text(text) = &part.content else {
                continue;
            };
            if part.citations.is_empty() {
                continue;
            }
            let ruler = Ruler::of(text);
            // What is cited is repeated as long as that is no more than the text.
            let mut left = text.len();
            for citation in part.citations.iter().filter(|one| one.is_known()) {
                let whole = 0..ruler.characters();
                let range = citation.span.clone().unwrap_or(whole);
                let [from, to] = [range.start, range.end].map(|at| ruler.bytes(at));
                let words = from.zip(to).and_then(|(from, to)| text.get(from..to));
                let words = words.filter(|words| words.len() <= left);
                left -= words.map_or(0, str::len);
                list.object(|o| citations::write(o, range, words, number, citation));
            }
        }
    });
}

const fn call<'c>(content: &'c Content<'_>) -> Option<&'c ToolCall<'c>> {
    match content {
        Content::ToolCall(call) => Some(call),
        _ => None,
    }
}

/// Whether a block of content is written of it.
const fn has_block(content: &Content<'_>) -> bool {
    match content {
        Content::Text(_) | Content::Refusal(_) => true,
        Content::Reasoning(reasoning) => reasoning.text.is_some(),
        Content::ToolCall(_) | Content::Media(_) | Content::ToolResult(_) => false,
    }
}

fn write_block(content: &Content<'_>, list: &mut ListWriter<'_>) {
    match content {
        Content::Text(text) | Content::Refusal(text) => write_text(text, list),
        Content::Reasoning(reasoning) => {
            // What is for the provider alone has no place here.
            if let Some(text) = &reasoning.text {
                write_thinking(text, list);
            }
        }
        Content::ToolCall(_) | Content::Media(_) | Content::ToolResult(_) => {}
    }
}

pub(super) fn write_text(text: &str, list: &mut ListWriter<'_>) {
    list.object(|o| {
        o.value("type", "text");
        o.value("text", text);
    });
}

pub(super) fn write_thinking(text: &str, list: &mut ListWriter<'_>) {
    list.object(|o| {
        o.value("type", "thinking");
        o.value("thinking", text);
    });
}

/// Writes a call of the model's.
pub(super) fn write_call(call: &ToolCall<'_>, o: &mut ObjectWriter<'_>) {
    o.value("id", &call.id);
    o.value("type", "function");
    o.object("function", |o| {
        o.value("name", &call.name);
        o.value("arguments", &call.arguments);
    });
}
