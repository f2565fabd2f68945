use std::thread;

use super::{LONG, aside};

/// What takes long is done on a thread of its own, so that others are served meanwhile.
#[tokio::test]
async fn long_bodies_are_translated_beside_the_workers() {
    let here = thread::current().id();
    let check = |len, expect| async move {
        let there = aside(len, LONG, || thread::current().id()).await;
        assert_eq!(there == here, expect, "{len}");
    };
    check(0, true).await;
    check(LONG, true).await;
    check(LONG + 1, false).await;
}

#[tokio::test]
#[should_panic = "of the translation"]
async fn a_panic_there_is_one_of_the_request() {
    aside(LONG + 1, LONG, || panic!("of the translation")).await
}
