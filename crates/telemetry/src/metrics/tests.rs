use super::{Metrics, MetricsConfig};
use crate::{
    ErrorType, GenAiLabels, Labels, Outcome, Registry, RequestRecord, encode,
    record::tests::{bare_record, full_record},
};
use std::{
    sync::Arc,
    thread,
    time::{Duration, UNIX_EPOCH},
};

fn labels(route: &str, model: &str) -> Labels {
    Labels {
        route: route.into(),
        backend: "pool".into(),
        gen_ai: Some(GenAiLabels {
            operation: "chat".into(),
            provider: "vllm".into(),
            request_model: model.into(),
            response_model: model.into(),
        }),
    }
}

/// The lines of the exposition that begin with `prefix`.
fn lines(registry: &Registry, prefix: &str) -> Vec<String> {
    encode(registry)
        .unwrap()
        .lines()
        .filter(|line| line.starts_with(prefix))
        .map(str::to_owned)
        .collect()
}

/// The sum of a family's samples.
fn total(registry: &Registry, prefix: &str) -> f64 {
    lines(registry, prefix)
        .iter()
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum()
}

#[test]
fn exposition() {
    let mut registry = Registry::default();
    let metrics = Metrics::new(&mut registry, MetricsConfig::default());
    let series = metrics.series(&labels("chat", "llama"));
    let attempted = labels("chat", "llama");
    metrics.attempt(&attempted.route, &attempted.backend);
    series.retry(ErrorType::ConnectFailed);
    metrics.attempt(&attempted.route, &attempted.backend);
    metrics.dropped_fields(&attempted.route, &attempted.backend, 2);
    series.record(&full_record());
    series.fallback(ErrorType::Overloaded);
    metrics.record(&Labels::default(), &bare_record());
    let _in_flight = metrics.in_flight("public").enter();
    metrics.snapshot_applied(7, UNIX_EPOCH + Duration::from_millis(1_764_000_000_500));
    metrics.snapshot_refused();
    insta::assert_snapshot!(encode(&registry).unwrap());
}

#[test]
fn only_failures_have_an_error_type() {
    let mut registry = Registry::default();
    let metrics = Metrics::new(&mut registry, MetricsConfig::default());
    let ok = RequestRecord {
        outcome: Outcome::Completed,
        error: None,
        ..full_record()
    };
    metrics.record(&labels("chat", "llama"), &ok);
    let counts = lines(&registry, "gen_ai_server_request_duration_seconds_count");
    assert_eq!(counts.len(), 1);
    assert!(!counts[0].contains("error_type"));
}

#[test]
fn a_request_without_gen_ai_labels_has_no_gen_ai_series() {
    let mut registry = Registry::default();
    let metrics = Metrics::new(&mut registry, MetricsConfig::default());
    metrics.record(
        &Labels {
            gen_ai: None,
            ..labels("web", "")
        },
        &bare_record(),
    );
    assert_eq!(lines(&registry, "gen_ai"), [""; 0]);
    assert_eq!(total(&registry, "sluicegate_requests_total"), 1.0);
}

#[test]
fn a_flood_of_label_sets_is_folded_and_still_counted() {
    let mut registry = Registry::default();
    let metrics = Metrics::new(
        &mut registry,
        MetricsConfig {
            max_series: 10,
            max_labels: 10,
        },
    );
    for n in 0..1_000 {
        metrics.record(&labels("chat", &format!("model-{n}")), &full_record());
    }
    let counts = lines(&registry, "gen_ai_server_request_duration_seconds_count");
    assert_eq!(counts.len(), 11);
    assert!(
        counts[10].contains("gen_ai_request_model=\"overflow\""),
        "{counts:?}"
    );
    assert!(counts[10].ends_with(" 990"), "{counts:?}");
    assert_eq!(
        total(&registry, "gen_ai_server_request_duration_seconds_count"),
        1_000.0
    );
    assert_eq!(total(&registry, "sluicegate_metrics_overflow_total"), 990.0);
}

#[test]
fn labels_from_outside_are_bounded_in_number_and_length() {
    let mut registry = Registry::default();
    let metrics = Metrics::new(
        &mut registry,
        MetricsConfig {
            max_series: 10,
            max_labels: 2,
        },
    );
    assert_eq!(&*metrics.label("a"), "a");
    assert_eq!(&*metrics.label(&"x".repeat(129)), "other");
    assert_eq!(&*metrics.label("b"), "b");
    assert_eq!(&*metrics.label("c"), "other");
    assert!(Arc::ptr_eq(&metrics.label("a"), &metrics.label("a")));
}

#[test]
fn every_record_of_every_thread_is_counted() {
    let mut registry = Registry::default();
    let metrics = Metrics::new(&mut registry, MetricsConfig::default());
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let metrics = metrics.clone();
            thread::spawn(move || {
                for n in 0..500 {
                    metrics.record(&labels("chat", ["a", "b", "c"][n % 3]), &full_record());
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    for family in [
        "sluicegate_requests_total",
        "sluicegate_request_outcomes_total",
        "sluicegate_request_overhead_seconds_count",
        "gen_ai_server_request_duration_seconds_count",
        "gen_ai_server_time_to_first_token_seconds_count",
    ] {
        assert_eq!(total(&registry, family), 2_000.0, "{family}");
    }
    assert_eq!(
        total(&registry, "gen_ai_client_token_usage_count"),
        5.0 * 2_000.0
    );
}

#[test]
fn in_flight_ends_with_the_guard() {
    let mut registry = Registry::default();
    let metrics = Metrics::new(&mut registry, MetricsConfig::default());
    let gauge = metrics.in_flight("public");
    let first = gauge.enter();
    let second = metrics.in_flight("public").enter();
    assert_eq!(total(&registry, "sluicegate_requests_in_flight{"), 2.0);
    drop((first, second));
    assert_eq!(total(&registry, "sluicegate_requests_in_flight{"), 0.0);
}
