//! To a chat completion request.

use super::parts;
use crate::Quirks;
use crate::canonical::refusals::{signed, uncite};
use crate::canonical::{
    Content, Dropped, Effort, Format, Message, Part, Reasoning, Request, Role, Thinking, Tool,
    ToolCall, ToolChoice, ToolResult,
};
use crate::wire::{Fault, ListWriter, ObjectWriter, object};

mod manner;

use manner::Manner;

/// The name that a schema gets that has none: OpenAI demands one.
const SCHEMA_NAME: &str = "answer";

/// Writes a request to a server of these `quirks`.
///
/// # Errors
/// The first field that this API cannot express.
pub(crate) fn encode_request(
    request: &Request<'_>,
    quirks: &Quirks,
    dropped: &mut Dropped,
) -> Result<Vec<u8>, Fault> {
    let manner = Manner::of(request, &quirks.chat);
    manner.check_choices(request)?;
    uncite(&request.messages, dropped)?;
    let mut fault = Ok(());
    let body = object(|o| {
        o.value("model", &request.model);
        o.list("messages", |list| {
            let mut after_result = false;
            fault = request.messages.iter().try_for_each(|message| {
                let written = write_message(message, after_result, &manner, list, dropped);
                after_result = message.role == Role::User && ends_in_result(message);
                written
            });
        });
        write_tools(request, o, dropped);
        write_sampling(request, &manner, o, dropped);
        if request.stream {
            o.value("stream", true);
            // Whether the client wants to see it or not: tokens are counted by it.
            if quirks.usage_is_asked_for() {
                o.object("stream_options", |o| o.value("include_usage", true));
            }
        }
    });
    for (field, _) in &request.rest {
        dropped.add(&**field);
    }
    fault.map(|()| body)
}

fn write_tools(request: &Request<'_>, o: &mut ObjectWriter<'_>, dropped: &mut Dropped) {
    if !request.tools.is_empty() {
        o.list("tools", |list| {
            request
                .tools
                .iter()
                .for_each(|tool| write_tool(tool, list, dropped));
        });
    }
    if let Some(choice) = &request.tool_choice {
        match &choice.value {
            ToolChoice::Auto => o.value("tool_choice", "auto"),
            ToolChoice::None => o.value("tool_choice", "none"),
            ToolChoice::Required => o.value("tool_choice", "required"),
            ToolChoice::Named(name) => o.object("tool_choice", |o| {
                o.value("type", "function");
                o.object("function", |o| o.value("name", name));
            }),
        }
    }
    let parallel = request.parallel_tools.as_ref().map(|given| given.value);
    o.maybe("parallel_tool_calls", parallel);
}

fn write_tool(tool: &Tool<'_>, list: &mut ListWriter<'_>, dropped: &mut Dropped) {
    if tool.cache.is_some() {
        dropped.add("cache_control");
    }
    list.object(|o| {
        o.value("type", "function");
        o.object("function", |o| {
            o.value("name", &tool.name);
            o.maybe("description", tool.description.as_deref());
            // OpenAI takes a function without them, other servers do not.
            o.raw("parameters", tool.parameters());
            o.maybe("strict", tool.strict);
        });
    });
}

fn write_sampling(
    request: &Request<'_>,
    manner: &Manner<'_>,
    o: &mut ObjectWriter<'_>,
    dropped: &mut Dropped,
) {
    let value = |given: &Option<crate::canonical::Given<f64>>| given.as_ref().map(|g| g.value);
    o.maybe(
        manner.bound,
        request.max_output.as_ref().map(|given| given.value),
    );
    o.maybe("temperature", value(&request.temperature));
    o.maybe("top_p", value(&request.top_p));
    dropped.hint(request.top_k.as_ref());
    o.maybe("frequency_penalty", value(&request.frequency_penalty));
    o.maybe("presence_penalty", value(&request.presence_penalty));
    o.maybe(manner.seed, request.seed.as_ref().map(|given| given.value));
    o.maybe("stop", request.stop.as_ref().map(|given| &given.value));
    o.maybe("n", request.choices.as_ref().map(|given| given.value));
    write_hints(request, manner, o, dropped);
    if let Some(format) = &request.format {
        o.object("response_format", |o| write_format(&format.value, o));
    }
    if let Some(thinking) = &request.thinking {
        match effort(thinking.value) {
            Some(effort) => o.value("reasoning_effort", effort),
            None => dropped.hint(request.thinking.as_ref()),
        }
    }
}

/// What a server may refuse without the answer being another.
fn write_hints(
    request: &Request<'_>,
    manner: &Manner<'_>,
    o: &mut ObjectWriter<'_>,
    dropped: &mut Dropped,
) {
    let probabilities = request.log_probabilities.as_ref();
    if let Some(wanted) = manner.hint("logprobs", probabilities, dropped) {
        o.value("logprobs", true);
        o.maybe("top_logprobs", Some(wanted.value).filter(|top| *top > 0));
    }
    let tier = manner.hint("service_tier", request.service_tier.as_ref(), dropped);
    // Anthropic's name for what is not bought in advance.
    let tier = tier.map(|tier| match &*tier.value {
        "standard_only" => "default",
        tier => tier,
    });
    o.maybe("service_tier", tier);
    let metadata = manner.hint("metadata", request.metadata.as_ref(), dropped);
    o.maybe_raw("metadata", metadata.map(|given| &*given.value));
    let user = manner.hint("user", request.user.as_ref(), dropped);
    o.maybe("user", user.map(|given| &given.value));
}

/// The effort nearest to what is asked for. A bound of tokens has no counterpart here; those that
/// Anthropic's documentation recommends for simple, harder and hard tasks stand for the efforts.
fn effort(thinking: Thinking) -> Option<&'static str> {
    match thinking {
        // Neither is known to all models of this API; both are what a model does unasked.
        Thinking::Off | Thinking::Adaptive => None,
        Thinking::Effort(Effort::Minimal) => Some("minimal"),
        Thinking::Effort(Effort::Low) | Thinking::Budget(..=4096) => Some("low"),
        Thinking::Effort(Effort::Medium) | Thinking::Budget(..=16384) => Some("medium"),
        Thinking::Effort(Effort::High) | Thinking::Budget(_) => Some("high"),
        Thinking::Effort(Effort::XHigh) => Some("xhigh"),
    }
}

fn write_format(format: &Format<'_>, o: &mut ObjectWriter<'_>) {
    match format {
        Format::Text => o.value("type", "text"),
        Format::JsonObject => o.value("type", "json_object"),
        Format::Schema {
            name,
            description,
            schema,
            strict,
        } => {
            o.value("type", "json_schema");
            o.object("json_schema", |o| {
                o.value("name", name.as_deref().unwrap_or(SCHEMA_NAME));
                o.maybe("description", description.as_deref());
                o.raw("schema", schema);
                o.maybe("strict", *strict);
            });
        }
    }
}

/// Whether the message is written as results of tools alone.
fn ends_in_result(message: &Message<'_>) -> bool {
    let is_result = |part: &Part<'_>| matches!(part.content, Content::ToolResult(_));
    !message.parts.is_empty() && message.parts.iter().all(is_result)
}

fn write_message(
    message: &Message<'_>,
    after_result: bool,
    manner: &Manner<'_>,
    list: &mut ListWriter<'_>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    let others = matches!(message.role, Role::System | Role::Developer);
    if others && after_result {
        manner.write_reply(list);
    }
    match message.role {
        Role::System => write_said("system", message, manner, list, dropped),
        Role::Developer => write_said(manner.developer, message, manner, list, dropped),
        Role::User => write_user(message, after_result, manner, list, dropped),
        Role::Assistant => write_assistant(message, manner, list, dropped),
    }
}

/// Results are messages of their own, directly behind the calls; what else the user says follows.
fn write_user(
    message: &Message<'_>,
    mut after_result: bool,
    manner: &Manner<'_>,
    list: &mut ListWriter<'_>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    let mut said = Vec::with_capacity(message.parts.len());
    for part in &message.parts {
        match &part.content {
            Content::ToolResult(result) => {
                if part.cache.is_some() {
                    dropped.add("cache_control");
                }
                write_result(result, manner, list, dropped)?;
                after_result = true;
            }
            _ => said.push(part.clone()),
        }
    }
    if said.is_empty() && !message.parts.is_empty() {
        return Ok(());
    }
    if after_result {
        manner.write_reply(list);
    }
    let message = Message {
        role: Role::User,
        name: message.name.clone(),
        parts: said,
    };
    write_said("user", &message, manner, list, dropped)
}

fn write_said(
    role: &str,
    message: &Message<'_>,
    manner: &Manner<'_>,
    list: &mut ListWriter<'_>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    let mut written = Ok(());
    list.object(|o| {
        o.value("role", role);
        o.maybe("name", manner.name(message, dropped));
        written = write_content(&message.parts, o, dropped);
    });
    written
}

fn write_content(
    parts: &[Part<'_>],
    o: &mut ObjectWriter<'_>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    if parts::is_text_alone(parts)
        && let [part] = parts
        && let Content::Text(text) = &part.content
    {
        if part.cache.is_some() {
            dropped.add("cache_control");
        }
        o.value("content", text);
        return Ok(());
    }
    let mut written = Ok(());
    o.list("content", |list| {
        written = parts
            .iter()
            .try_for_each(|part| parts::encode(part, list, dropped));
    });
    written
}

fn write_result(
    result: &ToolResult<'_>,
    manner: &Manner<'_>,
    list: &mut ListWriter<'_>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    if result.is_error {
        // The text says so too; this API has no other place for it.
        dropped.add("is_error");
    }
    let media = result
        .parts
        .iter()
        .any(|part| !matches!(part.content, Content::Text(_)));
    if media {
        return Err(Fault::new(
            "messages",
            "hold a tool's result with more than text, which the API of this model does not take",
        ));
    }
    let mut written = Ok(());
    list.object(|o| {
        o.value("role", "tool");
        o.value("tool_call_id", manner.call_id(&result.call));
        if result.parts.is_empty() {
            o.value("content", "");
        } else {
            written = write_content(&result.parts, o, dropped);
        }
    });
    written
}

/// What the model says in a message, sorted.
#[derive(Default)]
struct Answer<'m, 'a> {
    said: Vec<Part<'a>>,
    calls: Vec<&'m ToolCall<'a>>,
    refusal: String,
}

impl<'m, 'a> Answer<'m, 'a> {
    fn of(message: &'m Message<'a>, dropped: &mut Dropped) -> Result<Self, Fault> {
        let mut answer = Self::default();
        for part in &message.parts {
            match &part.content {
                Content::ToolCall(call) if call.proof().is_some() => {
                    return Err(signed(&format!("the call `{}`", call.id)));
                }
                Content::ToolCall(call) => answer.calls.push(call),
                Content::Reasoning(reasoning) => forget(reasoning, dropped)?,
                Content::Refusal(text) => answer.refusal.push_str(text),
                Content::Text(_) => answer.said.push(part.clone()),
                Content::Media(media) => {
                    let what = media.kind.name();
                    let message = format!("hold {what} of the model's, which cannot be said here");
                    return Err(Fault::new("messages", message));
                }
                Content::ToolResult(_) => {
                    let message = "hold a tool's result in what the model says";
                    return Err(Fault::new("messages", message));
                }
            }
        }
        Ok(answer)
    }
}

fn write_assistant(
    message: &Message<'_>,
    manner: &Manner<'_>,
    list: &mut ListWriter<'_>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    let answer = Answer::of(message, dropped)?;
    let mut written = Ok(());
    list.object(|o| {
        o.value("role", "assistant");
        o.maybe("name", manner.name(message, dropped));
        if answer.said.is_empty() {
            o.null("content");
        } else {
            written = write_content(&answer.said, o, dropped);
        }
        let refusal = Some(&answer.refusal).filter(|text| !text.is_empty());
        o.maybe("refusal", refusal);
        if !answer.calls.is_empty() {
            o.list("tool_calls", |list| {
                let calls = answer.calls.iter();
                calls.for_each(|call| write_call(call, manner, list));
            });
        }
    });
    written
}

/// Thoughts are not sent back to models of this API, unless they are signed: then the next turn
/// depends on them.
fn forget(reasoning: &Reasoning<'_>, dropped: &mut Dropped) -> Result<(), Fault> {
    if reasoning.proof().is_some() || reasoning.redacted.is_some() {
        return Err(signed("reasoning"));
    }
    dropped.add("reasoning");
    Ok(())
}

fn write_call(call: &ToolCall<'_>, manner: &Manner<'_>, list: &mut ListWriter<'_>) {
    let arguments = if call.arguments.is_empty() {
        "{}"
    } else {
        &*call.arguments
    };
    list.object(|o| {
        o.value("id", manner.call_id(&call.id));
        o.value("type", "function");
        o.object("function", |o| {
            o.value("name", &call.name);
            o.value("arguments", arguments);
        });
    });
}
