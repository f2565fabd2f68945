//! How the answers of an API are read: the one place that tells the APIs apart for the taps.

use bytes::Bytes;

use super::{EventFacts, UpstreamError, Usage};
use crate::frames::Frame;
use crate::openai::{media, responses};
use crate::{Api, Dialect, Operation, anthropic, bedrock, cohere, gemini, ollama, openai};

/// A way to write answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Of all of OpenAI's APIs but the next.
    OpenAi,
    /// Of OpenAI's Responses API.
    Responses,
    /// Of OpenAI's APIs for images and sound.
    Media,
    /// Of Anthropic's APIs.
    Anthropic,
    /// Of Google's Gemini API.
    Gemini,
    /// Of Ollama's own API.
    Ollama,
    /// Of Bedrock's Converse.
    Bedrock,
    /// Of Cohere's API.
    Cohere,
}

impl Shape {
    pub(super) const fn of(api: Api) -> Self {
        match (api.dialect, api.operation) {
            (Dialect::OpenAi, Operation::Responses) => Self::Responses,
            (
                Dialect::OpenAi,
                Operation::Images
                | Operation::ImageEdits
                | Operation::Speech
                | Operation::Transcriptions
                | Operation::Translations,
            ) => Self::Media,
            (Dialect::OpenAi, _) => Self::OpenAi,
            (Dialect::Anthropic, _) => Self::Anthropic,
            (Dialect::Gemini, _) => Self::Gemini,
            (Dialect::Ollama, _) => Self::Ollama,
            (Dialect::Bedrock, _) => Self::Bedrock,
            (Dialect::Cohere, _) => Self::Cohere,
        }
    }

    /// Reads the usage of a plain answer: an object, or the count of the prompt with that of the
    /// answer.
    pub(super) fn usage(self, raw: Option<&[u8]>, other: Option<&[u8]>) -> Option<Usage> {
        match self {
            Self::OpenAi => openai::usage(raw?),
            Self::Responses => responses::usage(raw?),
            Self::Media => media::usage(raw?),
            Self::Anthropic => anthropic::usage(raw?),
            Self::Gemini => gemini::usage(raw?),
            Self::Ollama => ollama::usage(raw, other),
            Self::Bedrock => bedrock::usage(raw?),
            Self::Cohere => cohere::usage(raw.or(other)?),
        }
    }

    /// Reads the `error` of a plain answer, or what stands in another field for it.
    pub(super) fn error(self, raw: Option<&[u8]>, other: Option<&[u8]>) -> Option<UpstreamError> {
        let raw = match self {
            Self::Bedrock => raw.or(other)?,
            _ => raw?,
        };
        match self {
            Self::OpenAi | Self::Responses | Self::Media | Self::Ollama => {
                openai::upstream_error(raw)
            }
            Self::Anthropic => anthropic::upstream_error(raw),
            Self::Gemini => gemini::upstream_error(raw),
            Self::Bedrock => bedrock::upstream_error(raw),
            Self::Cohere => cohere::upstream_error(raw),
        }
    }

    /// Whether an event may say more than some further content.
    pub(super) fn is_remarkable(self, frame: &Frame, data: &[u8]) -> bool {
        match self {
            Self::OpenAi => openai::is_remarkable(data),
            Self::Responses => responses::is_remarkable(frame.name(), data),
            Self::Media => media::is_remarkable(data),
            Self::Anthropic => anthropic::is_remarkable(data),
            // Each event has figures.
            Self::Gemini => true,
            Self::Ollama => ollama::is_remarkable(data),
            Self::Bedrock => bedrock::is_remarkable(frame.name()),
            Self::Cohere => cohere::is_remarkable(frame.name()),
        }
    }

    /// What an event says.
    pub(super) fn event_facts(self, name: Option<&[u8]>, data: &[u8]) -> EventFacts {
        match self {
            Self::OpenAi => openai::event_facts(data),
            Self::Responses => responses::event_facts(name, data),
            Self::Media => media::event_facts(data),
            Self::Anthropic => anthropic::event_facts(data),
            Self::Gemini => gemini::event_facts(data),
            Self::Ollama => ollama::event_facts(data),
            Self::Bedrock => bedrock::event_facts(name, data),
            Self::Cohere => cohere::event_facts(name, data),
        }
    }

    /// Whether data that lacks its terminator is all there.
    pub(super) fn is_whole_event(self, data: &[u8]) -> bool {
        match self {
            Self::OpenAi | Self::Media => openai::is_whole_event(data),
            // None of them has an event that must be read and is not JSON.
            Self::Responses | Self::Anthropic | Self::Cohere => anthropic::is_whole_event(data),
            Self::Gemini | Self::Ollama => gemini::is_whole_event(data),
            // Its messages tell their length.
            Self::Bedrock => false,
        }
    }

    /// What is known of the usage after an event: the last word is all of it, or a part.
    pub(super) fn joined(self, before: Option<Usage>, now: Option<Usage>) -> Option<Usage> {
        match (self, before, now) {
            (Self::Anthropic, Some(before), Some(now)) => Some(anthropic::joined(before, now)),
            (_, before, now) => now.or(before),
        }
    }

    /// What ends a stream that is finished. Where nothing but an event finishes it, nothing can be
    /// left out.
    pub(super) const fn end_of_stream(self) -> Option<Bytes> {
        match self {
            Self::OpenAi => Some(openai::END_OF_STREAM),
            Self::Responses
            | Self::Media
            | Self::Anthropic
            | Self::Gemini
            | Self::Ollama
            | Self::Bedrock
            | Self::Cohere => None,
        }
    }
}
