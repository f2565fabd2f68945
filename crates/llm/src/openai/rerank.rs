//! `/rerank`, as Jina has it, and vLLM and other servers after it.

use std::borrow::Cow;

use crate::canonical::{Dropped, Given, Placed, Ranked, Ranking};
use crate::openai;
use crate::wire::{Fault, ObjectWriter, Value, object};

/// Reads a request.
///
/// # Errors
/// The first field that is not as it should be, or that no other API can express.
pub(crate) fn decode_request(body: &[u8]) -> Result<Ranking<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    let document_tokens = object.take("max_tokens_per_doc", |value| value.count())?;
    let mut request = Ranking {
        model: object.text("model")?.unwrap_or_default(),
        query: object.require("query", text_of)?,
        documents: object.require("documents", |list| list.list(text_of))?,
        top: object.take("top_n", |value| value.count())?,
        document_tokens: Given::maybe("max_tokens_per_doc", document_tokens),
        ..Ranking::default()
    };
    // That the documents be left out of the answer goes without saying.
    if object.peek("return_documents") == Some("false") {
        object.ignore(&["return_documents"]);
    }
    request.rest.extend(object.rest().map(|(name, _)| name));
    Ok(request)
}

/// A text, which may stand in an object.
fn text_of<'a>(value: Value<'a, '_>) -> Result<Cow<'a, str>, Fault> {
    if !value.is_object() {
        return value.text();
    }
    let mut object = value.object()?;
    let text = object.require_text("text")?;
    object.finish()?;
    Ok(text)
}

/// Writes a request.
pub(crate) fn encode_request(request: &Ranking<'_>, dropped: &mut Dropped) -> Vec<u8> {
    dropped.hint(request.document_tokens.as_ref());
    request.rest.iter().for_each(|name| dropped.add(&**name));
    object(|o| {
        o.value("model", &request.model);
        o.value("query", &request.query);
        o.value("documents", &request.documents);
        o.maybe("top_n", request.top);
    })
}

/// Reads an answer.
///
/// # Errors
/// If it is none of this API.
pub(crate) fn decode_response(body: &[u8]) -> Result<Ranked<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    Ok(Ranked {
        id: object.text("id")?.unwrap_or_default(),
        model: object.text("model")?.unwrap_or_default(),
        places: object.require("results", |list| list.list(placed))?,
        usage: object
            .opaque("usage")
            .and_then(|raw| openai::usage(raw.as_bytes())),
    })
}

/// Reads a place: as this API has it, and Cohere's.
pub(crate) fn placed<'a>(value: Value<'a, '_>) -> Result<Placed<'a>, Fault> {
    let mut object = value.object()?;
    Ok(Placed {
        index: object.require("index", |value| value.count())?,
        relevance: object.require("relevance_score", |value| {
            value.number().map(|_| value.raw())
        })?,
    })
}

/// Writes an answer.
pub(crate) fn encode_response(answer: &Ranked<'_>) -> Vec<u8> {
    object(|o| {
        o.value("id", &answer.id);
        o.value("model", &answer.model);
        o.list("results", |list| {
            for place in &answer.places {
                list.object(|o| write_place(place, o));
            }
        });
        if let Some(tokens) = answer.usage.and_then(|usage| usage.input) {
            o.object("usage", |o| o.value("total_tokens", tokens));
        }
    })
}

/// Writes a place: as this API has it, and Cohere's.
pub(crate) fn write_place(place: &Placed<'_>, o: &mut ObjectWriter<'_>) {
    o.value("index", place.index);
    o.raw("relevance_score", place.relevance);
}
