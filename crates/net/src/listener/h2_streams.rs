//! The tasks of an HTTP/2 connection's streams.
//!
//! hyper hands each stream to an executor. Ours supervises it and adds the bound that the socket
//! cannot see: a client that reads its connection but gives one stream no flow-control window.
//! hyper asks a body for its next frame only when the last one has found window, so a stream whose
//! body has given a frame and is not asked again is stalled. The task sees it through a
//! thread-local that is set while the stream is polled, since hyper puts nothing of ours between
//! the two.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::tasks::Tasks;

thread_local! {
    static POLLED: Cell<Progress> = const { Cell::new(Progress { frames: 0, waits_for_window: false }) };
}

/// What the body of the stream that is being polled has done.
#[derive(Clone, Copy, Default)]
struct Progress {
    frames: u64,
    waits_for_window: bool,
}

/// The body of the stream being polled has given a frame to hyper.
pub(super) fn frame_given() {
    let before = POLLED.get();
    POLLED.set(Progress {
        frames: before.frames + 1,
        waits_for_window: true,
    });
}

/// The body of the stream being polled has nothing to give yet.
pub(super) fn nothing_to_give() {
    POLLED.set(Progress {
        waits_for_window: false,
        ..POLLED.get()
    });
}

/// Spawns the streams of a listener's connections.
#[derive(Clone)]
pub(super) struct StreamExecutor {
    pub(super) tasks: Tasks,
    pub(super) stall_timeout: Duration,
}

impl<F> hyper::rt::Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let watched = Watched {
            stream,
            stall_timeout: self.stall_timeout,
            progress: Progress::default(),
            stall: None,
        };
        self.tasks.spawn("HTTP/2 stream", watched);
    }
}

pin_project! {
    /// Ends, and so resets the stream, when the client has given it no window for too long.
    struct Watched<F> {
        #[pin]
        stream: F,
        stall_timeout: Duration,
        progress: Progress,
        stall: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let outer = POLLED.replace(*this.progress);
        let polled = this.stream.poll(cx);
        let progress = POLLED.replace(outer);
        let moved = progress.frames != this.progress.frames;
        *this.progress = progress;
        if polled.is_ready() {
            return Poll::Ready(());
        }
        if !progress.waits_for_window {
            *this.stall = None;
            return Poll::Pending;
        }
        let due = || Instant::now() + *this.stall_timeout;
        let stall = this
            .stall
            .get_or_insert_with(|| Box::pin(sleep_until(due())));
        if moved {
            stall.as_mut().reset(due());
        }
        stall
            .as_mut()
            .poll(cx)
            .map(|()| tracing::debug!("stream reset: the client gives no window"))
    }
}
