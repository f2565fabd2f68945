//! The paths of Bedrock's API, which name the model and what it is to do.

use std::borrow::Cow;

use crate::Operation;
use crate::percent::{climbs, decoded, encode_segment};

const MODEL: &str = "/model/";
const LIST: &str = "/foundation-models";
const CONVERSE: &str = "converse";
const STREAM: &str = "converse-stream";

const INVOKE: &str = "invoke";
const INVOKE_STREAM: &str = "invoke-with-response-stream";

const METHODS: [(&str, Operation); 3] = [
    (CONVERSE, Operation::ChatCompletions),
    (STREAM, Operation::ChatCompletions),
    ("count-tokens", Operation::CountTokens),
];

/// The operation at `path`.
pub(crate) fn operation(path: &str) -> Option<Operation> {
    if let Some((_, method)) = named(path) {
        let known = METHODS.iter().find(|(known, _)| *known == method);
        return known.map(|(_, operation)| *operation);
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.ends_with(LIST) {
        return Some(Operation::ListModels);
    }
    listed(path).map(|_| Operation::GetModel)
}

/// The path below a base path at which `model` answers.
pub(crate) fn converse(model: &str, stream: bool) -> String {
    below(model, if stream { STREAM } else { CONVERSE })
}

/// The path below a base path at which `model` is asked in its maker's own way.
pub(crate) fn invoke(model: &str, stream: bool) -> String {
    below(model, if stream { INVOKE_STREAM } else { INVOKE })
}

/// The path below a base path for what `path` asks for, of `model` if it is another.
pub(crate) fn resource(path: &str, model: Option<&str>) -> Cow<'static, str> {
    match named(path) {
        Some((name, method)) => {
            let model = model.map_or_else(|| decoded(name), Cow::Borrowed);
            Cow::Owned(below(&model, method))
        }
        None => Cow::Borrowed(LIST),
    }
}

fn below(model: &str, method: &str) -> String {
    let mut path = MODEL.to_owned();
    encode_segment(model, &mut path);
    path.push('/');
    path.push_str(method);
    path
}

/// The model's name in a path that has one, still percent-encoded.
pub(crate) fn model_in_path(path: &str) -> Option<&str> {
    named(path).map(|(name, _)| name).or_else(|| listed(path))
}

/// The model that a path asks to go on, and whether to stream; `None` if it asks for neither.
pub(crate) fn conversation(path: &str) -> Option<(Cow<'_, str>, bool)> {
    match named(path)? {
        (name, CONVERSE) => Some((decoded(name), false)),
        (name, STREAM) => Some((decoded(name), true)),
        _ => None,
    }
}

/// The model in a path that asks it for something, and for what.
fn named(path: &str) -> Option<(&str, &str)> {
    let (base, method) = path.rsplit_once('/')?;
    if !METHODS.iter().any(|(known, _)| *known == method) {
        return None;
    }
    let name = base.get(base.rfind(MODEL)? + MODEL.len()..)?;
    (!name.is_empty() && !climbs(name)).then_some((name, method))
}

fn listed(path: &str) -> Option<&str> {
    let (base, name) = path.rsplit_once('/')?;
    (base.ends_with(LIST) && !name.is_empty() && !climbs(name)).then_some(name)
}
