//! By how much something grows, and how sure that is.

use std::fmt;

/// A slope with its margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trend {
    slope: f64,
    /// Two standard errors: in 95 of 100 cases the truth is no farther off.
    margin: f64,
}

/// Samples that make one point. Neighbouring samples are alike, and each by itself would make the
/// slope look surer than it is.
const BLOCK: usize = 10;

impl Trend {
    /// The line of least squares through samples of x and y. Not a number for fewer than three
    /// blocks.
    pub(super) fn of(samples: &[(f64, f64)]) -> Self {
        let blocks: Vec<_> = samples.chunks_exact(BLOCK).map(mean).collect();
        let (mean_x, mean_y) = mean(&blocks);
        let sum = |term: &dyn Fn(f64, f64) -> f64| -> f64 {
            blocks
                .iter()
                .map(|(x, y)| term(x - mean_x, y - mean_y))
                .sum()
        };
        let spread = sum(&|x, _| x * x);
        let slope = sum(&|x, y| x * y) / spread;
        let rest = sum(&|x, y| (y - slope * x).powi(2));
        let freedom = blocks.len() as f64 - 2.0;
        let margin = if freedom < 1.0 {
            f64::NAN
        } else {
            2.0 * (rest / freedom / spread).sqrt()
        };
        Self { slope, margin }
    }

    /// Whether it grows, not by chance, and by more than `bound`.
    pub(super) fn exceeds(self, bound: f64) -> bool {
        self.slope > bound && self.slope > self.margin
    }
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+.1} ± {:.1}", self.slope, self.margin)
    }
}

fn mean(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let (x, y) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    (x / count, y / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(seconds: usize, value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        let minutes = (0..seconds).map(|second| second as f64 / 60.0);
        minutes.map(|minute| (minute, value(minute))).collect()
    }

    /// Back and forth, the same every time.
    fn noise(minute: f64) -> f64 {
        500.0 * (minute * 37.0).sin()
    }

    #[test]
    fn growth_is_told_from_noise() {
        let check = |slope: f64, seconds, expected| {
            let trend = Trend::of(&samples(seconds, |minute| {
                30_000.0 + slope * minute + noise(minute)
            }));
            assert_eq!(
                trend.exceeds(64.0),
                expected,
                "{slope} for {seconds} s: {trend}"
            );
        };
        check(0.0, 1800, false);
        check(-1000.0, 1800, false);
        check(40.0, 1800, false);
        check(100.0, 1800, true);
        check(5000.0, 120, true);
    }

    #[test]
    fn a_line_has_no_margin() {
        let Trend { slope, margin } = Trend::of(&samples(60, |minute| 2.0 * minute));
        assert!(
            (slope - 2.0).abs() < 1e-9 && margin < 1e-9,
            "{slope} ± {margin}"
        );
    }

    #[test]
    fn too_few_samples_prove_nothing() {
        let line = |minute| 1e6 * minute;
        assert!(!Trend::of(&[]).exceeds(1.0));
        assert!(!Trend::of(&samples(29, line)).exceeds(1.0));
        assert!(Trend::of(&samples(30, line)).exceeds(1.0));
    }
}
