//! Where measurements happen: the programs, the cores they run on, the files they write.

use super::{
    OverheadArguments,
    configuration::{self, Fleet},
    machine::{self, Conditions},
    server::{Server, free_address},
};
use crate::{
    process, python,
    workspace::{Profile, Workspace},
};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

/// The core of the proxy under test.
const PROXY_CORE: &str = "0";

/// The core of everything else.
const LOAD_CORE: &str = "1";

/// Open files that a process may have: two sockets for each of 9,000 streams, and some to spare.
const OPEN_FILES: u32 = 19_000;

const NGINX_HELP: &str = "nginx is measured beside Sluicegate and is not there: install it \
                          (Debian: apt-get install nginx-light)";

const CORES_HELP: &str = "measurements need two cores, Linux and util-linux, whose taskset puts \
                          processes on cores 0 and 1";

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Sluicegate,
    Envoy,
    Nginx,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Sluicegate, Self::Envoy, Self::Nginx];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sluicegate => "Sluicegate",
            Self::Envoy => "Envoy",
            Self::Nginx => "nginx",
        }
    }
}

/// Name of no proxy at all: what the load generator and the upstream take by themselves.
pub(super) const DIRECT: &str = "direct";

/// What is loaded.
pub(super) struct Proxy {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    /// None where there is no proxy.
    pub(super) server: Option<Server>,
}

impl Proxy {
    /// No proxy at all.
    pub(super) fn direct(upstream: &Server) -> Self {
        Self {
            name: DIRECT,
            address: upstream.address,
            server: None,
        }
    }

    /// The process.
    pub(super) fn server(&self) -> Result<&Server> {
        let server = self.server.as_ref();
        server.with_context(|| format!("{} has no process", self.name))
    }
}

/// A proxy that is ready to be started.
pub(super) struct Setup {
    pub(super) configuration: PathBuf,
    name: &'static str,
    address: SocketAddr,
    command: Command,
    log: PathBuf,
}

impl Setup {
    /// Start it and wait until it listens.
    pub(super) fn start(self) -> Result<Proxy> {
        self.launch(Server::start)
    }

    /// Start it without waiting.
    pub(super) fn spawn(self) -> Result<Proxy> {
        self.launch(Server::spawn)
    }

    fn launch(self, how: fn(Command, SocketAddr, &Path) -> Result<Server>) -> Result<Proxy> {
        let server = how(self.command, self.address, &self.log)
            .with_context(|| format!("cannot start {}, see {}", self.name, self.log.display()))?;
        Ok(Proxy {
            name: self.name,
            address: self.address,
            server: Some(server),
        })
    }
}

/// The programs, and what is measured with them.
pub(super) struct Lab {
    pub(super) rotations: u32,
    pub(super) seconds: u32,
    root: PathBuf,
    directory: PathBuf,
    tools: PathBuf,
    sluicegate: PathBuf,
    envoy: PathBuf,
    nginx: PathBuf,
}

impl Lab {
    /// Build and find the programs, and move to the core for load.
    pub(super) fn prepare(workspace: &Workspace, arguments: &OverheadArguments) -> Result<Self> {
        let program = |name: &str| -> Result<PathBuf> {
            let path = workspace.target.join("release").join(name);
            if !arguments.no_build {
                workspace.build(name, Profile::Release)?;
            }
            ensure!(path.exists(), "{} has not been built yet", path.display());
            Ok(path)
        };
        let requirements = workspace.root.join("bench/requirements.txt");
        let venv = python::environment(&workspace.target.join("venv-bench"), &requirements)?;
        let directory = workspace.target.join("bench");
        fs::create_dir_all(&directory)?;
        let lab = Self {
            rotations: arguments.rotations,
            seconds: arguments.seconds,
            root: workspace.root.clone(),
            directory,
            tools: program("bench")?,
            sluicegate: program("sluicegate")?,
            envoy: venv.program("envoy"),
            nginx: find_nginx()?,
        };
        allow_open_files()?;
        move_to_load_core()?;
        Ok(lab)
    }

    /// The circumstances of this run.
    pub(super) fn conditions(&self) -> Result<Conditions> {
        Ok(Conditions {
            rotations: self.rotations,
            seconds: self.seconds,
            date: machine::date()?,
            machine: machine::describe()?,
            commit: machine::commit(&self.root)?,
            envoy: machine::envoy_version(&self.envoy)?,
            nginx: machine::nginx_version(&self.nginx)?,
        })
    }

    /// A program of the crate `bench`.
    pub(super) fn tool(&self, role: &str) -> Command {
        let mut command = Command::new(&self.tools);
        command.arg(role);
        command
    }

    /// An upstream that answers everything.
    pub(super) fn upstream(&self) -> Result<Server> {
        self.upstream_with_status("200")
    }

    /// An upstream that answers with an error of this status.
    pub(super) fn upstream_with_status(&self, status: &str) -> Result<Server> {
        let address = free_address()?;
        let mut command = self.tool("upstream");
        command.args(["--port", &address.port().to_string(), "--status", status]);
        Server::start(command, address, &self.directory.join("upstream.log"))
            .context("cannot start the upstream")
    }

    /// No proxy and every proxy, started, in front of one upstream.
    pub(super) fn side_by_side(&self, upstream: &Server) -> Result<Vec<Proxy>> {
        let mut proxies = vec![Proxy::direct(upstream)];
        for kind in Kind::ALL {
            proxies.push(self.setup(kind, upstream)?.start()?);
        }
        Ok(proxies)
    }

    /// A proxy in front of one upstream.
    pub(super) fn setup(&self, kind: Kind, upstream: &Server) -> Result<Setup> {
        match kind {
            Kind::Sluicegate => {
                let endpoints = &[upstream.address];
                let fleet = Fleet {
                    endpoints,
                    policies: &[],
                    routes: &[],
                };
                self.sluicegate(kind.name(), &fleet)
            }
            Kind::Envoy => {
                let (mut setup, configuration) =
                    self.templated(kind, &self.envoy, "bench/envoy.yaml", upstream)?;
                setup.command.arg("--config-path").arg(configuration);
                let options = [
                    "--concurrency",
                    "1",
                    "--use-dynamic-base-id",
                    "--log-level",
                    "error",
                ];
                setup.command.args(options);
                Ok(setup)
            }
            Kind::Nginx => {
                let (mut setup, configuration) =
                    self.templated(kind, &self.nginx, "bench/nginx.conf", upstream)?;
                setup.command.arg("-c").arg(configuration);
                setup.command.arg("-p").arg(&self.directory);
                // Without it the compiled-in error log is opened until the configuration is read.
                setup.command.arg("-e").arg(&setup.log);
                Ok(setup)
            }
        }
    }

    /// Sluicegate in front of a fleet, with its access log and metrics on.
    pub(super) fn sluicegate(&self, name: &'static str, fleet: &Fleet<'_>) -> Result<Setup> {
        let (mut setup, access_log) = self.blank(name, &self.sluicegate)?;
        fs::write(
            &setup.configuration,
            configuration::sluicegate(setup.address, fleet),
        )?;
        setup
            .command
            .args(["run", "--threads", "1", "--log", "warn"]);
        setup.command.arg("--config").arg(&setup.configuration);
        setup
            .command
            .args(["--admin", &free_address()?.to_string()]);
        setup.command.arg("--access-log").arg(access_log);
        Ok(setup)
    }

    fn templated(
        &self,
        kind: Kind,
        program: &Path,
        template: &str,
        upstream: &Server,
    ) -> Result<(Setup, PathBuf)> {
        let (setup, access_log) = self.blank(kind.name(), program)?;
        let files = configuration::Files {
            directory: &self.directory,
            access_log: &access_log,
        };
        let template = self.root.join(template);
        let text =
            configuration::from_template(&template, setup.address, upstream.address, &files)?;
        fs::write(&setup.configuration, text)?;
        let configuration = setup.configuration.clone();
        Ok((setup, configuration))
    }

    /// A program on the proxy's core, with names for its files and no access log yet.
    fn blank(&self, name: &'static str, program: &Path) -> Result<(Setup, PathBuf)> {
        let stem = name.to_lowercase().replace([' ', ','], "-");
        // Not beside the configuration, whose directory Sluicegate watches.
        let logs = self.directory.join("logs");
        fs::create_dir_all(&logs)?;
        let access_log = logs.join(format!("{stem}-access.log"));
        if access_log.exists() {
            fs::remove_file(&access_log)?;
        }
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", PROXY_CORE]).arg(program);
        let setup = Setup {
            configuration: self.directory.join(format!("{stem}.yaml")),
            name,
            address: free_address()?,
            command,
            log: logs.join(format!("{stem}.log")),
        };
        Ok((setup, access_log))
    }
}

/// `nginx`, which Debian puts where only root's search path leads.
fn find_nginx() -> Result<PathBuf> {
    let directories = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&directories)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|directory| directory.join("nginx"))
        .find(|path| path.is_file())
        .context(NGINX_HELP)
}

/// Let this process, and so its children, open enough files.
fn allow_open_files() -> Result<()> {
    let own = std::process::id().to_string();
    let limit = |limits: String| {
        let mut command = Command::new("prlimit");
        process::output(command.args(["--pid", &own, &format!("--nofile={limits}")]))
    };
    // The soft limit alone where the hard one allows it; root may raise both.
    limit(format!("{OPEN_FILES}:"))
        .or_else(|_| limit(format!("{OPEN_FILES}:{OPEN_FILES}")))
        .with_context(|| {
            format!("idle streams need {OPEN_FILES} open files: raise the hard limit (ulimit -Hn)")
        })?;
    Ok(())
}

/// Move this process, and so the children that are not told otherwise, to the core for load.
fn move_to_load_core() -> Result<()> {
    let own = std::process::id().to_string();
    let options = ["--all-tasks", "--cpu-list", "--pid", LOAD_CORE, &own];
    process::output(Command::new("taskset").args(options)).context(CORES_HELP)?;
    Ok(())
}
