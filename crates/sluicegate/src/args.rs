//! The command line, as data. Help texts are the documentation a stranger meets first.

use std::net::SocketAddr;
use std::num::NonZeroU32;
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
    /// Replay a trace before a simulated fleet, and tell which balancing policy serves it best
    Simulate(Simulate),
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

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// A trace in Mooncake's form: a JSON object a line, with timestamp (ms), input_length,
    /// output_length and hash_ids (one for each 512 tokens)
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: PathBuf,
    /// Replay the first so many requests only
    #[arg(long)]
    pub(crate) requests: Option<NonZeroU32>,
    /// Requests per second: the trace is replayed faster or slower. Its own rate without this
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// A policy, such as round-robin or dynamo:32; may be repeated. All without it
    #[arg(long, value_name = "NAME[:NUMBER]")]
    pub(crate) policy: Vec<String>,
    /// What each engine is; `sluicegate engine --profile list` lists them
    #[arg(long, default_value = "qwen3-32b-h100-tp2")]
    pub(crate) profile: String,
    /// How many engines there are
    #[arg(long, default_value = "8")]
    pub(crate) replicas: NonZeroU32,
    /// How many of them compute at half speed
    #[arg(long, default_value_t = 0)]
    pub(crate) slow_replicas: u32,
    /// How often each policy is tried, each time with another seed
    #[arg(long, default_value = "5")]
    pub(crate) seeds: NonZeroU32,
    /// Arrivals are spread at random over so many milliseconds behind their timestamps, which
    /// Mooncake's trace rounds to three seconds
    #[arg(long, default_value_t = 3000, value_name = "MS")]
    pub(crate) spread_ms: u64,
    /// Look for the highest rate at which nine of ten requests have their first token within two
    /// seconds or twice what their prompt takes alone, and every further one within 50 ms
    #[arg(long)]
    pub(crate) find_capacity: bool,
    /// How the figures are written
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: TableFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TableFormat {
    /// For people
    Table,
    /// A line for each policy and figure
    Csv,
    /// A list of policies
    Json,
}
