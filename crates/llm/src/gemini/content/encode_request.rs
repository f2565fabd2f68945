//! Writing a request.

mod generation;

use std::borrow::Cow;

use self::generation::{
    WITH_LEVELS, always_thinks, generation, generation_of, has_generation, seed,
};
use super::piece::{Answer, Blob, Piece, is_json_object, piece_of_call};
use super::{is_known_video, is_uploaded, media_type_of};
use crate::base64;
use crate::canonical::refusals::{uncache, uncite};
use crate::canonical::{
    Content, Dropped, Effort, Format, Media, Message, Part, Reasoning, Request, Role, Source,
    Thinking, Tool, ToolChoice, ToolResult,
};
use crate::wire::{Fault, ObjectWriter, object};

/// The signature that is documented for calls that the model did not make itself. Models that
/// demand one take it; without it they refuse a conversation that another provider began, or whose
/// client could not keep the signature.
const FOREIGN_CALL: &str = "skip_thought_signature_validator";

/// Writes the body of a request. The model and whether to stream stand in the path.
pub(crate) fn encode_request(
    request: &Request<'_>,
    dropped: &mut Dropped,
) -> Result<Vec<u8>, Fault> {
    uncite(&request.messages, dropped)?;
    let conversation = Conversation::read(request, dropped)?;
    let config = ToolConfig::read(request)?;
    hints(request, dropped);
    Ok(object(|o| {
        if !conversation.system.is_empty() {
            o.object("systemInstruction", |o| {
                o.list("parts", |l| {
                    let texts = conversation.system.iter();
                    texts.for_each(|text| l.object(|o| o.value("text", text)));
                });
            });
        }
        o.list("contents", |l| {
            for turn in &conversation.turns {
                l.object(|o| {
                    o.value("role", turn.role);
                    o.list("parts", |l| {
                        turn.pieces.iter().for_each(|piece| piece.write(l))
                    });
                });
            }
        });
        if !request.tools.is_empty() {
            o.list("tools", |l| l.object(|o| declarations(o, &request.tools)));
        }
        if let Some(config) = config {
            o.object("toolConfig", |o| config.write(o));
        }
        if has_generation(request) {
            o.object("generationConfig", |o| generation(o, request));
        }
    }))
}

/// A turn of the conversation.
#[derive(Debug)]
struct Turn<'r> {
    role: &'static str,
    pieces: Vec<Piece<'r>>,
}

impl Turn<'_> {
    fn answers_calls(&self) -> bool {
        let is_response = |piece: &Piece<'_>| matches!(piece, Piece::Response { .. });
        self.pieces.iter().any(is_response)
    }
}

/// What has been said, ready to be written.
#[derive(Debug)]
struct Conversation<'r> {
    system: Vec<&'r str>,
    turns: Vec<Turn<'r>>,
    /// Ids and names of the calls so far.
    calls: Vec<(&'r str, &'r str)>,
}

impl<'r> Conversation<'r> {
    fn read(request: &'r Request<'_>, dropped: &mut Dropped) -> Result<Self, Fault> {
        let mut this = Self {
            system: Vec::new(),
            turns: Vec::new(),
            calls: Vec::new(),
        };
        for (index, message) in request.messages.iter().enumerate() {
            if message.name.is_some() {
                dropped.add("name");
            }
            match message.role {
                Role::System | Role::Developer => this.instruct(index, message, dropped)?,
                Role::User => this.say("user", index, message, dropped)?,
                Role::Assistant => this.say("model", index, message, dropped)?,
            }
        }
        if generation_of(&request.model).is_some_and(|generation| generation >= WITH_LEVELS) {
            this.turns.iter_mut().for_each(sign_foreign_call);
        }
        Ok(this)
    }

    fn instruct(
        &mut self,
        index: usize,
        message: &'r Message<'_>,
        dropped: &mut Dropped,
    ) -> Result<(), Fault> {
        if !self.turns.is_empty() {
            return Err(Fault::new(
                format_args!("messages[{index}].role"),
                "instructs in the middle of the conversation, which the API of the model that was \
                 asked for cannot express",
            ));
        }
        for (place, part) in message.parts.iter().enumerate() {
            uncache(part, dropped);
            match &part.content {
                Content::Text(text) => self.system.push(text),
                _ => {
                    let why = "instructions can have only text in the API of the model asked for";
                    return Err(fault(index, place, why));
                }
            }
        }
        Ok(())
    }

    fn say(
        &mut self,
        role: &'static str,
        index: usize,
        message: &'r Message<'_>,
        dropped: &mut Dropped,
    ) -> Result<(), Fault> {
        let mut turn = Turn {
            role,
            pieces: Vec::with_capacity(message.parts.len()),
        };
        let is_alone = message.parts.len() == 1;
        for (place, part) in message.parts.iter().enumerate() {
            uncache(part, dropped);
            match &part.content {
                // Dialects that tell calls apart from text say nothing so; here it is refused.
                Content::Text(text) if text.is_empty() && !is_alone => {}
                content => {
                    let piece = self.piece(content, dropped);
                    turn.pieces
                        .extend(piece.map_err(|why| fault(index, place, why))?);
                }
            }
        }
        // The responses to the calls of a turn must stand together, as must what a model says.
        match self.turns.last_mut() {
            Some(last)
                if last.role == role
                    && (role == "model" || (last.answers_calls() && turn.answers_calls())) =>
            {
                last.pieces.append(&mut turn.pieces);
            }
            _ if turn.pieces.is_empty() => {}
            _ => self.turns.push(turn),
        }
        Ok(())
    }

    fn piece(
        &mut self,
        content: &'r Content<'_>,
        dropped: &mut Dropped,
    ) -> Result<Option<Piece<'r>>, String> {
        Ok(Some(match content {
            Content::Text(text) | Content::Refusal(text) => Piece::Text(Cow::Borrowed(text)),
            Content::Media(media) => medium(media, dropped)?,
            Content::ToolCall(call) => {
                self.calls.push((&call.id, &call.name));
                piece_of_call(call).ok_or("has arguments that are not a JSON object")?
            }
            Content::ToolResult(result) => self.response(result, dropped)?,
            Content::Reasoning(reasoning) => return thought(reasoning),
        }))
    }

    fn response(
        &self,
        result: &'r ToolResult<'_>,
        dropped: &mut Dropped,
    ) -> Result<Piece<'r>, String> {
        let call = self.calls.iter().rev().find(|(id, _)| *id == result.call);
        let Some((_, name)) = call else {
            return Err(format!("answers no call `{}` before it", result.call));
        };
        let (texts, media) = texts_and_media(&result.parts, dropped)?;
        let text = match *texts {
            [text] => Cow::Borrowed(text),
            _ => Cow::Owned(texts.join("\n")),
        };
        Ok(Piece::Response {
            id: &result.call,
            name,
            response: match result.is_error {
                true => Answer::Error(text),
                false if is_json_object(&text) => Answer::Object(text),
                false => Answer::Text(text),
            },
            media,
        })
    }
}

/// What a tool answered, its texts apart from the rest.
fn texts_and_media<'r>(
    parts: &'r [Part<'_>],
    dropped: &mut Dropped,
) -> Result<(Vec<&'r str>, Vec<Blob<'r>>), String> {
    let mut texts: Vec<&str> = Vec::new();
    let mut blobs = Vec::new();
    for part in parts {
        uncache(part, dropped);
        match &part.content {
            Content::Text(text) | Content::Refusal(text) => texts.push(text),
            Content::Media(Media {
                source: Source::Text(text),
                ..
            }) => texts.push(text),
            Content::Media(media) => match medium(media, dropped)? {
                Piece::Inline(blob) => blobs.push(blob),
                _ => {
                    return Err(format!(
                        "has {} by URL, which the result of a tool cannot have in the API of the \
                         model that was asked for",
                        media.kind.name()
                    ));
                }
            },
            _ => return Err("has more than text and media".to_owned()),
        }
    }
    Ok((texts, blobs))
}

fn fault(message: usize, part: usize, why: impl Into<String>) -> Fault {
    Fault::new(format_args!("messages[{message}].content[{part}]"), why)
}

/// What is cached is for the provider to find out.
/// Gives the first call of a turn the signature of foreign ones if it has none.
fn sign_foreign_call(turn: &mut Turn<'_>) {
    let call = turn.pieces.iter_mut().find_map(|piece| match piece {
        Piece::Call { signature, .. } => Some(signature),
        _ => None,
    });
    if let Some(signature @ None) = call {
        *signature = Some(FOREIGN_CALL);
    }
}

fn thought<'r>(reasoning: &'r Reasoning<'_>) -> Result<Option<Piece<'r>>, String> {
    if reasoning.redacted.is_some() {
        return Err("has thoughts that only another provider can read".to_owned());
    }
    let text = reasoning.text.as_deref().unwrap_or_default();
    let signature = reasoning.proof().map(Cow::Borrowed);
    let says_something = !text.is_empty() || signature.is_some();
    Ok(says_something.then_some(Piece::Thought { text, signature }))
}

fn medium<'r>(media: &'r Media<'_>, dropped: &mut Dropped) -> Result<Piece<'r>, String> {
    if media.name.is_some() {
        dropped.add("filename");
    }
    if media.detail.is_some() {
        dropped.add("detail");
    }
    match &media.source {
        Source::Base64 { media_type, data } => Ok(Piece::Inline(Blob {
            media_type,
            data: Cow::Borrowed(data),
        })),
        Source::Text(text) => Ok(Piece::Inline(Blob {
            media_type: "text/plain",
            data: Cow::Owned(base64::encode(text.as_bytes())),
        })),
        Source::File(uri) if !is_uploaded(uri) => {
            let kind = media.kind.name();
            Err(format!("has {kind} that was uploaded to another provider"))
        }
        Source::File(uri) => Ok(Piece::File {
            uri,
            media_type: media_type_of(uri),
        }),
        Source::Url(uri) if is_known_video(uri) => Ok(Piece::File {
            uri,
            media_type: None,
        }),
        Source::Url(uri) => match media_type_of(uri) {
            Some(media_type) => Ok(Piece::File {
                uri,
                media_type: Some(media_type),
            }),
            None => Err(format!(
                "has {} by a URL that does not tell its type by an extension, which the API of the \
                 model that was asked for must be told",
                media.kind.name()
            )),
        },
    }
}

/// Whether a medium may be named by this URL.
pub(crate) fn takes_url(url: &str) -> bool {
    is_known_video(url) || media_type_of(url).is_some()
}

fn declarations(o: &mut ObjectWriter<'_>, tools: &[Tool<'_>]) {
    o.list("functionDeclarations", |l| {
        for tool in tools {
            l.object(|o| {
                o.value("name", &tool.name);
                o.maybe("description", tool.description.as_ref());
                o.maybe_raw("parametersJsonSchema", tool.schema.as_deref());
            });
        }
    });
}

/// How functions may be called.
#[derive(Debug)]
struct ToolConfig<'r> {
    mode: &'static str,
    name: Option<&'r str>,
}

impl<'r> ToolConfig<'r> {
    fn read(request: &'r Request<'_>) -> Result<Option<Self>, Fault> {
        if let Some(parallel) = &request.parallel_tools
            && !parallel.value
            && !request.tools.is_empty()
        {
            return Err(parallel.refuse("cannot be `false` in the API of the model asked for"));
        }
        let is_strict = request.tools.iter().any(|tool| tool.strict == Some(true));
        let choice = request.tool_choice.as_ref().map(|choice| &choice.value);
        let (mode, name) = match choice {
            // It keeps arguments to their schema, as do those that demand a call.
            None | Some(ToolChoice::Auto) if is_strict => ("VALIDATED", None),
            None => return Ok(None),
            Some(ToolChoice::Auto) => ("AUTO", None),
            Some(ToolChoice::None) => ("NONE", None),
            Some(ToolChoice::Required) => ("ANY", None),
            Some(ToolChoice::Named(name)) => ("ANY", Some(&**name)),
        };
        Ok(Some(Self { mode, name }))
    }

    fn write(&self, o: &mut ObjectWriter<'_>) {
        o.object("functionCallingConfig", |o| {
            o.value("mode", self.mode);
            if let Some(name) = self.name {
                o.list("allowedFunctionNames", |l| l.value(name));
            }
        });
    }
}

/// Notes the hints that have no counterpart.
fn hints(request: &Request<'_>, dropped: &mut Dropped) {
    dropped.hint(request.service_tier.as_ref());
    dropped.hint(request.metadata.as_ref());
    dropped.hint(request.user.as_ref());
    if seed(request).is_none() {
        dropped.hint(request.seed.as_ref());
    }
    if let Some(thinking) = &request.thinking
        && (thinking.value == Thinking::Effort(Effort::XHigh) || always_thinks(request))
    {
        dropped.add(thinking.field);
    }
    if let Some(format) = &request.format
        && let Format::Schema {
            description: Some(_),
            ..
        } = &format.value
    {
        dropped.add(format!("{}.description", format.field));
    }
    if request.tools.iter().any(|tool| tool.cache.is_some()) {
        dropped.add("cache_control");
    }
    for (name, _) in &request.rest {
        dropped.add(&**name);
    }
}
