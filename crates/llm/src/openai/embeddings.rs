//! `/embeddings`.

use std::borrow::Cow;

use crate::canonical::{Cut, Dropped, Embedding, Given, Purpose, Vector, Vectors, Wanted};
use crate::wire::{Fault, ListWriter, ObjectWriter, Value, object};
use crate::{Quirks, openai};

/// Reads a request.
///
/// # Errors
/// The first field that is not as it should be, or that no other API can express.
pub(crate) fn decode_request(body: &[u8]) -> Result<Embedding<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    let user = object.text("user")?;
    let dimensions = object.take("dimensions", |value| value.count())?;
    // Not of OpenAI's own, but of servers for models that ask for it.
    let purpose = object.take("input_type", |value| Ok(purpose(&value.text()?)))?;
    let mut request = Embedding {
        model: object.text("model")?.unwrap_or_default(),
        texts: object.require("input", texts)?,
        dimensions: Given::maybe("dimensions", dimensions),
        purpose: Given::maybe("input_type", purpose.flatten()),
        user: Given::maybe("user", user),
        wanted: object.take("encoding_format", wanted)?.unwrap_or_default(),
        ..Embedding::default()
    };
    if purpose == Some(None) {
        request.rest.push(Cow::Borrowed("input_type"));
    }
    request.rest.extend(object.rest().map(|(name, _)| name));
    Ok(request)
}

/// One text, or several.
pub(crate) fn texts<'a>(value: Value<'a, '_>) -> Result<Vec<Cow<'a, str>>, Fault> {
    if value.is_text() {
        return Ok(vec![value.text()?]);
    }
    value.list(|item| {
        if item.is_text() {
            return item.text();
        }
        Err(item.fault(
            "is not text: ids of tokens mean something to one vocabulary alone, and the model that \
             was asked for has another",
        ))
    })
}

fn wanted(value: Value<'_, '_>) -> Result<Wanted, Fault> {
    let base64 = match &*value.text()? {
        "float" => false,
        "base64" => true,
        _ => return Err(value.fault("must be float or base64")),
    };
    Ok(Wanted {
        numbers: !base64,
        base64,
        alone: false,
    })
}

/// A purpose by Cohere's word for it, or by NVIDIA's and Voyage's.
fn purpose(name: &str) -> Option<Purpose> {
    match name {
        "search_document" | "document" | "passage" => Some(Purpose::Document),
        "search_query" | "query" => Some(Purpose::Query),
        "classification" => Some(Purpose::Classification),
        "clustering" => Some(Purpose::Clustering),
        _ => None,
    }
}

/// Writes a request.
pub(crate) fn encode_request(
    request: &Embedding<'_>,
    quirks: &Quirks,
    dropped: &mut Dropped,
) -> Vec<u8> {
    dropped.hint(request.purpose.as_ref());
    dropped.hint(request.cut.as_ref().filter(|cut| cut.value != Cut::Neither));
    request.drop_rest(dropped);
    let user = request.user.as_ref();
    let knows_user = !quirks.chat.unknown.contains(&"user");
    if !knows_user {
        dropped.hint(user);
    }
    object(|o| {
        o.value("model", &request.model);
        o.value("input", &request.texts);
        let dimensions = request.dimensions.as_ref();
        o.maybe(quirks.dimensions, dimensions.map(|given| given.value));
        o.maybe("user", user.filter(|_| knows_user).map(|user| &user.value));
    })
}

/// Reads an answer.
///
/// # Errors
/// If it is none of this API.
pub(crate) fn decode_response(body: &[u8]) -> Result<Vectors<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    let mut numbered = object.require("data", |list| list.list(vector))?;
    numbered.sort_by_key(|(index, _)| *index);
    Ok(Vectors {
        id: object.text("id")?.unwrap_or_default(),
        model: object.text("model")?.unwrap_or_default(),
        vectors: numbered.into_iter().map(|(_, vector)| vector).collect(),
        usage: object
            .opaque("usage")
            .and_then(|raw| openai::usage(raw.as_bytes())),
    })
}

/// A vector and its number.
fn vector<'a>(value: Value<'a, '_>) -> Result<(u64, Vector<'a>), Fault> {
    let mut item = value.object()?;
    let index = item.take("index", |index| index.count())?;
    let vector = item.require("embedding", Vector::read)?;
    Ok((index.unwrap_or_default(), vector))
}

/// Writes an answer.
///
/// # Errors
/// If a vector is not one.
pub(crate) fn encode_response(answer: &Vectors<'_>, wanted: Wanted) -> Result<Vec<u8>, Fault> {
    let mut base64 = Vec::new();
    if wanted.base64 {
        let vectors = answer.vectors.iter().map(Vector::base64);
        base64 = vectors.collect::<Result<_, _>>()?;
    }
    let tokens = answer.usage.and_then(|usage| usage.input);
    Ok(object(|o| {
        // Not OpenAI's, but vLLM's and Mistral's, whose client wants it.
        o.value("id", &answer.id);
        o.value("object", "list");
        o.list("data", |list| {
            for (index, vector) in answer.vectors.iter().enumerate() {
                write_vector(index, vector, base64.get(index), list);
            }
        });
        o.value("model", &answer.model);
        o.object("usage", |o| write_usage(tokens.unwrap_or_default(), o));
    }))
}

fn write_vector(
    index: usize,
    vector: &Vector<'_>,
    base64: Option<&String>,
    list: &mut ListWriter<'_>,
) {
    list.object(|o| {
        o.value("object", "embedding");
        o.value("index", index);
        match base64 {
            Some(base64) => o.value("embedding", base64),
            None => vector.write_numbers("embedding", o),
        }
    });
}

fn write_usage(tokens: u64, o: &mut ObjectWriter<'_>) {
    o.value("prompt_tokens", tokens);
    o.value("total_tokens", tokens);
}
