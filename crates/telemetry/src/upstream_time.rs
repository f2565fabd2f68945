//! Time during which a request was waiting for an upstream.
//!
//! The gateway's overhead is the duration of the request minus the *union* of its upstream calls
//! (the definition is TensorZero's): attempts may overlap when hedged, and follow one another with
//! gaps when retried, and the gaps are ours.

use std::time::Duration;

#[cfg(test)]
mod tests;

/// The union of the intervals in which at least one upstream call was open. Times are since the
/// start of the request and must not go back.
#[derive(Clone, Debug, Default)]
pub struct UpstreamTime {
    open: u32,
    since: Duration,
    total: Duration,
}

impl UpstreamTime {
    /// An upstream call begins.
    pub fn begin(&mut self, now: Duration) {
        if self.open == 0 {
            self.since = now;
        }
        self.open += 1;
    }

    /// An upstream call that had begun ends.
    pub fn end(&mut self, now: Duration) {
        debug_assert!(self.open > 0, "an upstream call ended that had not begun");
        self.open = self.open.saturating_sub(1);
        if self.open == 0 {
            self.total += now.saturating_sub(self.since);
        }
    }

    /// The union so far, calls still open included.
    pub fn total(&self, now: Duration) -> Duration {
        match self.open {
            0 => self.total,
            _ => self.total + now.saturating_sub(self.since),
        }
    }

    /// The gateway's own share of a request that has lasted until `now`.
    pub fn overhead(&self, now: Duration) -> Duration {
        now.saturating_sub(self.total(now))
    }
}
