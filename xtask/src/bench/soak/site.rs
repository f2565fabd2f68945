//! What stands on the machine during a soak: engines, the gateway, the load.

use super::super::server::{Server, free_address};
use crate::workspace::{Profile, Workspace};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The model that all load is for.
const MODEL: &str = "soak";

const ENGINES: usize = 4;

/// How many times faster than real hardware the engines are, so that the gateway has work.
const ENGINE_SPEED: &str = "1000";

/// Configurations, after which the first comes again: what is named by one of them, such as a
/// series of metrics, may be remembered.
const CONFIGURATIONS: u32 = 8;

/// Connections of each load generator.
const CONNECTIONS: &str = "16";

/// Kinds of answers that the load is made of.
const ANSWERS: [&str; 2] = ["whole", "burst"];

/// The programs at work.
pub(super) struct Site {
    pub(super) gateway: Server,
    engines: Vec<Server>,
    configuration: PathBuf,
    generator: PathBuf,
}

/// How much load.
#[derive(Clone, Copy, Debug)]
pub(super) enum Load {
    /// As much as is borne.
    Full,
    /// Requests per second.
    Steady { rate: u32 },
}

impl Site {
    /// Builds and starts everything but the load.
    pub(super) fn build(workspace: &Workspace, no_build: bool) -> Result<Self> {
        let program = |name: &str| -> Result<PathBuf> {
            if !no_build {
                workspace.build(name, Profile::Release)?;
            }
            let path = workspace.target.join("release").join(name);
            ensure!(path.exists(), "{} has not been built yet", path.display());
            Ok(path)
        };
        let (sluicegate, generator) = (program("sluicegate")?, program("bench")?);
        let directory = workspace.target.join("soak");
        // By itself, since the gateway watches the directory of its configuration.
        let configuration = directory.join("configuration/gateway.yaml");
        fs::create_dir_all(directory.join("configuration"))?;
        let engines = (0..ENGINES)
            .map(|number| engine(&sluicegate, &directory.join(format!("engine-{number}.log"))))
            .collect::<Result<Vec<_>>>()?;
        let address = free_address()?;
        fs::write(&configuration, text(address, &engines, 0))?;
        let mut command = Command::new(sluicegate);
        command.args(["run", "--log", "info", "--access-log", "/dev/null"]);
        command.arg("--config").arg(&configuration);
        command.args(["--admin", &free_address()?.to_string()]);
        let log = directory.join("gateway.log");
        let gateway = Server::start(command, address, &log)
            .with_context(|| format!("cannot start the gateway, see {}", log.display()))?;
        Ok(Self {
            gateway,
            engines,
            configuration,
            generator,
        })
    }

    /// Puts another configuration in place; the model that it alone serves.
    pub(super) fn configure(&self, number: u32) -> Result<String> {
        let new = self.configuration.with_extension("new");
        fs::write(&new, text(self.gateway.address, &self.engines, number))?;
        fs::rename(new, &self.configuration)?;
        Ok(own_model(number))
    }

    /// Starts the load.
    pub(super) fn load(&self, load: &Load, seconds: u32) -> Result<Generators> {
        let start = |answer: &&str| {
            let mut command = Command::new(&self.generator);
            command.args(["load", "--model", MODEL, "--connections", CONNECTIONS]);
            command.args(["--target", &self.gateway.address.to_string()]);
            command.args(["--answer", answer, "--seconds", &seconds.to_string()]);
            if let Load::Steady { rate } = load {
                let share = rate / ANSWERS.len() as u32;
                command.args(["--rate", &share.max(1).to_string()]);
            }
            command
                .stdout(Stdio::piped())
                .spawn()
                .context("cannot start the load generator")
        };
        Ok(Generators(
            ANSWERS.iter().map(start).collect::<Result<_>>()?,
        ))
    }
}

fn engine(program: &Path, log: &Path) -> Result<Server> {
    let address = free_address()?;
    let mut command = Command::new(program);
    command.args(["engine", "--model", MODEL, "--speed", ENGINE_SPEED]);
    command.args(["--port", &address.port().to_string()]);
    Server::start(command, address, log)
        .with_context(|| format!("cannot start an engine, see {}", log.display()))
}

fn own_model(number: u32) -> String {
    format!("{MODEL}-{}", number % CONFIGURATIONS)
}

/// The configuration of a number: all engines but one, and a model and a path of its own.
fn text(address: std::net::SocketAddr, engines: &[Server], number: u32) -> String {
    let left_out = number as usize % engines.len().max(1);
    let endpoints: String = { engines }
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != left_out)
        .map(|(_, engine)| format!("      - {{ address: '{}' }}\n", engine.address))
        .collect();
    let model = own_model(number);
    format!(
        "listeners:\n  - {{ name: main, address: '{address}' }}\n\
         pools:\n  - name: fleet\n    models: [{MODEL}]\n    endpoints:\n{endpoints}\
         routes:\n  - name: {model}\n    rules:\n\
         \x20     - matches: [{{ model: {{ value: {MODEL} }} }}, {{ model: {{ value: {model} }} }}]\n\
         \x20       backendRefs: [{{ pool: fleet, model: {MODEL} }}]\n\
         \x20     - matches: [{{ path: {{ type: PathPrefix, value: /{model} }} }}]\n\
         \x20       filters: [{{ directResponse: {{ status: 200, body: '{number}' }} }}]\n"
    )
}

/// Load generators at work; killed when dropped.
pub(super) struct Generators(Vec<Child>);

/// What became of the requests.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) retried: u64,
    /// The worse of the generators' 99th percentiles, in milliseconds.
    pub(super) p99_ms: f64,
}

impl Generators {
    /// Waits for their end.
    pub(super) fn outcome(mut self) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        for child in &mut self.0 {
            let stdout = child
                .stdout
                .take()
                .context("no output of the load generator")?;
            let told: Value = serde_json::from_str(&std::io::read_to_string(stdout)?)
                .context("the load generator failed")?;
            let count = |field: &str| told[field].as_u64().context("an unknown form of result");
            outcome.requests += count("requests")?;
            outcome.failed += count("errors")?;
            outcome.retried += count("retried")?;
            let p99 = told["p99_us"]
                .as_f64()
                .context("an unknown form of result")?;
            outcome.p99_ms = outcome.p99_ms.max(p99 / 1000.0);
        }
        Ok(outcome)
    }
}

impl Drop for Generators {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // They have ended, unless something else failed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
