//! What each maker's models are told in their own way, beside what Converse has fields for.

use crate::anthropic::messages::{effort, thinking, tool_choice};
use crate::canonical::{Effort, Given, Request, Thinking};
use crate::wire::{Fault, Object, Value};

use super::{Rest, given, set_aside};

const NAME: &str = "additionalModelRequestFields";

/// What the model reads, and Converse has fields for: here it is in a form of which only the model's
/// maker knows what it is.
const OWN: [&str; 6] = [
    "messages",
    "system",
    "tools",
    "mcp_servers",
    "prompt",
    "response_format",
];

/// Reads the fields of `additionalModelRequestFields`; those that are not known are hints.
pub(super) fn additional<'a>(
    object: &mut Object<'a, '_>,
    request: &mut Request<'a>,
) -> Result<(), Fault> {
    object.take(NAME, |fields| {
        let mut fields = fields.object()?;
        if let Some(own) = OWN.into_iter().find(|own| fields.has(own)) {
            let message = "is in the form of one model: say it in the fields of Converse";
            return Err(fields.fault(own, message));
        }
        let o = &mut fields;
        let count = |v: Value<'a, '_>| v.count();
        request.top_k = given(o, "top_k", "additionalModelRequestFields.top_k", count)?;
        depth(o, request)?;
        sampling_of_nova(o, request)?;
        choice(o, request)?;
        set_aside(fields, NAME, &mut request.rest);
        Ok(())
    })?;
    Ok(())
}

/// Nova has a configuration of its own in here.
fn sampling_of_nova<'a>(
    fields: &mut Object<'a, '_>,
    request: &mut Request<'a>,
) -> Result<(), Fault> {
    fields.take("inferenceConfig", |config| {
        let mut config = config.object()?;
        let field = "additionalModelRequestFields.inferenceConfig.topK";
        let top_k = given(&mut config, "topK", field, |v| v.count())?;
        request.top_k = request.top_k.or(top_k);
        let name = "additionalModelRequestFields.inferenceConfig";
        set_aside(config, name, &mut request.rest);
        Ok(())
    })?;
    Ok(())
}

/// How Claude is told to make but one call at a time.
fn choice<'a>(fields: &mut Object<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let field = "additionalModelRequestFields.tool_choice";
    let said = given(fields, "tool_choice", field, tool_choice)?;
    let Some(Given { value, .. }) = said else {
        return Ok(());
    };
    let (value, parallel) = value;
    match &request.tool_choice {
        Some(other) if other.value != value => {
            return Err(Fault::new(field, "is another than that of `toolConfig`"));
        }
        _ => request.tool_choice = Some(Given { field, value }),
    }
    let field = "additionalModelRequestFields.tool_choice.disable_parallel_tool_use";
    request.parallel_tools = parallel.map(|value| Given { field, value });
    Ok(())
}

/// How much to think: each maker's models are told in another field.
fn depth<'a>(fields: &mut Object<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let Request { rest, thinking, .. } = request;
    let mut said: Vec<Given<Thinking>> = thinking.take().into_iter().collect();
    said.extend(claudes(fields, rest)?);
    let degree = |value: Value<'a, '_>| effort(value).map(Thinking::Effort);
    let field = "additionalModelRequestFields.reasoning_effort";
    said.extend(given(fields, "reasoning_effort", field, degree)?);
    let field = "additionalModelRequestFields.reasoningConfig";
    said.extend(given(fields, "reasoningConfig", field, |config| {
        novas(config, rest)
    })?);
    *thinking = deciding(&said);
    let Some(deciding) = thinking else {
        return Ok(());
    };
    // A degree says it too, where the model may think as it finds right.
    let lost =
        |said: &&Given<Thinking>| said.value != deciding.value && said.value != Thinking::Adaptive;
    let lost = said.iter().filter(lost);
    rest.extend(lost.map(|said| (said.field.into(), "")));
    Ok(())
}

/// Claude's ways.
fn claudes<'a>(
    fields: &mut Object<'a, '_>,
    rest: &mut Rest<'a>,
) -> Result<Vec<Given<Thinking>>, Fault> {
    let mut said = Vec::new();
    let field = "additionalModelRequestFields.thinking";
    said.extend(given(fields, "thinking", field, |v| thinking(v, rest))?);
    // What Amazon called it at first.
    let field = "additionalModelRequestFields.reasoning_config";
    said.extend(given(fields, "reasoning_config", field, |v| {
        thinking(v, rest)
    })?);
    fields.take("output_config", |config| {
        let mut config = config.object()?;
        if config.has("format") {
            let message = "is in the form of one model: say it in `outputConfig.textFormat`";
            return Err(config.fault("format", message));
        }
        let degree = |value: Value<'a, '_>| effort(value).map(Thinking::Effort);
        let field = "additionalModelRequestFields.output_config.effort";
        said.extend(given(&mut config, "effort", field, degree)?);
        set_aside(config, "additionalModelRequestFields.output_config", rest);
        Ok(())
    })?;
    Ok(said)
}

/// Nova's way.
fn novas<'a>(config: Value<'a, '_>, rest: &mut Rest<'a>) -> Result<Thinking, Fault> {
    let mut config = config.object()?;
    let kind = config.require_text("type")?;
    let degree = config.take("maxReasoningEffort", effort)?;
    let thinking = match &*kind {
        "enabled" => Thinking::Effort(degree.unwrap_or(Effort::Medium)),
        "disabled" => Thinking::Off,
        other => {
            let message = format!("must be `enabled` or `disabled`, not `{other}`");
            return Err(config.fault("type", message));
        }
    };
    set_aside(config, "additionalModelRequestFields.reasoningConfig", rest);
    Ok(thinking)
}

/// The first of those that say most: a bound says more than a degree, and that more than that the model
/// is to think as it finds right.
fn deciding(said: &[Given<Thinking>]) -> Option<Given<Thinking>> {
    let vagueness = |said: &&Given<Thinking>| match said.value {
        Thinking::Budget(_) | Thinking::Off => 0,
        Thinking::Effort(_) => 1,
        Thinking::Adaptive => 2,
    };
    said.iter().min_by_key(vagueness).copied()
}
