//! A message on its way out: its bytes in pieces, and a body that is made into such.
//!
//! Both sides of HTTP/1.1 write through this: [`Pieces`] hands what waits to the socket, as much
//! as it takes with one system call, and [`BodyWriter`] takes what a body has ready, never waiting
//! for more, and frames it. What was ready together goes out as one chunk.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http::header::HeaderName;
use http_body::Body;
use tokio::io::AsyncWrite;

use crate::http1::{Framing, encode_trailers};

/// Bytes taken from a body before they are written. More would only wait here; less would cost
/// system calls.
const AHEAD: usize = 64 << 10;

/// Pieces taken before they are written: what is in many small ones is bounded by this.
const AHEAD_PIECES: usize = 256;

/// Pieces of which a connection keeps the room.
const KEPT_ROOM: usize = 32;

/// Pieces written with one system call.
const AT_ONCE: usize = 32;

/// Bytes that are copied together rather than written from where they are: the system takes one
/// slice in less time than it takes three, by more than the copy costs.
const FEW: usize = 2 << 10;

/// Bytes that are to be written, in order.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    queue: VecDeque<Piece>,
    /// Bytes in `queue`.
    waiting: usize,
    written: bool,
    unflushed: bool,
}

#[derive(Debug)]
enum Piece {
    Body(Bytes),
    /// A head, or trailers.
    Text {
        text: Vec<u8>,
        written: usize,
    },
    /// What stands before a chunk, and its room: sixteen digits and the end of a line.
    ChunkSize {
        line: [u8; 18],
        start: u8,
        end: u8,
    },
    Static(&'static [u8]),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Body(bytes) => bytes,
            Self::Text { text, written } => &text[*written..],
            Self::ChunkSize { line, start, end } => &line[usize::from(*start)..usize::from(*end)],
            Self::Static(bytes) => bytes,
        }
    }

    fn advance(&mut self, by: usize) {
        match self {
            Self::Body(bytes) => bytes.advance(by),
            Self::Text { written, .. } => *written += by,
            #[expect(clippy::cast_possible_truncation, reason = "at most 18")]
            Self::ChunkSize { start, .. } => *start += by as u8,
            Self::Static(bytes) => bytes.advance(by),
        }
    }

    fn chunk_size(size: usize) -> Self {
        let mut line = [0; 18];
        let mut rest = &mut line[..];
        // Sixteen digits and two bytes always fit.
        let _ = write!(rest, "{size:x}\r\n");
        #[expect(clippy::cast_possible_truncation, reason = "at most 18")]
        let end = 18 - rest.len() as u8;
        Self::ChunkSize {
            line,
            start: 0,
            end,
        }
    }
}

impl Pieces {
    /// Whether nothing waits, not even in a buffer below.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && !self.unflushed
    }

    /// Whether any byte has been written since the last [`forget`](Self::forget).
    pub(crate) fn has_written(&self) -> bool {
        self.written
    }

    /// Begins anew, with nothing.
    pub(crate) fn forget(&mut self) {
        self.abandon();
        self.written = false;
    }

    /// Lets go of what waits.
    pub(crate) fn abandon(&mut self) {
        self.queue.clear();
        self.queue.shrink_to(KEPT_ROOM);
        self.waiting = 0;
        self.unflushed = false;
    }

    /// A head, or trailers.
    pub(crate) fn push_text(&mut self, text: Vec<u8>) {
        self.push(Piece::Text { text, written: 0 });
    }

    /// Bytes that are always the same.
    pub(crate) fn push_static(&mut self, bytes: &'static [u8]) {
        self.push(Piece::Static(bytes));
    }

    fn push(&mut self, piece: Piece) {
        let length = piece.bytes().len();
        if length > 0 {
            self.waiting += length;
            self.queue.push_back(piece);
        }
    }

    fn are_enough(&self) -> bool {
        self.waiting >= AHEAD || self.queue.len() >= AHEAD_PIECES
    }

    /// Room for the size of a chunk that is yet to be gathered.
    fn open_chunk(&mut self) -> usize {
        self.queue.push_back(Piece::Static(b""));
        self.queue.len() - 1
    }

    fn close_chunk(&mut self, opened: usize, size: usize) {
        let line = Piece::chunk_size(size);
        self.waiting += line.bytes().len();
        if let Some(piece) = self.queue.get_mut(opened) {
            *piece = line;
        }
        self.push_static(b"\r\n");
    }

    /// Writes all that waits.
    pub(crate) fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.queue.is_empty() {
            let written = ready!(self.poll_write_some(Pin::new(&mut *io), cx))?;
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

    fn poll_write_some<W: AsyncWrite>(
        &self,
        io: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.waiting <= FEW {
            let mut space = [0; FEW];
            let mut end = 0;
            for piece in &self.queue {
                let bytes = piece.bytes();
                space[end..end + bytes.len()].copy_from_slice(bytes);
                end += bytes.len();
            }
            return io.poll_write(cx, &space[..end]);
        }
        let mut slices = [IoSlice::new(&[]); AT_ONCE];
        for (slice, piece) in slices.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(piece.bytes());
        }
        let used = self.queue.len().min(AT_ONCE);
        io.poll_write_vectored(cx, &slices[..used])
    }

    fn consume(&mut self, mut written: usize) {
        self.waiting -= written;
        while let Some(piece) = self.queue.front_mut() {
            let length = piece.bytes().len();
            if length > written {
                piece.advance(written);
                return;
            }
            written -= length;
            self.queue.pop_front();
        }
    }
}

/// Why a body could not be written as it was announced.
#[derive(Debug)]
pub(crate) enum Unfit<E> {
    /// The body failed.
    Failed(E),
    /// Its bytes are not as many as were announced.
    Length(&'static str),
}

/// A body that is being written.
#[derive(Debug)]
pub(crate) struct BodyWriter<B> {
    /// Gone as soon as all of it has been taken, with whatever it holds.
    body: Option<B>,
    framing: Framing,
    /// The trailer fields that may follow it.
    announced: Vec<HeaderName>,
}

impl<B> BodyWriter<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// Nothing to write.
    pub(crate) fn nothing() -> Self {
        Self {
            body: None,
            framing: Framing::None,
            announced: Vec::new(),
        }
    }

    /// A body that a head announced so.
    pub(crate) fn new(body: B, framing: Framing, announced: Vec<HeaderName>) -> Self {
        let none = matches!(framing, Framing::None | Framing::Length(0));
        Self {
            body: Some(body).filter(|_| !none),
            framing,
            announced,
        }
    }

    /// Whether all of it has been taken.
    pub(crate) fn is_over(&self) -> bool {
        self.body.is_none()
    }

    /// Lets go of the rest.
    pub(crate) fn abandon(&mut self) {
        self.body = None;
    }

    /// Takes what the body has ready: until enough waits, it ends, or it has no more now
    /// (`Pending`).
    pub(crate) fn poll_fill(
        &mut self,
        pieces: &mut Pieces,
        cx: &mut Context<'_>,
    ) -> Result<Poll<()>, Unfit<B::Error>> {
        let mut chunk = Chunk::default();
        let filled = self.fill(pieces, &mut chunk, cx);
        chunk.close(pieces);
        match filled? {
            Filled::Enough => {}
            Filled::Starved => return Ok(Poll::Pending),
            Filled::Ended(trailers) => self.end(pieces, trailers.as_ref())?,
        }
        Ok(Poll::Ready(()))
    }

    fn fill(
        &mut self,
        pieces: &mut Pieces,
        chunk: &mut Chunk,
        cx: &mut Context<'_>,
    ) -> Result<Filled, Unfit<B::Error>> {
        while let Some(body) = self.body.as_mut().filter(|_| !pieces.are_enough()) {
            let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else {
                return Ok(Filled::Starved);
            };
            let Some(frame) = frame.transpose().map_err(Unfit::Failed)? else {
                return Ok(Filled::Ended(None));
            };
            match frame.into_data() {
                Ok(data) => self.push_data(data, pieces, chunk)?,
                Err(other) => return Ok(Filled::Ended(other.into_trailers().ok())),
            }
        }
        Ok(Filled::Enough)
    }

    fn push_data(
        &mut self,
        data: Bytes,
        pieces: &mut Pieces,
        chunk: &mut Chunk,
    ) -> Result<(), Unfit<B::Error>> {
        if data.is_empty() {
            return Ok(());
        }
        match &mut self.framing {
            Framing::Chunked => chunk.add(data.len(), pieces),
            Framing::Length(left) => {
                let after = left.checked_sub(data.len() as u64);
                *left = after.ok_or(Unfit::Length("it is longer than its length"))?;
                if *left == 0 {
                    self.body = None;
                }
            }
            Framing::None => return Err(Unfit::Length("it is longer than its length")),
            Framing::UntilClose => {}
        }
        pieces.push(Piece::Body(data));
        Ok(())
    }

    fn end(
        &mut self,
        pieces: &mut Pieces,
        trailers: Option<&HeaderMap>,
    ) -> Result<(), Unfit<B::Error>> {
        self.body = None;
        match (self.framing, trailers) {
            (Framing::Chunked, Some(trailers)) => {
                pieces.push_text(encode_trailers(trailers, &self.announced));
            }
            (Framing::Chunked, None) => pieces.push_static(b"0\r\n\r\n"),
            (Framing::Length(1..), _) => {
                return Err(Unfit::Length("it is shorter than its length"));
            }
            (Framing::Length(0) | Framing::None | Framing::UntilClose, _) => {}
        }
        Ok(())
    }
}

/// How a body stands after it has been asked for what it has.
enum Filled {
    Enough,
    Starved,
    Ended(Option<HeaderMap>),
}

/// A chunk that is being gathered.
#[derive(Default)]
struct Chunk {
    /// Where its size belongs.
    at: Option<usize>,
    size: usize,
}

impl Chunk {
    fn add(&mut self, length: usize, pieces: &mut Pieces) {
        self.at.get_or_insert_with(|| pieces.open_chunk());
        self.size += length;
    }

    fn close(self, pieces: &mut Pieces) {
        if let Some(at) = self.at {
            pieces.close_chunk(at, self.size);
        }
    }
}
