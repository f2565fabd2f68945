//! The request on its way out.

use std::io;
use std::task::{Context, Poll, ready};

use http::Request;

use crate::body::{Body, BodyError};
use crate::http1::{Framing, announced_trailers, encode_request};
use crate::outgoing::{BodyWriter, Pieces, Unfit};
use crate::pool::io::Io;

/// What of a request is still to be written.
pub(super) struct Outgoing {
    pieces: Pieces,
    body: BodyWriter<Body>,
    failure: Option<io::Error>,
}

impl Outgoing {
    /// Nothing to write.
    pub(super) fn nothing() -> Self {
        Self {
            pieces: Pieces::default(),
            body: BodyWriter::nothing(),
            failure: None,
        }
    }

    /// Begins with another request.
    pub(super) fn begin(&mut self, request: Request<Body>) {
        let framing = Framing::of(&request);
        let announced = match framing {
            Framing::Chunked => announced_trailers(request.headers()),
            _ => Vec::new(),
        };
        self.pieces.forget();
        self.pieces.push_text(encode_request(&request, framing));
        self.body = BodyWriter::new(request.into_body(), framing, announced);
    }

    /// Whether all of the request has been written.
    pub(super) fn is_whole(&self) -> bool {
        self.is_over() && self.failure.is_none()
    }

    /// Whether any of the request has been written.
    pub(super) fn has_written(&self) -> bool {
        self.pieces.has_written()
    }

    /// Why the connection took no more bytes.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Writes what can be written now; ready when there is nothing more to write. A connection
    /// that takes no more bytes is no error here: the peer may have answered before it closed, and
    /// what was said is for the reader to find.
    ///
    /// # Errors
    /// The request's own body failed.
    pub(super) fn poll(
        &mut self,
        io: &mut Io,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BodyError>> {
        while !self.is_over() {
            let starved = self.body.poll_fill(&mut self.pieces, cx)?.is_pending();
            match ready!(self.pieces.poll_write(io, cx)) {
                Ok(()) if starved => return Poll::Pending,
                Ok(()) => {}
                Err(failure) => self.fail(failure),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether there is nothing more to write.
    fn is_over(&self) -> bool {
        self.body.is_over() && self.pieces.is_empty()
    }

    fn fail(&mut self, failure: io::Error) {
        self.pieces.abandon();
        self.body.abandon();
        self.failure = Some(failure);
    }
}

impl From<Unfit<BodyError>> for BodyError {
    fn from(unfit: Unfit<BodyError>) -> Self {
        match unfit {
            Unfit::Failed(error) => error,
            Unfit::Length(wrong) => Self::Other(wrong.into()),
        }
    }
}
