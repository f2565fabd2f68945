//! A message on its way in: what the socket has, and a body of which a part has come.
//!
//! Both sides of HTTP/1.1 read through this. Bytes are read into a buffer that is the thread's and
//! copied from there in pieces of about their size, so that a connection which waits, be it idle or
//! for an engine to say the next word, holds no buffer, and a piece that is kept keeps nothing else.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{io, iter};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};

use crate::http1::{BodyReader, Malformed};

/// Bytes read with one system call, and most that is read ahead of a peer that takes its time.
const READ: usize = 32 << 10;

/// Bytes of a long body that is kept, read with one system call. Each tells the sender of the room
/// that it has again, which costs as much as the reading, and with less room than a segment of the
/// loopback device has, 64 KiB, the sender waits 40 ms for more now and then. What is read is held
/// until it is taken, without being counted: no more of it than helps.
const READ_TO_KEEP: usize = 128 << 10;

/// Bytes of a piece of what was so read. Allocations of one size, of which the allocator wastes
/// nothing and uses each again for the next: with pieces of any size up to 256 KiB 64 prompts of 1 MiB
/// took 89 MB, with these 78; larger ones cost a little less time.
const PIECE: usize = 32 << 10;

thread_local! {
    static SPACE: RefCell<Box<[MaybeUninit<u8>]>> =
        RefCell::new(Box::new_uninit_slice(READ_TO_KEEP));
}

/// Reads what there is and gives it to `take`; `None` at the end of the connection.
pub(crate) fn poll_read<R: AsyncRead + Unpin, T>(
    io: &mut R,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<Option<T>>> {
    poll_read_at_once(io, READ, cx, take)
}

/// The same for no more than `most` bytes, and than [`READ_TO_KEEP`].
fn poll_read_at_once<R: AsyncRead + Unpin, T>(
    io: &mut R,
    most: usize,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<Option<T>>> {
    SPACE.with_borrow_mut(|space| {
        let most = most.min(space.len());
        let mut space = ReadBuf::uninit(&mut space[..most]);
        ready!(Pin::new(io).poll_read(cx, &mut space))?;
        let input = space.filled();
        Poll::Ready(Ok((!input.is_empty()).then(|| take(input))))
    })
}

/// A body that is being read.
#[derive(Debug)]
pub(crate) struct Arriving {
    /// Read but not taken.
    ready: Bytes,
    /// The pieces behind it; none if it is empty.
    further: VecDeque<Bytes>,
    rest: BodyReader,
    /// Less came with the last reading than there was room for.
    read_all: bool,
}

/// What a body has next.
pub(crate) enum Next {
    Frame(Frame<Bytes>),
    End,
    Malformed(Malformed),
    /// Nothing, before more is [read](Arriving::poll_read).
    More,
}

impl Arriving {
    /// A body of which `ready` came with its head.
    pub(crate) fn new(ready: Bytes, rest: BodyReader) -> Self {
        let further = VecDeque::new();
        Self {
            ready,
            further,
            rest,
            read_all: false,
        }
    }

    /// A body that has ended.
    pub(crate) fn ended() -> Self {
        Self::new(Bytes::new(), BodyReader::ended())
    }

    /// What there is. Data that came before a fault comes before it here, too.
    pub(crate) fn next(&mut self) -> Next {
        if !self.ready.is_empty() {
            let then = self.further.pop_front().unwrap_or_default();
            return Next::Frame(Frame::data(std::mem::replace(&mut self.ready, then)));
        }
        if let Some(trailers) = self.rest.take_trailers() {
            return Next::Frame(Frame::trailers(trailers));
        }
        match self.rest.failure() {
            Some(malformed) => Next::Malformed(malformed),
            None if self.rest.is_over() => Next::End,
            None => Next::More,
        }
    }

    /// Reads more, once what there was has been taken; whether there was more before the end of
    /// the connection. What comes behind the body goes to `behind`.
    pub(crate) fn poll_read<R: AsyncRead + Unpin>(
        &mut self,
        io: &mut R,
        behind: &mut Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        let read = poll_read(io, cx, |input| {
            self.read_all = input.len() < READ;
            let used = self.push(input);
            *behind = Bytes::copy_from_slice(&input[used..]);
        });
        read.map_ok(|read| read.is_some())
    }

    /// The same for a body of which all is to be kept: more is read at a time if more is to come.
    pub(crate) fn poll_read_to_keep<R: AsyncRead + Unpin>(
        &mut self,
        io: &mut R,
        behind: &mut Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        let left = self.rest.left().and_then(|left| usize::try_from(left).ok());
        let most = left.unwrap_or(0).min(READ_TO_KEEP);
        if most <= READ {
            return self.poll_read(io, behind, cx);
        }
        // No more than the body: nothing comes to be behind it.
        let read = poll_read_at_once(io, most, cx, |input| self.push_pieces(input));
        read.map_ok(|read| read.is_some())
    }

    /// Takes bytes that have been read, once what there was has been taken. Returns how many of
    /// them are the body's.
    pub(crate) fn push(&mut self, input: &[u8]) -> usize {
        debug_assert!(!self.is_ready(), "what there was has not been taken");
        let (data, used) = self.rest.push(input);
        self.ready = data;
        used
    }

    /// The same for what is known to be the body's, and long.
    fn push_pieces(&mut self, input: &[u8]) {
        debug_assert!(!self.is_ready(), "what there was has not been taken");
        let mut pieces = input.chunks(PIECE).map(|piece| self.rest.push(piece).0);
        self.ready = pieces.next().unwrap_or_default();
        self.further.extend(pieces);
    }

    /// The connection has ended. Whether that ends the body.
    pub(crate) fn input_ended(&mut self) -> bool {
        let ends = self.rest.ends_with_connection();
        if ends {
            self.rest = BodyReader::ended();
        }
        ends
    }

    /// Whether nothing is left to take, nor was in the socket when it was last read.
    pub(crate) fn has_drained(&self) -> bool {
        self.read_all && !self.is_ready()
    }

    /// Whether there is something to take without reading.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether all of it has come.
    pub(crate) fn is_whole(&self) -> bool {
        self.rest.is_over()
    }

    /// Whether all of it has been taken.
    pub(crate) fn is_over(&self) -> bool {
        self.ready.is_empty() && self.rest.is_over() && !self.rest.has_trailers()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        let pieces = iter::once(&self.ready).chain(&self.further);
        let ready = pieces.map(|piece| piece.len() as u64).sum::<u64>();
        match self.rest.left() {
            Some(left) => SizeHint::with_exact(ready.saturating_add(left)),
            None => SizeHint::default(),
        }
    }

    /// What has been read and not taken, unless it was [to be kept](Self::poll_read_to_keep).
    pub(crate) fn into_ready(self) -> Bytes {
        debug_assert!(self.further.is_empty(), "more pieces than one");
        self.ready
    }
}
