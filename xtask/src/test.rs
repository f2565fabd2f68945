//! `cargo xtask test`: what every change must pass.
//!
//! The steps run in the order of what they cost, and the first that fails ends the run, so that a
//! slip is told in seconds. The end-to-end tests use the dev binary, which the tests have built
//! anyway: its debug assertions find more than a release binary, and a bare clone saves a second
//! build of every dependency.

use crate::{
    docs, loom, node, process, python, turmoil,
    workspace::{Profile, Workspace},
};
use anyhow::{Context, Result};
use std::time::Instant;

type Step = (&'static str, fn(&Workspace) -> Result<()>);

const STEPS: &[Step] = &[
    ("format", format),
    ("lints", lints),
    ("documentation", documentation),
    ("tests", tests),
    ("models of concurrency", loom::run),
    ("simulated networks", turmoil::run),
    ("configuration reference", docs::check),
];

const CLIENT_STEPS: &[Step] = &[("end-to-end tests", end_to_end)];

pub(crate) fn run(workspace: &Workspace, fast: bool) -> Result<()> {
    let began = now();
    let client_steps = if fast { &[] } else { CLIENT_STEPS };
    if !fast {
        // Found out before the long steps, not after them.
        python::interpreter()
            .and_then(|_| node::versions())
            .context("step `end-to-end tests` cannot run")?;
    }
    for (name, step) in STEPS.iter().chain(client_steps) {
        let step_began = now();
        eprintln!("==> {name}");
        step(workspace).with_context(|| format!("step `{name}` failed"))?;
        eprintln!("    {name}: ok in {} s", step_began.elapsed().as_secs());
    }
    let left_out = if fast {
        " (end-to-end tests left out)"
    } else {
        ""
    };
    println!(
        "xtask test: all steps passed in {} s{left_out}",
        began.elapsed().as_secs()
    );
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "steps are timed for people; nothing pauses time"
)]
fn now() -> Instant {
    Instant::now()
}

fn format(workspace: &Workspace) -> Result<()> {
    process::run(&mut workspace.cargo(&["fmt", "--all", "--check"]))
        .context("mend it with `cargo fmt --all`")
}

fn lints(workspace: &Workspace) -> Result<()> {
    let arguments = [
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ];
    process::run(&mut workspace.cargo(&arguments))
}

fn documentation(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.cargo(&["doc", "--quiet", "--workspace", "--no-deps"]);
    command.arg("--document-private-items");
    process::run(command.env("RUSTDOCFLAGS", "--deny warnings"))
}

fn tests(workspace: &Workspace) -> Result<()> {
    process::run(&mut workspace.cargo(&["test", "--quiet", "--workspace"]))
}

fn end_to_end(workspace: &Workspace) -> Result<()> {
    let binary = workspace
        .build("sluicegate", Profile::Dev)?
        .join("sluicegate");
    let tests = workspace.root.join("crates/sluicegate/tests");
    let suite = tests.join("python");
    let venv = python::environment(
        &workspace.target.join("venv"),
        &suite.join("requirements.txt"),
    )?;
    let modules = node::modules(&workspace.target.join("node"), &tests.join("node"))?;
    process::run(
        venv.command()
            .args(["-m", "pytest", "-p", "no:cacheprovider", "--quiet"])
            .arg(&suite)
            .env("SLUICEGATE_BINARY", &binary)
            .env("SLUICEGATE_NODE_MODULES", &modules)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(&workspace.root),
    )
}
