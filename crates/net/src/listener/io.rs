//! The accepted socket, below TLS and HTTP.
//!
//! [`Socket`] adds to TCP what must be seen at the lowest layer: a peer that takes no bytes (above
//! TLS, bytes taken by its buffers would look like progress), and the lingering close. [`Stream`]
//! is what hyper gets: the socket, perhaps under TLS, with the bytes put back that were read to
//! tell HTTP/2 from HTTP/1.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;

use super::Protocol;
use super::state::ConnState;
use crate::tcp::TcpStream;

#[cfg(test)]
#[cfg(not(turmoil))]
mod tests;

/// RFC 9113, section 3.4: what an HTTP/2 client sends first.
const H2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How much a lingering close discards at a time.
const DISCARD: usize = 4096;

/// A TCP socket that gives up on a peer which takes nothing.
pub(super) struct Socket {
    tcp: TcpStream,
    state: Arc<ConnState>,
    timer: Timer,
    read_closed: bool,
    write_closed: bool,
}

impl Socket {
    pub(super) fn new(tcp: TcpStream, state: Arc<ConnState>) -> Self {
        Self {
            tcp,
            state,
            timer: Timer::default(),
            read_closed: false,
            write_closed: false,
        }
    }

    /// Turns a write that is pending for too long into an error.
    fn watch_stall<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.timer.disarm();
            return written;
        }
        ready!(
            self.timer
                .poll(cx, self.state.settings.limits.write_stall_timeout)
        );
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client takes no bytes",
        )))
    }

    /// Discards what the client still sends, until it closes too or the time is over.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; DISCARD];
        loop {
            if self
                .timer
                .poll(cx, self.state.settings.limits.linger_timeout)
                .is_ready()
            {
                return Poll::Ready(());
            }
            let mut discarded = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut discarded)) {
                Ok(()) if !discarded.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    fn must_linger(&self) -> bool {
        !self.read_closed
            && self.state.input_unread()
            && !self.state.settings.limits.linger_timeout.is_zero()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.state.bytes_came();
        } else if buf.remaining() > 0 {
            self.read_closed = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.watch_stall(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.watch_stall(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.write_closed {
            ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
            self.write_closed = true;
            self.state.shutdown_begun();
            self.timer.disarm();
        }
        if self.must_linger() {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

/// A timer that costs nothing until a peer first makes us wait.
#[derive(Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Timer {
    /// Ready when `timeout` has passed since the first poll after it was disarmed.
    fn poll(&mut self, cx: &mut Context<'_>, timeout: Duration) -> Poll<()> {
        let due = || Instant::now() + timeout;
        let sleep = self.sleep.get_or_insert_with(|| {
            self.armed = true;
            Box::pin(sleep_until(due()))
        });
        if !self.armed {
            sleep.as_mut().reset(due());
            self.armed = true;
        }
        sleep.as_mut().poll(cx)
    }

    fn disarm(&mut self) {
        self.armed = false;
    }
}

/// What HTTP is spoken over.
pub(super) struct Stream {
    transport: Transport,
    /// Bytes that were read to recognise the protocol and are still to be given to it.
    preface: [u8; H2_PREFACE.len()],
    given: u8,
    kept: u8,
}

enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    pub(super) fn tls(stream: TlsStream<Socket>) -> Self {
        Self::over(Transport::Tls(Box::new(stream)))
    }

    /// Reads just enough of a plain connection to know its protocol.
    ///
    /// # Errors
    /// The socket's. A client that closes at once speaks HTTP/1, which knows that case.
    pub(super) async fn recognise(mut socket: Socket) -> io::Result<(Protocol, Self)> {
        let mut preface = [0; H2_PREFACE.len()];
        let mut kept = 0;
        while kept < preface.len() && preface[..kept] == H2_PREFACE[..kept] {
            match socket.read(&mut preface[kept..]).await? {
                0 => break,
                read => kept += read,
            }
        }
        let protocol = if preface == *H2_PREFACE {
            Protocol::H2
        } else {
            Protocol::Http1
        };
        let mut stream = Self::over(Transport::Plain(socket));
        stream.preface = preface;
        #[expect(clippy::cast_possible_truncation, reason = "at most 24")]
        let kept = kept as u8;
        stream.kept = kept;
        Ok((protocol, stream))
    }

    fn over(transport: Transport) -> Self {
        Self {
            transport,
            preface: [0; H2_PREFACE.len()],
            given: 0,
            kept: 0,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.given < self.kept {
            let rest = &self.preface[usize::from(self.given)..usize::from(self.kept)];
            let now = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..now]);
            #[expect(clippy::cast_possible_truncation, reason = "at most 24")]
            let now = now as u8;
            self.given += now;
            return Poll::Ready(Ok(()));
        }
        match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(socket) => socket.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
