//! What is asked for: the dialect from the path, the rest from one pass over the body.
//!
//! The body of an LLM request is read to its end here, since its model decides where it goes; it
//! is kept so that it can be sent, and sent again. A request that no model can decide is not read
//! at all: its body streams on as it comes.

use std::sync::Arc;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use llm::Api;
use llm::scan::{FormScanner, Scan, ScanError, ScanOptions, Scanner, Schema};
use mesh::snapshot::{Preview, RuleKind};
use net::replay::{CollectError, Replay};
use tokio::time::Instant;

use crate::counted::Counted;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::identify::Identified;
use crate::runtime::{Entry, Runtime};
use crate::shared::Shared;

/// A request that is understood as far as routing needs it.
pub(crate) struct Classified {
    pub(crate) head: Parts,
    pub(crate) host: String,
    pub(crate) entry: Arc<Entry>,
    pub(crate) body: Replay,
    pub(crate) kind: Kind,
}

/// What kind of request it is.
pub(crate) enum Kind {
    /// A plain HTTP, gRPC or WebSocket request; its rule was found without the body.
    Plain(mesh::snapshot::Match),
    /// An LLM request with a body that was scanned.
    Prompt(Api, Box<Scan>),
    /// An LLM request without a body, such as the list of models.
    Query(Api),
}

/// Reads what routing depends on.
pub(crate) async fn classify(
    runtime: &Runtime,
    shared: &Shared,
    exchange: &mut Exchange,
    request: Identified,
) -> Result<Classified, Failure> {
    let Identified {
        head,
        body,
        host,
        api,
        entry,
    } = request;
    let body = Counted::new(body, exchange.received.clone());
    let body = Replay::new(body, &shared.bodies, Arc::clone(&entry.replay));
    let preview = entry.preview(&host, &head, api.is_some());
    let is_plain =
        matches!(&preview, Preview::Decided(found) if found.rule.kind == RuleKind::Plain);
    if !is_plain {
        check_method(api, &head)?;
    }
    let kind = match (preview, api) {
        (Preview::Decided(found), _) if is_plain => {
            exchange.api = None;
            Kind::Plain(found)
        }
        // A rule for models may take them all. Its requests are read nevertheless: they are
        // renamed, metered and held back until they have begun.
        (Preview::Decided(_) | Preview::NeedsModel, Some(api)) if api.has_body() => {
            let scan = scan(runtime, shared, exchange, api, &head, &body).await?;
            Kind::Prompt(api, Box::new(scan))
        }
        (Preview::Decided(_) | Preview::NeedsModel, Some(api)) => Kind::Query(api),
        (Preview::None, _) | (_, None) => {
            return Err(Failure::NoRoute(head.uri.path().to_owned()));
        }
    };
    Ok(Classified {
        head,
        host,
        entry,
        body,
        kind,
    })
}

async fn scan(
    runtime: &Runtime,
    shared: &Shared,
    exchange: &mut Exchange,
    api: Api,
    head: &Parts,
    body: &Replay,
) -> Result<Scan, Failure> {
    check_encoding(head)?;
    let Some(schema) = Schema::of(api) else {
        return Ok(Scan::default());
    };
    // In a box, since it outlives pauses of the client, and futures are copied.
    let options = ScanOptions {
        digest: runtime.knows_prefixes(),
        ..ScanOptions::default()
    };
    let mut reader = Box::new(Reader::new(api, schema, head, options)?);
    let began = Instant::now();
    body.collect(|piece| reader.push(piece))
        .await
        .map_err(|error| match error {
            CollectError::Observer(error) => Failure::Scan(error),
            CollectError::Body(error) => Failure::Body(error),
        })?;
    let mut scan = reader.finish()?;
    scan.read_path(api, head.uri.path());
    exchange.waited_for_body(began.elapsed());
    exchange.stream = scan.wants_stream();
    if let Some(model) = &scan.model {
        exchange.model = Some(model.value.as_str().into());
        exchange.model_label = Some(runtime.model_label(shared, &model.value));
    }
    Ok(scan)
}

/// What reads a body as it comes.
enum Reader {
    Json(Scanner),
    Form(FormScanner),
}

impl Reader {
    /// What reads the body of this head: a form where the API takes one and it says to be one.
    fn new(
        api: Api,
        schema: &'static Schema,
        head: &Parts,
        options: ScanOptions,
    ) -> Result<Self, ScanError> {
        let content_type = head.headers.get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let form = content_type.filter(|value| api.takes_forms() && is_form(value));
        Ok(match form {
            Some(content_type) => Self::Form(FormScanner::new(content_type)?),
            None => Self::Json(Scanner::new(schema, options)),
        })
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), ScanError> {
        match self {
            Self::Json(scanner) => scanner.push(piece),
            Self::Form(scanner) => scanner.push(piece),
        }
    }

    fn finish(self) -> Result<Scan, ScanError> {
        match self {
            Self::Json(scanner) => scanner.finish(),
            Self::Form(scanner) => scanner.finish(),
        }
    }
}

fn is_form(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("multipart/form-data")
}

/// A compressed body would have to be unpacked to be read, and packed again for no engine's sake.
fn check_encoding(head: &Parts) -> Result<(), Failure> {
    match head.headers.get(CONTENT_ENCODING) {
        Some(coding) if coding != "identity" => Err(Failure::ContentEncoding(
            String::from_utf8_lossy(coding.as_bytes()).into_owned(),
        )),
        _ => Ok(()),
    }
}

/// Only the method of an API is taken at its path, unless a rule says that the path is a plain
/// service's: `GET /v1/chat/completions` is a mistake. `HEAD` may stand wherever `GET` does (RFC 9110,
/// section 9.1).
fn check_method(api: Option<Api>, head: &Parts) -> Result<(), Failure> {
    let method = match head.method.as_str() {
        "HEAD" => "GET",
        method => method,
    };
    match api {
        Some(api) if method != api.method().as_str() => Err(Failure::MethodNotAllowed {
            path: head.uri.path().to_owned(),
            allow: api.method().as_str(),
        }),
        _ => Ok(()),
    }
}
