//! Configurations that take the place of one another.

use std::net::{Ipv4Addr, TcpListener};

use super::fixture::*;

const POOL: &str = "
pools:
  - name: models
    models: [m]
    endpoints: [{ address: ADDRESS }]
";

fn with(listeners: &str, address: &str) -> String {
    format!(
        "listeners:\n{listeners}\n{}",
        POOL.replace("ADDRESS", address)
    )
}

/// A snapshot whose listener cannot be bound changes nothing: neither endpoints nor bounds.
#[tokio::test]
async fn what_cannot_be_bound_changes_nothing() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", COMPLETION)).await;
    let fixture = Fixture::start(&POOL.replace("ADDRESS", &upstream.address.to_string())).await;
    let main = format!("  - {{ name: main, address: {} }}", fixture.address());

    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let more = format!(
        "{main}\n  - {{ name: b, address: {} }}",
        taken.local_addr().unwrap()
    );
    let refused = fixture
        .gateway
        .apply(snapshot(&with(&more, "127.0.0.1:9")))
        .await;
    assert!(refused.is_err());
    let got = fixture.ask(&chat(false)).await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");

    drop(taken);
    fixture
        .gateway
        .apply(snapshot(&with(&more, "127.0.0.1:9")))
        .await
        .unwrap();
    let got = fixture.ask(&chat(false)).await;
    assert!(got.starts_with("HTTP/1.1 502"), "{got}");
}

/// A request that began before a reload never takes its credential to another provider's host.
#[tokio::test]
async fn a_credential_stays_with_its_host() {
    let provider = |address: &str| {
        format!("providers:\n  - {{ name: p, baseUrl: 'http://{address}/v1', models: [m] }}\n")
    };
    let fixture = Fixture::start(&provider("127.0.0.1:9")).await;
    let before = fixture.gateway.shared.runtime.load_full();
    let main = format!(
        "listeners: [{{ name: main, address: {} }}]\n",
        fixture.address()
    );
    fixture
        .gateway
        .apply(snapshot(&(main + &provider("127.0.0.1:10"))))
        .await
        .unwrap();
    let addresses = |runtime: &crate::runtime::Runtime| -> Vec<String> {
        let endpoints = runtime.upstreams()[0].pool.endpoints();
        endpoints
            .iter()
            .map(|status| status.address.to_string())
            .collect()
    };
    assert_eq!(addresses(&before), ["127.0.0.1:9"]);
    assert_eq!(
        addresses(&fixture.gateway.shared.runtime.load()),
        ["127.0.0.1:10"]
    );
}

/// Endpoints keep their statistics over a reload.
#[tokio::test]
async fn a_reload_keeps_what_is_known() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", COMPLETION)).await;
    let address = upstream.address.to_string();
    let fixture = Fixture::start(&POOL.replace("ADDRESS", &address)).await;
    fixture.ask(&chat(false)).await;
    let main = format!("  - {{ name: main, address: {} }}", fixture.address());
    fixture
        .gateway
        .apply(snapshot(&with(&main, &address)))
        .await
        .unwrap();
    fixture.ask(&chat(false)).await;
    fixture.idle().await;
    let runtime = fixture.gateway.shared.runtime.load_full();
    assert_eq!(runtime.upstreams()[0].pool.endpoints()[0].successes, 2);
}
