//! Python environments in the target directory, for the official clients and for Envoy.
//!
//! An environment is kept from run to run and made anew when its requirements or the interpreter
//! change. That is known from a copy of both that is left in it once everything is installed, so
//! an interrupted installation does not pass for a finished one.

use crate::process;
use anyhow::{Context, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const STAMP: &str = "installed.txt";

const HELP: &str = "the end-to-end tests need Python 3.9 or newer with its venv module, as \
                    `python3` (Debian: apt install python3-venv); `cargo xtask test --fast` leaves \
                    them out";

/// A virtual environment.
#[derive(Debug)]
pub(crate) struct Environment {
    directory: PathBuf,
}

impl Environment {
    /// The environment's interpreter.
    pub(crate) fn command(&self) -> Command {
        Command::new(self.program("python"))
    }

    /// A program that a package has installed.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.directory.join("bin").join(name)
    }
}

/// The version of the interpreter, if it is one that will do.
pub(crate) fn interpreter() -> Result<String> {
    const PROBE: &str = "import ensurepip, sys, venv; assert sys.version_info >= (3, 9), \
                         sys.version; print(sys.version)";
    process::output(Command::new("python3").args(["-c", PROBE])).context(HELP)
}

/// The environment in `directory` with these requirements, made if need be.
pub(crate) fn environment(directory: &Path, requirements: &Path) -> Result<Environment> {
    let environment = Environment {
        directory: directory.to_owned(),
    };
    let wanted = fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let stamp = format!("{}{wanted}", interpreter()?);
    let stamp_path = directory.join(STAMP);
    if fs::read_to_string(&stamp_path).is_ok_and(|installed| installed == stamp) {
        return Ok(environment);
    }
    eprintln!(
        "    installing {} into {}",
        requirements.display(),
        directory.display()
    );
    process::run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(directory),
    )
    .context(HELP)?;
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    process::run(
        environment
            .command()
            .args(install)
            .arg("--requirement")
            .arg(requirements),
    )
    .context("cannot install the Python packages: is a package index reachable?")?;
    fs::write(stamp_path, stamp)?;
    Ok(environment)
}
