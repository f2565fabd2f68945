//! Writing a request.
//!
//! First everything is settled that may be refused or left out, then the body is written, which
//! cannot fail.

mod extras;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_64;

use crate::base64;
use crate::canonical::{
    Content, Conversation, Dropped, Format, Given, Media, MediaKind, Part, Request, Source, Takes,
    Tool, ToolChoice, ToolResult, is_said,
};
use crate::wire::{Fault, ListWriter, ObjectWriter, object};

use super::citations::write_block;
use super::maker::Maker;
use super::{field_of, format_of, write_cache, write_call, write_reasoning, write_text};
use extras::Extras;

/// What Converse takes of media: of formats that it knows, in the request or in S3.
const TAKES: Takes = Takes {
    whose: "models at Bedrock",
    medium: |media| match (media.kind, &media.source) {
        (kind, Source::Base64 { media_type, .. }) => format_of(kind, media_type).is_some(),
        (_, Source::Url(url)) => takes_url(url),
        (kind, Source::Text(_)) => kind == MediaKind::Document,
        (_, Source::File(_)) => false,
    },
    citation: |one| one.is_of_request(),
};

/// Whether a medium may be named by this URL.
pub(crate) fn takes_url(url: &str) -> bool {
    url.starts_with("s3://")
}

/// Characters that an id may have.
const MAX_ID: usize = 64;

/// Writes the body of a request.
///
/// # Errors
/// If it means something that this API cannot be told.
pub(crate) fn encode_request(
    request: &Request<'_>,
    dropped: &mut Dropped,
) -> Result<Vec<u8>, Fault> {
    let maker = Maker::of(&request.model);
    refuse(request)?;
    let conversation = Conversation::of(&request.messages, TAKES, dropped)?;
    let tools = Tools::of(request, maker, &conversation)?;
    let format = format(request)?;
    let extras = Extras::of(request, maker, tools.choice.is_some_and(is_forced), dropped);
    let tier = service_tier(request, dropped);
    let metadata = metadata(request, dropped);
    drop_hints(request, maker, dropped);
    let mut writer = Writer {
        caches: maker.has_cache(),
        documents: BTreeSet::new(),
    };
    Ok(object(|o| {
        writer.write_conversation(o, &conversation);
        extras.write_inference(o, request);
        tools.write(o, request, maker.has_cache());
        extras.write(o, tools.one);
        write_output(o, format, extras.effort());
        if let Some(tier) = tier {
            o.object("serviceTier", |o| o.value("type", tier));
        }
        o.maybe_raw("requestMetadata", metadata);
    }))
}

/// Refuses fields that nothing here stands for.
fn refuse(request: &Request<'_>) -> Result<(), Fault> {
    if let Some(choices) = request.choices.as_ref().filter(|choices| choices.value > 1) {
        return Err(choices.refuse("cannot be more than 1: models at Bedrock give one answer"));
    }
    let stop = request.stop.as_ref();
    if let Some(stop) = stop.filter(|stop| stop.value.iter().any(|text| text.is_empty())) {
        return Err(stop.refuse("cannot be empty for models at Bedrock"));
    }
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    parts.try_for_each(|part| match &part.content {
        Content::ToolResult(result) => refuse_media(result),
        _ => Ok(()),
    })
}

/// Refuses audio that a tool gives, and documents that are to be cited: results hold any other medium.
fn refuse_media(result: &ToolResult<'_>) -> Result<(), Fault> {
    let is_cited = |part: &Part<'_>| matches!(&part.content, Content::Media(media) if media.cited);
    if result.parts.iter().any(is_cited) {
        let message = "cannot be wanted of documents that a tool gives by models at Bedrock";
        return Err(Fault::new("messages.content.citations", message));
    }
    let is_audio = |part: &Part<'_>| matches!(&part.content, Content::Media(media) if media.kind == MediaKind::Audio);
    match result.parts.iter().any(is_audio) {
        true => {
            let whose = TAKES.whose;
            let message = format!("has audio in the result of a tool, which {whose} do not take");
            Err(Fault::new("messages", message))
        }
        false => Ok(()),
    }
}

/// Notes what the answer can do without.
fn drop_hints(request: &Request<'_>, maker: Maker, dropped: &mut Dropped) {
    dropped.hint(request.frequency_penalty.as_ref());
    dropped.hint(request.presence_penalty.as_ref());
    dropped.hint(request.seed.as_ref());
    dropped.hint(request.log_probabilities.as_ref());
    dropped.hint(request.user.as_ref());
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    let in_result = |part: &Part<'_>| match &part.content {
        Content::ToolResult(result) => result.parts.iter().any(|part| part.cache.is_some()),
        _ => false,
    };
    let lost = |part: &Part<'_>| part.cache.is_some() && !maker.has_cache() || in_result(part);
    let mut tools = request.tools.iter();
    if parts.any(lost) || !maker.has_cache() && tools.any(|tool| tool.cache.is_some()) {
        dropped.add("cache_control");
    }
    for (field, _) in &request.rest {
        dropped.add(&**field);
    }
}

/// The schema of the answer, and what else is said of it.
fn format<'r, 'a>(request: &'r Request<'a>) -> Result<Option<&'r Format<'a>>, Fault> {
    let Some(format) = &request.format else {
        return Ok(None);
    };
    match &format.value {
        Format::Text => Ok(None),
        Format::JsonObject => Err(format.refuse(
            "cannot be JSON of any shape: models at Bedrock need a schema, or to be told in words",
        )),
        schema @ Format::Schema { .. } => Ok(Some(schema)),
    }
}

fn write_output(o: &mut ObjectWriter<'_>, format: Option<&Format<'_>>, effort: Option<&str>) {
    if format.is_none() && effort.is_none() {
        return;
    }
    o.object("outputConfig", |o| {
        if let Some(Format::Schema {
            name,
            description,
            schema,
            ..
        }) = format
        {
            o.object("textFormat", |o| {
                o.value("type", "json_schema");
                o.object("structure", |o| {
                    o.object("jsonSchema", |o| {
                        // As a text.
                        o.value("schema", schema);
                        o.maybe("name", name.as_deref());
                        o.maybe("description", description.as_deref());
                    });
                });
            });
        }
        o.maybe("effort", effort);
    });
}

/// The tier, as this API calls it; that of the project where nothing is said.
fn service_tier<'r>(request: &'r Request<'_>, dropped: &mut Dropped) -> Option<&'r str> {
    let tier = request.service_tier.as_ref()?;
    match &*tier.value {
        "auto" => None,
        "default" | "standard_only" => Some("default"),
        "priority" | "flex" | "reserved" => Some(&tier.value),
        _ => {
            dropped.hint(Some(tier));
            None
        }
    }
}

/// The client's notes, if they are such as this API takes: sixteen at most, of plain characters.
fn metadata<'r>(request: &'r Request<'_>, dropped: &mut Dropped) -> Option<&'r str> {
    let metadata: &Given<_> = request.metadata.as_ref()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " :_@$#=/+,-.".contains(c);
    let fits = |text: &str| text.len() <= 256 && text.chars().all(is_plain);
    let pairs = serde_json::from_str::<BTreeMap<String, String>>(&metadata.value);
    if pairs.as_ref().is_ok_and(BTreeMap::is_empty) {
        return None;
    }
    let all_fit = pairs.is_ok_and(|pairs| {
        let mut all = pairs.iter();
        pairs.len() <= 16 && all.all(|(name, value)| !name.is_empty() && fits(name) && fits(value))
    });
    if !all_fit {
        dropped.hint(Some(metadata));
        return None;
    }
    Some(&metadata.value)
}

/// Which tools there are, and which of them to call.
struct Tools<'r> {
    choice: Option<&'r ToolChoice<'r>>,
    /// No tool is told: none may be called.
    hidden: bool,
    /// The choice, where but one call may be made at a time: only Anthropic's models can be told.
    one: Option<&'r ToolChoice<'r>>,
}

impl<'r> Tools<'r> {
    fn of(
        request: &'r Request<'_>,
        maker: Maker,
        conversation: &Conversation<'_, '_>,
    ) -> Result<Self, Fault> {
        let one = request.parallel_tools.as_ref().filter(|given| !given.value);
        let one = one.filter(|_| !request.tools.is_empty());
        if let Some(one) = one.filter(|_| maker != Maker::Anthropic) {
            return Err(one.refuse("cannot be told to this model, which may call several at once"));
        }
        let choice = request.tool_choice.as_ref();
        let hidden = choice.is_some_and(|choice| choice.value == ToolChoice::None);
        let has_calls = conversation.turns.iter().any(|turn| {
            let mut parts = turn.results.iter().chain(&turn.others);
            parts.any(|part| matches!(part.content, Content::ToolCall(_) | Content::ToolResult(_)))
        });
        if has_calls && hidden {
            let message = "cannot be `none` for models at Bedrock where tools have been called";
            return Err(
                choice.map_or_else(|| Fault::new("tool_choice", message), |c| c.refuse(message))
            );
        }
        if has_calls && request.tools.is_empty() {
            let message =
                "are missing: models at Bedrock want to be told of tools that were called";
            return Err(Fault::new("tools", message));
        }
        if let Some(choice) =
            choice.filter(|choice| request.tools.is_empty() && is_forced(&choice.value))
        {
            return Err(choice.refuse("wants a tool called, but there are no `tools`"));
        }
        Ok(Self {
            choice: choice.map(|choice| &choice.value),
            hidden: hidden || request.tools.is_empty(),
            one: one.filter(|_| !hidden).map(|_| match choice {
                Some(choice) => &choice.value,
                None => &ToolChoice::Auto,
            }),
        })
    }

    fn write(&self, o: &mut ObjectWriter<'_>, request: &Request<'_>, caches: bool) {
        if self.hidden {
            return;
        }
        o.object("toolConfig", |o| {
            o.list("tools", |list| {
                for tool in &request.tools {
                    write_tool(list, tool);
                    write_cache(list, tool.cache.as_ref().filter(|_| caches));
                }
            });
            // Said in the maker's own way then.
            if self.one.is_some() {
                return;
            }
            if let Some(choice) = self.choice {
                o.object("toolChoice", |o| match choice {
                    ToolChoice::Auto | ToolChoice::None => o.object("auto", |_| {}),
                    ToolChoice::Required => o.object("any", |_| {}),
                    ToolChoice::Named(name) => o.object("tool", |o| o.value("name", name)),
                });
            }
        });
    }
}

fn is_forced(choice: &ToolChoice<'_>) -> bool {
    matches!(choice, ToolChoice::Required | ToolChoice::Named(_))
}

fn write_tool(list: &mut ListWriter<'_>, tool: &Tool<'_>) {
    list.object(|o| {
        o.object("toolSpec", |o| {
            o.value("name", &tool.name);
            let description = tool.description.as_deref();
            o.maybe("description", description.filter(|text| !text.is_empty()));
            o.object("inputSchema", |o| {
                o.raw("json", tool.parameters());
            });
            o.maybe("strict", tool.strict.filter(|strict| *strict));
        });
    });
}

/// Writes the conversation.
struct Writer {
    /// Marks for a cache are written.
    caches: bool,
    /// Names of documents so far, of which each may stand but once.
    documents: BTreeSet<String>,
}

impl Writer {
    fn write_conversation(
        &mut self,
        o: &mut ObjectWriter<'_>,
        conversation: &Conversation<'_, '_>,
    ) {
        if !conversation.system.is_empty() {
            o.list("system", |list| {
                self.write_parts(list, &conversation.system)
            });
        }
        o.list("messages", |list| {
            for turn in &conversation.turns {
                list.object(|o| {
                    o.value("role", if turn.is_user { "user" } else { "assistant" });
                    o.list("content", |list| {
                        self.write_parts(list, &turn.results);
                        self.write_parts(list, &turn.others);
                    });
                });
            }
        });
    }

    fn write_parts(&mut self, list: &mut ListWriter<'_>, parts: &[&Part<'_>]) {
        for part in parts {
            match &part.content {
                Content::Text(text) => {
                    let cited = part.citations.iter();
                    let cited: Vec<_> = cited.filter(|one| one.is_of_request()).collect();
                    match cited.is_empty() {
                        true => write_text(list, text),
                        false => write_block(list, text, &cited),
                    }
                }
                Content::Refusal(text) => write_text(list, text),
                Content::Media(media) => self.write_media(list, media),
                Content::ToolCall(call) => write_call(list, &identifier(&call.id), call),
                Content::ToolResult(result) => self.write_result(list, result),
                Content::Reasoning(reasoning) => write_reasoning(list, reasoning),
            }
            write_cache(list, part.cache.as_ref().filter(|_| self.caches));
        }
    }

    fn write_result(&mut self, list: &mut ListWriter<'_>, result: &ToolResult<'_>) {
        list.object(|o| {
            o.object("toolResult", |o| {
                o.value("toolUseId", identifier(&result.call));
                o.list("content", |list| {
                    for part in &result.parts {
                        match &part.content {
                            Content::Text(text) if !is_said(text) => {}
                            Content::Media(media) => self.write_media(list, media),
                            Content::Text(text) => write_text(list, text),
                            _ => {}
                        }
                    }
                });
                if result.is_error {
                    o.value("status", "error");
                }
            });
        });
    }

    fn write_media(&mut self, list: &mut ListWriter<'_>, media: &Media<'_>) {
        let name = (media.kind == MediaKind::Document).then(|| self.document_name(media));
        list.object(|o| {
            o.object(field_of(media.kind), |o| {
                o.maybe("format", format_of_source(media));
                o.maybe("name", name);
                o.object("source", |o| match &media.source {
                    Source::Base64 { data, .. } => o.value("bytes", data),
                    // Only so can it be cited.
                    Source::Text(text) if media.cited => o.value("text", text),
                    Source::Text(text) => o.value("bytes", base64::encode(text.as_bytes())),
                    Source::Url(uri) | Source::File(uri) => {
                        o.object("s3Location", |o| o.value("uri", uri));
                    }
                });
                if media.cited {
                    o.object("citations", |o| o.value("enabled", true));
                }
            });
        });
    }

    /// The name of a document. Only some characters are taken, and no name twice.
    fn document_name(&mut self, media: &Media<'_>) -> String {
        let is_taken = |c: char| c.is_ascii_alphanumeric() || "-()[]".contains(c);
        let name = media.name.as_deref().unwrap_or("document");
        let name: String = name
            .chars()
            .map(|c| if is_taken(c) { c } else { ' ' })
            .collect();
        let words: Vec<&str> = name.split_whitespace().collect();
        let name = match words.join(" ") {
            name if name.is_empty() => "document".to_owned(),
            name => name.chars().take(180).collect(),
        };
        let mut unique = name.clone();
        let mut number = 2;
        while !self.documents.insert(unique.clone()) {
            unique = format!("{name} ({number})");
            number += 1;
        }
        unique
    }
}

/// The name of a medium's format; of one in S3 it is told by the end of its name.
fn format_of_source(media: &Media<'_>) -> Option<&'static str> {
    match &media.source {
        Source::Base64 { media_type, .. } => format_of(media.kind, media_type),
        Source::Text(_) => Some("txt"),
        Source::Url(uri) | Source::File(uri) => {
            let (_, extension) = uri.rsplit_once('.')?;
            let extension = extension.to_ascii_lowercase();
            let name = match &*extension {
                "jpg" => "jpeg",
                "3gp" => "three_gp",
                "htm" => "html",
                other => other,
            };
            let mut known = super::FORMATS.iter();
            let known = known.find(|(kind, format, _)| *kind == media.kind && *format == name);
            known.map(|(_, format, _)| *format)
        }
    }
}

/// The id of a call with the characters that the API takes, and no more of them. It only links a
/// result to its call; two that differ stay two.
fn identifier(id: &str) -> Cow<'_, str> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
    if (1..=MAX_ID).contains(&id.len()) && id.chars().all(is_taken) {
        return Cow::Borrowed(id);
    }
    let plain = id.chars().map(|c| if is_taken(c) { c } else { '_' });
    let start: String = plain.take(MAX_ID - 17).collect();
    Cow::Owned(format!("{start}_{:016x}", xxh3_64(id.as_bytes())))
}
