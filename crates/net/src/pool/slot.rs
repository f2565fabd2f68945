//! The connections of one endpoint.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::connect::connect;
use super::error::{SendError, SendErrorKind};
use super::h1::H1;
use super::h2::{Connections, StreamPlace};
use super::io::Io;
use super::stats::Counters;
use super::target::{Protocol, Target};
use super::{PoolConfig, Shared};

/// One endpoint's connections, idle HTTP/1.1 ones and all HTTP/2 ones.
pub(super) struct Slot {
    pub(super) target: Target,
    shared: Arc<Shared>,
    spoken: Spoken,
    idle: Mutex<Idle>,
    pub(super) h2: Connections,
    /// Held while a connection is opened that others may share.
    opening: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Idle {
    /// In the order they became idle. The newest is taken first: the others can then reach
    /// their timeout, and the warmest congestion window is used.
    connections: Vec<(Instant, Box<H1>)>,
    closed: bool,
}

/// A connection that is ready for a request.
pub(super) enum Ready {
    Http1(Box<H1>),
    H2(StreamPlace),
}

/// The protocol an endpoint speaks, once known.
struct Spoken(AtomicU8);

impl Spoken {
    const UNKNOWN: u8 = 0;
    const HTTP1: u8 = 1;
    const H2: u8 = 2;

    fn of(target: &Target) -> Self {
        Self(AtomicU8::new(match (target.protocol(), target.tls()) {
            (Protocol::Http1, _) | (Protocol::Auto, None) => Self::HTTP1,
            (Protocol::H2, _) => Self::H2,
            (Protocol::Auto, Some(_)) => Self::UNKNOWN,
        }))
    }

    fn may_be(&self, protocol: u8) -> bool {
        let known = self.0.load(Ordering::Relaxed);
        known == Self::UNKNOWN || known == protocol
    }

    fn note(&self, protocol: u8) {
        self.0.store(protocol, Ordering::Relaxed);
    }
}

impl Slot {
    pub(super) fn new(target: Target, shared: Arc<Shared>) -> Arc<Self> {
        let spoken = Spoken::of(&target);
        Arc::new(Self {
            target,
            shared,
            spoken,
            idle: Mutex::default(),
            h2: Connections::default(),
            opening: tokio::sync::Mutex::default(),
        })
    }

    /// An open connection with room for a request.
    pub(super) fn reuse(&self) -> Option<Ready> {
        let ready = self.reuse_http1().or_else(|| self.reuse_h2())?;
        Counters::count(&self.shared.counters.reuses);
        Some(ready)
    }

    fn reuse_http1(&self) -> Option<Ready> {
        if !self.spoken.may_be(Spoken::HTTP1) {
            return None;
        }
        let now = Instant::now();
        loop {
            let (since, mut connection) = self.lock().connections.pop()?;
            if self.config().keeps(connection.opened(), since, now) && !connection.is_stale() {
                return Some(Ready::Http1(connection));
            }
        }
    }

    fn reuse_h2(&self) -> Option<Ready> {
        if !self.spoken.may_be(Spoken::H2) {
            return None;
        }
        let oldest = Instant::now().checked_sub(self.config().max_age);
        self.h2
            .reserve(self.config().h2_max_connections.get(), oldest)
            .map(Ready::H2)
    }

    /// A new connection, or one that was opened by somebody else meanwhile and can be shared.
    pub(super) async fn open(self: &Arc<Self>, deadline: Instant) -> Result<Ready, SendError> {
        if !self.spoken.may_be(Spoken::H2) {
            return self.open_new(deadline).await;
        }
        let timed_out = |_| SendError::new(SendErrorKind::ConnectTimeout, &self.target, None);
        let opening = tokio::time::timeout_at(deadline, self.opening.lock())
            .await
            .map_err(timed_out)?;
        if let Some(ready) = self.reuse() {
            return Ok(ready);
        }
        if !self.spoken.may_be(Spoken::H2) {
            drop(opening);
        }
        self.open_new(deadline).await
    }

    async fn open_new(self: &Arc<Self>, deadline: Instant) -> Result<Ready, SendError> {
        let opened = self.connect_and_greet(deadline).await;
        if opened.is_err() {
            Counters::count(&self.shared.counters.connect_failures);
        }
        opened
    }

    async fn connect_and_greet(self: &Arc<Self>, deadline: Instant) -> Result<Ready, SendError> {
        let stream = connect(&self.target, self.config().tcp_keepalive, deadline).await?;
        let timed_out = |_| SendError::new(SendErrorKind::ConnectTimeout, &self.target, None);
        tokio::time::timeout_at(
            deadline,
            self.greet(Io::new(stream, self.shared.counters.opened())),
        )
        .await
        .map_err(timed_out)?
    }

    async fn greet(self: &Arc<Self>, io: Io) -> Result<Ready, SendError> {
        let refused = |error: hyper::Error| {
            SendError::new(
                SendErrorKind::Handshake,
                &self.target,
                Some(Box::new(error)),
            )
        };
        if self.speaks_h2(&io)? {
            self.spoken.note(Spoken::H2);
            let Shared { config, tasks, .. } = &*self.shared;
            let place = self.h2.open(io, config, tasks).await.map_err(refused)?;
            Ok(Ready::H2(place))
        } else {
            self.spoken.note(Spoken::HTTP1);
            let connection = H1::new(io, Arc::downgrade(self), self.config());
            Ok(Ready::Http1(connection))
        }
    }

    fn speaks_h2(&self, io: &Io) -> Result<bool, SendError> {
        match (self.target.protocol(), self.target.tls()) {
            (Protocol::Http1, _) => Ok(false),
            (Protocol::H2, None) => Ok(true),
            (Protocol::Auto, _) => Ok(io.negotiated_h2()),
            (Protocol::H2, Some(_)) if io.negotiated_h2() => Ok(true),
            (Protocol::H2, Some(_)) => {
                Err(SendError::new(SendErrorKind::Handshake, &self.target, None))
            }
        }
    }

    /// Keeps `connection` for the next request, unless there are enough.
    pub(super) fn put_idle(&self, connection: Box<H1>) {
        let now = Instant::now();
        if !self.config().keeps(connection.opened(), now, now) {
            return;
        }
        let mut idle = self.lock();
        if !idle.closed && idle.connections.len() < self.config().max_idle_per_endpoint {
            idle.connections.push((now, connection));
        }
    }

    /// Closes what has been idle or open for too long, or was closed by the peer. Returns whether
    /// nothing is left.
    pub(super) fn sweep(&self) -> bool {
        let now = Instant::now();
        let config = self.config();
        let mut idle = self.lock();
        let closing: Vec<_> = idle
            .connections
            .extract_if(.., |(since, connection)| {
                !config.keeps(connection.opened(), *since, now) || connection.is_stale()
            })
            .collect();
        let none_idle = idle.connections.is_empty();
        drop(idle);
        drop(closing);
        self.h2.sweep(
            now.checked_sub(config.max_age),
            now.checked_sub(config.h2_idle_timeout),
        );
        none_idle && self.h2.is_empty()
    }

    /// Closes idle connections and lets the others close when they are done.
    pub(super) fn close(&self) {
        let mut idle = self.lock();
        idle.closed = true;
        let closing = std::mem::take(&mut idle.connections);
        drop(idle);
        drop(closing);
        self.h2.close();
    }

    pub(super) fn idle(&self) -> usize {
        self.lock().connections.len()
    }

    fn config(&self) -> &PoolConfig {
        &self.shared.config
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
