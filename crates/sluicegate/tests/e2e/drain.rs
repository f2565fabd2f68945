//! SIGTERM under load: unready at once, nothing lost, exit status 0.

use std::time::Duration;

use http_body_util::BodyExt;

use crate::client::{Client, chat, get, once};
use crate::load::{Fate, Load};
use crate::process::{Gateway, eventually, fleet, pool_of};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_loses_nothing() {
    let engines = fleet(2, 1000.0).await;
    let arguments = ["--drain-delay", "1500ms", "--drain-deadline", "20s"];
    let mut gateway = Gateway::start_with(&pool_of(&engines, ""), &arguments).await;
    let load = Load::start(gateway.address, 10, 200, || chat("m", true, 3));
    tokio::time::sleep(Duration::from_millis(500)).await;
    gateway.terminate();
    let admin = gateway.admin;
    eventually("unready", || async move {
        once(admin, get("/readyz")).await.status == 503
    })
    .await;
    // Still open for what load balancers send in the meantime, and asking to go elsewhere.
    let late = once(gateway.address, chat("m", false, 1)).await;
    assert_eq!(late.status, 200);
    assert_eq!(late.header("connection"), "close");
    let fates = load.stop().await;
    fates.assert_none_failed();
    assert_eq!(fates.count(&Fate::Whole), fates.0.len());
    assert!(gateway.ended().await.success(), "{}", gateway.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_under_way_finish_after_the_listeners_are_closed() {
    let engines = fleet(1, 4.0).await;
    let arguments = ["--drain-delay", "100ms", "--drain-deadline", "20s"];
    let mut gateway = Gateway::start_with(&pool_of(&engines, ""), &arguments).await;
    let mut client = Client::new(gateway.address);
    let mut stream = client
        .start(chat("m", true, 600))
        .await
        .unwrap()
        .into_body();
    let mut text = Vec::new();
    text.extend(stream.frame().await.unwrap().unwrap().into_data().unwrap());
    gateway.terminate();
    let address = gateway.address;
    eventually("listener closed", || async move {
        tokio::net::TcpStream::connect(address).await.is_err()
    })
    .await;
    text.extend(stream.collect().await.unwrap().to_bytes());
    let text = String::from_utf8(text).unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(gateway.ended().await.success(), "{}", gateway.log());
    let line = gateway.access_log().pop().unwrap();
    assert_eq!(line["outcome"], "completed", "{line}");
    assert_eq!(line["output_tokens"], 600, "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_cuts_what_does_not_end() {
    let engines = fleet(1, 0.1).await;
    let arguments = ["--drain-delay", "100ms", "--drain-deadline", "1s"];
    let mut gateway = Gateway::start_with(&pool_of(&engines, ""), &arguments).await;
    let mut client = Client::new(gateway.address);
    let mut stream = client
        .start(chat("m", true, 4000))
        .await
        .unwrap()
        .into_body();
    stream.frame().await.unwrap().unwrap();
    gateway.terminate();
    let rest = stream.collect().await;
    assert!(rest.is_err(), "cut, not ended: {rest:?}");
    assert!(gateway.ended().await.success(), "{}", gateway.log());
    assert!(
        gateway.log().contains("drain deadline"),
        "{}",
        gateway.log()
    );
}
