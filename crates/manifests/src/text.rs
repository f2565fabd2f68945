//! One file's text with the means to say where something stands in it.
//!
//! The YAML parser counts lines and characters; editors and miette count bytes. Both are served
//! from the line starts, found once per file, so that a thousand problems in a megabyte of routes
//! cost a look-up each and not a walk over the text.

use std::sync::{Arc, OnceLock};

use crate::mask;
use crate::problem::{Place, Problem, Related};

/// A position in a text: lines count from 1, columns (in characters) from 0, as the parser has it.
/// Narrow, since every node of a tree has four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Point {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// From the first character of something to just after its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) start: Point,
    pub(crate) end: Point,
}

/// Something wrong at a place of a text, before it is known to which file the text belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// `None` while the fault travels up to the node it belongs to.
    pub(crate) span: Option<Span>,
    /// A second place that explains the first.
    pub(crate) related: Option<(Span, &'static str)>,
}

impl Fault {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            span: Some(span),
            related: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A named text and its line starts.
pub(crate) struct Text {
    name: Arc<str>,
    text: Arc<str>,
    line_starts: Vec<usize>,
    shown: OnceLock<Arc<str>>,
}

/// Without the text, which may have secrets in it.
impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Text")
            .field("name", &self.name)
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

impl Text {
    pub(crate) fn new(name: Arc<str>, text: Arc<str>) -> Self {
        let line_starts = line_starts(&text);
        Self {
            name,
            text,
            line_starts,
            shown: OnceLock::new(),
        }
    }

    pub(crate) fn problem(&self, fault: Fault) -> Problem {
        Problem {
            file: self.name.clone(),
            place: Some(self.place(fault.span.unwrap_or_default())),
            message: fault.message,
            help: fault.help,
            related: fault.related.map(|(span, label)| Related {
                place: self.place(span),
                label: label.to_owned(),
            }),
            source: self.shown(),
        }
    }

    /// The text with secrets masked, byte for byte as long as the original. They are looked for
    /// when there is something to show, which is seldom: in a valid file the search would take a
    /// seventh of the time to load it.
    fn shown(&self) -> Arc<str> {
        let mask = || {
            let secrets = mask::secrets(&self.text);
            let secrets = secrets
                .iter()
                .map(|span| self.offset(span.start)..self.offset(span.end));
            mask::mask(&self.text, secrets).into()
        };
        self.shown.get_or_init(mask).clone()
    }

    /// Where a span stands; one of several lines is cut at the end of its first, and an empty one
    /// is one character wide, so that there is something to underline.
    fn place(&self, span: Span) -> Place {
        let offset = self.offset(span.start);
        let line = self.line_from(offset);
        let end = self
            .offset(span.end)
            .clamp(offset, offset + line.trim_end().len());
        let first_char = line.chars().next().map_or(0, char::len_utf8);
        let (line, column) = self.line_and_column(offset);
        Place {
            line,
            column,
            offset,
            len: (end - offset).max(first_char),
        }
    }

    /// Not what the parser says: at the end of a text that has no line break there, it counts a
    /// line more than an editor shows.
    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    /// What is left of a line from a byte offset on.
    fn line_from(&self, offset: usize) -> &str {
        let rest = self.text.get(offset..).unwrap_or_default();
        rest.split(['\n', '\r']).next().unwrap_or_default()
    }

    fn offset(&self, point: Point) -> usize {
        let line = point.line.saturating_sub(1) as usize;
        let start = self
            .line_starts
            .get(line)
            .copied()
            .unwrap_or(self.text.len());
        let mut chars = self.line_from(start).char_indices();
        match chars.nth(point.column as usize) {
            Some((index, _)) => start + index,
            None => start + self.line_from(start).len(),
        }
    }
}

/// YAML breaks lines at LF, CR LF and a CR alone.
fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let ends_line = |(index, byte): (usize, &u8)| match byte {
        b'\n' => Some(index + 1),
        b'\r' if bytes.get(index + 1) != Some(&b'\n') => Some(index + 1),
        _ => None,
    };
    std::iter::once(0)
        .chain(bytes.iter().enumerate().filter_map(ends_line))
        .collect()
}
