//! Requests to targets that speak this API.

use std::borrow::Cow;

use super::{COMPLETED, write_summary};
use crate::canonical::refusals::uncite;
use crate::canonical::{
    Content, Dropped, Effort, Format, Given, Media, MediaKind, Message, Part, Reasoning, Request,
    Role, Source, Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::wire::{Fault, ListWriter, ObjectWriter, object};

/// Fields of other OpenAI APIs that are the same here.
const SHARED: [&str; 3] = [
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
];

const TIERS: [&str; 5] = ["auto", "default", "flex", "priority", "scale"];

/// Where a fault in a message is, as far as all dialects can tell.
const MESSAGES: &str = "messages";

/// Writes a request. It asks the target to keep nothing.
pub(crate) fn encode_request(
    request: &Request<'_>,
    dropped: &mut Dropped,
) -> Result<Vec<u8>, Fault> {
    refuse(request)?;
    uncite(&request.messages, dropped)?;
    let items = items(&request.messages, dropped)?;
    note(request, dropped);
    Ok(object(|o| {
        o.value("model", &request.model);
        o.list("input", |l| write_items(l, &items));
        if !request.tools.is_empty() {
            o.list("tools", |l| {
                let tools = request.tools.iter();
                tools.for_each(|tool| l.object(|o| write_tool(o, tool)));
            });
        }
        write_tool_choice(o, request.tool_choice.as_ref());
        o.maybe("parallel_tool_calls", value(&request.parallel_tools));
        write_text(o, request);
        write_thinking(o, request);
        o.maybe("max_output_tokens", value(&request.max_output));
        o.maybe("temperature", value(&request.temperature));
        o.maybe("top_p", value(&request.top_p));
        o.maybe("service_tier", tier(request));
        o.maybe_raw("metadata", value(&request.metadata).map(AsRef::as_ref));
        o.maybe("user", value(&request.user));
        for name in SHARED {
            o.maybe_raw(name, rest(request, name));
        }
        o.value("store", false);
        if request.stream {
            o.value("stream", true);
        }
    }))
}

fn value<T>(given: &Option<Given<T>>) -> Option<&T> {
    given.as_ref().map(|given| &given.value)
}

fn rest<'a>(request: &Request<'a>, name: &str) -> Option<&'a str> {
    let mut rest = request.rest.iter();
    rest.find(|(field, _)| field == name).map(|(_, raw)| *raw)
}

/// How much the model shall say, as the Chat Completions API or this one spells it.
fn verbosity<'a>(request: &Request<'a>) -> Option<&'a str> {
    rest(request, "text.verbosity").or_else(|| rest(request, "verbosity"))
}

fn tier<'r>(request: &'r Request<'_>) -> Option<&'r str> {
    let tier = value(&request.service_tier)?;
    TIERS.into_iter().find(|known| tier == known)
}

fn refuse(request: &Request<'_>) -> Result<(), Fault> {
    if let Some(stop) = request.stop.as_ref().filter(|stop| !stop.value.is_empty()) {
        return Err(stop.refuse("has no counterpart in OpenAI's Responses API"));
    }
    match &request.choices {
        Some(choices) if choices.value != 1 => {
            Err(choices.refuse("must be 1: OpenAI's Responses API gives one answer"))
        }
        _ => Ok(()),
    }
}

/// Notes the hints that are not passed on.
fn note(request: &Request<'_>, dropped: &mut Dropped) {
    dropped.hint(request.top_k.as_ref());
    dropped.hint(request.frequency_penalty.as_ref());
    dropped.hint(request.presence_penalty.as_ref());
    dropped.hint(request.seed.as_ref());
    if let Some(Given {
        field,
        value: Thinking::Budget(_),
    }) = request.thinking
    {
        // It becomes the effort that is nearest to it.
        dropped.add(field);
    }
    if tier(request).is_none() {
        dropped.hint(request.service_tier.as_ref());
    }
    if request.tools.iter().any(|tool| tool.cache.is_some()) {
        dropped.add("cache_control");
    }
    for (name, _) in &request.rest {
        let kept = SHARED.contains(&&**name)
            || matches!(&**name, "text.verbosity" | "verbosity")
            || name == "reasoning.summary" && thinks(request.thinking.as_ref());
        if !kept {
            dropped.add(name.clone());
        }
    }
}

/// What becomes an item of the input.
#[derive(Debug)]
enum Item<'r> {
    Message {
        role: Role,
        parts: Vec<&'r Content<'r>>,
    },
    Call(&'r ToolCall<'r>),
    Result(&'r ToolResult<'r>),
    Reasoning {
        text: Option<&'r str>,
        encrypted: Option<&'r str>,
    },
}

fn items<'r>(messages: &'r [Message<'r>], dropped: &mut Dropped) -> Result<Vec<Item<'r>>, Fault> {
    let mut items = Vec::new();
    for message in messages {
        if message.name.is_some() {
            dropped.add("name");
        }
        let begin = items.len();
        for part in &message.parts {
            note_part(part, dropped);
            add_part(&mut items, begin, message.role, &part.content, dropped)?;
        }
    }
    Ok(items)
}

fn note_part(part: &Part<'_>, dropped: &mut Dropped) {
    if part.cache.is_some() {
        dropped.add("cache_control");
    }
    if let Content::Media(Media {
        source: Source::Text(_),
        name: Some(_),
        ..
    }) = part.content
    {
        // The text stands for itself.
        dropped.add("title");
    }
}

/// Adds a part of a message, whose items are those from `begin` on.
fn add_part<'r>(
    items: &mut Vec<Item<'r>>,
    begin: usize,
    role: Role,
    content: &'r Content<'r>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    match (content, role) {
        (Content::ToolCall(call), Role::Assistant) => {
            if call.proof().is_some() {
                return Err(foreign_proof());
            }
            items.push(Item::Call(call));
        }
        (Content::ToolResult(result), Role::User) => {
            check_result(result, dropped)?;
            items.push(Item::Result(result));
        }
        (Content::Reasoning(reasoning), Role::Assistant) => {
            add_reasoning(items, begin, reasoning)?;
        }
        (Content::Text(_), _) | (Content::Refusal(_), Role::Assistant) => {
            add_words(items, begin, role, content);
        }
        (Content::Media(media), Role::System | Role::Developer | Role::User) => {
            check_media(media)?;
            add_words(items, begin, role, content);
        }
        _ => return Err(Fault::new(MESSAGES, misplaced(content, role))),
    }
    Ok(())
}

fn misplaced(content: &Content<'_>, role: Role) -> String {
    let what = match content {
        Content::Text(_) => "text",
        Content::Media(media) => media.kind.name(),
        Content::ToolCall(_) => "a tool call",
        Content::ToolResult(_) => "a tool's result",
        Content::Reasoning(_) => "reasoning",
        Content::Refusal(_) => "a refusal",
    };
    let role = role_name(role);
    format!("hold {what} in a message of role `{role}`, where OpenAI's Responses API takes none")
}

fn add_words<'r>(items: &mut Vec<Item<'r>>, begin: usize, role: Role, content: &'r Content<'r>) {
    match items.get_mut(begin..).and_then(<[_]>::last_mut) {
        Some(Item::Message { parts, .. }) => parts.push(content),
        _ => items.push(Item::Message {
            role,
            parts: vec![content],
        }),
    }
}

/// Text and what only the provider can read may come as two parts that are one item.
fn add_reasoning<'r>(
    items: &mut Vec<Item<'r>>,
    begin: usize,
    reasoning: &'r Reasoning<'r>,
) -> Result<(), Fault> {
    if reasoning.proof().is_some() {
        return Err(foreign_proof());
    }
    let (text, redacted) = (reasoning.text.as_deref(), reasoning.redacted.as_deref());
    match items.get_mut(begin..).and_then(<[_]>::last_mut) {
        Some(Item::Reasoning { encrypted, .. })
            if encrypted.is_none() && text.is_none() && redacted.is_some() =>
        {
            *encrypted = redacted;
        }
        _ if text.is_none() && redacted.is_none() => {}
        _ => items.push(Item::Reasoning {
            text,
            encrypted: redacted,
        }),
    }
    Ok(())
}

fn foreign_proof() -> Fault {
    let message = "hold reasoning with another provider's signature, which OpenAI cannot verify";
    Fault::new(MESSAGES, message)
}

fn check_result(result: &ToolResult<'_>, dropped: &mut Dropped) -> Result<(), Fault> {
    if result.is_error {
        // The model reads of the failure in the output.
        dropped.add("is_error");
    }
    for part in &result.parts {
        note_part(part, dropped);
        match &part.content {
            Content::Text(_) => {}
            Content::Media(media) if media.kind != MediaKind::Audio => check_media(media)?,
            Content::Media(media) => return Err(unknown_medium(media)),
            _ => {
                let message = "hold a tool's result that is neither text nor image nor file";
                return Err(Fault::new(MESSAGES, message));
            }
        }
    }
    Ok(())
}

fn check_media(media: &Media<'_>) -> Result<(), Fault> {
    let known = match (media.kind, &media.source) {
        (MediaKind::Image, Source::Text(_)) | (MediaKind::Video, _) => false,
        (MediaKind::Image | MediaKind::Document, _) => true,
        (MediaKind::Audio, Source::Base64 { media_type, .. }) => audio_format(media_type).is_some(),
        (MediaKind::Audio, _) => false,
    };
    if known {
        Ok(())
    } else {
        Err(unknown_medium(media))
    }
}

fn unknown_medium(media: &Media<'_>) -> Fault {
    let what = media.kind.name();
    let message = format!("hold {what} in a form or place that OpenAI's Responses API lacks");
    Fault::new(MESSAGES, message)
}

fn audio_format(media_type: &str) -> Option<&'static str> {
    match media_type {
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => Some("wav"),
        "audio/mpeg" | "audio/mp3" => Some("mp3"),
        _ => None,
    }
}

fn write_items(l: &mut ListWriter<'_>, items: &[Item<'_>]) {
    for (index, item) in items.iter().enumerate() {
        l.object(|o| match item {
            Item::Message { role, parts } => write_message(o, index, *role, parts),
            Item::Call(call) => {
                o.value("type", "function_call");
                o.value("status", COMPLETED);
                o.value("call_id", &call.id);
                o.value("name", &call.name);
                o.value("arguments", &call.arguments);
            }
            Item::Result(result) => write_result(o, result),
            // Encrypted content is bound to the id that it was given out with: none is right, and
            // one of ours would be wrong.
            Item::Reasoning { text, encrypted } => {
                o.value("type", "reasoning");
                o.list("summary", |l| {
                    if let Some(text) = text {
                        l.object(|o| write_summary(o, text));
                    }
                });
                o.maybe("encrypted_content", *encrypted);
            }
        });
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

fn write_message(o: &mut ObjectWriter<'_>, index: usize, role: Role, parts: &[&Content<'_>]) {
    o.value("type", "message");
    if role == Role::Assistant {
        // The types of an answer's message require both.
        o.value("id", format_args!("msg_{index}"));
        o.value("status", COMPLETED);
    }
    o.value("role", role_name(role));
    o.list("content", |l| {
        let parts = parts.iter();
        parts.for_each(|part| l.object(|o| write_content(o, role, part)));
    });
}

fn write_content(o: &mut ObjectWriter<'_>, role: Role, content: &Content<'_>) {
    match content {
        Content::Text(text) if role == Role::Assistant => {
            o.value("type", "output_text");
            o.value("text", text);
            o.list("annotations", |_| {});
        }
        Content::Text(text) => write_input_text(o, text),
        Content::Refusal(text) => {
            o.value("type", "refusal");
            o.value("refusal", text);
        }
        Content::Media(media) => match media.kind {
            MediaKind::Image => write_image(o, media),
            MediaKind::Audio => write_audio(o, media),
            MediaKind::Document | MediaKind::Video => write_file(o, media),
        },
        // Items of their own.
        Content::ToolCall(_) | Content::ToolResult(_) | Content::Reasoning(_) => {}
    }
}

fn write_input_text(o: &mut ObjectWriter<'_>, text: &str) {
    o.value("type", "input_text");
    o.value("text", text);
}

fn write_image(o: &mut ObjectWriter<'_>, media: &Media<'_>) {
    o.value("type", "input_image");
    o.value("detail", media.detail.as_deref().unwrap_or("auto"));
    match &media.source {
        Source::Url(url) => o.value("image_url", url),
        Source::Base64 { media_type, data } => {
            o.value("image_url", format_args!("data:{media_type};base64,{data}"));
        }
        Source::File(id) => o.value("file_id", id),
        Source::Text(_) => {}
    }
}

fn write_file(o: &mut ObjectWriter<'_>, media: &Media<'_>) {
    if let Source::Text(text) = &media.source {
        return write_input_text(o, text);
    }
    o.value("type", "input_file");
    match &media.source {
        Source::Url(url) => o.value("file_url", url),
        Source::Base64 { media_type, data } => {
            o.value("filename", file_name(media.name.as_deref(), media_type));
            o.value("file_data", format_args!("data:{media_type};base64,{data}"));
        }
        Source::File(id) => o.value("file_id", id),
        Source::Text(_) => {}
    }
}

/// Data must have a name, whose end tells what it is.
fn file_name<'m>(name: Option<&'m str>, media_type: &str) -> Cow<'m, str> {
    let extension = match media_type {
        "text/plain" => "txt",
        "text/markdown" => "md",
        other => other.rsplit('/').next().unwrap_or(other),
    };
    match name {
        Some(name) if name.contains('.') => Cow::Borrowed(name),
        Some(name) => Cow::Owned(format!("{name}.{extension}")),
        None => Cow::Owned(format!("document.{extension}")),
    }
}

fn write_audio(o: &mut ObjectWriter<'_>, media: &Media<'_>) {
    o.value("type", "input_audio");
    if let Source::Base64 { media_type, data } = &media.source {
        o.object("input_audio", |o| {
            o.value("data", data);
            o.maybe("format", audio_format(media_type));
        });
    }
}

fn write_result(o: &mut ObjectWriter<'_>, result: &ToolResult<'_>) {
    o.value("type", "function_call_output");
    o.value("call_id", &result.call);
    match result.parts.as_slice() {
        [] => o.value("output", ""),
        [
            Part {
                content: Content::Text(text),
                ..
            },
        ] => o.value("output", text),
        parts => o.list("output", |l| {
            let parts = parts.iter();
            parts.for_each(|part| l.object(|o| write_content(o, Role::User, &part.content)));
        }),
    }
}

/// Elsewhere a tool is strict only if that is said; here it would be if nothing is.
fn write_tool(o: &mut ObjectWriter<'_>, tool: &Tool<'_>) {
    o.value("type", "function");
    o.value("name", &tool.name);
    o.maybe("description", tool.description.as_deref());
    o.raw("parameters", tool.parameters());
    o.value("strict", tool.strict.unwrap_or(false));
}

fn write_tool_choice(o: &mut ObjectWriter<'_>, choice: Option<&Given<ToolChoice<'_>>>) {
    match choice.map(|choice| &choice.value) {
        None => {}
        Some(ToolChoice::Auto) => o.value("tool_choice", "auto"),
        Some(ToolChoice::None) => o.value("tool_choice", "none"),
        Some(ToolChoice::Required) => o.value("tool_choice", "required"),
        Some(ToolChoice::Named(name)) => o.object("tool_choice", |o| {
            o.value("type", "function");
            o.value("name", name);
        }),
    }
}

fn write_text(o: &mut ObjectWriter<'_>, request: &Request<'_>) {
    let (format, verbosity) = (value(&request.format), verbosity(request));
    if format.is_none() && verbosity.is_none() {
        return;
    }
    o.object("text", |o| {
        if let Some(format) = format {
            o.object("format", |o| write_format(o, format));
        }
        o.maybe_raw("verbosity", verbosity);
    });
}

fn write_format(o: &mut ObjectWriter<'_>, format: &Format<'_>) {
    match format {
        Format::Text => o.value("type", "text"),
        Format::JsonObject => o.value("type", "json_object"),
        Format::Schema {
            name,
            description,
            schema,
            strict,
        } => {
            o.value("type", "json_schema");
            o.value("name", name.as_deref().unwrap_or("answer"));
            o.maybe("description", description.as_deref());
            o.raw("schema", schema);
            o.maybe("strict", *strict);
        }
    }
}

fn thinks(thinking: Option<&Given<Thinking>>) -> bool {
    thinking.is_some_and(|thinking| thinking.value != Thinking::Off)
}

/// Reasoning that the target does not keep comes back encrypted, or the next turn is without it.
fn write_thinking(o: &mut ObjectWriter<'_>, request: &Request<'_>) {
    let thinking = request.thinking.as_ref();
    let summary = rest(request, "reasoning.summary").filter(|_| thinks(thinking));
    let effort = thinking.and_then(|thinking| effort(thinking.value));
    if effort.is_some() || summary.is_some() {
        o.object("reasoning", |o| {
            o.maybe("effort", effort);
            o.maybe_raw("summary", summary);
        });
    }
    let probable = value(&request.log_probabilities);
    let included = [
        thinks(thinking).then_some("reasoning.encrypted_content"),
        probable.map(|_| "message.output_text.logprobs"),
    ];
    if included.iter().any(Option::is_some) {
        o.list("include", |l| {
            included.iter().flatten().for_each(|name| l.value(name));
        });
    }
    o.maybe("top_logprobs", probable.filter(|top| **top > 0));
}

/// The name of an effort; a model that is to find its own is told none.
fn effort(thinking: Thinking) -> Option<&'static str> {
    Some(match thinking {
        Thinking::Off => "none",
        Thinking::Adaptive => return None,
        Thinking::Effort(Effort::Minimal) => "minimal",
        Thinking::Effort(Effort::Low) | Thinking::Budget(..=2048) => "low",
        Thinking::Effort(Effort::Medium) | Thinking::Budget(..=16384) => "medium",
        Thinking::Effort(Effort::High) | Thinking::Budget(_) => "high",
        Thinking::Effort(Effort::XHigh) => "xhigh",
    })
}
