//! Background tasks that belong to backends: one each, for as long as what it follows stays as it
//! is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::FixedState;
use net::tasks::{Handle, Tasks};

/// A task for each backend that asks for one by a `T`.
pub(crate) struct Following<T> {
    name: &'static str,
    tasks: Tasks,
    running: Mutex<Running<T>>,
}

type Running<T> = HashMap<Arc<str>, (T, Handle<()>), FixedState>;

impl<T: PartialEq> Following<T> {
    /// No tasks yet.
    pub(crate) fn new(name: &'static str, tasks: Tasks) -> Self {
        Self {
            name,
            tasks,
            running: Mutex::default(),
        }
    }

    /// Whether a task follows exactly this.
    pub(crate) fn follows(&self, key: &str, what: &T) -> bool {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(key).is_some_and(|(before, _)| before == what)
    }

    /// Makes the tasks those that `wanted` asks for: starts, restarts and ends what has changed.
    pub(crate) fn set<F>(&self, wanted: Vec<(Arc<str>, T)>, start: impl Fn(&Arc<str>, &T) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|key, (before, handle)| {
            let stays = wanted
                .iter()
                .any(|(other, what)| other == key && what == before);
            if !stays {
                handle.abort();
            }
            stays
        });
        for (key, what) in wanted {
            running.entry(key).or_insert_with_key(|key| {
                let handle = self.tasks.spawn(self.name, start(key, &what));
                (what, handle)
            });
        }
    }
}
