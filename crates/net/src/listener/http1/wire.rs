//! The socket, shared by the connection and the body of the request that it reads.
//!
//! A body is read by whoever wants it, which may be another task (that of an upstream's HTTP/2
//! connection, say), so the socket is under a lock. It belongs to one connection and is held for
//! one system call and the copy of what that read.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use crate::http1::blank_lines;
use crate::incoming::{Arriving, poll_read};
use crate::listener::io::Stream;
use crate::listener::state::ConnState;
use crate::outgoing::Pieces;

/// What a client is told that waits for leave to send its body.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What may come behind the current request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// The next request.
    Request,
    /// Another protocol, perhaps.
    Anything,
}

pub(super) struct Wire {
    state: Arc<ConnState>,
    shared: Mutex<Shared>,
}

struct Shared {
    /// `None` once the connection is over.
    stream: Option<Stream>,
    /// No more requests, nor bodies: what still comes is discarded.
    ending: bool,
    /// Bytes behind those of the current request.
    ahead: Bytes,
    /// What the client is to be told before its body is read, as far as it has not been.
    interim: &'static [u8],
    interim_unflushed: bool,
    /// The connection, where it waits for the body to be read.
    connection: Option<Waker>,
    /// Whoever reads the body.
    reader: Option<Waker>,
}

impl Wire {
    pub(super) fn new(stream: Stream, state: Arc<ConnState>) -> Arc<Self> {
        Arc::new(Self {
            state,
            shared: Mutex::new(Shared {
                stream: Some(stream),
                ending: false,
                ahead: Bytes::new(),
                interim: b"",
                interim_unflushed: false,
                connection: None,
                reader: None,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what there is and gives it to `take`, which says how much of it it has used; the rest
    /// is kept for the next call. `None` at the end of the client's bytes.
    pub(super) fn poll_read<T>(
        &self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> (T, usize),
    ) -> Poll<io::Result<Option<T>>> {
        self.lock().poll_read(cx, take)
    }

    /// The client waits for leave to send its body: it is given when somebody wants to read it.
    pub(super) fn defer_continue(&self) {
        self.lock().interim = CONTINUE;
    }

    /// The rest of an interim response that has been begun: it must be written before the
    /// response's head. `None` if one is due that has not been begun, and now never will be.
    pub(super) fn take_interim(&self) -> Option<&'static [u8]> {
        let mut shared = self.lock();
        // Whoever writes it waits for the socket to take bytes, which the connection now does.
        if let Some(reader) = shared.reader.take() {
            reader.wake();
        }
        let rest = std::mem::take(&mut shared.interim);
        (rest.len() < CONTINUE.len()).then_some(rest)
    }

    /// Reads more of a body, whose reader is woken if the connection ends meanwhile. Whether there
    /// was more before the end of the client's bytes.
    pub(super) fn poll_read_body(
        &self,
        body: &mut Arriving,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        let mut shared = self.lock();
        let read = shared.poll_read_body(body, cx);
        if read.is_pending() {
            remember(&mut shared.reader, cx);
        }
        read
    }

    /// The body has been read to its end: the connection may read again.
    pub(super) fn body_read(&self) {
        let mut shared = self.lock();
        self.state.body_read();
        shared.reader = None;
        if let Some(connection) = shared.connection.take() {
            connection.wake();
        }
    }

    /// Whether bytes of the next request have come.
    pub(super) fn has_next(&self) -> bool {
        let mut shared = self.lock();
        shared.trim(Behind::Request);
        !shared.ahead.is_empty()
    }

    /// Ready when the client has closed, as far as that can be seen: not before all of the
    /// request has been read, nor behind bytes of its next one.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>, behind: Behind) -> Poll<()> {
        let mut shared = self.lock();
        if self.state.is_body_unread() {
            remember(&mut shared.connection, cx);
            return Poll::Pending;
        }
        shared.trim(behind);
        while shared.ahead.is_empty() {
            match ready!(shared.poll_read(cx, |_| ((), 0))) {
                Ok(Some(())) => shared.trim(behind),
                Ok(None) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// Writes all that waits.
    pub(super) fn poll_write(
        &self,
        pieces: &mut Pieces,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        pieces.poll_write(self.lock().stream()?, cx)
    }

    /// Reads what comes when HTTP is over, after what has come already.
    pub(super) fn poll_raw_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut shared = self.lock();
        if shared.ahead.is_empty() {
            return Pin::new(shared.stream()?).poll_read(cx, buf);
        }
        let now = shared.ahead.len().min(buf.remaining());
        buf.put_slice(&shared.ahead[..now]);
        shared.use_ahead(now);
        Poll::Ready(Ok(()))
    }

    /// Does something else with the socket when HTTP is over.
    pub(super) fn poll_raw<T>(
        &self,
        poll: impl FnOnce(Pin<&mut Stream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        poll(Pin::new(self.lock().stream()?))
    }

    /// Ends the connection in an orderly way.
    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.lock();
        shared.end_body();
        Pin::new(shared.stream()?).poll_shutdown(cx)
    }

    /// Closes the socket, whoever still holds this.
    pub(super) fn close(&self) {
        let mut shared = self.lock();
        shared.stream = None;
        shared.ahead = Bytes::new();
        shared.end_body();
    }
}

impl Shared {
    fn stream(&mut self) -> io::Result<&mut Stream> {
        self.stream
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// What is used up is let go: it would be kept for as long as the connection is.
    fn use_ahead(&mut self, used: usize) {
        self.ahead.advance(used);
        if self.ahead.is_empty() {
            self.ahead = Bytes::new();
        }
    }

    /// Empty lines before a request are passed over (RFC 9112, section 2.2).
    fn trim(&mut self, behind: Behind) {
        if behind == Behind::Request && !self.ahead.is_empty() {
            let blank = blank_lines(&self.ahead);
            self.use_ahead(blank);
        }
    }

    fn end_body(&mut self) {
        self.ending = true;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn poll_read_body(
        &mut self,
        body: &mut Arriving,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<bool>> {
        if self.ending {
            return Poll::Ready(Ok(false));
        }
        ready!(self.poll_interim(cx))?;
        if !self.ahead.is_empty() {
            let used = body.push(&self.ahead);
            self.use_ahead(used);
            return Poll::Ready(Ok(true));
        }
        let mut behind = Bytes::new();
        let read = body.poll_read_to_keep(self.stream()?, &mut behind, cx);
        self.ahead = behind;
        read
    }

    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.interim.is_empty() {
            let interim = self.interim;
            let written = ready!(Pin::new(self.stream()?).poll_write(cx, interim))?;
            self.interim.advance(written);
            self.interim_unflushed = true;
        }
        if self.interim_unflushed {
            ready!(Pin::new(self.stream()?).poll_flush(cx))?;
            self.interim_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read<T>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]) -> (T, usize),
    ) -> Poll<io::Result<Option<T>>> {
        if !self.ahead.is_empty() {
            let (taken, used) = take(&self.ahead);
            self.use_ahead(used);
            return Poll::Ready(Ok(Some(taken)));
        }
        let read = poll_read(self.stream()?, cx, |input| {
            let (taken, used) = take(input);
            (taken, Bytes::copy_from_slice(&input[used..]))
        });
        let read = ready!(read)?.map(|(taken, rest)| {
            self.ahead = rest;
            taken
        });
        Poll::Ready(Ok(read))
    }
}

fn remember(place: &mut Option<Waker>, cx: &Context<'_>) {
    if !place
        .as_ref()
        .is_some_and(|waker| waker.will_wake(cx.waker()))
    {
        *place = Some(cx.waker().clone());
    }
}
