//! What is wrong with a document, told so that it can be mended without the manual.
//!
//! The text rendering is our own, since it goes to logs of a server, where miette's colours and
//! box drawing have no place; the command line gives [`Problem::source`] and the byte positions to
//! miette instead.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

/// Characters of a line shown at most: a JSON file may be one line of a megabyte.
const MAX_SHOWN: usize = 120;
/// Characters shown in front of the marked place when a line is cut.
const LEAD: usize = 40;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the file, or what stands for it.
    pub file: Arc<str>,
    /// Where in the file; `None` where the file itself is the matter.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Another place that explains this one.
    pub related: Option<Related>,
    /// The file's text with secrets masked, of the same length in bytes; empty without a place.
    pub source: Arc<str>,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Bytes from the beginning of the text.
    pub offset: usize,
    /// Length in bytes; never beyond the line's end.
    pub len: usize,
}

/// A place that explains another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What is there.
    pub label: String,
}

impl Problem {
    /// A problem of a whole file, such as that it cannot be read.
    pub fn of_file(file: impl Into<Arc<str>>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            place: None,
            message: message.into(),
            help: None,
            related: None,
            source: Arc::default(),
        }
    }

    /// The same problem with advice.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// The line at the place, and below it a mark under what is meant; shortened if it is long.
    pub fn excerpt(&self) -> Option<String> {
        let place = self.place?;
        let (shown, mark) = marked_line(&self.source, place);
        Some(format!("{shown}\n{mark}"))
    }

    fn write_excerpt(
        &self,
        f: &mut fmt::Formatter<'_>,
        place: Place,
        label: &str,
        margin: usize,
    ) -> fmt::Result {
        let (shown, mark) = marked_line(&self.source, place);
        write!(f, "\n{:margin$} |", "")?;
        write!(f, "\n{:margin$} | {shown}", place.line)?;
        write!(
            f,
            "\n{:margin$} | {}",
            "",
            format!("{mark} {label}").trim_end()
        )
    }
}

impl fmt::Display for Problem {
    /// Several lines, without a line break at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", printable(&self.message))?;
        let lines = self
            .place
            .iter()
            .chain(self.related.as_ref().map(|related| &related.place));
        let margin = lines
            .map(|place| place.line.to_string().len())
            .max()
            .unwrap_or(1);
        let Some(place) = self.place else {
            write!(f, "\n{:margin$}--> {}", "", printable(&self.file))?;
            return self.write_help(f, margin);
        };
        let file = printable(&self.file);
        write!(
            f,
            "\n{:margin$}--> {file}:{}:{}",
            "", place.line, place.column
        )?;
        self.write_excerpt(f, place, "", margin)?;
        if let Some(related) = &self.related {
            self.write_excerpt(f, related.place, &related.label, margin)?;
        }
        self.write_help(f, margin)
    }
}

impl Problem {
    fn write_help(&self, f: &mut fmt::Formatter<'_>, margin: usize) -> fmt::Result {
        match &self.help {
            Some(help) => write!(f, "\n{:margin$} = help: {}", "", printable(help)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// The line around a place, and the mark to be printed below it.
fn marked_line(source: &str, place: Place) -> (String, String) {
    let (before, from) = source
        .split_at_checked(place.offset)
        .unwrap_or((source, ""));
    let before = before.rsplit(['\n', '\r']).next().unwrap_or_default();
    let rest = from.split(['\n', '\r']).next().unwrap_or_default();
    let marked = from.get(..place.len).unwrap_or(rest).chars().count().max(1);
    let lead = before.chars().count();

    let cut = if lead + rest.chars().count() <= MAX_SHOWN {
        0
    } else {
        lead.saturating_sub(LEAD)
    };
    let line = before.chars().chain(rest.chars()).skip(cut);
    let shown: String = line.take(MAX_SHOWN).map(visible).collect();
    let mark = std::iter::repeat_n(' ', lead - cut).chain(std::iter::repeat_n('^', marked));
    let mark: String = mark.take(MAX_SHOWN).collect();
    let ellipsis = if cut > 0 { "…" } else { "" };
    let pad = if cut > 0 { " " } else { "" };
    (
        format!("{ellipsis}{}", shown.trim_end()),
        format!("{pad}{mark}"),
    )
}

/// One column for every character; control characters would let a document write to the terminal.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

fn printable(text: &str) -> String {
    text.chars().map(visible).collect()
}
