//! What a block of generated text cites: of all of the block.

use std::borrow::Cow;

use crate::canonical::{
    Citation, Cited, Part, Unit, cut_by_citations, is_link, read_citations, read_cited,
};
use crate::wire::{Fault, ListWriter, Object, ObjectWriter, Value};

/// Places in documents, and what they count.
const PLACES: [(&str, Unit); 3] = [
    ("documentChar", Unit::Characters),
    ("documentPage", Unit::Pages),
    ("documentChunk", Unit::Blocks),
];

/// Reads a block of text with its citations.
pub(super) fn read_block<'a>(value: Value<'a, '_>) -> Result<Part<'a>, Fault> {
    block(value, |list| {
        read_citations(list, |value| read(value).map(Some))
    })
}

/// Reads one of an earlier answer.
pub(super) fn read_earlier<'a>(value: Value<'a, '_>) -> Result<Part<'a>, Fault> {
    block(value, |list| {
        read_cited(list, |value| read(value).map(Some))
    })
}

fn block<'a>(
    value: Value<'a, '_>,
    cited: impl FnOnce(Value<'a, '_>) -> Vec<Citation<'a>>,
) -> Result<Part<'a>, Fault> {
    let mut object = value.object()?;
    let mut text = Cow::Borrowed("");
    object.take("content", |list| {
        list.each(|value| {
            let mut said = value.object()?;
            join(&mut text, said.text("text")?.unwrap_or_default());
            said.finish()?;
            Ok(())
        })
    })?;
    let citations = object.take("citations", |list| Ok(cited(list)))?;
    object.finish()?;
    Ok(Part {
        citations: citations.unwrap_or_default(),
        ..Part::text(text)
    })
}

fn join<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().push_str(&more);
    }
}

/// Reads a citation.
pub(super) fn read<'a>(value: Value<'a, '_>) -> Result<Citation<'a>, Fault> {
    let mut object = value.object()?;
    let mut quote = Cow::Borrowed("");
    object.take("sourceContent", |list| {
        list.each(|value| {
            let more = value.object()?.text("text")?.unwrap_or_default();
            join(&mut quote, more);
            Ok(())
        })
    })?;
    let title = object.text("title")?;
    let named = object.text("source")?;
    let (url, source) = object
        .take("location", |value| location(&mut value.object()?, &named))?
        .unwrap_or_default();
    let link = named.filter(|source| is_link(source));
    Ok(Citation {
        span: None,
        url: url.or(link),
        title,
        quote: Some(quote).filter(|quote| !quote.is_empty()),
        source,
    })
}

type Location<'a> = (Option<Cow<'a, str>>, Option<Cited<'a>>);

fn location<'a>(
    object: &mut Object<'a, '_>,
    named: &Option<Cow<'a, str>>,
) -> Result<Location<'a>, Fault> {
    if let Some(web) = object.take("web", |value| value.object()?.text("url"))? {
        return Ok((web, None));
    }
    let range = |value: Value<'a, '_>, index| {
        let mut place = value.object()?;
        let mut count = |name: &str| place.take(name, |value| value.count());
        let counts = [count(index)?, count("start")?, count("end")?];
        Ok(counts.map(Option::unwrap_or_default))
    };
    for (name, unit) in PLACES {
        let found = object.take(name, |value| range(value, "documentIndex"))?;
        if let Some([index, from, to]) = found {
            let source = Cited::Document {
                index,
                unit,
                from,
                to,
                file: None,
            };
            return Ok((None, Some(source)));
        }
    }
    let found = object.take("searchResultLocation", |value| {
        range(value, "searchResultIndex")
    })?;
    let source = found.map(|[index, from, to]| Cited::SearchResult {
        index,
        source: named.clone().unwrap_or_default(),
        from,
        to,
    });
    Ok((None, source))
}

/// Writes a text in blocks, each with what it cites.
pub(super) fn write_cited(list: &mut ListWriter<'_>, text: &str, citations: &[Citation<'_>]) {
    let known = citations.iter().filter(|one| one.is_known());
    for (text, cited) in cut_by_citations(text, known) {
        match cited.is_empty() {
            true => super::write_text(list, text),
            false => write_block(list, text, &cited),
        }
    }
}

/// Writes a block of text with what it cites.
pub(super) fn write_block(list: &mut ListWriter<'_>, text: &str, citations: &[&Citation<'_>]) {
    list.object(|o| {
        o.object("citationsContent", |o| {
            o.list("content", |list| list.object(|o| o.value("text", text)));
            o.list("citations", |list| {
                let citations = citations.iter();
                citations.for_each(|citation| list.object(|o| write(o, citation)));
            });
        });
    });
}

/// Writes the fields of a citation.
pub(super) fn write(o: &mut ObjectWriter<'_>, citation: &Citation<'_>) {
    o.maybe("title", citation.title.as_deref());
    let named = match &citation.source {
        Some(
            Cited::SearchResult { source: id, .. } | Cited::File(id) | Cited::Object { id, .. },
        ) => Some(&**id),
        _ => citation.url.as_deref(),
    };
    o.maybe("source", named);
    if let Some(quote) = &citation.quote {
        o.list("sourceContent", |list| {
            list.object(|o| o.value("text", quote))
        });
    }
    let place = |o: &mut ObjectWriter<'_>, index, [number, from, to]: [&u64; 3]| {
        o.value(index, number);
        o.value("start", from);
        o.value("end", to);
    };
    match (&citation.source, &citation.url) {
        (
            Some(Cited::Document {
                index,
                unit,
                from,
                to,
                ..
            }),
            _,
        ) => {
            let known = PLACES.iter().find(|(_, known)| known == unit);
            let name = known.map_or("documentChar", |(name, _)| name);
            o.object("location", |o| {
                o.object(name, |o| place(o, "documentIndex", [index, from, to]));
            });
        }
        (
            Some(Cited::SearchResult {
                index, from, to, ..
            }),
            _,
        ) => o.object("location", |o| {
            o.object("searchResultLocation", |o| {
                place(o, "searchResultIndex", [index, from, to]);
            });
        }),
        (_, Some(url)) => o.object("location", |o| {
            o.object("web", |o| {
                o.value("url", url);
                o.maybe("domain", domain(url));
            });
        }),
        (_, None) => {}
    }
}

/// The host of an address.
fn domain(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    Some(host).filter(|host| !host.is_empty())
}
