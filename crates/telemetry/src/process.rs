//! Metrics of the process itself, by the names that Prometheus client libraries share.
//!
//! They are read from `/proc` at each scrape; where there is none (not Linux) the families are
//! absent.

use crate::{Registry, exposition::FamilyEncoder, sources::register};
use prometheus_client::{encoding::DescriptorEncoder, metrics::MetricType};
use std::{fmt, fs};

#[cfg(test)]
mod tests;

/// Register `process_*`.
pub fn register_process(registry: &mut Registry) {
    register(registry, "process", |encoder| match ProcessSample::read() {
        Some(sample) => sample.encode(encoder),
        None => Ok(()),
    });
}

/// Register `sluicegate_build_info`, a constant 1 whose labels say what is running.
pub fn register_build_info(registry: &mut Registry, version: &'static str, revision: &'static str) {
    register(registry, "build info", move |encoder| {
        let labels = vec![("version", version), ("revision", revision)];
        FamilyEncoder::begin(
            encoder,
            "sluicegate_build_info",
            "What is running; always 1.",
            MetricType::Gauge,
        )?
        .gauge(labels, 1u64)
    });
}

/// Clock ticks per second of `/proc/PID/stat`. It is the kernel's USER_HZ, part of its ABI and 100
/// on every architecture that Rust supports with its standard library.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug, PartialEq)]
struct ProcessSample {
    cpu_seconds: f64,
    resident_bytes: u64,
    threads: u64,
    open_fds: u64,
    max_fds: Option<u64>,
    start_seconds: f64,
}

impl ProcessSample {
    fn read() -> Option<Self> {
        let stat = Stat::parse(&fs::read_to_string("/proc/self/stat").ok()?)?;
        let boot_seconds = boot_time(&fs::read_to_string("/proc/stat").ok()?)?;
        Some(Self {
            cpu_seconds: stat.cpu_ticks as f64 / TICKS_PER_SECOND,
            resident_bytes: resident_bytes(&fs::read_to_string("/proc/self/status").ok()?)?,
            threads: stat.threads,
            // The directory handle that counts them is one of them.
            open_fds: (fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1),
            max_fds: max_fds(&fs::read_to_string("/proc/self/limits").ok()?),
            start_seconds: boot_seconds as f64 + stat.start_ticks as f64 / TICKS_PER_SECOND,
        })
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        FamilyEncoder::begin(
            encoder,
            "process_cpu_seconds",
            "User and system CPU time.",
            MetricType::Counter,
        )?
        .counter(vec![], self.cpu_seconds)?;
        let gauges = [
            (
                "process_resident_memory_bytes",
                "Resident memory.",
                Some(self.resident_bytes),
            ),
            ("process_threads", "Threads.", Some(self.threads)),
            (
                "process_open_fds",
                "Open file descriptors.",
                Some(self.open_fds),
            ),
            (
                "process_max_fds",
                "Limit of open file descriptors.",
                self.max_fds,
            ),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                FamilyEncoder::begin(encoder, name, help, MetricType::Gauge)?
                    .gauge(vec![], value)?;
            }
        }
        FamilyEncoder::begin(
            encoder,
            "process_start_time_seconds",
            "When the process began, in Unix time.",
            MetricType::Gauge,
        )?
        .gauge(vec![], self.start_seconds)
    }
}

/// What `/proc/PID/stat` is read for.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
}

impl Stat {
    /// Parse by proc(5), whose fields are numbered from 1: 14 utime, 15 stime, 20 num_threads,
    /// 22 starttime. The second field is the command in parentheses and may contain both blanks and
    /// parentheses, so the rest begins after the last one.
    fn parse(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.checked_add(field(15)?)?,
            threads: field(20)?,
            start_ticks: field(22)?,
        })
    }
}

/// `btime` of `/proc/stat`: seconds since the epoch.
fn boot_time(stat: &str) -> Option<u64> {
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

/// `VmRSS` of `/proc/PID/status`, which is in KiB though it says kB.
fn resident_bytes(status: &str) -> Option<u64> {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    kib.checked_mul(1024)
}

/// The soft limit of `/proc/PID/limits`; absent when unlimited.
fn max_fds(limits: &str) -> Option<u64> {
    let value = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    value.split_ascii_whitespace().next()?.parse().ok()
}
