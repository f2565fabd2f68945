//! A histogram of fixed buckets.

use super::{Page, Python};

/// Counts of observations up to each bound.
pub(super) struct Histogram {
    bounds: &'static [f64],
    /// Observations in each bucket, not cumulative; the last has no bound.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0.0,
        }
    }

    pub(super) fn observe(&mut self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum += value;
    }

    /// Writes the series of `name` with the page's common labels.
    pub(super) fn render(&self, page: &mut Page<'_>, name: &str) {
        let mut total = 0;
        let bounds = self.bounds.iter().map(|bound| Python(*bound).to_string());
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&self.counts) {
            total += count;
            // `le` comes after `engine` and before `model_name`.
            let labels = page.labels.replacen(',', &format!(r#",le="{bound}","#), 1);
            page.line(&format!("{name}_bucket"), &labels, total as f64);
        }
        let labels = page.labels;
        page.line(&format!("{name}_count"), labels, total as f64);
        page.line(&format!("{name}_sum"), labels, self.sum);
    }
}
