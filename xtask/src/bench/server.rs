//! A process that is measured or measured against: started, asked of the operating system what it
//! has used, killed at the end.

use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A process that listens; it is killed when this is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    child: Child,
}

/// How long a server may take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(10);

impl Server {
    /// Start it without waiting until it listens.
    pub(super) fn spawn(mut command: Command, address: SocketAddr, log: &Path) -> Result<Self> {
        let log = File::create(log)?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command.spawn()?;
        Ok(Self { address, child })
    }

    /// Start it and wait until it listens.
    pub(super) fn start(command: Command, address: SocketAddr, log: &Path) -> Result<Self> {
        let mut server = Self::spawn(command, address, log)?;
        let began = now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("it ended at once: {status}");
            }
            if began.elapsed() > START_TIMEOUT {
                bail!("it does not listen on {address} after {START_TIMEOUT:?}");
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// User and system time of all its threads so far, in microseconds.
    pub(super) fn cpu_us(&self) -> Result<f64> {
        cpu_us(&self.proc("stat")?).context("unexpected form of /proc/PID/stat")
    }

    /// Resident memory now, in KiB.
    pub(super) fn rss_kib(&self) -> Result<f64> {
        self.status("VmRSS")
    }

    /// The most resident memory there has been, in KiB.
    pub(super) fn peak_rss_kib(&self) -> Result<f64> {
        self.status("VmHWM")
    }

    /// How many files, sockets among them, it has open.
    pub(super) fn open_files(&self) -> Result<f64> {
        let path = format!("/proc/{}/fd", self.child.id());
        let files = fs::read_dir(&path).with_context(|| format!("cannot read {path}"))?;
        Ok(files.count() as f64)
    }

    fn status(&self, field: &str) -> Result<f64> {
        status_kib(&self.proc("status")?, field)
            .with_context(|| format!("no {field} in /proc/PID/status"))
    }

    /// `taskset` replaces itself by the program, so the child is the program.
    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing else to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fields 14 and 15 of `/proc/PID/stat` (proc(5)), which are in ticks of 10 ms.
fn cpu_us(stat: &str) -> Option<f64> {
    const US_PER_TICK: f64 = 10_000.0;
    // The second field, the program's name in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace().skip(14 - 3);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) * US_PER_TICK)
}

/// A field of `/proc/PID/status` (proc(5)) in its unit `kB`, which means KiB.
fn status_kib(status: &str, field: &str) -> Option<f64> {
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}

/// An address that nothing listens on.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[expect(
    clippy::disallowed_methods,
    reason = "processes are measured in real time"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::{cpu_us, status_kib};

    #[test]
    fn cpu_times() {
        let check = |stat: &str, expected| assert_eq!(cpu_us(stat), expected);
        let fields = "S 1 2 3 4 5 6 7 8 9 10 250 50 11 12";
        check(&format!("17 (nginx) {fields}"), Some(3_000_000.0));
        check(&format!("17 (a) b) {fields}"), Some(3_000_000.0));
        check("17 (nginx) S 1 2 3", None);
    }

    #[test]
    fn memory() {
        let status = "Name:\tnginx\nVmHWM:\t    9000 kB\nVmRSS:\t    8192 kB\nThreads:\t1\n";
        let check = |field, expected| assert_eq!(status_kib(status, field), expected);
        check("VmRSS", Some(8192.0));
        check("VmHWM", Some(9000.0));
        check("VmSwap", None);
        check("Threads", None);
    }
}
