//! Places in a text, counted in characters or in bytes.
//!
//! APIs count what they cite in one or the other, and in a stream the text is gone when the counts
//! come. So what is kept is how wide its characters were.

use std::ops::Range;

use super::{Citation, Content, Part};

/// Runs of characters of one width that are kept: a bound of memory. A text in which widths change more
/// often is measured up to there.
const MAX_RUNS: usize = 1 << 13;

/// Bytes of citations that wait for their words to be complete, at most.
const MAX_WAITING: usize = 1 << 20;

/// Texts of one choice that are told apart, at most.
const MAX_PARTS: usize = 1 << 12;

/// How wide the characters of a text are.
#[derive(Debug, Default)]
pub(crate) struct Ruler {
    runs: Vec<Run>,
    characters: usize,
    bytes: usize,
}

/// Characters of one width, from here to the next.
#[derive(Debug, Clone, Copy)]
struct Run {
    character: usize,
    byte: usize,
    width: usize,
}

impl Ruler {
    /// Measures a whole text.
    pub(crate) fn of(text: &str) -> Self {
        let mut ruler = Self::default();
        ruler.push(text);
        ruler
    }

    /// The text goes on.
    pub(crate) fn push(&mut self, text: &str) {
        if text.is_ascii() {
            return self.add(1, text.len());
        }
        for character in text.chars() {
            self.add(character.len_utf8(), 1);
        }
    }

    fn add(&mut self, width: usize, count: usize) {
        let is_new = count > 0 && self.runs.last().is_none_or(|run| run.width != width);
        if is_new && self.runs.len() < MAX_RUNS {
            self.runs.push(Run {
                character: self.characters,
                byte: self.bytes,
                width,
            });
        }
        self.characters += count;
        self.bytes += count * width;
    }

    /// How many characters the text has.
    pub(crate) const fn characters(&self) -> usize {
        self.characters
    }

    /// How many bytes the text has.
    pub(crate) const fn len(&self) -> usize {
        self.bytes
    }

    /// Where a character begins, in bytes; what is behind the end is there. `None` if that is not known
    /// of so uneven a text.
    pub(crate) fn bytes(&self, character: usize) -> Option<usize> {
        if character >= self.characters {
            return Some(self.bytes);
        }
        let run = self.run(|run| run.character <= character)?;
        Some(run.byte + (character - run.character) * run.width)
    }

    /// The character that a byte is of; what is behind the end is there. `None` if that is not known of
    /// so uneven a text.
    pub(crate) fn character(&self, byte: usize) -> Option<usize> {
        if byte >= self.bytes {
            return Some(self.characters);
        }
        let run = self.run(|run| run.byte <= byte)?;
        Some(run.character + (byte - run.byte) / run.width)
    }

    /// The last run that begins so; `None` if it is not certain where it ends.
    fn run(&self, begins: impl Fn(&Run) -> bool) -> Option<Run> {
        let behind = self.runs.partition_point(begins);
        if behind == MAX_RUNS {
            return None;
        }
        self.runs.get(behind.checked_sub(1)?).copied()
    }
}

/// Where the parts of a choice stand in its text, for dialects that count from its beginning.
#[derive(Debug, Default)]
pub(crate) struct Measure {
    ruler: Ruler,
    /// The parts that are text, in their order, and where each begins and ends, in characters.
    parts: Vec<(u32, Range<usize>)>,
    /// Citations of all of a part that is not complete.
    waiting: Vec<(u32, Citation<'static>)>,
    held: usize,
}

impl Measure {
    /// A part that is text goes on.
    pub(crate) fn say(&mut self, part: u32, text: &str) {
        let from = self.ruler.characters();
        self.ruler.push(text);
        let to = self.ruler.characters();
        let known = self.parts.iter_mut().rfind(|(known, _)| *known == part);
        if let Some((_, range)) = known {
            range.end = to;
        } else if self.parts.len() < MAX_PARTS {
            self.parts.push((part, from..to));
        }
    }

    /// All that has been said, in characters.
    pub(crate) const fn whole(&self) -> Range<usize> {
        0..self.ruler.characters()
    }

    /// The widths of all that has been said.
    pub(crate) const fn ruler(&self) -> &Ruler {
        &self.ruler
    }

    /// The characters of the choice's text that a citation of a part is of; `None` if it is of all of
    /// one that goes on, for which it waits.
    pub(crate) fn cite(&mut self, part: u32, citation: &Citation<'_>) -> Option<Range<usize>> {
        self.held += citation.size();
        if citation.span.is_some() || self.held > MAX_WAITING {
            self.held -= citation.size();
            return Some(self.place(part, citation));
        }
        self.waiting.push((part, citation.clone().into_owned()));
        None
    }

    /// The characters of the choice's text that a citation is of, of a part that is complete.
    pub(crate) fn place(&self, part: u32, citation: &Citation<'_>) -> Range<usize> {
        let range = self.range(part);
        match &citation.span {
            Some(span) => {
                let place = |at: usize| range.start.saturating_add(at).min(range.end);
                place(span.start)..place(span.end)
            }
            None => range,
        }
    }

    /// A part is complete: what has waited for that.
    pub(crate) fn close(&mut self, part: u32) -> Vec<(Range<usize>, Citation<'static>)> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let range = self.range(part);
        let due = self.waiting.extract_if(.., |(of, _)| *of == part);
        let due: Vec<_> = due.map(|(_, citation)| (range.clone(), citation)).collect();
        self.held -= due
            .iter()
            .map(|(_, citation)| citation.size())
            .sum::<usize>();
        due
    }

    /// The characters of the choice's text that a part is.
    pub(crate) fn range(&self, part: u32) -> Range<usize> {
        let known = self.parts.iter().rfind(|(known, _)| *known == part);
        let end = self.ruler.characters();
        known.map_or(end..end, |(_, range)| range.clone())
    }

    /// The part that a range of the choice's text begins in, and where in it: no further than to its
    /// end.
    pub(crate) fn part_at(&self, range: &Range<usize>) -> Option<(u32, Range<usize>)> {
        let mut parts = self.parts.iter();
        let within = |(_, part): &&(u32, Range<usize>)| range.start < part.end;
        let (part, known) = parts.find(within).or(self.parts.last())?;
        let place = |at: usize| at.clamp(known.start, known.end) - known.start;
        Some((*part, place(range.start)..place(range.end)))
    }
}

/// Gives citations, each of a range of a choice's text, to the parts that are it.
pub(crate) fn attach<'a>(parts: &mut [Part<'a>], citations: Vec<Citation<'a>>) {
    if citations.is_empty() {
        return;
    }
    let mut measure = Measure::default();
    for (number, part) in (0..).zip(parts.iter()) {
        if let Content::Text(text) = &part.content {
            measure.say(number, text);
        }
    }
    for citation in citations {
        let whole = measure.whole();
        let found = measure.part_at(citation.span.as_ref().unwrap_or(&whole));
        let Some((number, span)) = found else {
            return;
        };
        let number = usize::try_from(number).ok();
        if let Some(part) = number.and_then(|number| parts.get_mut(number)) {
            part.citations.push(Citation {
                span: citation.span.as_ref().map(|_| span),
                ..citation
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_ruler_knows_where_each_character_is(pieces in proptest::collection::vec("[a-zß€😀]{0,5}", 0..6)) {
            let mut ruler = Ruler::default();
            pieces.iter().for_each(|piece| ruler.push(piece));
            let text = pieces.concat();
            for (at, (byte, character)) in text.char_indices().enumerate() {
                prop_assert_eq!(ruler.bytes(at), Some(byte));
                for inside in 0..character.len_utf8() {
                    prop_assert_eq!(ruler.character(byte + inside), Some(at));
                }
            }
            let end = text.chars().count();
            prop_assert_eq!(ruler.characters(), end);
            prop_assert_eq!(ruler.bytes(end + 3), Some(text.len()));
            prop_assert_eq!(ruler.character(text.len() + 3), Some(end));
        }
    }

    #[test]
    fn a_text_too_uneven_is_measured_as_far_as_memory_goes() {
        let mut ruler = Ruler::default();
        let text = "aß".repeat(MAX_RUNS);
        ruler.push(&text);
        assert_eq!(ruler.runs.len(), MAX_RUNS);
        assert_eq!(ruler.bytes(1001), Some(1501));
        assert_eq!(ruler.bytes(2 * MAX_RUNS - 1), None);
        assert_eq!(ruler.bytes(2 * MAX_RUNS), Some(text.len()));
    }

    #[test]
    fn a_citation_of_a_part_waits_for_its_end() {
        let mut measure = Measure::default();
        measure.say(0, "Hé ");
        measure.say(2, "du");
        let all = Citation::default();
        let some = Citation {
            span: Some(1..2),
            ..Citation::default()
        };
        assert_eq!(measure.cite(2, &some), Some(4..5));
        assert_eq!(measure.cite(2, &all), None);
        measure.say(2, "!");
        assert_eq!(measure.close(0), []);
        assert_eq!(measure.close(2), [(3..6, all)]);
        assert_eq!(measure.close(2), []);
        assert_eq!(measure.part_at(&(1..9)), Some((0, 1..3)));
        assert_eq!(measure.part_at(&(3..5)), Some((2, 0..2)));
        assert_eq!(measure.part_at(&(70..80)), Some((2, 3..3)));
    }
}
