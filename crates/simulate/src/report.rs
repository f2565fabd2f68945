//! The figures of a run.

use engine::Nanos;

use crate::run::{Outcomes, Seen};

/// What a request is promised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    /// The first token within this, or within [`cold_factor`](Self::cold_factor) times what the prompt takes
    /// alone, whichever is longer.
    pub first_token: Nanos,
    /// See [`first_token`](Self::first_token).
    pub cold_factor: f64,
    /// Each further token within this, in the mean of the request.
    pub per_token: Nanos,
}

impl Default for Objective {
    /// Two seconds or twice the cold prefill, and 50 ms a token.
    fn default() -> Self {
        Self {
            first_token: Nanos::from_secs(2),
            cold_factor: 2.0,
            per_token: Nanos::from_millis(50),
        }
    }
}

impl Objective {
    /// Whether a request had what it was promised.
    #[must_use]
    pub fn is_met(&self, seen: &Seen) -> bool {
        let cold = seen.cold_prefill.as_secs_f64() * self.cold_factor;
        let first = self.first_token.as_secs_f64().max(cold);
        let per_token = time_per_output_token(seen);
        let in_time = per_token.is_none_or(|time| time <= self.per_token.as_millis_f64());
        seen.first_token.as_secs_f64() <= first && in_time
    }
}

/// Milliseconds from one token to the next; `None` of an answer of one.
fn time_per_output_token(seen: &Seen) -> Option<f64> {
    let gaps = seen.output_tokens.checked_sub(1).filter(|gaps| *gaps > 0)?;
    Some(seen.decoding.as_millis_f64() / f64::from(gaps))
}

/// The names of the figures of a run, in their order.
pub const FIGURES: [&str; 10] = [
    "attained",
    "TTFT mean, ms",
    "TTFT p50, ms",
    "TTFT p90, ms",
    "TTFT p99, ms",
    "slowdown p90",
    "slowdown p99",
    "TPOT mean, ms",
    "hit ratio",
    "imbalance",
];

/// The figures of a run, in the order of [`FIGURES`].
///
/// * *attained*: the share of requests that had what they were promised; one that was refused had not.
/// * *TTFT*, *TPOT*: time to first token, and from one token to the next.
/// * *slowdown*: TTFT over what the prompt takes alone on an engine with nothing cached.
/// * *hit ratio*: of all prompt tokens, those found in a cache.
/// * *imbalance*: the most that an engine prefilled, over the mean.
#[must_use]
pub fn figures(outcomes: &Outcomes, objective: &Objective, warm_up: f64) -> [f64; 10] {
    let mut seen: Vec<&Seen> = outcomes.seen.iter().collect();
    seen.sort_by_key(|one| one.arrived);
    let skipped = (seen.len() as f64 * warm_up.clamp(0.0, 1.0)) as usize;
    let seen = seen.get(skipped..).unwrap_or_default();
    let count = (seen.len() + outcomes.refused).max(1) as f64;
    let met = seen.iter().filter(|one| objective.is_met(one)).count();
    let first: Vec<f64> = sorted(seen.iter().map(|one| one.first_token.as_millis_f64()));
    let slowdown =
        sorted(seen.iter().map(|one| {
            one.first_token.as_millis_f64() / one.cold_prefill.as_millis_f64().max(1e-6)
        }));
    let gaps: Vec<f64> = seen
        .iter()
        .filter_map(|one| time_per_output_token(one))
        .collect();
    let tokens = |of: fn(&Seen) -> u32| seen.iter().map(|one| f64::from(of(one))).sum::<f64>();
    let prefilled: Vec<f64> = outcomes.prefilled.iter().map(|one| *one as f64).collect();
    let most = prefilled.iter().copied().fold(0.0, f64::max);
    [
        met as f64 / count,
        mean(&first),
        quantile(&first, 0.5),
        quantile(&first, 0.9),
        quantile(&first, 0.99),
        quantile(&slowdown, 0.9),
        quantile(&slowdown, 0.99),
        mean(&gaps),
        tokens(|one| one.cached_tokens) / tokens(|one| one.prompt_tokens).max(1.0),
        most / mean(&prefilled).max(1e-9),
    ]
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Of sorted values, the least that this share of all is not above.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    let at = rank.saturating_sub(1).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(0.0)
}

/// A mean and how far it may be from the true one, with 95% confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean of the runs.
    pub mean: f64,
    /// Half of the width of the interval; 0 of a single run, of which nothing is known.
    pub margin: f64,
}

/// Student's t at 97.5%, by degrees of freedom from 1.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

impl Estimate {
    /// Of runs that differ by their seeds.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let mean = mean(values);
        let count = values.len();
        let margin = match count.checked_sub(2) {
            None => 0.0,
            Some(freedom) => {
                let squares = values
                    .iter()
                    .map(|value| (value - mean).powi(2))
                    .sum::<f64>();
                let deviation = (squares / (count - 1) as f64).sqrt();
                let student = STUDENT.get(freedom).copied().unwrap_or(1.96);
                student * deviation / (count as f64).sqrt()
            }
        };
        Self { mean, margin }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_values_themselves() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let check = |share, expect: f64| assert!((quantile(&values, share) - expect).abs() < 1e-9);
        check(0.5, 5.0);
        check(0.9, 9.0);
        check(0.99, 10.0);
        check(0.0, 1.0);
        assert!(quantile(&[], 0.5).abs() < 1e-9);
    }

    #[test]
    fn estimates_widen_with_what_runs_differ_by() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0]);
        assert!((estimate.mean - 2.0).abs() < 1e-9);
        assert!((estimate.margin - 4.303 / 3.0_f64.sqrt()).abs() < 1e-3);
        assert!(Estimate::of(&[5.0]).margin.abs() < 1e-9);
    }
}
