//! How many bytes of request bodies may be held at once, for the process and for each caller.
//!
//! Bodies are kept so that an attempt can be repeated; without a bound, a handful of callers with
//! long prompts would decide how much memory the process has. A budget is a counter with a limit,
//! and a child takes every byte from its parent too, so one caller cannot use up what all share.
//!
//! Two relaxed-enough atomics rather than a semaphore: nobody ever waits for body memory, because
//! waiting with half a body in hand is how such a budget deadlocks. A reservation that does not
//! fit is refused, and the holder spills to a file or gives up.

use std::sync::Arc;

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// A limit on bytes, shared by everything cloned from it.
#[derive(Clone, Debug)]
pub struct BodyBudget(Arc<Level>);

#[derive(Debug)]
struct Level {
    limit: u64,
    used: AtomicU64,
    parent: Option<BodyBudget>,
}

/// The level of a budget that had no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// The budget that was asked.
    Own,
    /// The budget above it, which others share.
    Shared,
}

impl BodyBudget {
    /// A budget of `limit` bytes with nothing above it.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self(Arc::new(Level {
            limit,
            used: AtomicU64::new(0),
            parent: None,
        }))
    }

    /// A budget of `limit` bytes whose bytes count against `self` as well.
    #[must_use]
    pub fn child(&self, limit: u64) -> Self {
        let parent = Some(self.clone());
        Self(Arc::new(Level {
            limit,
            used: AtomicU64::new(0),
            parent,
        }))
    }

    /// An empty reservation, to be grown as bytes arrive.
    #[must_use]
    pub fn reservation(&self) -> Reservation {
        Reservation {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// Bytes reserved now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// The most bytes that may be reserved at once.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.0.limit
    }

    fn acquire(&self, bytes: u64) -> Result<(), Exhausted> {
        self.0.take(bytes).map_err(|()| Exhausted::Own)?;
        let Some(parent) = &self.0.parent else {
            return Ok(());
        };
        parent.acquire(bytes).map_err(|_| {
            self.0.give_back(bytes);
            Exhausted::Shared
        })
    }

    fn release(&self, bytes: u64) {
        self.0.give_back(bytes);
        if let Some(parent) = &self.0.parent {
            parent.release(bytes);
        }
    }
}

impl Level {
    fn take(&self, bytes: u64) -> Result<(), ()> {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, fits)
            .map(|_| ())
            .map_err(|_| ())
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// Bytes taken from a budget; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: BodyBudget,
    bytes: u64,
}

impl Reservation {
    /// Takes `bytes` more.
    ///
    /// # Errors
    /// The level that has no room for them; nothing is taken then.
    pub fn grow(&mut self, bytes: u64) -> Result<(), Exhausted> {
        self.budget.acquire(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives `bytes` back, or all there are if that is less.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.release(bytes);
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.release(self.bytes);
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(test)]
mod tests;
