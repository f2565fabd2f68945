//! One attempt's view of a recorded body.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::state::{Piece, Reader};
use super::{Patch, ReplayError};
use crate::body::BodyError;

/// A request body from its beginning: what is recorded, then what still comes from the client.
pub struct ReplayBody {
    reader: Reader,
    /// Boxed, like the trailers, to keep the unpatched body small: it is part of every request.
    patching: Option<Box<Patching>>,
    /// An unchanged piece that is yet to be yielded.
    next: Option<Bytes>,
    /// Bytes yet to be yielded, if that is known.
    left: Option<u64>,
    then: Then,
}

/// What comes after the pieces at hand.
enum Then {
    More,
    Trailers(Box<HeaderMap>),
    End,
}

/// A patch and what it gave that is yet to be yielded.
struct Patching {
    patch: Box<dyn Patch>,
    scratch: Vec<Bytes>,
    out: VecDeque<Bytes>,
}

impl Patching {
    fn push(&mut self, bytes: Bytes) {
        self.patch.push(bytes, &mut self.scratch);
        self.collect();
    }

    fn finish(&mut self) {
        self.patch.finish(&mut self.scratch);
        self.collect();
    }

    fn collect(&mut self) {
        self.out
            .extend(self.scratch.drain(..).filter(|bytes| !bytes.is_empty()));
    }
}

impl ReplayBody {
    pub(super) fn new(reader: Reader, patch: Option<Box<dyn Patch>>) -> Self {
        let delta = patch.as_ref().map_or(0, |patch| patch.len_delta());
        let left = reader
            .recording()
            .len()
            .and_then(|len| len.checked_add_signed(delta));
        let then = if left == Some(0) {
            Then::End
        } else {
            Then::More
        };
        let patching = patch.map(|patch| {
            Box::new(Patching {
                patch,
                scratch: Vec::new(),
                out: VecDeque::new(),
            })
        });
        Self {
            reader,
            patching,
            next: None,
            left,
            then,
        }
    }

    fn take(&mut self, piece: Piece) {
        match piece {
            Piece::Data { bytes, last } => {
                match &mut self.patching {
                    None => self.next = Some(bytes),
                    Some(patching) => patching.push(bytes),
                }
                if last {
                    self.end(Then::End);
                }
            }
            Piece::End(None) => self.end(Then::End),
            Piece::End(Some(trailers)) => self.end(Then::Trailers(Box::new(trailers))),
        }
    }

    fn end(&mut self, then: Then) {
        if let Some(patching) = &mut self.patching {
            patching.finish();
        }
        self.then = then;
    }

    fn pop(&mut self) -> Option<Bytes> {
        match &mut self.patching {
            None => self.next.take(),
            Some(patching) => patching.out.pop_front(),
        }
    }

    fn has_pieces(&self) -> bool {
        self.next.is_some() || self.patching.as_ref().is_some_and(|p| !p.out.is_empty())
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplayError>>> {
        loop {
            if let Some(bytes) = self.pop() {
                self.left = self
                    .left
                    .map(|left| left.saturating_sub(bytes.len() as u64));
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            match std::mem::replace(&mut self.then, Then::End) {
                Then::End => return Poll::Ready(None),
                Then::Trailers(trailers) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(*trailers))));
                }
                Then::More => self.then = Then::More,
            }
            match ready!(self.reader.poll_piece(cx)) {
                Ok(piece) => self.take(piece),
                Err(error) => {
                    self.then = Then::End;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl http_body::Body for ReplayBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.get_mut()
            .poll_next(cx)
            .map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        !self.has_pieces() && matches!(self.then, Then::End)
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl std::fmt::Debug for ReplayBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplayBody")
            .field("left", &self.left)
            .finish()
    }
}
