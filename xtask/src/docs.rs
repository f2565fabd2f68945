//! `docs/configuration.md`: a preface written by hand, and the field reference, written by the binary
//! from the configuration's own types, so that it cannot say anything else than what is accepted.

use crate::{
    process,
    workspace::{Profile, Workspace},
};
use anyhow::{Context, Result, bail};
use std::{fs, path::PathBuf, process::Command};

const PREFACE: &str = include_str!("docs/preface.md");

pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    let path = path(workspace);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(&path, reference(workspace)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let path = path(workspace);
    let written = fs::read_to_string(&path).unwrap_or_default();
    if written != reference(workspace)? {
        bail!(
            "{} is not up to date: run `cargo xtask docs`",
            path.display()
        );
    }
    Ok(())
}

fn path(workspace: &Workspace) -> PathBuf {
    workspace.root.join("docs/configuration.md")
}

fn reference(workspace: &Workspace) -> Result<String> {
    let binary = workspace
        .build("sluicegate", Profile::Dev)?
        .join("sluicegate");
    let fields = process::output(Command::new(binary).args(["schema", "--reference"]))?;
    Ok(format!("{PREFACE}\n{fields}"))
}
