//! (e) 10,000 routes: what they add to a request, and how long a new one takes to be live.

use super::{
    comparison::{Answer, Load, compare},
    configuration::{self, Fleet},
    divan::BenchTime,
    lab::{Lab, Proxy},
    probe,
    report::{
        Check, Section,
        table::{Figure, Row, Table},
    },
    server::{Server, now},
};
use anyhow::{Context, Result, ensure};
use std::{fs, path::Path, slice};

const FEW: &str = "10 routes";
const MANY: &str = "10,000 routes";

/// Every route is for one model; this one is in both sets.
const LOAD: Load = Load {
    title: "Chat completions, 32 connections, closed loop",
    connections: 32,
    rate: None,
    answer: Answer::Whole,
    prompt_bytes: 1500,
    model: "model-00007",
};

pub(super) fn measure(lab: &Lab, match_times: Option<&[BenchTime]>) -> Result<Section> {
    let upstream = lab.upstream()?;
    let few = lab
        .sluicegate(FEW, &fleet(&upstream, &models(10)))?
        .start()?;
    let setup = lab.sluicegate(MANY, &fleet(&upstream, &models(10_000)))?;
    let file = setup.configuration.clone();
    let proxies = [Proxy::direct(&upstream), few, setup.start()?];
    let cpu = compare(lab, &proxies, LOAD)?;
    let [_, _, many] = &proxies;
    let reloads = reload_times(lab, many, &file, &upstream)?;

    let checks = vec![
        match_check(match_times),
        Check::below(
            "(e) reload: a file replaced to its new route live",
            Figure::median(reloads),
            100.0,
            "ms",
        ),
        Check::relative(
            "(e) CPU per request with 10,000 routes",
            cpu.cpu_us(MANY),
            1.05,
            (cpu.cpu_us(FEW), "ten routes"),
            "µs",
        ),
    ];
    let mut tables = vec![cpu.table(), reload_table(reloads)];
    tables.extend(match_times.map(match_table));
    Ok(Section {
        title: "(e) 10,000 routes",
        method: "Two processes of Sluicegate, whose routes each match one model.",
        tables,
        checks,
    })
}

fn models(count: u32) -> Vec<String> {
    (0..count)
        .map(|number| format!("model-{number:05}"))
        .collect()
}

fn fleet<'a>(upstream: &'a Server, routes: &'a [String]) -> Fleet<'a> {
    Fleet {
        endpoints: slice::from_ref(&upstream.address),
        policies: &[],
        routes,
    }
}

/// Times from replacing the configuration by one with a new route until that route serves.
fn reload_times(
    lab: &Lab,
    proxy: &Proxy,
    file: &Path,
    upstream: &Server,
) -> Result<Option<Figure>> {
    let mut routes = models(10_000);
    let mut times = Vec::new();
    for rotation in 1..=lab.rotations {
        let added = format!("added-{rotation}");
        let before = probe::status(proxy.address, &added)?;
        ensure!(
            before == 404,
            "{added} is answered {before} before it has a route"
        );
        routes.push(added.clone());
        let edited = file.with_extension("edited");
        let text = configuration::sluicegate(proxy.address, &fleet(upstream, &routes));
        fs::write(&edited, text)?;
        let began = now();
        fs::rename(&edited, file)?;
        times.push(probe::ms_until_served(proxy.address, &added, began).context("reloading")?);
    }
    Ok(Figure::of(times))
}

fn reload_table(times: Option<Figure>) -> Table {
    Table {
        title: "One more route in the file".into(),
        columns: vec![MANY],
        rows: vec![Row {
            what: "ms until live".into(),
            figures: vec![times],
        }],
    }
}

const MATCH: &str = "(e) match among 10,000 routes, slowest shape";

fn match_check(times: Option<&[BenchTime]>) -> Check {
    let slowest = times.and_then(|times| times.iter().map(|time| time.ns).max_by(f64::total_cmp));
    match slowest {
        Some(ns) => Check::below(MATCH, ns / 1000.0, 2.0, "µs"),
        None => Check::not_measured(MATCH, "< 2 µs"),
    }
}

fn match_table(times: &[BenchTime]) -> Table {
    let row = |time: &BenchTime| Row {
        what: format!("routes that differ by: {}", time.name.to_lowercase()),
        figures: vec![Figure::of([time.ns])],
    };
    Table {
        title: "One match, by the router's own benchmark".into(),
        columns: vec!["ns"],
        rows: times.iter().map(row).collect(),
    }
}
