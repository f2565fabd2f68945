//! `/api/embed`.

use super::figures;
use crate::canonical::{Cut, Dropped, Embedding, Given, Vector, Vectors};
use crate::openai::embeddings::texts;
use crate::wire::{Fault, Value, object};

/// Reads a request.
///
/// # Errors
/// The first field that is not as it should be, or that no other API can express.
pub(crate) fn decode_request(body: &[u8]) -> Result<Embedding<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    let dimensions = object.take("dimensions", |value| value.count())?;
    let cut = object.take("truncate", |value| value.boolean())?;
    let mut request = Embedding {
        model: object.text("model")?.unwrap_or_default(),
        texts: object.require("input", texts)?,
        dimensions: Given::maybe("dimensions", dimensions),
        cut: Given::maybe("truncate", cut.map(at_end)),
        ..Embedding::default()
    };
    request.rest.extend(object.rest().map(|(name, _)| name));
    Ok(request)
}

const fn at_end(is_cut: bool) -> Cut {
    if is_cut { Cut::End } else { Cut::Neither }
}

/// Writes a request. Texts are cut at their end or not at all.
pub(crate) fn encode_request(request: &Embedding<'_>, dropped: &mut Dropped) -> Vec<u8> {
    dropped.hint(request.purpose.as_ref());
    dropped.hint(request.user.as_ref());
    let cut = request.cut.as_ref();
    dropped.hint(cut.filter(|cut| cut.value == Cut::Start));
    request.drop_rest(dropped);
    object(|o| {
        o.value("model", &request.model);
        o.value("input", &request.texts);
        let is_cut = cut.is_some_and(|cut| cut.value == Cut::End);
        o.value("truncate", is_cut);
        let dimensions = request.dimensions.as_ref();
        o.maybe("dimensions", dimensions.map(|given| given.value));
    })
}

/// Reads an answer.
///
/// # Errors
/// If it is none of this API.
pub(crate) fn decode_response(body: &[u8]) -> Result<Vectors<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    Ok(Vectors {
        model: object.text("model")?.unwrap_or_default(),
        vectors: object.require("embeddings", |list| list.list(Vector::read_numbers))?,
        usage: figures::of_document(body),
        ..Vectors::default()
    })
}

/// Writes an answer.
pub(crate) fn encode_response(answer: &Vectors<'_>) -> Vec<u8> {
    object(|o| {
        o.value("model", &answer.model);
        o.list("embeddings", |list| {
            for vector in &answer.vectors {
                vector.list_numbers(list);
            }
        });
        if let Some(usage) = &answer.usage {
            figures::write(usage, o);
        }
    })
}
