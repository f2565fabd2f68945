//! What an answer is grounded on, and what it quotes: ranges of its bytes.

use std::borrow::Cow;
use std::ops::Range;

use super::Proto;
use super::decode_response::Said;
use crate::canonical::{Citation, Ruler, citation_span, is_link};
use crate::wire::{Fault, ObjectWriter, Value};

/// Bytes of sources that are read at most, each as often as it is named: a bound of memory.
const MAX_BYTES: usize = 1 << 20;

/// A citation before its range, in bytes of the answer, is one of characters.
#[derive(Debug)]
pub(super) struct Grounds<'a> {
    pub(super) bytes: Option<Range<usize>>,
    /// The part of the candidate that the range begins in; 0 also if none is told.
    pub(super) part: usize,
    pub(super) citation: Citation<'a>,
}

/// Reads what a candidate is grounded on and what it quotes. That is worth no failure.
pub(super) fn read<'a>(candidate: &mut Proto<'a, '_>) -> Vec<Grounds<'a>> {
    let grounded = candidate
        .take("groundingMetadata", grounding)
        .ok()
        .flatten();
    let quoted = candidate
        .take("citationMetadata", quotations)
        .ok()
        .flatten();
    let both = [grounded, quoted].into_iter().flatten();
    both.flatten().collect()
}

/// The citations of a whole answer that says so, each of a range of the characters of its text.
pub(super) fn citations<'a>(grounds: Vec<Grounds<'a>>, said: &[Said<'_>]) -> Vec<Citation<'a>> {
    if grounds.is_empty() {
        return Vec::new();
    }
    let mut ruler = Ruler::default();
    // Where the text of each part begins.
    let mut begins = Vec::with_capacity(said.len());
    for said in said {
        let text = said.text();
        begins.push(text.map_or(0, |_| ruler.len()));
        ruler.push(text.unwrap_or_default());
    }
    let cite = |grounds: Grounds<'a>| {
        let begin = begins.get(grounds.part).copied().unwrap_or(0);
        grounds.citation(begin, &ruler)
    };
    grounds.into_iter().map(cite).collect()
}

impl<'a> Grounds<'a> {
    /// A citation of these characters of a text, which is a part or, where that has the number 0, the
    /// beginning of all.
    pub(super) fn of(
        citation: Citation<'a>,
        span: &Range<usize>,
        part: usize,
        ruler: &Ruler,
    ) -> Self {
        let (from, to) = (ruler.bytes(span.start), ruler.bytes(span.end));
        Self {
            bytes: from.zip(to).map(|(from, to)| from..to),
            part,
            citation,
        }
    }

    /// Counted in characters of a text that has this measure, where its own begins there.
    pub(super) fn citation(self, begin: usize, ruler: &Ruler) -> Citation<'a> {
        let place = |at: usize| ruler.character(begin.saturating_add(at));
        let span = self.bytes.and_then(|bytes| {
            let (from, to) = (place(bytes.start)?, place(bytes.end)?);
            Some(from..to)
        });
        Citation {
            span,
            ..self.citation
        }
    }
}

fn grounding<'a>(value: Value<'a, '_>) -> Result<Vec<Grounds<'a>>, Fault> {
    let mut metadata = Proto::read(value)?;
    let chunks = metadata.take("groundingChunks", |list| list.list(chunk))?;
    let chunks = chunks.unwrap_or_default();
    let mut all = Vec::new();
    let mut size = 0;
    let supports = metadata.take("groundingSupports", |list| {
        list.each(|value| {
            let mut support = Proto::read(value)?;
            let (bytes, part) = support.take("segment", segment)?.unwrap_or_default();
            support.take("groundingChunkIndices", |list| {
                list.each(|index| {
                    let index = usize::try_from(index.count()?).unwrap_or(usize::MAX);
                    let source = chunks.get(index).and_then(Option::as_ref);
                    let Some(citation) = source.filter(|_| size <= MAX_BYTES) else {
                        return Ok(());
                    };
                    size += citation.size();
                    all.push(Grounds {
                        bytes: bytes.clone(),
                        part,
                        citation: citation.clone(),
                    });
                    Ok(())
                })
            })?;
            Ok(())
        })
    })?;
    // An answer that does not tell which of its words are grounded is grounded as a whole.
    if supports.is_none() {
        all.extend(chunks.into_iter().flatten().map(|citation| Grounds {
            bytes: None,
            part: 0,
            citation,
        }));
    }
    Ok(all)
}

/// Reads a source: of the Web, of a store of documents, or a place on a map.
fn chunk<'a>(value: Value<'a, '_>) -> Result<Option<Citation<'a>>, Fault> {
    let mut chunk = Proto::read(value)?;
    for kind in ["web", "retrievedContext", "maps"] {
        let source = chunk.take(kind, |value| {
            let mut source = Proto::read(value)?;
            Ok(Citation {
                url: source.text("uri")?.filter(|uri| is_link(uri)),
                title: source.text("title")?,
                quote: source.text("text")?,
                ..Citation::default()
            })
        })?;
        if source.is_some() {
            return Ok(source);
        }
    }
    Ok(None)
}

/// The bytes of a segment, and the part that they are of.
fn segment(value: Value<'_, '_>) -> Result<(Option<Range<usize>>, usize), Fault> {
    let mut segment = Proto::read(value)?;
    let mut count = |name| segment.take(name, |value| value.count());
    let part = count("partIndex")?.unwrap_or(0);
    let bytes = citation_span(count("startIndex")?, count("endIndex")?);
    Ok((bytes, usize::try_from(part).unwrap_or(0)))
}

/// What is quoted at length; Vertex AI calls it otherwise.
fn quotations<'a>(value: Value<'a, '_>) -> Result<Vec<Grounds<'a>>, Fault> {
    let mut metadata = Proto::read(value)?;
    let mut all = Vec::new();
    for name in ["citationSources", "citations"] {
        metadata.take(name, |list| {
            list.each(|value| {
                let mut quoted = Proto::read(value)?;
                let mut count = |name| quoted.take(name, |value| value.count());
                let bytes = citation_span(count("startIndex")?, count("endIndex")?);
                all.push(Grounds {
                    bytes,
                    part: 0,
                    citation: Citation {
                        url: quoted.text("uri")?,
                        title: quoted.text("title")?,
                        ..Citation::default()
                    },
                });
                Ok(())
            })
        })?;
    }
    Ok(all)
}

/// Writes what a candidate is grounded on, if it is on anything.
pub(super) fn write(o: &mut ObjectWriter<'_>, grounds: &[Grounds<'_>]) {
    if grounds.is_empty() {
        return;
    }
    o.object("groundingMetadata", |o| {
        o.list("groundingChunks", |list| {
            for grounds in grounds {
                list.object(|o| write_chunk(o, &grounds.citation));
            }
        });
        o.list("groundingSupports", |list| {
            for (index, grounds) in grounds.iter().enumerate() {
                list.object(|o| {
                    if let Some(bytes) = &grounds.bytes {
                        o.object("segment", |o| {
                            // 0 is not written by the API either.
                            o.maybe("partIndex", Some(grounds.part).filter(|part| *part > 0));
                            o.value("startIndex", bytes.start);
                            o.value("endIndex", bytes.end);
                        });
                    }
                    o.list("groundingChunkIndices", |list| list.value(index));
                });
            }
        });
    });
}

fn write_chunk(o: &mut ObjectWriter<'_>, citation: &Citation<'_>) {
    let title = citation.title.as_deref().map(Cow::Borrowed);
    match citation.link() {
        Some(url) => o.object("web", |o| {
            o.value("uri", url);
            o.maybe("title", title);
        }),
        None => o.object("retrievedContext", |o| {
            o.maybe("title", title);
            o.maybe("text", citation.quote.as_deref());
        }),
    }
}
