//! Reading a request.

use std::borrow::Cow;

use super::turns::add;
use super::{Proof, Proto, is_uploaded, items, kind_of, media_type_of, schema::json_schema};
use crate::base64;
use crate::canonical::{
    Content, Effort, Format, Given, Media, MediaKind, Message, Part, Reasoning, Request, Role,
    Source, Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::wire::{Fault, Object, Value};

const NO_COUNTERPART: &str = "has no counterpart in the API of the model that was asked for";

/// Reads the request to have `model` go on, whose body is `body`.
pub(crate) fn decode_request<'a>(
    body: &'a [u8],
    model: Cow<'a, str>,
    stream: bool,
) -> Result<Request<'a>, Fault> {
    let mut fields = Proto::read(Value::document(body)?)?;
    let mut request = Request {
        model,
        stream,
        stream_usage: stream,
        ..Request::default()
    };
    refuse(&mut fields)?;
    safety(&mut fields, &mut request)?;
    let messages = &mut request.messages;
    messages.extend(fields.take("systemInstruction", system)?);
    let mut calls = Calls::default();
    fields.require("contents", |contents| {
        items(contents, |content| {
            let message = message(content, &mut calls)?;
            add(message, messages);
            Ok(())
        })
    })?;
    fields.take("tools", |list| {
        items(list, |tool| declarations(tool, &mut request))
    })?;
    let choice = fields.take("toolConfig", tool_choice)?.flatten();
    request.tool_choice = Given::maybe("toolConfig.functionCallingConfig", choice);
    fields.take("generationConfig", |config| {
        generation(config, &mut request)
    })?;
    let labels = fields.take("labels", |value| value.opaque_object())?;
    request.metadata = Given::maybe("labels", labels);
    // It stands in the path.
    fields.ignore(&["model"]);
    request.rest.extend(fields.0.rest());
    Ok(request)
}

/// Reads the body of a question for the tokens of a conversation, or of a whole request that is wrapped
/// into it.
pub(crate) fn decode_counted<'a>(
    body: &'a [u8],
    model: Cow<'a, str>,
) -> Result<Request<'a>, Fault> {
    let mut fields = Proto::read(Value::document(body)?)?;
    let wrapped = fields.take("generateContentRequest", |request| Ok(request.raw()))?;
    decode_request(wrapped.map_or(body, str::as_bytes), model, false)
}

/// Refuses what only the provider itself can do.
fn refuse(fields: &mut Proto<'_, '_>) -> Result<(), Fault> {
    match fields.text("cachedContent")? {
        Some(name) if !name.is_empty() => Err(Fault::new("cachedContent", NO_COUNTERPART)),
        _ => Ok(()),
    }
}

/// Reads how much is to be filtered out. That nothing is comes of itself from models without such
/// filters; that something is cannot be had of them.
fn safety<'a>(fields: &mut Proto<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let Some(name) = fields.spelt("safetySettings") else {
        return Ok(());
    };
    let settings = fields.take("safetySettings", |settings| {
        let mut some = false;
        items(settings, |setting| {
            some = true;
            let mut setting = Proto::read(setting)?;
            setting.ignore(&["category", "method"]);
            match setting.text("threshold")?.as_deref() {
                Some("OFF" | "BLOCK_NONE") => setting.finish(),
                _ => Err(setting.fault("threshold", NO_COUNTERPART)),
            }
        })?;
        Ok(some.then(|| settings.raw()))
    })?;
    let hint = settings.flatten().map(|raw| (name, raw));
    request.rest.extend(hint);
    Ok(())
}

fn system<'a>(value: Value<'a, '_>) -> Result<Message<'a>, Fault> {
    let mut content = Proto::read(value)?;
    content.ignore(&["role"]);
    let mut parts = Vec::new();
    content.take("parts", |list| {
        items(list, |part| {
            let mut part = Proto::read(part)?;
            parts.push(Part::text(part.require_text("text")?));
            part.finish()
        })
    })?;
    content.finish()?;
    Ok(Message {
        role: Role::System,
        name: None,
        parts,
    })
}

/// The calls so far, to find those that responses without an id belong to.
#[derive(Debug, Default)]
struct Calls<'a>(Vec<Call<'a>>);

#[derive(Debug)]
struct Call<'a> {
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    answered: bool,
}

impl<'a> Calls<'a> {
    fn add(&mut self, id: Option<Cow<'a, str>>, name: &Cow<'a, str>) -> Cow<'a, str> {
        let id = id.unwrap_or_else(|| Cow::Owned(format!("call_{}", self.0.len())));
        self.0.push(Call {
            id: id.clone(),
            name: name.clone(),
            answered: false,
        });
        id
    }

    /// The id of the call that a response answers, which may tell it.
    fn answer(&mut self, id: Option<Cow<'a, str>>, name: &str) -> Option<Cow<'a, str>> {
        let call = self.0.iter_mut().find(|call| match &id {
            Some(id) => call.id == *id,
            None => !call.answered && call.name == name,
        });
        match call {
            Some(call) => {
                call.answered = true;
                Some(call.id.clone())
            }
            None => id,
        }
    }
}

fn message<'a>(value: Value<'a, '_>, calls: &mut Calls<'a>) -> Result<Message<'a>, Fault> {
    let mut content = Proto::read(value)?;
    let role = match content.text("role")?.as_deref() {
        None | Some("" | "user" | "function") => Role::User,
        Some("model") => Role::Assistant,
        Some(other) => return Err(content.fault("role", format!("`{other}` is unknown"))),
    };
    let mut parts = Vec::new();
    content.take("parts", |list| {
        items(list, |value| part(value, calls, &mut parts))
    })?;
    content.finish()?;
    Ok(Message {
        role,
        name: None,
        parts,
    })
}

fn part<'a>(
    value: Value<'a, '_>,
    calls: &mut Calls<'a>,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), Fault> {
    let mut fields = Proto::read(value)?;
    let thought = fields
        .take("thought", |value| value.boolean())?
        .unwrap_or(false);
    let mut proof = proof(&mut fields)?;
    let content = if fields.has("functionCall") {
        let call = fields.require("functionCall", |value| call(value, calls))?;
        Some(Content::ToolCall(ToolCall {
            signature: take_signature(&mut proof),
            ..call
        }))
    } else if fields.has("functionResponse") {
        let result = fields.require("functionResponse", |value| result(value, calls))?;
        Some(Content::ToolResult(result))
    } else if fields.has("inlineData") || fields.has("fileData") {
        Some(Content::Media(media(&mut fields)?))
    } else {
        let text = fields.text("text")?;
        if text.is_none() && proof.is_none() && !thought {
            fields.finish()?;
            return Err(value.fault("has nothing in it"));
        }
        let text = text.filter(|text| !text.is_empty());
        text.map(|text| said(text, thought))
    };
    // Says nothing to a model.
    fields.ignore(&["partMetadata"]);
    fields.finish()?;
    let may_join = content.is_none() || thought;
    parts.extend(content.map(Part::new));
    if let Some(proof) = proof {
        prove(proof, may_join, parts);
    }
    Ok(())
}

/// A text, which may be a thought.
fn said(text: Cow<'_, str>, thought: bool) -> Content<'_> {
    if !thought {
        return Content::Text(text);
    }
    Content::Reasoning(Reasoning {
        text: Some(text),
        ..Reasoning::default()
    })
}

/// Takes the proof of a part. An empty one is none.
pub(super) fn proof<'a>(fields: &mut Proto<'a, '_>) -> Result<Option<Proof<'a>>, Fault> {
    let signature = fields.text("thoughtSignature")?;
    Ok(signature.filter(|text| !text.is_empty()).map(Proof::read))
}

/// Takes the proof if it is one that a call can have.
pub(super) fn take_signature<'a>(proof: &mut Option<Proof<'a>>) -> Option<Cow<'a, str>> {
    match proof.take() {
        Some(Proof::Signature(signature)) => Some(signature),
        other => {
            *proof = other;
            None
        }
    }
}

/// Adds a proof: to the thoughts just before it if it may belong to them and they have none.
pub(super) fn prove<'a>(proof: Proof<'a>, may_join: bool, parts: &mut Vec<Part<'a>>) {
    let last = parts.last_mut().map(|part| &mut part.content);
    match (proof, last) {
        (
            Proof::Signature(signature),
            Some(Content::Reasoning(Reasoning {
                text: Some(_),
                signature: none @ None,
                ..
            })),
        ) if may_join => *none = Some(signature),
        (proof, _) => parts.push(Part::new(Content::Reasoning(proof.into_reasoning()))),
    }
}

fn call<'a>(value: Value<'a, '_>, calls: &mut Calls<'a>) -> Result<ToolCall<'a>, Fault> {
    let mut fields = Proto::read(value)?;
    let name = fields.require_text("name")?;
    let id = fields.text("id")?.filter(|id| !id.is_empty());
    let arguments = fields.take("args", |value| value.opaque_object())?;
    fields.finish()?;
    Ok(ToolCall {
        id: calls.add(id, &name),
        name,
        arguments: arguments.unwrap_or(Cow::Borrowed("{}")),
        signature: None,
    })
}

fn result<'a>(value: Value<'a, '_>, calls: &mut Calls<'a>) -> Result<ToolResult<'a>, Fault> {
    let mut fields = Proto::read(value)?;
    let name = fields.require_text("name")?;
    let id = fields.text("id")?.filter(|id| !id.is_empty());
    let call = calls.answer(id, &name).ok_or_else(|| {
        let why = format!("answers no call of `{name}` before it that has no response yet");
        fields.fault("name", why)
    })?;
    let (text, is_error) = fields.require("response", |value| response(value, &name))?;
    let mut parts = vec![Part::text(text)];
    fields.take("parts", |list| {
        items(list, |value| {
            let mut fields = Proto::read(value)?;
            parts.push(Part::new(Content::Media(media(&mut fields)?)));
            fields.finish()
        })
    })?;
    fields.finish()?;
    Ok(ToolResult {
        call,
        parts,
        is_error,
    })
}

/// The text of a response of this function, and whether it is an error. What says no more than that
/// it is a response of this function is left out.
fn response<'a>(value: Value<'a, '_>, function: &str) -> Result<(Cow<'a, str>, bool), Fault> {
    let mut fields = value.object()?;
    let key = response_key(&mut fields, function)?;
    let is_error = key == Some("error");
    let text = match key {
        Some(key) => fields.take(key, |value| {
            if value.is_text() {
                return value.text().map(Some);
            }
            let alone = matches!(key, "error" | "content");
            Ok(alone.then(|| Cow::Borrowed(value.raw())))
        })?,
        None => None,
    };
    let text = text.flatten();
    Ok((text.unwrap_or(Cow::Borrowed(value.raw())), is_error))
}

/// The key under which a response has all that it says: its only one, or `content` where nothing but
/// the function's name stands beside it, as clients write it that follow Google's first examples.
fn response_key(
    fields: &mut Object<'_, '_>,
    function: &str,
) -> Result<Option<&'static str>, Fault> {
    let mut names: Vec<_> = fields.names().take(3).map(|name| &**name).collect();
    names.sort_unstable();
    let key = match names[..] {
        ["result"] => "result",
        ["output"] => "output",
        ["error"] => "error",
        ["content", "name"] => "content",
        _ => return Ok(None),
    };
    let named = fields.take("name", |value| {
        Ok(value.is_text() && value.text()? == function)
    })?;
    Ok(named.unwrap_or(true).then_some(key))
}

/// Takes the medium of a part that has one.
fn media<'a>(fields: &mut Proto<'a, '_>) -> Result<Media<'a>, Fault> {
    match fields.has("fileData") {
        true => fields.require("fileData", file),
        false => fields.require("inlineData", inline),
    }
}

/// A medium in the request.
fn inline<'a>(value: Value<'a, '_>) -> Result<Media<'a>, Fault> {
    let mut blob = Proto::read(value)?;
    let media_type = blob.require_text("mimeType")?;
    let data = base64::standard(blob.require_text("data")?);
    let name = blob.text("displayName")?;
    blob.finish()?;
    let kind = kind_of(&media_type);
    // Plain text is as such what more APIs take.
    let text = (media_type == "text/plain").then(|| base64::text(&data));
    let source = match text.flatten() {
        Some(text) => Source::Text(Cow::Owned(text)),
        None => Source::Base64 { media_type, data },
    };
    Ok(Media {
        kind,
        source,
        name,
        detail: None,
        cited: false,
    })
}

/// A medium elsewhere.
fn file<'a>(value: Value<'a, '_>) -> Result<Media<'a>, Fault> {
    let mut file = Proto::read(value)?;
    let uri = file.require_text("fileUri")?;
    let media_type = file.text("mimeType")?;
    let name = file.text("displayName")?;
    let kind = match media_type.as_deref().or_else(|| media_type_of(&uri)) {
        Some(media_type) => kind_of(media_type),
        None if super::is_known_video(&uri) => MediaKind::Video,
        None => return Err(file.fault("mimeType", "is missing")),
    };
    file.finish()?;
    let source = if is_uploaded(&uri) {
        Source::File(uri)
    } else {
        Source::Url(uri)
    };
    Ok(Media {
        kind,
        source,
        name,
        detail: None,
        cited: false,
    })
}

fn declarations<'a>(value: Value<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let mut fields = Proto::read(value)?;
    fields.take("functionDeclarations", |list| {
        items(list, |value| {
            let mut function = Proto::read(value)?;
            request.tools.push(Tool {
                name: function.require_text("name")?,
                description: function.text("description")?,
                schema: schema(&mut function, "parametersJsonSchema", "parameters")?,
                strict: None,
                cache: None,
            });
            // What a function gives is seen when it has been called.
            let told = ["response", "responseJsonSchema", "behavior"];
            set_aside(&mut function, "functionDeclarations", &told, request)?;
            function.finish()
        })
    })?;
    fields.finish()
}

/// Sets hints aside, each as a field of `of`.
fn set_aside<'a>(
    fields: &mut Proto<'a, '_>,
    of: &str,
    names: &[&str],
    request: &mut Request<'a>,
) -> Result<(), Fault> {
    for name in names {
        if let Some(raw) = fields.take(name, |value| Ok(value.raw()))? {
            request.rest.push((Cow::Owned(format!("{of}.{name}")), raw));
        }
    }
    Ok(())
}

/// Takes a schema in either of its forms.
fn schema<'a>(
    fields: &mut Proto<'a, '_>,
    json_schema_field: &str,
    subset_field: &str,
) -> Result<Option<Cow<'a, str>>, Fault> {
    if let Some(schema) = fields.take(json_schema_field, |value| value.opaque_object())? {
        return Ok(Some(schema));
    }
    fields.take(subset_field, |value| json_schema(value).map(Cow::Owned))
}

fn tool_choice<'a>(value: Value<'a, '_>) -> Result<Option<ToolChoice<'a>>, Fault> {
    let mut fields = Proto::read(value)?;
    let choice = fields.take("functionCallingConfig", |value| {
        let mut config = Proto::read(value)?;
        let mode = config.text("mode")?.unwrap_or_default();
        let mut names = config
            .take("allowedFunctionNames", |list| {
                list.list(|value| value.text())
            })?
            .unwrap_or_default();
        let only_named = |why: &str| Err(value.fault(format!("`allowedFunctionNames` {why}")));
        let choice = match (&*mode.to_ascii_uppercase(), names.len()) {
            ("" | "MODE_UNSPECIFIED", 0) => None,
            ("AUTO" | "VALIDATED", 0) => Some(ToolChoice::Auto),
            ("NONE", _) => Some(ToolChoice::None),
            ("ANY", 0) => Some(ToolChoice::Required),
            ("ANY", 1) => names.pop().map(ToolChoice::Named),
            ("ANY", _) => return only_named("can have but one name for the model asked for"),
            ("" | "MODE_UNSPECIFIED" | "AUTO" | "VALIDATED", _) => {
                return only_named("needs the mode `ANY` for the model asked for");
            }
            _ => return Err(config.0.fault("mode", format!("`{mode}` is unknown"))),
        };
        config.finish()?;
        Ok(choice)
    })?;
    fields.finish()?;
    Ok(choice.flatten())
}

fn generation<'a>(value: Value<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let mut config = Proto::read(value)?;
    sampling(&mut config, request)?;
    request.format = Given::maybe("generationConfig.responseMimeType", format(&mut config)?);
    let thinking = config.take("thinkingConfig", thinking)?.flatten();
    request.thinking = Given::maybe("generationConfig.thinkingConfig", thinking);
    config.take("responseModalities", |list| {
        list.each(|value| match &*value.text()?.to_ascii_uppercase() {
            "TEXT" | "MODALITY_UNSPECIFIED" => Ok(()),
            other => Err(value.fault(format!("`{other}` cannot be had of the model asked for"))),
        })
    })?;
    // How closely to look and how to listen, among what an answer can do without.
    let hints = [
        "mediaResolution",
        "audioTimestamp",
        "enableEnhancedCivicAnswers",
        // It is still there if JSON Schema says the same, and better.
        "responseSchema",
    ];
    set_aside(&mut config, "generationConfig", &hints, request)?;
    config.finish()
}

fn sampling<'a>(config: &mut Proto<'a, '_>, request: &mut Request<'a>) -> Result<(), Fault> {
    let max_output = config.take("maxOutputTokens", |value| value.count())?;
    request.max_output = Given::maybe("generationConfig.maxOutputTokens", max_output);
    let temperature = config.take("temperature", |value| value.number())?;
    request.temperature = Given::maybe("generationConfig.temperature", temperature);
    let top_p = config.take("topP", |value| value.number())?;
    request.top_p = Given::maybe("generationConfig.topP", top_p);
    let top_k = config.take("topK", |value| value.count())?;
    request.top_k = Given::maybe("generationConfig.topK", top_k);
    let stop = config.take("stopSequences", |list| list.list(|value| value.text()))?;
    let stop = stop.filter(|texts| !texts.is_empty());
    request.stop = Given::maybe("generationConfig.stopSequences", stop);
    let choices = config.take("candidateCount", |value| value.count())?;
    request.choices = Given::maybe("generationConfig.candidateCount", choices);
    let seed = config.take("seed", |value| value.integer())?;
    request.seed = Given::maybe("generationConfig.seed", seed);
    let presence = config.take("presencePenalty", |value| value.number())?;
    request.presence_penalty = Given::maybe("generationConfig.presencePenalty", presence);
    let frequency = config.take("frequencyPenalty", |value| value.number())?;
    request.frequency_penalty = Given::maybe("generationConfig.frequencyPenalty", frequency);
    let wanted = config.take("responseLogprobs", |value| value.boolean())? == Some(true);
    let alternatives = config.take("logprobs", |value| value.count())?;
    let log_probabilities = wanted.then_some(alternatives.unwrap_or(0));
    request.log_probabilities =
        Given::maybe("generationConfig.responseLogprobs", log_probabilities);
    Ok(())
}

fn format<'a>(config: &mut Proto<'a, '_>) -> Result<Option<Format<'a>>, Fault> {
    let schema = schema(config, "responseJsonSchema", "responseSchema")?;
    let is_json = config.take("responseMimeType", |value| match &*value.text()? {
        "" => Ok(None),
        "text/plain" => Ok(Some(false)),
        "application/json" => Ok(Some(true)),
        other => Err(value.fault(format!("`{other}` cannot be had of the model asked for"))),
    })?;
    Ok(match (schema, is_json.flatten()) {
        (Some(schema), _) => Some(Format::Schema {
            name: None,
            description: None,
            schema,
            strict: None,
        }),
        (None, Some(true)) => Some(Format::JsonObject),
        (None, Some(false)) => Some(Format::Text),
        (None, None) => None,
    })
}

fn thinking(value: Value<'_, '_>) -> Result<Option<Thinking>, Fault> {
    let mut config = Proto::read(value)?;
    let level = config.take("thinkingLevel", |value| {
        let level = value.text()?.to_ascii_uppercase();
        Ok(Some(match &*level {
            "" | "THINKING_LEVEL_UNSPECIFIED" => return Ok(None),
            "MINIMAL" => Effort::Minimal,
            "LOW" => Effort::Low,
            "MEDIUM" => Effort::Medium,
            "HIGH" => Effort::High,
            _ => return Err(value.fault(format!("`{level}` is unknown"))),
        }))
    })?;
    let budget = config.take("thinkingBudget", |value| {
        Ok(match value.integer()? {
            0 => Thinking::Off,
            -1 => Thinking::Adaptive,
            tokens => match u64::try_from(tokens) {
                Ok(tokens) => Thinking::Budget(tokens),
                Err(_) => return Err(value.fault("must be -1 or more")),
            },
        })
    })?;
    // Thoughts are shown by all other dialects that have them, if the model thinks.
    let shown = config.take("includeThoughts", |value| value.boolean())? == Some(true);
    config.finish()?;
    match (level.flatten(), budget) {
        (Some(_), Some(_)) => Err(value.fault("has both `thinkingLevel` and `thinkingBudget`")),
        (Some(effort), None) => Ok(Some(Thinking::Effort(effort))),
        (None, Some(budget)) => Ok(Some(budget)),
        (None, None) => Ok(shown.then_some(Thinking::Adaptive)),
    }
}
