//! Every interleaving of a drain with a part that joins it or drains by itself.
//!
//! Waiting for a stage is not among them: what tokio's `Notify` orders, loom does not see, so it
//! would let a waiter read a stage from before it was woken.

use loom::thread;

use super::*;

#[test]
fn a_part_that_joins_late_is_not_left_behind() {
    loom::model(|| {
        let (trigger, watch) = Drain::new();
        let joiner = thread::spawn(move || watch.child());
        trigger.advance(Stage::Closing);
        let (_part, child) = joiner.join().unwrap();
        assert_eq!(child.stage(), Stage::Closing);
    });
}

#[test]
fn stages_never_go_back() {
    loom::model(|| {
        let (trigger, watch) = Drain::new();
        let (part, child) = watch.child();
        let other = thread::spawn(move || part.advance(Stage::Deadline));
        trigger.advance(Stage::Draining);
        other.join().unwrap();
        assert_eq!(
            (watch.stage(), child.stage()),
            (Stage::Draining, Stage::Deadline)
        );
    });
}
