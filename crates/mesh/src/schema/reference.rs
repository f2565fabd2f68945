//! The field reference of the manual, in Markdown.
//!
//! A field's documentation ends with its default, which is cut off into a column of its own.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Map, Value};

use crate::resources::Kind;

use super::{EXACTLY_ONE, definitions, referred, spec_type};

/// A table of fields for each type, those of a kind after the kind.
pub fn reference() -> String {
    let definitions = definitions();
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    for kind in Kind::ALL {
        let mut pending = vec![spec_type(kind)];
        while let Some(name) = pending.pop() {
            let Some(definition) = definitions.get(name).filter(|_| seen.insert(name)) else {
                continue;
            };
            let title = if name == spec_type(kind) {
                kind.name()
            } else {
                name
            };
            let level = if name == spec_type(kind) { "##" } else { "###" };
            // Writing to a string cannot fail.
            let _ = write!(text, "{level} {title}\n\n{}\n\n", description(definition));
            section(&mut text, name, definition);
            let inner = fields(definition).filter_map(|(_, field)| named_type(field));
            let inner: Vec<_> = inner
                .filter(|name| definitions.contains_key(*name))
                .collect();
            pending.extend(inner.into_iter().rev());
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn fields(definition: &Value) -> impl Iterator<Item = (&String, &Value)> {
    definition
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::iter)
}

fn section(text: &mut String, name: &str, definition: &Value) {
    if let Some(variants) = variants(definition) {
        text.push_str(&variants);
        return;
    }
    if let Some((_, fields)) = EXACTLY_ONE.iter().find(|(of, _)| *of == name) {
        let fields: Vec<_> = fields.iter().map(|field| format!("`{field}`")).collect();
        let _ = write!(text, "Exactly one of {} is set.\n\n", fields.join(", "));
    }
    text.push_str("| field | type | default | meaning |\n|---|---|---|---|\n");
    let required = definition.get("required").and_then(Value::as_array);
    for (field, schema) in fields(definition) {
        let description = description(schema);
        let (meaning, default) = split_default(&description);
        let is_required = required.is_some_and(|all| all.iter().any(|one| one == field));
        let default = if is_required { "required" } else { default };
        let _ = writeln!(
            text,
            "| `{field}` | {} | {default} | {meaning} |",
            type_cell(schema)
        );
    }
    text.push('\n');
}

/// The values of an enumeration.
fn variants(definition: &Value) -> Option<String> {
    if let Some(Value::Array(names)) = definition.get("enum") {
        let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
        return Some(format!("`{}`\n\n", names.join("`, `")));
    }
    let variants = definition.get("oneOf")?.as_array()?;
    let mut text = "| value | meaning |\n|---|---|\n".to_owned();
    for variant in variants {
        let value = variant.get("const").and_then(Value::as_str)?;
        let _ = writeln!(text, "| `{value}` | {} |", description(variant));
    }
    text.push('\n');
    Some(text)
}

/// The documentation on one line, fit for a table.
fn description(schema: &Value) -> String {
    let text = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// Documentation and default, the latter empty where there is none.
pub(super) fn split_default(text: &str) -> (&str, &str) {
    match text.split_once("Default: ") {
        Some((meaning, default)) => (meaning.trim_end(), default.trim_end_matches('.')),
        None => (text, ""),
    }
}

fn type_cell(schema: &Value) -> String {
    if let Some(items) = schema.get("items") {
        return format!("list of {}", type_cell(items));
    }
    match named_type(schema) {
        Some(name) => format!("[{name}](#{})", name.to_ascii_lowercase()),
        None => plain_type(schema).to_owned(),
    }
}

/// The type of ours that a field has, be it optional or a list.
fn named_type(schema: &Value) -> Option<&str> {
    let optional = || schema.get("anyOf")?.as_array()?.iter().find_map(referred);
    let item = || named_type(schema.get("items")?);
    referred(schema).or_else(optional).or_else(item)
}

fn plain_type(schema: &Value) -> &str {
    let any_of = || schema.get("anyOf")?.as_array()?.first();
    let title = |schema: &'_ Value| schema.get("title").and_then(Value::as_str).is_some();
    let schema = match any_of() {
        Some(first) if title(first) => first,
        _ => schema,
    };
    let titled = schema.get("title").and_then(Value::as_str);
    let single = || match schema.get("type")? {
        Value::Array(types) => types.first()?.as_str(),
        one => one.as_str(),
    };
    titled.or_else(single).unwrap_or("any")
}
