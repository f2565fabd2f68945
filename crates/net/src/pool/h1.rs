//! An HTTP/1.1 connection that travels with its request.
//!
//! hyper separates a connection into a handle and a future that must be polled for anything to
//! happen; the usual thing is to spawn that future. Here it is polled by whoever waits for the
//! response and then by whoever reads the body. A proxied request is then one task: bytes that
//! arrived together come out of consecutive polls (so the server side writes them together),
//! nothing crosses threads, and dropping the future or the body closes the connection, which is
//! how an upstream learns that its client has gone.
//!
//! The price: while the reader of a response body does not poll, the rest of the *request* body
//! is not sent either. Only a peer that refuses to read the answer before all of its request is
//! taken could notice, and it would be stopped by its own unread answer anyway.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::PoolConfig;
use super::error::{Failed, SendError, Sent};
use super::io::{Io, Traffic, Upgraded};
use super::slot::Slot;
use super::target::Target;
use super::upstream::UpstreamBody;
use super::wire::to_http1;
use crate::body::{Body, BodyError};

/// A connection that serves one request at a time.
pub(super) struct H1 {
    sender: SendRequest<Body>,
    connection: Driver,
    traffic: Arc<Traffic>,
    /// Weak, because the slot's idle list owns connections.
    slot: Weak<Slot>,
    opened: Instant,
    used: bool,
}

/// Bytes read ahead of a client that takes its time; hyper's own bound is 400 KiB. A response that
/// is read as fast as it comes needs no more than a socket holds.
const READ_AHEAD: usize = 64 << 10;

impl H1 {
    pub(super) async fn new(
        io: Io,
        slot: Weak<Slot>,
        config: &PoolConfig,
    ) -> Result<Box<Self>, hyper::Error> {
        let traffic = io.traffic();
        let (sender, connection) = http1::Builder::new()
            .max_headers(config.max_response_headers)
            .max_header_size(config.max_response_header_bytes)
            .max_buf_size(config.max_response_header_bytes.max(READ_AHEAD))
            .handshake(TokioIo::new(io))
            .await?;
        Ok(Box::new(Self {
            sender,
            connection: Driver {
                inner: Some(connection),
                ended: false,
            },
            traffic,
            slot,
            opened: Instant::now(),
            used: false,
        }))
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }

    /// Sends `request` and waits for the head of the response.
    ///
    /// Not an `async fn`, which would carry the request, already handed over, in every future.
    pub(super) fn send<'a>(
        mut self: Box<Self>,
        mut request: Request<Body>,
        target: &'a Target,
    ) -> impl Future<Output = Result<Response<UpstreamBody>, Box<Failed>>> + use<'a> {
        let (read, written) = (self.traffic.read(), self.traffic.written());
        let queued = to_http1(&mut request, target)
            .map(|()| self.sender.try_send_request(request))
            .map_err(|kind| Failed::before_sending(kind, target));
        async move {
            match self.drive(queued?).await {
                Ok(response) => {
                    self.used = true;
                    Ok(into_upstream(response, self))
                }
                Err(mut failed) => {
                    let request = failed.take_message();
                    let mut error = SendError::from_hyper(failed.into_error(), target, self.used);
                    error.answered = self.traffic.read() > read;
                    if request.is_some() || self.traffic.written() == written {
                        error.sent = Sent::Nothing;
                    }
                    Err(Box::new(Failed { error, request }))
                }
            }
        }
    }

    async fn drive(
        &mut self,
        response: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Body>>>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        // Unconstrained, because with the task's budget spent it would ask for another turn, and
        // nobody listens (below).
        let mut response = pin!(unconstrained(response));
        let connection = &mut self.connection;
        poll_fn(|cx| {
            let ended = connection.poll(cx).is_ready();
            // Only the connection makes the response ready: no need to be woken by it as well.
            let answer = response.as_mut().poll(&mut unwoken());
            if ended && answer.is_pending() {
                // A request still queued is handed back when the connection goes.
                connection.close();
                return response.as_mut().poll(&mut unwoken());
            }
            answer
        })
        .await
    }

    /// The next frame of `incoming`, driving the connection meanwhile.
    pub(super) fn poll_frame(
        &mut self,
        incoming: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // The connection hands frames over through a channel that wakes its sender whenever one
        // is taken: this very task, once per frame and for nothing. So the connection first runs
        // without a waker, and gets the real one only when nothing is left to take.
        if let Poll::Ready(frame) = take_frame(incoming) {
            return Poll::Ready(frame);
        }
        if let Poll::Ready(frame) = self.advance(incoming, &mut unwoken()) {
            return Poll::Ready(frame);
        }
        self.advance(incoming, cx)
    }

    fn advance(
        &mut self,
        incoming: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let ended = self.connection.poll(cx).is_ready();
        match take_frame(incoming) {
            Poll::Pending if ended => Poll::Ready(Some(Err(BodyError::UpstreamClosed))),
            polled => polled,
        }
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

    /// Whether the connection cannot take a request now: the peer has closed it or sent what
    /// nobody asked for, or the last exchange is not over.
    pub(super) fn is_stale(&mut self) -> bool {
        self.connection.poll(&mut unwoken()).is_ready() || !self.sender.is_ready()
    }

    /// Ends HTTP on the connection after a `101`.
    pub(super) async fn upgrade(mut self: Box<Self>) -> Result<Upgraded, BodyError> {
        poll_fn(|cx| self.connection.poll(cx)).await;
        let connection = self
            .connection
            .inner
            .take()
            .ok_or(BodyError::UpstreamClosed)?;
        let parts = connection.into_parts();
        Ok(Upgraded::new(parts.read_buf, parts.io.into_inner()))
    }
}

/// hyper's connection future, which must not be polled after its end but is still of use then.
struct Driver {
    inner: Option<Connection<TokioIo<Io>, Body>>,
    ended: bool,
}

impl Driver {
    /// Ready when the connection has ended. Why it did is told to the request or the body.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(connection) = self.inner.as_mut().filter(|_| !self.ended) else {
            return Poll::Ready(());
        };
        // Without shutdown: an upgraded stream lives on, and any other closes by being dropped.
        connection
            .poll_without_shutdown(cx)
            .map(|_| self.ended = true)
    }

    fn close(&mut self) {
        self.inner = None;
    }
}

fn take_frame(incoming: &mut Incoming) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    let polled = Pin::new(incoming).poll_frame(&mut unwoken());
    polled.map(|frame| frame.map(|frame| frame.map_err(BodyError::Upstream)))
}

fn unwoken() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn into_upstream(mut response: Response<Incoming>, connection: Box<H1>) -> Response<UpstreamBody> {
    response
        .extensions_mut()
        .remove::<hyper::upgrade::OnUpgrade>();
    let switching = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    response.map(|incoming| {
        if switching {
            UpstreamBody::switching(incoming, connection)
        } else {
            UpstreamBody::http1(incoming, connection)
        }
    })
}
