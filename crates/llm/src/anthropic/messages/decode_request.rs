//! Reading a request.

use std::borrow::Cow;

use super::citations;
use crate::canonical::{
    Cache, Content, Effort, Format, Given, Media, MediaKind, Message, Part, Reasoning, Request,
    Role, Source, Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::wire::{Fault, Object, Value};

/// The code of the error on which clients send the whole conversation instead.
const NO_THREADS: &str = "thread_unsupported_request";

/// Reads the body of a request.
///
/// # Errors
/// If it is none, or says something that no other API can be told.
pub(crate) fn decode_request(body: &[u8]) -> Result<Request<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    let stream = object.take("stream", |v| v.boolean())?.unwrap_or(false);
    let mut request = Request {
        model: object.require_text("model")?,
        stream,
        // Clients of this API are told the usage without asking.
        stream_usage: stream,
        ..Request::default()
    };
    if object.has("thread") {
        let message = "cannot be held by models of other APIs: send the whole conversation";
        return Err(object.fault("thread", message).with_code(NO_THREADS));
    }
    if object.has("compaction") {
        return Err(object.fault("compaction", "cannot be wanted of models of other APIs"));
    }
    limits(&mut object, &mut request)?;
    conversation(&mut object, &mut request)?;
    tools(&mut object, &mut request)?;
    output(&mut object, &mut request)?;
    metadata(&mut object, &mut request)?;
    request.rest.extend(object.rest());
    Ok(request)
}

/// Reads the body of a question for a request's tokens: what of it the model reads.
pub(crate) fn decode_counted(body: &[u8]) -> Result<Request<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    let mut request = Request {
        model: object.require_text("model")?,
        ..Request::default()
    };
    conversation(&mut object, &mut request)?;
    tools(&mut object, &mut request)?;
    Ok(request)
}

/// Takes a field together with its name.
fn given<'a, T>(
    object: &mut Object<'a, '_>,
    field: &'static str,
    read: impl FnOnce(Value<'a, '_>) -> Result<T, Fault>,
) -> Result<Option<Given<T>>, Fault> {
    let value = object.take(field, read)?;
    Ok(value.map(|value| Given { field, value }))
}

/// Bounds and sampling.
fn limits<'a>(object: &mut Object<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let value = object.require("max_tokens", |v| v.count())?;
    let field = "max_tokens";
    request.max_output = Some(Given { field, value });
    request.temperature = given(object, "temperature", |v| v.number())?;
    request.top_p = given(object, "top_p", |v| v.number())?;
    request.top_k = given(object, "top_k", |v| v.count())?;
    request.stop = given(object, "stop_sequences", |list| list.list(|v| v.text()))?;
    request.service_tier = given(object, "service_tier", |v| v.text())?;
    Ok(())
}

fn metadata<'a>(object: &mut Object<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let Request { user, rest, .. } = request;
    object.take("metadata", |metadata| {
        let mut metadata = metadata.object()?;
        let value = metadata.text("user_id")?;
        let field = "metadata.user_id";
        *user = value.map(|value| Given { field, value });
        set_aside(metadata, "metadata", rest);
        Ok(())
    })?;
    Ok(())
}

/// Keeps what is left of an object that holds nothing but hints.
fn set_aside<'a>(object: Object<'a, '_>, name: &str, rest: &mut Vec<(Cow<'a, str>, &'a str)>) {
    let left = object.rest();
    rest.extend(left.map(|(field, raw)| (format!("{name}.{field}").into(), raw)));
}

/// Instructions and turns.
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
    object.require("messages", |list| {
        let before = messages.len();
        list.each(|value| {
            messages.push(message(value)?);
            Ok(())
        })?;
        if messages.len() == before {
            return Err(list.fault("must have at least one message"));
        }
        Ok(())
    })
}

fn message<'a>(value: Value<'a, '_>) -> Result<Message<'a>, Fault> {
    let mut object = value.object()?;
    let place = object.require("role", |role| match &*role.text()? {
        "user" => Ok(Place::User),
        "assistant" => Ok(Place::Assistant),
        "system" => Ok(Place::System),
        other => Err(role.fault(format!(
            "must be `user`, `assistant` or `system`, not `{other}`"
        ))),
    })?;
    let parts = object.require("content", |content| parts(content, place))?;
    object.finish()?;
    let role = match place {
        Place::System => Role::System,
        Place::Assistant => Role::Assistant,
        Place::User | Place::Result => Role::User,
    };
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

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Self::System => "instructions",
            Self::User => "a message of the user",
            Self::Assistant => "a message of the assistant",
            Self::Result => "the result of a tool",
        }
    }
}

/// Content: text, or blocks.
fn parts<'a>(content: Value<'a, '_>, place: Place) -> Result<Vec<Part<'a>>, Fault> {
    if content.is_text() {
        return Ok(vec![Part::text(content.text()?)]);
    }
    content.list(|value| block(value, place))
}

fn block<'a>(value: Value<'a, '_>, place: Place) -> Result<Part<'a>, Fault> {
    let mut object = value.object()?;
    let kind = object.require_text("type")?;
    let cache = object.take("cache_control", cache)?;
    let mut citations = None;
    let content = match (&*kind, place) {
        ("text", Place::Assistant) => {
            citations = object.take("citations", |list| Ok(citations::read_earlier(list)))?;
            Content::Text(object.require_text("text")?)
        }
        ("text", _) => {
            // Only an answer's words come from anywhere.
            object.ignore(&["citations"]);
            Content::Text(object.require_text("text")?)
        }
        ("image", Place::User | Place::Result) => image(&mut object)?,
        ("document", Place::User | Place::Result) => document(&mut object)?,
        ("tool_result", Place::User) => tool_result(&mut object)?,
        ("tool_use", Place::Assistant) => tool_use(&mut object)?,
        ("thinking", Place::Assistant) => Content::Reasoning(Reasoning {
            text: Some(object.require_text("thinking")?),
            signature: object.text("signature")?.filter(|proof| !proof.is_empty()),
            redacted: None,
        }),
        ("redacted_thinking", Place::Assistant) => Content::Reasoning(Reasoning {
            redacted: Some(object.require_text("data")?),
            ..Reasoning::default()
        }),
        _ => {
            let place = place.name();
            let message = format!("cannot be `{kind}` in {place} for the model that was asked for");
            return Err(object.fault("type", message));
        }
    };
    object.finish()?;
    Ok(Part {
        content,
        cache,
        citations: citations.unwrap_or_default(),
    })
}

fn cache<'a>(value: Value<'a, '_>) -> Result<Cache<'a>, Fault> {
    let ttl = value.object()?.text("ttl")?;
    Ok(Cache { ttl })
}

fn image<'a>(object: &mut Object<'a, '_>) -> Result<Content<'a>, Fault> {
    let kind = MediaKind::Image;
    Ok(Content::Media(Media {
        kind,
        source: object.require("source", |value| source(value, kind))?,
        name: None,
        detail: None,
        cited: false,
    }))
}

fn document<'a>(object: &mut Object<'a, '_>) -> Result<Content<'a>, Fault> {
    let cited = object.take("citations", |citations| {
        let mut object = citations.object()?;
        let enabled = object.take("enabled", |v| v.boolean())?;
        object.finish()?;
        Ok(enabled)
    })?;
    let kind = MediaKind::Document;
    Ok(Content::Media(Media {
        kind,
        source: object.require("source", |value| source(value, kind))?,
        name: object.text("title")?,
        detail: None,
        cited: cited.flatten() == Some(true),
    }))
}

fn source<'a>(value: Value<'a, '_>, medium: MediaKind) -> Result<Source<'a>, Fault> {
    let mut object = value.object()?;
    let kind = object.require_text("type")?;
    let source = match (&*kind, medium) {
        ("base64", _) => Source::Base64 {
            media_type: object.require_text("media_type")?,
            data: object.require_text("data")?,
        },
        ("url", _) => Source::Url(object.require_text("url")?),
        ("file", _) => Source::File(object.require_text("file_id")?),
        ("text", MediaKind::Document) => {
            // There is but one: plain text.
            object.ignore(&["media_type"]);
            Source::Text(object.require_text("data")?)
        }
        _ => {
            let medium = medium.name();
            let message =
                format!("cannot be `{kind}` of {medium} for the model that was asked for");
            return Err(object.fault("type", message));
        }
    };
    object.finish()?;
    Ok(source)
}

fn tool_use<'a>(object: &mut Object<'a, '_>) -> Result<Content<'a>, Fault> {
    object.take("caller", |caller| {
        let mut object = caller.object()?;
        match &*object.require_text("type")? {
            "direct" => Ok(()),
            other => Err(object.fault("type", format!("cannot be `{other}` for other APIs"))),
        }
    })?;
    Ok(Content::ToolCall(ToolCall {
        id: object.require_text("id")?,
        name: object.require_text("name")?,
        arguments: object.require("input", |v| v.opaque_object())?,
        signature: None,
    }))
}

fn tool_result<'a>(object: &mut Object<'a, '_>) -> Result<Content<'a>, Fault> {
    let content = object.take("content", |content| parts(content, Place::Result))?;
    Ok(Content::ToolResult(ToolResult {
        call: object.require_text("tool_use_id")?,
        parts: content.unwrap_or_default(),
        is_error: object.take("is_error", |v| v.boolean())?.unwrap_or(false),
    }))
}

/// Tools and how to choose from them.
fn tools<'a>(object: &mut Object<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    // Tools in another guise.
    object.take("mcp_servers", |servers| {
        servers.each(|server| Err(server.fault("cannot be reached by models of other APIs")))
    })?;
    let tools = object.take("tools", |tools| tools.list(tool))?;
    request.tools = tools.unwrap_or_default();
    let choice = object.take("tool_choice", tool_choice)?;
    let Some((value, parallel)) = choice else {
        return Ok(());
    };
    let field = "tool_choice";
    request.tool_choice = Some(Given { field, value });
    let field = "tool_choice.disable_parallel_tool_use";
    request.parallel_tools = parallel.map(|value| Given { field, value });
    Ok(())
}

fn tool<'a>(value: Value<'a, '_>) -> Result<Tool<'a>, Fault> {
    let mut object = value.object()?;
    if let Some(kind) = object.text("type")?.filter(|kind| kind != "custom") {
        let message = format!("cannot be `{kind}`: only Anthropic's models have this tool");
        return Err(object.fault("type", message));
    }
    if object.take("defer_loading", |v| v.boolean())? == Some(true) {
        return Err(object.fault("defer_loading", "cannot be wanted of models of other APIs"));
    }
    object.take("allowed_callers", |callers| {
        callers.each(|caller| match &*caller.text()? {
            "direct" => Ok(()),
            other => Err(caller.fault(format!("cannot be `{other}` for other APIs"))),
        })
    })?;
    // How its arguments are streamed, not what they are.
    object.ignore(&["eager_input_streaming"]);
    let tool = Tool {
        name: object.require_text("name")?,
        description: object.text("description")?,
        schema: Some(object.require("input_schema", |v| v.opaque_object())?),
        strict: object.take("strict", |v| v.boolean())?,
        cache: object.take("cache_control", cache)?,
    };
    object.finish()?;
    Ok(tool)
}

/// The choice, and whether several calls are allowed.
pub(crate) fn tool_choice<'a>(
    value: Value<'a, '_>,
) -> Result<(ToolChoice<'a>, Option<bool>), Fault> {
    let mut object = value.object()?;
    let kind = object.require_text("type")?;
    let choice = match &*kind {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(object.require_text("name")?),
        other => {
            let message = format!("must be `auto`, `any`, `tool` or `none`, not `{other}`");
            return Err(object.fault("type", message));
        }
    };
    let disabled = object.take("disable_parallel_tool_use", |v| v.boolean())?;
    object.finish()?;
    Ok((choice, disabled.map(|disabled| !disabled)))
}

/// The form of the answer, and how much to think before it.
fn output<'a>(object: &mut Object<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let Request { rest, .. } = request;
    let mode = given(object, "thinking", |value| thinking(value, rest))?;
    let older = given(object, "output_format", format)?;
    let config = object.take("output_config", |config| {
        let mut config = config.object()?;
        let spelled = |value: Value<'a, '_>| Ok((effort(value)?, value.raw()));
        let effort = config.take("effort", spelled)?;
        let format = config.take("format", format)?;
        set_aside(config, "output_config", rest);
        Ok((effort, format))
    })?;
    let (effort, format) = config.unwrap_or_default();
    let field = "output_config.format";
    let format = format.map(|value| Given { field, value });
    request.format = format.or(older);
    let field = "output_config.effort";
    request.thinking = match (mode, effort) {
        (mode, None) => mode,
        (None, Some((effort, _))) => Some(Given {
            field,
            value: Thinking::Effort(effort),
        }),
        (Some(mode), Some((effort, _))) if mode.value == Thinking::Adaptive => Some(Given {
            field,
            value: Thinking::Effort(effort),
        }),
        // A bound says more than a degree; only one of them can be carried over.
        (Some(mode), Some((_, raw))) => {
            rest.push((field.into(), raw));
            Some(mode)
        }
    };
    Ok(())
}

/// Reads how to think.
pub(crate) fn thinking<'a>(
    value: Value<'a, '_>,
    rest: &mut Vec<(Cow<'a, str>, &'a str)>,
) -> Result<Thinking, Fault> {
    let mut object = value.object()?;
    let kind = object.require_text("type")?;
    // How thoughts are shown.
    if let Some(display) = object.opaque("display") {
        rest.push(("thinking.display".into(), display));
    }
    let thinking = match &*kind {
        "enabled" => Thinking::Budget(object.require("budget_tokens", |v| v.count())?),
        "adaptive" => Thinking::Adaptive,
        "disabled" => Thinking::Off,
        other => {
            let message = format!("must be `enabled`, `adaptive` or `disabled`, not `{other}`");
            return Err(object.fault("type", message));
        }
    };
    object.finish()?;
    Ok(thinking)
}

/// Reads the name of an effort.
pub(crate) fn effort(value: Value<'_, '_>) -> Result<Effort, Fault> {
    match &*value.text()? {
        "low" => Ok(Effort::Low),
        "medium" => Ok(Effort::Medium),
        "high" => Ok(Effort::High),
        // The model knows nothing beyond.
        "xhigh" | "max" => Ok(Effort::XHigh),
        other => Err(value.fault(format!(
            "must be `low`, `medium`, `high`, `xhigh` or `max`, not `{other}`"
        ))),
    }
}

fn format<'a>(value: Value<'a, '_>) -> Result<Format<'a>, Fault> {
    let mut object = value.object()?;
    let kind = object.require_text("type")?;
    if kind != "json_schema" {
        return Err(object.fault("type", format!("must be `json_schema`, not `{kind}`")));
    }
    let schema = object.require("schema", |v| v.opaque_object())?;
    object.finish()?;
    Ok(Format::Schema {
        name: None,
        description: None,
        schema,
        // This API promises that an answer keeps to its schema.
        strict: Some(true),
    })
}
