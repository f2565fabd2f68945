//! From one dialect to another, through the canonical model.
//!
//! A [`Pair`] is a client's API and the API of the backend that was chosen for it. Requests and plain
//! answers are translated whole, streams event by event as they come.
//!
//! What is asked for is a conversation in most cases; texts become vectors and documents are ordered by
//! forms of their own.

mod conversation;
mod embedding;
mod envelope;
mod form;
mod media;
mod ranking;
mod stream;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;

use crate::frames::Framing;
use crate::percent::climbs;
use crate::response::{PlainTap, UpstreamError, Usage};
use crate::wire::Value;
use crate::{Api, Dialect, Operation, Quirks, openai};
use conversation::Conversation;
use embedding::Embedding;
use envelope::Envelope;
use ranking::Ranking;

pub use crate::canonical::Dropped;
pub use crate::wire::Fault;
pub use media::{FetchedMedia, MediaUrl};
pub use stream::{BadStream, StreamTranslator};

/// Two APIs, of which one is to be answered by the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    exchange: Exchange,
    quirks: &'static Quirks,
}

/// What is exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exchange {
    Conversation(Conversation),
    Envelope(Envelope),
    Embedding(Embedding),
    Ranking(Ranking),
}

/// What a request asks for beside its body, in its request line and in headers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The path, whatever stands before the API's own.
    pub path: &'a str,
    /// What stands behind the `?`.
    pub query: Option<&'a str>,
    /// Names of what is new in Anthropic's API and wished for, with commas between: the header
    /// `anthropic-beta`.
    pub betas: Option<&'a str>,
}

/// A request in the dialect of the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranslatedRequest {
    /// The path below the upstream's base path.
    pub resource: Cow<'static, str>,
    /// The query.
    pub query: Option<&'static str>,
    /// The body.
    pub body: Bytes,
    /// What could not be said, and was a hint.
    pub dropped: Dropped,
    /// The pair that translates its answer: it knows how the client wants it.
    pub pair: Pair,
}

/// An answer in the dialect of the client, and what it reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranslatedAnswer {
    /// The body.
    pub body: Bytes,
    /// The model, as the upstream names it.
    pub model: Option<String>,
    /// Tokens used, if it was reported.
    pub usage: Option<Usage>,
}

/// What is said of an answer where its upstream does not: some tell neither who answers nor when, and
/// clients of others count on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unsaid {
    /// Its id.
    pub id: String,
    /// The model that was asked for.
    pub model: String,
    /// When it was made, in seconds since the Unix epoch.
    pub created: u64,
}

/// How a client's request gets to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The backend speaks the client's dialect: its bytes are passed on.
    PassedOn,
    /// Through the canonical model.
    Translated(Pair),
    /// Not at all: the backend has nothing like it, and the gateway answers by itself.
    Answered,
}

impl Way {
    /// The way from a client that asks at `client` to a backend of `dialect` and these quirks; `None`
    /// if that has nothing like it.
    #[must_use]
    pub fn of(client: Api, dialect: Dialect, quirks: &'static Quirks) -> Option<Self> {
        let is_lacking = client.operation == Operation::CountTokens && !quirks.counts_tokens();
        if let Some(pair) = Pair::of(client, dialect, quirks) {
            return Some(Self::Translated(pair));
        }
        if client.dialect == dialect && !(dialect == Dialect::Anthropic && is_lacking) {
            return Some(Self::PassedOn);
        }
        let is_answered = matches!(
            client.operation,
            Operation::CountTokens | Operation::ShowModel
        );
        is_answered.then_some(Self::Answered)
    }

    /// Whether it leads to the backend.
    #[must_use]
    pub const fn asks_backend(self) -> bool {
        matches!(self, Self::PassedOn | Self::Translated(_))
    }
}

/// The one item of a list: Google answers with errors in one, at the paths of its own API and of
/// OpenAI's.
fn alone(body: &[u8]) -> Option<&[u8]> {
    let list = Value::document(body).ok().filter(|body| body.is_list())?;
    match *list.list(|item| Ok(item.raw())).ok()? {
        [item] => Some(item.as_bytes()),
        _ => None,
    }
}

impl Pair {
    /// The pair that lets `client` be answered by an upstream that speaks `dialect`; `None` if that
    /// has nothing like it.
    fn of(client: Api, dialect: Dialect, quirks: &'static Quirks) -> Option<Self> {
        let exchange = if client.dialect == dialect {
            Envelope::of(client, dialect, quirks).map(Exchange::Envelope)
        } else {
            Conversation::of(client, dialect)
                .map(Exchange::Conversation)
                .or_else(|| Embedding::of(client, dialect).map(Exchange::Embedding))
                .or_else(|| Ranking::of(client, dialect).map(Exchange::Ranking))
        };
        exchange.map(|exchange| Self { exchange, quirks })
    }

    /// Whether an answer may be a stream.
    #[must_use]
    pub const fn is_streamed(self) -> bool {
        matches!(
            self.exchange,
            Exchange::Conversation(_) | Exchange::Envelope(_)
        )
    }

    /// How the events of the upstream's streams are told apart.
    #[must_use]
    pub const fn framing(self) -> Framing {
        envelope::framing(self.upstream(), self.quirks)
    }

    /// The API that the upstream is asked at.
    #[must_use]
    pub const fn upstream(self) -> Api {
        match self.exchange {
            Exchange::Conversation(exchange) => exchange.upstream(),
            Exchange::Envelope(exchange) => exchange.upstream(),
            Exchange::Embedding(exchange) => exchange.upstream(),
            Exchange::Ranking(exchange) => exchange.upstream(),
        }
    }

    /// What the client calls the field that holds what is asked.
    #[must_use]
    pub const fn asked_in(self) -> &'static str {
        match self.exchange {
            Exchange::Conversation(exchange) => exchange.client.conversation(),
            Exchange::Envelope(_) => "messages",
            Exchange::Embedding(_) => "input",
            Exchange::Ranking(_) => "documents",
        }
    }

    /// Media that a request names by URL and that the upstream takes only within the request.
    ///
    /// # Errors
    /// The field that is at fault; more media than may be fetched.
    pub fn media_to_fetch(self, asked: Asked<'_>, body: &[u8]) -> Result<Vec<MediaUrl>, Fault> {
        match self.exchange {
            Exchange::Conversation(exchange) => exchange.media_to_fetch(asked, body, self.quirks),
            Exchange::Envelope(_) | Exchange::Embedding(_) | Exchange::Ranking(_) => Ok(Vec::new()),
        }
    }

    /// Translates a request; `model` is the name that the upstream knows, where it is another than
    /// stands in the body.
    ///
    /// # Errors
    /// The field that is at fault, or that the upstream's API cannot express.
    pub fn request(
        self,
        asked: Asked<'_>,
        body: &[u8],
        model: Option<&str>,
    ) -> Result<TranslatedRequest, Fault> {
        self.request_with(asked, body, model, &FetchedMedia::default())
    }

    /// The same, with media in the place of their URLs.
    ///
    /// # Errors
    /// Likewise, and if a medium is not what the request says it is.
    pub fn request_with(
        self,
        asked: Asked<'_>,
        body: &[u8],
        model: Option<&str>,
        media: &FetchedMedia,
    ) -> Result<TranslatedRequest, Fault> {
        match self.exchange {
            Exchange::Conversation(exchange) => exchange.request(self, asked, body, model, media),
            Exchange::Envelope(exchange) => exchange.request(self, asked, body, model),
            Exchange::Embedding(exchange) => exchange.request(self, asked, body, model),
            Exchange::Ranking(exchange) => exchange.request(self, body, model),
        }
    }

    /// The error that an error answer of the upstream reports; `None` if it is no such.
    #[must_use]
    pub fn error(self, body: &[u8]) -> Option<UpstreamError> {
        let api = self.upstream();
        let body = alone(body).unwrap_or(body);
        // Clouds have errors of their own, whatever they serve.
        let of_cloud = (self.framing() == Framing::Chunks).then_some(Api::CONVERSE);
        let mut tap = PlainTap::new(of_cloud.unwrap_or(api));
        tap.feed(body);
        tap.finish().error.or_else(|| match api.dialect {
            // Some servers send the error without an object around it.
            Dialect::OpenAi => openai::other_error(body),
            Dialect::Anthropic
            | Dialect::Gemini
            | Dialect::Ollama
            | Dialect::Bedrock
            | Dialect::Cohere => None,
        })
    }

    /// Translates a plain answer.
    ///
    /// # Errors
    /// If it is not an answer of the upstream's API.
    pub fn answer(self, body: &[u8], unsaid: &Unsaid) -> Result<TranslatedAnswer, Fault> {
        match self.exchange {
            Exchange::Conversation(exchange) => exchange.answer(body, unsaid),
            Exchange::Envelope(exchange) => exchange.answer(body),
            Exchange::Embedding(exchange) => exchange.answer(body, unsaid),
            Exchange::Ranking(exchange) => exchange.answer(body, unsaid),
        }
    }
}

impl TranslatedRequest {
    fn new(pair: Pair, resource: Cow<'static, str>, mut body: Vec<u8>, dropped: Dropped) -> Self {
        // It is kept until it is sent, and counted by its length.
        body.shrink_to_fit();
        Self {
            resource,
            query: None,
            body: body.into(),
            dropped,
            pair,
        }
    }
}

impl TranslatedAnswer {
    /// Names the model as the upstream does, if it does.
    fn new(body: Vec<u8>, model: &str, usage: Option<Usage>) -> Self {
        Self {
            body: body.into(),
            model: Some(model.to_owned()).filter(|model| !model.is_empty()),
            usage,
        }
    }
}

/// Puts the name that the upstream knows in the place of the client's.
///
/// # Errors
/// If there is neither, or it would lead elsewhere in a path, where some APIs have it.
fn rename<'a>(name: &mut Cow<'a, str>, to: Option<&'a str>) -> Result<(), Fault> {
    if let Some(to) = to {
        *name = Cow::Borrowed(to);
    } else if name.is_empty() {
        return Err(Fault::new("model", "is required"));
    }
    if climbs(name) {
        return Err(Fault::new("model", "is no name of a model"));
    }
    Ok(())
}

/// What stands for what has not been said.
fn or_unsaid<'a>(said: &Cow<'a, str>, unsaid: &'a str) -> Cow<'a, str> {
    if said.is_empty() {
        Cow::Borrowed(unsaid)
    } else {
        said.clone()
    }
}
