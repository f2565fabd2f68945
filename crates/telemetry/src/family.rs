//! A metric family: label sets to series, read by every request, grown seldom.
//!
//! The map is immutable and swapped whole when a series is added: a look-up is one arc-swap load
//! (no shared write) and one hash, where a sharded or reader-writer lock would bounce a cache line
//! between cores on every request. Growing copies the map, which is quadratic in the number of
//! series, but that is capped and happens once in the life of the process.

use crate::labels::Overflow;
use arc_swap::ArcSwap;
use foldhash::fast::FixedState;
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

#[cfg(test)]
mod tests;

type SeriesMap<L, S> = HashMap<L, Arc<S>, FixedState>;

/// Series of type `S` by label sets of type `L`, at most `cap` of them and one for the overflow.
#[derive(Debug)]
pub(crate) struct Family<L, S> {
    series: ArcSwap<SeriesMap<L, S>>,
    growing: Mutex<()>,
    cap: usize,
    overflow: Arc<S>,
    overflowed: AtomicU64,
}

impl<L, S> Family<L, S>
where
    L: Clone + Eq + Ord + Hash + Overflow,
    S: Default,
{
    pub(crate) fn new(cap: usize) -> Self {
        Self {
            series: ArcSwap::from_pointee(HashMap::with_hasher(FixedState::default())),
            growing: Mutex::new(()),
            cap,
            overflow: Arc::default(),
            overflowed: AtomicU64::new(0),
        }
    }

    /// The series with these labels, created when there is none, or the overflow series when the
    /// family is at its cap.
    pub(crate) fn get(&self, labels: &L) -> Arc<S> {
        if let Some(series) = self.series.load().get(labels) {
            return Arc::clone(series);
        }
        self.insert(labels)
    }

    fn insert(&self, labels: &L) -> Arc<S> {
        if self.series.load().len() >= self.cap {
            return self.overflow();
        }
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.series.load();
        if let Some(series) = current.get(labels) {
            return Arc::clone(series);
        }
        if current.len() >= self.cap {
            return self.overflow();
        }
        let mut grown = SeriesMap::clone(&current);
        let series = Arc::<S>::default();
        grown.insert(labels.clone(), Arc::clone(&series));
        self.series.store(Arc::new(grown));
        series
    }

    fn overflow(&self) -> Arc<S> {
        self.overflowed.fetch_add(1, Relaxed);
        Arc::clone(&self.overflow)
    }

    /// How many look-ups have ended in the overflow series.
    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed.load(Relaxed)
    }

    /// Every series in the order of its labels, the overflow series last if it is in use.
    pub(crate) fn sorted(&self) -> Vec<(L, Arc<S>)> {
        let mut all: Vec<_> = self
            .series
            .load()
            .iter()
            .map(|(labels, series)| (labels.clone(), Arc::clone(series)))
            .collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        if self.overflowed() > 0 {
            all.push((L::overflow(), Arc::clone(&self.overflow)));
        }
        all
    }
}
