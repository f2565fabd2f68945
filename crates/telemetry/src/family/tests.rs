use super::Family;
use crate::labels::RouteLabel;
use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

fn label(name: impl ToString) -> RouteLabel {
    RouteLabel(name.to_string().into())
}

#[test]
fn the_same_labels_give_the_same_series() {
    let family = Family::<RouteLabel, AtomicU64>::new(10);
    assert!(Arc::ptr_eq(
        &family.get(&label("a")),
        &family.get(&label("a"))
    ));
    assert!(!Arc::ptr_eq(
        &family.get(&label("a")),
        &family.get(&label("b"))
    ));
}

#[test]
fn beyond_the_cap_everything_is_one_overflow_series() {
    let family = Family::<RouteLabel, AtomicU64>::new(2);
    for name in ["a", "b", "c", "d", "a"] {
        family.get(&label(name)).fetch_add(1, Relaxed);
    }
    let values: Vec<_> = family
        .sorted()
        .into_iter()
        .map(|(l, s)| (l.0.to_string(), s.load(Relaxed)))
        .collect();
    assert_eq!(
        values,
        [("a".into(), 2), ("b".into(), 1), ("overflow".into(), 2)]
    );
    assert_eq!(family.overflowed(), 2);
}

#[test]
fn concurrent_growth_loses_no_series_and_no_count() {
    const THREADS: usize = 4;
    for _ in 0..200 {
        let family = Family::<RouteLabel, AtomicU64>::new(6);
        let start = Barrier::new(THREADS);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (family, start) = (&family, &start);
                scope.spawn(move || {
                    start.wait();
                    for n in 0..10 {
                        family
                            .get(&label((n + 3 * thread) % 10))
                            .fetch_add(1, Relaxed);
                    }
                });
            }
        });
        let all = family.sorted();
        assert_eq!(all.len(), 7);
        assert_eq!(
            all.iter().map(|(_, s)| s.load(Relaxed)).sum::<u64>(),
            10 * THREADS as u64
        );
    }
}
