//! Writing an answer.

use std::borrow::Cow;

use super::grounding::{self, Grounds};
use super::piece::{Blob, Piece, piece_of_call};
use super::{Proof, token};
use crate::canonical::{
    Choice, Citation, Content, Finish, Part, Reasoning, Response, Ruler, Source,
};
use crate::response::Usage;
use crate::wire::{ObjectWriter, object};

/// What the model's calls are when they cannot be read.
pub(super) const MALFORMED_CALL: &str = "MALFORMED_FUNCTION_CALL";

/// Writes the body of an answer. The dialect does not tell when it was made.
pub(crate) fn encode_response(response: &Response<'_>, _now: u64) -> Vec<u8> {
    object(|o| {
        o.list("candidates", |l| {
            for (index, choice) in response.choices.iter().enumerate() {
                l.object(|o| candidate(o, index, choice));
            }
        });
        if let Some(figures) = &response.usage {
            o.object("usageMetadata", |o| usage(o, figures));
        }
        identity(o, &response.id, &response.model);
    })
}

/// Says who answers.
pub(super) fn identity(o: &mut ObjectWriter<'_>, id: &str, model: &str) {
    o.value("modelVersion", model);
    o.value("responseId", id);
}

fn candidate(o: &mut ObjectWriter<'_>, index: usize, choice: &Choice<'_>) {
    let mut reason = choice.finish.as_ref().map(finish_reason);
    let (mut pieces, mut grounds) = (0, Vec::new());
    o.object("content", |o| {
        o.list("parts", |l| {
            for part in &choice.parts {
                match piece(&part.content) {
                    Ok(Some(piece)) => {
                        piece.write(l);
                        grounds.extend(grounds_of(part, pieces));
                        pieces += 1;
                    }
                    Ok(None) => {}
                    Err(why) => reason = Some(why),
                }
            }
        });
        o.value("role", "model");
    });
    o.maybe("finishReason", reason);
    o.value("index", index);
    token::write(&choice.tokens, o);
    grounding::write(o, &grounds);
}

/// What a text that is written as the part of this number is grounded on.
fn grounds_of<'r>(part: &'r Part<'r>, number: usize) -> Vec<Grounds<'r>> {
    let Content::Text(text) = &part.content else {
        return Vec::new();
    };
    if part.citations.is_empty() {
        return Vec::new();
    }
    let ruler = Ruler::of(text);
    let ground = |citation: &Citation<'r>| {
        let whole = 0..ruler.characters();
        let span = citation.span.as_ref().unwrap_or(&whole);
        Grounds::of(citation.clone(), span, number, &ruler)
    };
    let known = part.citations.iter().filter(|one| one.is_known());
    known.map(ground).collect()
}

/// A part as it is written, if it says anything; the reason to finish if it cannot be written.
fn piece<'r>(content: &'r Content<'_>) -> Result<Option<Piece<'r>>, &'static str> {
    Ok(Some(match content {
        Content::Text(text) | Content::Refusal(text) => Piece::Text(Cow::Borrowed(text)),
        Content::Reasoning(reasoning) => return Ok(thought(reasoning)),
        Content::ToolCall(call) => piece_of_call(call).ok_or(MALFORMED_CALL)?,
        Content::Media(media) => match &media.source {
            Source::Base64 { media_type, data } => Piece::Inline(Blob {
                media_type,
                data: Cow::Borrowed(data),
            }),
            Source::Text(text) => Piece::Text(Cow::Borrowed(text)),
            Source::Url(uri) | Source::File(uri) => Piece::File {
                uri,
                media_type: super::media_type_of(uri),
            },
        },
        // A model gives none.
        Content::ToolResult(_) => return Ok(None),
    }))
}

fn thought<'r>(reasoning: &'r Reasoning<'_>) -> Option<Piece<'r>> {
    let text = reasoning.text.as_deref().unwrap_or_default();
    let signature = match &reasoning.redacted {
        Some(data) => Some(Cow::Owned(Proof::redacted(data))),
        None => reasoning.proof().map(Cow::Borrowed),
    };
    let says_something = !text.is_empty() || signature.is_some();
    says_something.then_some(Piece::Thought { text, signature })
}

/// Reasons of the dialect that no other has.
const OWN_REASONS: [&str; 11] = [
    "LANGUAGE",
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "IMAGE_SAFETY",
    "MODEL_ARMOR",
    "OTHER",
];

/// The dialect's name for it; clients know no names but its own.
pub(super) fn finish_reason(finish: &Finish<'_>) -> &'static str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Refusal | Finish::ContentFilter => "SAFETY",
        Finish::Pause => "OTHER",
        Finish::Other(reason) => {
            let own = OWN_REASONS.iter().find(|own| *own == reason);
            own.copied().unwrap_or("OTHER")
        }
    }
}

/// Writes a count by modality, if some of it is not text.
fn write_modalities(
    name: &str,
    all: Option<u64>,
    [audio, image]: [Option<u64>; 2],
    o: &mut ObjectWriter<'_>,
) {
    if audio.is_none() && image.is_none() {
        return;
    }
    let others = [audio, image].into_iter().flatten();
    let text = all.map(|all| others.fold(all, u64::saturating_sub));
    o.list(name, |list| {
        for (modality, count) in [("TEXT", text), ("AUDIO", audio), ("IMAGE", image)] {
            if let Some(count) = count.filter(|count| *count > 0) {
                list.object(|o| {
                    o.value("modality", modality);
                    o.value("tokenCount", count);
                });
            }
        }
    });
}

/// Writes the figures, of which thoughts are counted apart.
pub(super) fn usage(o: &mut ObjectWriter<'_>, usage: &Usage) {
    let reasoning = usage.reasoning.unwrap_or(0);
    let total = match (usage.input, usage.output) {
        (None, None) => None,
        (input, output) => Some(input.unwrap_or(0).saturating_add(output.unwrap_or(0))),
    };
    o.maybe("promptTokenCount", usage.input);
    o.maybe("cachedContentTokenCount", usage.cached_input);
    let candidates = usage.output.map(|output| output.saturating_sub(reasoning));
    o.maybe("candidatesTokenCount", candidates);
    o.maybe("thoughtsTokenCount", usage.reasoning);
    o.maybe("totalTokenCount", total);
    let read = [usage.input_audio, usage.input_image];
    write_modalities("promptTokensDetails", usage.input, read, o);
    let written = [usage.output_audio, usage.output_image];
    write_modalities("candidatesTokensDetails", candidates, written, o);
}
