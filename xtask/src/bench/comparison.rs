//! Loading proxies in turn and comparing what they did.

use super::{
    lab::{DIRECT, Lab, Proxy},
    report::table::{Figure, Row, Table},
};
use crate::process;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::net::SocketAddr;

/// How the upstream answers; see the crate `bench`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Whole,
    Late,
    Paced,
    Burst,
}

impl Answer {
    fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Late => "late",
            Self::Paced => "paced",
            Self::Burst => "burst",
        }
    }

    /// What latency is counted to, as the load generator's fields are named: a paced stream's end is
    /// the pace's doing, so there it is the first chunk.
    fn latency(self) -> (&'static str, &'static str) {
        match self {
            Self::Paced => ("first_p50_us", "first_p99_us"),
            Self::Whole | Self::Late | Self::Burst => ("p50_us", "p99_us"),
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Whole | Self::Late => "request",
            Self::Paced | Self::Burst => "stream",
        }
    }
}

/// A kind of load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) title: &'static str,
    pub(super) connections: u32,
    /// Requests per second of an open loop; none is a closed loop.
    pub(super) rate: Option<u32>,
    pub(super) answer: Answer,
    pub(super) prompt_bytes: u32,
    pub(super) model: &'static str,
}

/// What one load of one proxy has shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// CPU time of the proxy per request; none where there is no proxy.
    pub(super) cpu_us: Option<f64>,
    pub(super) per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// The longest pause between two pieces of one answer.
    pub(super) longest_gap_us: f64,
}

/// The samples of each proxy, rotation by rotation.
pub(super) struct Comparison {
    load: Load,
    runs: Vec<(&'static str, Vec<Sample>)>,
}

/// What the load generator has printed.
pub(super) struct Outcome(Value);

impl Outcome {
    pub(super) fn number(&self, name: &str) -> Result<f64> {
        self.0[name]
            .as_f64()
            .with_context(|| format!("the load generator printed no {name}"))
    }
}

/// Load a target once; every request must succeed.
pub(super) fn load(lab: &Lab, target: SocketAddr, load: &Load, seconds: u32) -> Result<Outcome> {
    let mut command = lab.tool("load");
    command.args(["--target", &target.to_string()]);
    command.args(["--connections", &load.connections.to_string()]);
    command.args(["--seconds", &seconds.to_string()]);
    command.args(["--answer", load.answer.name()]);
    command.args(["--prompt-bytes", &load.prompt_bytes.to_string()]);
    command.args(["--model", load.model]);
    if let Some(rate) = load.rate {
        command.args(["--rate", &rate.to_string()]);
    }
    let outcome = Outcome(serde_json::from_str(&process::output(&mut command)?)?);
    ensure!(
        outcome.number("requests")? > 0.0 && outcome.number("errors")? == 0.0,
        "there were errors: {}",
        outcome.0
    );
    Ok(outcome)
}

/// Load the proxies in turn, as often as the lab says.
pub(super) fn compare(lab: &Lab, proxies: &[Proxy], load: Load) -> Result<Comparison> {
    let mut runs: Vec<_> = proxies
        .iter()
        .map(|proxy| (proxy.name, Vec::new()))
        .collect();
    // A first round to warm up connections and caches is not counted.
    for rotation in 0..=lab.rotations {
        for (proxy, (name, samples)) in proxies.iter().zip(&mut runs) {
            eprintln!("    {}: {name} ({rotation}/{})", load.title, lab.rotations);
            let seconds = if rotation == 0 { 1 } else { lab.seconds };
            let sample =
                measure(lab, proxy, &load, seconds).with_context(|| format!("measuring {name}"))?;
            if rotation > 0 {
                samples.push(sample);
            }
        }
    }
    Ok(Comparison { load, runs })
}

fn measure(lab: &Lab, proxy: &Proxy, kind: &Load, seconds: u32) -> Result<Sample> {
    let cpu_us = || {
        proxy
            .server
            .as_ref()
            .map(|server| server.cpu_us())
            .transpose()
    };
    let before = cpu_us()?;
    let outcome = load(lab, proxy.address, kind, seconds)?;
    let used = cpu_us()?.zip(before).map(|(after, before)| after - before);
    let requests = outcome.number("requests")?;
    let (p50, p99) = kind.answer.latency();
    Ok(Sample {
        cpu_us: used.map(|used| used / requests),
        per_second: requests / outcome.number("seconds")?,
        p50_us: outcome.number(p50)?,
        p99_us: outcome.number(p99)?,
        longest_gap_us: outcome.number("gap_max_us")?,
    })
}

impl Comparison {
    /// Median CPU time per request, in microseconds.
    pub(super) fn cpu_us(&self, name: &str) -> f64 {
        let figure = Figure::of(self.samples(name).iter().filter_map(|sample| sample.cpu_us));
        Figure::median(figure)
    }

    /// Median of what a proxy adds, in each rotation, to what there is without it.
    pub(super) fn added(&self, name: &str, value: fn(&Sample) -> f64) -> f64 {
        Figure::median(self.added_figure(name, value))
    }

    fn added_figure(&self, name: &str, value: fn(&Sample) -> f64) -> Option<Figure> {
        let direct = self.samples(DIRECT).iter().map(value);
        let own = self.samples(name).iter().map(value);
        Figure::of(own.zip(direct).map(|(own, direct)| own - direct))
    }

    fn samples(&self, name: &str) -> &[Sample] {
        let run = self.runs.iter().find(|(run, _)| *run == name);
        run.map_or(&[], |(_, samples)| samples)
    }

    /// All figures, with a column for each proxy.
    pub(super) fn table(&self) -> Table {
        let unit = self.load.answer.unit();
        let to = match self.load.answer {
            Answer::Paced => "time to first chunk",
            _ => "latency",
        };
        let mut rows = vec![
            self.row(format!("CPU µs per {unit}"), |sample| sample.cpu_us),
            self.added_row(format!("added {to}, p50, µs"), |sample| sample.p50_us),
            self.added_row(format!("added {to}, p99, µs"), |sample| sample.p99_us),
            self.row(format!("{to}, p50, µs"), |sample| Some(sample.p50_us)),
            self.row(format!("{to}, p99, µs"), |sample| Some(sample.p99_us)),
            self.row(format!("{unit}s per second"), |sample| {
                Some(sample.per_second)
            }),
        ];
        if unit == "stream" {
            let gap = |sample: &Sample| Some(sample.longest_gap_us);
            rows.push(self.row("longest gap in a stream, µs".into(), gap));
        }
        Table {
            title: self.load.title.into(),
            columns: self.runs.iter().map(|(name, _)| *name).collect(),
            rows,
        }
    }

    fn row(&self, what: String, value: fn(&Sample) -> Option<f64>) -> Row {
        let figures = self.runs.iter();
        Row {
            what,
            figures: figures
                .map(|(_, samples)| Figure::of(samples.iter().filter_map(value)))
                .collect(),
        }
    }

    fn added_row(&self, what: String, value: fn(&Sample) -> f64) -> Row {
        let names = self.runs.iter().map(|(name, _)| *name);
        Row {
            what,
            figures: names
                .map(|name| self.added_figure(name, value).filter(|_| name != DIRECT))
                .collect(),
        }
    }
}
