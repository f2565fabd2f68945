//! Benchmarks of single crates whose figures belong on the same page: a match among 10,000 routes and
//! a translated chunk take less than a request's cost can show.

use crate::{process, workspace::Workspace};
use anyhow::{Result, ensure};

/// The median time of one benchmark.
#[derive(Debug, PartialEq)]
pub(super) struct BenchTime {
    pub(super) name: String,
    pub(super) ns: f64,
}

/// Times of a match, by the shape of the routes.
pub(super) fn matches(workspace: &Workspace) -> Result<Vec<BenchTime>> {
    run(workspace, "mesh", &["snapshot", "--", "route_request"])
}

/// Times of translations, and of serde with the same bodies.
pub(super) fn translations(workspace: &Workspace) -> Result<Vec<BenchTime>> {
    run(workspace, "llm", &["translation"])
}

fn run(workspace: &Workspace, package: &str, bench: &[&str]) -> Result<Vec<BenchTime>> {
    let arguments = [
        &["bench", "--quiet", "--package", package, "--bench"],
        bench,
    ]
    .concat();
    let times = parse(&process::output(&mut workspace.cargo(&arguments))?);
    ensure!(
        !times.is_empty(),
        "a benchmark of {package} printed no times"
    );
    Ok(times)
}

/// The rows of divan's table: a tree, then columns of fastest, slowest, median, mean.
fn parse(table: &str) -> Vec<BenchTime> {
    table.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<BenchTime> {
    let line = line.trim_start_matches(['│', '├', '╰', '─', ' ']);
    let name = line.split_whitespace().next()?.to_owned();
    let ns = nanoseconds(line.split('│').nth(2)?)?;
    Some(BenchTime { name, ns })
}

fn nanoseconds(text: &str) -> Option<f64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let scale = match unit {
        "ns" => 1.0,
        "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * scale)
}

#[cfg(test)]
mod tests {
    use super::{BenchTime, parse};

    #[test]
    fn medians_are_found() {
        let table = "\
Timer precision: 20 ns
snapshot          fastest       │ slowest       │ median        │ mean          │ samples │ iters
╰─ route_request                │               │               │               │         │
   ├─ Hosts       101.1 ns      │ 290.2 ns      │ 103.5 ns      │ 107.2 ns      │ 100     │ 3200
   ╰─ Models      1.011 µs      │ 2.9 µs        │ 1.25 µs       │ 1.3 µs        │ 100     │ 3200
";
        let time = |name: &str, ns| BenchTime {
            name: name.into(),
            ns,
        };
        assert_eq!(parse(table), [time("Hosts", 103.5), time("Models", 1250.0)]);
    }
}
