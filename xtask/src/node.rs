//! Packages for Node in the target directory, for the official clients.
//!
//! They are installed exactly as the lock file has them, without running any script of theirs, and
//! kept from run to run. They are installed anew when what is wanted or Node itself changes, which
//! is known from a copy of both that is left once everything is there, as [`crate::python`] does it.

use crate::process;
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const STAMP: &str = "installed.txt";

/// What npm reads: the packages, their versions with checksums, and its own settings.
const WANTED: &[&str] = &["package.json", "package-lock.json", ".npmrc"];

const LEAST_VERSION: u32 = 20;

const HELP: &str = "the end-to-end tests need Node 20 or newer with npm, as `node` and `npm`; \
                    `cargo xtask test --fast` leaves them out";

/// The versions of Node and npm, if they are ones that will do.
pub(crate) fn versions() -> Result<String> {
    let node = process::output(Command::new("node").arg("--version")).context(HELP)?;
    let is_new = major(&node).is_some_and(|major| major >= LEAST_VERSION);
    ensure!(is_new, "{HELP}; here is {}", node.trim_end());
    let npm = process::output(Command::new("npm").arg("--version")).context(HELP)?;
    Ok(format!("{node}{npm}"))
}

/// The first number of a version as Node prints it.
fn major(version: &str) -> Option<u32> {
    version
        .strip_prefix('v')?
        .split('.')
        .next()?
        .trim()
        .parse()
        .ok()
}

/// The `node_modules` in `directory` with the packages that a suite wants, installed if need be.
pub(crate) fn modules(directory: &Path, suite: &Path) -> Result<PathBuf> {
    let mut stamp = versions()?;
    for name in WANTED {
        let path = suite.join(name);
        let wanted =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        stamp.push_str(&wanted);
    }
    let modules = directory.join("node_modules");
    let stamp_path = directory.join(STAMP);
    if fs::read_to_string(&stamp_path).is_ok_and(|installed| installed == stamp) {
        return Ok(modules);
    }
    install(directory, suite)?;
    fs::write(stamp_path, stamp)?;
    Ok(modules)
}

fn install(directory: &Path, suite: &Path) -> Result<()> {
    eprintln!(
        "    installing {} into {}",
        suite.join("package-lock.json").display(),
        directory.display()
    );
    fs::create_dir_all(directory)?;
    for name in WANTED {
        fs::copy(suite.join(name), directory.join(name))?;
    }
    let arguments = [
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ];
    process::run(Command::new("npm").args(arguments).current_dir(directory))
        .context("cannot install the packages for Node: is a package registry reachable?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_names_no_registry() {
        let lock = include_str!("../../crates/sluicegate/tests/node/package-lock.json");
        assert!(lock.contains("\"integrity\"") && !lock.contains("\"resolved\""));
    }

    #[test]
    fn the_first_number_of_a_version_decides() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("v9.11\n"), Some(9));
        assert_eq!(major("20.1.0"), None);
        assert_eq!(major("v\n"), None);
    }
}
