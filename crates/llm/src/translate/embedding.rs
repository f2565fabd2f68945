//! Texts and their vectors.

use std::borrow::Cow;

use super::{Asked, Exchange, Pair, TranslatedAnswer, TranslatedRequest, Unsaid};
use super::{or_unsaid, rename};
use crate::canonical::{self, Dropped, Vectors, Wanted};
use crate::cohere::embed as cohere;
use crate::gemini::{embed as gemini, path};
use crate::ollama::embed as ollama;
use crate::openai::embeddings as openai;
use crate::wire::Fault;
use crate::{Api, Dialect, Operation, Quirks};

/// Two APIs that turn texts into vectors, and how the client wants these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Embedding {
    client: Form,
    upstream: Form,
    wanted: Wanted,
    /// Texts that were sent.
    texts: usize,
}

/// The form that texts and vectors have on the wire: the one place that lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    OpenAi,
    Gemini,
    Ollama,
    Cohere,
}

impl Embedding {
    pub(super) fn of(client: Api, dialect: Dialect) -> Option<Self> {
        if client.operation != Operation::Embeddings {
            return None;
        }
        Some(Self {
            client: Form::of_dialect(client.dialect)?,
            upstream: Form::of_dialect(dialect)?,
            wanted: Wanted::default(),
            texts: 0,
        })
    }

    pub(super) const fn upstream(self) -> Api {
        Api {
            dialect: self.upstream.dialect(),
            operation: Operation::Embeddings,
        }
    }

    pub(super) fn request(
        self,
        pair: Pair,
        asked: Asked<'_>,
        body: &[u8],
        model: Option<&str>,
    ) -> Result<TranslatedRequest, Fault> {
        let mut request = self.client.decode_request(asked, body)?;
        rename(&mut request.model, model)?;
        let mut dropped = Dropped::default();
        let body = self
            .upstream
            .encode_request(&request, pair.quirks, &mut dropped);
        let pair = Pair {
            exchange: Exchange::Embedding(Self {
                wanted: request.wanted,
                texts: request.texts.len(),
                ..self
            }),
            ..pair
        };
        let resource = self.upstream.resource(&request);
        Ok(TranslatedRequest::new(pair, resource, body, dropped))
    }

    pub(super) fn answer(self, body: &[u8], unsaid: &Unsaid) -> Result<TranslatedAnswer, Fault> {
        let mut answer = self.upstream.decode_response(body)?;
        let vectors = answer.vectors.len();
        if vectors != self.texts {
            let texts = self.texts;
            return Err(Fault::new(
                "embeddings",
                format!("has {vectors} for {texts} texts"),
            ));
        }
        let model = answer.model.to_string();
        answer.id = or_unsaid(&answer.id, &unsaid.id);
        answer.model = or_unsaid(&answer.model, &unsaid.model);
        let body = self.client.encode_response(&answer, self.wanted)?;
        Ok(TranslatedAnswer::new(body, &model, answer.usage))
    }
}

impl Form {
    const fn of_dialect(dialect: Dialect) -> Option<Self> {
        match dialect {
            Dialect::OpenAi => Some(Self::OpenAi),
            Dialect::Gemini => Some(Self::Gemini),
            Dialect::Ollama => Some(Self::Ollama),
            Dialect::Cohere => Some(Self::Cohere),
            Dialect::Anthropic | Dialect::Bedrock => None,
        }
    }

    const fn dialect(self) -> Dialect {
        match self {
            Self::OpenAi => Dialect::OpenAi,
            Self::Gemini => Dialect::Gemini,
            Self::Ollama => Dialect::Ollama,
            Self::Cohere => Dialect::Cohere,
        }
    }

    /// The path below a base path.
    fn resource(self, request: &canonical::Embedding<'_>) -> Cow<'static, str> {
        match self {
            Self::OpenAi => "/embeddings".into(),
            Self::Gemini => path::embed(&request.model, request.texts.len() != 1).into(),
            Self::Ollama => "/api/embed".into(),
            Self::Cohere => "/embed".into(),
        }
    }

    fn decode_request<'a>(
        self,
        asked: Asked<'a>,
        body: &'a [u8],
    ) -> Result<canonical::Embedding<'a>, Fault> {
        match self {
            Self::OpenAi => openai::decode_request(body),
            Self::Gemini => match path::embedding(asked.path) {
                Some((model, is_batch)) => gemini::decode_request(body, model, is_batch),
                None => Err(Fault::new("model", "does not stand in the path")),
            },
            Self::Ollama => ollama::decode_request(body),
            Self::Cohere => cohere::decode_request(body),
        }
    }

    fn encode_request(
        self,
        request: &canonical::Embedding<'_>,
        quirks: &Quirks,
        dropped: &mut Dropped,
    ) -> Vec<u8> {
        match self {
            Self::OpenAi => openai::encode_request(request, quirks, dropped),
            Self::Gemini => gemini::encode_request(request, dropped),
            Self::Ollama => ollama::encode_request(request, dropped),
            Self::Cohere => cohere::encode_request(request, dropped),
        }
    }

    fn decode_response(self, body: &[u8]) -> Result<Vectors<'_>, Fault> {
        match self {
            Self::OpenAi => openai::decode_response(body),
            Self::Gemini => gemini::decode_response(body),
            Self::Ollama => ollama::decode_response(body),
            Self::Cohere => cohere::decode_response(body),
        }
    }

    fn encode_response(self, answer: &Vectors<'_>, wanted: Wanted) -> Result<Vec<u8>, Fault> {
        match self {
            Self::OpenAi => openai::encode_response(answer, wanted),
            Self::Gemini => Ok(gemini::encode_response(answer, wanted)),
            Self::Ollama => Ok(ollama::encode_response(answer)),
            Self::Cohere => cohere::encode_response(answer, wanted),
        }
    }
}
