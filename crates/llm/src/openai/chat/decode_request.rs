//! From a chat completion request.

use std::borrow::Cow;

use super::parts;
use crate::canonical::{
    Content, Effort, Format, Given, Message, Part, Reasoning, Request, Role, Thinking, Tool,
    ToolCall, ToolChoice, ToolResult,
};
use crate::wire::{Fault, Object, Value};

const GUIDED: &str = "bounds the answer in a way that the API of this model does not know: use \
                      `response_format`";

/// Fields that change what is asked for and that no other dialect can say.
const OWN: [(&str, &str); 11] = [
    ("guided_json", GUIDED),
    ("guided_regex", GUIDED),
    ("guided_choice", GUIDED),
    ("guided_grammar", GUIDED),
    ("structured_outputs", GUIDED),
    ("grammar", GUIDED),
    (
        "safe_prompt",
        "asks for a safety prompt, which the API of this model does not know",
    ),
    ("functions", "is long deprecated: use `tools`"),
    ("function_call", "is long deprecated: use `tool_choice`"),
    (
        "web_search_options",
        "asks for a search, which the API of this model does not offer",
    ),
    (
        "audio",
        "asks for speech, which the API of this model does not offer",
    ),
];

/// Reads a request.
///
/// # Errors
/// The first field that is not as it should be, or that no other dialect can express.
pub(crate) fn decode_request(body: &[u8]) -> Result<Request<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    for (field, why) in OWN {
        if object.has(field) {
            return Err(Fault::new(field, why));
        }
    }
    object.take("modalities", text_alone)?;
    let mut request = Request {
        // The path of some clients names it.
        model: object.text("model")?.unwrap_or_default(),
        stream: object
            .take("stream", |value| value.boolean())?
            .unwrap_or_default(),
        stream_usage: object
            .take("stream_options", stream_usage)?
            .unwrap_or_default(),
        messages: object.require("messages", |list| list.list(message))?,
        tools: object
            .take("tools", |list| list.list(tool))?
            .unwrap_or_default(),
        tool_choice: given(&mut object, "tool_choice", tool_choice)?,
        parallel_tools: given(&mut object, "parallel_tool_calls", |value| value.boolean())?,
        format: given(&mut object, "response_format", format)?,
        thinking: given(&mut object, "reasoning_effort", effort)?,
        ..Request::default()
    };
    sampling(&mut object, &mut request)?;
    request.rest = object.rest().collect();
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

fn sampling<'a>(object: &mut Object<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    // The newer name goes before the older, as in OpenAI's API.
    let old = given(object, "max_tokens", |value| value.count())?;
    request.max_output = given(object, "max_completion_tokens", |value| value.count())?.or(old);
    request.temperature = given(object, "temperature", |value| value.number())?;
    request.top_p = given(object, "top_p", |value| value.number())?;
    request.top_k = given(object, "top_k", |value| value.count())?;
    request.frequency_penalty = given(object, "frequency_penalty", |value| value.number())?;
    request.presence_penalty = given(object, "presence_penalty", |value| value.number())?;
    request.seed = given(object, "seed", |value| value.integer())?;
    request.stop = given(object, "stop", stop)?;
    request.choices = given(object, "n", |value| value.count())?;
    request.service_tier = given(object, "service_tier", |value| value.text())?;
    request.metadata = given(object, "metadata", |value| value.opaque_object())?;
    request.user = given(object, "user", |value| value.text())?;
    let wanted = object.take("logprobs", |value| value.boolean())? == Some(true);
    let alternatives = object.take("top_logprobs", |value| value.count())?;
    request.log_probabilities = wanted.then(|| Given {
        field: "logprobs",
        value: alternatives.unwrap_or_default(),
    });
    Ok(())
}

fn stream_usage(value: Value<'_, '_>) -> Result<bool, Fault> {
    let mut options = value.object()?;
    let wanted = options.take("include_usage", |value| value.boolean())?;
    Ok(wanted.unwrap_or_default())
}

fn text_alone(value: Value<'_, '_>) -> Result<(), Fault> {
    value.each(|modality| match &*modality.text()? {
        "text" => Ok(()),
        _ => Err(modality.fault("must be `text`: the API of this model answers with text")),
    })
}

fn stop<'a>(value: Value<'a, '_>) -> Result<Vec<Cow<'a, str>>, Fault> {
    if value.is_text() {
        return Ok(vec![value.text()?]);
    }
    value.list(|value| value.text())
}

fn effort(value: Value<'_, '_>) -> Result<Thinking, Fault> {
    Ok(match &*value.text()? {
        "none" => Thinking::Off,
        "minimal" => Thinking::Effort(Effort::Minimal),
        "low" => Thinking::Effort(Effort::Low),
        "medium" => Thinking::Effort(Effort::Medium),
        "high" => Thinking::Effort(Effort::High),
        "xhigh" => Thinking::Effort(Effort::XHigh),
        _ => {
            return Err(value.fault("must be none, minimal, low, medium, high or xhigh"));
        }
    })
}

fn tool<'a>(value: Value<'a, '_>) -> Result<Tool<'a>, Fault> {
    let mut object = value.object()?;
    function_type(&mut object)?;
    let cache = object.take("cache_control", parts::cache)?;
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
    Ok(Tool { cache, ..tool })
}

/// Takes the type of a tool or a call, of which only one can be expressed elsewhere.
fn function_type(object: &mut Object<'_, '_>) -> Result<(), Fault> {
    match object.text("type")?.as_deref() {
        None | Some("function") => Ok(()),
        Some(other) => Err(object.fault(
            "type",
            format!("`{other}` has no counterpart in the API of the model that was asked for"),
        )),
    }
}

fn tool_choice<'a>(value: Value<'a, '_>) -> Result<ToolChoice<'a>, Fault> {
    if !value.is_text() {
        let mut object = value.object()?;
        function_type(&mut object)?;
        let name = object.require("function", |value| value.object()?.require_text("name"))?;
        return Ok(ToolChoice::Named(name));
    }
    match &*value.text()? {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" => Ok(ToolChoice::Required),
        _ => Err(value.fault("must be auto, none, required or the name of a function")),
    }
}

fn format<'a>(value: Value<'a, '_>) -> Result<Format<'a>, Fault> {
    let mut object = value.object()?;
    match &*object.require_text("type")? {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::JsonObject),
        "json_schema" => object.require("json_schema", |value| {
            let mut schema = value.object()?;
            Ok(Format::Schema {
                name: schema.text("name")?,
                description: schema.text("description")?,
                strict: schema.take("strict", |value| value.boolean())?,
                schema: schema.require("schema", |value| value.opaque_object())?,
            })
        }),
        _ => Err(object.fault("type", "must be text, json_object or json_schema")),
    }
}

fn message<'a>(value: Value<'a, '_>) -> Result<Message<'a>, Fault> {
    let mut object = value.object()?;
    let name = object.text("name")?;
    let role = object.require_text("role")?;
    let (role, parts) = match &*role {
        "system" => (Role::System, said(&mut object)?),
        "developer" => (Role::Developer, said(&mut object)?),
        "user" => (Role::User, said(&mut object)?),
        "assistant" => (Role::Assistant, answered(&mut object)?),
        "tool" => (Role::User, vec![tool_result(&mut object)?]),
        other => {
            let message = format!("`{other}` is no role of a message");
            return Err(object.fault("role", message));
        }
    };
    object.finish()?;
    Ok(Message { role, name, parts })
}

fn said<'a>(object: &mut Object<'a, '_>) -> Result<Vec<Part<'a>>, Fault> {
    object.require("content", parts::decode)
}

fn tool_result<'a>(object: &mut Object<'a, '_>) -> Result<Part<'a>, Fault> {
    let result = ToolResult {
        call: object.require_text("tool_call_id")?,
        parts: object.require("content", parts::decode)?,
        is_error: false,
    };
    Ok(Part {
        cache: object.take("cache_control", parts::cache)?,
        content: Content::ToolResult(result),
    })
}

/// What the model said in an earlier turn, in the order in which models say such things.
fn answered<'a>(object: &mut Object<'a, '_>) -> Result<Vec<Part<'a>>, Fault> {
    object.ignore(&["annotations"]);
    let mut parts: Vec<Part<'_>> = reasoning(object)?
        .into_iter()
        .map(|reasoning| Part::new(Content::Reasoning(reasoning)))
        .collect();
    parts.extend(object.take("content", parts::decode)?.unwrap_or_default());
    if let Some(refusal) = object.text("refusal")? {
        parts.push(Part::new(Content::Refusal(refusal)));
    }
    let calls = object.take("tool_calls", |list| list.list(tool_call))?;
    let calls = calls.into_iter().flatten();
    parts.extend(calls.map(|call| Part::new(Content::ToolCall(call))));
    Ok(parts)
}

/// The thoughts of an answer. The details say more than the bare text.
pub(super) fn reasoning<'a>(object: &mut Object<'a, '_>) -> Result<Vec<Reasoning<'a>>, Fault> {
    let other = object.text("reasoning")?;
    let text = object.text("reasoning_content")?.or(other);
    let details = object.take("reasoning_details", |list| list.list(detail))?;
    let details = joined(details.into_iter().flatten().flatten());
    if !details.is_empty() {
        return Ok(details);
    }
    let text = text.filter(|text| !text.is_empty());
    Ok(text
        .map(|text| Reasoning {
            text: Some(text),
            ..Reasoning::default()
        })
        .into_iter()
        .collect())
}

/// A thought, or a piece of it, with its number.
type Detail<'a> = (Option<u64>, Reasoning<'a>);

/// Puts together what clients send back in the pieces of a stream: the pieces of a thought have one
/// number, and its proof is the last.
fn joined<'a>(details: impl Iterator<Item = Detail<'a>>) -> Vec<Reasoning<'a>> {
    let mut thoughts: Vec<Detail<'a>> = Vec::new();
    for (index, piece) in details {
        match thoughts.last_mut() {
            Some((known, thought))
                if index.is_some()
                    && *known == index
                    && thought.signature.is_none()
                    && thought.redacted.is_none()
                    && piece.redacted.is_none() =>
            {
                if let Some(text) = piece.text {
                    thought
                        .text
                        .get_or_insert_default()
                        .to_mut()
                        .push_str(&text);
                }
                thought.signature = piece.signature;
            }
            _ => thoughts.push((index, piece)),
        }
    }
    thoughts.into_iter().map(|(_, thought)| thought).collect()
}

fn detail<'a>(value: Value<'a, '_>) -> Result<Option<Detail<'a>>, Fault> {
    let mut object = value.object()?;
    let index = object.take("index", |value| value.count())?;
    let thought = match &*object.require_text("type")? {
        "reasoning.text" => Some(Reasoning {
            text: object.text("text")?,
            signature: object.text("signature")?,
            redacted: None,
        }),
        "reasoning.summary" => Some(Reasoning {
            text: object.text("summary")?,
            ..Reasoning::default()
        }),
        "reasoning.encrypted" => Some(Reasoning {
            redacted: object.text("data")?,
            ..Reasoning::default()
        }),
        _ => None,
    };
    Ok(thought.map(|thought| (index, thought)))
}

pub(super) fn tool_call<'a>(value: Value<'a, '_>) -> Result<ToolCall<'a>, Fault> {
    let mut object = value.object()?;
    function_type(&mut object)?;
    let signature = object.take("extra_content", parts::google_signature)?;
    let id = object.require_text("id")?;
    object.require("function", |value| {
        let mut function = value.object()?;
        Ok(ToolCall {
            id,
            name: function.require_text("name")?,
            arguments: function.text("arguments")?.unwrap_or_default(),
            signature: signature.flatten(),
        })
    })
}
