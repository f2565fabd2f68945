//! The files under `examples/`: each is valid as it stands, and serves what its comment promises.
//!
//! They are served with their addresses replaced by those of engines that a test has started, and
//! with nothing else changed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use engine_server::{Errors, FaultSpec};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::client::{chat, get, once};
use crate::process::{Gateway, engine, run_with};
use crate::tls::Authority;
use crate::upstream::{Upstream, answer};

const KEY: (&str, &str) = ("OPENAI_API_KEY", "sk-of-the-examples");

const TESTED: [&str; 6] = [
    "canary.yaml",
    "fallback.yaml",
    "one-provider.yaml",
    "own-fleet.yaml",
    "plain-http.yaml",
    "tls.yaml",
];

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// An example with some of its texts replaced, each of which must be there.
fn example(name: &str, replaced: &[(&str, String)]) -> String {
    let mut text = std::fs::read_to_string(directory().join(name)).unwrap();
    for (from, to) in replaced {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    text
}

/// Serves an example on a free address.
async fn serve(name: &str, replaced: &[(&str, String)]) -> Gateway {
    let listen = ("127.0.0.1:8080", "LISTEN".to_owned());
    let config = example(name, &[&[listen], replaced].concat());
    Gateway::start_in(&config, &[], &[KEY]).await
}

fn to(from: &'static str, address: SocketAddr) -> (&'static str, String) {
    (from, address.to_string())
}

#[test]
fn every_example_is_tested_here() {
    let there: BTreeSet<String> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, TESTED.iter().map(ToString::to_string).collect());
}

#[test]
fn every_example_is_valid_as_it_stands() {
    for name in TESTED {
        let file = directory().join(name);
        let (out, err, status) = run_with(&["check", "-c", file.to_str().unwrap()], &[KEY]);
        assert!(status.success(), "{name}: {err}");
        assert!(out.contains(" is valid: 1 listeners, "), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_provider_serves_its_models_to_this_machine() {
    let upstream = engine("gpt-5-mini", 1000.0).await;
    let base_url = (
        "https://api.openai.com/v1",
        format!("http://{}/v1", upstream.addr()),
    );
    let gateway = serve("one-provider.yaml", &[base_url]).await;
    assert_eq!(
        once(gateway.address, chat("gpt-5-mini", true, 3))
            .await
            .status,
        200
    );
    assert_eq!(
        once(gateway.address, chat("gpt-4", true, 3)).await.status,
        404
    );
    let list = once(gateway.address, get("/v1/models")).await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), 3, "{list}");
    let mut rebound = get("/v1/models");
    rebound
        .headers_mut()
        .insert("host", "rebound.example.com".parse().unwrap());
    assert_eq!(once(gateway.address, rebound).await.status, 421);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_of_ones_own_shares_the_work() {
    let mut engines = Vec::new();
    for _ in 0..4 {
        engines.push(engine("qwen3-32b", 1000.0).await);
    }
    let ports = [
        "127.0.0.1:8100",
        "127.0.0.1:8101",
        "127.0.0.1:8102",
        "127.0.0.1:8103",
    ];
    let replaced: Vec<_> = ports
        .into_iter()
        .zip(&engines)
        .map(|(port, engine)| to(port, engine.addr()))
        .collect();
    let gateway = serve("own-fleet.yaml", &replaced).await;
    for _ in 0..40 {
        assert_eq!(
            once(gateway.address, chat("qwen3-32b", false, 1))
                .await
                .status,
            200
        );
    }
    for endpoint in gateway.endpoints().await {
        assert!(
            endpoint["name"].as_str().unwrap().starts_with("gpu-"),
            "{endpoint}"
        );
        assert!(endpoint["requests"].as_u64().unwrap() > 0, "{endpoint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_takes_over_when_the_provider_cannot_serve() {
    let provider = engine("gpt-5-mini", 1000.0).await;
    let fleet = [
        engine("llama-3.1-8b", 1000.0).await,
        engine("llama-3.1-8b", 1000.0).await,
    ];
    let replaced = [
        (
            "https://api.openai.com/v1",
            format!("http://{}/v1", provider.addr()),
        ),
        to("127.0.0.1:8100", fleet[0].addr()),
        to("127.0.0.1:8101", fleet[1].addr()),
    ];
    let gateway = serve("fallback.yaml", &replaced).await;
    let served = async || {
        let got = once(gateway.address, chat("assistant", false, 1)).await;
        assert_eq!(got.status, 200, "{}", got.text());
        got.json()["model"].as_str().unwrap().to_owned()
    };
    assert_eq!(served().await, "gpt-5-mini");
    let errors = Errors {
        rate: 1.0,
        status: 429,
        retry_after: Some(60),
    };
    provider.faults().replace(FaultSpec {
        errors: Some(errors),
        ..FaultSpec::default()
    });
    assert_eq!(served().await, "llama-3.1-8b");
    provider.faults().clear();
    assert_eq!(served().await, "gpt-5-mini");
    provider.kill().await;
    assert_eq!(served().await, "llama-3.1-8b");
}

#[tokio::test(flavor = "multi_thread")]
async fn testers_reach_the_canary_and_a_few_others_do() {
    let (stable, canary) = (
        engine("llama-3.1-8b", 1000.0).await,
        engine("llama-3.1-8b", 1000.0).await,
    );
    let replaced = [
        to("127.0.0.1:8100", stable.addr()),
        to("127.0.0.1:8101", canary.addr()),
    ];
    let gateway = serve("canary.yaml", &replaced).await;
    let asked = async || {
        let endpoints = gateway.endpoints().await;
        endpoints
            .iter()
            .map(|one| one["requests"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    for _ in 0..5 {
        let mut tester = chat("chat", false, 1);
        tester
            .headers_mut()
            .insert("x-canary", "true".parse().unwrap());
        assert_eq!(once(gateway.address, tester).await.status, 200);
    }
    assert_eq!(asked().await, [0, 5]);
    let mut client = crate::client::Client::new(gateway.address);
    for _ in 0..400 {
        assert_eq!(
            client.send(chat("chat", false, 1)).await.unwrap().status,
            200
        );
    }
    // Binomial: 20 of 400 expected; none at all, or 60 and more, is less than one in 100 million.
    let [_, canary] = asked().await.try_into().unwrap();
    assert!((6..5 + 60).contains(&canary), "{canary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_services_stand_beside_models() {
    let fleet = engine("llama-3.1-8b", 1000.0).await;
    let vectors = Upstream::always(answer("200 OK", "application/json", "{}")).await;
    let replaced = [
        to("127.0.0.1:8100", fleet.addr()),
        to("127.0.0.1:6333", vectors.address),
    ];
    let gateway = serve("plain-http.yaml", &replaced).await;
    assert_eq!(
        once(gateway.address, chat("llama-3.1-8b", false, 1))
            .await
            .status,
        200
    );
    assert_eq!(
        once(gateway.address, get("/vectors/collections?x=1"))
            .await
            .status,
        200
    );
    let sent = vectors.request();
    assert_eq!(sent.line, "GET /collections?x=1 HTTP/1.1");
    assert_eq!(sent.header("x-served-by").as_deref(), Some("sluicegate"));
    let moved = once(gateway.address, get("/docs/start")).await;
    assert_eq!(moved.status, 301);
    let port = gateway.address.port();
    assert_eq!(
        moved.header("location"),
        format!("http://docs.example.com:{port}/docs/start")
    );
    let robots = once(gateway.address, get("/robots.txt")).await;
    assert_eq!(robots.text(), "User-agent: *\nDisallow: /\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_served_from_files() {
    let authority = Authority::new();
    authority.install();
    let fleet = engine("llama-3.1-8b", 1000.0).await;
    let file = |name: &str| authority.file(name).to_str().unwrap().to_owned();
    let replaced = [
        ("0.0.0.0:8443", "LISTEN".to_owned()),
        ("/etc/sluicegate/tls.crt", file("tls.crt")),
        ("/etc/sluicegate/tls.key", file("tls.key")),
        to("127.0.0.1:8100", fleet.addr()),
    ];
    let gateway = Gateway::start(&example("tls.yaml", &replaced)).await;
    let stream = authority
        .connect(gateway.address, &["http/1.1"])
        .await
        .unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let got = sender
        .send_request(chat("llama-3.1-8b", true, 2))
        .await
        .unwrap();
    assert_eq!(got.status(), 200);
}
