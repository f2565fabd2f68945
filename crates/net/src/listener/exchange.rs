//! One request and its response, between hyper and the handler.
//!
//! The request is in flight until its response *body* is dropped, not until the headers are
//! written; that is what idle timeouts and a drain go by. On HTTP/1 the answer to the last
//! request of a connection says so, which is the only way to close it without losing a request
//! that is already on its way.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::state::{ConnState, InFlight};
use super::{BoxError, ConnInfo, Handler, Protocol, h2_streams};

/// A chunk larger than a DATA frame is given to HTTP/2 in parts, so that a slow client is seen to
/// make progress.
const MAX_H2_FRAME: usize = 16 * 1024;

/// The body of a request as it arrives.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Incoming,
    /// Whom to tell that it has been read to the end.
    unread: Option<Arc<ConnState>>,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if (frame.is_none() || self.incoming.is_end_stream())
            && let Some(state) = self.unread.take()
        {
            state.body_read();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(state) = self.unread.take() {
            state.body_abandoned();
        }
    }
}

/// What hyper calls for each request of one connection.
pub(super) struct RequestService<H> {
    pub(super) handler: Arc<H>,
    pub(super) info: Arc<ConnInfo>,
    pub(super) state: Arc<ConnState>,
}

impl<H: Handler> hyper::service::Service<Request<Incoming>> for RequestService<H> {
    type Response = Response<ResponseBody<H::Body>>;
    type Error = Infallible;
    type Future = Exchange<H::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let http1 = self.info.protocol == Protocol::Http1;
        let unread = http1 && !request.body().is_end_stream();
        let in_flight = self.state.begin_request(unread);
        let request = request.map(|incoming| RequestBody {
            incoming,
            unread: unread.then(|| self.state.clone()),
        });
        Exchange {
            future: self.handler.handle(request, self.info.clone()),
            in_flight: Some(in_flight),
            http1,
        }
    }
}

pin_project! {
    /// The handler's future, counted as a request in flight.
    pub(super) struct Exchange<F> {
        #[pin]
        future: F,
        in_flight: Option<InFlight>,
        http1: bool,
    }
}

impl<F, B> Future for Exchange<F>
where
    F: Future<Output = Response<B>>,
{
    type Output = Result<Response<ResponseBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(cx));
        let in_flight = this.in_flight.take();
        let last = in_flight
            .as_ref()
            .is_some_and(InFlight::is_last_of_connection);
        if *this.http1 && last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let http1 = *this.http1;
        Poll::Ready(Ok(response.map(|body| ResponseBody {
            body,
            rest: None,
            http1,
            in_flight,
        })))
    }
}

pin_project! {
    /// A response body that keeps its request in flight.
    pub(super) struct ResponseBody<B> {
        #[pin]
        body: B,
        rest: Option<Bytes>,
        http1: bool,
        in_flight: Option<InFlight>,
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if *this.http1 {
            return this.body.poll_frame(cx);
        }
        if let Some(rest) = this.rest.take() {
            h2_streams::frame_given();
            return Poll::Ready(Some(Ok(Frame::data(bounded(rest, this.rest)))));
        }
        let Poll::Ready(frame) = this.body.poll_frame(cx) else {
            h2_streams::nothing_to_give();
            return Poll::Pending;
        };
        h2_streams::frame_given();
        Poll::Ready(
            frame.map(|frame| frame.map(|frame| frame.map_data(|data| bounded(data, this.rest)))),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        if let Some(rest) = &self.rest {
            let kept = rest.len() as u64;
            if let Some(upper) = hint.upper() {
                hint.set_upper(upper.saturating_add(kept));
            }
            hint.set_lower(hint.lower().saturating_add(kept));
        }
        hint
    }
}

/// The first part of `data`; what is left goes to `rest`.
fn bounded(mut data: Bytes, rest: &mut Option<Bytes>) -> Bytes {
    if data.len() > MAX_H2_FRAME {
        *rest = Some(data.split_off(MAX_H2_FRAME));
    }
    data
}
