//! The body of a request as it arrives, over either protocol.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::http1::Http1Body;
use crate::http1::Malformed;

/// The body of a request as it arrives.
///
/// Its pieces can be kept: each is an allocation of about its size, and no part of a buffer of the
/// connection.
pub struct RequestBody(Kind);

enum Kind {
    Http1(Http1Body),
    H2(Incoming),
}

/// Why a request body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum RequestBodyError {
    /// The client's HTTP/2 stream or connection failed.
    #[error("{0}")]
    Stream(#[source] hyper::Error),
    /// The client's HTTP/1 connection failed.
    #[error("{0}")]
    Connection(#[source] io::Error),
    /// The client closed its connection, or it was closed because the answer was complete.
    #[error("the connection was closed before the end of the body")]
    Closed,
    /// What came is not the body of a request.
    #[error("{0}")]
    Malformed(#[source] Malformed),
}

impl RequestBody {
    pub(super) fn http1(body: Http1Body) -> Self {
        Self(Kind::Http1(body))
    }

    pub(super) fn h2(body: Incoming) -> Self {
        Self(Kind::H2(body))
    }
}

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        match &mut self.get_mut().0 {
            Kind::Http1(body) => body.poll_frame(cx),
            Kind::H2(body) => {
                let frame = Pin::new(body).poll_frame(cx);
                frame.map_err(RequestBodyError::Stream).map_ok(|frame| {
                    // As it is, it keeps the buffer that it was read into, with parts of other
                    // streams.
                    frame.map_data(|data| Bytes::copy_from_slice(&data))
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Http1(body) => body.is_over(),
            Kind::H2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Http1(body) => body.size_hint(),
            Kind::H2(body) => body.size_hint(),
        }
    }
}
