//! One attempt: send, wait, judge.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::Bytes;
use credentials::{Material, Token};
use http::{Response, StatusCode};
use llm::response::UpstreamError;
use llm::translate::{Dropped, Fault, Pair, TranslatedRequest};
use net::pool::{SendError, SendErrorKind, UpstreamBody};
use net::replay::ReplayError;
use tokio::time::Instant;

use super::failed::{Failed, Reason, UpstreamAnswer, body_error, is_free};
use super::hold::{self, Broken, Held};
use super::{Begun, Place};
use crate::exchange::Exchange;
use crate::media::Medium;
use crate::outbound;
use crate::route::Routed;
use crate::shared::Shared;
use crate::signing::{self, Unsigned};
use crate::targets::Candidate;
use crate::translation::{self, Untranslated};
use crate::watchdog::Timeout;

/// Sends the request to `candidate` and waits until its answer has begun, or failed.
pub(crate) async fn attempt(
    shared: &Arc<Shared>,
    exchange: &mut Exchange,
    routed: &Routed,
    candidate: &Candidate<'_>,
    place: Place,
    end: Option<Instant>,
) -> Result<Box<Begun>, Failed> {
    let backend = &candidate.target.backend;
    let now = Instant::now();
    exchange.attempt_begins(&backend.name, candidate.endpoint.id(), now);
    shared.metrics.attempt(&routed.rule.route, &backend.name);
    let wrong = match fetched(shared, routed, candidate).await {
        Err(wrong) => wrong,
        Ok(media) => {
            // What others take to hand out media is not the backend's time.
            let now = if media.is_empty() {
                now
            } else {
                Instant::now()
            };
            // Pinned here and lent from here on: it is large, and would be copied from hand to hand.
            let sent = pin!(exchange_once(shared, routed, candidate, media));
            match in_time(deadline(routed, end, now), sent).await {
                Ok(answered) => {
                    note_dropped(shared, routed, &backend.name, &answered);
                    return Ok(begin(exchange, routed, answered, place, end));
                }
                Err(wrong) => wrong,
            }
        }
    };
    exchange.attempt_ends();
    place.release(wrong.reason.outcome());
    tracing::debug!(
        backend = &*backend.name,
        endpoint = candidate.endpoint.id().as_str(),
        reason = ?wrong.reason,
        "attempt failed"
    );
    Err(Failed {
        reason: wrong.reason,
        repeatable: is_repeatable(routed, &wrong),
        free: wrong.free,
        backend: Arc::clone(&backend.name),
        body: wrong.body,
        untranslatable: wrong.untranslatable,
        answer: wrong.answer,
        cause: wrong.cause,
    })
}

/// An answer that has begun.
struct Answered {
    head: http::response::Parts,
    held: Held,
    dropped: Dropped,
}

fn note_dropped(shared: &Shared, routed: &Routed, backend: &Arc<str>, answered: &Answered) {
    let fields = answered.dropped.fields().len() as u64 + answered.dropped.unnamed();
    if fields > 0 {
        let route = &routed.rule.route;
        shared.metrics.dropped_fields(route, backend, fields);
    }
}

/// What went wrong with an attempt.
struct Wrong {
    reason: Reason,
    free: bool,
    /// Closed on a connection that had been idle: the classic race, safe to repeat.
    idle_close: bool,
    /// What is wrong with the client's body.
    body: Option<ReplayError>,
    /// What the backend's dialect cannot say.
    untranslatable: Option<Fault>,
    answer: Option<Box<UpstreamAnswer>>,
    /// What the system, TLS or HTTP said of it.
    cause: Option<String>,
}

impl Wrong {
    fn new(reason: Reason) -> Self {
        Self {
            reason,
            free: false,
            idle_close: false,
            body: None,
            untranslatable: None,
            answer: None,
            cause: None,
        }
    }

    fn untranslated(why: Untranslated) -> Self {
        let nothing_sent = Self {
            free: true,
            ..Self::new(Reason::Untranslatable)
        };
        match why {
            Untranslated::Body(error) => Self {
                body: Some(error),
                ..Self::new(Reason::Send(SendErrorKind::RequestBody))
            },
            Untranslated::Fault(fault) => Self {
                untranslatable: Some(fault),
                ..nothing_sent
            },
        }
    }

    fn without_credential(why: credentials::Error) -> Self {
        Self {
            free: true,
            cause: Some(why.to_string()),
            ..Self::new(Reason::NoCredential(why.kind))
        }
    }

    fn unsigned(why: Unsigned) -> Self {
        match why {
            Unsigned::Body(error) => Self::untranslated(Untranslated::Body(error)),
            Unsigned::Keys(error) => Self::without_credential(error),
        }
    }

    fn sending(error: &SendError) -> Self {
        Self {
            reason: send_reason(error.kind),
            free: is_free(error),
            idle_close: error.is_idle_close(),
            body: body_error(error),
            untranslatable: None,
            answer: None,
            cause: Some(error.to_string()),
        }
    }
}

/// The first timeout that can strike before the answer has begun, and when it will.
///
/// `firstToken` bounds streams alone: a plain answer comes when all of it is generated, so there
/// is no first token to wait for; `backendRequest` can bound those.
fn deadline(routed: &Routed, end: Option<Instant>, now: Instant) -> Option<(Timeout, Instant)> {
    let timeouts = &routed.rule.timeouts;
    let own = if routed.is_streamed() {
        (Timeout::FirstToken, timeouts.first_token)
    } else {
        (Timeout::BackendRequest, timeouts.backend_request)
    };
    let own = own.1.map(|limit| (own.0, now + limit));
    let total = end.map(|end| (Timeout::Request, end));
    own.into_iter().chain(total).min_by_key(|(_, at)| *at)
}

/// Waits for an attempt no longer than the timeouts allow.
async fn in_time<T>(
    deadline: Option<(Timeout, Instant)>,
    attempt: Pin<&mut impl Future<Output = Result<T, Wrong>>>,
) -> Result<T, Wrong> {
    let Some((timeout, at)) = deadline else {
        return attempt.await;
    };
    match tokio::time::timeout_at(at, attempt).await {
        Ok(answered) => answered,
        Err(_elapsed) => Err(Wrong::new(Reason::Timeout(timeout))),
    }
}

/// The media that are to be sent within the request, which few are.
async fn fetched(
    shared: &Shared,
    routed: &Routed,
    candidate: &Candidate<'_>,
) -> Result<Vec<Medium>, Wrong> {
    if !routed.rule.fetch_media {
        return Ok(Vec::new());
    }
    let Some(pair) = translation::between(routed, candidate.target) else {
        return Ok(Vec::new());
    };
    let media = Box::pin(translation::media(pair, routed, shared));
    media.await.map_err(Wrong::untranslated)
}

async fn exchange_once(
    shared: &Shared,
    routed: &Routed,
    candidate: &Candidate<'_>,
    media: Vec<Medium>,
) -> Result<Answered, Wrong> {
    let token = token(candidate).map_err(Wrong::without_credential)?;
    let pair = translation::between(routed, candidate.target);
    let translated = match pair {
        Some(pair) => Some(translate(shared, pair, routed, candidate, media).await?),
        None => None,
    };
    let pair = translated.as_ref().map(|request| request.pair);
    let dropped = translated.as_ref().map(|request| request.dropped.clone());
    let dropped = dropped.unwrap_or_default();
    let Some(mut request) = outbound::request(routed, candidate, token.as_deref(), translated)
    else {
        return Err(Wrong::new(Reason::Send(SendErrorKind::Request)));
    };
    if let Some(Material::Signature(signer)) = token.as_deref().map(|token| &token.material) {
        let signed = signing::sign(&mut request, signer, routed, candidate.target);
        signed.await.map_err(Wrong::unsigned)?;
    }
    let response = candidate
        .upstream
        .connections
        .send(
            &candidate.dialled.target,
            request,
            routed.rule.timeouts.connect,
        )
        .await
        .map_err(|error| Wrong::sending(&error))?;
    note_refused(candidate, token.as_ref(), response.status());
    let (head, held) = judge(routed, candidate, pair, response).await?;
    Ok(Answered {
        head,
        held,
        dropped,
    })
}

/// What authorises the request, where that is renewed.
fn token(candidate: &Candidate<'_>) -> Result<Option<Arc<Token>>, credentials::Error> {
    let credential = candidate.upstream.credential.as_ref();
    credential.map(|credential| credential.token()).transpose()
}

/// Has a token renewed that may have been revoked. AWS says so with 403, as if of a request that is
/// not allowed.
fn note_refused(candidate: &Candidate<'_>, token: Option<&Arc<Token>>, status: StatusCode) {
    let is_refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let credential = candidate.upstream.credential.as_ref();
    if let (true, Some((credential, token))) = (is_refused, credential.zip(token)) {
        credential.refused(token);
    }
}

/// The request in the backend's dialect.
async fn translate(
    shared: &Shared,
    pair: Pair,
    routed: &Routed,
    candidate: &Candidate<'_>,
    media: Vec<Medium>,
) -> Result<TranslatedRequest, Wrong> {
    translation::request(pair, routed, candidate.target, media, shared)
        .await
        .map_err(Wrong::untranslated)
}

/// Decides whether a response is the answer.
async fn judge(
    routed: &Routed,
    candidate: &Candidate<'_>,
    pair: Option<Pair>,
    response: Response<UpstreamBody>,
) -> Result<(http::response::Parts, Held), Wrong> {
    let (mut head, body) = response.into_parts();
    if let (Some(_), Some(api)) = (pair, routed.api()) {
        translation::tell_limits(api.dialect, &mut head);
    }
    let switching = head.status == StatusCode::SWITCHING_PROTOCOLS;
    if switching && outbound::upgrade(routed, &candidate.target.backend).is_none() {
        return Err(Wrong::new(Reason::Protocol));
    }
    if routed.rule.retry.retries(head.status) && routed.repeats_answers() {
        let status = head.status.as_u16();
        let body = hold::error_body(body).await;
        let answer = body.map(|body| Box::new(upstream_answer(routed, pair, head, body)));
        return Err(Wrong {
            answer,
            ..Wrong::new(Reason::Status(status))
        });
    }
    match hold::until_begun(routed, pair, &mut head, body).await {
        Ok(held) => Ok((head, held)),
        Err(Broken::Off) => Err(Wrong::new(Reason::BrokeOff)),
        Err(Broken::Protocol) => Err(Wrong::new(Reason::Protocol)),
        Err(Broken::Reported(error)) => Err(reported(routed, &error)),
    }
}

/// An error answer as the client is to get it, if nobody does better.
fn upstream_answer(
    routed: &Routed,
    pair: Option<Pair>,
    mut head: http::response::Parts,
    body: Bytes,
) -> UpstreamAnswer {
    let body = match (pair, routed.api()) {
        (Some(pair), Some(api)) => translation::error(pair, api.dialect, &mut head, &body),
        _ => body,
    };
    UpstreamAnswer { head, body }
}

/// An error that a stream reports before any content is what the upstream would have answered, had
/// it not promised a stream already: it gets the status it should have had. It counts as what any server
/// means by that, since 424 is how a model of Bedrock fails.
fn reported(routed: &Routed, error: &UpstreamError) -> Wrong {
    let status = error
        .status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or(StatusCode::BAD_GATEWAY);
    let answer = routed
        .api()
        .map(|api| Box::new(UpstreamAnswer::of_error(api.dialect, status, error)));
    Wrong {
        answer,
        ..Wrong::new(Reason::Status(translation::common_status(status).as_u16()))
    }
}

fn begin(
    exchange: &mut Exchange,
    routed: &Routed,
    answered: Answered,
    mut place: Place,
    end: Option<Instant>,
) -> Box<Begun> {
    let Answered {
        head,
        held,
        dropped,
    } = answered;
    let now = Instant::now();
    if held.has_content() {
        exchange.first_token_at(now);
    }
    if !head.status.is_server_error() {
        let is_stream = routed.is_streamed() && head.status.is_success();
        place.response_began(is_stream && held.has_content(), now);
    }
    Box::new(Begun {
        head,
        held,
        place,
        end,
        dropped,
    })
}

fn send_reason(kind: SendErrorKind) -> Reason {
    match kind {
        SendErrorKind::ConnectTimeout => Reason::Timeout(Timeout::Connect),
        kind => Reason::Send(kind),
    }
}

fn retries(routed: &Routed, status: u16) -> bool {
    StatusCode::from_u16(status).is_ok_and(|status| routed.rule.retry.retries(status))
}

/// Whether the request may be sent once more after it failed like this.
///
/// An LLM request changes nothing at the other end, so all failures but those of the request
/// itself may be repeated. Of a plain request we know only what HTTP says: one that reached
/// nobody, met a connection that was just being closed, or is idempotent by its method.
fn is_repeatable(routed: &Routed, wrong: &Wrong) -> bool {
    match wrong.reason {
        Reason::Timeout(Timeout::Request)
        | Reason::Send(SendErrorKind::Request | SendErrorKind::RequestBody) => false,
        Reason::Status(status) if !retries(routed, status) => false,
        _ => wrong.free || wrong.idle_close || routed.repeats_answers(),
    }
}
