//! The body of a request, read from the connection by whoever wants it.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::wire::Wire;
use crate::http1::BodyReader;
use crate::listener::request_body::RequestBodyError;
use crate::listener::state::ConnState;

pub(in crate::listener) struct Http1Body {
    /// Read but not taken.
    ready: Bytes,
    rest: BodyReader,
    /// Gone when all of the body has been read.
    source: Option<Source>,
}

struct Source {
    wire: Arc<Wire>,
    state: Arc<ConnState>,
}

impl Http1Body {
    /// A body of which all has come.
    pub(super) fn whole(ready: Bytes, rest: BodyReader) -> Self {
        Self {
            ready,
            rest,
            source: None,
        }
    }

    /// A body of which more is to come.
    pub(super) fn arriving(
        ready: Bytes,
        rest: BodyReader,
        wire: Arc<Wire>,
        state: Arc<ConnState>,
    ) -> Self {
        Self {
            ready,
            rest,
            source: Some(Source { wire, state }),
        }
    }

    pub(in crate::listener) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        loop {
            if !self.ready.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.ready)))));
            }
            if let Some(trailers) = self.rest.take_trailers() {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            if let Some(malformed) = self.rest.failure() {
                return Poll::Ready(Some(Err(RequestBodyError::Malformed(malformed))));
            }
            if self.rest.is_over() {
                return Poll::Ready(None);
            }
            if let Err(error) = ready!(self.poll_more(cx)) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RequestBodyError>> {
        let Some(Source { wire, .. }) = &self.source else {
            return Poll::Ready(Err(RequestBodyError::Closed));
        };
        let rest = &mut self.rest;
        let read = wire.poll_read_body(cx, |input| rest.push(input));
        match ready!(read).map_err(RequestBodyError::Connection)? {
            Some(data) => self.ready = data,
            None => return Poll::Ready(Err(RequestBodyError::Closed)),
        }
        if self.rest.is_over()
            && let Some(Source { wire, .. }) = self.source.take()
        {
            wire.body_read();
        }
        Poll::Ready(Ok(()))
    }

    pub(in crate::listener) fn is_over(&self) -> bool {
        self.ready.is_empty() && self.rest.is_over() && !self.rest.has_trailers()
    }

    pub(in crate::listener) fn size_hint(&self) -> SizeHint {
        let ready = self.ready.len() as u64;
        match self.rest.left() {
            Some(left) => SizeHint::with_exact(ready.saturating_add(left)),
            None => SizeHint::default(),
        }
    }
}

impl Drop for Http1Body {
    fn drop(&mut self) {
        if let Some(Source { state, .. }) = &self.source {
            state.body_abandoned();
        }
    }
}
