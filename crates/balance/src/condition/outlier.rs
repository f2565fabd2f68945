//! Ejection of an endpoint by how it answers.
//!
//! Sound → ejected after failures in a row → on trial when the time is over → sound after a
//! success, ejected for longer after a failure. Every change begins a new epoch; what was
//! reserved in an older one is no evidence, so that the many requests that die with an engine
//! eject it once, and a long stream that outlives the ejection does not end it.

use std::time::Duration;

use super::Change;
use crate::config::OutlierDetection;
use crate::request::FailureKind;
use crate::time::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Sound,
    /// Out until a time to come.
    Ejected,
    /// To be tried by one request at a time.
    OnTrial,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Outlier {
    until: Option<Time>,
    epoch: u32,
    errors: u32,
    connect_errors: u32,
    /// Ejections in succession, less those that time spent healthy has made up for.
    ejections: u32,
    recovered: Time,
    trials: u32,
}

impl Outlier {
    pub(crate) fn ejected_until(&self) -> Option<Time> {
        self.until
    }

    pub(crate) fn standing(&self, now: Time) -> Standing {
        match self.until {
            None => Standing::Sound,
            Some(until) if now < until => Standing::Ejected,
            Some(_) => Standing::OnTrial,
        }
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(crate) fn consecutive_errors(&self) -> u32 {
        self.errors
    }

    pub(crate) fn is_troubled(&self) -> bool {
        self.until.is_some() || self.errors > 0
    }

    pub(crate) fn trial_is_under_way(&self) -> bool {
        self.trials > 0
    }

    /// Counts a request reserved now; whether it is a trial.
    pub(crate) fn reserved(&mut self) -> bool {
        let trial = self.until.is_some();
        self.trials += u32::from(trial);
        trial
    }

    /// A trial of this epoch ended, whatever it showed.
    pub(crate) fn trial_ended(&mut self) {
        self.trials = self.trials.saturating_sub(1);
    }

    pub(crate) fn succeeded(&mut self, now: Time) -> Change {
        self.errors = 0;
        self.connect_errors = 0;
        if self.until.is_none() {
            return Change::None;
        }
        self.recovered = now;
        self.begin_epoch(None);
        Change::Recovered
    }

    pub(crate) fn count_failure(&mut self, kind: FailureKind) {
        self.errors = self.errors.saturating_add(1);
        self.connect_errors = match kind {
            FailureKind::Connect => self.connect_errors.saturating_add(1),
            _ => 0,
        };
    }

    /// Ejects after a failure, if there were enough or if it was a trial.
    pub(crate) fn eject_if_due(&mut self, config: &OutlierDetection, now: Time) -> Change {
        let reached = |count: u32, threshold: u32| threshold > 0 && count >= threshold;
        let due = match self.standing(now) {
            Standing::Sound => {
                reached(self.errors, config.consecutive_errors)
                    || reached(self.connect_errors, config.consecutive_connect_errors)
            }
            Standing::Ejected => false,
            Standing::OnTrial => true,
        };
        if !due {
            return Change::None;
        }
        self.forgive(config.base_ejection, now);
        self.ejections = self.ejections.saturating_add(1);
        let longest = config.max_ejection.max(config.base_ejection);
        let duration = config
            .base_ejection
            .saturating_mul(self.ejections)
            .min(longest);
        self.begin_epoch(Some(now + duration));
        Change::Ejected
    }

    /// Ends an ejection without a trial, because there is no more outlier detection.
    pub(crate) fn pardon(&mut self) {
        if self.until.is_some() {
            self.begin_epoch(None);
        }
    }

    /// Takes one ejection off for each `period` since the recovery.
    fn forgive(&mut self, period: Duration, now: Time) {
        if self.until.is_some() {
            return;
        }
        let healthy = now.saturating_duration_since(self.recovered).as_nanos();
        let periods = healthy / period.as_nanos().max(1);
        let periods = u32::try_from(periods).unwrap_or(u32::MAX);
        self.ejections = self.ejections.saturating_sub(periods);
    }

    fn begin_epoch(&mut self, until: Option<Time>) {
        self.until = until;
        self.epoch = self.epoch.wrapping_add(1);
        self.errors = 0;
        self.connect_errors = 0;
        self.trials = 0;
    }
}
