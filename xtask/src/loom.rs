//! Models of what is written without locks: every order in which threads may meet, tried by loom.
//!
//! The models stand beside the code as `models.rs`. They are compiled with `--cfg loom`, which puts
//! loom's atomics and locks in the place of the standard library's. The flag is given to our crate
//! alone rather than by `RUSTFLAGS` to all: tokio has no sockets with it, and every dependency
//! would have to be built anew.

use crate::{process, workspace::Workspace};
use anyhow::{Context, Result};
use serde_json::Value;
use std::process::Command;

/// The crates that have models.
const CRATES: [&str; 3] = ["balance", "net", "telemetry"];

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    for name in CRATES {
        let mut tests = Command::new(build(workspace, name)?);
        process::run(tests.args(["--quiet", "::models::"]))
            .with_context(|| format!("an order of threads breaks a model of {name}"))?;
    }
    Ok(())
}

/// The program of a crate's unit tests.
fn build(workspace: &Workspace, name: &str) -> Result<String> {
    let arguments = [
        "rustc",
        "--quiet",
        "--lib",
        "--profile=test",
        "--message-format=json-render-diagnostics",
        "--package",
        name,
        "--",
        "--cfg=loom",
    ];
    let messages = process::output(&mut workspace.cargo(&arguments))?;
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(message.get("executable")?.as_str()?.to_owned())
    };
    let found = messages.lines().find_map(executable);
    found.with_context(|| format!("cargo has built no tests of {name}"))
}
