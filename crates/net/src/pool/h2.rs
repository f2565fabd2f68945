//! HTTP/2 connections of one endpoint, several if one is not enough.
//!
//! A single connection per endpoint, which is what common clients keep, caps an endpoint at the
//! peer's stream limit and puts every stream behind one TCP window and one task. Here a request
//! takes the connection with the fewest streams; when all are at the peer's limit another is
//! opened, up to a bound, and only then do requests queue.
//!
//! A stream's place is counted by us rather than read from hyper, because choosing and reserving
//! must be one step: a burst must not land on one connection before the first of it is visible.

mod greeting;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::client::conn::http2::{self, Connection, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use self::greeting::Greeted;
use super::PoolConfig;
use super::error::{Failed, SendError, Sent};
use super::io::Io;
use super::target::Target;
use super::upstream::UpstreamBody;
use super::wire::to_h2;
use crate::body::Body;
use crate::tasks::Tasks;

/// How long a new connection may take to tell its limits before it is used without knowing them.
const SETTINGS_PATIENCE: Duration = Duration::from_secs(1);

/// What is assumed of a peer that has not yet told its limit: the least that RFC 9113 section
/// 6.5.2 recommends as a limit.
const ASSUMED_MAX_STREAMS: usize = 100;

/// The open HTTP/2 connections of an endpoint.
#[derive(Default)]
pub(super) struct Connections {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    open: Vec<Arc<H2>>,
    closed: bool,
}

/// One connection.
struct H2 {
    sender: SendRequest<Body>,
    streams: AtomicUsize,
    limit: Arc<Limit>,
    opened: Instant,
    /// Milliseconds after `opened` at which the last stream ended.
    idle_since: AtomicU64,
}

/// What the connection's task knows of it.
struct Limit {
    max_streams: AtomicUsize,
    ended: AtomicBool,
}

/// A stream's place on a connection, held until the response body ends.
pub(super) struct StreamPlace {
    connection: Arc<H2>,
    reused: bool,
}

impl Connections {
    /// Reserves a place on the connection with the fewest streams, if one has room below its
    /// peer's limit, or if there are `max_connections` already and the stream has to queue.
    pub(super) fn reserve(
        &self,
        max_connections: usize,
        oldest: Option<Instant>,
    ) -> Option<StreamPlace> {
        let open = &mut self.lock().open;
        open.retain(|connection| connection.is_usable(oldest));
        let full = open.len() >= max_connections;
        let least = open.iter().min_by_key(|connection| connection.streams())?;
        (full || least.streams() < least.max_streams()).then(|| least.reserve(true))
    }

    /// Adds a connection and reserves the first place on it.
    fn add(&self, connection: H2) -> StreamPlace {
        let connection = Arc::new(connection);
        let place = connection.reserve(false);
        let mut list = self.lock();
        if !list.closed {
            list.open.push(connection);
        }
        place
    }

    /// Forgets connections that have ended, are older than `oldest`, or had no stream since
    /// `idle_since`. Their open streams go on.
    pub(super) fn sweep(&self, oldest: Option<Instant>, idle_since: Option<Instant>) {
        let idle = |connection: &H2| {
            connection.streams() == 0
                && idle_since.is_some_and(|then| connection.idle_since() < then)
        };
        self.lock()
            .open
            .retain(|connection| connection.is_usable(oldest) && !idle(connection));
    }

    /// Lets every connection end with its last stream.
    pub(super) fn close(&self) {
        let mut list = self.lock();
        list.closed = true;
        list.open.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().open.is_empty()
    }

    fn forget(&self, connection: &Arc<H2>) {
        self.lock()
            .open
            .retain(|other| !Arc::ptr_eq(other, connection));
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Speaks HTTP/2 over `io` and reserves the first stream.
    pub(super) async fn open(
        &self,
        io: Io,
        config: &PoolConfig,
        tasks: &Tasks,
    ) -> Result<StreamPlace, hyper::Error> {
        let digested = Arc::new(Notify::new());
        let (sender, connection) = http2::Builder::new(Executor(tasks.clone()))
            .timer(TokioTimer::new())
            .initial_max_send_streams(ASSUMED_MAX_STREAMS)
            .initial_stream_window_size(config.h2_stream_window)
            .initial_connection_window_size(config.h2_connection_window)
            .max_header_list_size(config.max_response_head_bytes())
            .max_send_buf_size(config.h2_max_send_buffer)
            .keep_alive_interval(config.h2_ping_interval)
            .keep_alive_timeout(config.h2_ping_timeout)
            .handshake(TokioIo::new(Greeted::new(io, digested.clone())))
            .await?;
        // Without the peer's limit, everything that waits for this connection would go on it.
        let _ = timeout(SETTINGS_PATIENCE, digested.notified()).await;
        let limit = Arc::new(Limit {
            max_streams: AtomicUsize::new(connection.current_max_send_streams()),
            ended: AtomicBool::new(false),
        });
        let driver = Driver {
            connection,
            limit: limit.clone(),
        };
        drop(tasks.spawn("upstream HTTP/2 connection", driver));
        Ok(self.add(H2 {
            sender,
            streams: AtomicUsize::new(0),
            limit,
            opened: Instant::now(),
            idle_since: AtomicU64::new(0),
        }))
    }
}

impl H2 {
    fn reserve(self: &Arc<Self>, reused: bool) -> StreamPlace {
        self.streams.fetch_add(1, Ordering::Relaxed);
        StreamPlace {
            connection: self.clone(),
            reused,
        }
    }

    fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    fn max_streams(&self) -> usize {
        self.limit.max_streams.load(Ordering::Relaxed)
    }

    fn is_usable(&self, oldest: Option<Instant>) -> bool {
        !self.sender.is_closed()
            && !self.limit.ended.load(Ordering::Relaxed)
            && oldest.is_none_or(|oldest| self.opened >= oldest)
    }

    fn idle_since(&self) -> Instant {
        self.opened + Duration::from_millis(self.idle_since.load(Ordering::Relaxed))
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let age = self.connection.opened.elapsed().as_millis();
        let age = u64::try_from(age).unwrap_or(u64::MAX);
        self.connection.idle_since.store(age, Ordering::Relaxed);
        self.connection.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl StreamPlace {
    /// Sends `request` and waits for the head of the response.
    ///
    /// Not an `async fn`, which would carry the request, already handed over, in every future.
    pub(super) fn send<'a>(
        self,
        mut request: Request<Body>,
        target: &'a Target,
        connections: &'a Connections,
    ) -> impl Future<Output = Result<Response<UpstreamBody>, Box<Failed>>> + use<'a> {
        let queued = to_h2(&mut request, target)
            .map(|()| self.connection.sender.clone().try_send_request(request))
            .map_err(|kind| Failed::before_sending(kind, target));
        async move {
            match queued?.await {
                Ok(response) => Ok(response.map(|incoming| UpstreamBody::h2(incoming, self))),
                Err(mut failed) => {
                    let request = failed.take_message();
                    let mut error = SendError::from_hyper(failed.into_error(), target, self.reused);
                    if request.is_some() {
                        error.sent = Sent::Nothing;
                        connections.forget(&self.connection);
                    }
                    Err(Box::new(Failed { error, request }))
                }
            }
        }
    }
}

/// hyper's dispatcher of one connection, which also passes on what the peer allows.
struct Driver {
    connection: Connection<TokioIo<Greeted>, Body, Executor>,
    limit: Arc<Limit>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = Pin::new(&mut self.connection).poll(cx);
        if polled.is_ready() {
            self.limit.ended.store(true, Ordering::Relaxed);
        } else {
            let max = self.connection.current_max_send_streams();
            self.limit.max_streams.store(max, Ordering::Relaxed);
        }
        polled.map(|result| {
            if let Err(error) = result {
                tracing::debug!(%error, "upstream HTTP/2 connection ended");
            }
        })
    }
}

/// Lets hyper start its own tasks where they are supervised.
#[derive(Clone)]
struct Executor(Tasks);

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        drop(self.0.spawn("upstream HTTP/2 I/O", future));
    }
}
