//! `/v2/embed`, of texts.

use crate::canonical::{Cut, Dropped, Embedding, Given, Purpose, Vector, Vectors, Wanted};
use crate::cohere;
use crate::wire::{Fault, ListWriter, ObjectWriter, Value, object};

/// Reads a request.
///
/// # Errors
/// The first field that is not as it should be, or that no other API can express.
pub(crate) fn decode_request(body: &[u8]) -> Result<Embedding<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    for field in ["images", "inputs"] {
        if object.has(field) {
            let why = "holds what the API of this model does not turn into vectors: send `texts`";
            return Err(object.fault(field, why));
        }
    }
    let dimensions = object.take("output_dimension", |value| value.count())?;
    let wanted = object.take("embedding_types", wanted)?;
    let mut request = Embedding {
        model: object.text("model")?.unwrap_or_default(),
        texts: object.require("texts", |list| list.list(|item| item.text()))?,
        dimensions: Given::maybe("output_dimension", dimensions),
        purpose: Given::maybe("input_type", object.take("input_type", purpose)?),
        cut: Given::maybe("truncate", object.take("truncate", cut)?),
        wanted: wanted.unwrap_or_default(),
        ..Embedding::default()
    };
    request.rest.extend(object.rest().map(|(name, _)| name));
    Ok(request)
}

fn purpose(value: Value<'_, '_>) -> Result<Purpose, Fault> {
    match &*value.text()? {
        "search_document" => Ok(Purpose::Document),
        "search_query" => Ok(Purpose::Query),
        "classification" => Ok(Purpose::Classification),
        "clustering" => Ok(Purpose::Clustering),
        _ => Err(value.fault(
            "must be search_document, search_query, classification or clustering, which are all \
             that there is for texts",
        )),
    }
}

fn cut(value: Value<'_, '_>) -> Result<Cut, Fault> {
    match &*value.text()? {
        "NONE" => Ok(Cut::Neither),
        "START" => Ok(Cut::Start),
        "END" => Ok(Cut::End),
        _ => Err(value.fault("must be NONE, START or END")),
    }
}

fn wanted(value: Value<'_, '_>) -> Result<Wanted, Fault> {
    let mut wanted = Wanted {
        numbers: false,
        base64: false,
        alone: false,
    };
    value.each(|item| {
        match &*item.text()? {
            "float" => wanted.numbers = true,
            "base64" => wanted.base64 = true,
            _ => {
                let why = "is not float or base64, which are all that the API of this model has";
                return Err(item.fault(why));
            }
        }
        Ok(())
    })?;
    let is_none = !wanted.numbers && !wanted.base64;
    Ok(if is_none { Wanted::default() } else { wanted })
}

/// Writes a request. This API must know the purpose; what nobody has said is to be found.
pub(crate) fn encode_request(request: &Embedding<'_>, dropped: &mut Dropped) -> Vec<u8> {
    dropped.hint(request.user.as_ref());
    request.drop_rest(dropped);
    let purpose = request.purpose.as_ref().map(|given| given.value);
    let cut = request.cut.as_ref().map(|given| given.value);
    object(|o| {
        o.value("model", &request.model);
        o.value("texts", &request.texts);
        o.value("input_type", name(purpose.unwrap_or(Purpose::Document)));
        let dimensions = request.dimensions.as_ref();
        o.maybe("output_dimension", dimensions.map(|given| given.value));
        o.value("embedding_types", ["float"]);
        o.value("truncate", name_of_cut(cut.unwrap_or(Cut::Neither)));
    })
}

/// Vectors that are compared with their like are those of a cluster here.
const fn name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Document => "search_document",
        Purpose::Query | Purpose::CodeQuery | Purpose::Question | Purpose::FactCheck => {
            "search_query"
        }
        Purpose::Classification => "classification",
        Purpose::Clustering | Purpose::Similarity => "clustering",
    }
}

const fn name_of_cut(cut: Cut) -> &'static str {
    match cut {
        Cut::Neither => "NONE",
        Cut::Start => "START",
        Cut::End => "END",
    }
}

/// Reads an answer.
///
/// # Errors
/// If it is none of this API, or has not the vectors that were asked for.
pub(crate) fn decode_response(body: &[u8]) -> Result<Vectors<'_>, Fault> {
    let mut object = Value::document(body)?.object()?;
    let vectors = object.require("embeddings", |kinds| {
        kinds
            .object()?
            .require("float", |list| list.list(Vector::read_numbers))
    })?;
    Ok(Vectors {
        id: object.text("id")?.unwrap_or_default(),
        vectors,
        usage: object
            .opaque("meta")
            .and_then(|raw| cohere::usage(raw.as_bytes())),
        ..Vectors::default()
    })
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
    Ok(object(|o| {
        o.value("id", &answer.id);
        o.value("response_type", "embeddings_by_type");
        o.object("embeddings", |o| {
            if wanted.numbers {
                o.list("float", |list| write_vectors(answer, list));
            }
            if wanted.base64 {
                o.value("base64", &base64);
            }
        });
        write_meta(answer.usage.and_then(|usage| usage.input), o);
    }))
}

fn write_vectors(answer: &Vectors<'_>, list: &mut ListWriter<'_>) {
    for vector in &answer.vectors {
        vector.list_numbers(list);
    }
}

/// Writes what is told of a request: by which version of the API it was answered, and its tokens.
pub(super) fn write_meta(tokens: Option<u64>, o: &mut ObjectWriter<'_>) {
    o.object("meta", |o| {
        o.object("api_version", |o| o.value("version", "2"));
        if let Some(tokens) = tokens {
            o.object("billed_units", |o| o.value("input_tokens", tokens));
        }
    });
}
