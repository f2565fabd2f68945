//! Writing a request.

use std::collections::BTreeMap;

use super::write_arguments;
use crate::canonical::refusals::{cannot, signed, uncache, uncite};
use crate::canonical::{
    Content, Dropped, Effort, Format, Given, Media, MediaKind, Message, Reasoning, Request, Role,
    Source, Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::wire::{Fault, ListWriter, ObjectWriter, object};

/// Stands between two texts that are one here.
const BETWEEN: &str = "\n\n";

/// Writes a request to `/api/chat`.
///
/// # Errors
/// The first field that this API cannot express.
pub(crate) fn encode_request(
    request: &Request<'_>,
    dropped: &mut Dropped,
) -> Result<Vec<u8>, Fault> {
    let calls_none = refuse(request)?;
    uncite(&request.messages, dropped)?;
    let turns = turns(request, dropped)?;
    hints(request, dropped);
    Ok(object(|o| {
        o.value("model", &request.model);
        o.list("messages", |list| {
            turns.iter().for_each(|turn| turn.write(list));
        });
        if !request.tools.is_empty() && !calls_none {
            o.list("tools", |list| {
                request.tools.iter().for_each(|tool| write_tool(tool, list));
            });
        }
        if let Some(format) = &request.format {
            write_format(&format.value, o);
        }
        if let Some(thinking) = request
            .thinking
            .as_ref()
            .filter(|_| !always_thinks(request))
        {
            write_thinking(thinking.value, o);
        }
        if let Some(wanted) = &request.log_probabilities {
            o.value("logprobs", true);
            o.maybe("top_logprobs", Some(wanted.value).filter(|top| *top > 0));
        }
        write_options(request, o);
        o.value("stream", request.stream);
    }))
}

/// Refuses what cannot be asked for; returns whether no tool is to be called, which is said by naming
/// none.
fn refuse(request: &Request<'_>) -> Result<bool, Fault> {
    const NEVER: &str = "has no counterpart in the API of the model that was asked for";
    if let Some(choices) = request.choices.as_ref().filter(|n| n.value != 1) {
        return Err(choices.refuse(NEVER));
    }
    let is_one_at_a_time = |parallel: &&Given<bool>| !parallel.value && !request.tools.is_empty();
    if let Some(parallel) = request.parallel_tools.as_ref().filter(is_one_at_a_time) {
        return Err(parallel.refuse(NEVER));
    }
    match &request.tool_choice {
        Some(choice) => match &choice.value {
            ToolChoice::Auto => Ok(false),
            ToolChoice::None => Ok(true),
            ToolChoice::Required | ToolChoice::Named(_) => Err(choice.refuse(
                "cannot be demanded in the API of the model that was asked for: the model \
                 decides whether it calls a tool",
            )),
        },
        None => Ok(false),
    }
}

/// A message as it is written: one text with images, calls, or the result of one.
#[derive(Debug, Default)]
struct Turn<'r> {
    role: &'static str,
    text: String,
    thinking: Option<&'r str>,
    images: Vec<&'r str>,
    calls: Vec<&'r ToolCall<'r>>,
    /// The id and the name of the call that it is the result of.
    result_of: Option<(&'r str, Option<&'r str>)>,
}

fn turns<'r>(request: &'r Request<'_>, dropped: &mut Dropped) -> Result<Vec<Turn<'r>>, Fault> {
    let mut turns = Vec::with_capacity(request.messages.len());
    let mut names = BTreeMap::new();
    for message in &request.messages {
        if message.name.is_some() {
            dropped.add("name");
        }
        match message.role {
            Role::System | Role::Developer => turns.push(said("system", message, dropped)?),
            Role::User => user(message, &names, &mut turns, dropped)?,
            Role::Assistant => turns.push(assistant(message, &mut names, dropped)?),
        }
    }
    Ok(turns)
}

/// Results are messages of their own, directly behind the calls; what else the user says follows.
fn user<'r>(
    message: &'r Message<'_>,
    names: &BTreeMap<&str, &'r str>,
    turns: &mut Vec<Turn<'r>>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    let mut rest = Turn::of("user");
    let mut has_rest = message.parts.is_empty();
    for part in &message.parts {
        uncache(part, dropped);
        if let Content::ToolResult(result) = &part.content {
            turns.push(tool_result(result, names, dropped)?);
        } else {
            has_rest = true;
            rest.add(&part.content, dropped)?;
        }
    }
    turns.extend(has_rest.then_some(rest));
    Ok(())
}

fn said<'r>(
    role: &'static str,
    message: &'r Message<'_>,
    dropped: &mut Dropped,
) -> Result<Turn<'r>, Fault> {
    let mut turn = Turn::of(role);
    for part in &message.parts {
        uncache(part, dropped);
        turn.add(&part.content, dropped)?;
    }
    Ok(turn)
}

fn assistant<'r>(
    message: &'r Message<'_>,
    names: &mut BTreeMap<&'r str, &'r str>,
    dropped: &mut Dropped,
) -> Result<Turn<'r>, Fault> {
    let turn = said("assistant", message, dropped)?;
    names.extend(turn.calls.iter().map(|call| (&*call.id, &*call.name)));
    Ok(turn)
}

fn tool_result<'r>(
    result: &'r ToolResult<'_>,
    names: &BTreeMap<&str, &'r str>,
    dropped: &mut Dropped,
) -> Result<Turn<'r>, Fault> {
    if result.is_error {
        // The text says so too; this API has no other place for it.
        dropped.add("is_error");
    }
    let mut turn = Turn::of("tool");
    turn.result_of = Some((&result.call, names.get(&*result.call).copied()));
    for part in &result.parts {
        uncache(part, dropped);
        turn.add(&part.content, dropped)?;
    }
    Ok(turn)
}

impl<'r> Turn<'r> {
    fn of(role: &'static str) -> Self {
        Self {
            role,
            ..Self::default()
        }
    }

    fn add(&mut self, content: &'r Content<'_>, dropped: &mut Dropped) -> Result<(), Fault> {
        match content {
            Content::Text(text) | Content::Refusal(text) => self.say(text),
            Content::Media(media) => return self.show(media, dropped),
            Content::Reasoning(reasoning) => return self.think(reasoning, dropped),
            Content::ToolCall(call) if call.proof().is_some() => {
                return Err(signed(&format!("the call `{}`", call.id)));
            }
            Content::ToolCall(call) => self.calls.push(call),
            Content::ToolResult(_) => {
                let message = "hold a tool's result in a place where it cannot stand";
                return Err(Fault::new("messages", message));
            }
        }
        Ok(())
    }

    fn say(&mut self, text: &str) {
        if !self.text.is_empty() && !text.is_empty() {
            self.text.push_str(BETWEEN);
        }
        self.text.push_str(text);
    }

    /// Images stand beside the text, whatever their place in it was.
    fn show(&mut self, media: &'r Media<'_>, dropped: &mut Dropped) -> Result<(), Fault> {
        if media.detail.is_some() {
            dropped.add("detail");
        }
        match (media.kind, &media.source) {
            (_, Source::Text(text)) => {
                if media.name.is_some() {
                    dropped.add("title");
                }
                self.say(text);
                Ok(())
            }
            (MediaKind::Image, Source::Base64 { data, .. }) => {
                self.images.push(data);
                Ok(())
            }
            (MediaKind::Image, Source::Url(_)) => {
                Err(cannot(media, "by its URL: send it in the request"))
            }
            _ => Err(cannot(media, "at all")),
        }
    }

    /// Thoughts that are signed are another provider's, and depend on that.
    fn think(&mut self, reasoning: &'r Reasoning<'_>, dropped: &mut Dropped) -> Result<(), Fault> {
        if reasoning.proof().is_some() || reasoning.redacted.is_some() {
            return Err(signed("reasoning"));
        }
        match (self.thinking, reasoning.text.as_deref()) {
            (None, text) => self.thinking = text,
            (Some(_), _) => dropped.add("reasoning"),
        }
        Ok(())
    }

    fn write(&self, list: &mut ListWriter<'_>) {
        list.object(|o| {
            o.value("role", self.role);
            o.value("content", &self.text);
            o.maybe("thinking", self.thinking);
            if !self.images.is_empty() {
                o.value("images", &self.images);
            }
            if !self.calls.is_empty() {
                o.list("tool_calls", |list| {
                    self.calls.iter().for_each(|call| write_call(call, list));
                });
            }
            if let Some((call, name)) = self.result_of {
                o.maybe("tool_name", name);
                o.value("tool_call_id", call);
            }
        });
    }
}

/// Writes a call of the model's.
pub(super) fn write_call(call: &ToolCall<'_>, list: &mut ListWriter<'_>) {
    list.object(|o| {
        o.value("id", &call.id);
        o.object("function", |o| {
            o.value("name", &call.name);
            write_arguments(&call.arguments, o);
        });
    });
}

fn write_tool(tool: &Tool<'_>, list: &mut ListWriter<'_>) {
    list.object(|o| {
        o.value("type", "function");
        o.object("function", |o| {
            o.value("name", &tool.name);
            o.maybe("description", tool.description.as_deref());
            o.raw("parameters", tool.parameters());
        });
    });
}

fn write_format(format: &Format<'_>, o: &mut ObjectWriter<'_>) {
    match format {
        Format::Text => {}
        Format::JsonObject => o.value("format", "json"),
        Format::Schema { schema, .. } => o.raw("format", schema),
    }
}

/// Whether the model is not to think but would all the same: OpenAI's open models can be told how hard
/// to think, not whether.
fn always_thinks(request: &Request<'_>) -> bool {
    let is_off = |given: &Given<Thinking>| given.value == Thinking::Off;
    request.thinking.as_ref().is_some_and(is_off) && request.model.contains("gpt-oss")
}

fn write_thinking(thinking: Thinking, o: &mut ObjectWriter<'_>) {
    match thinking {
        Thinking::Off => o.value("think", false),
        Thinking::Adaptive | Thinking::Budget(_) => o.value("think", true),
        Thinking::Effort(Effort::Minimal | Effort::Low) => o.value("think", "low"),
        Thinking::Effort(Effort::Medium) => o.value("think", "medium"),
        Thinking::Effort(Effort::High) => o.value("think", "high"),
        Thinking::Effort(Effort::XHigh) => o.value("think", "max"),
    }
}

/// Bounds and sampling, if there are any.
fn write_options(request: &Request<'_>, o: &mut ObjectWriter<'_>) {
    fn value<T: Copy>(given: &Option<Given<T>>) -> Option<T> {
        given.as_ref().map(|given| given.value)
    }
    let options = object(|o| {
        o.maybe("num_predict", value(&request.max_output));
        o.maybe("temperature", value(&request.temperature));
        o.maybe("top_p", value(&request.top_p));
        o.maybe("top_k", value(&request.top_k));
        o.maybe("frequency_penalty", value(&request.frequency_penalty));
        o.maybe("presence_penalty", value(&request.presence_penalty));
        o.maybe("seed", value(&request.seed));
        o.maybe("stop", request.stop.as_ref().map(|given| &given.value));
    });
    if options != b"{}" {
        // What has just been written is text.
        o.raw("options", std::str::from_utf8(&options).unwrap_or("{}"));
    }
}

/// Notes the hints that have no counterpart.
fn hints(request: &Request<'_>, dropped: &mut Dropped) {
    dropped.hint(request.service_tier.as_ref());
    dropped.hint(request.metadata.as_ref());
    dropped.hint(request.user.as_ref());
    if let Some(thinking) = &request.thinking
        && (matches!(
            thinking.value,
            Thinking::Budget(_) | Thinking::Effort(Effort::Minimal)
        ) || always_thinks(request))
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
    for tool in &request.tools {
        if tool.strict == Some(true) {
            dropped.add("tools.strict");
        }
        if tool.cache.is_some() {
            dropped.add("cache_control");
        }
    }
    for (name, _) in &request.rest {
        dropped.add(&**name);
    }
}
