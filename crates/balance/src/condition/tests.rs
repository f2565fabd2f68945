use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::config::{HealthThresholds, Percent};

const CONFIG: OutlierDetection = OutlierDetection {
    consecutive_errors: 3,
    consecutive_connect_errors: 2,
    base_ejection: Duration::from_secs(10),
    max_ejection: Duration::from_secs(25),
    max_ejection_percent: Percent::new(100),
};

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

/// The outcomes, one a character (`.` success, `c` connect failure, `5` status 500), and whether
/// the last of them and no other ejects.
fn check(outcomes: &str, ejects: bool) {
    let mut condition = Condition::default();
    let changes: Vec<Change> = outcomes
        .chars()
        .map(|outcome| match outcome {
            'c' => condition.failed(FailureKind::Connect, Some(&CONFIG), at(0)),
            '5' => condition.failed(FailureKind::Status(500), Some(&CONFIG), at(0)),
            _ => condition.succeeded(at(0)),
        })
        .collect();
    let ejections = changes
        .iter()
        .filter(|change| **change == Change::Ejected)
        .count();
    assert_eq!(ejections, usize::from(ejects), "{outcomes}");
    assert_eq!(
        changes.last() == Some(&Change::Ejected),
        ejects,
        "{outcomes}"
    );
}

#[test]
fn failures_in_a_row_eject() {
    check("55", false);
    check("555", true);
    check("55.55", false);
    check("55.555", true);
    check("c", false);
    check("cc", true);
    check("c.c", false);
    check("c5c", true);
    check("5c", false);
    check("5cc", true);
}

/// Ejects at `now` and tells for how many seconds.
fn eject(condition: &mut Condition, now: Time) -> u64 {
    while condition.failed(FailureKind::Connect, Some(&CONFIG), now) != Change::Ejected {}
    let until = condition.outlier.ejected_until().unwrap();
    until.saturating_duration_since(now).as_secs()
}

#[test]
fn each_ejection_in_succession_is_longer_up_to_the_longest() {
    let mut condition = Condition::default();
    assert_eq!(eject(&mut condition, at(0)), 10);
    assert_eq!(condition.outlier.standing(at(9)), Standing::Ejected);
    assert_eq!(condition.outlier.standing(at(10)), Standing::OnTrial);
    assert_eq!(eject(&mut condition, at(10)), 20);
    assert_eq!(eject(&mut condition, at(30)), 25);
}

#[test]
fn time_spent_healthy_makes_up_for_ejections() {
    for (healthy, expect) in [
        (0, 25),
        (9, 25),
        (10, 25),
        (20, 20),
        (29, 20),
        (30, 10),
        (999, 10),
    ] {
        let mut condition = Condition::default();
        eject(&mut condition, at(0));
        eject(&mut condition, at(10));
        eject(&mut condition, at(30));
        assert_eq!(condition.succeeded(at(55)), Change::Recovered);
        assert_eq!(
            eject(&mut condition, at(55 + healthy)),
            expect,
            "after {healthy} s"
        );
    }
}

#[test]
fn failures_during_an_ejection_do_not_prolong_it() {
    let mut condition = Condition::default();
    eject(&mut condition, at(0));
    for second in 1..10 {
        let change = condition.failed(FailureKind::Connect, Some(&CONFIG), at(second));
        assert_eq!(change, Change::None);
    }
    assert_eq!(condition.outlier.ejected_until(), Some(at(10)));
}

#[test]
fn a_threshold_of_zero_never_ejects() {
    let config = OutlierDetection {
        consecutive_errors: 0,
        consecutive_connect_errors: 0,
        ..CONFIG
    };
    let mut condition = Condition::default();
    for _ in 0..100 {
        let change = condition.failed(FailureKind::Connect, Some(&config), at(0));
        assert_eq!(change, Change::None);
    }
}

#[test]
fn failures_weigh_more_in_a_row_and_are_forgotten() {
    let mut penalty = Penalty::default();
    for (in_a_row, expect) in [(1, 1.0), (2, 3.0), (3, 7.0), (9, 64.0)] {
        penalty.charge(in_a_row, at(0));
        assert_eq!(penalty.requests(at(0)), expect);
    }
    assert_eq!(penalty.requests(at(5)), 32.0);
    assert_eq!(penalty.requests(at(60)), 0.0);
}

#[test]
fn successes_clear_the_trouble() {
    let mut condition = Condition::default();
    condition.failed(FailureKind::Reset, None, at(0));
    condition.failed(FailureKind::Reset, None, at(0));
    assert!(condition.is_troubled());
    let needed = (1..10).find(|_| {
        condition.succeeded(at(0));
        !condition.is_troubled()
    });
    assert_eq!(needed, Some(4));
}

/// The probes, `+` passed and `-` failed, and the verdict after each: `p`assing or `f`ailing.
fn check_probes(probes: &str, expect: &str) {
    let thresholds = HealthThresholds {
        unhealthy: NonZeroU32::new(3).unwrap(),
        healthy: NonZeroU32::new(2).unwrap(),
    };
    let mut health = ProbeHealth::default();
    let verdicts: String = probes
        .chars()
        .map(|probe| {
            let before = health.state();
            let turned = health.report(probe == '+', thresholds);
            assert_eq!(turned, before != health.state());
            match health.state() {
                Probe::Passing => 'p',
                Probe::Failing => 'f',
                Probe::Unknown => '?',
            }
        })
        .collect();
    assert_eq!(verdicts, expect, "{probes}");
}

#[test]
fn probes_in_a_row_turn_the_verdict_and_the_first_decides() {
    check_probes("+", "p");
    check_probes("-", "f");
    check_probes("+--+---", "ppppppf");
    check_probes("-+-++-", "ffffpp");
}
