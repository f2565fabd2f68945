//! `sluicegate run`: serve a configuration and follow its changes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use gateway::{Config, Gateway, Variables};
use net::drain::{DrainConfig, Outcome};
use net::tasks::Tasks;
use source::{Environment, Source, State};
use telemetry::AccessLog;
use tokio::sync::watch;

use crate::args::Run;
use crate::process::{self, Asked, Runtimes, Signals, VERSION};

/// How long the last access log lines may take to be written.
const LOG_DEADLINE: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &Run) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.drain_delay <= args.drain_deadline,
        "--drain-delay is longer than --drain-deadline: requests would be cut before the listeners \
         close; give a deadline of at least {:?}",
        args.drain_delay
    );
    process::log_to_stderr(&args.log)?;
    let environment = Environment::of_process();
    let of_clouds = environment.clone();
    let source = match &args.config {
        Some(path) => Source::open(path, environment),
        None => Source::from_environment(environment, args.port),
    };
    let (states, watcher) = source::watch(source)
        .map_err(|refused| anyhow::anyhow!("the configuration is not valid\n\n{refused}"))?;
    let access_log = process::access_log(&args.access_log)?;
    let runtimes = Runtimes::start(args.threads)?;
    let config = Config {
        data: runtimes.data.handle().clone(),
        control: runtimes.control.handle().clone(),
        admin: Some(args.admin),
        drain: DrainConfig {
            delay: args.drain_delay,
            deadline: args.drain_deadline,
        },
        body_memory: args.body_memory,
        access_log: access_log.clone(),
        variables: Variables::new(move |name| of_clouds.get(name).map(str::to_owned)),
        fetches_from: gateway::is_public,
        version: VERSION,
    };
    let upkeep = Tasks::on(runtimes.control.handle().clone());
    upkeep.spawn("watch configuration", watcher.run());
    let served = runtimes
        .control
        .block_on(serve(config, states, access_log.as_deref()));
    upkeep.abort_all();
    if let Some(log) = access_log
        && !log.close(LOG_DEADLINE)
    {
        tracing::warn!("some access log lines could not be written in time");
    }
    served
}

/// Serves until a signal asks to end, then drains. A second signal ends at once.
async fn serve(
    config: Config,
    mut states: watch::Receiver<State>,
    access_log: Option<&AccessLog>,
) -> anyhow::Result<()> {
    let mut signals = Signals::catch().context("signals cannot be caught")?;
    let first = Arc::clone(&states.borrow_and_update().loaded.snapshot);
    let gateway = Gateway::start(config, first).await?;
    if let Some(admin) = gateway.admin_addr() {
        tracing::info!(%admin, "ready");
    }
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop => break,
                Asked::Reopen => if let Some(log) = access_log { log.reopen() },
            },
            Ok(()) = states.changed() => {
                let state = states.borrow_and_update().clone();
                follow(&gateway, &state).await;
            }
        }
    }
    tracing::info!("draining; another signal ends at once");
    tokio::select! {
        outcome = gateway.drain() => {
            if let Outcome::Aborted { tasks } = outcome {
                tracing::warn!(tasks, "drain deadline reached; what was left is cut");
            }
            Ok(())
        }
        () = signals.stop() => anyhow::bail!("ended before the drain was over"),
    }
}

/// Takes a changed configuration, or says why not. What is not valid never gets here; the watcher
/// has said why.
async fn follow(gateway: &Gateway, state: &State) {
    if state.refused.is_some() {
        gateway.refused();
        return;
    }
    let began = tokio::time::Instant::now();
    match gateway.apply(Arc::clone(&state.loaded.snapshot)).await {
        Ok(()) => tracing::info!(
            generation = state.generation,
            files = state.loaded.files,
            hash = format!("{:016x}", state.loaded.hash),
            took = ?began.elapsed(),
            "configuration applied"
        ),
        Err(error) => {
            tracing::error!(%error, "the changed configuration cannot be served; the one before stays");
        }
    }
}
