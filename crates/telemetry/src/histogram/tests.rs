use super::{Histogram, OVERHEAD, REQUEST_DURATION, TIME_TO_FIRST_TOKEN, TOKEN_USAGE};
use proptest::prelude::*;
use std::{sync::Arc, thread, time::Duration};

/// The upper bound of the bucket that a lone value falls into.
fn bucket_of(histogram: &Histogram) -> f64 {
    let snapshot = histogram.snapshot();
    assert_eq!(snapshot.count, 1);
    snapshot
        .buckets
        .iter()
        .find(|(_, count)| *count == 1)
        .map(|(bound, _)| *bound)
        .unwrap()
}

#[test]
fn a_value_at_its_bound_belongs_to_the_bucket() {
    for buckets in [&REQUEST_DURATION, &TIME_TO_FIRST_TOKEN, &OVERHEAD] {
        for bound in buckets.bounds {
            let nanos = (bound * 1e9).round() as u64;
            let histogram = Histogram::new(buckets);
            histogram.observe_duration(Duration::from_nanos(nanos));
            assert_eq!(bucket_of(&histogram), *bound);

            let above = Histogram::new(buckets);
            above.observe_duration(Duration::from_nanos(nanos + 1));
            assert!(bucket_of(&above) > *bound, "{bound}");
        }
    }
}

#[test]
fn beyond_the_last_bound_is_infinity() {
    let histogram = Histogram::new(&TOKEN_USAGE);
    histogram.observe_count(67_108_865);
    assert_eq!(bucket_of(&histogram), f64::INFINITY);
}

#[test]
fn sums_are_in_seconds_and_rounded_to_microseconds() {
    let histogram = Histogram::new(&OVERHEAD);
    for nanos in [12_400, 12_500, 1_000_000_000] {
        histogram.observe_duration(Duration::from_nanos(nanos));
    }
    assert_eq!(histogram.snapshot().sum, 1.000_025);
}

#[test]
fn an_absurd_count_does_not_wrap_the_sum() {
    let histogram = Histogram::new(&TOKEN_USAGE);
    (0..1_000).for_each(|_| histogram.observe_count(u64::MAX));
    assert_eq!(histogram.snapshot().sum, 1_000.0 * (1u64 << 40) as f64);
}

#[test]
fn nothing_is_lost_between_threads() {
    let histogram = Arc::new(Histogram::new(&TOKEN_USAGE));
    let threads: Vec<_> = (0..4u64)
        .map(|thread| {
            let histogram = Arc::clone(&histogram);
            thread::spawn(move || (0..10_000).for_each(|n| histogram.observe_count(n + thread)))
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    let snapshot = histogram.snapshot();
    assert_eq!(snapshot.count, 40_000);
    let expected: u64 = (0..4).flat_map(|t| (0..10_000).map(move |n| n + t)).sum();
    assert_eq!(snapshot.sum, expected as f64);
}

proptest! {
    #[test]
    fn every_value_is_counted_once_in_the_right_bucket(values in prop::collection::vec(0u64..1 << 40, 0..50)) {
        let histogram = Histogram::new(&TOKEN_USAGE);
        values.iter().for_each(|value| histogram.observe_count(*value));
        let snapshot = histogram.snapshot();
        let mut lower = f64::NEG_INFINITY;
        for (bound, count) in snapshot.buckets {
            let inside = values.iter().filter(|v| (**v as f64) > lower && (**v as f64) <= bound);
            prop_assert_eq!(inside.count() as u64, count);
            lower = bound;
        }
        prop_assert_eq!(snapshot.count, values.len() as u64);
        prop_assert_eq!(snapshot.sum, values.iter().sum::<u64>() as f64);
    }
}
