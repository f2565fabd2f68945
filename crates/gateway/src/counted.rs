//! A request body that is counted as it arrives, for the books, and whose trailers say no more than
//! its head may.
//!
//! The count outlives the body: how much of it came is known only when the exchange is settled,
//! and by then the body may have long been dropped, or broken off half-way.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use net::listener::{RequestBody, RequestBodyError};

use crate::headers::strip_trailers;

/// Bytes of a body received so far. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received(Arc<AtomicU64>);

impl Received {
    /// Counts more.
    pub(crate) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Relaxed);
    }

    /// The count.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A request body that notes what comes of it.
#[derive(Debug)]
pub(crate) struct Counted {
    body: RequestBody,
    received: Received,
}

impl Counted {
    /// Counts `body` in `received`.
    pub(crate) fn new(body: RequestBody, received: Received) -> Self {
        Self { body, received }
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let polled = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(polled.map(|frame| {
            let mut frame = frame?;
            if let Some(data) = frame.data_ref() {
                self.received.add(data.len() as u64);
            }
            if let Some(trailers) = frame.trailers_mut() {
                strip_trailers(trailers);
            }
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
