//! The printed JSON Schema against real configurations: what an editor would say of them.
//!
//! The validator knows the keywords that the schema uses and fails at any other, so that none can
//! be overlooked. A library was the alternative; it would bring a hundred crates for one test.

use std::path::PathBuf;

use regex::Regex;
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

use crate::process::run;

fn printed() -> Value {
    let (out, _, status) = run(&["schema"]);
    assert!(status.success());
    serde_json::from_str(&out).unwrap()
}

/// Says nothing of a value.
const ANNOTATIONS: [&str; 8] = [
    "$schema",
    "$defs",
    "title",
    "description",
    "default",
    "format",
    "then",
    "x-kubernetes-int-or-string",
];

struct Validator {
    root: Value,
}

impl Validator {
    /// What is wrong with a document; empty if nothing is.
    fn errors(&self, document: &Value) -> Vec<String> {
        let mut errors = Vec::new();
        self.check(&self.root, document, "", &mut errors);
        errors
    }

    fn fits(&self, schema: &Value, value: &Value) -> bool {
        let mut errors = Vec::new();
        self.check(schema, value, "", &mut errors);
        errors.is_empty()
    }

    fn check(&self, schema: &Value, value: &Value, path: &str, errors: &mut Vec<String>) {
        if let Some(verdict) = schema.as_bool() {
            if !verdict {
                errors.push(format!("{path}: not allowed"));
            }
            return;
        }
        let schema = schema.as_object().unwrap();
        for (keyword, rule) in schema {
            let keyword = keyword.as_str();
            if ANNOTATIONS.contains(&keyword) || keyword == "else" {
                continue;
            }
            if !self.applies(schema, keyword, rule, value, path, errors) {
                errors.push(format!("{path}: {value} breaks `{keyword}`: {rule}"));
            }
        }
    }

    /// Whether a value keeps a rule; what is wrong deeper inside it goes to `errors`.
    fn applies(
        &self,
        schema: &Map<String, Value>,
        keyword: &str,
        rule: &Value,
        value: &Value,
        path: &str,
        errors: &mut Vec<String>,
    ) -> bool {
        let count = |rules: &Value| {
            rules
                .as_array()
                .unwrap()
                .iter()
                .filter(|one| self.fits(one, value))
                .count()
        };
        let number = || value.as_f64().zip(rule.as_f64());
        match keyword {
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                self.check(self.root.pointer(pointer).unwrap(), value, path, errors);
                true
            }
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is_of(value, kind)),
                kind => is_of(value, kind),
            },
            "properties" => {
                for (name, inner) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        self.check(inner, value, &format!("{path}/{name}"), errors);
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let fields = value.as_object().into_iter().flatten();
                for (name, value) in fields.filter(|(name, _)| {
                    !known.is_some_and(|known| known.contains_key(name.as_str()))
                }) {
                    self.check(rule, value, &format!("{path}/{name}"), errors);
                }
                true
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    self.check(rule, value, &format!("{path}/{index}"), errors);
                }
                true
            }
            "required" => {
                let names = rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|name| name.as_str().unwrap());
                value
                    .as_object()
                    .is_none_or(|fields| names.clone().all(|name| fields.contains_key(name)))
            }
            "if" => {
                let branch = if self.fits(rule, value) {
                    "then"
                } else {
                    "else"
                };
                if let Some(branch) = schema.get(branch) {
                    self.check(branch, value, path, errors);
                }
                true
            }
            "oneOf" => count(rule) == 1,
            "anyOf" => count(rule) >= 1,
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "minimum" => number().is_none_or(|(value, least)| value >= least),
            "maximum" => number().is_none_or(|(value, most)| value <= most),
            "minItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
            "maxLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 <= rule.as_u64().unwrap()),
            "pattern" => {
                let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            other => panic!("the schema uses `{other}`, which this validator does not know"),
        }
    }
}

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type `{other}`"),
    }
}

/// The first document of a YAML text.
fn yaml(text: &str) -> Value {
    let mut events = Parser::new_from_str(text).map(|event| event.unwrap().0);
    let first = events.find(|event| {
        !matches!(
            event,
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing
        )
    });
    node(first.unwrap(), &mut events)
}

fn node<'a>(event: Event<'a>, events: &mut impl Iterator<Item = Event<'a>>) -> Value {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) => serde_json::from_str(&text)
            .ok()
            .filter(|value: &Value| !value.is_string())
            .unwrap_or_else(|| Value::from(text.as_ref())),
        Event::Scalar(text, ..) => Value::from(text.as_ref()),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match events.next().unwrap() {
                    Event::SequenceEnd => return Value::Array(items),
                    item => items.push(node(item, events)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut fields = Map::new();
            loop {
                match events.next().unwrap() {
                    Event::MappingEnd => return Value::Object(fields),
                    Event::Scalar(name, ..) => {
                        let value = events.next().unwrap();
                        fields.insert(name.into_owned(), node(value, events));
                    }
                    other => panic!("{other:?} is no name"),
                }
            }
        }
        other => panic!("{other:?} begins no value"),
    }
}

#[test]
fn the_schema_accepts_every_example() {
    let validator = Validator { root: printed() };
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let document = yaml(&std::fs::read_to_string(&path).unwrap());
        assert!(document["listeners"].is_array(), "{document}");
        assert_eq!(validator.errors(&document), [""; 0], "{}", path.display());
        count += 1;
    }
    assert!(count >= 6);
}

#[test]
fn the_schema_refuses_what_check_refuses() {
    let validator = Validator { root: printed() };
    let good = "listeners: [{ name: main, address: \"127.0.0.1:0\" }]\n\
                pools: [{ name: p, models: [m], endpoints: [{ address: \"127.0.0.1:1\" }] }]\n\
                routes: [{ name: r, rules: [{ matches: [{ model: { value: x } }], \
                backendRefs: [{ pool: p, weight: 3 }] }] }]\n";
    let refused = |config: &str| {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.yaml");
        std::fs::write(&file, config).unwrap();
        let (_, err, status) = run(&["check", "-c", file.to_str().unwrap()]);
        (!status.success()).then_some(err)
    };
    assert_eq!(refused(good), None);
    assert_eq!(validator.errors(&yaml(good)), [""; 0]);
    for (from, to) in [
        ("address: \"127.0.0.1:0\"", "adress: x"),
        ("name: main, ", ""),
        ("models: [m]", "models: m"),
        ("weight: 3", "weight: heavy"),
        ("weight: 3", "weight: -1"),
        ("pool: p,", "pool: p, provider: q,"),
        ("pool: p, ", ""),
        ("name: p,", "name: P_,"),
        ("models: [m]", "dns: { host: h, port: 1 }"),
        ("models: [m]", "loadBalancer: { policy: Best }"),
        ("models: [m]", "apiKey: literal-secret"),
        ("models: [m]", "healthCheck: { interval: soon }"),
        ("listeners:", "listener:"),
    ] {
        assert!(good.contains(from), "{from}");
        let wrong = good.replacen(from, to, 1);
        assert!(refused(&wrong).is_some(), "check accepts {to}");
        assert!(
            !validator.errors(&yaml(&wrong)).is_empty(),
            "the schema accepts {to}"
        );
    }
}
