//! Requests of clients that speak this API.

use std::borrow::Cow;

use super::{Proof, add_reasoning, paragraphs};
use crate::canonical::{
    Citation, Content, Effort, Format, Given, Media, MediaKind, Message, Part, Request, Role,
    Source, Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::openai::{cache, citations};
use crate::wire::{Fault, Object, Value};

const STATELESS: &str = "needs state or services that this gateway does not have";

/// What proves reasoning, as `include` names it.
const PROOF: &str = "reasoning.encrypted_content";

/// How probable tokens were, likewise.
const LOG_PROBABILITIES: &str = "message.output_text.logprobs";

/// Fields that refer to what OpenAI's servers keep.
const STATE: [&str; 4] = [
    "previous_response_id",
    "conversation",
    "prompt",
    "context_management",
];

/// Reads a request.
pub(crate) fn decode_request(body: &[u8]) -> Result<Request<'_>, Fault> {
    let mut fields = Value::document(body)?.object()?;
    refuse_state(&mut fields)?;
    let mut request = Request {
        model: fields.require_text("model")?,
        stream: fields
            .take("stream", |value| value.boolean())?
            .unwrap_or_default(),
        // Every stream ends with it here.
        stream_usage: true,
        messages: messages(&mut fields)?,
        service_tier: Given::maybe("service_tier", fields.text("service_tier")?),
        user: Given::maybe("user", fields.text("user")?),
        ..Request::default()
    };
    let pairs = fields.take("metadata", |value| value.opaque_object())?;
    request.metadata = Given::maybe("metadata", pairs);
    choice_of_tools(&mut fields, &mut request)?;
    sampling(&mut fields, &mut request)?;
    fields.take("text", |text| text_options(text, &mut request))?;
    fields.take("reasoning", |reasoning| thinking(reasoning, &mut request))?;
    fields.take("truncation", truncation)?;
    add_unless_granted(&mut fields, &mut request);
    request.rest.extend(fields.rest());
    Ok(request)
}

/// Tools and how to choose from them.
fn choice_of_tools<'a>(
    fields: &mut Object<'a, '_>,
    request: &mut Request<'a>,
) -> Result<(), Fault> {
    let tools = fields.take("tools", |tools| tools.list(tool))?;
    request.tools = tools.unwrap_or_default();
    let choice = fields.take("tool_choice", tool_choice)?;
    request.tool_choice = Given::maybe("tool_choice", choice);
    let several = fields.take("parallel_tool_calls", |value| value.boolean())?;
    request.parallel_tools = Given::maybe("parallel_tool_calls", several);
    Ok(())
}

/// Bounds and sampling.
fn sampling<'a>(fields: &mut Object<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let most = fields.take("max_output_tokens", |value| value.count())?;
    request.max_output = Given::maybe("max_output_tokens", most);
    let temperature = fields.take("temperature", |value| value.number())?;
    request.temperature = Given::maybe("temperature", temperature);
    let top_p = fields.take("top_p", |value| value.number())?;
    request.top_p = Given::maybe("top_p", top_p);
    let alternatives = fields.take("top_logprobs", |value| value.count())?;
    request.log_probabilities = Given::maybe("top_logprobs", alternatives);
    Ok(())
}

fn refuse_state(fields: &mut Object<'_, '_>) -> Result<(), Fault> {
    if let Some(name) = STATE.into_iter().find(|name| fields.has(name)) {
        return Err(fields.fault(name, STATELESS));
    }
    match fields.take("background", |value| value.boolean())? {
        Some(true) => Err(fields.fault("background", STATELESS)),
        _ => Ok(()),
    }
}

/// To cut a conversation that is too long is not for a gateway: it does not know what fits.
fn truncation(value: Value<'_, '_>) -> Result<(), Fault> {
    match value.text()?.as_ref() {
        "disabled" => Ok(()),
        _ => Err(value.fault("must be `disabled`: this gateway cuts no conversation")),
    }
}

/// Fields that may ask for what is the case anyway: nothing is kept, and what proves reasoning is in
/// the answer.
fn add_unless_granted<'a>(fields: &mut Object<'a, '_>, request: &mut Request<'a>) {
    let wanted = fields.peek("include").unwrap_or_default();
    if request.log_probabilities.is_none() && wanted.contains(LOG_PROBABILITIES) {
        request.log_probabilities = Given::maybe("include", Some(0));
    }
    let mut add = |name: &'static str, is_granted: fn(&str) -> bool| {
        let asked = fields.opaque(name).filter(|raw| !is_granted(raw));
        request.rest.extend(asked.map(|raw| (name.into(), raw)));
    };
    add("store", |raw| raw == "false");
    add("include", |raw| {
        let list = Value::document(raw.as_bytes());
        let names = list.and_then(|list| list.list(|name| name.text()));
        let is_known = |name: &Cow<'_, str>| name == PROOF || name == LOG_PROBABILITIES;
        names.is_ok_and(|names| names.iter().all(is_known))
    });
}

fn messages<'a>(fields: &mut Object<'a, '_>) -> Result<Vec<Message<'a>>, Fault> {
    let mut messages = Vec::new();
    if let Some(instructions) = fields.text("instructions")? {
        messages.push(message(Role::System, vec![Part::text(instructions)]));
    }
    fields.require("input", |input| {
        if input.is_text() {
            messages.push(message(Role::User, vec![Part::text(input.text()?)]));
            return Ok(());
        }
        if !input.is_list() {
            return Err(input.expected("a string or a list"));
        }
        input.each(|value| item(value, &mut messages))
    })?;
    Ok(messages)
}

fn message<'a>(role: Role, parts: Vec<Part<'a>>) -> Message<'a> {
    Message {
        role,
        name: None,
        parts,
    }
}

/// Reads an item: into a message of its own, or into the turn that it goes on with.
fn item<'a>(value: Value<'a, '_>, messages: &mut Vec<Message<'a>>) -> Result<(), Fault> {
    let mut fields = value.object()?;
    // What a server gives an item to tell it by, and which half of an answer it is.
    fields.ignore(&["id", "status", "phase", "created_by"]);
    let kind = fields.text("type")?;
    match kind.as_deref() {
        None if fields.has("role") => read_message(fields, messages),
        Some("message") => read_message(fields, messages),
        Some("function_call") => {
            let call = read_call(fields)?;
            let call = Part::new(Content::ToolCall(call));
            add_to_turn(messages, false, |parts| parts.push(call));
            Ok(())
        }
        Some("function_call_output") => {
            let result = Part::new(Content::ToolResult(read_result(fields)?));
            match messages.last_mut() {
                Some(last) if ends_in_result(last) => last.parts.push(result),
                _ => messages.push(message(Role::User, vec![result])),
            }
            Ok(())
        }
        Some("reasoning") => read_reasoning(fields, messages),
        Some(other) => Err(fields.fault("type", format!("is `{other}`, which {STATELESS}"))),
        None => Err(fields.fault("type", "is missing")),
    }
}

/// All results of a turn's calls are one message.
fn ends_in_result(message: &Message<'_>) -> bool {
    let last = message.parts.last();
    last.is_some_and(|part| matches!(part.content, Content::ToolResult(_)))
}

/// Adds to the assistant's turn that an item belongs to. Only two messages in a row are two turns.
fn add_to_turn<'a>(
    messages: &mut Vec<Message<'a>>,
    is_message: bool,
    add: impl FnOnce(&mut Vec<Part<'a>>),
) {
    match messages.last_mut() {
        Some(last) if last.role == Role::Assistant && !(is_message && ends_in_words(last)) => {
            add(&mut last.parts);
        }
        _ => {
            let mut parts = Vec::new();
            add(&mut parts);
            if !parts.is_empty() {
                messages.push(message(Role::Assistant, parts));
            }
        }
    }
}

fn ends_in_words(message: &Message<'_>) -> bool {
    let last = message.parts.last();
    last.is_some_and(|part| matches!(part.content, Content::Text(_) | Content::Refusal(_)))
}

fn read_message<'a>(
    mut fields: Object<'a, '_>,
    messages: &mut Vec<Message<'a>>,
) -> Result<(), Fault> {
    let role = fields.require("role", role)?;
    let parts = fields.require("content", contents)?;
    fields.finish()?;
    if role == Role::Assistant {
        add_to_turn(messages, true, |turn| turn.extend(parts));
    } else {
        messages.push(message(role, parts));
    }
    Ok(())
}

fn role(value: Value<'_, '_>) -> Result<Role, Fault> {
    Ok(match value.text()?.as_ref() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => return Err(value.fault(format!("is `{other}`, which is no known role"))),
    })
}

/// Content as text or as a list of parts.
fn contents<'a>(value: Value<'a, '_>) -> Result<Vec<Part<'a>>, Fault> {
    if value.is_text() {
        return Ok(vec![Part::text(value.text()?)]);
    }
    if !value.is_list() {
        return Err(value.expected("a string or a list"));
    }
    value.list(part)
}

fn part<'a>(value: Value<'a, '_>) -> Result<Part<'a>, Fault> {
    let mut fields = value.object()?;
    let cache = fields.take("prompt_cache_breakpoint", cache::breakpoint)?;
    let mut citations = Vec::new();
    let content = content(&mut fields, &mut citations)?;
    fields.finish()?;
    Ok(Part {
        content,
        cache,
        citations,
    })
}

fn content<'a>(
    fields: &mut Object<'a, '_>,
    citations: &mut Vec<Citation<'a>>,
) -> Result<Content<'a>, Fault> {
    let kind = fields.require_text("type")?;
    let content = match kind.as_ref() {
        "input_text" => Content::Text(fields.require_text("text")?),
        "output_text" => {
            // What is known of an answer's text besides; the model did not see it either.
            fields.ignore(&["logprobs"]);
            let read = |list: Value<'a, '_>| Ok(citations::read_earlier(list));
            *citations = fields.take("annotations", read)?.unwrap_or_default();
            Content::Text(fields.require_text("text")?)
        }
        "refusal" => Content::Refusal(fields.require_text("refusal")?),
        "input_image" => Content::Media(image(fields)?),
        "input_file" => Content::Media(file(fields)?),
        "input_audio" => Content::Media(fields.require("input_audio", audio)?),
        other => {
            let message = format!("is `{other}`, which has no counterpart in other APIs");
            return Err(fields.fault("type", message));
        }
    };
    Ok(content)
}

fn image<'a>(fields: &mut Object<'a, '_>) -> Result<Media<'a>, Fault> {
    let source = match (fields.text("image_url")?, fields.text("file_id")?) {
        (Some(url), None) => Source::of_url(url),
        (None, Some(id)) => Source::File(id),
        _ => return Err(fields.fault("image_url", "or `file_id` must be given, and not both")),
    };
    Ok(Media {
        kind: MediaKind::Image,
        source,
        name: None,
        detail: fields.text("detail")?,
        cited: false,
    })
}

fn file<'a>(fields: &mut Object<'a, '_>) -> Result<Media<'a>, Fault> {
    let name = fields.text("filename")?;
    let data = fields.text("file_data")?;
    let (url, id) = (fields.text("file_url")?, fields.text("file_id")?);
    let source = match (data, url, id) {
        (Some(data), None, None) => match Source::of_url(data) {
            // Bare base64, which is no URL.
            Source::Url(data) => Source::Base64 {
                media_type: document_type(name.as_deref()).into(),
                data,
            },
            inline => inline,
        },
        (None, Some(url), None) => Source::Url(url),
        (None, None, Some(id)) => Source::File(id),
        _ => {
            let message = "or `file_url` or `file_id` must be given, and only one of them";
            return Err(fields.fault("file_data", message));
        }
    };
    Ok(Media {
        kind: MediaKind::Document,
        source,
        name,
        detail: fields.text("detail")?,
        cited: false,
    })
}

/// The media type of a document that comes without: by its name, else what most are.
fn document_type(name: Option<&str>) -> &'static str {
    let extension = name
        .and_then(|name| name.rsplit_once('.'))
        .map(|(_, end)| end);
    match extension {
        Some("txt") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("html") => "text/html",
        Some("json") => "application/json",
        _ => "application/pdf",
    }
}

fn audio<'a>(value: Value<'a, '_>) -> Result<Media<'a>, Fault> {
    let mut fields = value.object()?;
    let data = fields.require_text("data")?;
    let media_type = fields.require("format", |format| match format.text()?.as_ref() {
        "wav" => Ok("audio/wav"),
        "mp3" => Ok("audio/mpeg"),
        other => Err(format.fault(format!("is `{other}` and must be `wav` or `mp3`"))),
    })?;
    fields.finish()?;
    Ok(Media {
        kind: MediaKind::Audio,
        source: Source::Base64 {
            media_type: media_type.into(),
            data,
        },
        name: None,
        detail: None,
        cited: false,
    })
}

fn read_call<'a>(mut fields: Object<'a, '_>) -> Result<ToolCall<'a>, Fault> {
    let call = ToolCall {
        id: fields.require_text("call_id")?,
        name: fields.require_text("name")?,
        arguments: fields.require_text("arguments")?,
        signature: None,
    };
    fields.finish()?;
    Ok(call)
}

fn read_result<'a>(mut fields: Object<'a, '_>) -> Result<ToolResult<'a>, Fault> {
    let result = ToolResult {
        call: fields.require_text("call_id")?,
        parts: fields.require("output", contents)?,
        is_error: false,
    };
    fields.finish()?;
    Ok(result)
}

/// Of the summary and the thoughts themselves one is enough for others: what a person was shown.
fn read_reasoning<'a>(
    mut fields: Object<'a, '_>,
    messages: &mut Vec<Message<'a>>,
) -> Result<(), Fault> {
    let summary = fields.take("summary", paragraphs)?.flatten();
    let content = fields.take("content", paragraphs)?.flatten();
    let proof = fields.text("encrypted_content")?.map(Proof::read);
    fields.finish()?;
    let text = summary.or(content);
    if text.is_some() || proof.is_some() {
        add_to_turn(messages, false, |parts| add_reasoning(parts, text, proof));
    }
    Ok(())
}

fn tool<'a>(value: Value<'a, '_>) -> Result<Tool<'a>, Fault> {
    let mut fields = value.object()?;
    let kind = fields.require_text("type")?;
    if kind != "function" {
        return Err(fields.fault("type", format!("is `{kind}`, which {STATELESS}")));
    }
    let tool = Tool {
        name: fields.require_text("name")?,
        description: fields.text("description")?,
        schema: fields.take("parameters", |value| value.opaque_object())?,
        strict: fields.take("strict", |value| value.boolean())?,
        cache: None,
    };
    fields.finish()?;
    Ok(tool)
}

fn tool_choice<'a>(value: Value<'a, '_>) -> Result<ToolChoice<'a>, Fault> {
    if value.is_text() {
        return Ok(match value.text()?.as_ref() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            other => return Err(value.fault(format!("is `{other}`, which is no known choice"))),
        });
    }
    let mut fields = value.object()?;
    let kind = fields.require_text("type")?;
    if kind != "function" {
        let message = format!("is `{kind}`, which has no counterpart in other APIs");
        return Err(fields.fault("type", message));
    }
    let name = fields.require_text("name")?;
    fields.finish()?;
    Ok(ToolChoice::Named(name))
}

fn text_options<'a>(value: Value<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let mut fields = value.object()?;
    request.format = Given::maybe("text.format", fields.take("format", format)?);
    hint(&mut fields, "verbosity", "text.verbosity", request);
    fields.finish()
}

fn hint<'a>(
    fields: &mut Object<'a, '_>,
    name: &str,
    path: &'static str,
    request: &mut Request<'a>,
) {
    if let Some(raw) = fields.opaque(name) {
        request.rest.push((path.into(), raw));
    }
}

fn format<'a>(value: Value<'a, '_>) -> Result<Format<'a>, Fault> {
    let mut fields = value.object()?;
    let kind = fields.require_text("type")?;
    let format = match kind.as_ref() {
        "text" => Format::Text,
        "json_object" => Format::JsonObject,
        "json_schema" => Format::Schema {
            name: fields.text("name")?,
            description: fields.text("description")?,
            schema: fields.require("schema", |value| value.opaque_object())?,
            strict: fields.take("strict", |value| value.boolean())?,
        },
        other => {
            let message = format!("is `{other}`, which has no counterpart in other APIs");
            return Err(fields.fault("type", message));
        }
    };
    fields.finish()?;
    Ok(format)
}

fn thinking<'a>(value: Value<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let mut fields = value.object()?;
    request.thinking = Given::maybe("reasoning.effort", fields.take("effort", effort)?);
    hint(&mut fields, "summary", "reasoning.summary", request);
    hint(
        &mut fields,
        "generate_summary",
        "reasoning.generate_summary",
        request,
    );
    fields.finish()
}

fn effort(value: Value<'_, '_>) -> Result<Thinking, Fault> {
    Ok(match value.text()?.as_ref() {
        "none" => Thinking::Off,
        "minimal" => Thinking::Effort(Effort::Minimal),
        "low" => Thinking::Effort(Effort::Low),
        "medium" => Thinking::Effort(Effort::Medium),
        "high" => Thinking::Effort(Effort::High),
        "xhigh" | "max" => Thinking::Effort(Effort::XHigh),
        other => return Err(value.fault(format!("is `{other}`, which is no known effort"))),
    })
}
