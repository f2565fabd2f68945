//! A request whose backend speaks another dialect than its client.
//!
//! What differs from a request that is passed on stands here: its body is written anew for each
//! attempt, since each may go to another dialect, and its answer is read as the backend's and written
//! as the client's. The dialects themselves are `llm`'s business.

use std::future::pending;
use std::panic::resume_unwind;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue};
use http::response::Parts;
use http::{Response, StatusCode, Uri};
use llm::response::UpstreamError;
use llm::translate::{
    Asked, Fault, FetchedMedia, Pair, StreamTranslator, TranslatedAnswer, TranslatedRequest,
    Unsaid, Way,
};
use llm::{ApiError, Dialect, ErrorKind};
use mesh::resources::Translation;
use mesh::snapshot::Target;
use net::budget::Reservation;
use net::replay::ReplayError;
use tokio::task::spawn_blocking;

use crate::headers::X_REQUEST_ID;
use crate::media::{Medium, Missed};
use crate::route::{Routed, client_of};
use crate::shared::Shared;

/// The status of Anthropic's API for "overloaded", which no other dialect knows.
const OVERLOADED: u16 = 529;

const ANTHROPIC_BETA: &str = "anthropic-beta";

/// A body longer than this is translated beside the threads that serve requests: all others there
/// would wait for it, some milliseconds for each MiB.
const LONG: usize = 1 << 20;

/// The two dialects, if `target` speaks another than the client.
pub(crate) fn between(routed: &Routed, target: &Target) -> Option<Pair> {
    let backend = &target.backend;
    match Way::of(routed.prompt()?.api, backend.dialect?, backend.quirks)? {
        Way::PassedOn | Way::Answered => None,
        Way::Translated(pair) => Some(pair),
    }
}

/// Why a request cannot be sent in another dialect.
#[derive(Debug)]
pub(crate) enum Untranslated {
    /// The body could not be read.
    Body(ReplayError),
    /// It says what the other dialect cannot.
    Fault(Fault),
}

/// The request in the dialect of `target`; what it needs of memory is taken from the budget of bodies.
pub(crate) async fn request(
    pair: Pair,
    routed: &Routed,
    target: &Target,
    media: Vec<Medium>,
    shared: &Shared,
) -> Result<TranslatedRequest, Untranslated> {
    let mut room = shared.bodies.reservation();
    let body = routed.body.to_bytes(&mut room).await;
    let body = body.map_err(Untranslated::Body)?;
    // What is read of it, and what is written, is each about as long.
    resize(&mut room, |now| now + 2 * body.len() as u64)?;
    let asked_for = routed
        .prompt()
        .and_then(|prompt| prompt.scan.model.as_ref());
    let asked_for = asked_for.map(|model| model.value.as_str());
    let model = target.model.as_deref().or(asked_for).map(str::to_owned);
    let (uri, betas) = (routed.head.uri.clone(), betas(routed));
    let len = media.iter().map(|medium| medium.bytes.len()).sum::<usize>() + body.len();
    let request = aside(len, LONG, move || {
        let (fetched, rooms) = unpacked(media);
        let asked = asked(&uri, betas.as_deref());
        let request = pair.request_with(asked, &body, model.as_deref(), &fetched);
        drop((body, fetched, rooms));
        kept(request.map_err(Untranslated::Fault)?, room)
    });
    let mut request = request.await?;
    // What it asks for is asked for in a header that only Anthropic knows.
    let is_known = pair.upstream().dialect == Dialect::Anthropic;
    if !is_known && routed.head.headers.contains_key(ANTHROPIC_BETA) {
        request.dropped.add(ANTHROPIC_BETA);
    }
    match (routed.rule.translation, request.dropped.fields()) {
        (Translation::Strict, [field, ..]) => Err(Untranslated::Fault(Fault {
            field: field.clone(),
            message:
                "has no counterpart in the API of the model that was asked for, and is not to \
                      be left out"
                    .to_owned(),
            code: None,
        })),
        _ => Ok(request),
    }
}

/// The media that the backend takes only within the request, if the rule allows to fetch them.
pub(crate) async fn media(
    pair: Pair,
    routed: &Routed,
    shared: &Shared,
) -> Result<Vec<Medium>, Untranslated> {
    let mut room = shared.bodies.reservation();
    let body = routed.body.to_bytes(&mut room).await;
    let body = body.map_err(Untranslated::Body)?;
    let uri = routed.head.uri.clone();
    let urls = aside(body.len(), LONG, move || {
        pair.media_to_fetch(asked(&uri, None), &body)
    });
    let urls = urls.await.map_err(Untranslated::Fault)?;
    let fetched = shared.media.fetch(urls, &shared.bodies).await;
    fetched.map_err(|missed| match missed {
        Missed::Room(error) => Untranslated::Body(error),
        Missed::Why(message) => Untranslated::Fault(Fault {
            field: pair.asked_in().to_owned(),
            message,
            code: None,
        }),
    })
}

/// Media as they are put into a request, and the rooms that they take.
fn unpacked(media: Vec<Medium>) -> (FetchedMedia, Vec<Reservation>) {
    let mut fetched = FetchedMedia::default();
    let rooms = media.into_iter().map(|medium| {
        fetched.add(medium.url, medium.kind.as_deref(), medium.bytes);
        medium.room
    });
    let rooms = rooms.collect();
    (fetched, rooms)
}

/// The request, whose body gives its room back when it is sent.
fn kept(
    request: TranslatedRequest,
    mut room: Reservation,
) -> Result<TranslatedRequest, Untranslated> {
    struct Counted {
        bytes: Bytes,
        _room: Reservation,
    }
    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    let len = request.body.len() as u64;
    resize(&mut room, |_| len)?;
    Ok(TranslatedRequest {
        body: Bytes::from_owner(Counted {
            bytes: request.body,
            _room: room,
        }),
        ..request
    })
}

fn resize(room: &mut Reservation, to: impl Fn(u64) -> u64) -> Result<(), Untranslated> {
    let (now, wanted) = (room.bytes(), to(room.bytes()));
    room.shrink(now.saturating_sub(wanted));
    room.grow(wanted.saturating_sub(now))
        .map_err(|exhausted| Untranslated::Body(ReplayError::Exhausted(exhausted)))
}

/// What `work` comes to, which is done on a body of `len` bytes: beside the threads that serve requests
/// if it is longer than `long`.
pub(crate) async fn aside<T: Send + 'static>(
    len: usize,
    long: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if len <= long {
        return work();
    }
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime ends, and this with it.
            Err(_) => pending().await,
        },
    }
}

fn asked<'a>(uri: &'a Uri, betas: Option<&'a str>) -> Asked<'a> {
    Asked {
        path: uri.path(),
        query: uri.query(),
        betas,
    }
}

/// What is new in Anthropic's API and wished for.
fn betas(routed: &Routed) -> Option<String> {
    let headers = routed.head.headers.get_all(ANTHROPIC_BETA).iter();
    let values: Vec<&str> = headers.filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// What translates the stream that answers `routed`; `None` if no stream can.
pub(crate) fn stream(pair: Pair, routed: &Routed) -> Option<StreamTranslator> {
    let scan = routed.prompt().map(|prompt| &prompt.scan);
    let translator = StreamTranslator::new(
        pair,
        routed.head.uri.query(),
        scan.map_or(1, |scan| scan.choices()),
        scan.is_some_and(|scan| scan.wants_usage()),
        unsaid(routed),
    );
    translator.map(|translator| translator.for_client(client_of(&routed.head)))
}

/// The answer to `routed` in the client's dialect.
pub(crate) async fn answer(
    pair: Pair,
    routed: &Routed,
    body: Bytes,
) -> Result<TranslatedAnswer, Fault> {
    let unsaid = unsaid(routed);
    aside(body.len(), LONG, move || pair.answer(&body, &unsaid)).await
}

/// The id of the request does for that of an answer which has none.
fn unsaid(routed: &Routed) -> Unsaid {
    let id = routed.head.headers.get(X_REQUEST_ID);
    let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
    let model = routed
        .prompt()
        .and_then(|prompt| prompt.scan.model.as_ref());
    Unsaid {
        id: id.to_owned(),
        model: model.map(|model| model.value.clone()).unwrap_or_default(),
        created: now(),
    }
}

/// Makes the head of an answer fit a body that has been written anew.
pub(crate) fn fit_head(head: &mut Parts, content_type: &'static str) {
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, ETAG] {
        head.headers.remove(name);
    }
    let content_type = HeaderValue::from_static(content_type);
    head.headers.insert(CONTENT_TYPE, content_type);
}

/// Adds what clients of `client` read of their limits, as far as the answer tells it.
pub(crate) fn tell_limits(client: Dialect, head: &mut Parts) {
    // Most answers have none, and each look costs something.
    if !head
        .headers
        .keys()
        .any(|name| llm::limits::is_told_by(name.as_str()))
    {
        return;
    }
    let value = |name: &str| head.headers.get(name)?.to_str().ok();
    let told = llm::limits::headers_for(client, value, now());
    for (name, value) in told {
        if let Ok(value) = HeaderValue::try_from(value) {
            head.headers.insert(name, value);
        }
    }
}

/// An error answer in the client's dialect.
pub(crate) fn error(pair: Pair, client: Dialect, head: &mut Parts, body: &[u8]) -> Bytes {
    let error = pair.error(body).unwrap_or_else(|| UpstreamError {
        message: format!(
            "the model's server answered with status {}",
            head.status.as_u16()
        ),
        ..UpstreamError::default()
    });
    head.status = known_status(client, head.status);
    fit_head(head, llm::CONTENT_TYPE_JSON);
    error_body(client, head.status, &error)
}

/// The status by which a server of `dialect` would have said the same.
pub(crate) fn known_status(dialect: Dialect, status: StatusCode) -> StatusCode {
    let is_its_own = match dialect {
        Dialect::Anthropic => status.as_u16() == OVERLOADED,
        Dialect::Bedrock => status == StatusCode::FAILED_DEPENDENCY,
        _ => false,
    };
    if is_its_own {
        return status;
    }
    common_status(status)
}

/// The status by which any other server would have said the same.
pub(crate) fn common_status(status: StatusCode) -> StatusCode {
    match status {
        _ if status.as_u16() == OVERLOADED => StatusCode::SERVICE_UNAVAILABLE,
        // By which Bedrock says that a model failed; elsewhere it would be the client's fault.
        StatusCode::FAILED_DEPENDENCY => StatusCode::BAD_GATEWAY,
        status => status,
    }
}

/// The body with which a server of `dialect` would have reported `error`.
pub(crate) fn error_body(dialect: Dialect, status: StatusCode, error: &UpstreamError) -> Bytes {
    let error = ApiError {
        status: status.as_u16(),
        kind: ErrorKind::of_status(status.as_u16()),
        message: error.message.clone(),
        param: error.param.clone(),
        code: error.code.clone(),
    };
    llm::error::encode(dialect, &error)
}

/// An empty answer of this status, whose body is of the type.
pub(crate) fn head(status: StatusCode) -> Parts {
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = status;
    fit_head(&mut head, llm::CONTENT_TYPE_JSON);
    head
}

fn now() -> u64 {
    let now = telemetry::wall_clock().duration_since(UNIX_EPOCH);
    now.map(|since| since.as_secs()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
