//! The condition of one endpoint: what its probes say, whether it is ejected, and how much its
//! recent failures weigh. Guarded by the lock of its pool.

mod outlier;
mod penalty;
mod probe;
#[cfg(test)]
mod tests;

pub(crate) use outlier::{Outlier, Standing};
pub(crate) use penalty::Penalty;
pub(crate) use probe::{Probe, ProbeHealth};

use crate::config::OutlierDetection;
use crate::request::FailureKind;
use crate::time::Time;

#[derive(Clone, Debug, Default)]
pub(crate) struct Condition {
    pub(crate) outlier: Outlier,
    pub(crate) probe: ProbeHealth,
    pub(crate) penalty: Penalty,
}

/// What an outcome did to the endpoint's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Ejected,
    Recovered,
}

impl Condition {
    /// Whether a success would change anything.
    pub(crate) fn is_troubled(&self) -> bool {
        self.outlier.is_troubled() || self.penalty.is_due()
    }

    /// Whether what was reserved in this epoch is evidence now.
    pub(crate) fn concerns(&self, epoch: u32) -> bool {
        self.outlier.epoch() == epoch
    }

    /// A request of this epoch succeeded.
    pub(crate) fn succeeded(&mut self, now: Time) -> Change {
        self.penalty.relieve(now);
        self.outlier.succeeded(now)
    }

    /// A request of this epoch failed. `config` is `None` where it may not be ejected.
    pub(crate) fn failed(
        &mut self,
        kind: FailureKind,
        config: Option<&OutlierDetection>,
        now: Time,
    ) -> Change {
        self.outlier.count_failure(kind);
        let change = config.map_or(Change::None, |config| {
            self.outlier.eject_if_due(config, now)
        });
        if change == Change::Ejected {
            self.penalty = Penalty::default();
        } else if self.outlier.standing(now) == Standing::Sound {
            self.penalty.charge(self.outlier.consecutive_errors(), now);
        }
        change
    }
}
