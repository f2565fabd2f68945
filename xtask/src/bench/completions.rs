//! (a) Chat completions of 1.5 KB.

use super::{
    comparison::{Answer, Load, compare},
    lab::{Kind, Lab},
    report::{Check, Section},
};
use anyhow::Result;

const FULL: Load = Load {
    title: "32 connections, closed loop",
    connections: 32,
    rate: None,
    answer: Answer::Whole,
    prompt_bytes: 1500,
    model: "bench",
};

const ALONE: Load = Load {
    title: "One at a time",
    connections: 1,
    ..FULL
};

const STEADY: Load = Load {
    title: "2,000 requests per second, open loop over 64 connections",
    connections: 64,
    rate: Some(2000),
    ..FULL
};

pub(super) fn measure(lab: &Lab) -> Result<Section> {
    let upstream = lab.upstream()?;
    let proxies = lab.side_by_side(&upstream)?;
    let full = compare(lab, &proxies, FULL)?;
    let alone = compare(lab, &proxies, ALONE)?;
    let steady = compare(lab, &proxies, STEADY)?;

    let [own, envoy, nginx] = Kind::ALL.map(Kind::name);
    let cpu = |name| (full.cpu_us(name), name);
    let p50 = |name| (alone.added(name, |sample| sample.p50_us), name);
    let p99 = |name| (alone.added(name, |sample| sample.p99_us), name);
    let checks = vec![
        Check::relative("(a) CPU per request", cpu(own).0, 0.5, cpu(envoy), "µs"),
        Check::relative("(a) CPU per request", cpu(own).0, 2.0, cpu(nginx), "µs"),
        Check::relative(
            "(a) added latency, sequential, p50",
            p50(own).0,
            2.0,
            p50(nginx),
            "µs",
        ),
        Check::relative(
            "(a) added latency, sequential, p99",
            p99(own).0,
            1.0,
            p99(envoy),
            "µs",
        ),
    ];
    Ok(Section {
        title: "(a) Chat completions",
        method: "A prompt of 1.5 KB, and an answer of 1.5 KB that the upstream gives at once.",
        tables: vec![full.table(), alone.table(), steady.table()],
        checks,
    })
}
