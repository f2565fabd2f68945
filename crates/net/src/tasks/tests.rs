use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use super::{TaskError, Tasks};

#[tokio::test]
async fn a_task_gives_its_result_and_signs_off() {
    let tasks = Tasks::new();
    assert_eq!(tasks.spawn("sum", async { 1 + 1 }).await, Ok(2));
    tasks.wait().await;
    assert_eq!((tasks.live(), tasks.spawned(), tasks.panicked()), (0, 1, 0));
}

#[tokio::test]
async fn a_panic_is_counted_here_and_in_the_group_above() {
    let tasks = Tasks::new();
    let group = tasks.group();
    let ended = group.spawn("bad", async { panic!("on purpose") }).await;
    assert_eq!(ended, Err::<(), _>(TaskError::Panicked));
    group.wait().await;
    assert_eq!(
        (group.panicked(), tasks.panicked(), group.live()),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn wait_returns_only_when_the_last_task_has_ended() {
    let tasks = Tasks::new();
    let done = Arc::new(AtomicBool::new(false));
    let (go, gate) = oneshot::channel::<()>();
    let seen = done.clone();
    tasks.spawn("slow", async move {
        gate.await.unwrap();
        seen.store(true, Ordering::SeqCst);
    });
    tasks.spawn("quick", async {});
    let waiter = tasks.wait();
    go.send(()).unwrap();
    waiter.await;
    assert!(done.load(Ordering::SeqCst));
}

#[tokio::test]
async fn abort_all_stops_what_lives_and_spares_what_comes_later() {
    let tasks = Tasks::new();
    let stuck: Vec<_> = (0..200)
        .map(|_| tasks.spawn("stuck", pending::<()>()))
        .collect();
    assert_eq!(tasks.live(), 200);
    tasks.abort_all();
    for handle in stuck {
        assert_eq!(handle.await, Err(TaskError::Aborted));
    }
    tasks.wait().await;
    assert_eq!(tasks.spawn("later", async { 7 }).await, Ok(7));
}

#[test]
fn a_group_may_run_on_another_runtime() {
    let other = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("other")
        .build()
        .unwrap();
    let here = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let tasks = Tasks::on(other.handle().clone());
    let name = here.block_on(tasks.spawn("where", async {
        std::thread::current().name().map(str::to_owned)
    }));
    assert_eq!(name, Ok(Some("other".to_owned())));
}

#[test]
fn a_runtime_that_shuts_down_leaves_no_task_counted() {
    let tasks = Tasks::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let spawner = tasks.clone();
    runtime.block_on(async move {
        spawner.spawn("stuck", pending::<()>());
    });
    drop(runtime);
    assert_eq!(tasks.live(), 0);
}
