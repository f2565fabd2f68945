//! What active probes say about an endpoint.

use crate::config::HealthThresholds;

/// The verdict of the probes so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Probe {
    #[default]
    Unknown,
    Passing,
    Failing,
}

/// Counts the probes that contradict the verdict; enough of them in a row turn it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProbeHealth {
    state: Probe,
    contrary: u32,
}

impl ProbeHealth {
    pub(crate) fn state(self) -> Probe {
        self.state
    }

    /// Whether this probe turned the verdict.
    pub(crate) fn report(&mut self, ok: bool, thresholds: HealthThresholds) -> bool {
        let seen = if ok { Probe::Passing } else { Probe::Failing };
        if seen == self.state {
            self.contrary = 0;
            return false;
        }
        self.contrary += 1;
        let needed = match self.state {
            Probe::Unknown => 1,
            Probe::Passing => thresholds.unhealthy.get(),
            Probe::Failing => thresholds.healthy.get(),
        };
        if self.contrary < needed {
            return false;
        }
        *self = Self {
            state: seen,
            contrary: 0,
        };
        true
    }
}
