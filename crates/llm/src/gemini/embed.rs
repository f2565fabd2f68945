//! `embedContent` and `batchEmbedContents`.
//!
//! One text is asked for by the one and several by the other, whose answers differ.

use std::borrow::Cow;

use super::content::Proto;
use crate::canonical::{Cut, Dropped, Embedding, Given, Purpose, Vector, Vectors, Wanted};
use crate::wire::{Fault, ObjectWriter, Value, object};

/// Reads the request for vectors of `model`: of the one text, or of several.
///
/// # Errors
/// The first field that is not as it should be, or that no other API can express.
pub(crate) fn decode_request<'a>(
    body: &'a [u8],
    model: Cow<'a, str>,
    is_batch: bool,
) -> Result<Embedding<'a>, Fault> {
    let document = Value::document(body)?;
    let mut request = if is_batch {
        batch(document)?
    } else {
        one(document)?
    };
    request.model = model;
    request.wanted.alone = !is_batch;
    Ok(request)
}

fn batch<'a>(document: Value<'a, '_>) -> Result<Embedding<'a>, Fault> {
    let mut fields = Proto::read(document)?;
    let mut all: Option<Embedding<'a>> = None;
    fields.require("requests", |list| {
        list.each(|value| {
            let one = one(value)?;
            let Some(all) = &mut all else {
                all = Some(one);
                return Ok(());
            };
            if (one.dimensions, one.purpose) != (all.dimensions, all.purpose) {
                return Err(value.fault(
                    "asks for another kind of vector than the first, which the API of this model \
                     does not offer in one request",
                ));
            }
            all.texts.extend(one.texts);
            all.rest.extend(one.rest);
            Ok(())
        })
    })?;
    let mut all = all.ok_or_else(|| fields.fault("requests", "has none"))?;
    all.rest.extend(fields.0.rest().map(|(name, _)| name));
    Ok(all)
}

fn one<'a>(value: Value<'a, '_>) -> Result<Embedding<'a>, Fault> {
    let mut fields = Proto::read(value)?;
    let mut request = Embedding {
        texts: vec![fields.require("content", text)?],
        ..Embedding::default()
    };
    // As Vertex AI has it.
    fields.take("embedContentConfig", |config| {
        terms(Proto::read(config)?, &mut request)
    })?;
    // It stands in the path.
    fields.ignore(&["model"]);
    terms(fields, &mut request)?;
    Ok(request)
}

/// What kind of vectors is wanted.
fn terms<'a>(mut fields: Proto<'a, '_>, request: &mut Embedding<'a>) -> Result<(), Fault> {
    let dimensions = fields.take("outputDimensionality", |value| value.count())?;
    let purpose = fields.take("taskType", purpose)?.flatten();
    request.dimensions =
        Given::maybe("outputDimensionality", dimensions).or(request.dimensions.take());
    request.purpose = Given::maybe("taskType", purpose).or(request.purpose.take());
    request.rest.extend(fields.0.rest().map(|(name, _)| name));
    Ok(())
}

/// The text of a content, which is one however many parts it has.
fn text<'a>(value: Value<'a, '_>) -> Result<Cow<'a, str>, Fault> {
    if value.is_text() {
        return value.text();
    }
    let mut content = Proto::read(value)?;
    let parts = content.require("parts", |parts| parts.list(part))?;
    match <[_; 1]>::try_from(parts) {
        Ok([text]) => Ok(text),
        Err(parts) => Ok(Cow::Owned(parts.join("\n"))),
    }
}

fn part<'a>(value: Value<'a, '_>) -> Result<Cow<'a, str>, Fault> {
    let mut part = Proto::read(value)?;
    let text = part.text("text")?;
    let other = part.0.names().next();
    match (text, other) {
        (Some(text), None) => Ok(text),
        _ => Err(value.fault(
            "is not text alone, which is all that the API of this model turns into vectors",
        )),
    }
}

fn purpose(value: Value<'_, '_>) -> Result<Option<Purpose>, Fault> {
    Ok(Some(match &*value.text()? {
        "TASK_TYPE_UNSPECIFIED" => return Ok(None),
        "RETRIEVAL_DOCUMENT" => Purpose::Document,
        "RETRIEVAL_QUERY" => Purpose::Query,
        "CODE_RETRIEVAL_QUERY" => Purpose::CodeQuery,
        "QUESTION_ANSWERING" => Purpose::Question,
        "FACT_VERIFICATION" => Purpose::FactCheck,
        "CLASSIFICATION" => Purpose::Classification,
        "CLUSTERING" => Purpose::Clustering,
        "SEMANTIC_SIMILARITY" => Purpose::Similarity,
        _ => return Err(value.fault("is not a type of task that is known")),
    }))
}

const fn name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Document => "RETRIEVAL_DOCUMENT",
        Purpose::Query => "RETRIEVAL_QUERY",
        Purpose::CodeQuery => "CODE_RETRIEVAL_QUERY",
        Purpose::Question => "QUESTION_ANSWERING",
        Purpose::FactCheck => "FACT_VERIFICATION",
        Purpose::Classification => "CLASSIFICATION",
        Purpose::Clustering => "CLUSTERING",
        Purpose::Similarity => "SEMANTIC_SIMILARITY",
    }
}

/// Writes a request. Whether a text is cut cannot be said.
pub(crate) fn encode_request(request: &Embedding<'_>, dropped: &mut Dropped) -> Vec<u8> {
    dropped.hint(request.user.as_ref());
    dropped.hint(request.cut.as_ref().filter(|cut| cut.value != Cut::End));
    request.drop_rest(dropped);
    if let [text] = &*request.texts {
        return object(|o| write_one(request, text, o));
    }
    let model = of_collection(&request.model);
    object(|o| {
        o.list("requests", |list| {
            for text in &request.texts {
                list.object(|o| {
                    o.value("model", &model);
                    write_one(request, text, o);
                });
            }
        });
    })
}

/// The name of a model in a body, which is one of a collection.
fn of_collection(model: &str) -> Cow<'_, str> {
    if model.contains('/') {
        Cow::Borrowed(model)
    } else {
        Cow::Owned(format!("models/{model}"))
    }
}

fn write_one(request: &Embedding<'_>, text: &str, o: &mut ObjectWriter<'_>) {
    o.object("content", |o| {
        o.list("parts", |list| list.object(|o| o.value("text", text)));
    });
    let purpose = request.purpose.as_ref();
    o.maybe("taskType", purpose.map(|given| name(given.value)));
    let dimensions = request.dimensions.as_ref();
    o.maybe("outputDimensionality", dimensions.map(|given| given.value));
}

/// Reads an answer, to one text or to several.
///
/// # Errors
/// If it is none of this API.
pub(crate) fn decode_response(body: &[u8]) -> Result<Vectors<'_>, Fault> {
    let mut fields = Proto::read(Value::document(body)?)?;
    let alone = fields.take("embedding", vector)?;
    let vectors = match alone {
        Some(vector) => vec![vector],
        None => fields.require("embeddings", |list| list.list(vector))?,
    };
    Ok(Vectors {
        vectors,
        usage: fields.take("usageMetadata", super::content::usage)?,
        ..Vectors::default()
    })
}

fn vector<'a>(value: Value<'a, '_>) -> Result<Vector<'a>, Fault> {
    Proto::read(value)?.require("values", Vector::read_numbers)
}

/// Writes an answer.
pub(crate) fn encode_response(answer: &Vectors<'_>, wanted: Wanted) -> Vec<u8> {
    object(|o| {
        match &*answer.vectors {
            [vector] if wanted.alone => {
                o.object("embedding", |o| vector.write_numbers("values", o));
            }
            vectors => o.list("embeddings", |list| {
                for vector in vectors {
                    list.object(|o| vector.write_numbers("values", o));
                }
            }),
        }
        if let Some(tokens) = answer.usage.and_then(|usage| usage.input) {
            o.object("usageMetadata", |o| o.value("promptTokenCount", tokens));
        }
    })
}
