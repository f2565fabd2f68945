//! One HTTP/2 request and its response, between hyper and the handler.
//!
//! The request is in flight until its response *body* is dropped, not until the headers are
//! written; that is what idle timeouts and a drain go by.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::request_body::RequestBody;
use super::state::{ConnState, InFlight};
use super::{BoxError, ConnInfo, Handler, h2_streams};

/// A chunk larger than a DATA frame is given to HTTP/2 in parts, so that a slow client is seen to
/// make progress.
const MAX_H2_FRAME: usize = 16 * 1024;

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
        let in_flight = self.state.begin_request(false);
        let request = request.map(RequestBody::h2);
        Exchange {
            future: self.handler.handle(request, self.info.clone()),
            in_flight: Some(in_flight),
        }
    }
}

pin_project! {
    /// The handler's future, counted as a request in flight.
    pub(super) struct Exchange<F> {
        #[pin]
        future: F,
        in_flight: Option<InFlight>,
    }
}

impl<F, B> Future for Exchange<F>
where
    F: Future<Output = Response<B>>,
{
    type Output = Result<Response<ResponseBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx));
        let in_flight = this.in_flight.take();
        Poll::Ready(Ok(response.map(|body| ResponseBody {
            body,
            rest: None,
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
