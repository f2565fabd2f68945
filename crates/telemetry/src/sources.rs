//! Families whose values live elsewhere and are asked for at each scrape.
//!
//! Endpoints, listeners and tasks keep their own state, which is the truth; copying it into gauges
//! at every change would cost the hot path and could drift. A source is a callback that must be
//! quick and must not block.

use crate::{
    AccessLog, Registry,
    exposition::{FamilyEncoder, LabelPairs},
};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, metrics::MetricType};
use std::{fmt, sync::Arc};

mod credentials;
#[cfg(test)]
mod tests;

pub use credentials::{CredentialSample, register_credentials};

/// The state of an endpoint at a scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointSample {
    /// Name of the provider or pool.
    pub backend: Arc<str>,
    /// Name of the endpoint.
    pub endpoint: Arc<str>,
    /// Requests in flight to it from this process.
    pub in_flight: u64,
    /// Whether it may be chosen: not ejected, not failing its health checks.
    pub healthy: bool,
    /// Requests waiting in its own queue, if it reports them.
    pub waiting: Option<u64>,
    /// Share of its KV cache in use, 0 to 1, if it reports it.
    pub kv_cache_usage: Option<f64>,
}

/// The state of a listener at a scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSample {
    /// Name of the listener.
    pub listener: Arc<str>,
    /// Connections open.
    pub open: u64,
    /// Connections accepted since the process began.
    pub accepted: u64,
    /// Connections closed at once because of a connection limit.
    pub refused: u64,
}

/// Register `sluicegate_endpoint_*`.
pub fn register_endpoints(
    registry: &mut Registry,
    samples: impl Fn() -> Vec<EndpointSample> + Send + Sync + 'static,
) {
    register(registry, "endpoints", move |encoder| {
        encode_endpoints(encoder, &samples())
    });
}

/// Register `sluicegate_connections_*`.
pub fn register_listeners(
    registry: &mut Registry,
    samples: impl Fn() -> Vec<ListenerSample> + Send + Sync + 'static,
) {
    register(registry, "listeners", move |encoder| {
        encode_listeners(encoder, &samples())
    });
}

/// Register a counter without labels that is kept elsewhere, such as the number of task panics.
/// `name` is without `_total`.
pub fn register_counter(
    registry: &mut Registry,
    name: &'static str,
    help: &'static str,
    value: impl Fn() -> u64 + Send + Sync + 'static,
) {
    register(registry, name, move |encoder| {
        FamilyEncoder::begin(encoder, name, help, MetricType::Counter)?.counter(vec![], value())
    });
}

/// Register `sluicegate_accesslog_dropped_lines_total`.
pub fn register_access_log(registry: &mut Registry, log: Arc<AccessLog>) {
    register(registry, "access log", move |encoder| {
        let lost = log.lost_lines();
        let mut family = FamilyEncoder::begin(
            encoder,
            "sluicegate_accesslog_dropped_lines",
            "Access log lines that were not written.",
            MetricType::Counter,
        )?;
        family.counter(vec![("reason", "queue_full")], lost.queue_full)?;
        family.counter(vec![("reason", "write_failed")], lost.write_failed)
    });
}

/// A collector made of a function.
pub(crate) struct Source<F> {
    name: &'static str,
    encode: F,
}

/// Register a function as a collector; the name is for debugging only.
pub(crate) fn register<F>(registry: &mut Registry, name: &'static str, encode: F)
where
    F: Fn(&mut DescriptorEncoder<'_>) -> fmt::Result + Send + Sync + 'static,
{
    registry.register_collector(Box::new(Source { name, encode }));
}

impl<F> fmt::Debug for Source<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.name).finish()
    }
}

impl<F> Collector for Source<F>
where
    F: Fn(&mut DescriptorEncoder<'_>) -> fmt::Result + Send + Sync + 'static,
{
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.encode)(&mut encoder)
    }
}

fn encode_endpoints(
    encoder: &mut DescriptorEncoder<'_>,
    samples: &[EndpointSample],
) -> fmt::Result {
    let mut family = FamilyEncoder::begin(
        encoder,
        "sluicegate_endpoint_requests_in_flight",
        "Requests in flight to the endpoint from this process.",
        MetricType::Gauge,
    )?;
    for sample in samples {
        family.gauge(endpoint_labels(sample), sample.in_flight)?;
    }
    let mut family = FamilyEncoder::begin(
        encoder,
        "sluicegate_endpoint_healthy",
        "Whether the endpoint may be chosen.",
        MetricType::Gauge,
    )?;
    for sample in samples {
        family.gauge(endpoint_labels(sample), u64::from(sample.healthy))?;
    }
    let mut family = FamilyEncoder::begin(
        encoder,
        "sluicegate_endpoint_requests_waiting",
        "Requests waiting in the endpoint's own queue, as it reports.",
        MetricType::Gauge,
    )?;
    for (sample, waiting) in samples.iter().filter_map(|s| Some((s, s.waiting?))) {
        family.gauge(endpoint_labels(sample), waiting)?;
    }
    let mut family = FamilyEncoder::begin(
        encoder,
        "sluicegate_endpoint_kv_cache_usage_ratio",
        "Share of the endpoint's KV cache in use, as it reports.",
        MetricType::Gauge,
    )?;
    for (sample, usage) in samples.iter().filter_map(|s| Some((s, s.kv_cache_usage?))) {
        family.gauge(endpoint_labels(sample), usage)?;
    }
    Ok(())
}

fn endpoint_labels(sample: &EndpointSample) -> LabelPairs<'_> {
    vec![("backend", &sample.backend), ("endpoint", &sample.endpoint)]
}

fn encode_listeners(
    encoder: &mut DescriptorEncoder<'_>,
    samples: &[ListenerSample],
) -> fmt::Result {
    let mut family = FamilyEncoder::begin(
        encoder,
        "sluicegate_connections_open",
        "Client connections open.",
        MetricType::Gauge,
    )?;
    for sample in samples {
        family.gauge(vec![("listener", &sample.listener)], sample.open)?;
    }
    let mut family = FamilyEncoder::begin(
        encoder,
        "sluicegate_connections_accepted",
        "Client connections accepted.",
        MetricType::Counter,
    )?;
    for sample in samples {
        family.counter(vec![("listener", &sample.listener)], sample.accepted)?;
    }
    let mut family = FamilyEncoder::begin(
        encoder,
        "sluicegate_connections_refused",
        "Client connections closed at once because of a connection limit.",
        MetricType::Counter,
    )?;
    for sample in samples {
        family.counter(vec![("listener", &sample.listener)], sample.refused)?;
    }
    Ok(())
}
