//! Whether a request has a body, where it does not say so itself.
//!
//! Over HTTP/2 the body of a `GET` may be announced and turn out to be none, and what is sent for it
//! over HTTP/1.1 must then not look like one. So its first frame is awaited, before a connection is
//! taken: a client that lets us wait must not keep one from others, nor see it closed meanwhile.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;

use super::error::{SendError, SendErrorKind};
use super::target::Target;
use crate::body::{Body, BodyError};
use crate::http1::{Framing, expects_body};

/// Whether the first frame of the body must be seen before the request can be sent.
pub(super) fn is_undecided(request: &Request<Body>) -> bool {
    !expects_body(request.method()) && Framing::of(request) == Framing::Chunked
}

/// The request with a body that says whether it is one.
///
/// # Errors
/// The body failed.
pub(super) async fn decide(
    request: Request<Body>,
    target: &Target,
) -> Result<Request<Body>, SendError> {
    let (head, mut body) = request.into_parts();
    let body = match body.frame().await.transpose() {
        Ok(None) => Body::Empty,
        Ok(Some(first)) => Body::boxed(Begun {
            first: Some(first),
            rest: body,
        }),
        Err(error) => {
            let error = Some(Box::new(error) as _);
            return Err(SendError::new(SendErrorKind::RequestBody, target, error));
        }
    };
    Ok(Request::from_parts(head, body))
}

/// A body whose first frame has been seen.
struct Begun {
    first: Option<Frame<Bytes>>,
    rest: Body,
}

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    /// Unknown: that is why the first frame was awaited.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
