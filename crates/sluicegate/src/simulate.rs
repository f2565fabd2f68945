//! `sluicegate simulate`: which policy a fleet is served best by.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::{fs, thread};

use anyhow::{Context, anyhow, bail};
use balance::Policy;
use engine::{Nanos, Profile};
use serde_json::json;
use simulate::policies::{self, NAMES};
use simulate::report::{Estimate, FIGURES, Objective, figures};
use simulate::run::{Fleet, replay};
use simulate::trace::Trace;

use crate::args::{Simulate, TableFormat};

/// The share of requests at the beginning that is not counted: caches are empty then.
const WARM_UP: f64 = 0.05;

/// The share of requests that must have what they are promised for a rate to be within the fleet's capacity.
const ATTAINED: f64 = 0.9;

/// Halvings of the range in which a capacity is looked for, which is from a rate to its double: to within a
/// three-hundredth of it.
const HALVINGS: usize = 8;

/// How many times the rate that the search begins with a capacity may be, or that times less.
const MOST_BEYOND: f64 = 1024.0;

pub(crate) fn simulate(args: &Simulate) -> anyhow::Result<()> {
    let study = Study::of(args)?;
    let rows = match args.find_capacity {
        true => study.capacities()?,
        false => study.figures()?,
    };
    let text = match args.format {
        TableFormat::Table => study.table(&rows),
        TableFormat::Csv => csv(&rows),
        TableFormat::Json => json_of(&rows),
    };
    // A reader that has seen enough is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

/// What a policy came to.
struct Row {
    policy: String,
    figures: Vec<(&'static str, Estimate)>,
}

struct Study {
    trace: Trace,
    rate: f64,
    profile: Profile,
    replicas: NonZeroU32,
    slow: u32,
    spread: Nanos,
    seeds: u64,
    policies: Vec<(String, Policy)>,
    /// It is capacities that are looked for.
    searches: bool,
}

impl Study {
    fn of(args: &Simulate) -> anyhow::Result<Self> {
        let profile = Profile::named(&args.profile).with_context(|| {
            let names = Profile::NAMES.join(", ");
            format!("no profile is called {}: there are {names}", args.profile)
        })?;
        let path = args.trace.display();
        let text =
            fs::read_to_string(&args.trace).with_context(|| format!("cannot read {path}"))?;
        let trace = Trace::mooncake(&text, profile.block_size)
            .with_context(|| format!("{path} cannot be replayed"))?;
        let trace = match args.requests {
            Some(requests) => trace.first(requests.get() as usize),
            None => trace,
        };
        let own = trace.rate();
        let rate = args.rate.unwrap_or(own);
        if !(rate.is_finite() && rate > 0.0 && own > 0.0) {
            bail!("a rate must be above zero, and the trace must last some time");
        }
        if args.slow_replicas > args.replicas.get() {
            bail!("--slow-replicas cannot be more than --replicas");
        }
        Ok(Self {
            rate,
            trace,
            profile,
            replicas: args.replicas,
            slow: args.slow_replicas,
            spread: Nanos::from_millis(args.spread_ms),
            seeds: u64::from(args.seeds.get()),
            policies: policies_of(&args.policy)?,
            searches: args.find_capacity,
        })
    }

    /// One run of a policy.
    fn run(&self, policy: Policy, rate: f64, seed: u64) -> anyhow::Result<[f64; FIGURES.len()]> {
        let trace = self.trace.spread(self.spread, seed);
        let trace = trace.faster(rate / trace.rate());
        let mut fleet = Fleet::of(self.profile.clone(), self.replicas, policy, seed);
        let slow = fleet.slowness.iter_mut().take(self.slow as usize);
        slow.for_each(|slowness| *slowness = 2.0);
        let outcomes = replay(&trace, &fleet)?;
        Ok(figures(&outcomes, &Objective::default(), WARM_UP))
    }

    fn figures(&self) -> anyhow::Result<Vec<Row>> {
        let runs: Vec<(usize, u64)> = (0..self.policies.len())
            .flat_map(|policy| (0..self.seeds).map(move |seed| (policy, seed)))
            .collect();
        let done = in_parallel(&runs, |(policy, seed)| {
            let (_, policy) = &self.policies[*policy];
            self.run(*policy, self.rate, *seed)
        })?;
        let of = |policy: usize| {
            let runs = runs.iter().zip(&done);
            let runs: Vec<_> = runs
                .filter(|((of, _), _)| *of == policy)
                .map(|(_, run)| run)
                .collect();
            let estimate = |at: usize| {
                let values: Vec<f64> = runs.iter().map(|run| run[at]).collect();
                (FIGURES[at], Estimate::of(&values))
            };
            Row {
                policy: self.policies[policy].0.clone(),
                figures: (0..FIGURES.len()).map(estimate).collect(),
            }
        };
        Ok((0..self.policies.len()).map(of).collect())
    }

    /// The highest rate at which a policy keeps what is promised to nine of ten requests.
    fn capacities(&self) -> anyhow::Result<Vec<Row>> {
        let runs: Vec<(usize, u64)> = (0..self.policies.len())
            .flat_map(|policy| (0..self.seeds).map(move |seed| (policy, seed)))
            .collect();
        let done = in_parallel(&runs, |(policy, seed)| {
            let (_, policy) = &self.policies[*policy];
            self.capacity(*policy, *seed)
        })?;
        let of = |policy: usize| {
            let runs = runs.iter().zip(&done);
            let values: Vec<f64> = runs
                .filter(|((of, _), _)| *of == policy)
                .map(|(_, run)| *run)
                .collect();
            Row {
                policy: self.policies[policy].0.clone(),
                figures: vec![("capacity, requests/s", Estimate::of(&values))],
            }
        };
        Ok((0..self.policies.len()).map(of).collect())
    }

    fn capacity(&self, policy: Policy, seed: u64) -> anyhow::Result<f64> {
        let attains =
            |rate: f64| Ok::<_, anyhow::Error>(self.run(policy, rate, seed)?[0] >= ATTAINED);
        let (mut low, mut high) = (self.rate, self.rate);
        if attains(low)? {
            high *= 2.0;
            while attains(high)? {
                if high > self.rate * MOST_BEYOND {
                    bail!(
                        "{ATTAINED} of the requests have what they are promised even at {high:.0} a second: \
                         the trace is too short or the fleet too large to find its capacity"
                    );
                }
                (low, high) = (high, high * 2.0);
            }
        } else {
            low /= 2.0;
            while !attains(low)? {
                if low < self.rate / MOST_BEYOND {
                    // Not even one request at a time has what it is promised.
                    return Ok(0.0);
                }
                (low, high) = (low / 2.0, low);
            }
        }
        for _ in 0..HALVINGS {
            let middle = (low * high).sqrt();
            match attains(middle)? {
                true => low = middle,
                false => high = middle,
            }
        }
        Ok(low)
    }

    fn table(&self, rows: &[Row]) -> String {
        let mut text = String::new();
        let rate = match self.searches {
            true => String::new(),
            false => format!(", {:.2} a second", self.rate),
        };
        let slow = match self.slow {
            0 => String::new(),
            slow => format!(", {slow} of them at half speed"),
        };
        let _ = writeln!(
            text,
            "{} requests{rate}, before {} × {}{slow}; {} seeds, mean ± 95%\n",
            self.trace.arrivals().len(),
            self.replicas,
            self.profile.name,
            self.seeds,
        );
        let mut lines = vec![vec!["policy".to_owned()]];
        if let (Some(row), Some(head)) = (rows.first(), lines.first_mut()) {
            head.extend(row.figures.iter().map(|(name, _)| (*name).to_owned()));
        }
        lines.extend(rows.iter().map(|row| {
            let cells = row.figures.iter().map(|(_, estimate)| cell(estimate));
            std::iter::once(row.policy.clone()).chain(cells).collect()
        }));
        align(&lines, &mut text);
        text
    }
}

/// A figure of about four digits.
fn cell(estimate: &Estimate) -> String {
    let Estimate { mean, margin } = estimate;
    let places = match mean.abs() {
        mean if mean >= 1000.0 => 0,
        mean if mean >= 100.0 => 1,
        mean if mean >= 10.0 => 2,
        _ => 3,
    };
    match *margin > 0.0 {
        true => format!("{mean:.places$} ± {margin:.places$}"),
        false => format!("{mean:.places$}"),
    }
}

fn align(lines: &[Vec<String>], text: &mut String) {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in lines {
        let cells = line.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
}

fn csv(rows: &[Row]) -> String {
    let mut text = "policy,figure,mean,margin\n".to_owned();
    for row in rows {
        for (name, Estimate { mean, margin }) in &row.figures {
            let _ = writeln!(text, "{},\"{name}\",{mean},{margin}", row.policy);
        }
    }
    text
}

fn json_of(rows: &[Row]) -> String {
    let figure = |(name, estimate): &(&str, Estimate)| {
        let value = json!({"mean": estimate.mean, "margin": estimate.margin});
        ((*name).to_owned(), value)
    };
    let of = |row: &Row| {
        let figures: serde_json::Map<_, _> = row.figures.iter().map(figure).collect();
        json!({"policy": row.policy, "figures": figures})
    };
    let rows: Vec<_> = rows.iter().map(of).collect();
    format!("{:#}\n", json!(rows))
}

fn policies_of(names: &[String]) -> anyhow::Result<Vec<(String, Policy)>> {
    let all = || NAMES.map(|(name, _)| name.to_owned()).to_vec();
    let names = if names.is_empty() {
        all()
    } else {
        names.to_vec()
    };
    let policy = |name: String| {
        let policy = policies::named(&name).ok_or_else(|| unknown(&name))?;
        Ok((name, policy))
    };
    names.into_iter().map(policy).collect()
}

fn unknown(name: &str) -> anyhow::Error {
    let mut known = String::new();
    for (name, number) in NAMES {
        let _ = match number {
            "" => write!(known, "\n  {name}"),
            number => write!(known, "\n  {name}[:NUMBER]  {number}"),
        };
    }
    anyhow!("no policy is called {name}; there are:{known}")
}

/// Does the work of each item on all processors, and tells how far it is if somebody looks on.
fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results: Mutex<Vec<(usize, anyhow::Result<R>)>> = Mutex::new(Vec::new());
    let shows = std::io::stderr().is_terminal();
    let worker = || {
        while let Some((number, item)) = {
            let number = next.fetch_add(1, Relaxed);
            items.get(number).map(|item| (number, item))
        } {
            let result = work(item);
            results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((number, result));
            let done = done.fetch_add(1, Relaxed) + 1;
            if shows {
                eprint!("\r{done} of {} runs", items.len());
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(worker);
        }
    });
    if shows {
        eprintln!();
    }
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}
