//! The weight of recent failures, in requests.
//!
//! An endpoint that fails at once is idle by its requests in flight, and a policy that looks only
//! at those sends it everything. So a failed request goes on counting as load, as though it had
//! run its usual time: each failure in a row counts twice the one before, and the sum decays.
//! It is a matter of degree and needs no threshold; ejection comes on top.

use std::time::Duration;

use crate::time::Time;

/// The order of the time that a request to a language model runs.
const HALF_LIFE: Duration = Duration::from_secs(5);
/// The most that failures can count, in requests in flight.
const MAX: f64 = 64.0;
/// Below this, failures are forgotten.
const NEGLIGIBLE: f64 = 0.25;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Penalty {
    requests: f64,
    at: Time,
}

impl Penalty {
    /// Whether there ever was a failure that no success has made up for.
    pub(crate) fn is_due(self) -> bool {
        self.requests > 0.0
    }

    /// Requests that the failures count as at this moment.
    pub(crate) fn requests(self, now: Time) -> f64 {
        if self.requests == 0.0 {
            return 0.0;
        }
        let age = now.saturating_duration_since(self.at);
        let left = self.requests * (-age.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2();
        if left < NEGLIGIBLE { 0.0 } else { left }
    }

    /// Charges a failure, the `in_a_row`-th.
    pub(crate) fn charge(&mut self, in_a_row: u32, now: Time) {
        let charge = f64::from(in_a_row.saturating_sub(1)).exp2();
        *self = Self {
            requests: (self.requests(now) + charge).min(MAX),
            at: now,
        };
    }

    /// A success takes half of it away.
    pub(crate) fn relieve(&mut self, now: Time) {
        let left = self.requests(now) / 2.0;
        let requests = if left < NEGLIGIBLE { 0.0 } else { left };
        *self = Self { requests, at: now };
    }
}
