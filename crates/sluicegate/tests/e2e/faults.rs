//! Engines that die, hang, shed and stumble under load.

use std::time::Duration;

use engine_server::{Deaths, Errors, FaultSpec, Hangs};

use crate::client::{chat, events, once};
use crate::load::{Fate, Load};
use crate::process::{Gateway, fleet, pool_of};

const FAST_TIMEOUTS: &str = "routes:\n  - name: r\n    rules:\n      - matches:\n          - model: { value: m }\n        \
    backendRefs:\n          - { pool: fleet }\n        \
    timeouts: { connect: 1s, firstToken: 500ms, betweenChunks: 2s, backendRequest: 1s }\n        \
    retry: { attempts: 3 }\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_killed_under_load_fails_no_request_that_had_not_begun() {
    let mut engines = fleet(4, 4.0).await;
    // An endpoint that fails is picked ever more rarely: five failures in a row may take a while.
    let pool = pool_of(&engines, "    outlierDetection: { consecutiveErrors: 3 }\n");
    let gateway = Gateway::start(&format!("{pool}{FAST_TIMEOUTS}")).await;
    let streams = Load::start(gateway.address, 40, 80, || chat("m", true, 100));
    let plain = Load::start(gateway.address, 20, 80, || chat("m", false, 10));
    tokio::time::sleep(Duration::from_secs(1)).await;
    engines.remove(1).kill().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (streams, plain) = (streams.stop().await, plain.stop().await);
    plain.assert_none_failed();
    streams.assert_none_failed();
    assert!(streams.count(&Fate::Whole) > 100);
    let broken = streams.count(&Fate::InStreamError);
    assert!(broken > 0, "some streams had begun at the engine that died");
    assert_eq!(
        streams.count(&Fate::Aborted),
        0,
        "an in-stream error is what SDKs raise on"
    );
    let endpoints = gateway.endpoints().await;
    let dead = endpoints.iter().find(|one| one["name"] == "e1").unwrap();
    assert_eq!(dead["health"], "ejected", "{dead}");
    assert!(
        endpoints.iter().all(|one| one["inFlight"] == 0),
        "{endpoints:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_before_the_first_byte_fails_nothing() {
    let engines = fleet(4, 20.0).await;
    let gateway = Gateway::start(&format!("{}{FAST_TIMEOUTS}", pool_of(&engines, ""))).await;
    let streams = Load::start(gateway.address, 40, 60, || chat("m", true, 20));
    let plain = Load::start(gateway.address, 20, 60, || chat("m", false, 10));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let hang = FaultSpec {
        hang: Some(Hangs {
            rate: 1.0,
            for_ms: None,
        }),
        ..FaultSpec::default()
    };
    engines[2].faults().replace(hang);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (streams, plain) = (streams.stop().await, plain.stop().await);
    streams.assert_none_failed();
    plain.assert_none_failed();
    assert_eq!(
        streams.count(&Fate::Whole),
        streams.0.len(),
        "nothing had begun where it hung"
    );
    assert!(gateway.metric("sluicegate_retries_total").await > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_dies_in_the_middle_of_a_stream_never_ends_it_cleanly() {
    let engines = fleet(1, 100.0).await;
    let gateway = Gateway::start(&pool_of(&engines, "")).await;
    let death = Deaths {
        rate: 1.0,
        after_tokens: 5,
    };
    engines[0].faults().replace(FaultSpec {
        death: Some(death),
        ..FaultSpec::default()
    });
    let answer = once(gateway.address, chat("m", true, 50)).await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    let last = *events(&text).last().unwrap();
    let error: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(error["error"]["type"], "server_error", "{last}");
    assert!(!text.contains("[DONE]"));
    let line = gateway.logged(1).await.remove(0);
    assert_eq!(line["outcome"], "upstream_failed", "{line}");
    assert_eq!(line["tokens_estimated"], true, "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fast_errors_are_retried_elsewhere_and_their_sender_is_left_out() {
    let engines = fleet(2, 1000.0).await;
    let gateway = Gateway::start(&pool_of(&engines, "")).await;
    let errors = Errors {
        rate: 1.0,
        status: 503,
        retry_after: None,
    };
    engines[0].faults().replace(FaultSpec {
        errors: Some(errors),
        ..FaultSpec::default()
    });
    for _ in 0..40 {
        let answer = once(gateway.address, chat("m", false, 1)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-sluicegate-endpoint"), "e1");
    }
    let endpoints = gateway.endpoints().await;
    let asked = endpoints[0]["requests"].as_u64().unwrap();
    assert!(
        (1..10).contains(&asked),
        "who fails fast must not look idle: {endpoints:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_that_nobody_else_can_mend_reaches_the_client_as_it_is() {
    let engines = fleet(1, 1000.0).await;
    let gateway = Gateway::start(&pool_of(&engines, "")).await;
    let errors = Errors {
        rate: 1.0,
        status: 429,
        retry_after: Some(7),
    };
    engines[0].faults().replace(FaultSpec {
        errors: Some(errors),
        ..FaultSpec::default()
    });
    let answer = once(gateway.address, chat("m", false, 1)).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), "7");
    assert_eq!(
        answer.header("x-sluicegate-attempts"),
        "1",
        "who is busy is not asked again"
    );
}
