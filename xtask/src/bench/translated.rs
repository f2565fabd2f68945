//! (g) Chat completions that an upstream of another dialect answers.

use super::{
    comparison::{Answer, Load, compare},
    configuration::Fleet,
    divan::BenchTime,
    lab::{Lab, Proxy},
    report::{
        Check, Section,
        table::{Figure, Row, Table},
    },
    server::Server,
};
use anyhow::{Context, Result};
use std::slice;

const PASSED_ON: &str = "passed on";
const TRANSLATED: &str = "translated";

const WHOLE: Load = Load {
    title: "Whole answers, 32 connections, closed loop",
    connections: 32,
    rate: None,
    answer: Answer::Whole,
    prompt_bytes: 1500,
    model: "bench",
};

const BURST: Load = Load {
    title: "Streams of 100 chunks all at once, 16 streams at a time",
    connections: 16,
    answer: Answer::Burst,
    ..WHOLE
};

pub(super) fn measure(lab: &Lab, times: Option<&[BenchTime]>) -> Result<Section> {
    let upstream = lab.upstream()?;
    let proxies = [
        Proxy::direct(&upstream),
        in_front_of(lab, PASSED_ON, &upstream, &[])?,
        in_front_of(lab, TRANSLATED, &upstream, &["dialect: anthropic"])?,
    ];
    let whole = compare(lab, &proxies, WHOLE)?;
    let burst = compare(lab, &proxies, BURST)?;

    let cpu = Check::relative(
        "(g) CPU per translated request",
        whole.cpu_us(TRANSLATED),
        1.5,
        (whole.cpu_us(PASSED_ON), PASSED_ON),
        "µs",
    );
    let mut tables = vec![whole.table(), burst.table()];
    tables.extend(times.map(table));
    Ok(Section {
        title: "(g) Translated chat completions",
        method: "Two processes of Sluicegate before one upstream, which is asked for chat \
                 completions by the one and for Anthropic's messages by the other. Answers are of \
                 the same length in both dialects, but not of the same number of bytes per chunk.",
        tables,
        checks: vec![cpu, chunk_check(times)?],
    })
}

fn in_front_of(
    lab: &Lab,
    name: &'static str,
    upstream: &Server,
    policies: &[&str],
) -> Result<Proxy> {
    let fleet = Fleet {
        endpoints: slice::from_ref(&upstream.address),
        policies,
        routes: &[],
    };
    lab.sluicegate(name, &fleet)?.start()
}

const CHUNK: &str = "(g) a translated chunk of a stream";

fn chunk_check(times: Option<&[BenchTime]>) -> Result<Check> {
    let Some(times) = times else {
        return Ok(Check::not_measured(CHUNK, "≤ 2 × serde"));
    };
    let of = |name: &str| {
        let time = times.iter().find(|time| time.name == name);
        time.with_context(|| format!("no benchmark {name}"))
    };
    let (own, serde) = (of("stream")?.ns, of("stream_by_serde")?.ns);
    // Both are of 100 chunks.
    Ok(Check::relative(
        CHUNK,
        own / 100.0,
        2.0,
        (serde / 100.0, "serde"),
        "ns",
    ))
}

fn table(times: &[BenchTime]) -> Table {
    let row = |time: &BenchTime| Row {
        what: time.name.replace('_', " "),
        figures: vec![Figure::of([time.ns / 1000.0])],
    };
    Table {
        title: "One body or 100 chunks, beside reading and writing the same by serde, by the \
                translation's own benchmark"
            .into(),
        columns: vec!["µs"],
        rows: times.iter().map(row).collect(),
    }
}
