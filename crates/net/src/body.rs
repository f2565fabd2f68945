//! The one body type of both sides.
//!
//! A small enum instead of a boxed trait object: nearly every body is one of three kinds, a match
//! is cheaper than an allocation and an indirect call per frame, and a concrete type keeps the
//! pool's connections concrete too. What is none of the three goes into [`Body::Boxed`].

use std::error::Error;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::http1::Malformed;
use crate::pool::UpstreamBody;
use crate::replay::{ReplayBody, ReplayError};

/// A request or response body.
#[derive(Default)]
pub enum Body {
    /// No bytes.
    #[default]
    Empty,
    /// Bytes already in memory, sent as one frame.
    Full(Bytes),
    /// A recorded request body, sent from its beginning.
    Replay(ReplayBody),
    /// A response body as it comes from upstream.
    Upstream(UpstreamBody),
    /// Any other body.
    Boxed(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>),
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The upstream's HTTP/2 stream or connection failed.
    #[error("the upstream response broke off: {0}")]
    Upstream(#[source] hyper::Error),
    /// The upstream's HTTP/1.1 connection failed.
    #[error("the upstream response broke off: {0}")]
    UpstreamFailed(#[source] std::io::Error),
    /// What came is not the body of a response.
    #[error("the upstream response is malformed: {0}")]
    Malformed(#[source] Malformed),
    /// The upstream connection ended in the middle of the body.
    #[error("the upstream closed the connection before the end of the response")]
    UpstreamClosed,
    /// The request body could not be read or kept.
    #[error(transparent)]
    Request(#[from] ReplayError),
    /// A [`Body::Boxed`] failed for a reason of its own.
    #[error("{0}")]
    Other(#[source] Box<dyn Error + Send + Sync>),
}

impl Body {
    /// Wraps a body of any other type.
    pub fn boxed<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        Self::Boxed(Box::pin(body))
    }
}

impl From<UpstreamBody> for Body {
    fn from(body: UpstreamBody) -> Self {
        Self::Upstream(body)
    }
}

impl From<ReplayBody> for Body {
    fn from(body: ReplayBody) -> Self {
        Self::Replay(body)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Self::Empty
        } else {
            Self::Full(bytes)
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Replay(_) => f.write_str("Replay"),
            Self::Upstream(_) => f.write_str("Upstream"),
            Self::Boxed(_) => f.write_str("Boxed"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match this {
            Self::Empty => Poll::Ready(None),
            Self::Full(_) => match mem::take(this) {
                Self::Full(bytes) if !bytes.is_empty() => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                _ => Poll::Ready(None),
            },
            Self::Replay(body) => Pin::new(body).poll_frame(cx),
            Self::Upstream(body) => Pin::new(body).poll_frame(cx),
            Self::Boxed(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Replay(body) => body.is_end_stream(),
            Self::Upstream(body) => body.is_end_stream(),
            Self::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Replay(body) => body.size_hint(),
            Self::Upstream(body) => body.size_hint(),
            Self::Boxed(body) => body.size_hint(),
        }
    }
}
