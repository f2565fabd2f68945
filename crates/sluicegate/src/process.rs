//! What the long-running commands share: runtimes, signals, logs.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use telemetry::{AccessLog, AccessLogConfig, LogTarget};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The version, and the revision it was built from where that is known.
pub(crate) const VERSION: (&str, &str) = (
    env!("CARGO_PKG_VERSION"),
    match option_env!("SLUICEGATE_REVISION") {
        Some(revision) => revision,
        None => "unknown",
    },
);

/// One runtime for traffic and a small one for everything else, so that health, metrics and
/// reloads answer while traffic takes all it can get.
pub(crate) struct Runtimes {
    pub(crate) data: Runtime,
    pub(crate) control: Runtime,
}

impl Runtimes {
    /// Starts both; `threads` carry traffic, as many as there are processors by default.
    ///
    /// A proxy needs two file descriptors a request, and the usual soft limit of 1,024 was made for
    /// programs that use `select`; so the limit is raised as far as the system allows.
    pub(crate) fn start(threads: Option<u16>) -> anyhow::Result<Self> {
        match rlimit::increase_nofile_limit(u64::MAX) {
            Ok(limit) => tracing::debug!(limit, "open files"),
            Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
        }
        let mut data = Builder::new_multi_thread();
        data.enable_all().thread_name("data");
        if let Some(threads) = threads {
            data.worker_threads(usize::from(threads));
        }
        let mut control = Builder::new_multi_thread();
        control
            .enable_all()
            .worker_threads(1)
            .thread_name("control");
        Ok(Self {
            data: data
                .build()
                .context("the runtime for traffic does not start")?,
            control: control
                .build()
                .context("the runtime for control does not start")?,
        })
    }
}

/// The signals that a server obeys.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
pub(crate) enum Asked {
    /// To end.
    Stop,
    /// To open the access log again.
    Reopen,
}

impl Signals {
    /// From now on signals are obeyed instead of ending the process.
    pub(crate) fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reopen,
        }
    }

    /// Waits until the process is asked to end.
    pub(crate) async fn stop(&mut self) {
        while let Asked::Reopen = self.next().await {}
    }
}

/// Says on standard error what the program does, as far as `filter` lets through.
///
/// But never what the file watcher notices: standard error may be a file beside the configuration,
/// and each line would be a change to be noticed, and told in a line.
pub(crate) fn log_to_stderr(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).with_context(|| {
        format!("`{filter}` is no log filter; write `info` or `info,net=debug`")
    })?;
    let filter = filter.add_directive("notify=info".parse()?);
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours);
    log.with_writer(std::io::stderr).init();
    Ok(())
}

/// Starts the access log that `--access-log` names.
pub(crate) fn access_log(target: &str) -> anyhow::Result<Option<Arc<AccessLog>>> {
    let target = match target {
        "off" => return Ok(None),
        "stdout" => LogTarget::Stdout,
        "stderr" => LogTarget::Stderr,
        file => LogTarget::File(PathBuf::from(file)),
    };
    let config = AccessLogConfig {
        target,
        ..AccessLogConfig::default()
    };
    Ok(Some(Arc::new(AccessLog::start(&config)?)))
}
