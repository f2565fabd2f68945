//! An HTTP/1.1 connection that travels with its request.
//!
//! It has no task of its own: it is polled by whoever waits for the response and then by whoever
//! reads the body. A proxied request is then one task: bytes that arrived together leave together,
//! nothing crosses threads, and dropping the future or the body closes the connection, which is
//! how an upstream learns that its client has gone.
//!
//! The price: while the reader of a response body does not poll, the rest of the *request* body
//! is not sent either. Only a peer that refuses to read the answer before all of its request is
//! taken could notice, and it would be stopped by its own unread answer anyway.

mod outgoing;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Weak;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use self::outgoing::Outgoing;
use super::PoolConfig;
use super::error::{Failed, SendError, SendErrorKind, Sent};
use super::io::{Io, Upgraded};
use super::slot::Slot;
use super::target::Target;
use super::upstream::UpstreamBody;
use super::wire::to_http1;
use crate::body::{Body, BodyError};
use crate::http1::{Malformed, ResponseHead, ResponseReader};
use crate::incoming::{Arriving, Next, poll_read};

/// A connection that serves one request at a time.
pub(super) struct H1 {
    io: Io,
    outgoing: Outgoing,
    head: ResponseReader,
    body: Arriving,
    /// The peer keeps the connection, as far as is known.
    keep_alive: bool,
    /// Weak, because the slot's idle list owns connections.
    slot: Weak<Slot>,
    opened: Instant,
    used: bool,
}

/// Why there is no head.
enum Broken {
    RequestBody(BodyError),
    Closed(Option<io::Error>),
    Malformed(Malformed),
}

impl H1 {
    pub(super) fn new(io: Io, slot: Weak<Slot>, config: &PoolConfig) -> Box<Self> {
        Box::new(Self {
            io,
            outgoing: Outgoing::nothing(),
            head: ResponseReader::new(config.max_response_head),
            body: Arriving::ended(),
            keep_alive: true,
            slot,
            opened: Instant::now(),
            used: false,
        })
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    /// Sends `request` and waits for the head of the response.
    ///
    /// Not an `async fn`, which would carry the request, already handed over, in every future.
    pub(super) fn send<'a>(
        mut self: Box<Self>,
        request: Request<Body>,
        target: &'a Target,
    ) -> impl Future<Output = Result<Response<UpstreamBody>, Box<Failed>>> + use<'a> {
        let to_head = request.method() == Method::HEAD;
        let begun = self.begin(request, target);
        async move {
            begun?;
            match poll_fn(|cx| self.poll_head(cx, to_head)).await {
                Ok((head, first)) => Ok(self.respond(head, first)),
                Err(broken) => Err(Box::new(Failed {
                    error: self.failed(broken, target),
                    request: None,
                })),
            }
        }
    }

    /// Nothing is written here; that a connection just opened is closed already is seen before
    /// anything is, as for one that was idle.
    fn begin(&mut self, mut request: Request<Body>, target: &Target) -> Result<(), Box<Failed>> {
        to_http1(&mut request, target).map_err(|kind| Failed::before_sending(kind, target))?;
        if !self.used && self.has_input() {
            return Err(Failed::before_sending(SendErrorKind::Closed, target));
        }
        self.outgoing.begin(request);
        Ok(())
    }

    /// The head, and what of the body came with it.
    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        to_head: bool,
    ) -> Poll<Result<(ResponseHead, Bytes), Broken>> {
        loop {
            if let Poll::Ready(Err(error)) = self.outgoing.poll(&mut self.io, cx) {
                return Poll::Ready(Err(Broken::RequestBody(error)));
            }
            let head = &mut self.head;
            let read = poll_read(&mut self.io, cx, |input| {
                let Some((mut head, used)) = head.push(input, to_head)? else {
                    return Ok(None);
                };
                let (first, of_body) = head.body.push(&input[used..]);
                head.keep_alive &= used + of_body == input.len();
                Ok(Some((head, first)))
            });
            match ready!(read) {
                // What was said before we said anything answers something else.
                Ok(Some(Ok(Some(_)))) if !self.outgoing.has_written() => {
                    return Poll::Ready(Err(Broken::Closed(None)));
                }
                Ok(Some(Ok(Some(begun)))) => return Poll::Ready(Ok(begun)),
                Ok(Some(Ok(None))) => {}
                Ok(Some(Err(malformed))) => return Poll::Ready(Err(Broken::Malformed(malformed))),
                Ok(None) => return Poll::Ready(Err(Broken::Closed(None))),
                Err(error) => return Poll::Ready(Err(Broken::Closed(Some(error)))),
            }
        }
    }

    fn respond(mut self: Box<Self>, head: ResponseHead, first: Bytes) -> Response<UpstreamBody> {
        self.used = true;
        self.body = Arriving::new(first, head.body);
        self.keep_alive = head.keep_alive;
        let mut response = Response::new(());
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        let body = if head.status == StatusCode::SWITCHING_PROTOCOLS {
            UpstreamBody::switching(self)
        } else {
            UpstreamBody::http1(self)
        };
        response.map(|()| body)
    }

    fn failed(&mut self, broken: Broken, target: &Target) -> SendError {
        let (kind, source): (_, Option<Box<dyn std::error::Error + Send + Sync>>) = match broken {
            Broken::RequestBody(error) => (SendErrorKind::RequestBody, Some(Box::new(error))),
            Broken::Malformed(error) => (SendErrorKind::Protocol, Some(Box::new(error))),
            Broken::Closed(error) => {
                // What stopped the request comes first; that nothing came back follows from it.
                let cause = self.outgoing.take_failure().or(error);
                (
                    SendErrorKind::Closed,
                    cause.map(|error| Box::new(error) as _),
                )
            }
        };
        let mut error = SendError::new(kind, target, source);
        if self.outgoing.has_written() {
            error.sent = Sent::Maybe;
        }
        error.reused = self.used;
        error.answered = self.head.has_begun();
        error
    }

    /// The next frame of the response.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            match self.body.next() {
                Next::Frame(frame) => return Poll::Ready(Some(Ok(frame))),
                Next::End => return Poll::Ready(None),
                Next::Malformed(malformed) => {
                    return Poll::Ready(Some(Err(BodyError::Malformed(malformed))));
                }
                Next::More => {}
            }
            if let Err(error) = ready!(self.poll_more(cx)) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    /// Whether nothing is left to take, as far as the last reading told.
    pub(super) fn has_drained(&self) -> bool {
        self.io.reads_all() && self.body.has_drained()
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        if let Poll::Ready(Err(error)) = self.outgoing.poll(&mut self.io, cx) {
            return Poll::Ready(Err(error));
        }
        let mut behind = Bytes::new();
        match ready!(self.body.poll_read(&mut self.io, &mut behind, cx)) {
            Ok(true) => {
                self.keep_alive &= behind.is_empty();
                Poll::Ready(Ok(()))
            }
            Ok(false) => Poll::Ready(self.input_ended()),
            Err(error) => Poll::Ready(Err(BodyError::UpstreamFailed(error))),
        }
    }

    /// The peer has closed. That ends a body without a length, unless the peer took no more of the
    /// request before: then the connection was reset, and writing may have been told in place of
    /// reading.
    fn input_ended(&mut self) -> Result<(), BodyError> {
        match self.outgoing.take_failure() {
            Some(failure) => Err(BodyError::UpstreamFailed(failure)),
            None if self.body.input_ended() => Ok(()),
            None => Err(BodyError::UpstreamClosed),
        }
    }

    /// Whether all of the response has been taken.
    pub(super) fn is_over(&self) -> bool {
        self.body.is_over()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    /// Back to the idle list if the exchange is over on both sides and the peer keeps the
    /// connection; otherwise it closes here.
    pub(super) fn release(mut self: Box<Self>) {
        if !self.is_stale()
            && let Some(slot) = self.slot.upgrade()
        {
            slot.put_idle(self);
        }
    }

    /// Whether the connection cannot take a request now: the last exchange is not over, or the
    /// peer has closed it, or sent what nobody asked for.
    pub(super) fn is_stale(&mut self) -> bool {
        let clean = self.keep_alive && self.is_over() && self.outgoing.is_whole();
        !clean || self.has_input()
    }

    /// Whether there is something to read, be it the end.
    fn has_input(&mut self) -> bool {
        // Unconstrained, because with the task's budget spent the socket would not be looked at.
        let look = pin!(unconstrained(poll_fn(|cx| poll_read(
            &mut self.io,
            cx,
            |_| ()
        ))));
        look.poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }

    /// Ends HTTP on the connection after a `101`.
    pub(super) fn upgrade(self: Box<Self>) -> Upgraded {
        Upgraded::new(self.body.into_ready(), self.io)
    }
}
