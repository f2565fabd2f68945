//! From a chat completion request.

use std::borrow::Cow;

use super::parts;
use crate::canonical::{
    Content, Effort, Format, Given, Message, Part, Reasoning, Request, Role, Thinking, Tool,
    ToolCall, ToolChoice, ToolResult, attach_citations,
};
use crate::openai::citations;
use crate::wire::{Fault, Object, Value};

use super::parts::{Rest, set_aside};

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
    let mut rest = Rest::default();
    let mut signers = Vec::new();
    let mut request = Request {
        // The path of some clients names it.
        model: object.text("model")?.unwrap_or_default(),
        stream: object
            .take("stream", |value| value.boolean())?
            .unwrap_or_default(),
        stream_usage: object
            .take("stream_options", |value| stream_usage(value, &mut rest))?
            .unwrap_or_default(),
        messages: object.require("messages", |list| {
            list.list(|value| message(value, &mut rest, &mut signers))
        })?,
        tools: object
            .take("tools", |list| list.list(|value| tool(value, &mut rest)))?
            .unwrap_or_default(),
        tool_choice: given(&mut object, "tool_choice", |value| {
            tool_choice(value, &mut rest)
        })?,
        parallel_tools: given(&mut object, "parallel_tool_calls", |value| value.boolean())?,
        format: given(&mut object, "response_format", |value| {
            format(value, &mut rest)
        })?,
        thinking: given(&mut object, "reasoning_effort", effort)?,
        ..Request::default()
    };
    sampling(&mut object, &mut request)?;
    request.signers = signers;
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

fn stream_usage<'a>(value: Value<'a, '_>, rest: &mut Rest<'a>) -> Result<bool, Fault> {
    let mut options = value.object()?;
    let wanted = options.take("include_usage", |value| value.boolean())?;
    set_aside(options, "stream_options", rest);
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
        "xhigh" | "max" => Thinking::Effort(Effort::XHigh),
        _ => {
            return Err(value.fault("must be none, minimal, low, medium, high, xhigh or max"));
        }
    })
}

fn tool<'a>(value: Value<'a, '_>, rest: &mut Rest<'a>) -> Result<Tool<'a>, Fault> {
    let mut object = value.object()?;
    function_type(&mut object)?;
    let cache = object.take("cache_control", |value| parts::cache(value, rest))?;
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

fn tool_choice<'a>(value: Value<'a, '_>, rest: &mut Rest<'a>) -> Result<ToolChoice<'a>, Fault> {
    if !value.is_text() {
        let mut object = value.object()?;
        function_type(&mut object)?;
        let name = object.require("function", |value| {
            let mut function = value.object()?;
            let name = function.require_text("name")?;
            set_aside(function, "tool_choice.function", rest);
            Ok(name)
        })?;
        set_aside(object, "tool_choice", rest);
        return Ok(ToolChoice::Named(name));
    }
    match &*value.text()? {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        // The latter is Mistral's.
        "required" | "any" => Ok(ToolChoice::Required),
        _ => Err(value.fault("must be auto, none, required or the name of a function")),
    }
}

fn format<'a>(value: Value<'a, '_>, rest: &mut Rest<'a>) -> Result<Format<'a>, Fault> {
    let mut object = value.object()?;
    let format = match &*object.require_text("type")? {
        "text" => Format::Text,
        "json_object" => Format::JsonObject,
        "json_schema" => object.require("json_schema", |value| {
            let mut schema = value.object()?;
            let format = Format::Schema {
                name: schema.text("name")?,
                description: schema.text("description")?,
                strict: schema.take("strict", |value| value.boolean())?,
                schema: schema.require("schema", |value| value.opaque_object())?,
            };
            set_aside(schema, "response_format.json_schema", rest);
            Ok(format)
        })?,
        _ => return Err(object.fault("type", "must be text, json_object or json_schema")),
    };
    set_aside(object, "response_format", rest);
    Ok(format)
}

fn message<'a>(
    value: Value<'a, '_>,
    rest: &mut Rest<'a>,
    signers: &mut Vec<Cow<'a, str>>,
) -> Result<Message<'a>, Fault> {
    let mut object = value.object()?;
    let name = object.text("name")?;
    let role = object.require_text("role")?;
    let (role, parts) = match &*role {
        "system" => (Role::System, said(&mut object, rest)?),
        "developer" => (Role::Developer, said(&mut object, rest)?),
        "user" => (Role::User, said(&mut object, rest)?),
        "assistant" => (Role::Assistant, answered(&mut object, rest, signers)?),
        "tool" => (Role::User, vec![tool_result(&mut object, rest)?]),
        other => {
            let message = format!("`{other}` is no role of a message");
            return Err(object.fault("role", message));
        }
    };
    object.finish()?;
    Ok(Message { role, name, parts })
}

fn said<'a>(object: &mut Object<'a, '_>, rest: &mut Rest<'a>) -> Result<Vec<Part<'a>>, Fault> {
    object.require("content", |value| parts::decode(value, rest))
}

fn tool_result<'a>(object: &mut Object<'a, '_>, rest: &mut Rest<'a>) -> Result<Part<'a>, Fault> {
    let result = ToolResult {
        call: object.require_text("tool_call_id")?,
        parts: said(object, rest)?,
        is_error: false,
    };
    Ok(Part {
        cache: object.take("cache_control", |value| parts::cache(value, rest))?,
        ..Part::new(Content::ToolResult(result))
    })
}

/// What the model said in an earlier turn, in the order in which models say such things.
fn answered<'a>(
    object: &mut Object<'a, '_>,
    rest: &mut Rest<'a>,
    signers: &mut Vec<Cow<'a, str>>,
) -> Result<Vec<Part<'a>>, Fault> {
    // Mistral's clients always say whether the answer is to begin with this.
    if object.take("prefix", |value| value.boolean())? == Some(true) {
        return Err(object.fault("prefix", "cannot be promised by the model's API"));
    }
    let mut parts: Vec<Part<'_>> = kept_reasoning(object, rest, signers)?
        .into_iter()
        .map(|reasoning| Part::new(Content::Reasoning(reasoning)))
        .collect();
    let content = object.take("content", |value| parts::decode_answer(value, rest))?;
    parts.extend(content.unwrap_or_default());
    if let Some(refusal) = object.text("refusal")? {
        parts.push(Part::new(Content::Refusal(refusal)));
    }
    let citations = object.take("annotations", |list| Ok(citations::read_earlier(list)))?;
    attach_citations(&mut parts, citations.unwrap_or_default());
    let calls = object.take("tool_calls", |list| {
        list.list(|value| tool_call(value, rest))
    })?;
    let calls = calls.into_iter().flatten();
    parts.extend(calls.map(|call| Part::new(Content::ToolCall(call))));
    Ok(parts)
}

/// The thoughts of an answer.
pub(super) fn reasoning<'a>(object: &mut Object<'a, '_>) -> Result<Vec<Reasoning<'a>>, Fault> {
    let text = reasoning_text(object)?;
    let details = reasoning_details(object, &mut Rest::default(), &mut Vec::new())?;
    Ok(details_or_text(details, text))
}

/// The thoughts that a client sends back, and the forms of their proofs.
fn kept_reasoning<'a>(
    object: &mut Object<'a, '_>,
    rest: &mut Rest<'a>,
    signers: &mut Vec<Cow<'a, str>>,
) -> Result<Vec<Reasoning<'a>>, Fault> {
    let text = reasoning_text(object)?;
    let raw = object.peek("reasoning_details").unwrap_or("null");
    let known = signers.len();
    let details = reasoning_details(object, rest, signers)?;
    if is_torn(&details, text.as_deref()) {
        signers.truncate(known);
        rest.push(("messages.reasoning_details".into(), raw));
        return Ok(Vec::new());
    }
    Ok(details_or_text(details, text))
}

/// Whether all that is left of the thoughts is the end of a stream: clients that do not know the fields
/// replace what a piece said by what the next one says. A proof is of the whole text then, which is lost.
fn is_torn(details: &[Reasoning<'_>], text: Option<&str>) -> bool {
    let has_text = |thought: &Reasoning<'_>| thought.text.as_ref().is_some_and(|t| !t.is_empty());
    text.is_some_and(|text| !text.is_empty())
        && details.iter().any(|thought| thought.signature.is_some())
        && !details.iter().any(has_text)
}

fn reasoning_text<'a>(object: &mut Object<'a, '_>) -> Result<Option<Cow<'a, str>>, Fault> {
    let other = object.text("reasoning")?;
    Ok(object.text("reasoning_content")?.or(other))
}

fn reasoning_details<'a>(
    object: &mut Object<'a, '_>,
    rest: &mut Rest<'a>,
    signers: &mut Vec<Cow<'a, str>>,
) -> Result<Vec<Reasoning<'a>>, Fault> {
    let details = object.take("reasoning_details", |list| {
        list.list(|value| detail(value, rest, signers))
    })?;
    Ok(joined(details.into_iter().flatten().flatten()))
}

/// The details say more than the bare text.
fn details_or_text<'a>(
    details: Vec<Reasoning<'a>>,
    text: Option<Cow<'a, str>>,
) -> Vec<Reasoning<'a>> {
    if !details.is_empty() {
        return details;
    }
    let text = text.filter(|text| !text.is_empty());
    let thought = text.map(|text| Reasoning {
        text: Some(text),
        ..Reasoning::default()
    });
    thought.into_iter().collect()
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
                    && thought.proof().is_none()
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

fn detail<'a>(
    value: Value<'a, '_>,
    rest: &mut Rest<'a>,
    signers: &mut Vec<Cow<'a, str>>,
) -> Result<Option<Detail<'a>>, Fault> {
    let mut object = value.object()?;
    let index = object.take("index", |value| value.count())?;
    let format = object.text("format")?;
    let thought = match &*object.require_text("type")? {
        "reasoning.text" => Reasoning {
            text: object.text("text")?,
            signature: object.text("signature")?,
            redacted: None,
        },
        "reasoning.summary" => Reasoning {
            text: object.text("summary")?,
            ..Reasoning::default()
        },
        "reasoning.encrypted" => Reasoning {
            redacted: object.text("data")?,
            ..Reasoning::default()
        },
        _ => {
            rest.push(("messages.reasoning_details".into(), value.raw()));
            return Ok(None);
        }
    };
    let is_signed = thought.proof().is_some() || thought.redacted.is_some();
    if let Some(format) = format.filter(|format| is_signed && !signers.contains(format)) {
        signers.push(format);
    }
    // How the provider tells it from others.
    object.ignore(&["id"]);
    set_aside(object, "messages.reasoning_details", rest);
    Ok(Some((index, thought)))
}

pub(super) fn tool_call<'a>(
    value: Value<'a, '_>,
    rest: &mut Rest<'a>,
) -> Result<ToolCall<'a>, Fault> {
    let mut object = value.object()?;
    function_type(&mut object)?;
    let signature = object.take("extra_content", |value| {
        parts::google_signature(value, rest)
    })?;
    let id = object.require_text("id")?;
    let call = object.require("function", |value| {
        let mut function = value.object()?;
        let call = ToolCall {
            id,
            name: function.require_text("name")?,
            arguments: function.text("arguments")?.unwrap_or_default(),
            signature: signature.flatten(),
        };
        set_aside(function, "messages.tool_calls.function", rest);
        Ok(call)
    })?;
    // Left from the chunks of a stream.
    object.ignore(&["index"]);
    set_aside(object, "messages.tool_calls", rest);
    Ok(call)
}
