//! The request on its way out.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::Request;
use http::header::HeaderName;
use http_body::{Body as _, Frame};
use tokio::io::AsyncWrite;

use crate::body::{Body, BodyError};
use crate::http1::{
    Framing, announced_trailers, encode_chunk_size, encode_head, encode_trailers, expects_body,
};
use crate::pool::io::Io;

/// Bytes taken from a body before they are written. More would only wait here; less would cost
/// system calls.
const AHEAD: usize = 64 << 10;

/// Pieces written with one system call: head, and pieces of body with their chunks' frames.
const PIECES: usize = 16;

/// What of a request is still to be written.
pub(super) struct Outgoing {
    pieces: VecDeque<Bytes>,
    /// Bytes in `pieces`.
    waiting: usize,
    /// Gone when all of it has been taken, or nothing more can be sent.
    body: Option<Body>,
    framing: Framing,
    /// A request whose framing shows with the first frame of its body.
    undecided: Option<Box<Request<Body>>>,
    /// The trailer fields that the head announces.
    announced: Vec<HeaderName>,
    written: bool,
    unflushed: bool,
    failure: Option<io::Error>,
}

impl Outgoing {
    /// Nothing to write.
    pub(super) fn nothing() -> Self {
        Self {
            pieces: VecDeque::new(),
            waiting: 0,
            body: None,
            framing: Framing::None,
            undecided: None,
            announced: Vec::new(),
            written: false,
            unflushed: false,
            failure: None,
        }
    }

    /// Begins with another request.
    pub(super) fn begin(&mut self, request: Request<Body>) {
        self.written = false;
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
        self.framing = framing;
        self.announced = match framing {
            Framing::Chunked => announced_trailers(request.headers()),
            _ => Vec::new(),
        };
        self.push(encode_head(&request, framing));
        let more = !matches!(framing, Framing::None | Framing::Length(0));
        self.body = more.then(|| request.into_body());
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
        Poll::Ready(first.map_or(Ok(()), |frame| self.take_frame(frame)))
    }

    /// Whether all of the request has been written.
    pub(super) fn is_whole(&self) -> bool {
        self.is_over() && self.failure.is_none()
    }

    /// Whether any of the request has been written.
    pub(super) fn has_written(&self) -> bool {
        self.written
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
            let starved = self.take_frames(cx)?.is_pending();
            match ready!(self.poll_write(io, cx)) {
                Ok(()) if starved => return Poll::Pending,
                Ok(()) => {}
                Err(failure) => self.fail(failure),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether there is nothing more to write.
    fn is_over(&self) -> bool {
        self.undecided.is_none() && self.body.is_none() && self.pieces.is_empty() && !self.unflushed
    }

    /// Takes frames from the body: until enough wait, it ends, or it has none now (`Pending`).
    fn take_frames(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, BodyError> {
        while let Some(body) = self.body.as_mut().filter(|_| self.waiting < AHEAD) {
            let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else {
                return Ok(Poll::Pending);
            };
            match frame.transpose()? {
                Some(frame) => self.take_frame(frame)?,
                None => self.end(None)?,
            }
        }
        Ok(Poll::Ready(()))
    }

    fn take_frame(&mut self, frame: Frame<Bytes>) -> Result<(), BodyError> {
        match frame.into_data() {
            Ok(data) => self.push_data(data),
            Err(trailers) => self.end(trailers.into_trailers().ok().as_ref()),
        }
    }

    fn push_data(&mut self, data: Bytes) -> Result<(), BodyError> {
        if data.is_empty() {
            return Ok(());
        }
        match &mut self.framing {
            Framing::Chunked => {
                self.push(encode_chunk_size(data.len()));
                self.push(data);
                self.push(Bytes::from_static(b"\r\n"));
                return Ok(());
            }
            Framing::Length(left) => *left = less(*left, data.len())?,
            Framing::None => return Err(too_long()),
        }
        let last = self.framing == Framing::Length(0);
        self.push(data);
        if last {
            self.body = None;
        }
        Ok(())
    }

    fn end(&mut self, trailers: Option<&http::HeaderMap>) -> Result<(), BodyError> {
        self.body = None;
        match (self.framing, trailers) {
            (Framing::Chunked, Some(trailers)) => {
                self.push(encode_trailers(trailers, &self.announced));
            }
            (Framing::Chunked, None) => self.push(Bytes::from_static(b"0\r\n\r\n")),
            (Framing::Length(1..), _) => {
                return Err(BodyError::Other("it is shorter than its length".into()));
            }
            (Framing::Length(0) | Framing::None, _) => {}
        }
        Ok(())
    }

    fn push(&mut self, piece: Bytes) {
        self.waiting += piece.len();
        self.pieces.push_back(piece);
    }

    fn poll_write(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES];
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                *slice = IoSlice::new(piece);
            }
            let used = self.pieces.len().min(PIECES);
            let written = ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices[..used]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written = true;
            self.unflushed = true;
            self.consume(written);
        }
        ready!(Pin::new(io).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn consume(&mut self, mut written: usize) {
        self.waiting -= written;
        while let Some(piece) = self.pieces.front_mut() {
            if piece.len() > written {
                piece.advance(written);
                return;
            }
            written -= piece.len();
            self.pieces.pop_front();
        }
    }

    fn fail(&mut self, failure: io::Error) {
        self.pieces.clear();
        self.waiting = 0;
        self.body = None;
        self.undecided = None;
        self.unflushed = false;
        self.failure = Some(failure);
    }
}

fn less(left: u64, length: usize) -> Result<u64, BodyError> {
    left.checked_sub(length as u64).ok_or_else(too_long)
}

fn too_long() -> BodyError {
    BodyError::Other("it is longer than its length".into())
}
