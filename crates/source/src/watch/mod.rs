//! Keeps a source loaded while its files change.
//!
//! The kernel's notifications say *when* to look; what is loaded is always the whole set, read
//! anew, so a missed or doubled notification can do no harm. Every few seconds the content is
//! compared anyway, for file systems that notify of nothing. A set with a fault is refused whole
//! and the last valid one stays.

mod events;
mod interests;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::load::{Attempt, Inputs, LoadError, Loaded, Source};
use events::{Events, LONGEST};
use interests::Interests;

/// Time from one comparison of the content to the next.
const POLL: Duration = Duration::from_secs(5);

/// What runs and what was refused.
#[derive(Debug, Clone)]
pub struct State {
    /// 1 for the first set, and one more with each that took effect.
    pub generation: u64,
    /// The set that took effect last.
    pub loaded: Arc<Loaded>,
    /// Why a later set did not, if there is one.
    pub refused: Option<Arc<LoadError>>,
}

/// Loads a source, and again whenever it changes; see [`Watcher::run`]. Blocks on files.
///
/// # Errors
/// Why the source cannot be loaded now: there is nothing to run on before the first valid set.
pub fn watch(source: Source) -> Result<(watch::Receiver<State>, Watcher), LoadError> {
    let mut events = Events::new();
    let mut attempt = source.attempt(&BTreeSet::new());
    events.watch(&Interests::of(&source, &attempt.inputs));
    // What changed before it was watched.
    let references = &attempt.inputs.references;
    if source.fingerprint(references) != attempt.inputs.fingerprint {
        attempt = source.attempt(references);
    }
    let Attempt { result, inputs, .. } = attempt;
    let loaded = Arc::new(result?);
    let (states, receiver) = watch::channel(State {
        generation: 1,
        loaded,
        refused: None,
    });
    let (source, live) = (Arc::new(source), inputs.fingerprint);
    Ok((
        receiver,
        Watcher {
            source,
            inputs,
            live,
            events,
            states,
        },
    ))
}

/// Watches a source. Made by [`watch()`].
#[derive(Debug)]
pub struct Watcher {
    source: Arc<Source>,
    /// Of the last load, valid or not.
    inputs: Inputs,
    /// Fingerprint of the set that is in effect.
    live: u64,
    events: Events,
    states: watch::Sender<State>,
}

impl Watcher {
    /// Publishes each change until the last receiver is gone. To be spawned by the caller.
    pub async fn run(mut self) {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.states.closed() => return,
                () = self.events.next() => {}
                _ = poll.tick() => {}
            }
            if self.has_changed().await {
                self.take_change().await;
            }
        }
    }

    async fn has_changed(&self) -> bool {
        let (source, references) = (self.source.clone(), self.inputs.references.clone());
        let now = blocking(move || source.fingerprint(&references)).await;
        now.is_some_and(|now| now != self.inputs.fingerprint)
    }

    /// Loads what has changed. Loading goes on while it is waited for the change to be complete;
    /// if more has changed by then, what was loaded is forgotten and the wait begins anew. A change
    /// that does not come to rest is taken as it is after a time.
    async fn take_change(&mut self) {
        let latest = Instant::now() + LONGEST;
        loop {
            let attempt = self.attempt();
            self.events.settle().await;
            let Ok(attempt) = attempt.await else { return };
            self.inputs = attempt.inputs.clone();
            if !self.has_changed().await {
                return self.take(attempt).await;
            }
            blocking(move || drop(attempt)).await;
            if Instant::now() >= latest {
                return self.reload().await;
            }
        }
    }

    async fn reload(&mut self) {
        if let Ok(attempt) = self.attempt().await {
            self.take(attempt).await;
        }
    }

    /// Publishes an attempt, or loads again until nothing new is to be watched, so that no change is
    /// missed between reading a file's name and watching it.
    async fn take(&mut self, mut attempt: Attempt) {
        loop {
            self.inputs = attempt.inputs;
            if !self
                .events
                .watch(&Interests::of(&self.source, &self.inputs))
            {
                break;
            }
            match self.attempt().await {
                Ok(again) => attempt = again,
                Err(_) => return,
            }
        }
        self.publish(attempt.result);
        blocking(move || drop(attempt.remains)).await;
    }

    /// Begins to load at once. Fails if the runtime is shutting down, or by a panic.
    fn attempt(&self) -> JoinHandle<Attempt> {
        let (source, known) = (self.source.clone(), self.inputs.references.clone());
        tokio::task::spawn_blocking(move || source.attempt(&known))
    }

    fn publish(&mut self, result: Result<Loaded, LoadError>) {
        match result {
            Ok(_) if self.inputs.fingerprint == self.live => self.recover(),
            Ok(loaded) => self.accept(loaded),
            Err(error) => self.refuse(error),
        }
    }

    fn accept(&mut self, loaded: Loaded) {
        self.live = self.inputs.fingerprint;
        self.recover();
        self.states.send_modify(|state| {
            state.generation += 1;
            state.loaded = Arc::new(loaded);
            tracing::info!(
                generation = state.generation,
                hash = format_args!("{:016x}", state.loaded.hash),
                files = state.loaded.files,
                "configuration loaded"
            );
        });
    }

    fn recover(&self) {
        let was_refused = self
            .states
            .send_if_modified(|state| state.refused.take().is_some());
        if was_refused {
            tracing::info!("configuration is valid again");
        }
    }

    fn refuse(&self, error: LoadError) {
        let is_new = self.states.borrow().refused.as_deref() != Some(&error);
        if is_new {
            tracing::error!(
                problems = error.problems.len(),
                "configuration refused, the last valid one stays:\n{error}"
            );
            self.states
                .send_modify(|state| state.refused = Some(Arc::new(error)));
        }
    }
}

/// Reads files where that may block. `None` if the runtime is shutting down.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}
