//! From one dialect to another, through the canonical model.
//!
//! A [`Pair`] is a client's API and the API of the backend that was chosen for it. Requests and plain
//! answers are translated whole, streams event by event as they come.

mod form;
mod stream;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;

use crate::canonical::{Request, tell_apart};
use crate::percent::climbs;
use crate::response::{PlainTap, UpstreamError, Usage};
use crate::wire::Value;
use crate::{Api, Dialect, Operation, Quirks, openai};
use form::Form;

pub use crate::canonical::Dropped;
pub use crate::wire::Fault;
pub use stream::{BadStream, StreamTranslator};

/// What the conversation is called where it is not known whose it is.
const CONVERSATION: &str = "messages";

/// Two APIs, of which one is to be answered by the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    client: Form,
    upstream: Form,
    quirks: &'static Quirks,
}

/// What a request asks for beside its body: the path and query of its request line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The path, whatever stands before the API's own.
    pub path: &'a str,
    /// What stands behind the `?`.
    pub query: Option<&'a str>,
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
    /// The way from a client that asks at `client` to a backend of `dialect`; `None` if that has
    /// nothing like it.
    #[must_use]
    pub fn of(client: Api, dialect: Dialect) -> Option<Self> {
        if client.dialect == dialect {
            return Some(Self::PassedOn);
        }
        match Pair::of(client, dialect) {
            Some(pair) => Some(Self::Translated(pair)),
            None => matches!(
                client.operation,
                Operation::CountTokens | Operation::ShowModel
            )
            .then_some(Self::Answered),
        }
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
    fn of(client: Api, dialect: Dialect) -> Option<Self> {
        Some(Self::new(Form::of(client)?, Form::of_dialect(dialect)))
    }

    const fn new(client: Form, upstream: Form) -> Self {
        Self {
            client,
            upstream,
            quirks: &Quirks::NONE,
        }
    }

    /// The same, for an upstream of these quirks.
    #[must_use]
    pub const fn with_quirks(self, quirks: &'static Quirks) -> Self {
        Self { quirks, ..self }
    }

    /// The API that the upstream is asked at.
    #[must_use]
    pub const fn upstream(self) -> Api {
        self.upstream.api()
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
        let mut request = self.client.decode_request(asked, body)?;
        if let Some(model) = model {
            request.model = model.into();
        } else if request.model.is_empty() {
            return Err(Fault::new("model", "is required"));
        }
        // Some APIs have it in the path, in which it must not lead elsewhere.
        if climbs(&request.model) {
            return Err(Fault::new("model", "is no name of a model"));
        }
        tell_apart(&mut request.messages);
        let mut dropped = Dropped::default();
        let encoded = self.refuse_foreign_proofs(&request).and_then(|()| {
            self.upstream
                .encode_request(&request, self.quirks, &mut dropped)
        });
        let mut body = encoded.map_err(|fault| self.in_client_s_words(fault))?;
        // It is kept until it is sent, and counted by its length.
        body.shrink_to_fit();
        Ok(TranslatedRequest {
            resource: self.upstream.resource(&request),
            query: self.upstream.query(&request),
            body: body.into(),
            dropped,
        })
    }

    /// A fault by the client's own name for the conversation.
    fn in_client_s_words(self, fault: Fault) -> Fault {
        if fault.field != CONVERSATION {
            return fault;
        }
        Fault {
            field: self.client.conversation().to_owned(),
            ..fault
        }
    }

    /// Refuses proofs that are known to be none of the upstream's provider, which would refuse them
    /// with less of an explanation.
    fn refuse_foreign_proofs(self, request: &Request<'_>) -> Result<(), Fault> {
        let Some(own) = self.upstream.proofs() else {
            return Ok(());
        };
        let mut signers = request.signers.iter();
        match signers.find(|signer| !matches!(&***signer, "unknown") && **signer != own) {
            None => Ok(()),
            Some(other) => Err(Fault::new(
                CONVERSATION,
                format!(
                    "hold reasoning signed by another provider (`{other}`): go on with the model \
                     that signed it, or leave it out"
                ),
            )),
        }
    }

    /// The error that an error answer of the upstream reports; `None` if it is no such.
    #[must_use]
    pub fn error(self, body: &[u8]) -> Option<UpstreamError> {
        let api = self.upstream.api();
        let body = alone(body).unwrap_or(body);
        let mut tap = PlainTap::new(api);
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
        let mut response = self.upstream.decode_response(body)?;
        let model = Some(response.model.to_string()).filter(|model| !model.is_empty());
        if response.id.is_empty() {
            response.id = Cow::Borrowed(&unsaid.id);
        }
        if model.is_none() {
            response.model = Cow::Borrowed(&unsaid.model);
        }
        let body = self.client.encode_response(&response, unsaid.created);
        Ok(TranslatedAnswer {
            body: body.into(),
            model,
            usage: response.usage,
        })
    }
}
