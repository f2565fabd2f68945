//! Which members may be picked at all.
//!
//! Worked out when it may have changed (members, configuration, an ejection, a probe, the end of
//! an ejection), not at each pick; what changes with each request, fullness and exclusions, is
//! looked at when a candidate is drawn.

use crate::condition::{Probe, Standing};
use crate::config::PoolConfig;
use crate::identity::EndpointId;
use crate::members::Member;
use crate::time::Time;

/// Members to draw from, by position.
#[derive(Debug, Default)]
pub(crate) struct Tier {
    positions: Vec<usize>,
    /// The sum of the weights up to and with each; empty if all are equal.
    cumulative: Vec<u64>,
}

impl Tier {
    fn new(members: &[Member], positions: Vec<usize>) -> Self {
        let mut sum = 0;
        let cumulative: Vec<u64> = positions
            .iter()
            .map(|&position| {
                sum += weight(members, position);
                sum
            })
            .collect();
        let first = cumulative.first().copied().unwrap_or(0);
        let equal = first.checked_mul(cumulative.len() as u64) == Some(sum)
            && cumulative.iter().zip(1..).all(|(&sum, n)| sum == first * n);
        Self {
            positions,
            cumulative: if equal { Vec::new() } else { cumulative },
        }
    }

    pub(crate) fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// One position, in proportion to the weights.
    pub(crate) fn draw(&self, rng: &mut fastrand::Rng) -> Option<usize> {
        let place = match self.cumulative.last() {
            Some(&sum) => {
                let ticket = rng.u64(0..sum.max(1));
                self.cumulative.partition_point(|&up_to| up_to <= ticket)
            }
            None if self.positions.is_empty() => return None,
            None => rng.usize(0..self.positions.len()),
        };
        self.positions.get(place).copied()
    }
}

/// The weight of the member at a position.
pub(crate) fn weight(members: &[Member], position: usize) -> u64 {
    members
        .get(position)
        .map_or(0, |member| u64::from(member.endpoint.weight()))
}

#[derive(Debug)]
pub(crate) struct Candidates {
    /// Available, or waiting for a trial; in panic also those that do not pass their probes.
    pub(crate) first: Tier,
    /// In panic, what is ejected or on trial, to be drawn when `first` yields nothing.
    pub(crate) last: Tier,
    pub(crate) panic: bool,
    valid_until: Time,
}

impl Candidates {
    /// Not valid at any time.
    pub(crate) fn stale() -> Self {
        Self {
            first: Tier::default(),
            last: Tier::default(),
            panic: false,
            valid_until: Time::ZERO,
        }
    }

    pub(crate) fn is_valid(&self, now: Time) -> bool {
        now < self.valid_until
    }

    pub(crate) fn new(members: &[Member], config: &PoolConfig, now: Time) -> Self {
        let classes: Vec<(usize, Class)> = members
            .iter()
            .enumerate()
            .filter(|(_, member)| member.endpoint.weight() > 0)
            .map(|(position, member)| (position, Class::of(member, config, now)))
            .collect();
        let of_class = |wanted: &[Class]| -> Vec<usize> {
            let chosen = classes.iter().filter(|(_, class)| wanted.contains(class));
            chosen.map(|(position, _)| *position).collect()
        };
        let available = of_class(&[Class::Available]).len();
        let panic = available * 100 < config.panic_threshold.of(classes.len() * 100);
        let (first, last) = if panic {
            (
                of_class(&[Class::Available, Class::OnTrial, Class::Unhealthy]),
                of_class(&[Class::Ejected, Class::OnTrial]),
            )
        } else {
            (of_class(&[Class::Available, Class::OnTrial]), Vec::new())
        };
        Self {
            first: Tier::new(members, first),
            last: Tier::new(members, last),
            panic,
            valid_until: next_change(members, now),
        }
    }
}

/// The end of the ejection that ends first.
fn next_change(members: &[Member], now: Time) -> Time {
    members
        .iter()
        .filter_map(|member| member.condition.outlier.ejected_until())
        .filter(|&until| until > now)
        .min()
        .unwrap_or(Time::MAX)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Available,
    /// Waiting to be tried after an ejection.
    OnTrial,
    /// Not ejected, but its probes fail or have not begun.
    Unhealthy,
    Ejected,
}

impl Class {
    pub(crate) fn of(member: &Member, config: &PoolConfig, now: Time) -> Self {
        let passing = config.health.is_none() || member.condition.probe.state() == Probe::Passing;
        match member.condition.outlier.standing(now) {
            Standing::Ejected => Self::Ejected,
            Standing::OnTrial if passing => Self::OnTrial,
            Standing::OnTrial => Self::Ejected,
            Standing::Sound if passing => Self::Available,
            Standing::Sound => Self::Unhealthy,
        }
    }
}

/// What one request may not be given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter<'a> {
    pub(crate) exclude: &'a [EndpointId],
    pub(crate) limit: Option<u32>,
    /// Whether an endpoint on trial takes one request at a time. Not as a last resort.
    pub(crate) one_trial: bool,
}

impl Filter<'_> {
    pub(crate) fn excludes(&self, member: &Member) -> bool {
        self.exclude.contains(member.endpoint.id())
    }

    pub(crate) fn is_full(&self, member: &Member) -> bool {
        self.limit
            .is_some_and(|limit| member.endpoint.in_flight() >= limit)
    }

    pub(crate) fn is_busy_with_trial(&self, member: &Member) -> bool {
        self.one_trial && member.condition.outlier.trial_is_under_way()
    }

    pub(crate) fn admits(&self, member: &Member) -> bool {
        !self.is_full(member) && !self.is_busy_with_trial(member) && !self.excludes(member)
    }
}
