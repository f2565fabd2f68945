use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::Percent;

fn budget(ratio: u32, min_per_second: u32, reserve: u32) -> RetryBudget {
    RetryBudget::new(config(ratio, min_per_second, reserve))
}

fn config(ratio: u32, min_per_second: u32, reserve: u32) -> RetryBudgetConfig {
    RetryBudgetConfig {
        ratio: Percent::new(ratio),
        min_per_second,
        reserve,
    }
}

/// Retries that are allowed at this moment.
fn drain(budget: &RetryBudget, now: Time) -> u32 {
    (0..).take_while(|_| budget.withdraw(now)).count() as u32
}

#[test]
fn starts_with_its_reserve() {
    assert_eq!(drain(&budget(20, 0, 7), Time::ZERO), 7);
    assert_eq!(drain(&budget(20, 0, 0), Time::ZERO), 0);
}

#[test]
fn requests_earn_retries_by_the_ratio() {
    let budget = budget(20, 0, 100);
    drain(&budget, Time::ZERO);
    (0..50).for_each(|_| budget.deposit());
    assert_eq!(budget.available(), 10);
    assert_eq!(drain(&budget, Time::ZERO), 10);
}

#[test]
fn time_earns_retries_and_no_fraction_is_lost() {
    let budget = budget(0, 10, 100);
    drain(&budget, Time::ZERO);
    let mut now = Time::ZERO;
    let mut retries = 0;
    for _ in 0..1_000 {
        now = now + Duration::from_nanos(3_333_333);
        retries += u32::from(budget.withdraw(now));
    }
    assert_eq!(retries, 33);
}

#[test]
fn saves_no_more_than_the_reserve() {
    let budget = budget(100, 1_000, 5);
    (0..1_000).for_each(|_| budget.deposit());
    assert_eq!(drain(&budget, Time::from_nanos(u64::MAX / 2)), 5);
}

#[test]
fn a_smaller_reserve_takes_effect_at_once() {
    let budget = budget(20, 0, 100);
    budget.configure(config(20, 0, 3));
    assert_eq!(drain(&budget, Time::ZERO), 3);
}

proptest! {
    #[test]
    fn retries_never_exceed_what_was_earned(
        ratio in 0u32..=100,
        rate in 0u32..100,
        reserve in 0u32..50,
        steps in prop::collection::vec((any::<bool>(), 0u64..100_000_000), 0..200),
    ) {
        let budget = budget(ratio, rate, reserve);
        let (mut now, mut requests, mut retries) = (Time::ZERO, 0u64, 0u64);
        for (request, wait) in steps {
            now = now + Duration::from_nanos(wait);
            if request {
                budget.deposit();
                requests += 1;
            } else {
                retries += u64::from(budget.withdraw(now));
            }
        }
        let by_time = u128::from(now.as_nanos()) * u128::from(rate) / 10_000_000;
        let earned = u64::from(reserve) * 100 + requests * u64::from(ratio) + by_time as u64;
        prop_assert!(retries * 100 <= earned);
    }
}
