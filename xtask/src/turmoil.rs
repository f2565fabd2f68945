//! What crosses a network, over networks that turmoil simulates: slow, cut and mended, the same way
//! for the same seed.
//!
//! The simulations stand beside the code as `simulations.rs`. They are compiled with `--cfg turmoil`,
//! which puts turmoil's sockets in the place of tokio's.

use crate::{process, workspace::Workspace};
use anyhow::{Context, Result, ensure};
use std::process::Command;

/// The crates that have simulations.
const CRATES: [&str; 1] = ["net"];

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    for name in CRATES {
        let program = workspace.unit_tests(name, "turmoil")?;
        let mut tests = Command::new(&program);
        let found = process::output(tests.args(["--list", "::simulations::"]))?;
        ensure!(
            found.contains("::simulations::"),
            "{name} has no simulations"
        );
        let mut tests = Command::new(&program);
        process::run(tests.args(["--quiet", "::simulations::"]))
            .with_context(|| format!("{name} fails over a simulated network"))?;
    }
    Ok(())
}
