//! (c) Prompts of 1 MiB: what they cost, how much memory they take, and whether they are repeated on
//! another endpoint like small ones.

use super::{
    comparison::{Answer, Load, compare, load},
    configuration::Fleet,
    lab::{Kind, Lab},
    per_kind::{self, PerKind},
    report::{Check, Section, table::Table},
};
use anyhow::{Context, Result};

const BODY_BYTES: u32 = 1 << 20;

/// Requests in flight while memory is measured.
const CONCURRENCY: u32 = 64;

/// What their bodies take, in MB.
const BODIES_MB: f64 = BODY_BYTES as f64 * CONCURRENCY as f64 / 1e6;

const CPU: Load = Load {
    title: "8 connections, closed loop",
    connections: 8,
    rate: None,
    answer: Answer::Whole,
    prompt_bytes: BODY_BYTES,
    model: "bench",
};

/// The upstream waits once it has a prompt, so that all are in the proxy at the same time.
const MEMORY: Load = Load {
    connections: CONCURRENCY,
    answer: Answer::Late,
    ..CPU
};

const RETRIED: Load = Load {
    connections: 1,
    ..CPU
};

/// Where one endpoint fails, it is asked in its turn all the same, and every request may be repeated.
const POLICIES: &[&str] = &[
    "loadBalancer: { policy: RoundRobin }",
    "outlierDetection: { consecutiveErrors: 0 }",
    "retryBudget: { percent: 100 }",
];

/// Seconds of load on a pool with an endpoint that fails.
const RETRY_SECONDS: u32 = 1;

pub(super) fn measure(lab: &Lab) -> Result<Section> {
    let upstream = lab.upstream()?;
    let cpu = compare(lab, &lab.side_by_side(&upstream)?, CPU)?;
    let memory = Memory::measure(lab)?;
    let (retried, all_served) = retries(lab)?;

    let [own, envoy, _] = Kind::ALL.map(Kind::name);
    let cpu_of = |name| (cpu.cpu_us(name), name);
    let checks = vec![
        Check::relative(
            "(c) CPU per request",
            cpu_of(own).0,
            1.5,
            cpu_of(envoy),
            "µs",
        ),
        Check::at_most(
            "(c) peak memory of the process, 64 prompts in flight",
            memory.peak.median(Kind::Sluicegate) / BODIES_MB,
            1.2,
            "× body × concurrency",
        ),
        Check::fact(
            "(c) repeated on another endpoint",
            "like a small one",
            retried,
            all_served,
        ),
    ];
    let tables = vec![cpu.table(), memory.table()];
    Ok(Section {
        title: "(c) Prompts of 1 MiB",
        method: "Envoy and nginx pass a prompt on as it comes; Sluicegate reads all of it, to know \
                 its model, and keeps it until the answer has begun, to be able to repeat it.",
        tables,
        checks,
    })
}

/// Resident memory, in MB.
#[derive(Default)]
struct Memory {
    before: PerKind,
    peak: PerKind,
}

impl Memory {
    /// Load processes that are started for it, since a peak is that of a process's whole life.
    fn measure(lab: &Lab) -> Result<Self> {
        let mut memory = Self::default();
        for rotation in 1..=lab.rotations {
            for kind in Kind::ALL {
                eprintln!(
                    "    peak memory: {} ({rotation}/{})",
                    kind.name(),
                    lab.rotations
                );
                memory
                    .add(lab, kind)
                    .with_context(|| format!("loading {}", kind.name()))?;
            }
        }
        Ok(memory)
    }

    fn table(&self) -> Table {
        per_kind::table(
            "64 connections, the upstream answers 300 ms after the end of the prompt",
            vec![
                self.before.row("resident memory before, MB"),
                self.peak.row("peak resident memory, MB"),
            ],
        )
    }

    fn add(&mut self, lab: &Lab, kind: Kind) -> Result<()> {
        let upstream = lab.upstream()?;
        let proxy = lab.setup(kind, &upstream)?.start()?;
        let server = proxy.server()?;
        self.before.push(kind, megabytes(server.rss_kib()?));
        load(lab, proxy.address, &MEMORY, lab.seconds)?;
        self.peak.push(kind, megabytes(server.peak_rss_kib()?));
        Ok(())
    }
}

/// From KiB.
pub(super) fn megabytes(kib: f64) -> f64 {
    kib * 1024.0 / 1e6
}

/// Load a pool of which one endpoint fails with small prompts and with large ones: what became of
/// them, and whether some of each size had to be repeated. That all were served is known already
/// when there are figures.
fn retries(lab: &Lab) -> Result<(String, bool)> {
    let failing = lab.upstream_with_status("503")?;
    let upstream = lab.upstream()?;
    let mut repeated = true;
    let mut texts = Vec::new();
    for (size, prompt_bytes) in [("1.5 KB", 1500), ("1 MiB", BODY_BYTES)] {
        let fleet = Fleet {
            endpoints: &[failing.address, upstream.address],
            policies: POLICIES,
            routes: &[],
        };
        let proxy = lab
            .sluicegate("Sluicegate, one endpoint fails", &fleet)?
            .start()?;
        let kind = Load {
            prompt_bytes,
            ..RETRIED
        };
        let outcome = load(lab, proxy.address, &kind, RETRY_SECONDS)?;
        let (requests, retried) = (outcome.number("requests")?, outcome.number("retried")?);
        repeated &= retried > 0.0;
        texts.push(format!(
            "{size}: {requests} served, {retried} of them repeated"
        ));
    }
    Ok((texts.join("; "), repeated))
}
