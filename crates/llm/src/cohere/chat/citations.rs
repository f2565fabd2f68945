//! What an answer cites: ranges of a block's characters, each with its sources.

use std::borrow::Cow;
use std::ops::Range;

use crate::canonical::{Citation, Cited, Content, Part, citation_span, is_link};
use crate::wire::{Fault, Object, ObjectWriter, Value};

/// Citations of one range.
pub(super) struct Cites<'a> {
    /// The block of content that they are of, if it is told.
    pub(super) content: Option<u64>,
    /// They are of what the model plans.
    pub(super) of_plan: bool,
    pub(super) citations: Vec<Citation<'a>>,
}

/// Reads what is cited for a range: one citation for each source. None of what a model thought.
pub(super) fn read<'a>(value: Value<'a, '_>) -> Result<Cites<'a>, Fault> {
    let mut object = value.object()?;
    let kind = object.text("type")?;
    let mut count = |name| object.take(name, |value| value.count());
    let span = citation_span(count("start")?, count("end")?);
    let content = count("content_index")?;
    let mut citations = Vec::new();
    object.take("sources", |list| {
        list.each(|value| {
            citations.push(Citation {
                span: span.clone(),
                ..source(value)?
            });
            Ok(())
        })
    })?;
    if kind.as_deref() == Some("THINKING_CONTENT") {
        citations.clear();
    }
    Ok(Cites {
        content,
        of_plan: kind.as_deref() == Some("PLAN"),
        citations,
    })
}

/// Reads the citations of a message, and gives them to its parts: so many blocks of content, and then
/// perhaps what the model plans. They are worth no failure, and of an earlier answer are known to be left
/// out where they are.
pub(super) fn attach<'a>(
    list: Value<'a, '_>,
    parts: &mut [Part<'a>],
    contents: usize,
    is_earlier: bool,
) -> Result<(), Fault> {
    let is_text = |part: &Part<'_>| matches!(part.content, Content::Text(_));
    let first = parts.iter().position(is_text);
    let mut left_out = false;
    let all = list.each(|value| {
        let Ok(cites) = read(value) else {
            left_out = true;
            return Ok(());
        };
        left_out |= cites.citations.is_empty();
        let told = cites.content.and_then(|index| usize::try_from(index).ok());
        let at = match cites.of_plan {
            true => Some(contents),
            false => told.or(first),
        };
        let part = at.and_then(|at| parts.get_mut(at));
        match part.filter(|part| is_text(part)) {
            Some(part) => part.citations.extend(cites.citations),
            None => left_out = true,
        }
        Ok(())
    });
    // So that it is told that it is left out.
    if is_earlier
        && (left_out || all.is_err())
        && let Some(part) = parts.first_mut()
    {
        part.citations.push(Citation::default());
    }
    Ok(())
}

/// Reads a source. What it holds is the client's own, but these names are usual.
fn source<'a>(value: Value<'a, '_>) -> Result<Citation<'a>, Fault> {
    let mut object = value.object()?;
    let from_tool = object.require_text("type")? == "tool";
    let id = object.text("id")?.unwrap_or_default();
    let name = if from_tool { "tool_output" } else { "document" };
    let content = object.take(name, |value| {
        let mut fields = value.object()?;
        let mut first = |names: &[&str]| names.iter().find_map(|name| lenient(&mut fields, name));
        let url = first(&["url", "link", "source"]).filter(|url| is_link(url));
        let title = first(&["title", "name"]);
        let quote = first(&["snippet", "text", "content", "data"]);
        Ok((url, title, quote, value.raw()))
    })?;
    let (url, title, quote, raw) = content
        .map_or_else(Default::default, |(url, title, quote, raw)| {
            (url, title, quote, Some(Cow::Borrowed(raw)))
        });
    Ok(Citation {
        span: None,
        url,
        title,
        quote,
        source: Some(Cited::Object {
            from_tool,
            id,
            content: raw,
        }),
    })
}

fn lenient<'a>(object: &mut Object<'a, '_>, name: &str) -> Option<Cow<'a, str>> {
    object.text(name).ok().flatten()
}

/// Writes the fields of a citation of a range of the block of this number. `text` is what stands there,
/// if that is known.
pub(super) fn write(
    o: &mut ObjectWriter<'_>,
    range: Range<usize>,
    text: Option<&str>,
    content: u64,
    citation: &Citation<'_>,
) {
    o.value("start", range.start);
    o.value("end", range.end);
    o.maybe("text", text);
    o.list("sources", |list| list.object(|o| write_source(o, citation)));
    o.value("content_index", content);
    o.value("type", "TEXT_CONTENT");
}

fn write_source(o: &mut ObjectWriter<'_>, citation: &Citation<'_>) {
    let (kind, field, id, content) = match &citation.source {
        Some(Cited::Object {
            from_tool: true,
            id,
            content,
        }) => (
            "tool",
            "tool_output",
            Cow::Borrowed(&**id),
            content.as_deref(),
        ),
        Some(Cited::Object { id, content, .. }) => (
            "document",
            "document",
            Cow::Borrowed(&**id),
            content.as_deref(),
        ),
        _ => ("document", "document", name(citation), None),
    };
    o.value("type", kind);
    o.value("id", id);
    match content {
        Some(raw) => o.raw(field, raw),
        None => o.object(field, |o| {
            o.maybe("title", citation.title.as_deref());
            o.maybe("url", citation.link());
            o.maybe("snippet", citation.quote.as_deref());
        }),
    }
}

/// What stands for a source that was given no id.
fn name<'c>(citation: &'c Citation<'_>) -> Cow<'c, str> {
    match (&citation.source, citation.link()) {
        (Some(Cited::Document { index, .. }), _) => Cow::Owned(format!("doc:{index}")),
        (Some(Cited::SearchResult { source, .. }), _) => Cow::Borrowed(source),
        (Some(Cited::File(id)), _) => Cow::Borrowed(id),
        (_, Some(url)) => Cow::Borrowed(url),
        (_, None) => Cow::Borrowed(citation.title.as_deref().unwrap_or_default()),
    }
}
