//! `/v2/rerank`.

use super::embed::write_meta;
use crate::canonical::{Dropped, Given, Ranked, Ranking};
use crate::cohere;
use crate::openai::rerank::{placed, write_place};
use crate::wire::{Fault, Value, object};

/// Reads a request.
///
/// # Errors
/// The first field that is not as it should be.
pub(crate) fn decode_request(body: &[u8]) -> Result<Ranking<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    let document_tokens = object.take("max_tokens_per_doc", |value| value.count())?;
    let mut request = Ranking {
        model: object.text("model")?.unwrap_or_default(),
        query: object.require_text("query")?,
        documents: object.require("documents", |list| list.list(|item| item.text()))?,
        top: object.take("top_n", |value| value.count())?,
        document_tokens: Given::maybe("max_tokens_per_doc", document_tokens),
        ..Ranking::default()
    };
    request.rest.extend(object.rest().map(|(name, _)| name));
    Ok(request)
}

/// Writes a request.
pub(crate) fn encode_request(request: &Ranking<'_>, dropped: &mut Dropped) -> Vec<u8> {
    request.rest.iter().for_each(|name| dropped.add(&**name));
    object(|o| {
        o.value("model", &request.model);
        o.value("query", &request.query);
        o.value("documents", &request.documents);
        o.maybe("top_n", request.top);
        let tokens = request.document_tokens.as_ref();
        o.maybe("max_tokens_per_doc", tokens.map(|given| given.value));
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
        places: object.require("results", |list| list.list(placed))?,
        usage: object
            .opaque("meta")
            .and_then(|raw| cohere::usage(raw.as_bytes())),
        ..Ranked::default()
    })
}

/// Writes an answer.
pub(crate) fn encode_response(answer: &Ranked<'_>) -> Vec<u8> {
    object(|o| {
        o.value("id", &answer.id);
        o.list("results", |list| {
            for place in &answer.places {
                list.object(|o| write_place(place, o));
            }
        });
        write_meta(answer.usage.and_then(|usage| usage.input), o);
    })
}
