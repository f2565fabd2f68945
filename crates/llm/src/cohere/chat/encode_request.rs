//! Writing a request.

use super::encode_response::{write_call, write_text, write_thinking};
use crate::canonical::refusals::{cannot, signed, uncache, uncite};
use crate::canonical::{
    Content, Dropped, Effort, Format, Given, Media, MediaKind, Message, Reasoning, Request, Role,
    Source, Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::wire::{Fault, ListWriter, ObjectWriter, object};

/// Stands between two texts that are one here.
const BETWEEN: &str = "\n\n";

/// Writes a request.
///
/// # Errors
/// The first field that this API cannot express.
pub(crate) fn encode_request(
    request: &Request<'_>,
    dropped: &mut Dropped,
) -> Result<Vec<u8>, Fault> {
    refuse(request)?;
    uncite(&request.messages, dropped)?;
    let turns = turns(request, dropped)?;
    hints(request, dropped);
    Ok(object(|o| {
        o.value("model", &request.model);
        o.list("messages", |list| {
            turns.iter().for_each(|turn| turn.write(list));
        });
        write_tools(request, o);
        if let Some(format) = &request.format {
            write_format(&format.value, o);
        }
        if let Some(thinking) = &request.thinking {
            o.object("thinking", |o| write_thought(thinking.value, o));
        }
        write_sampling(request, o);
        o.value("stream", request.stream);
    }))
}

fn refuse(request: &Request<'_>) -> Result<(), Fault> {
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
            ToolChoice::Named(name) if !is_the_only(name, &request.tools) => Err(choice.refuse(
                "names one of several tools, which the API of the model that was asked for cannot \
                 be told: send that tool alone",
            )),
            ToolChoice::Required if request.tools.is_empty() => {
                Err(choice.refuse("demands a call, and there is no tool to call"))
            }
            _ => Ok(()),
        },
        None => Ok(()),
    }
}

/// Whether a tool can be demanded by demanding any.
fn is_the_only(name: &str, tools: &[Tool<'_>]) -> bool {
    matches!(tools, [tool] if tool.name == name)
}

/// A message as it is written: content, what was planned, calls, or the result of one.
#[derive(Debug, Default)]
struct Turn<'r> {
    role: &'static str,
    content: Vec<Block<'r>>,
    calls: Vec<&'r ToolCall<'r>>,
    /// The id of the call that it is the result of.
    result_of: Option<&'r str>,
}

#[derive(Debug)]
enum Block<'r> {
    Text(&'r str),
    Thinking(&'r str),
    Image(&'r Media<'r>),
}

fn turns<'r>(request: &'r Request<'_>, dropped: &mut Dropped) -> Result<Vec<Turn<'r>>, Fault> {
    let mut turns = Vec::with_capacity(request.messages.len());
    for message in &request.messages {
        if message.name.is_some() {
            dropped.add("messages.name");
        }
        match message.role {
            Role::System | Role::Developer => turns.push(said("system", message, dropped)?),
            Role::User => user(message, &mut turns, dropped)?,
            Role::Assistant => turns.push(said("assistant", message, dropped)?),
        }
    }
    Ok(turns)
}

/// Results are messages of their own, directly behind the calls; what else the user says follows.
fn user<'r>(
    message: &'r Message<'_>,
    turns: &mut Vec<Turn<'r>>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    let mut rest = Turn::of("user");
    let mut has_rest = message.parts.is_empty();
    for part in &message.parts {
        uncache(part, dropped);
        if let Content::ToolResult(result) = &part.content {
            turns.push(tool_result(result, dropped)?);
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

fn tool_result<'r>(result: &'r ToolResult<'_>, dropped: &mut Dropped) -> Result<Turn<'r>, Fault> {
    if result.is_error {
        // The text says so too; this API has no other place for it.
        dropped.add("is_error");
    }
    let mut turn = Turn::of("tool");
    turn.result_of = Some(&result.call);
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
            Content::Text(text) | Content::Refusal(text) => self.content.push(Block::Text(text)),
            Content::Media(media) => return self.show(media, dropped),
            Content::Reasoning(reasoning) => return self.think(reasoning),
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

    fn show(&mut self, media: &'r Media<'_>, dropped: &mut Dropped) -> Result<(), Fault> {
        match (media.kind, &media.source) {
            (_, Source::Text(text)) => {
                if media.name.is_some() {
                    dropped.add("title");
                }
                self.content.push(Block::Text(text));
                Ok(())
            }
            (MediaKind::Image, Source::Base64 { .. } | Source::Url(_)) if self.role == "user" => {
                self.content.push(Block::Image(media));
                Ok(())
            }
            (MediaKind::Image, Source::Base64 { .. } | Source::Url(_)) => {
                Err(cannot(media, "but from the user"))
            }
            _ => Err(cannot(media, "at all")),
        }
    }

    /// Thoughts that are signed are another provider's, and depend on that.
    fn think(&mut self, reasoning: &'r Reasoning<'_>) -> Result<(), Fault> {
        if reasoning.proof().is_some() || reasoning.redacted.is_some() {
            return Err(signed("reasoning"));
        }
        let text = reasoning.text.as_deref();
        self.content.extend(text.map(Block::Thinking));
        Ok(())
    }

    fn write(&self, list: &mut ListWriter<'_>) {
        list.object(|o| {
            o.value("role", self.role);
            if self.calls.is_empty() {
                o.maybe("tool_call_id", self.result_of);
                return self.write_content(&self.content, o);
            }
            self.write_calls(o);
        });
    }

    /// What a model says before it calls tools is its plan.
    fn write_calls(&self, o: &mut ObjectWriter<'_>) {
        let (texts, thoughts): (Vec<_>, Vec<_>) = self
            .content
            .iter()
            .partition(|block| matches!(block, Block::Text(_)));
        if !thoughts.is_empty() {
            o.list("content", |list| {
                thoughts.iter().for_each(|block| block.write(list));
            });
        }
        let texts: Vec<&str> = texts.into_iter().filter_map(Block::text).collect();
        if !texts.is_empty() {
            o.value("tool_plan", texts.join(BETWEEN));
        }
        o.list("tool_calls", |list| {
            let calls = self.calls.iter();
            calls.for_each(|call| list.object(|o| write_call(call, o)));
        });
    }

    fn write_content(&self, blocks: &[Block<'_>], o: &mut ObjectWriter<'_>) {
        match blocks {
            [] => o.value("content", ""),
            [Block::Text(text)] => o.value("content", text),
            blocks => o.list("content", |list| {
                blocks.iter().for_each(|block| block.write(list));
            }),
        }
    }
}

impl<'r> Block<'r> {
    const fn text(&self) -> Option<&'r str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn write(&self, list: &mut ListWriter<'_>) {
        match self {
            Self::Text(text) => write_text(text, list),
            Self::Thinking(text) => write_thinking(text, list),
            Self::Image(media) => list.object(|o| {
                o.value("type", "image_url");
                o.object("image_url", |o| {
                    o.value("url", media.source.url());
                    o.maybe("detail", media.detail.as_deref());
                });
            }),
        }
    }
}

fn write_tools(request: &Request<'_>, o: &mut ObjectWriter<'_>) {
    if request.tools.is_empty() {
        return;
    }
    o.list("tools", |list| {
        request.tools.iter().for_each(|tool| write_tool(tool, list));
    });
    if all_strict(&request.tools) {
        o.value("strict_tools", true);
    }
    match request.tool_choice.as_ref().map(|choice| &choice.value) {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => o.value("tool_choice", "NONE"),
        Some(ToolChoice::Required | ToolChoice::Named(_)) => o.value("tool_choice", "REQUIRED"),
    }
}

fn all_strict(tools: &[Tool<'_>]) -> bool {
    tools.iter().all(|tool| tool.strict == Some(true))
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
    let kind = match format {
        Format::Text => "text",
        Format::JsonObject | Format::Schema { .. } => "json_object",
    };
    o.object("response_format", |o| {
        o.value("type", kind);
        if let Format::Schema { schema, .. } = format {
            o.raw("json_schema", schema);
        }
    });
}

/// How much to think is said in tokens alone; an effort is what its name says of Cohere's own bound.
fn write_thought(thinking: Thinking, o: &mut ObjectWriter<'_>) {
    let kind = match thinking {
        Thinking::Off => "disabled",
        Thinking::Adaptive | Thinking::Effort(_) | Thinking::Budget(_) => "enabled",
    };
    o.value("type", kind);
    o.maybe("token_budget", budget(thinking));
}

/// Tokens to think for. High efforts have no bound, as thinking has none unless it is told.
const fn budget(thinking: Thinking) -> Option<u64> {
    match thinking {
        Thinking::Budget(budget) => Some(budget),
        Thinking::Effort(Effort::Minimal) => Some(1024),
        Thinking::Effort(Effort::Low) => Some(4096),
        Thinking::Effort(Effort::Medium) => Some(16384),
        Thinking::Effort(Effort::High | Effort::XHigh) | Thinking::Adaptive | Thinking::Off => None,
    }
}

fn write_sampling(request: &Request<'_>, o: &mut ObjectWriter<'_>) {
    fn value<T: Copy>(given: &Option<Given<T>>) -> Option<T> {
        given.as_ref().map(|given| given.value)
    }
    o.maybe("max_tokens", value(&request.max_output));
    o.maybe("temperature", value(&request.temperature));
    o.maybe("p", value(&request.top_p));
    o.maybe("k", value(&request.top_k));
    o.maybe("frequency_penalty", value(&request.frequency_penalty));
    o.maybe("presence_penalty", value(&request.presence_penalty));
    o.maybe("seed", value(&request.seed));
    o.maybe(
        "stop_sequences",
        request.stop.as_ref().map(|given| &given.value),
    );
    if request.log_probabilities.is_some() {
        o.value("logprobs", true);
    }
}

/// Notes the hints that have no counterpart.
fn hints(request: &Request<'_>, dropped: &mut Dropped) {
    dropped.hint(request.service_tier.as_ref());
    dropped.hint(request.metadata.as_ref());
    dropped.hint(request.user.as_ref());
    if request
        .log_probabilities
        .is_some_and(|wanted| wanted.value > 0)
    {
        dropped.add("top_logprobs");
    }
    if let Some(format) = &request.format
        && let Format::Schema {
            description: Some(_),
            ..
        } = &format.value
    {
        dropped.add(format!("{}.description", format.field));
    }
    let is_strict = |tool: &Tool<'_>| tool.strict == Some(true);
    if request.tools.iter().any(is_strict) && !all_strict(&request.tools) {
        dropped.add("tools.strict");
    }
    if request.tools.iter().any(|tool| tool.cache.is_some()) {
        dropped.add("cache_control");
    }
    for (name, _) in &request.rest {
        dropped.add(&**name);
    }
}
