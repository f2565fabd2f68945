//! What recording a finished request costs: the metrics, the look-up of their series, and the
//! access log line.

use std::{
    io,
    time::{Duration, UNIX_EPOCH},
};
use telemetry::{
    AccessLog, GenAiLabels, Labels, Metrics, MetricsConfig, Outcome, Registry, RequestRecord,
    Tokens,
};

fn main() {
    divan::main();
}

fn record() -> RequestRecord<'static> {
    RequestRecord {
        timestamp: UNIX_EPOCH + Duration::from_micros(1_764_000_000_123_456),
        request_id: "01936f0e-6d4b-7c3a-9a50-2f1f4d1f6f9e",
        listener: "public",
        route: Some("chat"),
        rule: Some("0"),
        method: "POST",
        path: "/v1/chat/completions",
        status: 200,
        outcome: Outcome::Completed,
        error: None,
        error_detail: None,
        dialect: Some("openai"),
        operation: Some("chat"),
        model_requested: Some("llama-3.1-8b"),
        model_served: Some("llama-3.1-8b"),
        backend: Some("pool"),
        endpoint: Some("gpu-0"),
        attempts: 1,
        stream: true,
        tokens: Tokens {
            input: Some(1_000),
            output: Some(100),
            ..Tokens::default()
        },
        duration: Duration::from_micros(1_500_250),
        time_to_first_token: Some(Duration::from_millis(120)),
        time_per_output_token: Some(Duration::from_micros(13_935)),
        overhead: Duration::from_micros(84),
        bytes_received: 1_536,
        bytes_sent: 20_480,
        caller: Some("team-a"),
        client_ip: Some([192, 0, 2, 7].into()),
        traceparent: None,
        user_agent: Some("OpenAI/Python 2.54.0"),
    }
}

fn labels() -> Labels {
    Labels {
        route: "chat".into(),
        backend: "pool".into(),
        gen_ai: Some(GenAiLabels {
            operation: "chat".into(),
            provider: "vllm".into(),
            request_model: "llama-3.1-8b".into(),
            response_model: "llama-3.1-8b".into(),
        }),
    }
}

#[divan::bench]
fn look_up_series(bencher: divan::Bencher<'_, '_>) {
    let metrics = Metrics::new(&mut Registry::default(), MetricsConfig::default());
    let labels = labels();
    bencher.bench(|| metrics.series(&labels));
}

#[divan::bench(threads = [1, 2])]
fn record_metrics(bencher: divan::Bencher<'_, '_>) {
    let metrics = Metrics::new(&mut Registry::default(), MetricsConfig::default());
    let (series, record) = (metrics.series(&labels()), record());
    bencher.bench(|| series.record(&record));
}

#[divan::bench(threads = [1, 2])]
fn log_line(bencher: divan::Bencher<'_, '_>) {
    let log = AccessLog::to_writer(io::sink(), 256 << 20);
    let record = record();
    bencher.bench(|| log.as_ref().map(|log| log.log(&record)));
}
