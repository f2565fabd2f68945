//! The two ends of a whole-process measurement: an upstream that costs almost nothing and load
//! generators, each a process of its own so that it can be pinned to a core and does not count as
//! part of what is measured.
//!
//! They are ours rather than `wrk` and nginx because a stream must be paced and counted chunk by
//! chunk, because latency must be counted from when a request was due, and because the same two
//! must run before every proxy that is compared.

mod answer;
mod client;
mod hold;
mod load;
mod texts;
mod upstream;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Upstream and load generators for measurements")]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Answer chat completions in the way each request asks for
    Upstream(upstream::Arguments),
    /// Send chat completions for a while and print what was measured, as JSON
    Load(load::Arguments),
    /// Open streams that stay idle, in steps
    Hold(hold::Arguments),
}

fn main() -> anyhow::Result<()> {
    // One thread each: what is measured must not compete for more than the one core they are on.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match Arguments::parse().role {
        Role::Upstream(arguments) => runtime.block_on(upstream::serve(arguments)),
        Role::Load(arguments) => runtime.block_on(load::run(arguments)),
        Role::Hold(arguments) => runtime.block_on(hold::run(arguments)),
    }
}
