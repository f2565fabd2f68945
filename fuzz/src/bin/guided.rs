//! Gives a target to libFuzzer, whose command line this program has. The target's name is in the
//! environment, since the command line is not ours; one program for all targets links once.

#![no_main]

use fuzz::Target;
use std::{env, process, sync::LazyLock};

const VARIABLE: &str = "SLUICEGATE_FUZZ_TARGET";

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = env::var(VARIABLE).unwrap_or_default();
    fuzz::target(&name).unwrap_or_else(|| {
        eprintln!("{VARIABLE} names no target: `{name}`");
        process::exit(2)
    })
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
