//! Writing a request.
//!
//! First everything is settled that may be refused or left out, then the body is written, which
//! cannot fail.

use std::borrow::Cow;

use crate::canonical::{
    Cache, Content, Conversation, Dropped, Format, Media, MediaKind, Part, Request, Source, Takes,
    Tool, ToolChoice, ToolResult, is_said,
};
use crate::wire::{Fault, ListWriter, ObjectWriter, object};

use super::depth::{Depth, Sampling};
use super::{write_call, write_reasoning, write_text};

/// What the API takes of media: nothing that was uploaded to another provider.
const TAKES: Takes = Takes {
    whose: "Anthropic's models",
    medium: |media| match (media.kind, &media.source) {
        (_, Source::File(_)) => false,
        (MediaKind::Image, Source::Text(_)) | (MediaKind::Audio | MediaKind::Video, _) => false,
        (MediaKind::Document, Source::Base64 { media_type, .. }) => media_type == "application/pdf",
        (MediaKind::Image | MediaKind::Document, _) => true,
    },
    citation: |one| one.is_of_request(),
};

/// Writes the body of a request.
///
/// # Errors
/// If it means something that this API cannot be told.
pub(crate) fn encode_request(
    request: &Request<'_>,
    dropped: &mut Dropped,
) -> Result<Vec<u8>, Fault> {
    refuse(request)?;
    let conversation = Conversation::of(&request.messages, TAKES, dropped)?;
    let schema = schema(request, dropped)?;
    let choice = choice(request)?;
    let forced = choice.as_ref().is_some_and(|choice| is_forced(choice.tool));
    let depth = Depth::of(request, forced, dropped);
    let sampling = Sampling::of(request, &depth, dropped);
    let tier = service_tier(request, dropped);
    drop_hints(request, dropped);
    Ok(object(|o| {
        o.value("model", &request.model);
        o.value("max_tokens", depth.max_tokens);
        write_conversation(o, &conversation);
        if !request.tools.is_empty() {
            o.list("tools", |list| {
                request.tools.iter().for_each(|tool| write_tool(list, tool));
            });
        }
        if let Some(choice) = &choice {
            choice.write(o);
        }
        depth.write(o, schema);
        sampling.write(o);
        if let Some(stop) = request.stop.as_ref().filter(|stop| !stop.value.is_empty()) {
            o.value("stop_sequences", &stop.value);
        }
        if let Some(user) = &request.user {
            o.object("metadata", |o| o.value("user_id", &user.value));
        }
        o.maybe("service_tier", tier);
        if request.stream {
            o.value("stream", true);
        }
    }))
}

/// Refuses fields that nothing here stands for.
fn refuse(request: &Request<'_>) -> Result<(), Fault> {
    if let Some(choices) = request.choices.as_ref().filter(|choices| choices.value > 1) {
        return Err(choices.refuse("cannot be more than 1: Anthropic's models give one answer"));
    }
    let stop = request.stop.as_ref();
    if let Some(stop) = stop.filter(|stop| !stop.value.iter().all(|text| is_said(text))) {
        return Err(stop.refuse("cannot be blank: Anthropic's models stop at visible text only"));
    }
    Ok(())
}

/// Notes what the answer can do without.
fn drop_hints(request: &Request<'_>, dropped: &mut Dropped) {
    dropped.hint(request.frequency_penalty.as_ref());
    dropped.hint(request.presence_penalty.as_ref());
    dropped.hint(request.seed.as_ref());
    dropped.hint(request.log_probabilities.as_ref());
    dropped.hint(request.metadata.as_ref());
    for (field, _) in &request.rest {
        dropped.add(&**field);
    }
}

/// The schema of the answer. Its name is of no use here, and that it is kept to is promised anyway.
fn schema<'r>(request: &'r Request<'_>, dropped: &mut Dropped) -> Result<Option<&'r str>, Fault> {
    let Some(format) = &request.format else {
        return Ok(None);
    };
    match &format.value {
        Format::Text => Ok(None),
        Format::JsonObject => Err(format.refuse(
            "cannot be JSON of any shape: Anthropic's models need a schema, or to be told in words",
        )),
        Format::Schema {
            schema,
            description,
            ..
        } => {
            if description.is_some() {
                dropped.add(format!("{}.description", format.field));
            }
            Ok(Some(schema))
        }
    }
}

/// Which tool to call, and whether but one.
struct Choice<'r> {
    tool: &'r ToolChoice<'r>,
    one: bool,
}

/// The choice, where there are tools to choose from: without them the API refuses any.
fn choice<'r>(request: &'r Request<'_>) -> Result<Option<Choice<'r>>, Fault> {
    let one = request
        .parallel_tools
        .is_some_and(|parallel| !parallel.value);
    let choice = request.tool_choice.as_ref();
    if request.tools.is_empty() {
        let forced = choice.filter(|choice| is_forced(&choice.value));
        return match forced {
            Some(choice) => Err(choice.refuse("wants a tool called, but there are no `tools`")),
            None => Ok(None),
        };
    }
    let tool = match choice {
        Some(choice) => &choice.value,
        None if one => &ToolChoice::Auto,
        None => return Ok(None),
    };
    Ok(Some(Choice { tool, one }))
}

fn is_forced(choice: &ToolChoice<'_>) -> bool {
    matches!(choice, ToolChoice::Required | ToolChoice::Named(_))
}

impl Choice<'_> {
    fn write(&self, o: &mut ObjectWriter<'_>) {
        let kind = match self.tool {
            ToolChoice::Auto => "auto",
            ToolChoice::None => "none",
            ToolChoice::Required => "any",
            ToolChoice::Named(_) => "tool",
        };
        o.object("tool_choice", |o| {
            o.value("type", kind);
            if let ToolChoice::Named(name) = self.tool {
                o.value("name", name);
            }
            if self.one && *self.tool != ToolChoice::None {
                o.value("disable_parallel_tool_use", true);
            }
        });
    }
}

/// The tier, as this API calls it.
fn service_tier(request: &Request<'_>, dropped: &mut Dropped) -> Option<&'static str> {
    let tier = request.service_tier.as_ref()?;
    match &*tier.value {
        "auto" => Some("auto"),
        "standard_only" | "default" => Some("standard_only"),
        _ => {
            dropped.hint(Some(tier));
            None
        }
    }
}

fn write_cache(o: &mut ObjectWriter<'_>, cache: Option<&Cache<'_>>) {
    if let Some(cache) = cache {
        o.object("cache_control", |o| {
            o.value("type", "ephemeral");
            o.maybe("ttl", cache.ttl.as_deref());
        });
    }
}

fn write_tool(list: &mut ListWriter<'_>, tool: &Tool<'_>) {
    list.object(|o| {
        o.value("name", &tool.name);
        o.maybe("description", tool.description.as_deref());
        o.raw("input_schema", tool.parameters());
        o.maybe("strict", tool.strict.filter(|strict| *strict));
        write_cache(o, tool.cache.as_ref());
    });
}

fn write_conversation(o: &mut ObjectWriter<'_>, conversation: &Conversation<'_, '_>) {
    if !conversation.system.is_empty() {
        o.list("system", |list| write_parts(list, &conversation.system));
    }
    o.list("messages", |list| {
        for turn in &conversation.turns {
            list.object(|o| {
                o.value("role", if turn.is_user { "user" } else { "assistant" });
                o.list("content", |list| {
                    write_parts(list, &turn.results);
                    write_parts(list, &turn.others);
                });
            });
        }
    });
}

fn write_parts(list: &mut ListWriter<'_>, parts: &[&Part<'_>]) {
    for part in parts {
        let cache = part.cache.as_ref();
        match &part.content {
            Content::Text(text) | Content::Refusal(text) => list.object(|o| {
                let cited = part.citations.iter();
                let cited: Vec<_> = cited.filter(|one| one.is_of_request()).collect();
                write_text(o, text, cited.into_iter());
                write_cache(o, cache);
            }),
            Content::Media(media) => list.object(|o| {
                write_media(o, media);
                write_cache(o, cache);
            }),
            Content::ToolCall(call) => list.object(|o| {
                write_call(o, &identifier(&call.id), call);
                write_cache(o, cache);
            }),
            Content::ToolResult(result) => list.object(|o| {
                write_result(o, result);
                write_cache(o, cache);
            }),
            Content::Reasoning(reasoning) => write_reasoning(list, reasoning, false),
        }
    }
}

fn write_media(o: &mut ObjectWriter<'_>, media: &Media<'_>) {
    let is_image = media.kind == MediaKind::Image;
    o.value("type", if is_image { "image" } else { "document" });
    o.object("source", |o| match &media.source {
        Source::Url(url) => {
            o.value("type", "url");
            o.value("url", url);
        }
        Source::Base64 { media_type, data } => {
            o.value("type", "base64");
            // What many call it, but the API does not.
            let is_jpg = media_type == "image/jpg";
            o.value("media_type", if is_jpg { "image/jpeg" } else { media_type });
            o.value("data", data);
        }
        Source::Text(text) => {
            o.value("type", "text");
            o.value("media_type", "text/plain");
            o.value("data", text);
        }
        Source::File(id) => {
            o.value("type", "file");
            o.value("file_id", id);
        }
    });
    if !is_image {
        o.maybe("title", media.name.as_deref());
        if media.cited {
            o.object("citations", |o| o.value("enabled", true));
        }
    }
}

fn write_result(o: &mut ObjectWriter<'_>, result: &ToolResult<'_>) {
    o.value("type", "tool_result");
    o.value("tool_use_id", identifier(&result.call));
    let blank = |part: &&Part<'_>| matches!(&part.content, Content::Text(text) if !is_said(text));
    let parts: Vec<_> = result.parts.iter().filter(|part| !blank(part)).collect();
    if !parts.is_empty() {
        o.list("content", |list| write_parts(list, &parts));
    }
    if result.is_error {
        o.value("is_error", true);
    }
}

/// The id of a call with the characters that the API takes. It only links a result to its call, and
/// some servers make ids such as `functions.look:0`.
fn identifier(id: &str) -> Cow<'_, str> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if id.chars().all(is_taken) {
        return Cow::Borrowed(id);
    }
    id.chars()
        .map(|c| if is_taken(c) { c } else { '_' })
        .collect()
}
