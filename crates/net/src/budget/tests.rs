use proptest::prelude::*;

use super::{BodyBudget, Exhausted};

#[test]
fn a_child_takes_from_its_parent() {
    let process = BodyBudget::new(100);
    let (a, b) = (process.child(80), process.child(80));
    let (mut held_a, mut held_b) = (a.reservation(), b.reservation());
    assert_eq!(held_a.grow(81), Err(Exhausted::Own));
    assert_eq!(held_a.grow(80), Ok(()));
    assert_eq!(held_b.grow(21), Err(Exhausted::Shared));
    assert_eq!((process.used(), a.used(), b.used()), (80, 80, 0));
    held_a.shrink(30);
    assert_eq!(held_b.grow(21), Ok(()));
    drop(held_a);
    assert_eq!((process.used(), a.used(), b.used()), (21, 0, 21));
}

#[test]
fn a_sum_beyond_the_integer_is_refused() {
    let budget = BodyBudget::new(u64::MAX);
    let mut held = budget.reservation();
    assert_eq!(held.grow(u64::MAX), Ok(()));
    assert_eq!(held.grow(1), Err(Exhausted::Own));
}

proptest! {
    #[test]
    fn everything_taken_is_given_back(steps in prop::collection::vec((0usize..4, 0u64..60, any::<bool>()), 0..60)) {
        let process = BodyBudget::new(100);
        let callers: Vec<_> = (0..4).map(|_| process.child(70)).collect();
        let mut held: Vec<_> = callers.iter().map(BodyBudget::reservation).collect();
        for (who, bytes, grow) in steps {
            if grow {
                let _ = held[who].grow(bytes);
            } else {
                held[who].shrink(bytes);
            }
            prop_assert!(process.used() <= 100);
            prop_assert_eq!(process.used(), held.iter().map(|h| h.bytes()).sum::<u64>());
            prop_assert!(callers.iter().zip(&held).all(|(c, h)| c.used() == h.bytes() && c.used() <= 70));
        }
        drop(held);
        prop_assert_eq!(process.used(), 0);
    }
}
