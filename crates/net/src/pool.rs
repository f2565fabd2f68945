//! Connections to upstreams, kept open between requests.
//!
//! Owned rather than taken from a client library, for four reasons: an HTTP/1.1 connection here
//! travels with its request instead of living in a task of its own (see `h1`), an endpoint may
//! have several HTTP/2 connections (see `h2`), the TLS identity is part of the key, and a failed
//! request tells whether it is safe to repeat ([`SendError`]).
//!
//! The pool knows endpoints, not services: who is chosen, how often and how long to try are the
//! caller's.

mod connect;
mod decide;
mod error;
mod h1;
mod h2;
mod io;
mod slot;
mod stats;
mod target;
mod upstream;
mod wire;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use foldhash::fast::FixedState;
use http::{Request, Response};
use tokio::sync::Notify;
use tokio::time::Instant;

pub use self::error::{SendError, SendErrorKind, Sent};
pub use self::io::Upgraded;
pub use self::stats::PoolStats;
pub use self::target::{Address, BadAddress, Protocol, Target, TlsIdentity};
pub use self::upstream::{UpstreamBody, upgrade};

use self::decide::{decide, is_undecided};
use self::slot::{Ready, Slot};
use self::stats::Counters;
use crate::body::Body;
use crate::http1::HeadLimits;
use crate::tasks::Tasks;

/// How connections are kept.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Idle HTTP/1.1 connections kept per endpoint; the rest close when their response ends.
    pub max_idle_per_endpoint: usize,
    /// How long an HTTP/1.1 connection without a request is kept. Should be less than the
    /// upstream's own keep-alive timeout (uvicorn, and with it vLLM and SGLang, closes after
    /// 5 s): a connection closed by the upstream just as a request is put on it costs an attempt.
    pub idle_timeout: Duration,
    /// How long a connection is used at all, so that a rebalanced or renamed upstream sees new
    /// ones. Responses in progress are not cut.
    pub max_age: Duration,
    /// HTTP/2 connections per endpoint, opened as the peer's stream limit requires.
    pub h2_max_connections: NonZeroUsize,
    /// How long an HTTP/2 connection without a stream is kept. Longer, because HTTP/2 tells which
    /// requests a closing peer has not processed.
    pub h2_idle_timeout: Duration,
    /// Bytes of one response that an upstream may send over HTTP/2 ahead of the reader.
    pub h2_stream_window: u32,
    /// The same for all responses on a connection together.
    pub h2_connection_window: u32,
    /// Bytes of one request body buffered for an HTTP/2 stream that cannot send.
    pub h2_max_send_buffer: usize,
    /// How often an HTTP/2 connection with open streams is pinged; `None`: never.
    pub h2_ping_interval: Option<Duration>,
    /// How long a ping may stay unanswered before the connection counts as dead.
    pub h2_ping_timeout: Duration,
    /// Silence after which TCP probes the peer, and the time between probes; `None`: never.
    pub tcp_keepalive: Option<Duration>,
    /// How large the head of a response may be.
    pub max_response_head: HeadLimits,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max_idle_per_endpoint: 256,
            idle_timeout: Duration::from_secs(4),
            max_age: Duration::from_secs(30 * 60),
            h2_max_connections: NonZeroUsize::MIN.saturating_add(7),
            h2_idle_timeout: Duration::from_secs(300),
            h2_stream_window: 1 << 20,
            h2_connection_window: 16 << 20,
            h2_max_send_buffer: 256 << 10,
            h2_ping_interval: Some(Duration::from_secs(30)),
            h2_ping_timeout: Duration::from_secs(20),
            tcp_keepalive: Some(Duration::from_secs(30)),
            max_response_head: HeadLimits {
                bytes: 64 << 10,
                fields: 256,
            },
        }
    }
}

impl PoolConfig {
    /// Whether a connection opened then and idle since then may be used now.
    fn keeps(&self, opened: Instant, idle_since: Instant, now: Instant) -> bool {
        now.saturating_duration_since(opened) < self.max_age
            && now.saturating_duration_since(idle_since) < self.idle_timeout
    }

    fn max_response_head_bytes(&self) -> u32 {
        u32::try_from(self.max_response_head.bytes).unwrap_or(u32::MAX)
    }

    /// How often [`Pool::maintain`] looks: often enough that nothing outlives its time by more
    /// than a quarter, seldom enough to cost nothing.
    fn sweep_interval(&self) -> Duration {
        let shortest = self
            .idle_timeout
            .min(self.h2_idle_timeout)
            .min(self.max_age);
        (shortest / 4).clamp(Duration::from_millis(100), Duration::from_secs(10))
    }
}

/// A pool of connections. Clones share it.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
    slots: Arc<ArcSwap<Slots>>,
}

type Slots = std::collections::HashMap<Target, Arc<Slot>, FixedState>;

struct Shared {
    config: PoolConfig,
    tasks: Tasks,
    counters: Arc<Counters>,
    closed: AtomicBool,
    closing: Notify,
}

impl Pool {
    /// HTTP/2 connections run in `tasks`, each until it ends; give the pool a group of its own,
    /// and call [`close`](Self::close) before waiting for that group.
    #[must_use]
    pub fn new(config: PoolConfig, tasks: Tasks) -> Self {
        let shared = Shared {
            config,
            tasks,
            counters: Arc::default(),
            closed: AtomicBool::new(false),
            closing: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
            slots: Arc::default(),
        }
    }

    /// Sends `request` to `target` and waits for the head of the response.
    ///
    /// The URI may be a path (HTTP/1.1 style) or absolute; without a `Host` and an authority the
    /// target's own name is used. Headers are sent as they are, except that `content-length` and
    /// `transfer-encoding` follow from the body; leaving out others that concern one connection
    /// only is the caller's duty. `connect_timeout` covers name, TCP, TLS and
    /// protocol handshake; how long to wait for the response is the caller's: dropping this
    /// future, or the body later, cancels the request upstream.
    ///
    /// An HTTP/2 request that did not get into a connection, because that was just being closed, is
    /// moved to another.
    ///
    /// # Errors
    /// [`SendError`] says what failed and what the upstream may have seen.
    pub async fn send(
        &self,
        target: &Target,
        mut request: Request<Body>,
        connect_timeout: Duration,
    ) -> Result<Response<UpstreamBody>, SendError> {
        if is_undecided(&request) {
            request = Box::pin(decide(request, target)).await?;
        }
        let slot = self.slot(target);
        loop {
            let (ready, reused) = match slot.reuse() {
                Some(ready) => (ready, true),
                // Boxed: the rare long way must not be carried by every request's future.
                None => (
                    Box::pin(slot.open(Instant::now() + connect_timeout)).await?,
                    false,
                ),
            };
            let sent = match ready {
                Ready::Http1(connection) => connection.send(request, target).await,
                Ready::H2(place) => place.send(request, target, &slot.h2).await,
            };
            request = match sent.map_err(|failed| *failed) {
                Ok(response) => return Ok(response),
                Err(error::Failed {
                    request: Some(unsent),
                    ..
                }) if reused => unsent,
                Err(failed) => return Err(failed.error),
            };
        }
    }

    fn slot(&self, target: &Target) -> Arc<Slot> {
        if let Some(slot) = self.slots.load().get(target) {
            return slot.clone();
        }
        let new = Slot::new(target.clone(), self.shared.clone());
        if self.shared.closed.load(Ordering::Relaxed) {
            new.close();
            return new;
        }
        self.change_slots(|slots| {
            slots.entry(target.clone()).or_insert_with(|| new.clone());
        });
        self.slots.load().get(target).cloned().unwrap_or(new)
    }

    /// A pool that is [maintained](Self::maintain) by `tasks`, which carry its connections too.
    #[must_use]
    pub fn maintained(config: PoolConfig, tasks: &Tasks) -> Self {
        let pool = Self::new(config, tasks.clone());
        let maintained = pool.clone();
        tasks.spawn("connection upkeep", async move {
            maintained.maintain().await;
        });
        pool
    }

    /// Closes connections whose time is over, until the pool is closed. Run it beside the pool:
    /// without it nothing is closed before its endpoint's next request.
    pub async fn maintain(&self) {
        loop {
            let closing = self.shared.closing.notified();
            if self.shared.closed.load(Ordering::Acquire) {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(self.shared.config.sweep_interval()) => self.sweep(),
                () = closing => return,
            }
        }
    }

    fn sweep(&self) {
        let empty: Vec<Target> = self
            .slots
            .load()
            .values()
            .filter(|slot| slot.sweep() && !is_in_use(slot))
            .map(|slot| slot.target.clone())
            .collect();
        if !empty.is_empty() {
            self.change_slots(|slots| slots.retain(|target, _| !empty.contains(target)));
        }
    }

    /// Copied on write: endpoints come and go seldom, requests look them up always.
    #[expect(
        clippy::mutable_key_type,
        reason = "a target's identity is fixed; what may change inside is rustls' caches"
    )]
    fn change_slots(&self, change: impl Fn(&mut Slots)) {
        self.slots.rcu(|slots| {
            let mut slots = Slots::clone(slots);
            change(&mut slots);
            slots
        });
    }

    /// Closes idle connections now and the others when their responses end. Requests may still be
    /// sent; their HTTP/1.1 connections are not kept.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.closing.notify_waiters();
        for slot in self.slots.load().values() {
            slot.close();
        }
    }

    /// What there is and has been.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let idle: usize = self.slots.load().values().map(|slot| slot.idle()).sum();
        self.shared.counters.snapshot(idle as u64)
    }
}

/// Whether a request is being sent to the endpoint, or one of its HTTP/1.1 connections is with a
/// request and is to come back.
fn is_in_use(slot: &Arc<Slot>) -> bool {
    Arc::strong_count(slot) > 1 || Arc::weak_count(slot) > 0
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pool").field(&self.stats()).finish()
    }
}

#[cfg(all(test, turmoil))]
pub(crate) mod simulations;
#[cfg(test)]
mod tests;
