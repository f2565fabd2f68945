//! Where the words of an answer come from.
//!
//! APIs differ in three things. A citation is of a range of the answer's text, counted in characters
//! or in bytes, from the beginning of the answer or of a block; or it is of the whole block that it
//! stands in. It names a page of the Web, a document of the request by its number, a file, or an object
//! that a tool gave. And in a stream it may come before its words, among them or behind.
//!
//! Here it is of a range of characters of its part, or of all of it. An API writes the source as exactly
//! as it can: in the form for what it is, else as the page that it is found at, else not at all.

use std::borrow::Cow;
use std::ops::Range;

use super::{Ruler, is_said};
use crate::wire::{Fault, Value};

/// What some words of an answer come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Citation<'a> {
    /// The characters of the part's text that it is of; `None` if of all.
    pub(crate) span: Option<Range<usize>>,
    pub(crate) url: Option<Cow<'a, str>>,
    pub(crate) title: Option<Cow<'a, str>>,
    /// What the source says there.
    pub(crate) quote: Option<Cow<'a, str>>,
    pub(crate) source: Option<Cited<'a>>,
}

/// What is cited, if it is more than a page of the Web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cited<'a> {
    /// A document of the request, by its number from 0.
    Document {
        index: u64,
        unit: Unit,
        from: u64,
        to: u64,
        /// The file that it is, if it was uploaded.
        file: Option<Cow<'a, str>>,
    },
    /// A search result of the request, by its number from 0, and which of its blocks.
    SearchResult {
        index: u64,
        source: Cow<'a, str>,
        from: u64,
        to: u64,
    },
    /// A file that the provider holds.
    File(Cow<'a, str>),
    /// A document that was given with the request, or what a tool came to.
    Object {
        from_tool: bool,
        id: Cow<'a, str>,
        /// JSON, an object.
        content: Option<Cow<'a, str>>,
    },
}

/// What a place in a document is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// From 0, the end excluded.
    Characters,
    /// From 1, the end excluded.
    Pages,
    /// Blocks of its content: from 0, the end excluded.
    Blocks,
}

impl<'a> Citation<'a> {
    /// Whether anything is known of what is cited.
    pub(crate) const fn is_known(&self) -> bool {
        let words = self.title.is_some() || self.quote.is_some();
        words || self.url.is_some() || self.source.is_some()
    }

    /// Whether it is of what stands in the request. Only that can be told of an earlier turn: of what
    /// was found elsewhere an API demands its own proof.
    pub(crate) const fn is_of_request(&self) -> bool {
        let source = &self.source;
        matches!(
            source,
            Some(Cited::Document { .. } | Cited::SearchResult { .. })
        )
    }

    /// The address of what is cited.
    pub(crate) fn link(&self) -> Option<&str> {
        let source = match &self.source {
            Some(Cited::SearchResult { source, .. }) => Some(&**source),
            _ => None,
        };
        self.url.as_deref().or(source.filter(|text| is_link(text)))
    }

    /// The same, kept beyond the text it was read from.
    pub(crate) fn into_owned(self) -> Citation<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Citation {
            span: self.span,
            url: self.url.map(own),
            title: self.title.map(own),
            quote: self.quote.map(own),
            source: self.source.map(Cited::into_owned),
        }
    }

    /// About what it takes in memory.
    pub(crate) fn size(&self) -> usize {
        let len = |text: &Option<Cow<'_, str>>| text.as_ref().map_or(0, |text| text.len());
        let source = match &self.source {
            Some(Cited::Document { file, .. }) => len(file),
            Some(Cited::SearchResult { source, .. }) => source.len(),
            Some(Cited::File(file)) => file.len(),
            Some(Cited::Object { id, content, .. }) => id.len() + len(content),
            None => 0,
        };
        size_of::<Self>() + len(&self.url) + len(&self.title) + len(&self.quote) + source
    }
}

impl Cited<'_> {
    fn into_owned(self) -> Cited<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Document {
                index,
                unit,
                from,
                to,
                file,
            } => Cited::Document {
                index,
                unit,
                from,
                to,
                file: file.map(own),
            },
            Self::SearchResult {
                index,
                source,
                from,
                to,
            } => Cited::SearchResult {
                index,
                source: own(source),
                from,
                to,
            },
            Self::File(file) => Cited::File(own(file)),
            Self::Object {
                from_tool,
                id,
                content,
            } => Cited::Object {
                from_tool,
                id: own(id),
                content: content.map(own),
            },
        }
    }
}

/// Whether a text is the address of a page.
pub(crate) fn is_link(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// A range of characters, if that is what the two numbers are.
pub(crate) fn span(from: Option<u64>, to: Option<u64>) -> Option<Range<usize>> {
    let place = |number| usize::try_from(number).ok();
    let (from, to) = (place(from.unwrap_or(0))?, place(to?)?);
    (from <= to).then_some(from..to)
}

/// Reads what an answer cites. That is worth no failure: what cannot be read is passed over, as is what
/// nobody else has a form for.
pub(crate) fn read_list<'a>(
    list: Value<'a, '_>,
    mut read: impl FnMut(Value<'a, '_>) -> Result<Option<Citation<'a>>, Fault>,
) -> Vec<Citation<'a>> {
    let mut citations = Vec::new();
    let _ = list.each(|value| {
        citations.extend(read(value).ok().flatten());
        Ok(())
    });
    citations
}

/// Reads what an earlier answer cited. What is passed over stands there as a citation of which nothing is
/// known, so that it is told that it is left out.
pub(crate) fn read_cited<'a>(
    list: Value<'a, '_>,
    mut read: impl FnMut(Value<'a, '_>) -> Result<Option<Citation<'a>>, Fault>,
) -> Vec<Citation<'a>> {
    let mut citations = Vec::new();
    let all = list.each(|value| {
        citations.push(read(value).ok().flatten().unwrap_or_default());
        Ok(())
    });
    if all.is_err() {
        citations.push(Citation::default());
    }
    citations
}

/// A piece of a text and what it cites.
pub(crate) type Piece<'t, 'a> = (&'t str, Vec<&'t Citation<'a>>);

/// A part of a text and what it cites.
type Cut<'t, 'a> = (Range<usize>, Vec<&'t Citation<'a>>);

/// Cuts a text for APIs that cite by the block: where what is cited begins and where it ends. Of words
/// that several citations are of in part, the one that ends first has what both have. No piece is blank,
/// unless the text is.
pub(crate) fn cut<'t, 'a>(
    text: &'t str,
    citations: impl Iterator<Item = &'t Citation<'a>>,
) -> Vec<Piece<'t, 'a>> {
    let citations: Vec<_> = citations.collect();
    if citations.is_empty() {
        return vec![(text, citations)];
    }
    let ruler = Ruler::of(text);
    let place = |characters: usize| ruler.bytes(characters).unwrap_or(text.len());
    let mut ranges: Vec<_> = citations
        .into_iter()
        .map(|citation| match &citation.span {
            Some(span) if span.end > 0 => (place(span.start)..place(span.end), citation),
            _ => (0..text.len(), citation),
        })
        .collect();
    ranges.sort_by_key(|(range, _)| (range.end, range.start));
    let mut cuts: Vec<Cut<'t, 'a>> = Vec::new();
    let mut at = 0;
    for (range, citation) in ranges {
        let from = Some(range.start).filter(|from| (at..range.end).contains(from));
        let from = from.unwrap_or(at);
        match cuts.last_mut() {
            // Nothing is left that it alone is of.
            Some((_, cited)) if range.end <= at => cited.push(citation),
            _ => {
                cuts.push((at..from, Vec::new()));
                cuts.push((from..range.end, vec![citation]));
                at = range.end;
            }
        }
    }
    cuts.push((at..text.len(), Vec::new()));
    let is_blank = |range: &Range<usize>| text.get(range.clone()).is_none_or(|text| !is_said(text));
    let mut joined: Vec<Cut<'t, 'a>> = Vec::new();
    for (range, cited) in cuts {
        match joined.last_mut() {
            Some((last, all)) if is_blank(&range) || is_blank(last) => {
                last.end = range.end;
                all.extend(cited);
            }
            _ => joined.push((range, cited)),
        }
    }
    let piece = |(range, cited)| (text.get(range).unwrap_or_default(), cited);
    joined.into_iter().map(piece).collect()
}

#[cfg(test)]
mod tests;
