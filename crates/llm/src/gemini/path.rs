//! The paths of Gemini's API, Google's own and Vertex AI's.
//!
//! What is asked for stands in them: the model, and behind a colon what it is to do. Vertex puts
//! project, location and publisher before the model, and means the same.

use std::borrow::Cow;

use crate::Operation;
use crate::percent::{climbs, decoded, encode_segment};

/// Asks for a stream of events, not of the items of one array.
pub(crate) const EVENTS: &str = "alt=sse";

const GENERATE: &str = "generateContent";
const STREAM: &str = "streamGenerateContent";

/// The methods that go on with a conversation.
pub(crate) const GENERATION: [&str; 2] = [GENERATE, STREAM];

const EMBED: &str = "embedContent";
const EMBED_SEVERAL: &str = "batchEmbedContents";

const METHODS: [(&str, Operation); 5] = [
    (GENERATE, Operation::ChatCompletions),
    (STREAM, Operation::ChatCompletions),
    ("countTokens", Operation::CountTokens),
    (EMBED, Operation::Embeddings),
    (EMBED_SEVERAL, Operation::Embeddings),
];

/// The collections that models are in. A name may begin with that of its collection.
const COLLECTIONS: [&str; 2] = ["models/", "tunedModels/"];

/// The versions that only this API has. `/v1` is any API's.
const VERSIONS: [&str; 3] = ["/v1beta", "/v1beta1", "/v1alpha"];

/// The operation at `path`. That a model is asked for is told from its method, whatever stands before
/// the collection; lists and descriptions of models only below a version of Google's.
pub(crate) fn operation(path: &str) -> Option<Operation> {
    if let Some((name, method)) = named(path) {
        return METHODS
            .iter()
            .find(|(known, _)| *known == method && !name.is_empty() && !climbs(name))
            .map(|(_, operation)| *operation);
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    let (base, name) = match path.rsplit_once("/models/") {
        Some((base, name)) => (base, Some(name)),
        None => (path.strip_suffix("/models")?, None),
    };
    let is_googles = VERSIONS.iter().any(|version| base.ends_with(version));
    match name {
        _ if !is_googles => None,
        None => Some(Operation::ListModels),
        Some(name) if name.is_empty() || name.contains(['/', ':']) || climbs(name) => None,
        Some(_) => Some(Operation::GetModel),
    }
}

/// The path below a base path at which `model` answers.
pub(crate) fn generate(model: &str, stream: bool) -> String {
    below(model, if stream { STREAM } else { GENERATE })
}

/// The path below a base path at which `model` turns a text into a vector, or several.
pub(crate) fn embed(model: &str, several: bool) -> String {
    below(model, if several { EMBED_SEVERAL } else { EMBED })
}

/// The path below a base path at which Vertex AI serves a model of Anthropic's.
pub(crate) fn raw_predict(model: &str, stream: bool) -> String {
    let mut path = "/publishers/anthropic/models/".to_owned();
    encode_segment(model, &mut path);
    path.push_str(if stream {
        ":streamRawPredict"
    } else {
        ":rawPredict"
    });
    path
}

/// The path below a base path for what `path` asks for, of `model` if it is another.
pub(crate) fn resource(path: &str, model: Option<&str>) -> Cow<'static, str> {
    match (named(path), model_in_path(path)) {
        (Some((name, method)), _) => {
            let model = model.map_or_else(|| decoded(name), Cow::Borrowed);
            Cow::Owned(below(&model, method))
        }
        (None, Some(name)) => Cow::Owned(of_model(&decoded(name))),
        (None, None) => Cow::Borrowed("/models"),
    }
}

fn below(model: &str, method: &str) -> String {
    let mut path = of_model(model);
    path.push(':');
    path.push_str(method);
    path
}

fn of_model(model: &str) -> String {
    let named = COLLECTIONS
        .iter()
        .find_map(|collection| Some((*collection, model.strip_prefix(collection)?)));
    let (collection, name) = named.unwrap_or(("models/", model));
    let mut path = format!("/{collection}");
    encode_segment(name, &mut path);
    path
}

/// What a body calls the model `to` that has called the model `from` by `name`; `None` if it has not.
pub(crate) fn renamed<'a>(name: &str, from: &str, to: &'a str) -> Option<Cow<'a, str>> {
    let is_whole = COLLECTIONS
        .iter()
        .any(|collection| to.starts_with(collection));
    match name.strip_prefix("models/") {
        Some(name) if name == from && !is_whole => Some(Cow::Owned(format!("models/{to}"))),
        Some(name) if name == from => Some(Cow::Borrowed(to)),
        _ => (name == from).then_some(Cow::Borrowed(to)),
    }
}

/// The model's name in a path that has one, still percent-encoded.
pub(crate) fn model_in_path(path: &str) -> Option<&str> {
    if let Some((name, _)) = named(path) {
        return Some(name);
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    let (_, name) = path.rsplit_once("/models/")?;
    Some(name)
}

/// The model in a path that asks it for something, and for what. A tuned model is named with its
/// collection.
fn named(path: &str) -> Option<(&str, &str)> {
    let (path, method) = path.rsplit_once(':')?;
    if !METHODS.iter().any(|(known, _)| *known == method) {
        return None;
    }
    match path.rfind("/models/") {
        Some(at) => Some((path.get(at + "/models/".len()..)?, method)),
        None => Some((path.get(path.rfind("/tunedModels/")? + 1..)?, method)),
    }
}

/// The model that a path asks to go on, and whether to stream; `None` if it asks for neither.
pub(crate) fn generation(path: &str) -> Option<(Cow<'_, str>, bool)> {
    let (name, method) = named(path)?;
    Some((decoded(name), streams(method)?))
}

/// The model that a path asks for vectors, and whether of several texts.
pub(crate) fn embedding(path: &str) -> Option<(Cow<'_, str>, bool)> {
    match named(path)? {
        (name, EMBED) => Some((decoded(name), false)),
        (name, EMBED_SEVERAL) => Some((decoded(name), true)),
        _ => None,
    }
}

fn streams(method: &str) -> Option<bool> {
    match method {
        GENERATE => Some(false),
        STREAM => Some(true),
        _ => None,
    }
}

/// Whether a client asks for events.
pub(crate) fn asks_for_events(query: Option<&str>) -> bool {
    let mut pairs = query.unwrap_or_default().split('&');
    pairs.any(|pair| pair.trim_start_matches('$') == EVENTS)
}

#[cfg(test)]
mod tests;
