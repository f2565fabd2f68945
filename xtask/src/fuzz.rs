//! `cargo xtask fuzz`: the targets of `fuzz/` led by coverage, for as long as one likes.
//!
//! libFuzzer through `libfuzzer-sys` and the compiler's own flags, rather than cargo-fuzz, which
//! wants a nightly toolchain for the address sanitizer; without unsafe code that has little to find
//! here. What `cargo xtask test` does with the same targets takes neither this nor a C++ compiler.

use crate::{process, workspace::Workspace};
use anyhow::{Context, Result, bail};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// What makes the compiler count which edges of the code are taken, and tell what is compared.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Bytes of the longest input, that of the tests too.
const MAX_LEN: u32 = 4096;

/// What libFuzzer says before the number of inputs.
const EXECUTED: &str = "stat::number_of_executed_units:";

/// Longest that a target may take with one input.
const TIMEOUT_SECONDS: u32 = 5;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only this target [default: all in turn]
    target: Option<String>,
    /// How long to run each target
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Run the target with this input and nothing else
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let corpora = corpora(&workspace.root.join("fuzz/corpus"))?;
    let known = corpora.keys().cloned().collect::<Vec<_>>().join(", ");
    if let Some(name) = &arguments.target
        && !corpora.contains_key(name)
    {
        bail!("there is no target `{name}`; there are {known}");
    }
    let is_asked = |name: &String| arguments.target.as_ref().is_none_or(|one| one == name);
    let directory = workspace.target.join("fuzz");
    let program = build(workspace, &directory)?;
    for (name, corpus) in corpora.iter().filter(|(name, _)| is_asked(name)) {
        eprintln!("==> {name}");
        let mut command = Command::new(&program);
        command.env("SLUICEGATE_FUZZ_TARGET", name);
        command.arg(format!("-timeout={TIMEOUT_SECONDS}"));
        match &arguments.input {
            None => search(
                &mut command,
                &directory.join(name),
                corpus,
                arguments.seconds,
            )?,
            Some(input) => process::run(command.arg(input))?,
        }
    }
    Ok(())
}

/// Where each target's corpus is; tokens for it lie beside it.
fn corpora(directory: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut corpora = BTreeMap::new();
    for form in fs::read_dir(directory)? {
        for entry in fs::read_dir(form?.path())? {
            let path = entry?.path();
            if let Some(name) = path.file_name().filter(|_| path.is_dir()) {
                corpora.insert(name.to_string_lossy().into_owned(), path);
            }
        }
    }
    Ok(corpora)
}

fn build(workspace: &Workspace, directory: &Path) -> Result<PathBuf> {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    process::output(Command::new(compiler).arg("--version")).context(
        "libFuzzer has to be built with a C++ compiler (Debian: apt install g++); \
         `cargo test -p fuzz` runs the same targets without",
    )?;
    let host = host()?;
    let arguments = [
        "build",
        "--quiet",
        "--package=fuzz",
        "--bin=guided",
        "--features=libfuzzer",
        "--profile=fuzz",
        // Flags apply to build scripts too unless a target is named, and those have no counters.
        "--target",
        &host,
    ];
    let mut command = workspace.cargo(&arguments);
    command.env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\x1f"));
    process::run(command.env("CARGO_TARGET_DIR", directory))?;
    Ok(directory.join(host).join("fuzz/guided"))
}

/// The target triple of this machine.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = process::output(Command::new(rustc).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not tell its host")?.to_owned())
}

/// Has the program look for inputs that fail. Those that reach new code are kept, so that the next
/// run begins with them.
fn search(command: &mut Command, directory: &Path, corpus: &Path, seconds: u32) -> Result<()> {
    let found = directory.join("corpus");
    fs::create_dir_all(&found)?;
    let dictionary = corpus.with_file_name("tokens.dict");
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={MAX_LEN}"))
        .arg(format!("-artifact_prefix={}/", directory.display()))
        .arg(format!("-dict={}", dictionary.display()))
        .args(["-verbosity=0", "-print_final_stats=1"])
        .args([&found, corpus]);
    let log = directory.join("log");
    let result = process::run(command.stderr(File::create(&log)?));
    let log = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    if result.is_err() {
        eprint!("{log}");
    }
    let count = log.lines().find_map(|line| line.strip_prefix(EXECUTED));
    eprintln!("    {} inputs in {seconds} s", count.unwrap_or("?").trim());
    result.context(
        "a fault was found, and the input that shows it written to where is said above: mend it, \
         and put the input into the target's corpus",
    )
}
