//! Where things are.

use crate::process;
use anyhow::{Context, Result};
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
