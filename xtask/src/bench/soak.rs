//! `cargo xtask soak`: whether Sluicegate stays as it is, however long it runs.
//!
//! It stands in front of simulated engines and gets 70% of the load that it has been seen to bear:
//! whole answers and streams, half of each. Every ten seconds it gets another configuration, with
//! another model, other routes and one engine of the fleet exchanged, and has to serve the new
//! model. No request may fail, and neither memory nor open files may grow.
//!
//! All share the machine: what is asked is not how fast it is but whether anything adds up.

mod site;
mod trend;

use super::probe::ms_until_served;
use super::server::now;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail, ensure};
use site::{Load, Outcome, Site};
use std::{thread, time::Duration};
use trend::Trend;

#[derive(Debug, clap::Args)]
pub(crate) struct SoakArguments {
    /// How long; what is said of growth means little below ten minutes
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    minutes: u32,
    /// Requests per second [default: 70% of what is borne, which is measured first]
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    rate: Option<u32>,
    /// Use the release binaries as they are
    #[arg(long)]
    no_build: bool,
}

/// Share of the capacity that the load is.
const LOAD_SHARE: f64 = 0.7;

/// How long the capacity is measured.
const CAPACITY_SECONDS: u32 = 10;

/// Seconds between two configurations.
const RELOAD_SECONDS: u32 = 10;

/// The share of the run that is not looked at: caches fill and buffers find their sizes.
const WARM_UP_SHARE: f64 = 0.25;

/// KiB of memory by which the process may grow in a minute: 2 MiB in half an hour, of which an
/// allocator's own drift takes a part. A dozen requests a second that leak 100 bytes each exceed it.
const MEMORY_BOUND: f64 = 64.0;

/// Open files by which it may grow in a minute. Were one left open by each reload, it would be six.
const FILES_BOUND: f64 = 1.0;

pub(crate) fn soak(workspace: &Workspace, arguments: &SoakArguments) -> Result<()> {
    let site = Site::build(workspace, arguments.no_build)?;
    let rate = match arguments.rate {
        Some(rate) => rate,
        None => bearable_rate(&site)?,
    };
    println!("{rate} requests per second for {} min", arguments.minutes);
    let load = Load::Steady { rate };
    let generators = site.load(&load, arguments.minutes * 60)?;
    let record = Record::of(&site, arguments.minutes * 60)?;
    let outcome = generators.outcome()?;
    report(&outcome, &record);
    judge(&outcome, &record)
}

fn bearable_rate(site: &Site) -> Result<u32> {
    let outcome = site.load(&Load::Full, CAPACITY_SECONDS)?.outcome()?;
    ensure!(outcome.failed == 0, "{} requests failed", outcome.failed);
    let capacity = outcome.requests as f64 / f64::from(CAPACITY_SECONDS);
    println!("{capacity:.0} requests per second are borne");
    Ok((capacity * LOAD_SHARE) as u32)
}

/// What was seen of the process under load.
#[derive(Debug, Default)]
struct Record {
    /// KiB of memory, by minutes since the beginning.
    memory: Vec<(f64, f64)>,
    /// Open files, by the same.
    files: Vec<(f64, f64)>,
    reloads: u32,
    /// Longest that a new configuration took to be live, in milliseconds.
    slowest_reload_ms: f64,
}

impl Record {
    /// Watches for a while, and changes the configuration meanwhile.
    fn of(site: &Site, seconds: u32) -> Result<Self> {
        let mut record = Self::default();
        let began = now();
        for second in 1..=seconds {
            let due = began + Duration::from_secs(second.into());
            thread::sleep(due.saturating_duration_since(now()));
            let minutes = f64::from(second) / 60.0;
            record.memory.push((minutes, site.gateway.rss_kib()?));
            record.files.push((minutes, site.gateway.open_files()?));
            if second % RELOAD_SECONDS == 0 && second < seconds {
                record
                    .reload(site)
                    .with_context(|| format!("after {second} s"))?;
            }
        }
        Ok(record)
    }

    fn reload(&mut self, site: &Site) -> Result<()> {
        self.reloads += 1;
        let model = site.configure(self.reloads)?;
        let ms = ms_until_served(site.gateway.address, &model, now())?;
        self.slowest_reload_ms = self.slowest_reload_ms.max(ms);
        Ok(())
    }
}

fn settled(samples: &[(f64, f64)]) -> &[(f64, f64)] {
    let warm_up = (samples.len() as f64 * WARM_UP_SHARE) as usize;
    samples.get(warm_up..).unwrap_or_default()
}

fn report(outcome: &Outcome, record: &Record) {
    let last = |samples: &[(f64, f64)]| samples.last().map_or(0.0, |(_, value)| *value);
    let memory = Trend::of(settled(&record.memory));
    let files = Trend::of(settled(&record.files));
    println!(
        "requests    {}, of them {} failed, {} took more than one attempt; p99 {:.1} ms",
        outcome.requests, outcome.failed, outcome.retried, outcome.p99_ms
    );
    println!(
        "reloads     {}, the slowest live after {:.0} ms",
        record.reloads, record.slowest_reload_ms
    );
    println!(
        "memory      {:.1} MiB at the end, {memory} KiB a minute; bound {MEMORY_BOUND}",
        last(&record.memory) / 1024.0
    );
    println!(
        "open files  {} at the end, {files} a minute; bound {FILES_BOUND}",
        last(&record.files)
    );
}

fn judge(outcome: &Outcome, record: &Record) -> Result<()> {
    if outcome.failed > 0 {
        bail!("{} requests failed", outcome.failed);
    }
    let grown = |samples: &[(f64, f64)], bound| Trend::of(settled(samples)).exceeds(bound);
    if grown(&record.memory, MEMORY_BOUND) {
        bail!("memory grows");
    }
    if grown(&record.files, FILES_BOUND) {
        bail!("open files grow");
    }
    Ok(())
}
