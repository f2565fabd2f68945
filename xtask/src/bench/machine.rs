//! The circumstances of a run: without them figures mean nothing.

use crate::process;
use anyhow::{Context, Result};
use std::{collections::BTreeSet, fs, path::Path, process::Command};

/// When, where and of what the figures are.
#[derive(Debug)]
pub(super) struct Conditions {
    pub(super) rotations: u32,
    pub(super) seconds: u32,
    pub(super) date: String,
    pub(super) machine: String,
    pub(super) commit: String,
    pub(super) envoy: String,
    pub(super) nginx: String,
}

/// The day, in UTC.
pub(super) fn date() -> Result<String> {
    let date = process::output(Command::new("date").args(["--utc", "+%Y-%m-%d"]))?;
    Ok(date.trim().to_owned())
}

/// Processor, cores and kernel.
pub(super) fn describe() -> Result<String> {
    let processors = processors(&fs::read_to_string("/proc/cpuinfo")?)
        .context("no processor in /proc/cpuinfo")?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(format!("{processors}, Linux {}", kernel.trim()))
}

/// The models and number of the processors that `/proc/cpuinfo` lists.
fn processors(cpuinfo: &str) -> Option<String> {
    let values = |field: &str| {
        let lines = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        lines
            .filter(|(name, _)| name.trim() == field)
            .map(|(_, value)| value.trim())
            .collect::<Vec<_>>()
    };
    let models: BTreeSet<_> = values("model name").into_iter().collect();
    let models = models.into_iter().collect::<Vec<_>>().join(", ");
    match values("processor").len() {
        0 => None,
        count => Some(format!("{models}, {count} cores")),
    }
}

/// The commit that is checked out, and whether what was built differs from it.
pub(super) fn commit(root: &Path) -> Result<String> {
    let git =
        |arguments: &[&str]| process::output(Command::new("git").current_dir(root).args(arguments));
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // The page itself is rewritten by each run.
    let changes = git(&["status", "--porcelain", "--", ".", ":!docs/benchmarks.md"])?;
    let changed = if changes.is_empty() {
        ""
    } else {
        " with changes"
    };
    Ok(format!("{}{changed}", commit.trim()))
}

/// The version in `envoy  version: COMMIT/VERSION/…`.
pub(super) fn envoy_version(binary: &Path) -> Result<String> {
    let text = process::output(Command::new(binary).arg("--version"))?;
    let version = version_of_envoy(&text);
    Ok(version.context("envoy says no version")?.to_owned())
}

/// The version in `PATH  version: COMMIT/VERSION/…`.
fn version_of_envoy(text: &str) -> Option<&str> {
    let (_, build) = text.split_once("version: ")?;
    build.split('/').nth(1)
}

/// The version in `nginx version: nginx/VERSION`, which goes to standard error.
pub(super) fn nginx_version(binary: &Path) -> Result<String> {
    let output = Command::new(binary).arg("-v").output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let version = text.split_once("nginx/").map(|(_, version)| version.trim());
    Ok(version.context("nginx says no version")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{processors, version_of_envoy};

    #[test]
    fn the_path_to_envoy_is_no_version() {
        let said = "/opt/venv/bin/envoy  version: 9e558093/1.40.0/Clean/RELEASE/BoringSSL\n";
        assert_eq!(version_of_envoy(said), Some("1.40.0"));
        assert_eq!(version_of_envoy("envoy"), None);
    }

    #[test]
    fn processors_are_counted_and_named() {
        let check = |cpuinfo: &str, expected: Option<&str>| {
            assert_eq!(processors(cpuinfo).as_deref(), expected);
        };
        let core = |n| format!("processor\t: {n}\nmodel\t\t: 167\nmodel name\t: A 3 GHz\n\n");
        check(&format!("{}{}", core(0), core(1)), Some("A 3 GHz, 2 cores"));
        check("", None);
    }
}
