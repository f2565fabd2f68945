//! The client's end of a request body: its frames, with a limit on pauses and on the whole.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep};

use super::ReplayError;

type BoxError = Box<dyn Error + Send + Sync>;

/// Where a body comes from.
pub(super) struct Source {
    body: Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>,
    max_len: u64,
    read: u64,
    idle_timeout: Duration,
    idle: Idle,
}

/// The timer exists only once the client has paused, and a frame disarms it without touching it:
/// most bodies are there at once.
#[derive(Default)]
struct Idle {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

/// What a source gives.
pub(super) enum Arrival {
    Data(Bytes),
    /// The end, with the trailers if there are any.
    End(Option<HeaderMap>),
}

impl Source {
    pub(super) fn new<B>(body: B, max_len: u64, idle_timeout: Duration) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let body = Box::pin(WithBoxError { body });
        Self {
            body,
            max_len,
            read: 0,
            idle_timeout,
            idle: Idle::default(),
        }
    }

    /// The length the client announced.
    pub(super) fn announced(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    pub(super) fn poll_arrival(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Arrival, ReplayError>> {
        if self.body.size_hint().lower().saturating_add(self.read) > self.max_len {
            return Poll::Ready(Err(ReplayError::TooLarge {
                limit: self.max_len,
            }));
        }
        loop {
            let Poll::Ready(frame) = self.body.as_mut().poll_frame(cx) else {
                return self.idle.poll(self.idle_timeout, cx).map(Err);
            };
            self.idle.armed = false;
            let frame = frame
                .transpose()
                .map_err(|error| ReplayError::Client(Arc::from(error)))?;
            match frame.map(Frame::into_data) {
                None => return Poll::Ready(Ok(Arrival::End(None))),
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => return Poll::Ready(self.count(data)),
                Some(Err(other)) => {
                    if let Ok(trailers) = other.into_trailers() {
                        return Poll::Ready(Ok(Arrival::End(Some(trailers))));
                    }
                }
            }
        }
    }

    fn count(&mut self, data: Bytes) -> Result<Arrival, ReplayError> {
        self.read += data.len() as u64;
        if self.read > self.max_len {
            return Err(ReplayError::TooLarge {
                limit: self.max_len,
            });
        }
        Ok(Arrival::Data(data))
    }
}

impl Idle {
    fn poll(&mut self, timeout: Duration, cx: &mut Context<'_>) -> Poll<ReplayError> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        if !self.armed {
            sleep.as_mut().reset(Instant::now() + timeout);
            self.armed = true;
        }
        sleep
            .as_mut()
            .poll(cx)
            .map(|()| ReplayError::IdleTimeout { after: timeout })
    }
}

pin_project_lite::pin_project! {
    struct WithBoxError<B> {
        #[pin]
        body: B,
    }
}

impl<B> Body for WithBoxError<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project()
            .body
            .poll_frame(cx)
            .map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
