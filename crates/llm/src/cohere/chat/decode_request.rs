//! Reading a request.

use std::borrow::Cow;

use super::citations;
use crate::canonical::{
    Content, Format, Given, Media, MediaKind, Message, Part, Reasoning, Request, Role, Source,
    Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::wire::{Fault, Object, Value};

type Rest<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// Fields that change what is asked for and that no other dialect can say.
const OWN: [(&str, &str); 2] = [
    (
        "documents",
        "are cited by Cohere's models alone: put them into a message",
    ),
    (
        "raw_prompting",
        "is for the server of a model: the API of this model has a template of its own",
    ),
];

/// Reads a request.
///
/// # Errors
/// The first field that is not as it should be, or that no other dialect can express.
pub(crate) fn decode_request(body: &[u8]) -> Result<Request<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    for (field, why) in OWN {
        let says_something = object
            .peek(field)
            .is_some_and(|raw| !matches!(raw, "null" | "false" | "[]"));
        if says_something {
            return Err(Fault::new(field, why));
        }
    }
    object.ignore(&OWN.map(|(field, _)| field));
    let mut rest = Rest::default();
    safety(&mut object, &mut rest)?;
    let stream = object.take("stream", |value| value.boolean())?;
    let stream = stream.unwrap_or_default();
    let mut request = Request {
        model: object.text("model")?.unwrap_or_default(),
        stream,
        // Clients of this API are told the usage without asking.
        stream_usage: stream,
        messages: object.require("messages", |list| {
            list.list(|value| message(value, &mut rest))
        })?,
        tools: tools(&mut object)?,
        tool_choice: given(&mut object, "tool_choice", tool_choice)?,
        format: given(&mut object, "response_format", format)?,
        thinking: given(&mut object, "thinking", thinking)?,
        ..Request::default()
    };
    sampling(&mut object, &mut request)?;
    request.rest = object.rest().collect();
    request.rest.append(&mut rest);
    Ok(request)
}

fn given<'a, T>(
    object: &mut Object<'a, '_>,
    field: &'static str,
    read: impl FnOnce(Value<'a, '_>) -> Result<T, Fault>,
) -> Result<Option<Given<T>>, Fault> {
    let value = object.take(field, read)?;
    Ok(value.map(|value| Given { field, value }))
}

/// A mode of safety that asks for no more than models do by themselves is a hint.
fn safety<'a>(object: &mut Object<'a, '_>, rest: &mut Rest<'a>) -> Result<(), Fault> {
    let raw = object.peek("safety_mode");
    match object.text("safety_mode")?.as_deref() {
        None | Some("CONTEXTUAL") => Ok(()),
        Some("OFF" | "NONE") => {
            rest.extend(raw.map(|raw| ("safety_mode".into(), raw)));
            Ok(())
        }
        Some(_) => Err(object.fault(
            "safety_mode",
            "asks for an instruction that the API of this model does not know",
        )),
    }
}

fn sampling<'a>(object: &mut Object<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    request.max_output = given(object, "max_tokens", |value| value.count())?;
    request.temperature = given(object, "temperature", |value| value.number())?;
    request.top_p = given(object, "p", |value| value.number())?;
    // None bounds nothing.
    request.top_k = given(object, "k", |value| value.count())?.filter(|k| k.value > 0);
    request.frequency_penalty = given(object, "frequency_penalty", |value| value.number())?;
    request.presence_penalty = given(object, "presence_penalty", |value| value.number())?;
    request.seed = given(object, "seed", |value| value.integer())?;
    let stop = given(object, "stop_sequences", |list| {
        list.list(|value| value.text())
    })?;
    request.stop = stop.filter(|stop| !stop.value.is_empty());
    let wanted = object.take("logprobs", |value| value.boolean())? == Some(true);
    request.log_probabilities = wanted.then_some(Given {
        field: "logprobs",
        value: 0,
    });
    Ok(())
}

fn thinking(value: Value<'_, '_>) -> Result<Thinking, Fault> {
    let mut object = value.object()?;
    let budget = object.take("token_budget", |value| value.count())?;
    let thinking = match (&*object.require_text("type")?, budget) {
        ("disabled", _) => Thinking::Off,
        ("enabled", Some(budget)) => Thinking::Budget(budget),
        ("enabled", None) => Thinking::Adaptive,
        _ => return Err(object.fault("type", "must be enabled or disabled")),
    };
    object.finish()?;
    Ok(thinking)
}

fn tool_choice<'a>(value: Value<'a, '_>) -> Result<ToolChoice<'a>, Fault> {
    match &*value.text()? {
        "REQUIRED" => Ok(ToolChoice::Required),
        "NONE" => Ok(ToolChoice::None),
        _ => Err(value.fault("must be REQUIRED or NONE")),
    }
}

fn format<'a>(value: Value<'a, '_>) -> Result<Format<'a>, Fault> {
    let mut object = value.object()?;
    // Its name in the first version, too.
    let older = object.take("schema", |value| value.opaque_object())?;
    let schema = object.take("json_schema", |value| value.opaque_object())?;
    let format = match (&*object.require_text("type")?, schema.or(older)) {
        ("text", None) => Format::Text,
        ("json_object", None) => Format::JsonObject,
        ("json_object", Some(schema)) => Format::Schema {
            name: None,
            description: None,
            schema,
            strict: None,
        },
        _ => return Err(object.fault("type", "must be text or json_object")),
    };
    object.finish()?;
    Ok(format)
}

/// Tools, of which all are kept to strictly or none.
fn tools<'a>(object: &mut Object<'a, '_>) -> Result<Vec<Tool<'a>>, Fault> {
    let strict = object.take("strict_tools", |value| value.boolean())?;
    let tools = object.take("tools", |list| list.list(|value| tool(value, strict)))?;
    Ok(tools.unwrap_or_default())
}

fn tool<'a>(value: Value<'a, '_>, strict: Option<bool>) -> Result<Tool<'a>, Fault> {
    let mut object = value.object()?;
    function_type(&mut object)?;
    let tool = object.require("function", |value| {
        let mut function = value.object()?;
        let tool = Tool {
            name: function.require_text("name")?,
            description: function.text("description")?,
            schema: function.take("parameters", |value| value.opaque_object())?,
            strict,
            cache: None,
        };
        function.finish()?;
        Ok(tool)
    })?;
    object.finish()?;
    Ok(tool)
}

fn function_type(object: &mut Object<'_, '_>) -> Result<(), Fault> {
    match object.text("type")?.as_deref() {
        None | Some("function") => Ok(()),
        Some(_) => Err(object.fault("type", "must be function")),
    }
}

fn message<'a>(value: Value<'a, '_>, rest: &mut Rest<'a>) -> Result<Message<'a>, Fault> {
    let mut object = value.object()?;
    let role = object.require_text("role")?;
    let (role, parts) = match &*role {
        "system" | "developer" => (Role::System, said(&mut object, rest)?),
        "user" => (Role::User, said(&mut object, rest)?),
        "assistant" => (Role::Assistant, answered(&mut object, rest)?),
        "tool" => (Role::User, vec![tool_result(&mut object, rest)?]),
        other => {
            let message = format!("`{other}` is no role of a message");
            return Err(object.fault("role", message));
        }
    };
    object.finish()?;
    Ok(Message {
        role,
        name: None,
        parts,
    })
}

fn said<'a>(object: &mut Object<'a, '_>, rest: &mut Rest<'a>) -> Result<Vec<Part<'a>>, Fault> {
    object.require("content", |value| content(value, rest))
}

/// A text or a list of blocks.
fn content<'a>(value: Value<'a, '_>, rest: &mut Rest<'a>) -> Result<Vec<Part<'a>>, Fault> {
    if value.is_list() {
        return value.list(|value| block(value, rest));
    }
    Ok(vec![Part::text(value.text()?)])
}

fn block<'a>(value: Value<'a, '_>, rest: &mut Rest<'a>) -> Result<Part<'a>, Fault> {
    let mut object = value.object()?;
    let content = match &*object.require_text("type")? {
        "text" => Content::Text(object.require_text("text")?),
        "thinking" => Content::Reasoning(Reasoning {
            text: Some(object.require_text("thinking")?),
            ..Reasoning::default()
        }),
        "image_url" => Content::Media(object.require("image_url", image)?),
        "document" => Content::Text(object.require("document", |value| document(value, rest))?),
        other => {
            let message = format!("`{other}` is no kind of content that is understood");
            return Err(object.fault("type", message));
        }
    };
    object.finish()?;
    Ok(Part::new(content))
}

fn image<'a>(value: Value<'a, '_>) -> Result<Media<'a>, Fault> {
    let mut object = value.object()?;
    let media = Media {
        kind: MediaKind::Image,
        source: Source::of_url(object.require_text("url")?),
        name: None,
        detail: object.text("detail")?,
        cited: false,
    };
    object.finish()?;
    Ok(media)
}

/// What a tool has found, as text. Its id is for citations, which other models do not make.
fn document<'a>(value: Value<'a, '_>, rest: &mut Rest<'a>) -> Result<Cow<'a, str>, Fault> {
    let mut object = value.object()?;
    let id = object.opaque("id");
    rest.extend(id.map(|raw| ("messages.content.document.id".into(), raw)));
    let data = object.require("data", |value| {
        if value.is_text() {
            return value.text();
        }
        value.opaque_object()
    })?;
    object.finish()?;
    Ok(data)
}

/// What the model said in an earlier turn: thoughts and text, its plan, calls.
fn answered<'a>(object: &mut Object<'a, '_>, rest: &mut Rest<'a>) -> Result<Vec<Part<'a>>, Fault> {
    let said = object.take("content", |value| content(value, rest))?;
    let mut parts = said.unwrap_or_default();
    let contents = parts.len();
    parts.extend(plan(object)?);
    object.take("citations", |list| {
        citations::attach(list, &mut parts, contents, true)
    })?;
    let calls = object.take("tool_calls", |list| list.list(tool_call))?;
    let calls = calls.into_iter().flatten();
    parts.extend(calls.map(|call| Part::new(Content::ToolCall(call))));
    Ok(parts)
}

/// What a model says before it calls tools.
pub(super) fn plan<'a>(object: &mut Object<'a, '_>) -> Result<Option<Part<'a>>, Fault> {
    let plan = object.text("tool_plan")?;
    Ok(plan.filter(|plan| !plan.is_empty()).map(Part::text))
}

pub(super) fn tool_call<'a>(value: Value<'a, '_>) -> Result<ToolCall<'a>, Fault> {
    let mut object = value.object()?;
    function_type(&mut object)?;
    let id = object.require_text("id")?;
    let call = object.require("function", |value| {
        let mut function = value.object()?;
        let call = ToolCall {
            id,
            name: function.require_text("name")?,
            arguments: function.text("arguments")?.unwrap_or(Cow::Borrowed("{}")),
            signature: None,
        };
        function.finish()?;
        Ok(call)
    })?;
    object.finish()?;
    Ok(call)
}

fn tool_result<'a>(object: &mut Object<'a, '_>, rest: &mut Rest<'a>) -> Result<Part<'a>, Fault> {
    Ok(Part::new(Content::ToolResult(ToolResult {
        call: object.require_text("tool_call_id")?,
        parts: said(object, rest)?,
        is_error: false,
    })))
}
