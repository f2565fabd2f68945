//! `sluicegate demo`: the gateway at work, with nothing else installed.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use engine_server::{EngineConfig, EngineServer};
use gateway::{Config, Gateway, Variables};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request};
use http_body_util::BodyExt;
use llm::sse::Decoder;
use mesh::Snapshot;
use net::body::Body;
use net::drain::DrainConfig;
use net::pool::{Pool, PoolConfig, Protocol, Target};
use net::tasks::Tasks;
use serde_json::{Value, json};

use crate::args::Demo;
use crate::engine::profile;
use crate::process::{self, Runtimes, Signals, VERSION};

const PROFILE: &str = "llama-3.1-8b-h100";
const MODEL: &str = "llama-3.1-8b";
const QUESTION: &str = "What does a sluice gate do?";

pub(crate) fn demo(args: &Demo) -> anyhow::Result<()> {
    process::log_to_stderr("warn")?;
    let runtimes = Runtimes::start(None)?;
    let config = Config {
        data: runtimes.data.handle().clone(),
        control: runtimes.control.handle().clone(),
        admin: Some(args.admin),
        drain: DrainConfig {
            delay: Duration::ZERO,
            deadline: Duration::from_secs(10),
        },
        body_memory: 1 << 30,
        access_log: None,
        variables: Variables::default(),
        fetches_from: gateway::is_public,
        version: VERSION,
    };
    runtimes.data.block_on(show(args, config))
}

async fn show(args: &Demo, config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::catch().context("signals cannot be caught")?;
    let fleet = start_fleet(args.replicas).await?;
    let document = document(args.listen, &fleet);
    let snapshot = compile(&document)?;
    let gateway = Gateway::start(config, snapshot).await?;
    let address = gateway.local_addr("demo").unwrap_or(args.listen);
    let admin = gateway.admin_addr().unwrap_or(args.admin);
    introduce(&document, address, admin);
    ask(address).await?;
    if !args.once {
        println!("\nServing until Ctrl-C.");
        signals.stop().await;
        println!("Draining.");
    }
    gateway.drain().await;
    for replica in fleet {
        replica.shutdown().await;
    }
    Ok(())
}

async fn start_fleet(replicas: u16) -> anyhow::Result<Vec<EngineServer>> {
    let mut fleet = Vec::new();
    for seed in 0..replicas {
        let mut config = EngineConfig::new(profile(PROFILE)?);
        config.model = MODEL.to_owned();
        config.seed = u64::from(seed);
        fleet.push(
            EngineServer::start(config)
                .await
                .context("no simulated replica starts")?,
        );
    }
    Ok(fleet)
}

/// The configuration that the demo runs on, as one would write it.
fn document(listen: SocketAddr, fleet: &[EngineServer]) -> String {
    let mut text = format!(
        "listeners:\n  - name: demo\n    address: \"{listen}\"\n    exposeEndpoint: true\n\
         pools:\n  - name: fleet\n    models: [{MODEL}]\n    healthCheck: {{ path: /health }}\n\
         \x20   endpoints:\n"
    );
    for (index, replica) in fleet.iter().enumerate() {
        let address = replica.addr();
        text.push_str(&format!(
            "      - {{ name: gpu-{index}, address: \"{address}\" }}\n"
        ));
    }
    text
}

fn compile(document: &str) -> anyhow::Result<Arc<Snapshot>> {
    let files = [manifests::File::new("demo.yaml", document)];
    let read = manifests::read(&files).map_err(|problems| match problems.first() {
        Some(problem) => anyhow::anyhow!("{problem}"),
        None => anyhow::anyhow!("the demo's configuration is not valid"),
    })?;
    let snapshot = Snapshot::compile(&read.resources, &mesh::resources::Secrets::default());
    snapshot
        .map(Arc::new)
        .map_err(|violations| match violations.first() {
            Some(violation) => anyhow::anyhow!("{}", read.origins.locate(violation)),
            None => anyhow::anyhow!("the demo's configuration is not valid"),
        })
}

fn introduce(document: &str, address: SocketAddr, admin: SocketAddr) {
    println!(
        "Sluicegate {} listens on http://{address}, admin on http://{admin}",
        VERSION.0
    );
    println!("\nIts configuration:\n\n{}", indented(document));
    println!(
        "Routes: any request for the model {MODEL} goes to the pool fleet, least requests first."
    );
    println!("\nWith curl:\n");
    println!(
        "    curl -N http://{address}/v1/chat/completions -H 'content-type: application/json' \\"
    );
    println!(
        "      -d '{{\"model\": \"{MODEL}\", \"stream\": true, \
         \"messages\": [{{\"role\": \"user\", \"content\": \"{QUESTION}\"}}]}}'"
    );
    println!("\nWith the openai package for Python:\n");
    println!("    from openai import OpenAI");
    println!("    client = OpenAI(base_url=\"http://{address}/v1\", api_key=\"none\")");
    println!("    messages = [{{\"role\": \"user\", \"content\": \"{QUESTION}\"}}]");
    println!(
        "    for chunk in client.chat.completions.create(model=\"{MODEL}\", messages=messages, stream=True):"
    );
    println!("        print(chunk.choices[0].delta.content or \"\", end=\"\", flush=True)");
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// Sends one streamed chat completion through the gateway and shows it arriving.
async fn ask(address: SocketAddr) -> anyhow::Result<()> {
    println!("\nAsking through the gateway: {QUESTION}\n");
    let body = json!({
        "model": MODEL,
        "stream": true,
        "max_tokens": 48,
        "messages": [{ "role": "user", "content": QUESTION }],
    });
    let mut request = Request::new(Body::from(Bytes::from(body.to_string())));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = "/v1/chat/completions".parse()?;
    let json = HeaderValue::from_static(llm::CONTENT_TYPE_JSON);
    request.headers_mut().insert(CONTENT_TYPE, json);
    let pool = Pool::new(PoolConfig::default(), Tasks::new());
    let target = Target::new(address.into(), Protocol::Http1, None);
    let response = pool.send(&target, request, Duration::from_secs(5)).await?;
    let (head, mut body) = response.into_parts();
    let mut decoder = Decoder::new(1 << 20);
    print!("    ");
    while let Some(frame) = body.frame().await {
        if let Ok(chunk) = frame?.into_data() {
            print_deltas(&mut decoder, chunk)?;
        }
    }
    println!("\n");
    for name in [
        "x-sluicegate-endpoint",
        "x-sluicegate-attempts",
        "x-sluicegate-overhead-ms",
    ] {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        println!("    {name}: {}", value.unwrap_or("-"));
    }
    anyhow::ensure!(head.status.is_success(), "the answer was {}", head.status);
    Ok(())
}

fn print_deltas(decoder: &mut Decoder, chunk: Bytes) -> anyhow::Result<()> {
    decoder.push(chunk);
    while let Some(frame) = decoder.next_frame()? {
        let event: Option<Value> = frame
            .data()
            .and_then(|data| serde_json::from_slice(&data).ok());
        let text = event
            .as_ref()
            .and_then(|event| event.pointer("/choices/0/delta/content"));
        if let Some(text) = text.and_then(Value::as_str) {
            print!("{text}");
            std::io::stdout().flush()?;
        }
    }
    Ok(())
}
