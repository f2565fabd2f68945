//! The command line, as data. Help texts are the documentation a stranger meets first.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// An LLM service mesh and AI gateway: one address for every model.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the gateway at work, in front of a built-in fleet of simulated vLLM replicas
    Demo(Demo),
    /// Serve what a configuration says, or the provider whose key is in the environment
    Run(Run),
    /// Validate a configuration and say where it is wrong
    Check(Check),
    /// Tell which route, backends and weights a request would get, and why not the others
    Explain(Explain),
    /// Print the JSON Schema of the configuration, the CRDs, or the field reference
    Schema(Schema),
    /// Print which API clients can ask, and what the backends behind it may speak
    Dialects,
    /// Run simulated vLLM replicas alone
    Engine(Engine),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where the gateway listens
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// Where the admin endpoint listens
    #[arg(long, default_value = "127.0.0.1:9901", value_name = "ADDRESS")]
    pub(crate) admin: SocketAddr,
    /// How many simulated replicas stand behind it
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) replicas: u16,
    /// Stop after the first answer has arrived instead of serving on
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// A file, or a directory of *.yaml files; watched while running. Without it, the provider
    /// whose standard variable is set (such as OPENAI_API_KEY) is served on loopback
    #[arg(short, long, value_name = "FILE|DIR")]
    pub(crate) config: Option<PathBuf>,
    /// The port of 127.0.0.1 to serve on without a configuration
    #[arg(long, default_value_t = 8080, conflicts_with = "config")]
    pub(crate) port: u16,
    /// Where the admin endpoint listens: health, metrics, the snapshot in force, endpoints
    #[arg(long, default_value = "127.0.0.1:9901", value_name = "ADDRESS")]
    pub(crate) admin: SocketAddr,
    /// Where access log lines go: stdout, stderr, off, or a file
    #[arg(long, default_value = "stdout", value_name = "stdout|stderr|off|FILE")]
    pub(crate) access_log: String,
    /// What the gateway says of itself on stderr, such as `info` or `info,net=debug`
    #[arg(
        long,
        default_value = "info",
        env = "SLUICEGATE_LOG",
        value_name = "FILTER"
    )]
    pub(crate) log: String,
    /// How long to stay open for new requests after SIGTERM, unready, so that load balancers notice
    #[arg(long, default_value = "5s", value_parser = duration, value_name = "DURATION")]
    pub(crate) drain_delay: Duration,
    /// When, from SIGTERM on, requests still under way are cut; an orchestrator must wait longer
    #[arg(long, default_value = "25s", value_parser = duration, value_name = "DURATION")]
    pub(crate) drain_deadline: Duration,
    /// Memory for request bodies that are kept for a retry; bodies over it spill to files
    #[arg(long, default_value = "1Gi", value_parser = bytes, value_name = "BYTES")]
    pub(crate) body_memory: u64,
    /// Threads that carry traffic [default: the number of processors]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// A file, or a directory of *.yaml files
    #[arg(short, long, value_name = "FILE|DIR")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A file, or a directory of *.yaml files
    #[arg(short, long, value_name = "FILE|DIR")]
    pub(crate) config: PathBuf,
    /// The listener that the request comes to [default: the first]
    #[arg(long, value_name = "NAME")]
    pub(crate) listener: Option<String>,
    /// The method [default: GET, or POST with a body]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// A header, as `name: value`; may be repeated
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub(crate) headers: Vec<String>,
    /// The body; @FILE reads it from a file
    #[arg(short = 'd', long = "data", value_name = "BODY")]
    pub(crate) data: Option<String>,
    /// The whole request as a JSON file, `-` for standard input:
    /// {"method": …, "url": …, "headers": {…}, "body": {…}}
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "headers", "data", "url"])]
    pub(crate) json: Option<PathBuf>,
    /// The URL, or a path such as /v1/chat/completions
    #[arg(required_unless_present = "json")]
    pub(crate) url: Option<String>,
    /// How to print the explanation
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// Kubernetes custom resource definitions, as YAML documents
    #[arg(long, conflicts_with = "reference")]
    pub(crate) crd: bool,
    /// The field reference, as Markdown
    #[arg(long)]
    pub(crate) reference: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Engine {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub(crate) host: std::net::IpAddr,
    /// The first replica's port, the others follow; 0 takes free ones
    #[arg(long, default_value_t = 8100)]
    pub(crate) port: u16,
    /// How many replicas
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) replicas: u16,
    /// Model and GPU to behave like; `list` prints them with the source of their figures
    #[arg(long, default_value = "llama-3.1-8b-h100", value_name = "NAME")]
    pub(crate) profile: String,
    /// The model name to serve [default: the profile's]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// How many times faster than the real hardware
    #[arg(long, default_value_t = 1.0)]
    pub(crate) speed: f64,
    /// Seed of what the replicas make up
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<mesh::resources::Duration>();
    parsed
        .map(mesh::resources::Duration::get)
        .map_err(|error| error.to_string())
}

fn bytes(text: &str) -> Result<u64, String> {
    let parsed = text.parse::<mesh::resources::ByteSize>();
    parsed
        .map(mesh::resources::ByteSize::get)
        .map_err(|error| error.to_string())
}
