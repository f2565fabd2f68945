//! What was measured, as Markdown: figures by part, and the bounds that the project holds itself to
//! with what became of them.

pub(super) mod table;

use super::machine::Conditions;
use std::fmt::Write;
use table::{Table, number};

const PREFACE: &str = include_str!("report/preface.md");

/// One part of the measurements.
pub(super) struct Section {
    pub(super) title: &'static str,
    /// What was done, beyond what the page says of all parts.
    pub(super) method: &'static str,
    pub(super) tables: Vec<Table>,
    pub(super) checks: Vec<Check>,
}

impl Section {
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n{}\n", self.title, self.method);
        for table in &self.tables {
            text.push('\n');
            text.push_str(&table.markdown());
        }
        text
    }
}

/// A bound and what was measured.
#[derive(Debug)]
pub(super) struct Check {
    what: &'static str,
    bound: String,
    measured: String,
    /// None where it was not measured.
    met: Option<bool>,
}

impl Check {
    /// A quantity that must not exceed a number of times another's.
    pub(super) fn relative(
        what: &'static str,
        measured: f64,
        factor: f64,
        (reference, name): (f64, &str),
        unit: &str,
    ) -> Self {
        let measured_text = format!(
            "{} {unit} to {} {unit}",
            number(measured),
            number(reference)
        );
        Self {
            what,
            bound: format!("≤ {factor} × {name}"),
            measured: measured_text,
            met: Some(measured <= factor * reference),
        }
    }

    /// A quantity that must not exceed a bound.
    pub(super) fn at_most(what: &'static str, measured: f64, bound: f64, unit: &str) -> Self {
        Self {
            what,
            bound: format!("≤ {bound} {unit}"),
            measured: format!("{} {unit}", number(measured)),
            met: Some(measured <= bound),
        }
    }

    /// A quantity that must be below a bound.
    pub(super) fn below(what: &'static str, measured: f64, bound: f64, unit: &str) -> Self {
        Self {
            bound: format!("< {bound} {unit}"),
            met: Some(measured < bound),
            ..Self::at_most(what, measured, bound, unit)
        }
    }

    /// Something that is or is not so.
    pub(super) fn fact(what: &'static str, bound: &str, measured: String, met: bool) -> Self {
        Self {
            what,
            bound: bound.into(),
            measured,
            met: Some(met),
        }
    }

    /// A bound that this run says nothing of.
    pub(super) fn not_measured(what: &'static str, bound: &str) -> Self {
        Self {
            what,
            bound: bound.into(),
            measured: "–".into(),
            met: None,
        }
    }

    fn row(&self) -> String {
        let Self {
            what,
            bound,
            measured,
            met,
        } = self;
        let verdict = match met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        };
        format!("| {what} | {bound} | {measured} | {verdict} |\n")
    }
}

/// The bounds of all parts.
pub(super) fn bounds(sections: &[Section]) -> String {
    let mut text = String::from("| check | bound | measured | |\n|---|---|---|---|\n");
    let checks = sections.iter().flat_map(|section| &section.checks);
    text.extend(checks.map(Check::row));
    text
}

/// The whole of `docs/benchmarks.md`.
pub(super) fn page(conditions: &Conditions, sections: &[Section]) -> String {
    let Conditions {
        rotations,
        seconds,
        date,
        machine,
        commit,
        envoy,
        nginx,
    } = conditions;
    let mut text = format!("{PREFACE}\n");
    // Writing to a string does not fail, here and below.
    let _ = write!(
        text,
        "Measured on {date} at commit {commit}, on {machine}; Envoy {envoy}, nginx {nginx}; \
         {rotations} rotations of {seconds} s.\n\n## Bounds\n\n{}",
        bounds(sections)
    );
    for section in sections {
        let _ = write!(text, "\n{}", section.markdown());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Check, Conditions, Section, bounds, page};

    #[test]
    fn verdicts() {
        let check = |check: Check, expected: &str| assert_eq!(check.row().trim_end(), expected);
        let cpu = |measured| Check::relative("CPU", measured, 0.5, (90.0, "Envoy"), "µs");
        check(
            cpu(45.0),
            "| CPU | ≤ 0.5 × Envoy | 45.0 µs to 90.0 µs | met |",
        );
        check(
            cpu(45.2),
            "| CPU | ≤ 0.5 × Envoy | 45.2 µs to 90.0 µs | **missed** |",
        );
        check(
            Check::at_most("memory", 24.0, 24.0, "KiB"),
            "| memory | ≤ 24 KiB | 24.0 KiB | met |",
        );
        check(
            Check::below("start", 100.0, 100.0, "ms"),
            "| start | < 100 ms | 100 ms | **missed** |",
        );
        check(
            Check::at_most("nothing", f64::NAN, 1.0, "ms"),
            "| nothing | ≤ 1 ms | NaN ms | **missed** |",
        );
        check(
            Check::not_measured("match", "< 2 µs"),
            "| match | < 2 µs | – | not measured |",
        );
    }

    #[test]
    fn the_page_has_conditions_bounds_and_sections() {
        let conditions = Conditions {
            rotations: 5,
            seconds: 4,
            date: "2026-01-02".into(),
            machine: "A processor".into(),
            commit: "abc".into(),
            envoy: "1.40.0".into(),
            nginx: "1.22.1".into(),
        };
        let sections = [Section {
            title: "(a) One",
            method: "Done so.",
            tables: vec![],
            checks: vec![Check::below("start", 1.0, 2.0, "ms")],
        }];
        let page = page(&conditions, &sections);
        let line = "Measured on 2026-01-02 at commit abc, on A processor; Envoy 1.40.0, \
                    nginx 1.22.1; 5 rotations of 4 s.";
        assert!(page.contains(line), "{page}");
        assert!(page.contains(&bounds(&sections)), "{page}");
        assert!(page.ends_with("\n\n## (a) One\n\nDone so.\n"), "{page}");
    }
}
