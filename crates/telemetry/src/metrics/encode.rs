//! How the families are written at a scrape. A family without a series is left out.

use super::Families;
use crate::{
    Outcome,
    exposition::{FamilyEncoder, LabelPairs},
    histogram::Histogram,
    labels::{BackendLabels, GenAiLabels},
    series::{BackendSeries, GenAiSeries},
};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, metrics::MetricType};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        encode_gen_ai(&mut encoder, &self.gen_ai.sorted())?;
        encode_backends(&mut encoder, &self.backends.sorted())?;
        self.encode_routes(&mut encoder)?;
        self.encode_in_flight(&mut encoder)?;
        self.encode_reloads(&mut encoder)?;
        self.encode_overflow(&mut encoder)
    }
}

/// One histogram family: the series that `of` finds in each of `all`, with what it adds to the
/// labels.
fn encode_histograms<'a, L, S>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    all: &'a [(L, Arc<S>)],
    labels: impl Fn(&'a L) -> LabelPairs<'a>,
    of: impl Fn(&'a S) -> Vec<(LabelPairs<'static>, &'a Histogram)>,
) -> fmt::Result {
    let mut series = all
        .iter()
        .flat_map(|(label_set, series)| {
            of(series)
                .into_iter()
                .map(move |(extra, histogram)| (label_set, extra, histogram))
        })
        .peekable();
    if series.peek().is_none() {
        return Ok(());
    }
    let mut family = FamilyEncoder::begin(encoder, name, help, MetricType::Histogram)?;
    for (label_set, extra, histogram) in series {
        let mut pairs = labels(label_set);
        pairs.extend(extra);
        family.histogram(pairs, histogram)?;
    }
    Ok(())
}

fn gen_ai_labels(labels: &GenAiLabels) -> LabelPairs<'_> {
    vec![
        ("gen_ai_operation_name", &labels.operation),
        ("gen_ai_provider_name", &labels.provider),
        ("gen_ai_request_model", &labels.request_model),
        ("gen_ai_response_model", &labels.response_model),
    ]
}

fn encode_gen_ai(
    encoder: &mut DescriptorEncoder<'_>,
    all: &[(GenAiLabels, Arc<GenAiSeries>)],
) -> fmt::Result {
    encode_histograms(
        encoder,
        (
            "gen_ai_client_token_usage",
            "Tokens used per request, by class.",
        ),
        all,
        gen_ai_labels,
        |series| {
            let token_types = series.token_types();
            token_types
                .map(|(name, h)| (vec![("gen_ai_token_type", name)], h))
                .collect()
        },
    )?;
    encode_histograms(
        encoder,
        (
            "gen_ai_server_request_duration_seconds",
            "Time from a request to the end of its response.",
        ),
        all,
        gen_ai_labels,
        durations,
    )?;
    encode_histograms(
        encoder,
        (
            "gen_ai_server_time_to_first_token_seconds",
            "Time from a request to its first token.",
        ),
        all,
        gen_ai_labels,
        |series| {
            series
                .time_to_first_token
                .get()
                .map(|h| (vec![], h))
                .into_iter()
                .collect()
        },
    )?;
    encode_histograms(
        encoder,
        (
            "gen_ai_server_time_per_output_token_seconds",
            "Mean time per output token after the first of a request.",
        ),
        all,
        gen_ai_labels,
        |series| {
            series
                .time_per_output_token
                .get()
                .map(|h| (vec![], h))
                .into_iter()
                .collect()
        },
    )
}

fn durations(series: &GenAiSeries) -> Vec<(LabelPairs<'static>, &Histogram)> {
    let completed = series.duration.get().map(|histogram| (vec![], histogram));
    let failed = series
        .failed_duration
        .iter()
        .filter_map(|(error, histogram)| {
            Some((vec![("error_type", error.as_str())], histogram.get()?))
        });
    completed.into_iter().chain(failed).collect()
}

type Backends = [(BackendLabels, Arc<BackendSeries>)];

fn encode_backends(encoder: &mut DescriptorEncoder<'_>, all: &Backends) -> fmt::Result {
    encode_counters(
        encoder,
        (
            "sluicegate_requests",
            "Requests finished, by the status answered.",
        ),
        all,
        |s| {
            s.codes
                .counts()
                .map(|(code, count)| (Some(("code", code)), count))
                .collect()
        },
    )?;
    encode_counters(
        encoder,
        (
            "sluicegate_request_outcomes",
            "Requests finished, by how they ended.",
        ),
        all,
        |s| {
            by_label(
                "outcome",
                Outcome::ALL
                    .map(Outcome::as_str)
                    .into_iter()
                    .zip(&s.outcomes),
            )
        },
    )?;
    encode_counters(
        encoder,
        ("sluicegate_attempts", "Attempts made at a backend."),
        all,
        |s| {
            Some(s.attempts.load(Relaxed))
                .filter(|n| *n > 0)
                .map(|n| (None, n))
                .into_iter()
                .collect()
        },
    )?;
    encode_counters(
        encoder,
        (
            "sluicegate_dropped_fields",
            "Fields of requests that a backend's API could not express.",
        ),
        all,
        |s| {
            Some(s.dropped_fields.load(Relaxed))
                .filter(|n| *n > 0)
                .map(|n| (None, n))
                .into_iter()
                .collect()
        },
    )?;
    encode_counters(
        encoder,
        (
            "sluicegate_retries",
            "Attempts repeated at the same backend, by why the last one failed.",
        ),
        all,
        |s| by_label("reason", s.retries.iter().map(|(e, n)| (e.as_str(), n))),
    )?;
    encode_counters(
        encoder,
        (
            "sluicegate_fallbacks",
            "Requests that left a backend for another, by why it failed.",
        ),
        all,
        |s| by_label("reason", s.fallbacks.iter().map(|(e, n)| (e.as_str(), n))),
    )
}

/// One more label and the count that goes with it.
type Count = (Option<(&'static str, String)>, u64);

/// The counters that are not zero.
fn by_label<'a>(
    name: &'static str,
    counters: impl Iterator<Item = (&'static str, &'a AtomicU64)>,
) -> Vec<Count> {
    counters
        .map(|(value, counter)| (Some((name, value.to_string())), counter.load(Relaxed)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn encode_counters(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    all: &Backends,
    of: impl Fn(&BackendSeries) -> Vec<Count>,
) -> fmt::Result {
    if all.is_empty() {
        return Ok(());
    }
    let mut family = FamilyEncoder::begin(encoder, name, help, MetricType::Counter)?;
    for (labels, series) in all {
        for (extra, count) in of(series) {
            let mut pairs: LabelPairs<'_> =
                vec![("route", &labels.route), ("backend", &labels.backend)];
            pairs.extend(extra.as_ref().map(|(name, value)| (*name, value.as_str())));
            family.counter(pairs, count)?;
        }
    }
    Ok(())
}

impl Families {
    fn encode_routes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.routes.sorted();
        encode_histograms(
            encoder,
            (
                "sluicegate_request_duration_seconds",
                "Time from a request to the end of its response.",
            ),
            &all,
            |label| vec![("route", &label.0)],
            |series| vec![(vec![], &series.duration)],
        )?;
        encode_histograms(
            encoder,
            (
                "sluicegate_request_overhead_seconds",
                "The gateway's own time: request duration without the union of its upstream calls.",
            ),
            &all,
            |label| vec![("route", &label.0)],
            |series| vec![(vec![], &series.overhead)],
        )
    }

    fn encode_in_flight(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = FamilyEncoder::begin(
            encoder,
            "sluicegate_requests_in_flight",
            "Requests whose response has not ended.",
            MetricType::Gauge,
        )?;
        for (label, gauge) in self.listeners.sorted() {
            family.gauge(vec![("listener", &label.0)], gauge.value())?;
        }
        Ok(())
    }

    fn encode_reloads(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let reloads = &self.reloads;
        FamilyEncoder::begin(
            encoder,
            "sluicegate_snapshot_generation",
            "Generation of the configuration snapshot that is live.",
            MetricType::Gauge,
        )?
        .gauge(vec![], reloads.generation.load(Relaxed))?;
        FamilyEncoder::begin(
            encoder,
            "sluicegate_last_reload_success_timestamp_seconds",
            "When a configuration last went live, in Unix time.",
            MetricType::Gauge,
        )?
        .gauge(
            vec![],
            reloads.last_applied_ms.load(Relaxed) as f64 / 1_000.0,
        )?;
        let mut family = FamilyEncoder::begin(
            encoder,
            "sluicegate_reloads",
            "Configurations that went live or were refused.",
            MetricType::Counter,
        )?;
        family.counter(vec![("result", "applied")], reloads.applied.load(Relaxed))?;
        family.counter(vec![("result", "refused")], reloads.refused.load(Relaxed))
    }

    fn encode_overflow(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = FamilyEncoder::begin(
            encoder,
            "sluicegate_metrics_overflow",
            "Look-ups that a family at its series cap has folded into the label overflow.",
            MetricType::Counter,
        )?;
        family.counter(vec![("family", "backend")], self.backends.overflowed())?;
        family.counter(vec![("family", "gen_ai")], self.gen_ai.overflowed())?;
        family.counter(vec![("family", "listener")], self.listeners.overflowed())?;
        family.counter(vec![("family", "route")], self.routes.overflowed())
    }
}
