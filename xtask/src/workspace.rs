//! Where things are.

use crate::process;
use anyhow::{Context, Result};
use serde_json::Value;
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

/// The checkout and its target directory.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    cargo: OsString,
}

/// What a binary is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Tests: built already by the time they run, and with debug assertions.
    Dev,
    /// Measurements.
    Release,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest
            .parent()
            .context("xtask is not in a workspace")?
            .to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(directory) => root.join(directory),
            None => root.join("target"),
        };
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Ok(Self {
            root,
            target,
            cargo,
        })
    }

    /// A cargo command in the root of the workspace.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(&self.root).args(arguments);
        command
    }

    /// Build the unit tests of a package with a `--cfg` of its own; the program.
    ///
    /// The flag is given to our crate alone rather than by `RUSTFLAGS` to all: tokio has no sockets with
    /// loom's, and every dependency would have to be built anew.
    pub(crate) fn unit_tests(&self, package: &str, cfg: &str) -> Result<String> {
        let messages = process::output(&mut self.cargo(&[
            "rustc",
            "--quiet",
            "--lib",
            "--profile=test",
            "--message-format=json-render-diagnostics",
            "--package",
            package,
            "--",
            "--cfg",
            cfg,
        ]))?;
        let executable = |line: &str| {
            let message: Value = serde_json::from_str(line).ok()?;
            Some(message.get("executable")?.as_str()?.to_owned())
        };
        let found = messages.lines().find_map(executable);
        found.with_context(|| format!("cargo has built no tests of {package}"))
    }

    /// Build a package's binaries; the directory that they are in.
    pub(crate) fn build(&self, package: &str, profile: Profile) -> Result<PathBuf> {
        let (name, directory) = match profile {
            Profile::Dev => ("dev", "debug"),
            Profile::Release => ("release", "release"),
        };
        process::run(&mut self.cargo(&[
            "build",
            "--quiet",
            "--package",
            package,
            "--profile",
            name,
        ]))?;
        Ok(self.target.join(directory))
    }
}
