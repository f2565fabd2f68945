//! Schemas in the older form, a subset of OpenAPI's, as JSON Schema.
//!
//! They differ in the spelling of types (`STRING`), in `nullable`, and in counts that may be written
//! as text, since they have 64 bits. The order that `propertyOrdering` asks for is that in which the
//! properties are written: models answer in it.

use serde_json::{Map, Value as Json};

use crate::wire::{Fault, Path, Value};

/// Reads a schema and writes it as JSON Schema.
pub(super) fn json_schema(value: Value<'_, '_>) -> Result<String, Fault> {
    // The parser bounds how deep the schema is, and so the recursion.
    let tree = serde_json::from_str(value.raw())
        .map_err(|error| value.fault(format!("cannot be read: {error}")))?;
    convert(tree, value.path()).map(|schema| schema.to_string())
}

/// What must be known of the whole schema before it can be written.
#[derive(Default)]
struct Notes {
    nullable: bool,
    ordering: Vec<String>,
}

fn convert(schema: Json, path: &Path<'_>) -> Result<Json, Fault> {
    let Json::Object(fields) = schema else {
        return Err(Fault::new(path, "must be an object"));
    };
    let mut out = Map::new();
    let mut notes = Notes::default();
    for (key, value) in fields {
        if !value.is_null() {
            field(&key, value, &Path::Field(path, &key), &mut out, &mut notes)?;
        }
    }
    if notes.nullable {
        allow_null(&mut out);
    }
    if let Some(Json::Object(properties)) = out.get_mut("properties") {
        order(properties, &notes.ordering);
    }
    Ok(Json::Object(out))
}

fn field(
    key: &str,
    value: Json,
    path: &Path<'_>,
    out: &mut Map<String, Json>,
    notes: &mut Notes,
) -> Result<(), Fault> {
    let (name, value) = match &*camel(key) {
        "type" => match value.as_str().map(str::to_ascii_lowercase) {
            Some(kind) if kind == "type_unspecified" => return Ok(()),
            Some(kind) => ("type", kind.into()),
            None => return Err(Fault::new(path, "must be a string")),
        },
        "nullable" => {
            notes.nullable = value == true;
            return Ok(());
        }
        "propertyOrdering" => {
            let names = value.as_array().into_iter().flatten();
            notes.ordering = names
                .filter_map(|n| n.as_str().map(str::to_owned))
                .collect();
            return Ok(());
        }
        "format" if value == "enum" => return Ok(()),
        "example" => ("examples", Json::Array(vec![value])),
        "properties" => ("properties", each_property(value, path)?),
        "defs" | "$defs" => ("$defs", each_property(value, path)?),
        "ref" | "$ref" => ("$ref", value),
        "items" => ("items", convert(value, path)?),
        "anyOf" => ("anyOf", each_item(value, path)?),
        "additionalProperties" if value.is_boolean() => ("additionalProperties", value),
        "additionalProperties" => ("additionalProperties", convert(value, path)?),
        name => shared(name, value, path)?,
    };
    out.insert(name.to_owned(), value);
    Ok(())
}

/// A field that has one name in both forms.
fn shared(name: &str, value: Json, path: &Path<'_>) -> Result<(&'static str, Json), Fault> {
    if let Some(kept) = KEPT.iter().find(|kept| **kept == name) {
        return Ok((kept, value));
    }
    match COUNTS.iter().find(|count| **count == name) {
        Some(count) => Ok((count, number(value, path)?)),
        None => Err(Fault::new(path, "is not a field of a schema")),
    }
}

/// Fields that JSON Schema has too.
const KEPT: [&str; 9] = [
    "title",
    "description",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "default",
    "required",
    "enum",
];

/// Those of them that may be written as text.
const COUNTS: [&str; 6] = [
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
];

fn number(value: Json, path: &Path<'_>) -> Result<Json, Fault> {
    match value {
        Json::Number(_) => Ok(value),
        Json::String(text) => match text.parse::<u64>() {
            Ok(count) => Ok(count.into()),
            Err(_) => Err(Fault::new(path, "must be a whole number")),
        },
        _ => Err(Fault::new(path, "must be a whole number")),
    }
}

fn each_property(value: Json, path: &Path<'_>) -> Result<Json, Fault> {
    let Json::Object(fields) = value else {
        return Err(Fault::new(path, "must be an object"));
    };
    let fields = fields.into_iter().map(|(key, schema)| {
        let schema = convert(schema, &Path::Field(path, &key))?;
        Ok((key, schema))
    });
    fields
        .collect::<Result<Map<_, _>, Fault>>()
        .map(Json::Object)
}

fn each_item(value: Json, path: &Path<'_>) -> Result<Json, Fault> {
    let Json::Array(items) = value else {
        return Err(Fault::new(path, "must be a list"));
    };
    let items = items.into_iter().enumerate();
    let items = items.map(|(index, schema)| convert(schema, &Path::Index(path, index)));
    items.collect::<Result<Vec<_>, Fault>>().map(Json::Array)
}

/// Lets `null` pass wherever the schema would refuse it.
fn allow_null(schema: &mut Map<String, Json>) {
    if let Some(kind) = schema.get_mut("type") {
        *kind = Json::Array(vec![kind.take(), "null".into()]);
    }
    if let Some(Json::Array(values)) = schema.get_mut("enum") {
        values.push(Json::Null);
    }
    if let Some(Json::Array(schemas)) = schema.get_mut("anyOf") {
        schemas.push(Json::Object(Map::from_iter([(
            "type".to_owned(),
            "null".into(),
        )])));
    }
}

/// Puts the properties that are named in front, in the order of the names.
fn order(properties: &mut Map<String, Json>, names: &[String]) {
    let mut rest = std::mem::take(properties);
    for name in names {
        if let Some(value) = rest.get_mut(name).filter(|value| !value.is_null()) {
            properties.insert(name.clone(), value.take());
        }
    }
    rest.retain(|name, _| !properties.contains_key(name));
    properties.extend(rest);
}

/// A name in `camelCase`.
fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut after_dash = false;
    for letter in name.chars() {
        match letter {
            '_' => after_dash = true,
            _ if std::mem::take(&mut after_dash) => out.push(letter.to_ascii_uppercase()),
            _ => out.push(letter),
        }
    }
    out
}
