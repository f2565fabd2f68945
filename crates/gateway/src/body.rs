//! The body of an answer: an upstream's, watched as it goes by, to its end and no further.
//!
//! It owns all that must last as long as the answer does: the upstream connection, the place at
//! the endpoint, the watch over tokens and timeouts, the books. So a client that leaves takes all
//! of it along by dropping this one value, and nothing is released at the headers.
//!
//! A stream that breaks after it has begun is never ended as if it were whole: SDKs raise nothing
//! at a clean end. It gets the dialect's in-stream error; where there is none, the connection is
//! aborted.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use balance::FailureKind;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use llm::Api;
use mesh::snapshot::Rule;
use net::pool::UpstreamBody;
use telemetry::{ErrorType, Outcome};
use tokio::time::Instant;

use crate::attempt::{Held, Place, Reason};
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::outbox::Outbox;
use crate::tap::{Report, Tap};
use crate::watchdog::{Timeout, Watchdog};

/// The body of an answer.
pub(crate) struct ResponseBody(Kind);

enum Kind {
    Local(Option<Bytes>),
    Proxied(Box<Proxied>),
}

/// The answer broke off, and the client must notice.
#[derive(Debug, thiserror::Error)]
#[error("the upstream's answer broke off")]
pub(crate) struct Aborted;

impl ResponseBody {
    /// Bytes of our own.
    pub(crate) fn local(bytes: Bytes) -> Self {
        Self(Kind::Local(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }

    /// An upstream's.
    pub(crate) fn proxied(body: Box<Proxied>) -> Self {
        Self(Kind::Proxied(body))
    }

    /// Bytes of a local body.
    pub(crate) fn len(&self) -> u64 {
        match &self.0 {
            Kind::Local(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Kind::Proxied(_) => 0,
        }
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        match &mut self.get_mut().0 {
            Kind::Local(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Proxied(body) => body.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Local(bytes) => bytes.is_none(),
            Kind::Proxied(body) => body.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Local(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Proxied(body) => body.size_hint(),
        }
    }
}

/// An upstream's answer on its way to the client.
pub(crate) struct Proxied {
    ready: Outbox,
    trailers: Option<HeaderMap>,
    rest: Option<UpstreamBody>,
    watchdog: Option<Watchdog>,
    rule: Arc<Rule>,
    api: Option<Api>,
    /// What is left to do at the end; gone when the books are closed.
    open: Option<Open>,
    /// Set when the upstream's part is over and its last bytes wait in `ready`.
    ending: Option<Ending>,
    scratch: Vec<Bytes>,
}

struct Open {
    exchange: Box<Exchange>,
    place: Place,
    tap: Tap,
}

/// How the answer ends once all that is ready has been taken.
struct Ending {
    outcome: Outcome,
    error: Option<ErrorType>,
    /// The client must see that the answer is not whole.
    abort: bool,
}

impl Ending {
    /// What the balancer is told of the endpoint.
    fn of_endpoint(&self, exchange: &Exchange) -> balance::Outcome {
        match (self.outcome, self.error) {
            (Outcome::Completed, _) => {}
            // The caller's total says nothing about this endpoint's share in it.
            (_, Some(ErrorType::RequestTimeout)) => return balance::Outcome::Neutral,
            _ => return balance::Outcome::Failure(FailureKind::Stream),
        }
        let output_tokens = exchange.tokens.output.map(u32::try_from);
        let success = balance::Outcome::Success {
            first_token: None,
            output_tokens: output_tokens.and_then(Result::ok).unwrap_or_default(),
        };
        Reason::of_status(exchange.status).map_or(success, Reason::outcome)
    }
}

impl Proxied {
    /// An answer that has begun.
    pub(crate) fn new(
        exchange: Box<Exchange>,
        rule: Arc<Rule>,
        api: Option<Api>,
        held: Held,
        place: Place,
        end: Option<Instant>,
    ) -> Box<Self> {
        let Held { bytes, rest, tap } = held;
        let ended = rest.as_ref().is_none_or(http_body::Body::is_end_stream);
        let between = rule.timeouts.between_chunks.filter(|_| exchange.stream);
        let watchdog = rest
            .as_ref()
            .and_then(|_| Watchdog::new(Instant::now(), between, end));
        let mut body = Box::new(Self {
            ready: Outbox::default(),
            trailers: None,
            rest,
            watchdog,
            rule,
            api,
            open: Some(Open {
                exchange,
                place,
                tap,
            }),
            ending: None,
            scratch: bytes,
        });
        body.ready.append(&mut body.scratch);
        if ended {
            body.upstream_ended();
            // Nobody asks a body for its end that has nothing before it.
            body.settle_if_drained();
        }
        body
    }

    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        while !self.has_enough() {
            if self.poll_upstream(context).is_pending() {
                break;
            }
        }
        if let Some(bytes) = self.ready.take() {
            self.sent(bytes.len());
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        self.poll_end()
    }

    /// Whether there is nothing to ask the upstream for: enough waits, or some does and there is no
    /// more, or nothing more will come.
    fn has_enough(&self) -> bool {
        let has_drained = || self.rest.as_ref().is_some_and(UpstreamBody::has_drained);
        self.ready.has_enough()
            || self.trailers.is_some()
            || self.ending.is_some()
            || (!self.ready.is_empty() && has_drained())
    }

    /// What comes when no data waits.
    fn poll_end(&mut self) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        if let Some(trailers) = self.trailers.take() {
            self.settle_if_drained();
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let Some(abort) = self.ending.as_ref().map(|ending| ending.abort) else {
            return Poll::Pending;
        };
        self.settle_if_drained();
        Poll::Ready(abort.then_some(Err(Aborted)))
    }

    /// Takes the next frame from the upstream, or learns that there will be none.
    fn poll_upstream(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(rest) = &mut self.rest else {
            self.upstream_ended();
            return Poll::Ready(());
        };
        match Pin::new(&mut *rest).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let last = rest.is_end_stream();
                self.take(frame, last);
                Poll::Ready(())
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "answer broke off");
                self.upstream_broke(None);
                Poll::Ready(())
            }
            Poll::Ready(None) => {
                self.upstream_ended();
                Poll::Ready(())
            }
            Poll::Pending => self.poll_watchdog(context),
        }
    }

    fn poll_watchdog(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(watchdog) = &mut self.watchdog else {
            return Poll::Pending;
        };
        watchdog
            .poll(context)
            .map(|timeout| self.upstream_broke(Some(timeout)))
    }

    fn take(&mut self, frame: Frame<Bytes>, last: bool) {
        // Nothing comes after trailers, and servers do not ask whether something does.
        let last = last || frame.is_trailers();
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.fed(Instant::now());
        }
        match frame.into_data() {
            Ok(chunk) => self.feed(chunk),
            Err(frame) => self.trailers = frame.into_trailers().ok(),
        }
        // A server whose client was promised a length does not ask again for the end.
        if last && self.ending.is_none() {
            self.upstream_ended();
        }
    }

    fn feed(&mut self, chunk: Bytes) {
        let Some(open) = &mut self.open else { return };
        let fed = open.tap.feed(chunk, &mut self.scratch);
        if open.exchange.first_token.is_none() && open.tap.has_begun() {
            open.exchange.first_token_at(Instant::now());
        }
        self.ready.append(&mut self.scratch);
        if let Err(too_long) = fed {
            tracing::debug!(error = %too_long, "answer is not a stream of events");
            self.upstream_broke(None);
        }
    }

    fn sent(&mut self, bytes: usize) {
        if let Some(open) = &mut self.open {
            open.exchange.bytes_sent += bytes as u64;
        }
        self.settle_if_drained();
    }

    /// The upstream's bytes came to their end.
    fn upstream_ended(&mut self) {
        self.rest = None;
        self.watchdog = None;
        let in_events = self.writes_events();
        let Some(report) = self.report(Tap::finish) else {
            return;
        };
        let (outcome, error, abort) = match (report.whole, report.failed) {
            (true, _) => (Outcome::Completed, None, false),
            (false, true) => {
                let error = ErrorType::UpstreamError;
                (Outcome::UpstreamFailed, Some(error), false)
            }
            (false, false) => {
                let error = ErrorType::UpstreamReset;
                if in_events {
                    self.say_it_broke(None, report.events);
                }
                (Outcome::UpstreamFailed, Some(error), !in_events)
            }
        };
        self.ending = Some(Ending {
            outcome,
            error,
            abort,
        });
    }

    fn writes_events(&self) -> bool {
        let open = self.open.as_ref();
        open.is_some_and(|open| open.tap.writes_events())
    }

    /// The upstream died, stalled, or sent what cannot be read on.
    fn upstream_broke(&mut self, timeout: Option<Timeout>) {
        self.rest = None;
        self.watchdog = None;
        let in_stream = self.open.as_ref().is_some_and(|open| open.tap.is_stream());
        let in_events = self.writes_events();
        let Some(report) = self.report(Tap::break_off) else {
            return;
        };
        if in_stream && report.whole {
            // Its end event was there; that the connection broke then concerns nobody.
            self.ending = Some(Ending {
                outcome: Outcome::Completed,
                error: None,
                abort: false,
            });
            return;
        }
        if in_events && !report.failed {
            self.say_it_broke(timeout, report.events);
        }
        let error = timeout.map_or(ErrorType::UpstreamReset, Timeout::error_type);
        self.ending = Some(Ending {
            outcome: Outcome::UpstreamFailed,
            error: Some(error),
            abort: !in_events,
        });
    }

    /// Ends the watch as it is to be ended, and notes what it saw.
    fn report(&mut self, end: fn(Tap, &mut Vec<Bytes>) -> Report) -> Option<Report> {
        let open = self.open.as_mut()?;
        let tap = std::mem::replace(&mut open.tap, Tap::None);
        let report = end(tap, &mut self.scratch);
        self.ready.append(&mut self.scratch);
        open.exchange.tokens = report.tokens;
        if let Some(model) = &report.model {
            open.exchange.model_served = Some(model.as_str().into());
        }
        Some(report)
    }

    /// Adds the API's in-stream error, as the event of that number.
    fn say_it_broke(&mut self, timeout: Option<Timeout>, number: u64) {
        let (Some(api), Some(open)) = (self.api, &self.open) else {
            return;
        };
        let backend = open.exchange.backend.clone().unwrap_or_default();
        let failure = match timeout {
            Some(timeout) => Failure::timeout(timeout, &self.rule.timeouts),
            None => Failure::Upstream {
                backend,
                detail: "its answer broke off",
                cause: None,
                error: ErrorType::UpstreamReset,
            },
        };
        let error = failure.api_error();
        self.ready
            .push(llm::error::stream_event(api, &error, number));
    }

    /// Closes the books once the client has been handed everything.
    fn settle_if_drained(&mut self) {
        let drained = self.ready.is_empty() && self.trailers.is_none();
        let Some(ending) = self.ending.as_ref().filter(|_| drained) else {
            return;
        };
        let Some(Open {
            mut exchange,
            place,
            ..
        }) = self.open.take()
        else {
            return;
        };
        exchange.attempt_ends();
        place.release(ending.of_endpoint(&exchange));
        let by_status = Reason::of_status(exchange.status).map(Reason::error_type);
        exchange.settle(ending.outcome, ending.error.or(by_status), None);
    }

    fn is_over(&self) -> bool {
        let clean = self.ending.as_ref().is_some_and(|ending| !ending.abort);
        clean && self.ready.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let ready = self.ready.len() as u64;
        match (&self.ending, &self.rest, &self.open) {
            (Some(ending), _, _) if !ending.abort && self.trailers.is_none() => {
                SizeHint::with_exact(ready)
            }
            (
                None,
                Some(rest),
                Some(Open {
                    tap: Tap::None | Tap::Plain(_),
                    ..
                }),
            ) => match rest.size_hint().exact() {
                Some(exact) => SizeHint::with_exact(ready + exact),
                None => SizeHint::default(),
            },
            _ => SizeHint::default(),
        }
    }
}

impl Drop for Proxied {
    /// The client left in the middle: what it was given is still accounted.
    fn drop(&mut self) {
        if self.ending.is_none() {
            self.report(Tap::break_off);
        }
        if let Some(Open {
            mut exchange,
            place,
            ..
        }) = self.open.take()
        {
            exchange.attempt_ends();
            drop(place);
            exchange.settle(Outcome::ClientAborted, Some(ErrorType::ClientAborted), None);
        }
    }
}

#[cfg(test)]
mod tests;
