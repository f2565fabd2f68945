//! What a block of text cites: of all of the block.

use crate::canonical::{Citation, Cited, Unit, read_citations, read_cited};
use crate::wire::{Fault, ListWriter, ObjectWriter, Value};

/// Places in documents: the name of each, of the fields of its beginning and end, and what they count.
const PLACES: [(&str, &str, &str, Unit); 3] = [
    (
        "char_location",
        "start_char_index",
        "end_char_index",
        Unit::Characters,
    ),
    (
        "page_location",
        "start_page_number",
        "end_page_number",
        Unit::Pages,
    ),
    (
        "content_block_location",
        "start_block_index",
        "end_block_index",
        Unit::Blocks,
    ),
];

const SEARCH_RESULT: &str = "search_result_location";
const WEB: &str = "web_search_result_location";

/// Reads the citations of a block.
pub(super) fn read<'a>(list: Value<'a, '_>) -> Vec<Citation<'a>> {
    read_citations(list, read_one)
}

/// Reads those of a block of an earlier answer.
pub(super) fn read_earlier<'a>(list: Value<'a, '_>) -> Vec<Citation<'a>> {
    read_cited(list, read_one)
}

/// Reads a citation, if it is of a kind that is known.
pub(super) fn read_one<'a>(value: Value<'a, '_>) -> Result<Option<Citation<'a>>, Fault> {
    let mut object = value.object()?;
    let kind = object.require_text("type")?;
    let quote = object.text("cited_text")?.filter(|text| !text.is_empty());
    let place = PLACES.iter().find(|(name, ..)| *name == kind);
    let (url, title, source) = if let Some((_, from, to, unit)) = place {
        let mut count = |name: &str| object.require(name, |value| value.count());
        let source = Cited::Document {
            index: count("document_index")?,
            unit: *unit,
            from: count(from)?,
            to: count(to)?,
            file: object.text("file_id")?,
        };
        (None, object.text("document_title")?, Some(source))
    } else if kind == SEARCH_RESULT {
        let mut count = |name: &str| object.require(name, |value| value.count());
        let source = Cited::SearchResult {
            index: count("search_result_index")?,
            from: count("start_block_index")?,
            to: count("end_block_index")?,
            source: object.require_text("source")?,
        };
        (None, object.text("title")?, Some(source))
    } else if kind == WEB {
        (
            Some(object.require_text("url")?),
            object.text("title")?,
            None,
        )
    } else {
        return Ok(None);
    };
    Ok(Some(Citation {
        span: None,
        url,
        title,
        quote,
        source,
    }))
}

/// Whether an answer of this API can have a citation.
pub(super) fn is_told(citation: &Citation<'_>) -> bool {
    citation.is_of_request() || citation.link().is_some()
}

/// Writes the citations of a block.
pub(super) fn write<'c>(
    list: &mut ListWriter<'_>,
    citations: impl Iterator<Item = &'c Citation<'c>>,
) {
    citations.for_each(|citation| list.object(|o| write_one(o, citation)));
}

/// Writes the fields of a citation that this API can have.
pub(super) fn write_one(o: &mut ObjectWriter<'_>, citation: &Citation<'_>) {
    let title = citation.title.as_deref();
    let quote = citation.quote.as_deref().unwrap_or_default();
    match &citation.source {
        Some(Cited::Document {
            index,
            unit,
            from,
            to,
            file,
        }) => {
            let place = PLACES.iter().find(|(.., known)| known == unit);
            let Some((kind, begins, ends, _)) = place else {
                return;
            };
            o.value("type", kind);
            o.value("cited_text", quote);
            o.value("document_index", index);
            o.value("document_title", title);
            o.value(begins, from);
            o.value(ends, to);
            o.maybe("file_id", file.as_deref());
        }
        Some(Cited::SearchResult {
            index,
            source,
            from,
            to,
        }) => {
            o.value("type", SEARCH_RESULT);
            o.value("cited_text", quote);
            o.value("search_result_index", index);
            o.value("source", source);
            o.value("title", title);
            o.value("start_block_index", from);
            o.value("end_block_index", to);
        }
        _ => {
            o.value("type", WEB);
            o.value("cited_text", quote);
            o.value("url", citation.link().unwrap_or_default());
            o.value("title", title);
            // Proves to Anthropic what its own search has found.
            o.value("encrypted_index", "");
        }
    }
}
