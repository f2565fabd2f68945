//! The other end of a connection, for second opinions.

use hyper::rt::{Read, ReadBufCursor, Write};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

/// A connection that takes whatever comes, gives its bytes and then ends.
pub(crate) struct Wire {
    bytes: Vec<u8>,
    given: usize,
    asked: bool,
}

impl Wire {
    /// One that speaks at once.
    pub(crate) fn client(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            given: 0,
            asked: true,
        }
    }

    /// One that speaks when it has been asked something.
    pub(crate) fn server(bytes: &[u8]) -> Self {
        Self {
            asked: false,
            ..Self::client(bytes)
        }
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.asked {
            return Poll::Pending;
        }
        let rest = &self.bytes[self.given..];
        let now = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..now]);
        self.given += now;
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.asked = true;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
