//! The forms that conversations have on the wire: the one place that lists them.

use std::borrow::Cow;

use super::Asked;
use crate::anthropic::{messages, venue::Venue};
use crate::bedrock::{converse, path as bedrock};
use crate::canonical::{Dropped, Event, Media, MediaKind, Request, Response, Source, StreamTerms};
use crate::cohere::chat as cohere;
use crate::frames::Framing;
use crate::gemini::{content, path as gemini};
use crate::ollama::chat as ollama;
use crate::ollama::chat::Place;
use crate::openai::{chat, responses};
use crate::wire::Fault;
use crate::{Api, CONTENT_TYPE_EVENT_STREAM, Dialect, Operation, Quirks};

/// An API in which a conversation can be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    OpenAiChat,
    OpenAiResponses,
    AnthropicMessages,
    GeminiContent,
    OllamaChat,
    OllamaGenerate,
    BedrockConverse,
    CohereChat,
}

impl Form {
    pub(super) fn of(api: Api) -> Option<Self> {
        match (api.dialect, api.operation) {
            (Dialect::OpenAi, Operation::ChatCompletions) => Some(Self::OpenAiChat),
            (Dialect::OpenAi, Operation::Responses) => Some(Self::OpenAiResponses),
            (Dialect::Anthropic, Operation::ChatCompletions) => Some(Self::AnthropicMessages),
            (Dialect::Gemini, Operation::ChatCompletions) => Some(Self::GeminiContent),
            (Dialect::Ollama, Operation::ChatCompletions) => Some(Self::OllamaChat),
            (Dialect::Ollama, Operation::Completions) => Some(Self::OllamaGenerate),
            (Dialect::Bedrock, Operation::ChatCompletions) => Some(Self::BedrockConverse),
            (Dialect::Cohere, Operation::ChatCompletions) => Some(Self::CohereChat),
            _ => None,
        }
    }

    /// The form in which a backend of this dialect is asked.
    pub(super) const fn of_dialect(dialect: Dialect) -> Self {
        match dialect {
            Dialect::OpenAi => Self::OpenAiChat,
            Dialect::Anthropic => Self::AnthropicMessages,
            Dialect::Gemini => Self::GeminiContent,
            Dialect::Ollama => Self::OllamaChat,
            Dialect::Bedrock => Self::BedrockConverse,
            Dialect::Cohere => Self::CohereChat,
        }
    }

    pub(super) const fn api(self) -> Api {
        match self {
            Self::OpenAiChat => Api::CHAT_COMPLETIONS,
            Self::OpenAiResponses => Api::RESPONSES,
            Self::AnthropicMessages => Api::MESSAGES,
            Self::GeminiContent => Api::GENERATE_CONTENT,
            Self::OllamaChat => Api::OLLAMA_CHAT,
            Self::OllamaGenerate => Api::OLLAMA_GENERATE,
            Self::BedrockConverse => Api::CONVERSE,
            Self::CohereChat => Api::COHERE_CHAT,
        }
    }

    /// What OpenRouter calls the proofs of reasoning of this API's provider, where it has a name.
    pub(super) const fn proofs(self) -> Option<&'static str> {
        match self {
            Self::AnthropicMessages | Self::BedrockConverse => Some("anthropic-claude-v1"),
            Self::GeminiContent => Some("google-gemini-v1"),
            _ => None,
        }
    }

    /// The field that holds the conversation.
    pub(super) const fn conversation(self) -> &'static str {
        match self {
            Self::OpenAiChat
            | Self::AnthropicMessages
            | Self::OllamaChat
            | Self::BedrockConverse
            | Self::CohereChat => "messages",
            Self::OpenAiResponses => "input",
            Self::GeminiContent => "contents",
            Self::OllamaGenerate => "prompt",
        }
    }

    /// Whether the API takes such a medium, but not by this URL.
    pub(super) fn wants_within(self, media: &Media<'_>, quirks: &Quirks) -> bool {
        let Source::Url(url) = &media.source else {
            return false;
        };
        match (self, media.kind) {
            (Self::OpenAiChat, kind) => matches!(kind, MediaKind::Audio | MediaKind::Document),
            (Self::GeminiContent, _) => !content::takes_url(url),
            (Self::OllamaChat | Self::OllamaGenerate, kind) => kind == MediaKind::Image,
            (Self::BedrockConverse, _) => !converse::takes_url(url),
            // Anthropic fetches by itself, and clouds do not for it.
            (Self::AnthropicMessages, kind) => {
                let is_taken = matches!(kind, MediaKind::Image | MediaKind::Document);
                quirks.venue != Venue::Own && is_taken
            }
            (Self::OpenAiResponses | Self::CohereChat, _) => false,
        }
    }

    /// The path below a base path.
    pub(super) fn resource(self, request: &Request<'_>) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::OpenAiChat => "/chat/completions",
            Self::OpenAiResponses => "/responses",
            Self::AnthropicMessages => "/messages",
            Self::GeminiContent => {
                return Cow::Owned(gemini::generate(&request.model, request.stream));
            }
            Self::OllamaChat | Self::OllamaGenerate => "/api/chat",
            Self::CohereChat => "/chat",
            Self::BedrockConverse => {
                return Cow::Owned(bedrock::converse(&request.model, request.stream));
            }
        })
    }

    pub(super) fn query(self, request: &Request<'_>) -> Option<&'static str> {
        match self {
            Self::OpenAiChat
            | Self::OpenAiResponses
            | Self::AnthropicMessages
            | Self::OllamaChat
            | Self::OllamaGenerate
            | Self::BedrockConverse
            | Self::CohereChat => None,
            Self::GeminiContent => request.stream.then_some(gemini::EVENTS),
        }
    }

    pub(super) fn decode_request<'a>(
        self,
        asked: Asked<'a>,
        body: &'a [u8],
    ) -> Result<Request<'a>, Fault> {
        match self {
            Self::OpenAiChat => chat::decode_request(body),
            Self::OpenAiResponses => responses::decode_request(body),
            Self::AnthropicMessages => messages::decode_request(body),
            Self::GeminiContent => match gemini::generation(asked.path) {
                Some((model, stream)) => content::decode_request(body, model, stream),
                None => Err(Fault::new("model", "does not stand in the path")),
            },
            Self::OllamaChat => ollama::decode_request(body),
            Self::OllamaGenerate => ollama::decode_generate(body),
            Self::CohereChat => cohere::decode_request(body),
            Self::BedrockConverse => match bedrock::conversation(asked.path) {
                Some((model, stream)) => converse::decode_request(body, model, stream),
                None => Err(Fault::new("model", "does not stand in the path")),
            },
        }
    }

    pub(super) fn encode_request(
        self,
        request: &Request<'_>,
        quirks: &Quirks,
        dropped: &mut Dropped,
    ) -> Result<Vec<u8>, Fault> {
        match self {
            Self::OpenAiChat => chat::encode_request(request, quirks, dropped),
            Self::OpenAiResponses => responses::encode_request(request, dropped),
            Self::AnthropicMessages => messages::encode_request(request, dropped),
            Self::GeminiContent => content::encode_request(request, dropped),
            Self::OllamaChat | Self::OllamaGenerate => ollama::encode_request(request, dropped),
            Self::BedrockConverse => converse::encode_request(request, dropped),
            Self::CohereChat => cohere::encode_request(request, dropped),
        }
    }

    pub(super) fn decode_response(self, body: &[u8]) -> Result<Response<'_>, Fault> {
        match self {
            Self::OpenAiChat => chat::decode_response(body),
            Self::OpenAiResponses => responses::decode_response(body),
            Self::AnthropicMessages => messages::decode_response(body),
            Self::GeminiContent => content::decode_response(body),
            Self::OllamaChat | Self::OllamaGenerate => ollama::decode_response(body),
            Self::BedrockConverse => converse::decode_response(body),
            Self::CohereChat => cohere::decode_response(body),
        }
    }

    pub(super) fn encode_response(self, response: &Response<'_>, now: u64) -> Vec<u8> {
        match self {
            Self::OpenAiChat => chat::encode_response(response, now),
            Self::OpenAiResponses => responses::encode_response(response, now),
            Self::AnthropicMessages => messages::encode_response(response, now),
            Self::GeminiContent => content::encode_response(response, now),
            Self::OllamaChat => ollama::encode_response(response, Place::Chat, now),
            Self::OllamaGenerate => ollama::encode_response(response, Place::Generate, now),
            Self::BedrockConverse => converse::encode_response(response, now),
            Self::CohereChat => cohere::encode_response(response),
        }
    }

    pub(super) fn stream_decoder(self) -> StreamDecoder {
        match self {
            Self::OpenAiChat => StreamDecoder::OpenAiChat(chat::StreamDecoder::default()),
            Self::OpenAiResponses => {
                StreamDecoder::OpenAiResponses(responses::StreamDecoder::default())
            }
            Self::AnthropicMessages => {
                StreamDecoder::AnthropicMessages(messages::StreamDecoder::default())
            }
            Self::GeminiContent => StreamDecoder::GeminiContent(content::StreamDecoder::default()),
            Self::OllamaChat | Self::OllamaGenerate => {
                StreamDecoder::Ollama(ollama::StreamDecoder::default())
            }
            Self::BedrockConverse => StreamDecoder::Bedrock(converse::StreamDecoder::default()),
            Self::CohereChat => StreamDecoder::Cohere(cohere::StreamDecoder::default()),
        }
    }

    /// What writes a stream for a client that asks with `query`.
    pub(super) fn stream_encoder(self, query: Option<&str>, terms: StreamTerms) -> StreamEncoder {
        match self {
            Self::OpenAiChat => StreamEncoder::OpenAiChat(chat::StreamEncoder::new(terms)),
            Self::OpenAiResponses => {
                StreamEncoder::OpenAiResponses(responses::StreamEncoder::new(terms))
            }
            Self::AnthropicMessages => {
                StreamEncoder::AnthropicMessages(messages::StreamEncoder::new(terms))
            }
            Self::GeminiContent => {
                let framing = if gemini::asks_for_events(query) {
                    content::Framing::Events
                } else {
                    content::Framing::Array
                };
                StreamEncoder::GeminiContent(content::StreamEncoder::new(terms, framing))
            }
            Self::OllamaChat => {
                StreamEncoder::Ollama(ollama::StreamEncoder::new(terms, Place::Chat))
            }
            Self::OllamaGenerate => {
                StreamEncoder::Ollama(ollama::StreamEncoder::new(terms, Place::Generate))
            }
            Self::BedrockConverse => StreamEncoder::Bedrock(converse::StreamEncoder::new(terms)),
            Self::CohereChat => StreamEncoder::Cohere(cohere::StreamEncoder::new(terms)),
        }
    }
}

#[derive(Debug)]
pub(super) enum StreamDecoder {
    OpenAiChat(chat::StreamDecoder),
    OpenAiResponses(responses::StreamDecoder),
    AnthropicMessages(messages::StreamDecoder),
    GeminiContent(content::StreamDecoder),
    Ollama(ollama::StreamDecoder),
    Bedrock(converse::StreamDecoder),
    Cohere(cohere::StreamDecoder),
}

impl StreamDecoder {
    pub(super) fn event(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        match self {
            Self::OpenAiChat(decoder) => decoder.event(name, data, emit),
            Self::OpenAiResponses(decoder) => decoder.event(name, data, emit),
            Self::AnthropicMessages(decoder) => decoder.event(name, data, emit),
            Self::GeminiContent(decoder) => decoder.event(name, data, emit),
            Self::Ollama(decoder) => decoder.event(name, data, emit),
            Self::Bedrock(decoder) => decoder.event(name, data, emit),
            Self::Cohere(decoder) => decoder.event(name, data, emit),
        }
    }

    /// The bytes have come to their end, which in some APIs is the only end there is.
    pub(super) fn end(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        match self {
            Self::OpenAiChat(_)
            | Self::OpenAiResponses(_)
            | Self::AnthropicMessages(_)
            | Self::Ollama(_)
            | Self::Cohere(_) => {}
            Self::GeminiContent(decoder) => decoder.end(emit),
            Self::Bedrock(decoder) => decoder.end(emit),
        }
    }

    /// The bytes have broken off, which in an API without an event that ends a stream may be behind
    /// its end.
    pub(super) fn break_off(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        if let Self::GeminiContent(decoder) = self {
            decoder.break_off(emit);
        }
    }
}

#[derive(Debug)]
pub(super) enum StreamEncoder {
    OpenAiChat(chat::StreamEncoder),
    OpenAiResponses(responses::StreamEncoder),
    AnthropicMessages(messages::StreamEncoder),
    GeminiContent(content::StreamEncoder),
    Ollama(ollama::StreamEncoder),
    Bedrock(converse::StreamEncoder),
    Cohere(cohere::StreamEncoder),
}

impl StreamEncoder {
    pub(super) fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Self::OpenAiChat(encoder) => encoder.event(event, out),
            Self::OpenAiResponses(encoder) => encoder.event(event, out),
            Self::AnthropicMessages(encoder) => encoder.event(event, out),
            Self::GeminiContent(encoder) => encoder.event(event, out),
            Self::Ollama(encoder) => encoder.event(event, out),
            Self::Bedrock(encoder) => encoder.event(event, out),
            Self::Cohere(encoder) => encoder.event(event, out),
        }
    }

    pub(super) const fn content_type(&self) -> &'static str {
        match self {
            Self::GeminiContent(encoder) => encoder.content_type(),
            Self::Ollama(_) => Framing::Lines.content_type(),
            Self::Bedrock(_) => Framing::Messages.content_type(),
            Self::OpenAiChat(_)
            | Self::OpenAiResponses(_)
            | Self::AnthropicMessages(_)
            | Self::Cohere(_) => CONTENT_TYPE_EVENT_STREAM,
        }
    }

    /// The number of the next event, where the API counts them.
    pub(super) const fn number(&self) -> u64 {
        match self {
            Self::OpenAiResponses(encoder) => encoder.number(),
            Self::OpenAiChat(_)
            | Self::AnthropicMessages(_)
            | Self::GeminiContent(_)
            | Self::Ollama(_)
            | Self::Bedrock(_)
            | Self::Cohere(_) => 0,
        }
    }
}
