//! `cargo xtask bench compare`: what a proxied request costs, beside Envoy doing plain HTTP.
//!
//! The proxy under test has core 0 for itself, the upstream and the load generator share core 1.
//! What counts is the CPU time of the proxy's process per request, which says more than requests per
//! second: it does not depend on how fast the other core is. All proxies run from beginning to end
//! and are loaded in turn, rotation by rotation, so that a change in the machine's speed meets them
//! all; the medians of the rotations are compared.

mod proxies;
mod report;

use crate::{
    process, python,
    workspace::{Profile, Workspace},
};
use anyhow::{Context, Result, ensure};
use proxies::{Proxy, Server};
use serde_json::Value;
use std::{net::SocketAddr, path::Path};

#[derive(Debug, clap::Args)]
pub(crate) struct CompareArguments {
    /// How often each proxy is loaded; medians are taken over these
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rotations: u32,
    /// Seconds of load for each measurement
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
}

/// A kind of load.
struct Scenario {
    title: &'static str,
    connections: u32,
    stream: bool,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        title: "chat completions, 32 connections",
        connections: 32,
        stream: false,
    },
    Scenario {
        title: "chat completions, one at a time",
        connections: 1,
        stream: false,
    },
    Scenario {
        title: "streams of 100 chunks 10 ms apart, 50 at a time",
        connections: 50,
        stream: true,
    },
];

/// What one load of one proxy has shown.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// CPU time of the proxy per request; none where there is no proxy.
    cpu_us: Option<f64>,
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

const PROXY_CORE: &str = "0";
const LOAD_CORE: &str = "1";

pub(crate) fn compare(workspace: &Workspace, arguments: &CompareArguments) -> Result<()> {
    let tools = workspace.build("bench", Profile::Release)?.join("bench");
    let sluicegate = workspace
        .build("sluicegate", Profile::Release)?
        .join("sluicegate");
    let requirements = workspace.root.join("bench/requirements.txt");
    let venv = python::environment(&workspace.target.join("venv-bench"), &requirements)?;
    let directory = workspace.target.join("bench");
    std::fs::create_dir_all(&directory)?;

    let upstream = Server::upstream(&tools)?;
    let proxies = [
        Proxy::direct(&upstream),
        Proxy::envoy(&venv.program("envoy"), workspace, &upstream, &directory)?,
        Proxy::sluicegate(&sluicegate, &upstream, &directory)?,
    ];
    for scenario in SCENARIOS {
        let samples = rotate(&tools, &proxies, scenario, arguments)?;
        let names = proxies.iter().map(|proxy| proxy.name);
        println!(
            "\n{}",
            report::table(scenario.title, &names.zip(samples).collect::<Vec<_>>())
        );
    }
    Ok(())
}

/// The samples of each proxy.
fn rotate(
    tools: &Path,
    proxies: &[Proxy],
    scenario: &Scenario,
    arguments: &CompareArguments,
) -> Result<Vec<Vec<Sample>>> {
    let mut samples = vec![Vec::new(); proxies.len()];
    // A first round to warm up connections and caches is not counted.
    for rotation in 0..=arguments.rotations {
        let seconds = if rotation == 0 { 1 } else { arguments.seconds };
        for (proxy, samples) in proxies.iter().zip(&mut samples) {
            eprintln!(
                "    {}: {} ({rotation}/{})",
                scenario.title, proxy.name, arguments.rotations
            );
            let sample = measure(tools, proxy, scenario, seconds)
                .with_context(|| format!("measuring {}", proxy.name))?;
            if rotation > 0 {
                samples.push(sample);
            }
        }
    }
    Ok(samples)
}

fn measure(tools: &Path, proxy: &Proxy, scenario: &Scenario, seconds: u32) -> Result<Sample> {
    let before = proxy.cpu_us()?;
    let load = load(tools, proxy.address, scenario, seconds)?;
    let after = proxy.cpu_us()?;
    let requests = load.number("requests")?;
    ensure!(
        requests > 0.0 && load.number("errors")? == 0.0,
        "there were errors: {}",
        load.0
    );
    Ok(Sample {
        cpu_us: after
            .zip(before)
            .map(|(after, before)| (after - before) / requests),
        requests_per_second: requests / load.number("seconds")?,
        p50_us: load.number("p50_us")?,
        p99_us: load.number("p99_us")?,
    })
}

/// What the load generator has printed.
struct Load(Value);

impl Load {
    fn number(&self, name: &str) -> Result<f64> {
        self.0[name]
            .as_f64()
            .with_context(|| format!("the load generator printed no {name}"))
    }
}

fn load(tools: &Path, target: SocketAddr, scenario: &Scenario, seconds: u32) -> Result<Load> {
    let mut command = proxies::pinned(LOAD_CORE, tools);
    command.args(["load", "--target", &target.to_string()]);
    command.args(["--connections", &scenario.connections.to_string()]);
    command.args(["--seconds", &seconds.to_string()]);
    if scenario.stream {
        command.arg("--stream");
    }
    Ok(Load(serde_json::from_str(&process::output(&mut command)?)?))
}
