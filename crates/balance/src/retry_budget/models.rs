//! Every interleaving of a few calls: no retry is given out twice, no income is credited twice.

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::config::Percent;

fn config(reserve: u32, min_per_second: u32) -> RetryBudgetConfig {
    RetryBudgetConfig {
        ratio: Percent::new(50),
        min_per_second,
        reserve,
    }
}

const SECOND: Time = Time::from_nanos(NANOS_PER_SECOND);

#[test]
fn the_last_retry_is_given_once() {
    loom::model(|| {
        let budget = Arc::new(RetryBudget::new(config(1, 0)));
        let other = Arc::clone(&budget);
        let theirs = thread::spawn(move || other.withdraw(Time::ZERO));
        let ours = budget.withdraw(Time::ZERO);
        assert!(ours != theirs.join().unwrap());
        assert_eq!(budget.available(), 0);
    });
}

#[test]
fn income_is_credited_once() {
    loom::model(|| {
        let budget = Arc::new(RetryBudget::new(config(2, 1)));
        assert!(budget.withdraw(Time::ZERO) && budget.withdraw(Time::ZERO));
        let other = Arc::clone(&budget);
        let theirs = thread::spawn(move || other.withdraw(SECOND));
        let ours = budget.withdraw(SECOND);
        let given = u64::from(ours) + u64::from(theirs.join().unwrap());
        assert_eq!(given + budget.available(), 1);
    });
}

#[test]
fn no_deposit_outlives_a_smaller_reserve() {
    loom::model(|| {
        let budget = Arc::new(RetryBudget::new(config(3, 0)));
        assert!(budget.withdraw(Time::ZERO));
        let other = Arc::clone(&budget);
        let deposits = thread::spawn(move || {
            other.deposit();
            other.deposit();
        });
        budget.configure(config(2, 0));
        deposits.join().unwrap();
        assert!(budget.available() <= 2);
    });
}
