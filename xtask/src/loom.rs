//! Models of what is written without locks: every order in which threads may meet, tried by loom.
//!
//! The models stand beside the code as `models.rs`. They are compiled with `--cfg loom`, which puts
//! loom's atomics and locks in the place of the standard library's.

use crate::{process, workspace::Workspace};
use anyhow::{Context, Result};
use std::process::Command;

/// The crates that have models.
const CRATES: [&str; 3] = ["balance", "net", "telemetry"];

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    for name in CRATES {
        let mut tests = Command::new(workspace.unit_tests(name, "loom")?);
        process::run(tests.args(["--quiet", "::models::"]))
            .with_context(|| format!("an order of threads breaks a model of {name}"))?;
    }
    Ok(())
}
