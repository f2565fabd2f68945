//! What the pool counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of a pool's connections, both protocols together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Connections open now, in use or idle.
    pub open: u64,
    /// HTTP/1.1 connections waiting for a request now.
    pub idle: u64,
    /// Connections opened so far.
    pub connects: u64,
    /// Attempts to connect that failed so far.
    pub connect_failures: u64,
    /// Requests so far that found an open connection.
    pub reuses: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) open: AtomicU64,
    pub(super) connects: AtomicU64,
    pub(super) connect_failures: AtomicU64,
    pub(super) reuses: AtomicU64,
}

impl Counters {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn opened(self: &Arc<Self>) -> OpenConnection {
        Self::count(&self.connects);
        Self::count(&self.open);
        OpenConnection(self.clone())
    }

    pub(super) fn snapshot(&self, idle: u64) -> PoolStats {
        PoolStats {
            open: self.open.load(Ordering::Relaxed),
            idle,
            connects: self.connects.load(Ordering::Relaxed),
            connect_failures: self.connect_failures.load(Ordering::Relaxed),
            reuses: self.reuses.load(Ordering::Relaxed),
        }
    }
}

/// Lives as long as a connection is open.
#[derive(Debug)]
pub(super) struct OpenConnection(Arc<Counters>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
