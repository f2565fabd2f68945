use super::UpstreamTime;
use proptest::prelude::*;
use std::time::Duration;

const fn us(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// Play begins (`true`) and ends at the given times and give the overhead at `now`.
fn check(events: &[(bool, u64)], now: u64, overhead: u64) {
    let mut time = UpstreamTime::default();
    for (begins, at) in events {
        if *begins {
            time.begin(us(*at))
        } else {
            time.end(us(*at))
        }
    }
    assert_eq!(time.overhead(us(now)), us(overhead), "{events:?}");
}

#[test]
fn overhead_is_what_no_upstream_call_covers() {
    check(&[], 50, 50);
    check(&[(true, 10), (false, 90)], 100, 20);
    check(&[(true, 10), (false, 40), (true, 50), (false, 90)], 100, 30);
    // Hedged: the second call begins inside the first and outlives it.
    check(&[(true, 10), (true, 30), (false, 60), (false, 80)], 100, 30);
    // The client left while the call was open.
    check(&[(true, 10)], 100, 10);
}

proptest! {
    #[test]
    fn equals_the_union_counted_microsecond_by_microsecond(
        calls in prop::collection::vec((0u64..100, 1u64..50), 0..6)
    ) {
        let mut events: Vec<_> = calls.iter().flat_map(|(start, length)| {
            [(*start, true), (start + length, false)]
        }).collect();
        // At one instant ends come before begins; the union is the same either way.
        events.sort();
        let mut time = UpstreamTime::default();
        for (at, begins) in events {
            if begins { time.begin(us(at)) } else { time.end(us(at)) }
        }
        let covered = (0..200)
            .filter(|t| calls.iter().any(|(start, length)| (*start..start + length).contains(t)))
            .count() as u64;
        prop_assert_eq!(time.overhead(us(200)), us(200 - covered));
    }
}
