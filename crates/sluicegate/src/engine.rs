//! `sluicegate engine`: simulated vLLM replicas, alone.

use std::net::SocketAddr;

use anyhow::Context;
use engine::Profile;
use engine_server::{EngineConfig, EngineServer};

use crate::args::Engine;
use crate::process::{self, Runtimes, Signals};

pub(crate) fn engine(args: &Engine) -> anyhow::Result<()> {
    if args.profile == "list" {
        list();
        return Ok(());
    }
    process::log_to_stderr("info")?;
    let profile = profile(&args.profile)?;
    let runtimes = Runtimes::start(None)?;
    runtimes.data.block_on(async {
        let mut signals = Signals::catch()?;
        let mut replicas = Vec::new();
        for index in 0..args.replicas {
            let replica = start(args, profile.clone(), index).await?;
            println!("http://{} serves {}", replica.addr(), model(args, &profile));
            replicas.push(replica);
        }
        signals.stop().await;
        for replica in replicas {
            replica.shutdown().await;
        }
        Ok(())
    })
}

async fn start(args: &Engine, profile: Profile, index: u16) -> anyhow::Result<EngineServer> {
    let port = match args.port {
        0 => 0,
        first => first
            .checked_add(index)
            .context("the replicas' ports go beyond 65535")?,
    };
    let mut config = EngineConfig::new(profile);
    config.listen = SocketAddr::new(args.host, port);
    config.speed = args.speed;
    config.seed = args.seed.wrapping_add(u64::from(index));
    if let Some(model) = &args.model {
        config.model.clone_from(model);
    }
    let listen = config.listen;
    EngineServer::start(config)
        .await
        .with_context(|| format!("no replica starts on {listen}"))
}

fn model<'a>(args: &'a Engine, profile: &'a Profile) -> &'a str {
    args.model.as_deref().unwrap_or(profile.model)
}

/// The profile of this name.
pub(crate) fn profile(name: &str) -> anyhow::Result<Profile> {
    Profile::named(name).with_context(|| {
        format!(
            "there is no profile `{name}`; there are {}",
            Profile::NAMES.join(", ")
        )
    })
}

fn list() {
    for profile in Profile::NAMES.into_iter().filter_map(Profile::named) {
        println!(
            "{}\n    {} on {}; {} KV tokens, {} sequences, {} tokens a step; context {}\n    {}\n",
            profile.name,
            profile.model,
            profile.gpu,
            profile.kv_tokens,
            profile.max_num_seqs,
            profile.max_num_batched_tokens,
            profile.max_model_len,
            profile.source,
        );
    }
}
