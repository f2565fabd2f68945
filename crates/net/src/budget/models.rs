//! Every interleaving of two callers that share a budget: it is never exceeded, and all comes back.

use loom::thread;

use super::*;

#[test]
fn what_all_share_is_never_exceeded() {
    loom::model(|| {
        let shared = BodyBudget::new(10);
        let theirs = shared.child(10).reservation();
        let mut ours = shared.child(10).reservation();
        let other = thread::spawn(move || {
            let mut theirs = theirs;
            let grown = theirs.grow(6).is_ok();
            (grown, theirs)
        });
        let grown = ours.grow(6).is_ok();
        let (their_grown, theirs) = other.join().unwrap();
        assert!(grown != their_grown, "one of them fits, and one alone");
        assert_eq!(shared.used(), 6);
        drop((ours, theirs));
        assert_eq!(shared.used(), 0);
    });
}

#[test]
fn a_refusal_by_all_leaves_nothing_with_the_caller() {
    loom::model(|| {
        let shared = BodyBudget::new(5);
        let own = shared.child(10);
        let mut theirs = own.reservation();
        let other = thread::spawn(move || {
            let _too_much = theirs.grow(8);
            let _fits_at_times = theirs.grow(2);
        });
        let _too_much = own.reservation().grow(8);
        other.join().unwrap();
        assert_eq!((own.used(), shared.used()), (0, 0));
    });
}
