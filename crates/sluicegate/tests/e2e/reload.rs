//! Configuration changes under load.

use crate::client::{chat, get, once};
use crate::load::{Fate, Load};
use crate::process::{Gateway, eventually, fleet, pool_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_reloads_under_load_fail_nothing() {
    let engines = fleet(4, 1000.0).await;
    let config = pool_of(&engines, "");
    let gateway = Gateway::start(&config).await;
    let load = Load::start(gateway.address, 20, 500, || chat("m", false, 1));
    for round in 0..100 {
        let route = format!(
            "routes:\n  - name: r{round}\n    rules:\n      - matches:\n          - model: {{ value: alias-{round} }}\n        \
             backendRefs:\n          - {{ pool: fleet, model: m }}\n      - matches:\n          - model: {{ value: m }}\n        \
             backendRefs:\n          - {{ pool: fleet }}\n"
        );
        gateway.reconfigure(&format!("{config}{route}"));
        let alias = format!("alias-{round}");
        let address = gateway.address;
        eventually("the new route is live", || {
            let request = chat(&alias, false, 1);
            async move { once(address, request).await.status == 200 }
        })
        .await;
    }
    let fates = load.stop().await;
    fates.assert_none_failed();
    assert_eq!(fates.count(&Fate::Whole), fates.0.len());
    assert!(
        fates.0.len() > 1000,
        "{} requests are too few to show anything",
        fates.0.len()
    );
    assert!(gateway.metric("sluicegate_snapshot_generation").await >= 101.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_file_changes_nothing_and_is_told() {
    let engines = fleet(1, 1000.0).await;
    let config = pool_of(&engines, "");
    let gateway = Gateway::start(&config).await;
    gateway.reconfigure(&config.replace("endpoints:", "endpoint:"));
    eventually("the fault is told", || async {
        gateway.log().contains("endpoint")
    })
    .await;
    let log = gateway.log();
    assert!(log.contains("sluicegate.yaml:8:5"), "{log}");
    assert!(log.contains("did you mean `endpoints`?"), "{log}");
    assert_eq!(once(gateway.address, chat("m", false, 1)).await.status, 200);
    assert_eq!(once(gateway.admin, get("/readyz")).await.status, 200);

    gateway.reconfigure(&config.replace("models: [m]", "models: [m, n]"));
    let models = || async { once(gateway.address, get("/v1/models")).await.text() };
    eventually("the mended file is live", || async {
        models().await.contains("\"n\"")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_cannot_be_bound_changes_nothing() {
    let engines = fleet(1, 1000.0).await;
    let config = pool_of(&engines, "");
    let gateway = Gateway::start(&config).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let second = format!(
        "listeners:\n  - name: second\n    address: \"{}\"\n",
        taken.local_addr().unwrap()
    );
    let broken = config
        .replace("listeners:\n", &second)
        .replace("models: [m]", "models: [n]");
    gateway.reconfigure(&broken);
    eventually("the fault is told", || async {
        gateway.log().contains("cannot listen on")
    })
    .await;
    assert_eq!(once(gateway.address, chat("m", false, 1)).await.status, 200);
    assert_eq!(once(gateway.address, chat("n", false, 1)).await.status, 404);
}
