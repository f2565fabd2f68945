//! What the parts of one connection tell each other.
//!
//! The socket is below HTTP (hyper's, for HTTP/2) and the driver above it, so they cannot ask each
//! other anything; they leave notes here. All are plain atomics: a connection's state is never
//! shared between connections.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::admission::Permit;
use super::set::Settings;
use crate::drain::Watch;

pub(super) struct ConnState {
    pub(super) settings: Arc<Settings>,
    pub(super) drain: Watch,
    pub(super) accepted: Instant,
    requests: AtomicU64,
    in_flight: AtomicU32,
    /// When the last request ended, in ns since `accepted`.
    idle_since: AtomicU64,
    /// Bytes have come since the last request ended.
    head_begun: AtomicBool,
    /// The body of the current HTTP/1 request has not been read to its end.
    body_unread: AtomicBool,
    /// Nobody will read the rest of that body.
    body_abandoned: AtomicBool,
    /// The connection is to end as soon as no request is in flight.
    asked_to_close: AtomicBool,
    /// HTTP is over on the connection; the socket is a tunnel's.
    switched: AtomicBool,
    /// The socket is being shut down.
    closing: AtomicBool,
    _permit: Permit,
}

impl fmt::Debug for ConnState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnState")
            .field("requests", &self.requests())
            .finish_non_exhaustive()
    }
}

impl ConnState {
    pub(super) fn new(settings: Arc<Settings>, drain: Watch, permit: Permit) -> Self {
        Self {
            settings,
            drain,
            accepted: Instant::now(),
            requests: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            idle_since: AtomicU64::new(0),
            head_begun: AtomicBool::new(false),
            body_unread: AtomicBool::new(false),
            body_abandoned: AtomicBool::new(false),
            asked_to_close: AtomicBool::new(false),
            switched: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            _permit: permit,
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) == 0
    }

    pub(super) fn idle_since(&self) -> Instant {
        self.accepted + Duration::from_nanos(self.idle_since.load(Ordering::Relaxed))
    }

    pub(super) fn head_begun(&self) -> bool {
        self.head_begun.load(Ordering::Relaxed)
    }

    /// Whether the body of the current HTTP/1 request is not read to its end.
    pub(super) fn is_body_unread(&self) -> bool {
        self.body_unread.load(Ordering::Acquire)
    }

    pub(super) fn is_asked_to_close(&self) -> bool {
        self.asked_to_close.load(Ordering::Relaxed)
    }

    /// Asks the connection, in its own task, to end when no request is in flight.
    pub(super) fn ask_to_close(&self) {
        self.asked_to_close.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Whether the client may still be sending what nobody will read: the rest of a body, or of a
    /// head that was refused.
    pub(super) fn input_unread(&self) -> bool {
        !self.switched.load(Ordering::Relaxed)
            && (self.is_body_unread() || (self.is_idle() && self.head_begun()))
    }

    /// Leaves the socket to another protocol, which reads all that comes.
    pub(super) fn switched(&self) {
        self.switched.store(true, Ordering::Relaxed);
    }

    /// Whether the connection has served as many requests as it may.
    pub(super) fn is_used_up(&self) -> bool {
        let max = self.settings.limits.max_requests_per_connection;
        max.is_some_and(|max| self.requests() >= max.get())
    }

    pub(super) fn bytes_came(&self) {
        self.head_begun.store(true, Ordering::Relaxed);
    }

    pub(super) fn body_read(&self) {
        self.body_unread.store(false, Ordering::Release);
    }

    pub(super) fn body_abandoned(&self) {
        self.body_abandoned.store(true, Ordering::Relaxed);
    }

    pub(super) fn shutdown_begun(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Counts a request in. `body_unread`: it has a body that [`ConnState::body_read`] will end.
    pub(super) fn begin_request(self: &Arc<Self>, body_unread: bool) -> InFlight {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.body_unread.store(body_unread, Ordering::Relaxed);
        self.body_abandoned.store(false, Ordering::Relaxed);
        InFlight(self.clone())
    }
}

/// One request; it is over when this is dropped with the response body.
pub(super) struct InFlight(Arc<ConnState>);

impl InFlight {
    /// Whether the connection is not to take another request after this one. It cannot where the
    /// rest of a body stands between the two; a client that is not told so would put its next
    /// request behind it, where nobody reads.
    pub(super) fn is_last_of_connection(&self) -> bool {
        let state = &self.0;
        let abandoned = state.body_abandoned.load(Ordering::Relaxed);
        abandoned || state.drain.is_draining() || state.is_used_up() || state.is_asked_to_close()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let state = &self.0;
        let since = u64::try_from(state.accepted.elapsed().as_nanos()).unwrap_or(u64::MAX);
        state.idle_since.store(since, Ordering::Relaxed);
        state.head_begun.store(false, Ordering::Relaxed);
        state.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
