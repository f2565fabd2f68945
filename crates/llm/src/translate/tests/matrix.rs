//! Every form as a client's before every form as an upstream's: `goldens/` has what the same request
//! and the same answer look like in each, written by hand from the providers' documentation.
//!
//! A case is a file. What a form has no words for is `null` there, and what then becomes of it, or
//! where a cell of the matrix differs for another reason, stands in `exceptions`: a field that is
//! `refused`, hints that are `dropped`, or a JSON merge `patch` of what is expected.

mod answers;
mod errors;
mod requests;
mod told;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::Form;
use crate::{Api, Dialect};

/// Each form, by its name in the files.
const FORMS: [Named; 8] = [
    ("chat", Form::OpenAiChat),
    ("responses", Form::OpenAiResponses),
    ("messages", Form::AnthropicMessages),
    ("content", Form::GeminiContent),
    ("converse", Form::BedrockConverse),
    ("cohere", Form::CohereChat),
    ("ollama", Form::OllamaChat),
    ("generate", Form::OllamaGenerate),
];

/// A form and its name.
type Named = (&'static str, Form);

/// Each pair of a client's form and a backend's that is translated.
fn cells() -> impl Iterator<Item = (Named, Named)> {
    FORMS.into_iter().flat_map(|client| {
        let dialects = Dialect::ALL.into_iter();
        let foreign = dialects.filter(move |dialect| *dialect != client.1.api().dialect);
        foreign.map(move |dialect| {
            let form = Form::of_dialect(dialect);
            let named = FORMS.into_iter().find(|(_, known)| *known == form);
            (client, named.unwrap())
        })
    })
}

/// What is the same in each form.
struct Case {
    name: String,
    body: Value,
    unused: BTreeSet<usize>,
}

impl Case {
    fn all(kind: &str) -> Vec<Self> {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("goldens")
            .join(kind);
        let read = |path: PathBuf| {
            let text = fs::read_to_string(&path).unwrap();
            let body: Value = serde_json::from_str(&text).unwrap();
            let exceptions = body["exceptions"].as_array().map_or(0, Vec::len);
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            for (form, _) in FORMS {
                assert!(
                    body.get(form).is_some(),
                    "{name} does not say how `{form}` says it"
                );
            }
            Self {
                name,
                body,
                unused: (0..exceptions).collect(),
            }
        };
        let files = fs::read_dir(directory).unwrap();
        let mut cases: Vec<_> = files.map(|file| read(file.unwrap().path())).collect();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        cases
    }

    /// What stands for a form; `None` if it has no words for it.
    fn of(&self, form: &str) -> Option<&Value> {
        self.body.get(form).filter(|said| !said.is_null())
    }

    /// What is special about a cell of the matrix.
    fn exception(&mut self, from: &str, to: &str) -> Value {
        let exceptions = self.body["exceptions"].as_array().into_iter().flatten();
        let found = exceptions.enumerate().find(|(_, exception)| {
            let is = |side: &str, name: &str| {
                let named = &exception[side];
                named == "*"
                    || named == name
                    || named
                        .as_array()
                        .is_some_and(|names| names.contains(&name.into()))
            };
            is("from", from) && is("to", to)
        });
        let Some((index, exception)) = found else {
            return Value::Null;
        };
        self.unused.remove(&index);
        exception.clone()
    }

    /// Each cell, from a client's form to an upstream's, with what is found wrong there; fails if
    /// there is anything.
    fn check(kind: &str, cell: impl Fn(&mut Self, Named, Named) -> Result<(), String>) {
        let mut faults = Vec::new();
        for mut case in Self::all(kind) {
            for (client, upstream) in cells() {
                if let Err(fault) = cell(&mut case, client, upstream) {
                    let (client, upstream) = (client.0, upstream.0);
                    faults.push(format!("{}: {client} and {upstream}: {fault}", case.name));
                }
            }
            for index in &case.unused {
                faults.push(format!("{}: exception {index} is none", case.name));
            }
        }
        assert!(
            faults.is_empty(),
            "{}\n{} faults",
            faults.join("\n"),
            faults.len()
        );
    }
}

/// Merges as RFC 7396 has it.
fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    for (name, value) in fields {
        let target = target.as_object_mut().unwrap();
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

fn patched(expected: &Value, exception: &Value) -> Value {
    let mut expected = expected.clone();
    if let Some(patch) = exception.get("patch") {
        merge(&mut expected, patch);
    }
    expected
}

#[test]
fn every_form_is_in_the_matrix() {
    for api in Api::ALL {
        if let Some(form) = Form::of(api) {
            assert!(FORMS.iter().any(|(_, known)| *known == form), "{form:?}");
        }
    }
}
