use std::sync::Arc;

use tokio::sync::Notify;

use super::*;

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Serves one request, then closes when told to.
async fn closing(tasks: &Tasks) -> (SocketAddr, Arc<Notify>) {
    let close = Arc::new(Notify::new());
    let told = close.clone();
    let address = raw(tasks, move |_, mut tcp| {
        let told = told.clone();
        async move {
            head(&mut tcp).await.unwrap();
            tcp.write_all(HELLO.as_bytes()).await.unwrap();
            told.notified().await;
        }
    })
    .await;
    (address, close)
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_swept() {
    let tasks = Tasks::new();
    let (address, close) = closing(&tasks).await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    text(send(&pool, &target, get("/")).await.unwrap()).await;
    pool.sweep();
    assert_eq!(pool.stats().idle, 1);
    close.notify_one();
    swept_until(&pool, |stats| stats.open == 0).await;
}

#[tokio::test]
async fn a_request_meeting_a_close_is_moved_or_says_that_it_may_be_repeated() {
    for _ in 0..20 {
        let tasks = Tasks::new();
        let (address, close) = closing(&tasks).await;
        let (pool, target) = (pool(), plain(address, Protocol::Http1));
        text(send(&pool, &target, get("/")).await.unwrap()).await;
        close.notify_one();
        // Whether the end has reached this side yet is a race, as it is in earnest.
        match send(&pool, &target, get("/")).await {
            Ok(response) => assert_eq!(text(response).await, "hello"),
            Err(error) => assert!(error.is_idle_close(), "{error:?}"),
        }
        tasks.abort_all();
    }
}

#[tokio::test]
async fn a_request_after_a_close_opens_a_new_connection() {
    let tasks = Tasks::new();
    let (address, close) = closing(&tasks).await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    text(send(&pool, &target, get("/")).await.unwrap()).await;
    let told = tasks.live();
    close.notify_one();
    within(async {
        while tasks.live() == told {
            tokio::task::yield_now().await;
        }
        // The server's side is closed; let this side's reactor see it.
        tokio::time::sleep(Duration::from_millis(5)).await;
    })
    .await;
    text(send(&pool, &target, get("/")).await.unwrap()).await;
    assert_eq!(pool.stats().connects, 2);
}

async fn with_idle(config: PoolConfig, n: usize, tasks: &Tasks) -> (Pool, Target) {
    let address = raw(tasks, |_, tcp| answer_all(tcp, HELLO)).await;
    let pool = Pool::new(config, tasks.clone());
    let target = plain(address, Protocol::Http1);
    let mut open = Vec::new();
    for _ in 0..n {
        open.push(send(&pool, &target, get("/")).await.unwrap());
    }
    for response in open {
        text(response).await;
    }
    (pool, target)
}

#[tokio::test]
async fn only_so_many_wait_per_endpoint() {
    let tasks = Tasks::new();
    let config = PoolConfig {
        max_idle_per_endpoint: 2,
        ..PoolConfig::default()
    };
    let (pool, _) = with_idle(config, 5, &tasks).await;
    assert_eq!((pool.stats().idle, pool.stats().open), (2, 2));
}

#[tokio::test]
async fn idle_and_old_connections_are_closed_in_time() {
    let check = |idle_timeout, max_age| async move {
        let tasks = Tasks::new();
        let seconds = Duration::from_secs;
        let config = PoolConfig {
            idle_timeout: seconds(idle_timeout),
            max_age: seconds(max_age),
            ..PoolConfig::default()
        };
        let (pool, target) = with_idle(config, 2, &tasks).await;
        tokio::time::pause();
        tokio::time::advance(seconds(59)).await;
        pool.sweep();
        assert_eq!(pool.stats().idle, 2);
        tokio::time::advance(seconds(2)).await;
        assert_eq!(pool.stats().idle, 2, "nothing happens by itself");
        tokio::time::resume();
        text(send(&pool, &target, get("/")).await.unwrap()).await;
        assert_eq!(
            (pool.stats().connects, pool.stats().open),
            (3, 1),
            "not taken when overdue"
        );
        tokio::time::pause();
        tokio::time::advance(seconds(61)).await;
        pool.sweep();
        assert_eq!((pool.stats().idle, pool.stats().open), (0, 0));
        assert!(
            pool.slots.load().is_empty(),
            "an endpoint without connections is forgotten"
        );
        tokio::time::resume();
        tasks.abort_all();
    };
    check(60, 1000).await;
    check(1000, 60).await;
}

#[tokio::test]
async fn a_connection_in_use_during_a_sweep_is_kept_afterwards() {
    let tasks = Tasks::new();
    let (pool, target) = with_idle(PoolConfig::default(), 1, &tasks).await;
    let in_use = send(&pool, &target, get("/")).await.unwrap();
    pool.sweep();
    text(in_use).await;
    assert_eq!(pool.stats().idle, 1);
    text(send(&pool, &target, get("/")).await.unwrap()).await;
    assert_eq!(pool.stats().connects, 1);
}

#[tokio::test]
async fn maintenance_sweeps_until_the_pool_is_closed() {
    let tasks = Tasks::new();
    let (pool, _) = with_idle(PoolConfig::default(), 2, &tasks).await;
    tokio::time::pause();
    let maintained = pool.clone();
    let maintenance = tasks.spawn("maintenance", async move { maintained.maintain().await });
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!((pool.stats().idle, pool.stats().open), (0, 0));
    assert!(!maintenance.is_finished());
    pool.close();
    within(maintenance).await.unwrap();
}

#[tokio::test]
async fn a_closed_pool_keeps_nothing() {
    let tasks = Tasks::new();
    let (pool, target) = with_idle(PoolConfig::default(), 2, &tasks).await;
    let in_use = send(&pool, &target, get("/")).await.unwrap();
    pool.close();
    assert_eq!((pool.stats().idle, pool.stats().open), (0, 1));
    text(in_use).await;
    assert_eq!(pool.stats().open, 0);
    within(pool.maintain()).await;
    text(send(&pool, &target, get("/")).await.unwrap()).await;
    assert_eq!(pool.stats().open, 0);
}

#[tokio::test]
async fn a_dropped_pool_closes_its_connections() {
    let tasks = Tasks::new();
    let (pool, _) = with_idle(PoolConfig::default(), 2, &tasks).await;
    let counters = pool.shared.counters.clone();
    drop(pool);
    assert_eq!(counters.snapshot(0).open, 0);
}
