//! Tasks of the repository, run as `cargo xtask TASK`.
//!
//! They are a program rather than shell scripts or a Makefile so that they need nothing but cargo,
//! behave alike everywhere, and can be tested. What the continuous integration runs is exactly
//! `cargo xtask test`, so that a green run here is a green run there.

mod bench;
mod docs;
mod fuzz;
#[cfg(test)]
mod layers;
mod loom;
mod node;
mod process;
mod python;
mod test;
mod turmoil;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use workspace::Workspace;

#[derive(Parser)]
#[command(about = "Tasks of the repository")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that a change must pass: format, lints, documentation, tests, end-to-end tests
    Test {
        /// Leave out what needs Python and Node: the end-to-end tests with the official clients
        #[arg(long)]
        fast: bool,
    },
    /// Write docs/configuration.md from the configuration's own schema
    Docs {
        /// Only check that it is up to date
        #[arg(long)]
        check: bool,
    },
    /// Look for inputs that are read wrongly, led by coverage; `cargo xtask test` does so briefly
    Fuzz(fuzz::Arguments),
    /// Try what is written without locks in every order in which threads may meet
    Loom,
    /// Watch that nothing grows or fails under lasting load and a new configuration every ten seconds
    Soak(bench::SoakArguments),
    /// Whole-process measurements
    Bench {
        #[command(subcommand)]
        bench: Bench,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// What Sluicegate costs beside Envoy and nginx as plain HTTP proxies, on two cores; a whole run
    /// takes a quarter of an hour and writes docs/benchmarks.md
    Overhead(bench::OverheadArguments),
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<()> {
    let workspace = Workspace::find()?;
    match task {
        Task::Test { fast } => test::run(&workspace, *fast),
        Task::Docs { check: false } => docs::write(&workspace),
        Task::Docs { check: true } => docs::check(&workspace),
        Task::Fuzz(arguments) => fuzz::run(&workspace, arguments),
        Task::Loom => loom::run(&workspace),
        Task::Soak(arguments) => bench::soak(&workspace, arguments),
        Task::Bench {
            bench: Bench::Overhead(arguments),
        } => bench::overhead(&workspace, arguments),
    }
}
