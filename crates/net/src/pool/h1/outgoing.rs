//! The request on its way out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Request;
use http_body::Body as _;

use crate::body::{Body, BodyError};
use crate::http1::{Framing, announced_trailers, encode_request, expects_body};
use crate::outgoing::{BodyWriter, Pieces, Unfit};
use crate::pool::io::Io;

/// What of a request is still to be written.
pub(super) struct Outgoing {
    pieces: Pieces,
    body: BodyWriter<Body>,
    /// A request whose framing shows with the first frame of its body.
    undecided: Option<Box<Request<Body>>>,
    failure: Option<io::Error>,
}

impl Outgoing {
    /// Nothing to write.
    pub(super) fn nothing() -> Self {
        Self {
            pieces: Pieces::default(),
            body: BodyWriter::nothing(),
            undecided: None,
            failure: None,
        }
    }

    /// Begins with another request.
    pub(super) fn begin(&mut self, request: Request<Body>) {
        self.pieces.forget();
        match Framing::of(&request) {
            // Over HTTP/2 a body may turn out to be none, and what is sent for a `GET` then must not
            // look like one.
            Framing::Chunked if !expects_body(request.method()) => {
                self.undecided = Some(Box::new(request));
            }
            framing => self.begin_framed(request, framing),
        }
    }

    fn begin_framed(&mut self, request: Request<Body>, framing: Framing) {
        let announced = match framing {
            Framing::Chunked => announced_trailers(request.headers()),
            _ => Vec::new(),
        };
        self.pieces.push_text(encode_request(&request, framing));
        self.body = BodyWriter::new(request.into_body(), framing, announced);
    }

    /// Looks at the first frame of a body that may be none.
    fn poll_decision(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let Some(request) = &mut self.undecided else {
            return Poll::Ready(Ok(()));
        };
        let first = ready!(Pin::new(request.body_mut()).poll_frame(cx)).transpose()?;
        let Some(request) = self.undecided.take() else {
            return Poll::Ready(Ok(()));
        };
        let framing = match &first {
            Some(_) => Framing::Chunked,
            None => Framing::None,
        };
        self.begin_framed(*request, framing);
        Poll::Ready(match first {
            Some(frame) => Ok(self.body.push_frame(frame, &mut self.pieces)?),
            None => Ok(()),
        })
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
        ready!(self.poll_decision(cx))?;
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
        self.undecided.is_none() && self.body.is_over() && self.pieces.is_empty()
    }

    fn fail(&mut self, failure: io::Error) {
        self.pieces.abandon();
        self.body.abandon();
        self.undecided = None;
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
