use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Drain, DrainConfig, Outcome, Stage, run};
use crate::tasks::Tasks;

const CONFIG: DrainConfig = DrainConfig {
    delay: Duration::from_secs(5),
    deadline: Duration::from_secs(25),
};

#[tokio::test]
async fn stages_only_advance() {
    let (trigger, watch) = Drain::new();
    assert_eq!(watch.stage(), Stage::Serving);
    trigger.advance(Stage::Closing);
    trigger.advance(Stage::Draining);
    assert_eq!(watch.stage(), Stage::Closing);
    watch.draining().await;
}

#[tokio::test]
async fn a_child_follows_and_may_go_ahead() {
    let (trigger, watch) = Drain::new();
    let (part, part_watch) = watch.child();
    part.advance(Stage::Draining);
    assert_eq!(
        (watch.stage(), part_watch.stage()),
        (Stage::Serving, Stage::Draining)
    );
    trigger.advance(Stage::Closing);
    assert_eq!(part_watch.stage(), Stage::Closing);
    let (_late, late_watch) = watch.child();
    assert_eq!(late_watch.stage(), Stage::Closing);
}

#[tokio::test(start_paused = true)]
async fn each_stage_is_seen_in_its_time() {
    let (trigger, watch) = Drain::new();
    let tasks = Tasks::new();
    let begun = Instant::now();
    let seen = tasks.group().spawn("watcher", async move {
        let mut times = Vec::new();
        for stage in [Stage::Draining, Stage::Closing, Stage::Deadline] {
            watch.reached(stage).await;
            times.push(begun.elapsed().as_secs());
        }
        times
    });
    tasks.spawn("stream", sleep(Duration::from_secs(12)));
    assert_eq!(run(trigger, CONFIG, &[tasks]).await, Outcome::Finished);
    assert_eq!(seen.await, Ok(vec![0, 5, 12]));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_at_the_deadline_is_aborted() {
    let (trigger, _watch) = Drain::new();
    let tasks = Tasks::new();
    let stuck = tasks.spawn("stuck", pending::<()>());
    let begun = Instant::now();
    let outcome = run(trigger, CONFIG, &[tasks.clone(), Tasks::new()]).await;
    assert_eq!(outcome, Outcome::Aborted { tasks: 1 });
    assert_eq!(begun.elapsed(), CONFIG.deadline);
    assert!(stuck.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_task_started_in_a_finished_group_is_waited_for() {
    let (trigger, _watch) = Drain::new();
    let (first, second) = (Tasks::new(), Tasks::new());
    let late = first.clone();
    second.spawn("spawner", async move {
        sleep(Duration::from_secs(7)).await;
        late.spawn("late", sleep(Duration::from_secs(3)));
    });
    let begun = Instant::now();
    assert_eq!(
        run(trigger, CONFIG, &[first, second]).await,
        Outcome::Finished
    );
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
}
