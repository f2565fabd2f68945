//! `cargo xtask bench overhead`: what Sluicegate costs, beside Envoy and nginx as plain proxies.
//!
//! The proxy under test has core 0 for itself; the upstream, the load generator and this program
//! share core 1. What counts is the CPU time of the proxy's process per request, which says more than
//! requests per second: it does not depend on how fast the other core is. The proxies run side by
//! side and are loaded in turn, rotation by rotation, so that a change in the machine's speed meets
//! them all; the medians of the rotations are compared.
//!
//! A whole run writes `docs/benchmarks.md`, so that the published figures cannot be anything else
//! than what was measured; a part of a run, or one that is too short, is only printed.

mod comparison;
mod completions;
mod configuration;
mod divan;
mod idle;
mod idle_streams;
mod lab;
mod machine;
mod per_kind;
mod probe;
mod prompts;
mod report;
mod routes;
mod server;
mod soak;
mod statistics;
mod streams;
mod translated;

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use clap::ValueEnum;
use lab::Lab;
pub(crate) use soak::{SoakArguments, soak};
use std::fs;

#[derive(Debug, clap::Args)]
pub(crate) struct OverheadArguments {
    /// How often each proxy is measured; medians are taken over these
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rotations: u32,
    /// Seconds of load for each measurement
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Run only these parts, separated by commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Use the release binaries as they are; leaves out benchmarks of single crates, which have to be
    /// built
    #[arg(long)]
    no_build: bool,
}

/// A part of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Chat completions of 1.5 KB
    A,
    /// Streams of 100 chunks
    B,
    /// Prompts of 1 MiB
    C,
    /// Idle open streams
    D,
    /// 10,000 routes
    E,
    /// An idle process
    F,
    /// Chat completions that are translated
    G,
}

/// Rotations without which figures are not published.
const LEAST_ROTATIONS: u32 = 5;

/// Seconds of load without which figures are not published.
const LEAST_SECONDS: u32 = 4;

impl OverheadArguments {
    fn parts(&self) -> Vec<Part> {
        let all = Part::value_variants().iter().copied();
        all.filter(|part| self.only.is_empty() || self.only.contains(part))
            .collect()
    }

    /// Whether all that the published page says is measured, and often enough.
    fn is_whole(&self) -> bool {
        self.parts() == Part::value_variants()
            && self.rotations >= LEAST_ROTATIONS
            && self.seconds >= LEAST_SECONDS
            && !self.no_build
    }
}

pub(crate) fn overhead(workspace: &Workspace, arguments: &OverheadArguments) -> Result<()> {
    let is_due = |part| !arguments.no_build && arguments.parts().contains(&part);
    let matches = is_due(Part::E)
        .then(|| divan::matches(workspace))
        .transpose()?;
    let translations = is_due(Part::G)
        .then(|| divan::translations(workspace))
        .transpose()?;
    let lab = Lab::prepare(workspace, arguments)?;
    let mut sections = Vec::new();
    for part in arguments.parts() {
        let section = match part {
            Part::A => completions::measure(&lab),
            Part::B => streams::measure(&lab),
            Part::C => prompts::measure(&lab),
            Part::D => idle_streams::measure(&lab),
            Part::E => routes::measure(&lab, matches.as_deref()),
            Part::F => idle::measure(&lab),
            Part::G => translated::measure(&lab, translations.as_deref()),
        };
        let section = section.with_context(|| format!("part {part:?}"))?;
        println!("{}", section.markdown());
        sections.push(section);
    }
    println!("{}", report::bounds(&sections));
    if arguments.is_whole() {
        let path = workspace.root.join("docs/benchmarks.md");
        fs::write(&path, report::page(&lab.conditions()?, &sections))
            .with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("written to {}", path.display());
    } else {
        eprintln!(
            "not written to docs/benchmarks.md: that takes all parts, {LEAST_ROTATIONS} rotations \
             of {LEAST_SECONDS} s and a build"
        );
    }
    Ok(())
}
