//! Reading an answer.

use std::borrow::Cow;

use super::decode_request::{proof, prove, take_signature};
use super::grounding::{self, Grounds};
use super::{Proof, Proto, kind_of, token};
use crate::canonical::{
    Choice, Content, Finish, Media, Part, Reasoning, Response, Source, Token, ToolCall,
    attach_citations,
};
use crate::response::Usage;
use crate::wire::{Fault, Value};

/// Reads the body of an answer.
pub(crate) fn decode_response(body: &[u8]) -> Result<Response<'_>, Fault> {
    let mut fields = Proto::read(Value::answer(body)?)?;
    let id = fields.text("responseId")?.unwrap_or_default();
    let mut choices: Vec<(u32, Choice<'_>)> = Vec::new();
    let mut calls = 0;
    let candidates = fields.take("candidates", |list| {
        list.each(|value| {
            let candidate = Candidate::read(value)?;
            choices.push((candidate.index, choice(candidate, &id, &mut calls)));
            Ok(())
        })
    })?;
    if choices.is_empty() {
        let blocked = fields.take("promptFeedback", block_reason)?.flatten();
        match (blocked, candidates) {
            (Some(finish), _) => choices.push((0, blocked_choice(finish))),
            (None, None) => return Err(fields.fault("candidates", "is missing")),
            (None, Some(())) => {}
        }
    }
    choices.sort_by_key(|(index, _)| *index);
    Ok(Response {
        model: fields.text("modelVersion")?.unwrap_or_default(),
        usage: fields.take("usageMetadata", usage)?,
        choices: choices.into_iter().map(|(_, choice)| choice).collect(),
        id,
        created: None,
        service_tier: None,
    })
}

fn blocked_choice(finish: Finish<'_>) -> Choice<'_> {
    Choice {
        finish: Some(finish),
        ..Choice::default()
    }
}

fn choice<'a>(candidate: Candidate<'a>, answer: &str, calls: &mut usize) -> Choice<'a> {
    let mut parts = Vec::new();
    let mut has_calls = false;
    let tokens = candidate.tokens;
    let citations = grounding::citations(candidate.grounds, &candidate.said);
    for said in candidate.said {
        has_calls |= matches!(said, Said::Call { .. });
        add(said, answer, calls, &mut parts);
    }
    attach_citations(&mut parts, citations);
    let finish = candidate.finish.map(|finish| calls_for(finish, has_calls));
    Choice {
        parts,
        finish,
        tokens,
    }
}

/// Models that want tools called only say that they are done.
pub(super) fn calls_for(finish: Finish<'_>, has_calls: bool) -> Finish<'_> {
    match finish {
        Finish::Stop if has_calls => Finish::ToolCalls,
        other => other,
    }
}

fn add<'a>(said: Said<'a>, answer: &str, calls: &mut usize, parts: &mut Vec<Part<'a>>) {
    match said {
        Said::Text {
            text,
            thought,
            proof,
        } => {
            let may_join = thought || text.is_empty();
            if !text.is_empty() {
                parts.push(Part::new(if thought {
                    Content::Reasoning(Reasoning {
                        text: Some(text),
                        ..Reasoning::default()
                    })
                } else {
                    Content::Text(text)
                }));
            }
            if let Some(proof) = proof {
                prove(proof, may_join, parts);
            }
        }
        Said::Call {
            id,
            name,
            arguments,
            mut proof,
        } => {
            let signature = take_signature(&mut proof);
            parts.push(Part::new(Content::ToolCall(ToolCall {
                id: call_id(id, answer, calls),
                name,
                arguments,
                signature,
            })));
        }
        Said::Media(media) => parts.push(Part::new(Content::Media(media))),
        Said::Nothing => {}
    }
}

/// The id of a call, made up if it has none.
pub(super) fn call_id<'a>(
    id: Option<Cow<'a, str>>,
    answer: &str,
    calls: &mut usize,
) -> Cow<'a, str> {
    let number = *calls;
    *calls += 1;
    id.unwrap_or_else(|| {
        let between = if answer.is_empty() { "" } else { "_" };
        Cow::Owned(format!("call_{answer}{between}{number}"))
    })
}

/// One of the answers, or the next bit of it.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) index: u32,
    pub(super) said: Vec<Said<'a>>,
    pub(super) finish: Option<Finish<'a>>,
    pub(super) tokens: Vec<Token<'a>>,
    pub(super) grounds: Vec<Grounds<'a>>,
}

/// A part of an answer.
#[derive(Debug)]
pub(super) enum Said<'a> {
    Text {
        text: Cow<'a, str>,
        thought: bool,
        proof: Option<Proof<'a>>,
    },
    Call {
        id: Option<Cow<'a, str>>,
        name: Cow<'a, str>,
        arguments: Cow<'a, str>,
        proof: Option<Proof<'a>>,
    },
    Media(Media<'a>),
    /// Something that no other dialect has.
    Nothing,
}

impl<'a> Candidate<'a> {
    pub(super) fn read(value: Value<'a, '_>) -> Result<Self, Fault> {
        let mut fields = Proto::read(value)?;
        let index = fields.take("index", |value| value.count())?.unwrap_or(0);
        let said = fields.take("content", |content| {
            let mut content = Proto::read(content)?;
            content.take("parts", |parts| parts.list(Said::read))
        })?;
        let finish = fields.text("finishReason")?;
        // Worth no failure.
        let tokens = fields.take("logprobsResult", token::read).ok().flatten();
        Ok(Self {
            tokens: tokens.unwrap_or_default(),
            grounds: grounding::read(&mut fields),
            index: u32::try_from(index).map_err(|_| fields.fault("index", "is too large"))?,
            said: said.flatten().unwrap_or_default(),
            finish: finish.and_then(finish_of),
        })
    }
}

impl<'a> Said<'a> {
    /// Whether a client has more of the answer by it.
    pub(super) fn is_heard(&self) -> bool {
        match self {
            Self::Text { text, .. } => !text.is_empty(),
            Self::Call { .. } | Self::Media(_) => true,
            Self::Nothing => false,
        }
    }

    /// What it adds to the text of the answer.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text {
                text,
                thought: false,
                ..
            } => Some(text),
            _ => None,
        }
    }

    fn read(value: Value<'a, '_>) -> Result<Self, Fault> {
        let mut fields = Proto::read(value)?;
        let thought = fields
            .take("thought", |value| value.boolean())?
            .unwrap_or(false);
        let proof = proof(&mut fields)?;
        if fields.has("functionCall") {
            return fields.require("functionCall", |value| {
                let mut call = Proto::read(value)?;
                let arguments = call.take("args", |value| value.opaque_object())?;
                Ok(Self::Call {
                    id: call.text("id")?.filter(|id| !id.is_empty()),
                    name: call.require_text("name")?,
                    arguments: arguments.unwrap_or(Cow::Borrowed("{}")),
                    proof,
                })
            });
        }
        if let Some(media) = fields.take("inlineData", blob)? {
            return Ok(Self::Media(media));
        }
        let text = fields.text("text")?;
        if text.is_none() && proof.is_none() {
            return Ok(Self::Nothing);
        }
        Ok(Self::Text {
            text: text.unwrap_or_default(),
            thought,
            proof,
        })
    }
}

fn blob<'a>(value: Value<'a, '_>) -> Result<Media<'a>, Fault> {
    let mut blob = Proto::read(value)?;
    let media_type = blob.require_text("mimeType")?;
    Ok(Media {
        kind: kind_of(&media_type),
        source: Source::Base64 {
            media_type,
            data: blob.require_text("data")?,
        },
        name: None,
        detail: None,
        cited: false,
    })
}

fn finish_of(reason: Cow<'_, str>) -> Option<Finish<'_>> {
    Some(match &*reason {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "PROHIBITED_CONTENT"
        | "BLOCKLIST"
        | "SPII"
        | "RECITATION"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Finish::ContentFilter,
        _ => Finish::Other(reason),
    })
}

/// What becomes of an answer to a prompt that was refused.
pub(super) fn block_reason<'a>(value: Value<'_, '_>) -> Result<Option<Finish<'a>>, Fault> {
    let reason = Proto::read(value)?.text("blockReason")?;
    let is_blocked = reason.is_some_and(|reason| !reason.is_empty());
    Ok(is_blocked.then_some(Finish::ContentFilter))
}

/// Reads the figures, of which thoughts and the results of the provider's tools are counted apart.
pub(crate) fn usage(value: Value<'_, '_>) -> Result<Usage, Fault> {
    let mut fields = Proto::read(value)?;
    let mut count = |name| fields.take(name, |value| value.count());
    let prompt = count("promptTokenCount")?;
    let tools = count("toolUsePromptTokenCount")?;
    let candidates = count("candidatesTokenCount")?;
    let thoughts = count("thoughtsTokenCount")?;
    let cached_input = count("cachedContentTokenCount")?;
    let read = modalities(&mut fields, "promptTokensDetails");
    let written = modalities(&mut fields, "candidatesTokensDetails");
    Ok(Usage {
        input_audio: read.audio,
        input_image: read.image,
        output_audio: written.audio,
        output_image: written.image,
        input: sum(prompt, tools),
        cached_input,
        output: sum(candidates, thoughts),
        reasoning: thoughts,
        ..Usage::default()
    })
}

/// Tokens of what is not text.
#[derive(Debug, Default, Clone, Copy)]
struct Modalities {
    audio: Option<u64>,
    image: Option<u64>,
}

/// Reads the counts of a list of modalities. They are worth no failure.
fn modalities(fields: &mut Proto<'_, '_>, name: &str) -> Modalities {
    let mut found = Modalities::default();
    let _ = fields.take(name, |list| {
        list.each(|value| {
            let mut count = Proto::read(value)?;
            let tokens = count.take("tokenCount", |value| value.count())?;
            match count.text("modality")?.as_deref() {
                Some("AUDIO") => found.audio = tokens,
                Some("IMAGE") => found.image = tokens,
                _ => {}
            }
            Ok(())
        })
    });
    found
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (None, None) => None,
        _ => Some(one.unwrap_or(0).saturating_add(other.unwrap_or(0))),
    }
}
