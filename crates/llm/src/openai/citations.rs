//! Annotations of an answer's text, which chat completions and the Responses API write nearly alike.

use std::ops::Range;

use crate::canonical::{Citation, Cited, citation_span, read_citations, read_cited};
use crate::wire::{Fault, ListWriter, Object, ObjectWriter, Value};

const URL: &str = "url_citation";
const FILE: &str = "file_citation";

/// Reads a list of annotations. Ranges are of the text that they stand beside.
pub(crate) fn read<'a>(list: Value<'a, '_>) -> Vec<Citation<'a>> {
    read_citations(list, read_one)
}

/// Reads those of an earlier answer.
pub(crate) fn read_earlier<'a>(list: Value<'a, '_>) -> Vec<Citation<'a>> {
    read_cited(list, read_one)
}

/// Reads an annotation, if it is one that others know.
pub(crate) fn read_one<'a>(value: Value<'a, '_>) -> Result<Option<Citation<'a>>, Fault> {
    let mut object = value.object()?;
    match &*object.require_text("type")? {
        // In chat completions it is an object of its own.
        URL if object.has(URL) => object.take(URL, |value| page(&mut value.object()?)),
        URL => page(&mut object).map(Some),
        FILE => file(&mut object).map(Some),
        _ => Ok(None),
    }
}

fn page<'a>(object: &mut Object<'a, '_>) -> Result<Citation<'a>, Fault> {
    let mut count = |name| object.take(name, |value| value.count());
    let span = citation_span(count("start_index")?, count("end_index")?);
    Ok(Citation {
        span,
        url: Some(object.require_text("url")?),
        title: object.text("title")?,
        quote: object.text("content")?,
        source: None,
    })
}

/// What a file is cited for ends at a place; where it begins is not told.
fn file<'a>(object: &mut Object<'a, '_>) -> Result<Citation<'a>, Fault> {
    let index = object.take("index", |value| value.count())?;
    Ok(Citation {
        span: citation_span(index, index),
        title: object.text("filename")?,
        source: Some(Cited::File(object.require_text("file_id")?)),
        ..Citation::default()
    })
}

/// Writes the annotation of a chat completion, if there is one for it.
pub(crate) fn write_nested(
    list: &mut ListWriter<'_>,
    range: Range<usize>,
    citation: &Citation<'_>,
) {
    if let Some(url) = citation.link() {
        list.object(|o| {
            o.value("type", URL);
            o.object(URL, |o| write_page(o, range, url, citation));
        });
    }
}

/// Whether a citation is one that the Responses API has.
pub(crate) fn has_annotation(citation: &Citation<'_>) -> bool {
    citation.link().is_some() || matches!(citation.source, Some(Cited::File(_)))
}

/// Writes the fields of such an annotation of the Responses API.
pub(crate) fn write(o: &mut ObjectWriter<'_>, range: Range<usize>, citation: &Citation<'_>) {
    match (citation.link(), &citation.source) {
        (Some(url), _) => {
            o.value("type", URL);
            write_page(o, range, url, citation);
        }
        (None, Some(Cited::File(id))) => {
            o.value("type", FILE);
            o.value("file_id", id);
            o.value("filename", citation.title.as_deref().unwrap_or(id));
            o.value("index", range.end);
        }
        (None, _) => {}
    }
}

fn write_page(o: &mut ObjectWriter<'_>, range: Range<usize>, url: &str, citation: &Citation<'_>) {
    o.value("start_index", range.start);
    o.value("end_index", range.end);
    o.value("title", citation.title.as_deref().unwrap_or(url));
    o.value("url", url);
}
