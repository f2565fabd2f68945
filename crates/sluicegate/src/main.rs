//! The command line: reads arguments, starts what they ask for, reports how it ended.
//!
//! Exit status: 0 when all went well, 1 when something failed, 2 when the arguments are wrong.

mod args;
mod check;
mod demo;
mod dialects;
mod engine;
mod explain;
mod process;
mod run;
mod schema;
mod simulate;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Demo(args) => demo::demo(&args),
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Schema(args) => schema::schema(&args),
        Command::Dialects => {
            dialects::dialects();
            Ok(())
        }
        Command::Engine(args) => engine::engine(&args),
        Command::Simulate(args) => simulate::simulate(&args),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
