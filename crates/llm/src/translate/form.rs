//! The forms that conversations have on the wire: the one place that lists them.

use crate::anthropic::messages;
use crate::canonical::{Dropped, Event, Request, Response, StreamTerms};
use crate::openai::{chat, responses};
use crate::wire::Fault;
use crate::{Api, Dialect, Operation};

/// An API in which a conversation can be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    OpenAiChat,
    OpenAiResponses,
    AnthropicMessages,
}

impl Form {
    pub(super) fn of(api: Api) -> Option<Self> {
        match (api.dialect, api.operation) {
            (Dialect::OpenAi, Operation::ChatCompletions) => Some(Self::OpenAiChat),
            (Dialect::OpenAi, Operation::Responses) => Some(Self::OpenAiResponses),
            (Dialect::Anthropic, Operation::ChatCompletions) => Some(Self::AnthropicMessages),
            _ => None,
        }
    }

    /// The form in which a backend of this dialect is asked.
    pub(super) const fn of_dialect(dialect: Dialect) -> Self {
        match dialect {
            Dialect::OpenAi => Self::OpenAiChat,
            Dialect::Anthropic => Self::AnthropicMessages,
        }
    }

    pub(super) const fn api(self) -> Api {
        match self {
            Self::OpenAiChat => Api::CHAT_COMPLETIONS,
            Self::OpenAiResponses => Api::RESPONSES,
            Self::AnthropicMessages => Api::MESSAGES,
        }
    }

    pub(super) fn decode_request(self, body: &[u8]) -> Result<Request<'_>, Fault> {
        match self {
            Self::OpenAiChat => chat::decode_request(body),
            Self::OpenAiResponses => responses::decode_request(body),
            Self::AnthropicMessages => messages::decode_request(body),
        }
    }

    pub(super) fn encode_request(
        self,
        request: &Request<'_>,
        dropped: &mut Dropped,
    ) -> Result<Vec<u8>, Fault> {
        match self {
            Self::OpenAiChat => chat::encode_request(request, dropped),
            Self::OpenAiResponses => responses::encode_request(request, dropped),
            Self::AnthropicMessages => messages::encode_request(request, dropped),
        }
    }

    pub(super) fn decode_response(self, body: &[u8]) -> Result<Response<'_>, Fault> {
        match self {
            Self::OpenAiChat => chat::decode_response(body),
            Self::OpenAiResponses => responses::decode_response(body),
            Self::AnthropicMessages => messages::decode_response(body),
        }
    }

    pub(super) fn encode_response(self, response: &Response<'_>, now: u64) -> Vec<u8> {
        match self {
            Self::OpenAiChat => chat::encode_response(response, now),
            Self::OpenAiResponses => responses::encode_response(response, now),
            Self::AnthropicMessages => messages::encode_response(response, now),
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
        }
    }

    pub(super) fn stream_encoder(self, terms: StreamTerms) -> StreamEncoder {
        match self {
            Self::OpenAiChat => StreamEncoder::OpenAiChat(chat::StreamEncoder::new(terms)),
            Self::OpenAiResponses => {
                StreamEncoder::OpenAiResponses(responses::StreamEncoder::new(terms))
            }
            Self::AnthropicMessages => {
                StreamEncoder::AnthropicMessages(messages::StreamEncoder::new(terms))
            }
        }
    }
}

#[derive(Debug)]
pub(super) enum StreamDecoder {
    OpenAiChat(chat::StreamDecoder),
    OpenAiResponses(responses::StreamDecoder),
    AnthropicMessages(messages::StreamDecoder),
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
        }
    }
}

#[derive(Debug)]
pub(super) enum StreamEncoder {
    OpenAiChat(chat::StreamEncoder),
    OpenAiResponses(responses::StreamEncoder),
    AnthropicMessages(messages::StreamEncoder),
}

impl StreamEncoder {
    pub(super) fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Self::OpenAiChat(encoder) => encoder.event(event, out),
            Self::OpenAiResponses(encoder) => encoder.event(event, out),
            Self::AnthropicMessages(encoder) => encoder.event(event, out),
        }
    }

    /// The number of the next event, where the API counts them.
    pub(super) const fn number(&self) -> u64 {
        match self {
            Self::OpenAiResponses(encoder) => encoder.number(),
            Self::OpenAiChat(_) | Self::AnthropicMessages(_) => 0,
        }
    }
}
