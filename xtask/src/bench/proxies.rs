//! The processes of a measurement: started on free ports, pinned to a core, killed at the end.

use super::{LOAD_CORE, PROXY_CORE};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// What is loaded.
pub(super) struct Proxy {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    server: Option<Server>,
}

/// A process that listens; it is killed when this is dropped.
pub(super) struct Server {
    address: SocketAddr,
    child: Child,
}

impl Proxy {
    /// No proxy at all: the time that the load generator and the upstream take by themselves.
    pub(super) fn direct(upstream: &Server) -> Self {
        Self {
            name: "none",
            address: upstream.address,
            server: None,
        }
    }

    pub(super) fn envoy(
        binary: &Path,
        workspace: &Workspace,
        upstream: &Server,
        directory: &Path,
    ) -> Result<Self> {
        let address = free_address()?;
        let access_log = directory.join("envoy-access.log");
        let configuration = fs::read_to_string(workspace.root.join("bench/envoy.yaml"))?
            .replace("@LISTEN@", &address.port().to_string())
            .replace("@UPSTREAM@", &upstream.address.port().to_string())
            .replace("@ACCESS_LOG@", &access_log.to_string_lossy());
        let path = directory.join("envoy.yaml");
        fs::write(&path, configuration)?;
        let mut command = pinned(PROXY_CORE, binary);
        command.arg("--config-path").arg(path);
        command.args([
            "--concurrency",
            "1",
            "--use-dynamic-base-id",
            "--log-level",
            "error",
        ]);
        Self::start("Envoy", command, address, directory)
    }

    pub(super) fn sluicegate(binary: &Path, upstream: &Server, directory: &Path) -> Result<Self> {
        let address = free_address()?;
        let configuration = format!(
            "listeners:\n  - name: bench\n    address: {address}\n\
             pools:\n  - name: bench\n    models: [bench]\n    endpoints:\n      \
             - address: {}\n",
            upstream.address
        );
        let path = directory.join("sluicegate.yaml");
        fs::write(&path, configuration)?;
        let mut command = pinned(PROXY_CORE, binary);
        command.args(["run", "--threads", "1", "--log", "warn"]);
        command.arg("--config").arg(path);
        command.args(["--admin", &free_address()?.to_string()]);
        command
            .arg("--access-log")
            .arg(directory.join("sluicegate-access.log"));
        Self::start("Sluicegate", command, address, directory)
    }

    fn start(
        name: &'static str,
        command: Command,
        address: SocketAddr,
        directory: &Path,
    ) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let server = Server::start(command, address, &log)
            .with_context(|| format!("cannot start {name}, see {}", log.display()))?;
        Ok(Self {
            name,
            address,
            server: Some(server),
        })
    }

    /// CPU time of the process so far, in microseconds.
    pub(super) fn cpu_us(&self) -> Result<Option<f64>> {
        self.server.as_ref().map(Server::cpu_us).transpose()
    }
}

impl Server {
    pub(super) fn upstream(tools: &Path) -> Result<Self> {
        let address = free_address()?;
        let mut command = pinned(LOAD_CORE, tools);
        command.args(["upstream", "--port", &address.port().to_string()]);
        Self::start(command, address, Path::new("/dev/null")).context("cannot start the upstream")
    }

    fn start(mut command: Command, address: SocketAddr, log: &Path) -> Result<Self> {
        let log = File::create(log)?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut server = Self {
            address,
            child: command.spawn()?,
        };
        for _ in 0..200 {
            if TcpStream::connect(address).is_ok() {
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("it ended at once: {status}");
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("it does not listen on {address} after 10 s")
    }

    /// User and system time of all its threads, from `/proc/PID/stat` (proc(5): fields 14 and 15,
    /// in ticks of 10 ms). `taskset` replaces itself by the program, so the child is the program.
    fn cpu_us(&self) -> Result<f64> {
        const US_PER_TICK: f64 = 10_000.0;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, rest) = stat
            .rsplit_once(") ")
            .context("unexpected form of /proc/PID/stat")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let ticks = |number: usize| -> Result<f64> {
            Ok(fields
                .get(number - 3)
                .context("/proc/PID/stat is too short")?
                .parse()?)
        };
        Ok((ticks(14)? + ticks(15)?) * US_PER_TICK)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing else to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command on one core (util-linux `taskset`).
pub(super) fn pinned(core: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", core]).arg(program);
    command
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
