//! A histogram that is written without a lock.
//!
//! prometheus-client's own histogram guards its buckets with a mutex, which every request of a
//! model would take several times. Here buckets and sum are atomics; the sum is kept in integers so
//! that one addition suffices where a float would need a compare-and-swap loop. Durations are summed
//! in microseconds: in nanoseconds, ten thousand streams at a time would overflow 64 bits within
//! three weeks. A scrape reads each bucket once and derives the count from them, so that
//! count and `+Inf` bucket always agree; the sum may lead or lag by what is being recorded at that
//! moment.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

#[cfg(test)]
mod tests;

/// Upper bounds (inclusive) of the finite buckets, in seconds or tokens.
#[derive(Debug)]
pub(crate) struct Buckets {
    bounds: &'static [f64],
    /// How many units of the sum make one of the bounds' unit.
    sum_scale: f64,
}

const MICROS_PER_SECOND: f64 = 1e6;

/// Largest count that is taken at its word. What an upstream reports may be nonsense, and a few
/// times `u64::MAX` would make the sum wrap around.
const MAX_COUNT: u64 = 1 << 40;

/// `gen_ai.server.request.duration`, from the OpenTelemetry GenAI semantic conventions.
pub(crate) static REQUEST_DURATION: Buckets = Buckets {
    bounds: &[
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    ],
    sum_scale: MICROS_PER_SECOND,
};

/// `gen_ai.server.time_to_first_token`, from the OpenTelemetry GenAI semantic conventions.
pub(crate) static TIME_TO_FIRST_TOKEN: Buckets = Buckets {
    bounds: &[
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    ],
    sum_scale: MICROS_PER_SECOND,
};

/// `gen_ai.server.time_per_output_token`, from the OpenTelemetry GenAI semantic conventions.
pub(crate) static TIME_PER_OUTPUT_TOKEN: Buckets = Buckets {
    bounds: &[
        0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
    ],
    sum_scale: MICROS_PER_SECOND,
};

/// `gen_ai.client.token.usage`, from the OpenTelemetry GenAI semantic conventions: powers of four.
pub(crate) static TOKEN_USAGE: Buckets = Buckets {
    bounds: &[
        1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0,
        4194304.0, 16777216.0, 67108864.0,
    ],
    sum_scale: 1.0,
};

/// The gateway's own time. A proxied request costs tens of microseconds; guards and look-ups may
/// take it to seconds.
pub(crate) static OVERHEAD: Buckets = Buckets {
    bounds: &[
        0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
        0.1, 0.5, 2.5,
    ],
    sum_scale: MICROS_PER_SECOND,
};

/// A fixed-bucket histogram.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: &'static Buckets,
    /// One more than there are bounds: the last is `+Inf`.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram held at one moment, in seconds or tokens.
#[derive(Debug, PartialEq)]
pub(crate) struct HistogramSnapshot {
    pub(crate) sum: f64,
    pub(crate) count: u64,
    /// Upper bound and (not cumulated) count of each bucket, the last bound being infinite.
    pub(crate) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    pub(crate) fn new(buckets: &'static Buckets) -> Self {
        let counts = (0..=buckets.bounds.len())
            .map(|_| AtomicU64::new(0))
            .collect();
        Self {
            buckets,
            counts,
            sum: AtomicU64::new(0),
        }
    }

    /// Record a duration; the bounds are in seconds.
    pub(crate) fn observe_duration(&self, duration: Duration) {
        let micros = (duration + Duration::from_nanos(500)).as_micros();
        self.observe(
            duration.as_secs_f64(),
            u64::try_from(micros).unwrap_or(u64::MAX),
        );
    }

    /// Record a number of tokens.
    pub(crate) fn observe_count(&self, count: u64) {
        let count = count.min(MAX_COUNT);
        self.observe(count as f64, count);
    }

    fn observe(&self, value: f64, summand: u64) {
        let index = self.buckets.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(index) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(summand, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> HistogramSnapshot {
        let bounds = self.buckets.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds
            .zip(self.counts.iter().map(|count| count.load(Relaxed)))
            .collect();
        HistogramSnapshot {
            sum: self.sum.load(Relaxed) as f64 / self.buckets.sum_scale,
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}
