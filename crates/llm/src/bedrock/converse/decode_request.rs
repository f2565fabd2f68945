//! Reading a request.

mod additional;

use std::borrow::Cow;

use super::citations;
use crate::anthropic::messages::effort;
use crate::base64;
use crate::canonical::{
    Cache, Content, Format, Given, Media, MediaKind, Message, Part, Reasoning, Request, Role,
    Source, Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::wire::{Fault, Object, Value};

use super::media_type_of;
use additional::additional;

/// Fields that nobody reads, each with its name and its value: hints, all of them.
type Rest<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// Reads the body of a request to `model`.
///
/// # Errors
/// If it is none, or says something that no other API can be told.
pub(crate) fn decode_request<'a>(
    body: &'a [u8],
    model: Cow<'a, str>,
    stream: bool,
) -> Result<Request<'a>, Fault> {
    let mut object = Value::document(body)?.object()?;
    let mut request = Request {
        model,
        stream,
        // Clients of this API are told the usage without asking.
        stream_usage: stream,
        ..Request::default()
    };
    for field in ["guardrailConfig", "promptVariables"] {
        if object.has(field) {
            let message = "cannot be passed on to models of other APIs";
            return Err(object.fault(field, message));
        }
    }
    conversation(&mut object, &mut request)?;
    inference(&mut object, &mut request)?;
    output(&mut object, &mut request)?;
    tier(&mut object, &mut request)?;
    additional(&mut object, &mut request)?;
    request.rest.extend(object.rest());
    Ok(request)
}

/// Reads the body of a question for a request's tokens: what of it the model reads.
pub(crate) fn decode_counted<'a>(
    body: &'a [u8],
    model: Cow<'a, str>,
) -> Result<Request<'a>, Fault> {
    let mut request = Request {
        model,
        ..Request::default()
    };
    let mut object = Value::document(body)?.object()?;
    object.require("input", |input| {
        let mut input = input.object()?;
        if input.has("invokeModel") {
            let message = "is of the model's own API: ask with `converse`";
            return Err(input.fault("invokeModel", message));
        }
        input.require("converse", |converse| {
            conversation(&mut converse.object()?, &mut request)
        })
    })?;
    Ok(request)
}

/// Takes a field together with the name that it is known by.
fn given<'a, T>(
    object: &mut Object<'a, '_>,
    name: &str,
    field: &'static str,
    read: impl FnOnce(Value<'a, '_>) -> Result<T, Fault>,
) -> Result<Option<Given<T>>, Fault> {
    let value = object.take(name, read)?;
    Ok(value.map(|value| Given { field, value }))
}

/// Keeps what is left of an object that holds nothing but hints.
fn set_aside<'a>(object: Object<'a, '_>, name: &str, rest: &mut Rest<'a>) {
    let left = object.rest();
    rest.extend(left.map(|(field, raw)| (format!("{name}.{field}").into(), raw)));
}

/// Instructions, turns and tools.
fn conversation<'a>(object: &mut Object<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let messages = &mut request.messages;
    let system = object.take("system", |system| parts(system, Place::System))?;
    if let Some(parts) = system.filter(|parts| !parts.is_empty()) {
        messages.push(Message {
            role: Role::System,
            name: None,
            parts,
        });
    }
    object.take("messages", |list| {
        list.each(|value| {
            messages.push(message(value)?);
            Ok(())
        })
    })?;
    object.take("toolConfig", |config| tools(&mut config.object()?, request))?;
    Ok(())
}

fn message<'a>(value: Value<'a, '_>) -> Result<Message<'a>, Fault> {
    let mut object = value.object()?;
    let (role, place) = object.require("role", |role| match &*role.text()? {
        "user" => Ok((Role::User, Place::User)),
        "assistant" => Ok((Role::Assistant, Place::Assistant)),
        "system" => Ok((Role::System, Place::System)),
        other => Err(role.fault(format!("must be `user` or `assistant`, not `{other}`"))),
    })?;
    let parts = object.require("content", |content| parts(content, place))?;
    object.finish()?;
    let name = None;
    Ok(Message { role, name, parts })
}

/// Where content stands, which decides what it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    System,
    User,
    Assistant,
    Result,
}

/// Content; a mark for a cache is about what stands before it.
fn parts<'a>(content: Value<'a, '_>, place: Place) -> Result<Vec<Part<'a>>, Fault> {
    let mut parts: Vec<Part<'a>> = Vec::new();
    content.each(|value| {
        let mut object = value.object()?;
        match object.take("cachePoint", cache)? {
            Some(cache) => match parts.last_mut() {
                Some(part) => part.cache = Some(cache),
                None => return Err(object.fault("cachePoint", "must stand behind content")),
            },
            None => parts.push(part(&mut object, place)?),
        }
        object.finish()
    })?;
    Ok(parts)
}

fn part<'a>(object: &mut Object<'a, '_>, place: Place) -> Result<Part<'a>, Fault> {
    if place == Place::Assistant
        && let Some(cited) = object.take("citationsContent", citations::read_earlier)?
    {
        return Ok(cited);
    }
    block(object, place).map(Part::new)
}

/// The one thing that an object holds. What is not known is refused where the object is finished.
fn block<'a>(object: &mut Object<'a, '_>, place: Place) -> Result<Content<'a>, Fault> {
    if let Some(text) = object.text("text")? {
        return Ok(Content::Text(text));
    }
    let found = match place {
        Place::System => None,
        Place::User => match object.take("toolResult", tool_result)? {
            None => media(object)?,
            result => result,
        },
        Place::Result => match object.take("json", |v| Ok(v.raw()))? {
            Some(json) => Some(Content::Text(json.into())),
            None => media(object)?,
        },
        Place::Assistant => match object.take("toolUse", tool_use)? {
            None => said(object)?,
            call => call,
        },
    };
    found.ok_or_else(|| match object.names().next().cloned() {
        Some(name) => object.fault(&name, "cannot stand here for the model that was asked for"),
        None => object.fault("text", "is missing"),
    })
}

/// What else an assistant says.
fn said<'a>(object: &mut Object<'a, '_>) -> Result<Option<Content<'a>>, Fault> {
    let reasoning = object.take("reasoningContent", reasoning)?;
    Ok(reasoning.map(Content::Reasoning))
}

pub(super) fn reasoning<'a>(value: Value<'a, '_>) -> Result<Reasoning<'a>, Fault> {
    let mut object = value.object()?;
    let redacted = object.text("redactedContent")?;
    let text = object.take("reasoningText", |value| {
        let mut text = value.object()?;
        let read = (text.require_text("text")?, text.text("signature")?);
        text.finish()?;
        Ok(read)
    })?;
    object.finish()?;
    let (text, signature) = text.unzip();
    Ok(Reasoning {
        text,
        signature: signature.flatten().filter(|proof| !proof.is_empty()),
        redacted,
    })
}

fn cache<'a>(value: Value<'a, '_>) -> Result<Cache<'a>, Fault> {
    let mut object = value.object()?;
    // There is but one.
    object.ignore(&["type"]);
    let ttl = object.text("ttl")?;
    object.finish()?;
    Ok(Cache { ttl })
}

fn media<'a>(object: &mut Object<'a, '_>) -> Result<Option<Content<'a>>, Fault> {
    let kinds = [
        MediaKind::Image,
        MediaKind::Document,
        MediaKind::Video,
        MediaKind::Audio,
    ];
    for kind in kinds {
        let medium = object.take(super::field_of(kind), |value| medium(value, kind))?;
        if let Some(medium) = medium {
            return Ok(Some(Content::Media(medium)));
        }
    }
    Ok(None)
}

fn medium<'a>(value: Value<'a, '_>, kind: MediaKind) -> Result<Media<'a>, Fault> {
    let mut object = value.object()?;
    if let Some(context) = object.opaque("context") {
        let _ = context;
        return Err(object.fault("context", "cannot be said to models of other APIs"));
    }
    let cited = match kind {
        MediaKind::Document => object.take("citations", |citations| {
            let mut object = citations.object()?;
            let enabled = object.take("enabled", |v| v.boolean())?;
            object.finish()?;
            Ok(enabled)
        })?,
        _ => None,
    };
    let format = object.take("format", |format| {
        let name = format.text()?;
        media_type_of(kind, &name)
            .ok_or_else(|| format.fault(format!("is no format of {}: `{name}`", kind.name())))
    })?;
    let medium = Media {
        kind,
        source: object.require("source", |value| source(value, format))?,
        name: object.text("name")?,
        detail: None,
        cited: cited.flatten() == Some(true),
    };
    object.finish()?;
    Ok(medium)
}

fn source<'a>(value: Value<'a, '_>, format: Option<&'static str>) -> Result<Source<'a>, Fault> {
    let mut object = value.object()?;
    let source = if let Some(data) = object.text("bytes")? {
        let media_type = format.unwrap_or("text/plain");
        // Plain text has a place of its own in other APIs, which take none in bytes.
        let text = (media_type == "text/plain").then(|| base64::text(&data));
        match text.flatten() {
            Some(text) => Source::Text(text.into()),
            None => Source::Base64 {
                media_type: media_type.into(),
                data,
            },
        }
    } else if let Some(text) = object.text("text")? {
        Source::Text(text)
    } else {
        object.require("s3Location", |location| {
            let mut location = location.object()?;
            let uri = location.require_text("uri")?;
            location.finish()?;
            Ok(Source::Url(uri))
        })?
    };
    object.finish()?;
    Ok(source)
}

pub(super) fn tool_use<'a>(value: Value<'a, '_>) -> Result<Content<'a>, Fault> {
    let mut object = value.object()?;
    if let Some(kind) = object.text("type")? {
        return Err(object.fault("type", format!("cannot be `{kind}` for other APIs")));
    }
    let call = ToolCall {
        id: object.require_text("toolUseId")?,
        name: object.require_text("name")?,
        arguments: object.require("input", |v| v.opaque_object())?,
        signature: None,
    };
    object.finish()?;
    Ok(Content::ToolCall(call))
}

fn tool_result<'a>(value: Value<'a, '_>) -> Result<Content<'a>, Fault> {
    let mut object = value.object()?;
    // What kind of tool it was.
    object.ignore(&["type"]);
    let result = ToolResult {
        call: object.require_text("toolUseId")?,
        parts: object.require("content", |content| parts(content, Place::Result))?,
        is_error: object.text("status")?.as_deref() == Some("error"),
    };
    object.finish()?;
    Ok(Content::ToolResult(result))
}

/// Tools and how to choose from them.
fn tools<'a>(object: &mut Object<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let tools = &mut request.tools;
    object.require("tools", |list| {
        list.each(|value| {
            let mut object = value.object()?;
            match object.take("cachePoint", cache)? {
                Some(cache) => match tools.last_mut() {
                    Some(tool) => tool.cache = Some(cache),
                    None => return Err(object.fault("cachePoint", "must stand behind a tool")),
                },
                None => tools.push(object.require("toolSpec", tool)?),
            }
            object.finish()
        })
    })?;
    request.tool_choice = given(object, "toolChoice", "toolConfig.toolChoice", tool_choice)?;
    object
        .names()
        .next()
        .cloned()
        .map_or(Ok(()), |name| Err(object.fault(&name, "is not understood")))
}

fn tool<'a>(value: Value<'a, '_>) -> Result<Tool<'a>, Fault> {
    let mut object = value.object()?;
    let tool = Tool {
        name: object.require_text("name")?,
        description: object.text("description")?,
        schema: Some(object.require("inputSchema", |schema| {
            schema.object()?.require("json", |v| v.opaque_object())
        })?),
        strict: object.take("strict", |v| v.boolean())?,
        cache: None,
    };
    object.finish()?;
    Ok(tool)
}

fn tool_choice<'a>(value: Value<'a, '_>) -> Result<ToolChoice<'a>, Fault> {
    let mut object = value.object()?;
    let name = object.take("tool", |tool| tool.object()?.require_text("name"))?;
    if let Some(name) = name {
        return Ok(ToolChoice::Named(name));
    }
    if object.has("any") {
        return Ok(ToolChoice::Required);
    }
    match object.has("auto") {
        true => Ok(ToolChoice::Auto),
        false => Err(value.fault("must have `auto`, `any` or `tool`")),
    }
}

/// Bounds and sampling.
fn inference<'a>(object: &mut Object<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    object.take("inferenceConfig", |config| {
        let mut config = config.object()?;
        let o = &mut config;
        request.max_output = given(o, "maxTokens", "inferenceConfig.maxTokens", |v| v.count())?;
        let number = |v: Value<'a, '_>| v.number();
        request.temperature = given(o, "temperature", "inferenceConfig.temperature", number)?;
        request.top_p = given(o, "topP", "inferenceConfig.topP", number)?;
        let texts = |list: Value<'a, '_>| list.list(|v| v.text());
        request.stop = given(o, "stopSequences", "inferenceConfig.stopSequences", texts)?;
        set_aside(config, "inferenceConfig", &mut request.rest);
        Ok(())
    })?;
    Ok(())
}

/// The form of the answer, and the effort to make for it.
fn output<'a>(object: &mut Object<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    object.take("outputConfig", |config| {
        let mut config = config.object()?;
        let field = "outputConfig.textFormat";
        request.format = given(&mut config, "textFormat", field, format)?;
        let effort = |value: Value<'a, '_>| effort(value).map(Thinking::Effort);
        request.thinking = given(&mut config, "effort", "outputConfig.effort", effort)?;
        set_aside(config, "outputConfig", &mut request.rest);
        Ok(())
    })?;
    Ok(())
}

fn format<'a>(value: Value<'a, '_>) -> Result<Format<'a>, Fault> {
    let mut object = value.object()?;
    let kind = object.require_text("type")?;
    if kind != "json_schema" {
        return Err(object.fault("type", format!("must be `json_schema`, not `{kind}`")));
    }
    let format = object.require("structure", |structure| {
        let mut structure = structure.object()?;
        structure.require("jsonSchema", |definition| {
            let mut definition = definition.object()?;
            let schema = definition.require("schema", |schema| {
                let text = schema.text()?;
                match Value::document(text.as_bytes()) {
                    Ok(read) if read.is_object() => Ok(text),
                    _ => Err(schema.expected("the text of a JSON object")),
                }
            })?;
            Ok(Format::Schema {
                name: definition.text("name")?,
                description: definition.text("description")?,
                schema,
                // This API promises that an answer keeps to its schema.
                strict: Some(true),
            })
        })
    })?;
    object.finish()?;
    Ok(format)
}

/// What is bought, and what the client notes of its request.
fn tier<'a>(object: &mut Object<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let kind = |tier: Value<'a, '_>| tier.object()?.require_text("type");
    request.service_tier = given(object, "serviceTier", "serviceTier", kind)?;
    let pairs = |pairs: Value<'a, '_>| pairs.opaque_object();
    request.metadata = given(object, "requestMetadata", "requestMetadata", pairs)?;
    Ok(())
}
