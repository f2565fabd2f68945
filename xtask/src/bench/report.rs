//! Medians and ratios as a Markdown table.

use super::Sample;
use std::fmt::Write;

/// The proxy that the others are divided by.
const REFERENCE: &str = "Envoy";

/// The medians of each proxy's samples.
pub(super) fn table(title: &str, proxies: &[(&str, Vec<Sample>)]) -> String {
    let medians: Vec<_> = proxies
        .iter()
        .map(|(name, s)| (*name, median_sample(s)))
        .collect();
    let reference = medians
        .iter()
        .find(|(name, _)| *name == REFERENCE)
        .map(|(_, sample)| *sample);
    let mut table = format!(
        "{title}\n\n\
         | proxy | CPU µs/request | ÷ {REFERENCE} | min–max | requests/s | p50 µs | p99 µs |\n\
         |---|---|---|---|---|---|---|\n"
    );
    for ((name, median), (_, samples)) in medians.iter().zip(proxies) {
        let ratio = median
            .cpu_us
            .zip(reference.and_then(|r| r.cpu_us))
            .map(|(own, r)| own / r);
        // Writing to a string does not fail.
        let _ = writeln!(
            table,
            "| {name} | {} | {} | {} | {:.0} | {:.0} | {:.0} |",
            number(median.cpu_us, 1),
            number(ratio, 2),
            range(samples),
            median.requests_per_second,
            median.p50_us,
            median.p99_us,
        );
    }
    table
}

fn median_sample(samples: &[Sample]) -> Sample {
    let of = |value: fn(&Sample) -> f64| median(samples.iter().map(value).collect());
    let cpu: Option<Vec<f64>> = samples.iter().map(|sample| sample.cpu_us).collect();
    Sample {
        cpu_us: cpu.map(median),
        requests_per_second: of(|sample| sample.requests_per_second),
        p50_us: of(|sample| sample.p50_us),
        p99_us: of(|sample| sample.p99_us),
    }
}

/// The median, of an even number the mean of the middle two; not a number when there are none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2);
    let lower = values.get(values.len().saturating_sub(1) / 2);
    lower
        .zip(upper)
        .map_or(f64::NAN, |(lower, upper)| f64::midpoint(*lower, *upper))
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.decimals$}"))
}

fn range(samples: &[Sample]) -> String {
    let cpu = || samples.iter().filter_map(|sample| sample.cpu_us);
    match (cpu().min_by(f64::total_cmp), cpu().max_by(f64::total_cmp)) {
        (Some(least), Some(most)) => format!("{least:.1}–{most:.1}"),
        _ => "–".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Sample, median, table};

    #[test]
    fn medians() {
        let check = |values: &[f64], expected: f64| assert_eq!(median(values.to_vec()), expected);
        check(&[3.0], 3.0);
        check(&[9.0, 1.0, 5.0], 5.0);
        check(&[1.0, 9.0, 5.0, 3.0], 4.0);
        assert!(median(vec![]).is_nan());
    }

    #[test]
    fn the_table_divides_by_the_reference() {
        let sample = |cpu_us| Sample {
            cpu_us,
            requests_per_second: 1000.0,
            p50_us: 50.0,
            p99_us: 99.0,
        };
        let proxies = [
            ("none", vec![sample(None)]),
            (
                "Envoy",
                vec![sample(Some(90.0)), sample(Some(100.0)), sample(Some(110.0))],
            ),
            ("Sluicegate", vec![sample(Some(40.0))]),
        ];
        let table = table("title", &proxies);
        let rows: Vec<_> = table.lines().skip(4).collect();
        assert_eq!(
            rows,
            [
                "| none | – | – | – | 1000 | 50 | 99 |",
                "| Envoy | 100.0 | 1.00 | 90.0–110.0 | 1000 | 50 | 99 |",
                "| Sluicegate | 40.0 | 0.40 | 40.0–40.0 | 1000 | 50 | 99 |",
            ]
        );
    }
}
