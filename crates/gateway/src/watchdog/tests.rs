use std::future::poll_fn;

use super::*;

const GAP: Duration = Duration::from_secs(10);

async fn strike(mut watchdog: Watchdog, chunks_at: &[u64]) -> (Timeout, u64) {
    let start = Instant::now();
    for second in chunks_at {
        let chunk = tokio::time::sleep_until(start + Duration::from_secs(*second));
        tokio::pin!(chunk);
        tokio::select! {
            biased;
            () = &mut chunk => watchdog.fed(Instant::now()),
            timeout = poll_fn(|context| watchdog.poll(context)) => {
                return (timeout, start.elapsed().as_secs());
            }
        }
    }
    let timeout = poll_fn(|context| watchdog.poll(context)).await;
    (timeout, start.elapsed().as_secs())
}

async fn check(total: u64, chunks_at: &[u64], expect: (Timeout, u64)) {
    let now = Instant::now();
    let end = now + Duration::from_secs(total);
    let watchdog = Watchdog::new(now, Some(GAP), Some(end)).unwrap();
    assert_eq!(strike(watchdog, chunks_at).await, expect, "{chunks_at:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_measured_from_the_last_chunk() {
    check(100, &[], (Timeout::BetweenChunks, 10)).await;
    check(100, &[9, 18, 27], (Timeout::BetweenChunks, 37)).await;
    check(100, &[9, 25], (Timeout::BetweenChunks, 19)).await;
    // At the very moment, and behind the moment at which the timer last looked.
    check(100, &[10], (Timeout::BetweenChunks, 20)).await;
    check(100, &[9, 10, 18], (Timeout::BetweenChunks, 28)).await;
}

#[tokio::test(start_paused = true)]
async fn the_total_ends_a_lively_stream() {
    check(25, &[5, 10, 15, 20, 24, 29], (Timeout::Request, 25)).await;
    check(5, &[], (Timeout::Request, 5)).await;
}

/// As where a client takes nothing for a while: chunks wait, and nobody asks for more.
#[tokio::test(start_paused = true)]
async fn a_timer_that_fired_unseen_is_set_again() {
    let now = Instant::now();
    let mut watchdog = Watchdog::new(now, Some(GAP), None).unwrap();
    assert!(poll_once(&mut watchdog).await.is_pending());
    tokio::time::sleep(Duration::from_secs(9)).await;
    watchdog.fed(Instant::now());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        poll_fn(|context| watchdog.poll(context)).await,
        Timeout::BetweenChunks
    );
    assert_eq!(now.elapsed().as_secs(), 19);
}

#[tokio::test(start_paused = true)]
async fn a_poll_without_budget_counts_for_nothing() {
    let now = Instant::now();
    let mut watchdog = Watchdog::new(now, Some(GAP), None).unwrap();
    poll_fn(|context| {
        while let Poll::Ready(operation) = coop::poll_proceed(context) {
            operation.made_progress();
        }
        assert!(watchdog.poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    tokio::task::yield_now().await;
    watchdog.fed(Instant::now());
    let struck = poll_fn(|context| watchdog.poll(context));
    let struck = tokio::time::timeout(3 * GAP, struck).await;
    assert_eq!(struck, Ok(Timeout::BetweenChunks));
    assert_eq!(now.elapsed().as_secs(), 10);
}

async fn poll_once(watchdog: &mut Watchdog) -> Poll<Timeout> {
    poll_fn(|context| Poll::Ready(watchdog.poll(context))).await
}
