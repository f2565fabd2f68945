//! Reading a request.

use std::borrow::Cow;

use crate::canonical::{
    Content, Effort, Format, Given, Media, MediaKind, Message, Part, Reasoning, Request, Role,
    Source, Thinking, Tool, ToolCall, ToolResult,
};
use crate::wire::{Fault, Object, Value};

/// Fields that nobody reads, each with its name and its value: hints, all of them.
type Rest<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// Fields of `/api/generate` that change what the model reads and that no other API can say.
const OWN: [(&str, &str); 4] = [
    (
        "suffix",
        "asks to fill a gap, which the API of this model does not offer",
    ),
    (
        "template",
        "is for the server of a model: the API of this model has its own",
    ),
    (
        "context",
        "means something to the server that gave it alone: use `/api/chat`",
    ),
    (
        "raw",
        "is for the server of a model: the API of this model has a template of its own",
    ),
];

/// Reads a request to `/api/chat`.
///
/// # Errors
/// The first field that is not as it should be, or that no other dialect can express.
pub(crate) fn decode_request(body: &[u8]) -> Result<Request<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    let mut request = common(&mut object)?;
    let mut calls = Calls::default();
    let rest = &mut request.rest;
    request.messages = object.require("messages", |list| {
        list.list(|value| message(value, &mut calls, rest))
    })?;
    let tools = object.take("tools", |list| list.list(tool))?;
    request.tools = tools.unwrap_or_default();
    request.rest.extend(object.rest());
    Ok(request)
}

/// Reads a request to `/api/generate`.
///
/// # Errors
/// Likewise.
pub(crate) fn decode_generate(body: &[u8]) -> Result<Request<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    for (field, why) in OWN {
        let says_something = object
            .peek(field)
            .is_some_and(|raw| !matches!(raw, "null" | "false" | "\"\"" | "[]"));
        if says_something {
            return Err(Fault::new(field, why));
        }
    }
    object.ignore(&OWN.map(|(field, _)| field));
    let mut request = common(&mut object)?;
    let system = object.text("system")?.filter(|text| !text.is_empty());
    request.messages.extend(system.map(|text| Message {
        role: Role::System,
        name: None,
        parts: vec![Part::text(text)],
    }));
    let prompt = object.text("prompt")?.filter(|text| !text.is_empty());
    let mut parts = vec![Part::text(prompt.ok_or_else(|| {
        object.fault("prompt", "is missing: models here need not be loaded")
    })?)];
    parts.extend(images(&mut object)?);
    request.messages.push(Message {
        role: Role::User,
        name: None,
        parts,
    });
    request.rest.extend(object.rest());
    Ok(request)
}

/// What both have.
fn common<'a>(object: &mut Object<'a, '_>) -> Result<Request<'a>, Fault> {
    let stream = object
        .take("stream", |value| value.boolean())?
        .unwrap_or(true);
    let mut request = Request {
        model: object.text("model")?.unwrap_or_default(),
        stream,
        // Clients of this API are told the usage without asking.
        stream_usage: stream,
        thinking: Given::maybe("think", object.take("think", thinking)?),
        format: Given::maybe("format", object.take("format", format)?.flatten()),
        ..Request::default()
    };
    let wanted = object.take("logprobs", |value| value.boolean())? == Some(true);
    let alternatives = object.take("top_logprobs", |value| value.count())?;
    request.log_probabilities = wanted.then(|| Given {
        field: "logprobs",
        value: alternatives.unwrap_or_default(),
    });
    object.take("options", |value| options(value, &mut request))?;
    Ok(request)
}

fn thinking(value: Value<'_, '_>) -> Result<Thinking, Fault> {
    if !value.is_text() {
        let wanted = value.boolean()?;
        return Ok(if wanted {
            Thinking::Adaptive
        } else {
            Thinking::Off
        });
    }
    match &*value.text()? {
        "low" => Ok(Thinking::Effort(Effort::Low)),
        "medium" => Ok(Thinking::Effort(Effort::Medium)),
        "high" => Ok(Thinking::Effort(Effort::High)),
        "max" => Ok(Thinking::Effort(Effort::XHigh)),
        _ => Err(value.fault("must be true, false, low, medium, high or max")),
    }
}

/// An empty text is no format.
fn format<'a>(value: Value<'a, '_>) -> Result<Option<Format<'a>>, Fault> {
    if !value.is_text() {
        return Ok(Some(Format::Schema {
            name: None,
            description: None,
            schema: value.opaque_object()?,
            strict: None,
        }));
    }
    match &*value.text()? {
        "" => Ok(None),
        "json" => Ok(Some(Format::JsonObject)),
        _ => Err(value.fault("must be `json` or a schema")),
    }
}

/// Bounds and sampling. How the model is run, such as `num_ctx`, is a hint.
fn options<'a>(value: Value<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let mut options = value.object()?;
    let mut number = |name| options.take(name, |value| value.number());
    request.temperature = Given::maybe("options.temperature", number("temperature")?);
    request.top_p = Given::maybe("options.top_p", number("top_p")?);
    request.frequency_penalty =
        Given::maybe("options.frequency_penalty", number("frequency_penalty")?);
    request.presence_penalty =
        Given::maybe("options.presence_penalty", number("presence_penalty")?);
    let top_k = options.take("top_k", |value| value.count())?;
    request.top_k = Given::maybe("options.top_k", top_k);
    let seed = options.take("seed", |value| value.integer())?;
    request.seed = Given::maybe("options.seed", seed);
    let stop = options.take("stop", stop)?.filter(|stop| !stop.is_empty());
    request.stop = Given::maybe("options.stop", stop);
    // A negative number bounds nothing.
    let most = options.take("num_predict", |value| value.integer())?;
    let most = most.and_then(|most| u64::try_from(most).ok());
    request.max_output = Given::maybe("options.num_predict", most);
    let rest = options.rest();
    request
        .rest
        .extend(rest.map(|(name, raw)| (format!("options.{name}").into(), raw)));
    Ok(())
}

fn stop<'a>(value: Value<'a, '_>) -> Result<Vec<Cow<'a, str>>, Fault> {
    if value.is_text() {
        return Ok(vec![value.text()?]);
    }
    value.list(|value| value.text())
}

fn tool<'a>(value: Value<'a, '_>) -> Result<Tool<'a>, Fault> {
    let mut object = value.object()?;
    object.ignore(&["type", "items"]);
    let tool = object.require("function", |value| {
        let mut function = value.object()?;
        let tool = Tool {
            name: function.require_text("name")?,
            description: function.text("description")?,
            schema: function.take("parameters", |value| value.opaque_object())?,
            strict: function.take("strict", |value| value.boolean())?,
            cache: None,
        };
        function.finish()?;
        Ok(tool)
    })?;
    object.finish()?;
    Ok(tool)
}

/// The calls so far, to find those that results are of.
#[derive(Debug, Default)]
struct Calls<'a>(Vec<Call<'a>>);

#[derive(Debug)]
struct Call<'a> {
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    answered: bool,
}

impl<'a> Calls<'a> {
    /// Notes a call, and gives it an id if it has none.
    fn add(&mut self, id: Option<Cow<'a, str>>, name: Cow<'a, str>) -> Cow<'a, str> {
        let id = id.filter(|id| !id.is_empty());
        let id = id.unwrap_or_else(|| format!("call_{}", self.0.len()).into());
        self.0.push(Call {
            id: id.clone(),
            name,
            answered: false,
        });
        id
    }

    /// The id of the first call without a result that a result with this id or name may be of.
    fn answer(&mut self, id: Option<&str>, name: Option<&str>) -> Option<Cow<'a, str>> {
        let is_meant = |call: &&mut Call<'_>| {
            !call.answered
                && match (id, name) {
                    (Some(id), _) => call.id == id,
                    (None, Some(name)) => call.name == name,
                    (None, None) => true,
                }
        };
        let call = self.0.iter_mut().find(is_meant)?;
        call.answered = true;
        Some(call.id.clone())
    }
}

fn message<'a>(
    value: Value<'a, '_>,
    calls: &mut Calls<'a>,
    rest: &mut Rest<'a>,
) -> Result<Message<'a>, Fault> {
    let mut object = value.object()?;
    let role = object.require_text("role")?;
    let (role, parts) = match &*role {
        "system" => (Role::System, said(&mut object)?),
        "user" => (Role::User, said(&mut object)?),
        "assistant" => (Role::Assistant, answered(&mut object, calls)?),
        "tool" => (Role::User, vec![tool_result(&mut object, calls)?]),
        other => {
            let message = format!("`{other}` is no role of a message");
            return Err(object.fault("role", message));
        }
    };
    of_other_roles(&mut object, rest)?;
    object.finish()?;
    Ok(Message {
        role,
        name: None,
        parts,
    })
}

/// What is left of a message that others say of themselves: some clients send it, empty.
fn of_other_roles<'a>(object: &mut Object<'a, '_>, rest: &mut Rest<'a>) -> Result<(), Fault> {
    let mut take = |name| {
        object
            .opaque(name)
            .filter(|raw| !matches!(*raw, "\"\"" | "[]"))
    };
    if take("tool_calls").is_some() {
        let message = "can be made by the assistant alone";
        return Err(object.fault("tool_calls", message));
    }
    let hints = [
        ("thinking", "messages.thinking"),
        ("tool_name", "messages.tool_name"),
        ("tool_call_id", "messages.tool_call_id"),
    ];
    let said = hints.map(|(name, path)| take(name).map(|raw| (path.into(), raw)));
    rest.extend(said.into_iter().flatten());
    Ok(())
}

/// Text and images of a message.
fn said<'a>(object: &mut Object<'a, '_>) -> Result<Vec<Part<'a>>, Fault> {
    let text = object.text("content")?.unwrap_or_default();
    let mut parts = images(object)?;
    if !text.is_empty() || parts.is_empty() {
        parts.insert(0, Part::text(text));
    }
    Ok(parts)
}

fn images<'a>(object: &mut Object<'a, '_>) -> Result<Vec<Part<'a>>, Fault> {
    let images = object.take("images", |list| list.list(image))?;
    Ok(images.unwrap_or_default())
}

/// An image, whose bytes tell its type.
fn image<'a>(value: Value<'a, '_>) -> Result<Part<'a>, Fault> {
    const TYPES: [(&str, &str); 4] = [
        ("iVBORw0KGgo", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
    ];
    let data = value.text()?;
    let known = TYPES
        .iter()
        .find(|(beginning, _)| data.starts_with(beginning));
    let Some((_, media_type)) = known else {
        return Err(value.fault("must be a PNG, JPEG, GIF or WebP image in base64"));
    };
    Ok(Part::new(Content::Media(Media {
        kind: MediaKind::Image,
        source: Source::Base64 {
            media_type: Cow::Borrowed(media_type),
            data,
        },
        name: None,
        detail: None,
        cited: false,
    })))
}

fn answered<'a>(
    object: &mut Object<'a, '_>,
    calls: &mut Calls<'a>,
) -> Result<Vec<Part<'a>>, Fault> {
    let not_empty = |text: &Cow<'_, str>| !text.is_empty();
    let thoughts = object.text("thinking")?.filter(not_empty);
    let text = object.text("content")?.filter(not_empty);
    let made = object.take("tool_calls", |list| {
        list.list(|call| tool_call(call, calls))
    })?;
    let reasoning = thoughts.map(|text| {
        Part::new(Content::Reasoning(Reasoning {
            text: Some(text),
            ..Reasoning::default()
        }))
    });
    let made = made.into_iter().flatten();
    let parts = reasoning.into_iter().chain(text.map(Part::text));
    let parts = parts.chain(images(object)?);
    Ok(parts
        .chain(made.map(|call| Part::new(Content::ToolCall(call))))
        .collect())
}

fn tool_call<'a>(value: Value<'a, '_>, calls: &mut Calls<'a>) -> Result<ToolCall<'a>, Fault> {
    let mut call = read_call(value)?;
    let id = Some(call.id).filter(|id| !id.is_empty());
    call.id = calls.add(id, call.name.clone());
    Ok(call)
}

/// A call, whose id may be empty.
pub(super) fn read_call<'a>(value: Value<'a, '_>) -> Result<ToolCall<'a>, Fault> {
    let mut object = value.object()?;
    object.ignore(&["type"]);
    let id = object.text("id")?.unwrap_or_default();
    let call = object.require("function", |value| {
        let mut function = value.object()?;
        function.ignore(&["index"]);
        let call = ToolCall {
            id,
            name: function.require_text("name")?,
            arguments: function
                .take("arguments", |value| value.opaque_object())?
                .unwrap_or(Cow::Borrowed("{}")),
            signature: None,
        };
        function.finish()?;
        Ok(call)
    })?;
    object.finish()?;
    Ok(call)
}

fn tool_result<'a>(object: &mut Object<'a, '_>, calls: &mut Calls<'a>) -> Result<Part<'a>, Fault> {
    let not_empty = |text: &Cow<'_, str>| !text.is_empty();
    let id = object.text("tool_call_id")?.filter(not_empty);
    // Its name before there were ids.
    let older = object.text("name")?;
    let name = object.text("tool_name")?.or(older).filter(not_empty);
    let Some(call) = calls.answer(id.as_deref(), name.as_deref()) else {
        let message = "is the result of no call before it";
        return Err(object.fault("tool_name", message));
    };
    let parts = said(object)?;
    Ok(Part::new(Content::ToolResult(ToolResult {
        call,
        parts,
        is_error: false,
    })))
}
