//! (b) Streams of 100 chunks.

use super::{
    comparison::{Answer, Load, compare},
    lab::{Kind, Lab},
    report::{Check, Section},
};
use anyhow::Result;

const PACED: Load = Load {
    title: "Chunks 10 ms apart, 50 streams at a time",
    connections: 50,
    rate: None,
    answer: Answer::Paced,
    prompt_bytes: 1500,
    model: "bench",
};

const BURST: Load = Load {
    title: "Chunks all at once, 16 streams at a time",
    connections: 16,
    answer: Answer::Burst,
    ..PACED
};

const ALONE: Load = Load {
    title: "Chunks 10 ms apart, one stream at a time",
    connections: 1,
    ..PACED
};

/// What a proxy may add to the longest gap before it counts as a stall: half of the pace. The stall
/// to be found, of a small write that waits for a delayed acknowledgement, takes 40 ms.
const STALL_MS: f64 = 5.0;

pub(super) fn measure(lab: &Lab) -> Result<Section> {
    let upstream = lab.upstream()?;
    let proxies = lab.side_by_side(&upstream)?;
    let paced = compare(lab, &proxies, PACED)?;
    let burst = compare(lab, &proxies, BURST)?;
    let alone = compare(lab, &proxies, ALONE)?;

    let [own, envoy, _] = Kind::ALL.map(Kind::name);
    let paced_cpu = |name| (paced.cpu_us(name), name);
    let burst_cpu = |name| (burst.cpu_us(name), name);
    let stall_ms = alone.added(own, |sample| sample.longest_gap_us) / 1000.0;
    let checks = vec![
        Check::relative(
            "(b) CPU per stream, paced",
            paced_cpu(own).0,
            0.7,
            paced_cpu(envoy),
            "µs",
        ),
        Check::relative(
            "(b) CPU per stream, all at once",
            burst_cpu(own).0,
            1.0,
            burst_cpu(envoy),
            "µs",
        ),
        Check::at_most(
            "(b) added to the longest gap of a stream alone",
            stall_ms,
            STALL_MS,
            "ms",
        ),
    ];
    Ok(Section {
        title: "(b) Streams of 100 chunks",
        method: "Each chunk is one token's event, in an HTTP chunk of its own.",
        tables: vec![paced.table(), burst.table(), alone.table()],
        checks,
    })
}
