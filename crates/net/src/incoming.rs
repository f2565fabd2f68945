//! A message on its way in: what the socket has, and a body of which a part has come.
//!
//! Both sides of HTTP/1.1 read through this. Bytes are read into a buffer on the stack and copied from
//! there in pieces of their own size, so that a connection which waits, be it idle or for an engine
//! to say the next word, holds no buffer, and a peer that takes its time keeps little from being
//! read. Only a long body of which all is to be kept is read to where it is to stay.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::block::Block;
use crate::http1::{BodyReader, Malformed};

/// Bytes read with one system call, and most that is read ahead of a peer that takes its time.
const READ: usize = 32 << 10;

/// Reads what there is and gives it to `take`; `None` at the end of the connection.
pub(crate) fn poll_read<R: AsyncRead + Unpin, T>(
    io: &mut R,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<Option<T>>> {
    let mut space = [const { MaybeUninit::uninit() }; READ];
    let mut space = ReadBuf::uninit(&mut space);
    ready!(Pin::new(io).poll_read(cx, &mut space))?;
    let input = space.filled();
    Poll::Ready(Ok((!input.is_empty()).then(|| take(input))))
}

/// A body that is being read.
#[derive(Debug)]
pub(crate) struct Arriving {
    /// Read but not taken.
    ready: Bytes,
    rest: BodyReader,
    block: Block,
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
        Self {
            ready,
            rest,
            block: Block::default(),
        }
    }

    /// A body of which all is to be kept, and how many bytes of `input`, which came with its head,
    /// are its own.
    pub(crate) fn to_keep(mut rest: BodyReader, input: &[u8]) -> (Self, usize) {
        let mut block = Block::default();
        let (ready, used) = match rest.left() {
            Some(left) if left >= READ as u64 => {
                let used = input.len().min(READ);
                rest.skip(used as u64);
                (block.copy(&input[..used], left), used)
            }
            _ => rest.push(input),
        };
        (Self { ready, rest, block }, used)
    }

    /// A body that has ended.
    pub(crate) fn ended() -> Self {
        Self::new(Bytes::new(), BodyReader::ended())
    }

    /// What there is. Data that came before a fault comes before it here, too.
    pub(crate) fn next(&mut self) -> Next {
        if !self.ready.is_empty() {
            return Next::Frame(Frame::data(std::mem::take(&mut self.ready)));
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
            let used = self.push(input);
            *behind = Bytes::copy_from_slice(&input[used..]);
        });
        read.map_ok(|read| read.is_some())
    }

    /// The same for a body of which all is to be kept: what is long is read to where it stays.
    /// Nothing is read behind it then.
    pub(crate) fn poll_read_to_keep<R: AsyncRead + Unpin>(
        &mut self,
        io: &mut R,
        behind: &mut Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        let left = self.rest.left().unwrap_or(0);
        if left < READ as u64 && !self.block.has_room() {
            return self.poll_read(io, behind, cx);
        }
        let mut room = self.block.room(left);
        let read = ready!(pin!(io.read_buf(&mut room)).poll(cx))?;
        self.rest.skip(read as u64);
        self.ready = self.block.take();
        Poll::Ready(Ok(read > 0))
    }

    /// Takes bytes that have been read, once what there was has been taken. Returns how many of
    /// them are the body's.
    pub(crate) fn push(&mut self, input: &[u8]) -> usize {
        let (data, used) = self.rest.push(input);
        self.ready = data;
        used
    }

    /// The connection has ended. Whether that ends the body.
    pub(crate) fn input_ended(&mut self) -> bool {
        let ends = self.rest.ends_with_connection();
        if ends {
            self.rest = BodyReader::ended();
        }
        ends
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
        let ready = self.ready.len() as u64;
        match self.rest.left() {
            Some(left) => SizeHint::with_exact(ready.saturating_add(left)),
            None => SizeHint::default(),
        }
    }

    /// What has been read and not taken.
    pub(crate) fn into_ready(self) -> Bytes {
        self.ready
    }
}
