//! Quantities that are read from each kind of proxy on its own, not from all under one load.

use super::{
    lab::Kind,
    report::table::{Figure, Row, Table},
};
use std::collections::BTreeMap;

/// One quantity: the values that the rotations gave for each kind.
#[derive(Debug, Default)]
pub(super) struct PerKind(BTreeMap<Kind, Vec<f64>>);

impl PerKind {
    pub(super) fn push(&mut self, kind: Kind, value: f64) {
        self.0.entry(kind).or_default().push(value);
    }

    /// The median of a kind's values; not a number when there are none.
    pub(super) fn median(&self, kind: Kind) -> f64 {
        Figure::median(self.figure(kind))
    }

    pub(super) fn row(&self, what: &str) -> Row {
        Row {
            what: what.into(),
            figures: Kind::ALL.map(|kind| self.figure(kind)).to_vec(),
        }
    }

    fn figure(&self, kind: Kind) -> Option<Figure> {
        Figure::of(self.0.get(&kind)?.iter().copied())
    }
}

/// A table with a column for each kind.
pub(super) fn table(title: &str, rows: Vec<Row>) -> Table {
    Table {
        title: title.into(),
        columns: Kind::ALL.map(Kind::name).to_vec(),
        rows,
    }
}
