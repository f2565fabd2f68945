//! (f) A process with nothing to do: how soon it serves, and what it takes then.

use super::{
    lab::{Kind, Lab, Proxy},
    per_kind::{self, PerKind},
    probe,
    prompts::megabytes,
    report::{Check, Section},
    server::{Server, now},
};
use anyhow::{Context, Result};
use std::{thread, time::Duration};

/// How long processes are left alone while their CPU time is counted.
const IDLE: Duration = Duration::from_secs(10);

/// How long they are left alone before that.
const SETTLE: Duration = Duration::from_secs(2);

/// What the rotations have shown.
#[derive(Default)]
struct Figures {
    start_ms: PerKind,
    rss_mb: PerKind,
    cpu_percent: PerKind,
}

pub(super) fn measure(lab: &Lab) -> Result<Section> {
    let upstream = lab.upstream()?;
    let mut figures = Figures::default();
    for rotation in 1..=lab.rotations {
        eprintln!("    idle ({rotation}/{})", lab.rotations);
        figures.rotate(lab, &upstream)?;
    }
    let checks = figures.checks();
    let rows = vec![
        figures.start_ms.row("start to first answer, ms"),
        figures.rss_mb.row("resident memory, MB"),
        figures.cpu_percent.row("CPU over 10 s, % of a core"),
    ];
    Ok(Section {
        title: "(f) An idle process",
        method: "Ready is what answers a chat completion through the upstream.",
        tables: vec![per_kind::table(
            "Started, asked once, then left alone",
            rows,
        )],
        checks,
    })
}

impl Figures {
    fn checks(&self) -> Vec<Check> {
        let own = |quantity: &PerKind| quantity.median(Kind::Sluicegate);
        vec![
            Check::below(
                "idle process, resident memory",
                own(&self.rss_mb),
                15.0,
                "MB",
            ),
            Check::below(
                "idle process, start to ready",
                own(&self.start_ms),
                100.0,
                "ms",
            ),
            Check::below(
                "idle process, CPU",
                own(&self.cpu_percent),
                0.5,
                "% of a core",
            ),
        ]
    }

    /// Start each kind in turn, then leave them alone together.
    fn rotate(&mut self, lab: &Lab, upstream: &Server) -> Result<()> {
        let mut proxies = Vec::new();
        for kind in Kind::ALL {
            let (proxy, ms) = start(lab, kind, upstream)?;
            self.start_ms.push(kind, ms);
            proxies.push((kind, proxy));
        }
        thread::sleep(SETTLE);
        let began = now();
        let before = cpu_us(&proxies)?;
        thread::sleep(IDLE);
        let elapsed_us = began.elapsed().as_secs_f64() * 1e6;
        let after = cpu_us(&proxies)?;
        for ((kind, proxy), (before, after)) in proxies.iter().zip(before.iter().zip(after)) {
            self.cpu_percent
                .push(*kind, (after - before) / elapsed_us * 100.0);
            self.rss_mb
                .push(*kind, megabytes(proxy.server()?.rss_kib()?));
        }
        Ok(())
    }
}

/// A new process, and the milliseconds until it answered.
fn start(lab: &Lab, kind: Kind, upstream: &Server) -> Result<(Proxy, f64)> {
    let setup = lab.setup(kind, upstream)?;
    let began = now();
    let proxy = setup.spawn()?;
    let ms = probe::ms_until_served(proxy.address, "bench", began)
        .with_context(|| format!("starting {}", proxy.name))?;
    Ok((proxy, ms))
}

fn cpu_us(proxies: &[(Kind, Proxy)]) -> Result<Vec<f64>> {
    proxies
        .iter()
        .map(|(_, proxy)| proxy.server()?.cpu_us())
        .collect()
}
