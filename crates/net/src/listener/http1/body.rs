//! The body of a request, read from the connection by whoever wants it.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::wire::Wire;
use crate::incoming::{Arriving, Next};
use crate::listener::request_body::RequestBodyError;
use crate::listener::state::ConnState;

pub(in crate::listener) struct Http1Body {
    body: Arriving,
    /// Gone when all of the body has been read.
    source: Option<Source>,
}

struct Source {
    wire: Arc<Wire>,
    state: Arc<ConnState>,
}

impl Http1Body {
    /// A body of which all has come.
    pub(super) fn whole(body: Arriving) -> Self {
        Self { body, source: None }
    }

    /// A body of which more is to come.
    pub(super) fn arriving(body: Arriving, wire: Arc<Wire>, state: Arc<ConnState>) -> Self {
        Self {
            body,
            source: Some(Source { wire, state }),
        }
    }

    pub(in crate::listener) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        loop {
            match self.body.next() {
                Next::Frame(frame) => return Poll::Ready(Some(Ok(frame))),
                Next::End => return Poll::Ready(None),
                Next::Malformed(malformed) => {
                    return Poll::Ready(Some(Err(RequestBodyError::Malformed(malformed))));
                }
                Next::More => {}
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
        let read = wire.poll_read_body(&mut self.body, cx);
        if !ready!(read).map_err(RequestBodyError::Connection)? {
            return Poll::Ready(Err(RequestBodyError::Closed));
        }
        if self.body.is_whole()
            && let Some(Source { wire, .. }) = self.source.take()
        {
            wire.body_read();
        }
        Poll::Ready(Ok(()))
    }

    pub(in crate::listener) fn is_over(&self) -> bool {
        self.body.is_over()
    }

    pub(in crate::listener) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Http1Body {
    fn drop(&mut self) {
        if let Some(Source { state, .. }) = &self.source {
            state.body_abandoned();
        }
    }
}
