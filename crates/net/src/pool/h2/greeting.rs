//! Noticing that a peer's first words have been read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::pool::io::Io;

/// A stream that tells when what came first has been digested: a codec comes back for more only
/// after it has processed what it had, so the first settings are then in force.
pub(super) struct Greeted {
    io: Io,
    heard: Heard,
}

enum Heard {
    Nothing(Arc<Notify>),
    First(Arc<Notify>),
    Told,
}

impl Greeted {
    /// Wraps `io`; `digested` is notified once the first bytes have been digested, or the
    /// connection has ended.
    pub(super) fn new(io: Io, digested: Arc<Notify>) -> Self {
        Self {
            io,
            heard: Heard::Nothing(digested),
        }
    }

    fn read(&mut self, bytes: usize) {
        self.heard = match std::mem::replace(&mut self.heard, Heard::Told) {
            Heard::Nothing(digested) if bytes > 0 => Heard::First(digested),
            Heard::Nothing(digested) => {
                digested.notify_one();
                Heard::Told
            }
            heard => heard,
        };
    }
}

impl AsyncRead for Greeted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Heard::First(digested) = &self.heard {
            digested.notify_one();
            self.heard = Heard::Told;
        }
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut self.io).poll_read(cx, buf));
        let bytes = buf.filled().len() - before;
        self.read(bytes);
        Poll::Ready(result)
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
