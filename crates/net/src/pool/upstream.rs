//! A response body that owns what it arrives on.
//!
//! It holds the HTTP/1.1 connection or the HTTP/2 stream's place until it ends, so "in use" means
//! until the last byte, not until the head (the classic fault of permits held by a future). It
//! gives the connection back at its clean end; dropped before, it closes the HTTP/1.1 connection
//! or resets the HTTP/2 stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::h1::H1;
use super::h2::StreamPlace;
use super::io::Upgraded;
use crate::body::BodyError;

/// The body of a response from a [`Pool`](super::Pool).
pub struct UpstreamBody(Source);

enum Source {
    Http1(Box<H1>),
    Switching(Box<H1>),
    H2 {
        incoming: Incoming,
        _place: StreamPlace,
    },
    Ended,
}

impl UpstreamBody {
    pub(super) fn http1(connection: Box<H1>) -> Self {
        Self(Source::Http1(connection)).released_if_ended()
    }

    pub(super) fn switching(connection: Box<H1>) -> Self {
        Self(Source::Switching(connection))
    }

    pub(super) fn h2(incoming: Incoming, place: StreamPlace) -> Self {
        Self(Source::H2 {
            incoming,
            _place: place,
        })
        .released_if_ended()
    }

    fn released_if_ended(mut self) -> Self {
        if self.is_end_stream() {
            self.release();
        }
        self
    }

    fn release(&mut self) {
        if let Source::Http1(connection) = std::mem::replace(&mut self.0, Source::Ended) {
            connection.release();
        }
    }

    /// Whether the last frame is known to have been all that had come. Who wants nothing but what is
    /// ready may then do without asking for another, until it wants to be told of the next.
    #[must_use]
    pub fn has_drained(&self) -> bool {
        match &self.0 {
            Source::Http1(connection) => connection.has_drained(),
            Source::Switching(_) | Source::H2 { .. } | Source::Ended => false,
        }
    }

    fn poll_source(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Source::Http1(connection) => connection.poll_frame(cx),
            Source::H2 { incoming, .. } => Pin::new(incoming)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(BodyError::Upstream))),
            Source::Switching(_) | Source::Ended => Poll::Ready(None),
        }
    }
}

impl http_body::Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.poll_source(cx);
        match &polled {
            Poll::Ready(None) => self.release(),
            Poll::Ready(Some(Err(_))) => self.0 = Source::Ended,
            // A reader that sees the end coming does not poll again to hear of it.
            Poll::Ready(Some(Ok(_))) if self.is_end_stream() => self.release(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Http1(connection) => connection.is_over(),
            Source::H2 { incoming, .. } => incoming.is_end_stream(),
            Source::Switching(_) | Source::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Http1(connection) => connection.size_hint(),
            Source::H2 { incoming, .. } => incoming.size_hint(),
            Source::Switching(_) | Source::Ended => SizeHint::with_exact(0),
        }
    }
}

impl std::fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamBody")
            .field("ended", &self.is_end_stream())
            .finish()
    }
}

/// Takes over the connection of a `101 Switching Protocols` response (a WebSocket, say). The
/// connection never returns to the pool.
///
/// # Errors
/// [`BodyError::UpstreamClosed`] for any other response.
pub fn upgrade(response: Response<UpstreamBody>) -> Result<Upgraded, BodyError> {
    match response.into_body().0 {
        Source::Switching(connection) => Ok(connection.upgrade()),
        _ => Err(BodyError::UpstreamClosed),
    }
}
