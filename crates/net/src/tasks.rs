//! The task supervisor: the only place that spawns.
//!
//! A bare `tokio::spawn` loses three things that a proxy needs: a panic in a detached task is
//! silent, a drain cannot wait for tasks it does not know, and nobody can stop them at the
//! deadline. [`Tasks`] is a group of tasks that gives all three. tokio's own `JoinSet` must be
//! owned and polled by one place to be emptied, which does not suit tasks that are spawned from
//! everywhere; here a task signs itself off.
//!
//! Abort handles sit in sharded maps, so that tasks starting and ending on different workers do
//! not meet on one lock.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use foldhash::fast::FixedState;
use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};

#[cfg(test)]
mod tests;

/// A power of two, several times the number of workers of a large machine's data runtime.
const SHARDS: usize = 64;

type HashMap<K, V> = std::collections::HashMap<K, V, FixedState>;

/// A group of supervised tasks. Clones share the group.
#[derive(Clone)]
pub struct Tasks {
    group: Arc<Group>,
}

struct Group {
    runtime: Option<tokio::runtime::Handle>,
    parent: Option<Arc<Group>>,
    next_id: AtomicU64,
    live: AtomicUsize,
    panicked: AtomicU64,
    all_ended: Notify,
    shards: [Mutex<HashMap<u64, Slot>>; SHARDS],
}

/// A task is registered before it is spawned, because it may end before `spawn` returns.
enum Slot {
    Starting,
    Running(AbortHandle),
    AbortRequested,
}

/// The result of a supervised task, like tokio's `JoinHandle`: dropping it detaches the task.
pub struct Handle<T> {
    join: JoinHandle<T>,
}

/// Why a task ended without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// The task panicked; the panic has been logged and counted.
    #[error("the task panicked; see the log for its message")]
    Panicked,
    /// The task was aborted, or its runtime shut down.
    #[error("the task was stopped before it ended")]
    Aborted,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// An empty group whose tasks run on the runtime that calls [`Tasks::spawn`].
    #[must_use]
    pub fn new() -> Self {
        Self::build(None, None)
    }

    /// An empty group whose tasks run on `runtime`, wherever they are spawned from.
    #[must_use]
    pub fn on(runtime: tokio::runtime::Handle) -> Self {
        Self::build(Some(runtime), None)
    }

    /// A new empty group on the same runtime, waited for and aborted by itself; its panics count
    /// in this group too.
    #[must_use]
    pub fn group(&self) -> Self {
        Self::build(self.group.runtime.clone(), Some(self.group.clone()))
    }

    fn build(runtime: Option<tokio::runtime::Handle>, parent: Option<Arc<Group>>) -> Self {
        let group = Group {
            runtime,
            parent,
            next_id: AtomicU64::new(0),
            live: AtomicUsize::new(0),
            panicked: AtomicU64::new(0),
            all_ended: Notify::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        };
        Self {
            group: Arc::new(group),
        }
    }

    /// Starts `future` as a task. `name` appears in the log if it panics.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let id = self.group.register();
        let membership = Membership {
            group: self.group.clone(),
            id,
        };
        let supervised = Supervised {
            future,
            name,
            membership,
        };
        let join = match &self.group.runtime {
            Some(runtime) => runtime.spawn(supervised),
            None => spawn_on_current(supervised),
        };
        self.group.started(id, join.abort_handle());
        Handle { join }
    }

    /// Tasks that have been spawned and have not ended.
    #[must_use]
    pub fn live(&self) -> usize {
        self.group.live.load(Ordering::Acquire)
    }

    /// Tasks spawned since the group was made.
    #[must_use]
    pub fn spawned(&self) -> u64 {
        self.group.next_id.load(Ordering::Relaxed)
    }

    /// Tasks that panicked, here and in the groups made from this one.
    #[must_use]
    pub fn panicked(&self) -> u64 {
        self.group.panicked.load(Ordering::Relaxed)
    }

    /// Waits until no task is live. Wrap it in a timeout for a deadline.
    pub async fn wait(&self) {
        loop {
            let mut ended = std::pin::pin!(self.group.all_ended.notified());
            ended.as_mut().enable();
            if self.live() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Stops every task that is live now, at its next suspension point. Tasks spawned later are
    /// not affected.
    pub fn abort_all(&self) {
        for shard in &self.group.shards {
            for slot in lock(shard).values_mut() {
                match slot {
                    Slot::Running(abort) => abort.abort(),
                    Slot::Starting => *slot = Slot::AbortRequested,
                    Slot::AbortRequested => {}
                }
            }
        }
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks")
            .field("live", &self.live())
            .field("spawned", &self.spawned())
            .field("panicked", &self.panicked())
            .finish()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this module is the supervisor that others must use"
)]
fn spawn_on_current<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

impl Group {
    fn register(&self) -> u64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.live.fetch_add(1, Ordering::AcqRel);
        self.shard(id).insert(id, Slot::Starting);
        id
    }

    fn started(&self, id: u64, abort: AbortHandle) {
        if let Some(slot) = self.shard(id).get_mut(&id) {
            match slot {
                Slot::AbortRequested => abort.abort(),
                Slot::Starting | Slot::Running(_) => *slot = Slot::Running(abort),
            }
        }
    }

    fn ended(&self, id: u64) {
        self.shard(id).remove(&id);
        if self.live.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all_ended.notify_waiters();
        }
    }

    fn shard(&self, id: u64) -> MutexGuard<'_, HashMap<u64, Slot>> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "only the low bits choose the shard, and the remainder is below SHARDS"
        )]
        lock(&self.shards[id as usize % SHARDS])
    }

    fn record_panic(&self) {
        self.panicked.fetch_add(1, Ordering::Relaxed);
        if let Some(parent) = &self.parent {
            parent.record_panic();
        }
    }
}

/// Nothing panics while a shard is locked; were it so, the map would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Signs the task off when its future is dropped, however it ended.
struct Membership {
    group: Arc<Group>,
    id: u64,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.group.ended(self.id);
    }
}

pin_project! {
    /// The field order matters: the future is dropped before the task is signed off.
    struct Supervised<F> {
        #[pin]
        future: F,
        name: &'static str,
        membership: Membership,
    }
}

impl<F: Future> Future for Supervised<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        catch_unwind(AssertUnwindSafe(|| this.future.poll(cx))).unwrap_or_else(|payload| {
            this.membership.group.record_panic();
            tracing::error!(
                task = this.name,
                panic = message(&*payload),
                "a task panicked"
            );
            resume_unwind(payload)
        })
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}

impl<T> Handle<T> {
    /// Stops the task at its next suspension point; no effect if it has ended.
    pub fn abort(&self) {
        self.join.abort();
    }

    /// Whether the task has ended, in whichever way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.join.is_finished()
    }
}

impl<T> Future for Handle<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.join).poll(cx).map(|ended| {
            ended.map_err(|error| {
                if error.is_panic() {
                    TaskError::Panicked
                } else {
                    TaskError::Aborted
                }
            })
        })
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("finished", &self.is_finished())
            .finish()
    }
}
