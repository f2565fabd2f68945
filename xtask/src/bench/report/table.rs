//! Tables of figures: what is measured down, who was measured across.

use super::super::{lab::Kind, statistics::median};
use std::fmt::{self, Display, Formatter, Write};

/// A quantity measured several times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Figure {
    median: f64,
    least: f64,
    most: f64,
}

impl Figure {
    /// None of no values.
    pub(in super::super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        Some(Self {
            least: values.iter().copied().min_by(f64::total_cmp)?,
            most: values.iter().copied().max_by(f64::total_cmp)?,
            median: median(values),
        })
    }

    /// The median, or not a number, which no bound is met with.
    pub(in super::super) fn median(figure: Option<Self>) -> f64 {
        figure.map_or(f64::NAN, |figure| figure.median)
    }
}

impl Display for Figure {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", number(self.median))?;
        if self.least < self.most {
            write!(formatter, " ({}–{})", number(self.least), number(self.most))?;
        }
        Ok(())
    }
}

/// A number with about three digits.
pub(in super::super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

/// One quantity, a figure for each column.
#[derive(Debug)]
pub(in super::super) struct Row {
    pub(in super::super) what: String,
    pub(in super::super) figures: Vec<Option<Figure>>,
}

/// Quantities of several proxies.
#[derive(Debug)]
pub(in super::super) struct Table {
    pub(in super::super) title: String,
    pub(in super::super) columns: Vec<&'static str>,
    pub(in super::super) rows: Vec<Row>,
}

impl Table {
    /// In Markdown; with Sluicegate's ratio to each of the others that is there.
    pub(super) fn markdown(&self) -> String {
        let others = [Kind::Envoy.name(), Kind::Nginx.name()];
        let others: Vec<_> = others
            .into_iter()
            .filter(|o| self.columns.contains(o))
            .collect();
        let mut text = format!("{}:\n\n| |", self.title);
        // Writing to a string does not fail, here and below.
        for column in &self.columns {
            let _ = write!(text, " {column} |");
        }
        for other in &others {
            let _ = write!(text, " ÷ {other} |");
        }
        text.push_str("\n|---|");
        text.push_str(&"---:|".repeat(self.columns.len() + others.len()));
        text.push('\n');
        for row in &self.rows {
            let figures = row.figures.iter().map(|figure| cell(*figure));
            let ratios = others.iter().map(|other| self.ratio(row, other));
            let cells: Vec<_> = figures.chain(ratios).collect();
            let _ = writeln!(text, "| {} | {} |", row.what, cells.join(" | "));
        }
        text
    }

    /// Sluicegate's figure divided by another's.
    fn ratio(&self, row: &Row, other: &str) -> String {
        let median = |name: &str| {
            let column = self.columns.iter().position(|column| *column == name)?;
            Some(row.figures.get(column)?.as_ref()?.median)
        };
        match median(Kind::Sluicegate.name()).zip(median(other)) {
            // A difference lost in noise can be negative, and says nothing as a divisor.
            Some((own, other)) if other > 0.0 => number(own / other),
            _ => "–".into(),
        }
    }
}

fn cell(figure: Option<Figure>) -> String {
    figure.map_or_else(|| "–".into(), |figure| figure.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Figure, Row, Table, number};

    #[test]
    fn numbers_have_three_digits() {
        let check = |value: f64, expected: &str| assert_eq!(number(value), expected);
        check(0.456, "0.46");
        check(9.999, "10.0");
        check(-12.34, "-12.3");
        check(99.96, "100");
        check(12345.6, "12346");
    }

    #[test]
    fn a_table_has_ratios() {
        let figures = |rows: &[&[f64]]| -> Vec<Option<Figure>> {
            rows.iter()
                .map(|values| Figure::of(values.iter().copied()))
                .collect()
        };
        let table = Table {
            title: "load".into(),
            columns: vec!["direct", "Sluicegate", "Envoy", "nginx"],
            rows: vec![
                Row {
                    what: "CPU".into(),
                    figures: figures(&[&[], &[44.0, 40.0, 42.0], &[100.0], &[21.0]]),
                },
                Row {
                    what: "added".into(),
                    figures: figures(&[&[], &[5.0], &[-1.0], &[]]),
                },
            ],
        };
        let text = table.markdown();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "load:",
                "",
                "| | direct | Sluicegate | Envoy | nginx | ÷ Envoy | ÷ nginx |",
                "|---|---:|---:|---:|---:|---:|---:|",
                "| CPU | – | 42.0 (40.0–44.0) | 100 | 21.0 | 0.42 | 2.00 |",
                "| added | – | 5.00 | -1.00 | – | – | – |",
            ]
        );
    }
}
