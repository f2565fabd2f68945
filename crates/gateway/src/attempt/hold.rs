//! Holding an answer back until it has begun.
//!
//! Head and prelude of a stream (the role, empty deltas, comments) say nothing a client needs, and
//! once they are forwarded no other endpoint can take over. So they wait here for the first
//! content. A plain answer is held while it is small: an engine writes it in one go, and if it
//! breaks off the whole request can still be repeated.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::response::Parts;
use http_body_util::BodyExt;
use llm::response::{Ended, Plain, UpstreamError};
use llm::translate::Pair;
use llm::{Api, Operation};
use net::pool::UpstreamBody;

use crate::route::Routed;
use crate::tap::Tap;
use crate::translation;

/// More than this is not held back: an answer so large has begun.
const MAX_HELD: usize = 64 * 1024;

/// Likewise of the Responses API, whose first two events repeat the request's instructions and tools.
const MAX_HELD_RESPONSE: usize = 256 * 1024;

/// A plain answer of more than this is not translated: no model writes so much.
const MAX_TRANSLATED: usize = 32 * 1024 * 1024;

/// Likewise of vectors: 2,048 of 4,096 numbers, as JSON writes them.
const MAX_VECTORS: usize = 192 * 1024 * 1024;

/// An answer that has begun: what was held back, and what is to come.
pub(crate) struct Held {
    /// Forwardable bytes that came until the answer had begun.
    pub(crate) bytes: Vec<Bytes>,
    /// The rest, unless the answer is complete already.
    pub(crate) rest: Option<UpstreamBody>,
    /// What watches the answer.
    pub(crate) tap: Tap,
}

impl Held {
    /// Whether there is content among the bytes held.
    pub(crate) fn has_content(&self) -> bool {
        match &self.tap {
            Tap::Ended(report) => report.content_events > 0,
            tap => tap.has_begun(),
        }
    }
}

/// Why an answer will not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It ended before its end.
    Off,
    /// It is not an answer of the API.
    Protocol,
    /// Its stream reports an error before any content.
    Reported(UpstreamError),
}

/// Reads an answer until it has begun.
///
/// `pair` are the dialects, if it is to be translated; then its head is made to fit.
pub(crate) async fn until_begun(
    routed: &Routed,
    pair: Option<Pair>,
    head: &mut Parts,
    body: UpstreamBody,
) -> Result<Held, Broken> {
    let tap = Tap::of(routed, pair, head);
    match (tap, pair) {
        (Tap::Stream(_) | Tap::Translated(_) | Tap::Plain(_), _) if is_encoded(head) => {
            Err(Broken::Protocol)
        }
        (tap @ (Tap::Stream(_) | Tap::Translated(_)), _) => {
            match &tap {
                Tap::Translated(tap) => translation::fit_head(head, tap.content_type()),
                _ if pair.is_some() => translation::fit_head(head, llm::CONTENT_TYPE_EVENT_STREAM),
                _ => {}
            }
            stream(tap, body, most_held(routed)).await
        }
        (Tap::Plain(_), _) if !is_json(head) => Err(Broken::Protocol),
        (Tap::Plain(_), Some(pair)) => translated(pair, routed, head, body).await,
        (tap @ Tap::Plain(_), None) => plain(tap, body).await,
        (tap, Some(pair)) if routed.prompt().is_some() => {
            translated_error(pair, routed, head, body, tap).await
        }
        (tap, _) => Ok(Held {
            bytes: Vec::new(),
            rest: Some(body),
            tap,
        }),
    }
}

fn most_held(routed: &Routed) -> usize {
    match routed.api() {
        Some(Api::RESPONSES) => MAX_HELD_RESPONSE,
        _ => MAX_HELD,
    }
}

async fn stream(mut tap: Tap, mut body: UpstreamBody, most: usize) -> Result<Held, Broken> {
    let mut bytes = Vec::new();
    loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                let Ok(chunk) = frame.into_data() else {
                    continue;
                };
                tap.feed(chunk, &mut bytes)
                    .map_err(|_bad| Broken::Protocol)?;
            }
            Some(Err(_)) => return Err(Broken::Off),
            None => return ended(tap, bytes),
        }
        if tap.has_begun() || held(&bytes) > most {
            return Ok(Held {
                bytes,
                rest: Some(body),
                tap,
            });
        }
        if let Some(error) = tap.error() {
            return Err(Broken::Reported(error.clone()));
        }
    }
}

fn ended(tap: Tap, mut bytes: Vec<Bytes>) -> Result<Held, Broken> {
    let report = tap.end_stream(&mut bytes).ok_or(Broken::Protocol)?;
    match report.ended {
        Ended::Complete => Ok(Held {
            bytes,
            rest: None,
            tap: Tap::Ended(Box::new(report)),
        }),
        Ended::Truncated => Err(Broken::Off),
        Ended::Failed(error) => Err(Broken::Reported(error)),
    }
}

async fn plain(mut tap: Tap, mut body: UpstreamBody) -> Result<Held, Broken> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Broken::Off)?;
        let Ok(chunk) = frame.into_data() else {
            continue;
        };
        tap.feed_plain(&chunk);
        bytes.push(chunk);
        if held(&bytes) > MAX_HELD {
            return Ok(Held {
                bytes,
                rest: Some(body),
                tap,
            });
        }
    }
    Ok(Held {
        bytes,
        rest: None,
        tap,
    })
}

/// A plain answer in another dialect is written anew when all of it is there.
async fn translated(
    pair: Pair,
    routed: &Routed,
    head: &mut Parts,
    body: UpstreamBody,
) -> Result<Held, Broken> {
    let is_of_vectors = pair.upstream().operation == Operation::Embeddings;
    let most = if is_of_vectors {
        MAX_VECTORS
    } else {
        MAX_TRANSLATED
    };
    let body = gather(body, most).await?;
    let answer = translation::answer(pair, routed, body).await;
    let answer = answer.map_err(|fault| {
        tracing::debug!(%fault, "answer is not one of its API");
        Broken::Protocol
    })?;
    translation::fit_head(head, llm::CONTENT_TYPE_JSON);
    Ok(Held {
        bytes: vec![answer.body],
        rest: None,
        tap: Tap::Answered(Box::new(Plain {
            usage: answer.usage,
            model: answer.model,
            error: None,
            complete: true,
        })),
    })
}

/// Likewise an error answer; one that is too long to be an error message is not kept.
async fn translated_error(
    pair: Pair,
    routed: &Routed,
    head: &mut Parts,
    body: UpstreamBody,
    tap: Tap,
) -> Result<Held, Broken> {
    let body = error_body(body).await.unwrap_or_default();
    let dialect = routed.api().unwrap_or(pair.upstream()).dialect;
    Ok(Held {
        bytes: vec![translation::error(pair, dialect, head, &body)],
        rest: None,
        tap,
    })
}

/// All of a body that is no longer than `most`.
async fn gather(mut body: UpstreamBody, most: usize) -> Result<Bytes, Broken> {
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(chunk) = frame.map_err(|_| Broken::Off)?.into_data() {
            collected.extend_from_slice(&chunk);
        }
        if collected.len() > most {
            return Err(Broken::Protocol);
        }
    }
    Ok(collected.freeze())
}

/// The body of an error answer, to be passed on if nobody does better; `None` if it breaks off or
/// is longer than any error message.
pub(crate) async fn error_body(mut body: UpstreamBody) -> Option<Bytes> {
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(chunk) = frame.ok()?.into_data() {
            collected.extend_from_slice(&chunk);
        }
        if collected.len() > MAX_HELD {
            return None;
        }
    }
    Some(collected.freeze())
}

fn held(bytes: &[Bytes]) -> usize {
    bytes.iter().map(Bytes::len).sum()
}

/// Whether the answer comes compressed although `identity` alone was asked for: what cannot be read
/// cannot be watched, and the client may not be able to read it either.
fn is_encoded(head: &Parts) -> bool {
    let coding = head.headers.get(CONTENT_ENCODING);
    coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn is_json(head: &Parts) -> bool {
    head.headers.get(CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes();
        value.len() >= 16 && value[..16].eq_ignore_ascii_case(b"application/json")
    })
}
