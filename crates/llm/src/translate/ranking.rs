//! Documents and their order.

use super::{Exchange, Pair, TranslatedAnswer, TranslatedRequest, Unsaid, or_unsaid, rename};
use crate::canonical::{self, Dropped, Ranked};
use crate::cohere::rerank as cohere;
use crate::openai::rerank as openai;
use crate::wire::Fault;
use crate::{Api, Dialect, Operation};

/// Two APIs that order documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ranking {
    client: Form,
    upstream: Form,
    /// Documents that were sent.
    documents: u64,
}

/// The form that documents and their order have on the wire: the one place that lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    OpenAi,
    Cohere,
}

impl Ranking {
    pub(super) fn of(client: Api, dialect: Dialect) -> Option<Self> {
        if client.operation != Operation::Rerank {
            return None;
        }
        Some(Self {
            client: Form::of_dialect(client.dialect)?,
            upstream: Form::of_dialect(dialect)?,
            documents: 0,
        })
    }

    pub(super) const fn upstream(self) -> Api {
        let dialect = match self.upstream {
            Form::OpenAi => Dialect::OpenAi,
            Form::Cohere => Dialect::Cohere,
        };
        Api {
            dialect,
            operation: Operation::Rerank,
        }
    }

    pub(super) fn request(
        self,
        pair: Pair,
        body: &[u8],
        model: Option<&str>,
    ) -> Result<TranslatedRequest, Fault> {
        let mut request = self.client.decode_request(body)?;
        rename(&mut request.model, model)?;
        let mut dropped = Dropped::default();
        let body = self.upstream.encode_request(&request, &mut dropped);
        let pair = Pair {
            exchange: Exchange::Ranking(Self {
                documents: request.documents.len() as u64,
                ..self
            }),
            ..pair
        };
        Ok(TranslatedRequest::new(
            pair,
            "/rerank".into(),
            body,
            dropped,
        ))
    }

    pub(super) fn answer(self, body: &[u8], unsaid: &Unsaid) -> Result<TranslatedAnswer, Fault> {
        let mut answer = self.upstream.decode_response(body)?;
        let mut places = answer.places.iter();
        if places.any(|place| place.index >= self.documents) {
            return Err(Fault::new(
                "results.index",
                "is of no document that was sent",
            ));
        }
        let model = answer.model.to_string();
        answer.id = or_unsaid(&answer.id, &unsaid.id);
        answer.model = or_unsaid(&answer.model, &unsaid.model);
        let body = self.client.encode_response(&answer);
        Ok(TranslatedAnswer::new(body, &model, answer.usage))
    }
}

impl Form {
    const fn of_dialect(dialect: Dialect) -> Option<Self> {
        match dialect {
            Dialect::OpenAi => Some(Self::OpenAi),
            Dialect::Cohere => Some(Self::Cohere),
            Dialect::Anthropic | Dialect::Gemini | Dialect::Ollama | Dialect::Bedrock => None,
        }
    }

    fn decode_request(self, body: &[u8]) -> Result<canonical::Ranking<'_>, Fault> {
        match self {
            Self::OpenAi => openai::decode_request(body),
            Self::Cohere => cohere::decode_request(body),
        }
    }

    fn encode_request(self, request: &canonical::Ranking<'_>, dropped: &mut Dropped) -> Vec<u8> {
        match self {
            Self::OpenAi => openai::encode_request(request, dropped),
            Self::Cohere => cohere::encode_request(request, dropped),
        }
    }

    fn decode_response(self, body: &[u8]) -> Result<Ranked<'_>, Fault> {
        match self {
            Self::OpenAi => openai::decode_response(body),
            Self::Cohere => cohere::decode_response(body),
        }
    }

    fn encode_response(self, answer: &Ranked<'_>) -> Vec<u8> {
        match self {
            Self::OpenAi => openai::encode_response(answer),
            Self::Cohere => cohere::encode_response(answer),
        }
    }
}
