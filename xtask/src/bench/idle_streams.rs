//! (d) Memory of idle open streams.
//!
//! The slope of resident memory, not its size, so that what a process takes by itself does not count;
//! and from 1,000 streams on, so that neither does what the first streams reserve for those to come.

use super::{
    lab::{Kind, Lab},
    per_kind::{self, PerKind},
    report::{Check, Section},
    statistics::slope,
};
use anyhow::{Context, Result, ensure};
use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdin, ChildStdout, Stdio},
    thread,
    time::Duration,
};

/// Numbers of streams at which memory is read.
const STEPS: [u32; 5] = [1000, 3000, 5000, 7000, 9000];

/// How long streams are left alone before memory is read.
const SETTLE: Duration = Duration::from_secs(1);

pub(super) fn measure(lab: &Lab) -> Result<Section> {
    let mut slopes = PerKind::default();
    for rotation in 1..=lab.rotations {
        for kind in Kind::ALL {
            eprintln!(
                "    idle streams: {} ({rotation}/{})",
                kind.name(),
                lab.rotations
            );
            let slope = kib_per_stream(lab, kind)
                .with_context(|| format!("holding streams through {}", kind.name()))?;
            slopes.push(kind, slope);
        }
    }
    let own = slopes.median(Kind::Sluicegate);
    let title = "Slope of resident memory from 1,000 to 9,000 streams";
    Ok(Section {
        title: "(d) Idle open streams",
        method: "HTTP/1.1 on both sides; each stream has had its first chunk and waits for the next.",
        tables: vec![per_kind::table(title, vec![slopes.row("KiB per stream")])],
        checks: vec![Check::at_most(
            "(d) memory per idle open stream",
            own,
            24.0,
            "KiB",
        )],
    })
}

fn kib_per_stream(lab: &Lab, kind: Kind) -> Result<f64> {
    let upstream = lab.upstream()?;
    let proxy = lab.setup(kind, &upstream)?.start()?;
    let server = proxy.server()?;
    let mut holder = Holder::start(lab, proxy.address)?;
    let mut points = Vec::new();
    for step in STEPS {
        holder.reach(step)?;
        thread::sleep(SETTLE);
        points.push((f64::from(step), server.rss_kib()?));
        holder.go_on()?;
    }
    Ok(slope(&points))
}

/// The process that holds the streams; see `hold` in the crate `bench`.
struct Holder {
    child: Child,
    orders: ChildStdin,
    reached: BufReader<ChildStdout>,
}

impl Holder {
    fn start(lab: &Lab, target: SocketAddr) -> Result<Self> {
        let mut command = lab.tool("hold");
        command.args(["--target", &target.to_string()]);
        command.args(["--steps", &STEPS.map(|step| step.to_string()).join(",")]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take().context("it has no standard input")?;
        let reached = child.stdout.take().context("it has no standard output")?;
        Ok(Self {
            child,
            orders,
            reached: BufReader::new(reached),
        })
    }

    /// Wait until it has this many streams.
    fn reach(&mut self, step: u32) -> Result<()> {
        let mut line = String::new();
        self.reached.read_line(&mut line)?;
        ensure!(
            line.trim() == step.to_string(),
            "{step} streams were not reached"
        );
        Ok(())
    }

    /// Let it open more, or end.
    fn go_on(&mut self) -> Result<()> {
        Ok(self.orders.write_all(b"\n")?)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing else to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
