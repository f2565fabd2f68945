//! What is made of many samples.

/// The median, of an even number the mean of the middle two; not a number when there are none.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2);
    let lower = values.get(values.len().saturating_sub(1) / 2);
    lower
        .zip(upper)
        .map_or(f64::NAN, |(lower, upper)| f64::midpoint(*lower, *upper))
}

/// The slope of the line of least squares through points of x and y; not a number for fewer than
/// two different x.
pub(super) fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    covariance / variance
}

#[cfg(test)]
mod tests {
    use super::{median, slope};

    #[test]
    fn medians() {
        let check = |values: &[f64], expected: f64| {
            assert_eq!(median(values.iter().copied()), expected);
        };
        check(&[3.0], 3.0);
        check(&[9.0, 1.0, 5.0], 5.0);
        check(&[1.0, 9.0, 5.0, 3.0], 4.0);
        assert!(median([]).is_nan());
    }

    #[test]
    fn slopes() {
        let check = |points: &[(f64, f64)], expected: f64| {
            let slope = slope(points);
            assert!((slope - expected).abs() < 1e-9, "{slope}, not {expected}");
        };
        check(&[(1.0, 10.0), (9.0, 26.0)], 2.0);
        // Off the line by as much above as below.
        check(&[(0.0, 1.0), (1.0, -1.0), (2.0, -1.0), (3.0, 1.0)], 0.0);
        check(&[(0.0, 0.0), (1.0, 3.0), (2.0, 3.0)], 1.5);
        assert!(slope(&[(1.0, 1.0)]).is_nan());
    }
}
