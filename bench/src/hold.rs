//! Streams that are opened and then left alone, so that the memory they take can be read.
//!
//! Whoever reads it is told when a step is reached by a line on standard output, and asks for the
//! next by a line on standard input; at the end of standard input all streams are dropped.

use crate::{
    answer::Answer,
    client::{Prompt, connect},
};
use anyhow::{Context, Result, ensure};
use http_body_util::BodyExt;
use hyper::{Response, StatusCode, body::Incoming};
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::timeout,
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Address of the proxy
    #[arg(long)]
    target: SocketAddr,
    /// Model to ask for
    #[arg(long, default_value = "bench")]
    model: String,
    /// Numbers of open streams to stop at, rising
    #[arg(long, value_delimiter = ',', required = true)]
    steps: Vec<usize>,
}

/// Longest time to the first chunk of a stream.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of each request.
const PROMPT_BYTES: usize = 1500;

/// Open the streams step by step.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Arguments {
        target,
        model,
        steps,
    } = arguments;
    let prompt = Prompt::new(target, &model, PROMPT_BYTES, Answer::Held)?;
    let mut connections = JoinSet::new();
    let mut streams = Vec::new();
    for step in steps {
        while streams.len() < step {
            let stream = timeout(OPEN_TIMEOUT, open(target, &prompt, &mut connections))
                .await
                .context("no first chunk in time")
                .flatten()
                .with_context(|| format!("opening stream {}", streams.len() + 1))?;
            streams.push(stream);
        }
        println!("{step}");
        spawn_blocking(|| io::stdin().read_line(&mut String::new())).await??;
    }
    Ok(())
}

/// A stream whose first chunk has come.
async fn open(
    target: SocketAddr,
    prompt: &Prompt,
    connections: &mut JoinSet<hyper::Result<()>>,
) -> Result<Response<Incoming>> {
    let (mut sender, driver) = connect(target).await?;
    connections.spawn(driver);
    let mut response = sender.send_request(prompt.request()?).await?;
    ensure!(
        response.status() == StatusCode::OK,
        "answered {}",
        response.status()
    );
    response.frame().await.context("the stream is empty")??;
    Ok(response)
}
