//! The sources of a streamed choice's words, for dialects that count from the beginning of its text.

use std::collections::BTreeSet;
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use super::{Citation, Measure};

/// Citations of one choice that are told, and bytes of those that wait, at most: bounds of memory, far
/// beyond any use. What exceeds them is left out, as words stand without their sources.
const MAX_TOLD: usize = 1 << 12;
const MAX_BYTES: usize = 1 << 20;

/// What is read: citations of ranges become those of parts.
#[derive(Debug, Default)]
pub(crate) struct SourcesRead {
    measure: Measure,
    /// Those that have come, since some servers tell all again where they grow.
    told: BTreeSet<u64>,
    /// Those of words that have not come.
    early: Vec<Citation<'static>>,
    bytes: usize,
}

impl SourcesRead {
    /// A part that is text goes on.
    pub(crate) fn say(&mut self, part: u32, text: &str) {
        self.measure.say(part, text);
    }

    /// How the text is measured.
    pub(crate) const fn measure(&self) -> &Measure {
        &self.measure
    }

    /// Of which part a citation is, and of which of its characters, unless its words are still to come
    /// or it has been told.
    pub(crate) fn cite<'a>(&mut self, citation: Citation<'a>) -> Option<(u32, Citation<'a>)> {
        let known = xxh3_64(format!("{citation:?}").as_bytes());
        if self.told.len() >= MAX_TOLD || !self.told.insert(known) {
            return None;
        }
        let end = self.measure.whole().end;
        let is_early = citation.span.as_ref().is_some_and(|span| span.end > end);
        if !is_early && end > 0 {
            return self.place(citation);
        }
        self.bytes += citation.size();
        if self.bytes <= MAX_BYTES {
            self.early.push(citation.into_owned());
        }
        None
    }

    /// The text is complete, or something else comes between: what has waited for its words.
    pub(crate) fn settle(&mut self) -> Vec<(u32, Citation<'static>)> {
        self.bytes = 0;
        let early = std::mem::take(&mut self.early);
        early
            .into_iter()
            .filter_map(|one| self.place(one))
            .collect()
    }

    fn place<'a>(&self, citation: Citation<'a>) -> Option<(u32, Citation<'a>)> {
        let whole = self.measure.whole();
        let (part, span) = self
            .measure
            .part_at(citation.span.as_ref().unwrap_or(&whole))?;
        let span = citation.span.as_ref().map(|_| span);
        Some((part, Citation { span, ..citation }))
    }
}

/// What is to be written, once all of the text is.
#[derive(Debug, Default)]
pub(crate) struct SourcesHeld {
    measure: Measure,
    citations: Vec<(Range<usize>, Citation<'static>)>,
    bytes: usize,
}

impl SourcesHeld {
    /// A part that is text goes on.
    pub(crate) fn say(&mut self, part: u32, text: &str) {
        self.measure.say(part, text);
    }

    /// Keeps a citation of a part.
    pub(crate) fn cite(&mut self, part: u32, citation: &Citation<'_>) {
        self.bytes += citation.size();
        if self.bytes > MAX_BYTES {
            return;
        }
        if let Some(range) = self.measure.cite(part, citation) {
            self.citations.push((range, citation.clone().into_owned()));
        }
    }

    /// A part is complete.
    pub(crate) fn close(&mut self, part: u32) {
        let due = self.measure.close(part);
        self.citations.extend(due);
    }

    /// How the text is measured, and which of its characters cite what.
    pub(crate) fn into_parts(self) -> (Measure, Vec<(Range<usize>, Citation<'static>)>) {
        (self.measure, self.citations)
    }
}
