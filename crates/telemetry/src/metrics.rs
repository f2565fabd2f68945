//! The families that requests and reloads are recorded in.

use crate::{
    GenAiLabels, InFlightGauge, Labels, Registry, RequestRecord, Series,
    family::Family,
    labels::{BackendLabels, ListenerLabel, RouteLabel},
    series::{BackendSeries, GenAiSeries, RouteSeries},
};
use arc_swap::ArcSwap;
use foldhash::fast::FixedState;
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

mod encode;
#[cfg(test)]
mod tests;

/// Bounds of the metrics.
#[derive(Clone, Copy, Debug)]
pub struct MetricsConfig {
    /// Most label sets per family; what exceeds it is counted under the label `overflow`.
    pub max_series: usize,
    /// Most strings that [`Metrics::label`] tells apart; the rest are `other`.
    pub max_labels: usize,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            max_series: 2_000,
            max_labels: 500,
        }
    }
}

/// The metrics of a process: built once, cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    listeners: Family<ListenerLabel, InFlightGauge>,
    routes: Family<RouteLabel, RouteSeries>,
    backends: Family<BackendLabels, BackendSeries>,
    gen_ai: Family<GenAiLabels, GenAiSeries>,
    labels: LabelPool,
    reloads: Reloads,
}

#[derive(Debug, Default)]
struct Reloads {
    generation: AtomicU64,
    applied: AtomicU64,
    refused: AtomicU64,
    /// Milliseconds since the epoch; 0 is never.
    last_applied_ms: AtomicU64,
}

impl Metrics {
    /// Build the families and register them.
    pub fn new(registry: &mut Registry, config: MetricsConfig) -> Self {
        let families = Arc::new(Families {
            listeners: Family::new(config.max_series),
            routes: Family::new(config.max_series),
            backends: Family::new(config.max_series),
            gen_ai: Family::new(config.max_series),
            labels: LabelPool::new(config.max_labels),
            reloads: Reloads::default(),
        });
        registry.register_collector(Box::new(Arc::clone(&families)));
        Self(families)
    }

    /// The series of these labels: three hash look-ups without a lock, unless a label set is new.
    pub fn series(&self, labels: &Labels) -> Series {
        let backend = BackendLabels {
            route: Arc::clone(&labels.route),
            backend: Arc::clone(&labels.backend),
        };
        Series {
            route: self.0.routes.get(&RouteLabel(Arc::clone(&labels.route))),
            backend: self.0.backends.get(&backend),
            gen_ai: labels
                .gen_ai
                .as_ref()
                .map(|labels| self.0.gen_ai.get(labels)),
        }
    }

    /// Count an attempt at a backend, when it is made.
    pub fn attempt(&self, route: &Arc<str>, backend: &Arc<str>) {
        let labels = BackendLabels {
            route: Arc::clone(route),
            backend: Arc::clone(backend),
        };
        self.0.backends.get(&labels).attempts.fetch_add(1, Relaxed);
    }

    /// Count fields of a request that its backend's API could not express and that were left out.
    pub fn dropped_fields(&self, route: &Arc<str>, backend: &Arc<str>, fields: u64) {
        let labels = BackendLabels {
            route: Arc::clone(route),
            backend: Arc::clone(backend),
        };
        let series = self.0.backends.get(&labels);
        series.dropped_fields.fetch_add(fields, Relaxed);
    }

    /// Count a finished request: [`Self::series`] and [`Series::record`] in one.
    pub fn record(&self, labels: &Labels, record: &RequestRecord<'_>) {
        self.series(labels).record(record);
    }

    /// The gauge of requests in flight at the listener; keep it with the listener.
    pub fn in_flight(&self, listener: &str) -> Arc<InFlightGauge> {
        self.0.listeners.get(&ListenerLabel(listener.into()))
    }

    /// A label value for a string from outside, such as the model an upstream says it used: the
    /// string itself, or `other` when it is long or too many different ones have been seen.
    pub fn label(&self, text: &str) -> Arc<str> {
        self.0.labels.get(text)
    }

    /// A configuration snapshot went live.
    pub fn snapshot_applied(&self, generation: u64, at: SystemTime) {
        let reloads = &self.0.reloads;
        let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        reloads.generation.store(generation, Relaxed);
        reloads.last_applied_ms.store(millis, Relaxed);
        reloads.applied.fetch_add(1, Relaxed);
    }

    /// A configuration was refused and the old one stays.
    pub fn snapshot_refused(&self) {
        self.0.reloads.refused.fetch_add(1, Relaxed);
    }
}

/// Longest string that becomes a label of its own, in bytes.
const MAX_LABEL_LENGTH: usize = 128;

/// A bounded set of label values, read without a lock and grown seldom, like a [`Family`].
#[derive(Debug)]
struct LabelPool {
    known: ArcSwap<HashSet<Arc<str>, FixedState>>,
    growing: Mutex<()>,
    cap: usize,
    other: Arc<str>,
}

impl LabelPool {
    fn new(cap: usize) -> Self {
        Self {
            known: ArcSwap::from_pointee(HashSet::with_hasher(FixedState::default())),
            growing: Mutex::new(()),
            cap,
            other: "other".into(),
        }
    }

    fn get(&self, text: &str) -> Arc<str> {
        if let Some(label) = self.known.load().get(text) {
            return Arc::clone(label);
        }
        self.insert(text)
    }

    fn insert(&self, text: &str) -> Arc<str> {
        if text.len() > MAX_LABEL_LENGTH || self.known.load().len() >= self.cap {
            return Arc::clone(&self.other);
        }
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.known.load();
        if let Some(label) = current.get(text) {
            return Arc::clone(label);
        }
        if current.len() >= self.cap {
            return Arc::clone(&self.other);
        }
        let label: Arc<str> = text.into();
        let mut grown = HashSet::clone(&current);
        grown.insert(Arc::clone(&label));
        self.known.store(Arc::new(grown));
        label
    }
}
