//! To a chat completion.

use crate::canonical::{
    Choice, Content, Finish, Measure, Part, Reasoning, Response, Token, ToolCall,
};
use crate::openai::{citations, service_tier, token};
use crate::response::Usage;
use crate::wire::{ListWriter, ObjectWriter, object};

/// Writes an answer. `now`, in seconds since the Unix epoch, is when it was made if it does not say.
pub(crate) fn encode_response(response: &Response<'_>, now: u64) -> Vec<u8> {
    object(|o| {
        o.value("id", &response.id);
        o.value("object", "chat.completion");
        o.value("created", response.created.unwrap_or(now));
        o.value("model", &response.model);
        o.list("choices", |list| {
            for (index, choice) in response.choices.iter().enumerate() {
                list.object(|o| write_choice(index, choice, o));
            }
        });
        if let Some(usage) = &response.usage {
            o.object("usage", |o| write_usage(usage, o));
        }
        let tier = response.service_tier.as_deref();
        o.maybe("service_tier", tier.and_then(service_tier));
    })
}

fn write_choice(index: usize, choice: &Choice<'_>, o: &mut ObjectWriter<'_>) {
    o.value("index", index);
    o.object("message", |o| write_message(&choice.parts, o));
    if choice.tokens.is_empty() {
        o.null("logprobs");
    } else {
        o.object("logprobs", |o| write_tokens(&choice.tokens, o));
    }
    let finish = choice.finish.as_ref().map(finish_name);
    o.value("finish_reason", finish.unwrap_or("stop"));
}

pub(super) fn write_tokens(tokens: &[Token<'_>], o: &mut ObjectWriter<'_>) {
    o.list("content", |list| token::write(tokens, list));
    o.null("refusal");
}

fn write_message(parts: &[Part<'_>], o: &mut ObjectWriter<'_>) {
    let (mut text, mut refusal) = (None::<String>, None::<String>);
    let (mut thoughts, mut calls, mut cited) = (Vec::new(), Vec::new(), Vec::new());
    let mut measure = Measure::default();
    for (number, part) in (0..).zip(parts) {
        match &part.content {
            Content::Text(more) => {
                text.get_or_insert_default().push_str(more);
                measure.say(number, more);
                let known = part.citations.iter().filter(|one| one.link().is_some());
                cited.extend(known.map(|one| (measure.place(number, one), one)));
            }
            Content::Refusal(more) => refusal.get_or_insert_default().push_str(more),
            Content::Reasoning(reasoning) => thoughts.push(reasoning),
            Content::ToolCall(call) => calls.push(call),
            Content::Media(_) | Content::ToolResult(_) => {}
        }
    }
    o.value("role", "assistant");
    o.value("content", text);
    o.value("refusal", refusal);
    if !cited.is_empty() {
        o.list("annotations", |list| {
            for (range, citation) in cited {
                citations::write_nested(list, range, citation);
            }
        });
    }
    write_reasoning(&thoughts, o);
    if !calls.is_empty() {
        o.list("tool_calls", |list| {
            calls
                .iter()
                .for_each(|call| list.object(|o| write_call(call, o)));
        });
    }
}

fn write_reasoning(thoughts: &[&Reasoning<'_>], o: &mut ObjectWriter<'_>) {
    let texts: Vec<_> = thoughts
        .iter()
        .filter_map(|one| one.text.as_deref())
        .collect();
    if !texts.is_empty() {
        o.value("reasoning_content", texts.concat());
    }
    let signed = |one: &&&Reasoning<'_>| one.proof().is_some() || one.redacted.is_some();
    if thoughts.iter().any(|one| signed(&one)) {
        o.list("reasoning_details", |list| {
            for (index, one) in thoughts.iter().enumerate() {
                write_detail(index, one, list);
            }
        });
    }
}

/// Writes a thought, or a piece of it, with its proof, in OpenRouter's form. Clients put the pieces of
/// a stream together by the number, and OpenAI's own demands one.
pub(super) fn write_detail(index: usize, reasoning: &Reasoning<'_>, list: &mut ListWriter<'_>) {
    list.object(|o| {
        match &reasoning.redacted {
            Some(data) => {
                o.value("type", "reasoning.encrypted");
                o.value("data", data);
            }
            None => {
                o.value("type", "reasoning.text");
                o.maybe("text", reasoning.text.as_deref());
                o.maybe("signature", reasoning.proof());
            }
        }
        o.value("index", index);
    });
}

fn write_call(call: &ToolCall<'_>, o: &mut ObjectWriter<'_>) {
    o.value("id", &call.id);
    o.value("type", "function");
    o.object("function", |o| {
        o.value("name", &call.name);
        o.value("arguments", &call.arguments);
    });
    if let Some(signature) = &call.signature {
        write_signature(signature, o);
    }
}

/// Writes the proof of the thoughts behind a call, in Google's form.
pub(super) fn write_signature(signature: &str, o: &mut ObjectWriter<'_>) {
    o.object("extra_content", |o| {
        o.object("google", |o| o.value("thought_signature", signature));
    });
}

/// The name of a reason. There are no others: clients match on these.
pub(super) const fn finish_name(finish: &Finish<'_>) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::Pause | Finish::Other(_) => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::Refusal | Finish::ContentFilter => "content_filter",
    }
}

/// Writes what was used. Classes that were not reported are left out.
pub(super) fn write_usage(usage: &Usage, o: &mut ObjectWriter<'_>) {
    let (input, output) = (
        usage.input.unwrap_or_default(),
        usage.output.unwrap_or_default(),
    );
    o.value("prompt_tokens", input);
    o.value("completion_tokens", output);
    o.value("total_tokens", input.saturating_add(output));
    let details = [
        ("cached_tokens", usage.cached_input),
        ("cache_write_tokens", usage.cache_write),
        ("audio_tokens", usage.input_audio),
        ("image_tokens", usage.input_image),
    ];
    write_details("prompt_tokens_details", &details, o);
    let details = [
        ("reasoning_tokens", usage.reasoning),
        ("audio_tokens", usage.output_audio),
        ("image_tokens", usage.output_image),
    ];
    write_details("completion_tokens_details", &details, o);
}

/// Writes the classes of a count, if one of them is known.
fn write_details(name: &str, classes: &[(&str, Option<u64>)], o: &mut ObjectWriter<'_>) {
    if classes.iter().any(|(_, count)| count.is_some()) {
        o.object(name, |o| {
            classes
                .iter()
                .for_each(|(class, count)| o.maybe(class, *count));
        });
    }
}
