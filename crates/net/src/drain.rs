//! The staged end of a proxy's life.
//!
//! One "shutdown" flag is not enough. For some seconds after a termination signal, load balancers
//! and endpoint controllers still send new connections; a listener that closes at once resets
//! them. And a connection that is closed while a client writes its next request to it loses that
//! request. So a drain has stages, each a promise to the client:
//!
//! | stage | new connections | open connections |
//! |---|---|---|
//! | [`Serving`](Stage::Serving) | accepted | kept |
//! | [`Draining`](Stage::Draining) | accepted | answers say `connection: close`; HTTP/2 sends GOAWAY |
//! | [`Closing`](Stage::Closing) | refused, listeners are closed | idle ones closed, streams finish |
//! | [`Deadline`](Stage::Deadline) | refused | aborted |
//!
//! Reading the stage is one atomic load, so a request may ask for it. Each listener has a
//! [`Watch::child`] of the process's drain, so that a reload which removes one listener drains it
//! alone by the same means.

use std::fmt;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

#[cfg(loom)]
use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU8, Ordering},
};
#[cfg(not(loom))]
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU8, Ordering},
};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::tasks::Tasks;

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, turmoil))]
mod simulations;
#[cfg(test)]
mod tests;

/// How far a drain has come. Stages only advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Stage {
    /// Normal operation.
    Serving,
    /// Unready, still accepting; clients are asked to go elsewhere.
    Draining,
    /// Listeners are closed; what is in flight finishes.
    Closing,
    /// What is left is aborted.
    Deadline,
}

impl Stage {
    const fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::Serving,
            1 => Self::Draining,
            2 => Self::Closing,
            _ => Self::Deadline,
        }
    }
}

/// Makes a drain signal in stage [`Stage::Serving`].
#[derive(Debug)]
pub struct Drain;

impl Drain {
    /// The two ends of a new signal. Dropping the trigger changes nothing.
    #[expect(
        clippy::new_ret_no_self,
        reason = "a signal is its two ends, as with channels"
    )]
    #[must_use]
    pub fn new() -> (Trigger, Watch) {
        let signal = Arc::new(Signal::default());
        (
            Trigger {
                signal: signal.clone(),
            },
            Watch { signal },
        )
    }
}

#[derive(Default)]
struct Signal {
    stage: AtomicU8,
    advanced: Notify,
    children: Mutex<Vec<Weak<Signal>>>,
}

impl Signal {
    fn stage(&self) -> Stage {
        Stage::from_u8(self.stage.load(Ordering::Acquire))
    }

    /// Also keeps the signal from advancing.
    fn children(&self) -> MutexGuard<'_, Vec<Weak<Self>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn advance(&self, to: Stage) {
        let children = self.children();
        let before = self.stage.fetch_max(to as u8, Ordering::AcqRel);
        if before < to as u8 {
            self.advanced.notify_waiters();
        }
        for child in children.iter().filter_map(Weak::upgrade) {
            child.advance(to);
        }
    }
}

/// The end that advances the stages.
pub struct Trigger {
    signal: Arc<Signal>,
}

impl Trigger {
    /// Moves to `stage`; no effect if the drain has come further already.
    pub fn advance(&self, stage: Stage) {
        self.signal.advance(stage);
    }
}

impl fmt::Debug for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trigger")
            .field(&self.signal.stage())
            .finish()
    }
}

/// The end that connections, requests and the readiness probe look at. Cheap to clone.
#[derive(Clone)]
pub struct Watch {
    signal: Arc<Signal>,
}

impl Watch {
    /// The stage now.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.signal.stage()
    }

    /// Whether clients are being asked to go elsewhere.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.stage() >= Stage::Draining
    }

    /// Waits until the drain has come to `stage` or further.
    ///
    /// Polling takes a lock that all who wait share. A task that is woken for other reasons all the
    /// while needs to poll a second time only when [`stage`](Self::stage) tells of the stage, if
    /// that is the one after the stage at the first time.
    pub async fn reached(&self, stage: Stage) {
        loop {
            let mut advanced = std::pin::pin!(self.signal.advanced.notified());
            {
                // Between two advances: none that has been seen already wakes this up.
                let _standing_still = self.signal.children();
                advanced.as_mut().enable();
                if self.stage() >= stage {
                    return;
                }
            }
            advanced.await;
        }
    }

    /// Waits until the drain has begun.
    pub async fn draining(&self) {
        self.reached(Stage::Draining).await;
    }

    /// A signal that follows this one and that its own trigger can advance further: the drain of
    /// a part.
    #[must_use]
    pub fn child(&self) -> (Trigger, Watch) {
        let (trigger, watch) = Drain::new();
        {
            let mut children = self.signal.children();
            children.retain(|child| child.strong_count() > 0);
            children.push(Arc::downgrade(&watch.signal));
        }
        trigger.advance(self.stage());
        (trigger, watch)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.stage()).finish()
    }
}

/// How long each stage lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainConfig {
    /// From the signal until the listeners close. Default 5 s: what endpoint controllers and
    /// health checks usually need to take an instance out of rotation.
    pub delay: Duration,
    /// From the signal until what is left is aborted, the delay included. Default 25 s: inside
    /// the 30 s that Kubernetes gives a pod to terminate. Where streams last for minutes, raise
    /// both.
    pub deadline: Duration,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(5),
            deadline: Duration::from_secs(25),
        }
    }
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything in flight finished.
    Finished,
    /// The deadline came first.
    Aborted {
        /// Tasks that were still live then.
        tasks: usize,
    },
}

/// Runs the stages to the end. `in_flight` are the groups of tasks that carry connections and
/// streams (not endless ones, such as reapers): they are waited for, and aborted at the deadline.
pub async fn run(trigger: Trigger, config: DrainConfig, in_flight: &[Tasks]) -> Outcome {
    let begun = Instant::now();
    let deadline = begun + config.deadline;
    trigger.advance(Stage::Draining);
    sleep_until((begun + config.delay).min(deadline)).await;
    trigger.advance(Stage::Closing);
    let outcome = match timeout_at(deadline, all_ended(in_flight)).await {
        Ok(()) => Outcome::Finished,
        Err(_) => Outcome::Aborted {
            tasks: in_flight.iter().map(Tasks::live).sum(),
        },
    };
    trigger.advance(Stage::Deadline);
    for tasks in in_flight {
        tasks.abort_all();
    }
    outcome
}

/// A task of one group may start one in another, so the groups must be seen empty together.
async fn all_ended(groups: &[Tasks]) {
    while groups.iter().any(|tasks| tasks.live() > 0) {
        for tasks in groups {
            tasks.wait().await;
        }
    }
}
