//! The resources' form for others: a JSON Schema for editors, custom resource definitions for
//! Kubernetes, and the field reference of the manual, all generated from the types so that none
//! can say what the program does not do.

mod crd;
mod reference;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

pub use crd::crds;
pub use reference::reference;

use crate::resources::{API_VERSION, Kind, ListenerSpec, PoolSpec, ProviderSpec, RouteSpec};

/// Sets of fields of which exactly one is given, by type: what types without variants cannot say.
const EXACTLY_ONE: [(&str, &[&str]); 5] = [
    ("ProviderAuth", &["aws", "azure", "google"]),
    ("PoolSpec", &["endpoints", "dns"]),
    ("BackendRef", &["pool", "provider"]),
    ("PathModifier", &["replaceFullPath", "replacePrefixMatch"]),
    (
        "Filter",
        &[
            "requestHeaderModifier",
            "responseHeaderModifier",
            "requestRedirect",
            "urlRewrite",
            "directResponse",
        ],
    ),
];

/// The schemas of all types by name, those of the specifications among them.
fn definitions() -> Map<String, Value> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    add::<ListenerSpec>(&mut generator);
    add::<ProviderSpec>(&mut generator);
    add::<PoolSpec>(&mut generator);
    add::<RouteSpec>(&mut generator);
    generator.take_definitions(true)
}

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

/// The name of the type that specifies a resource of this kind.
const fn spec_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Listener => "ListenerSpec",
        Kind::Provider => "ProviderSpec",
        Kind::Pool => "PoolSpec",
        Kind::Route => "RouteSpec",
    }
}

/// The type that a schema refers to.
fn referred(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

/// JSON Schema (2020-12) of one document of a configuration file: sections, or a manifest of our
/// API group. Manifests of other groups are let pass.
pub fn json_schema() -> Value {
    let mut definitions = definitions();
    for (name, fields) in EXACTLY_ONE {
        let required = fields.iter().map(|field| json!({ "required": [field] }));
        if let Some(definition) = definitions.get_mut(name) {
            definition["oneOf"] = required.collect();
        }
    }
    for kind in Kind::ALL {
        let item = section_item(kind, &definitions);
        definitions.insert(format!("{kind}Item"), item);
        definitions.insert(format!("{kind}Manifest"), manifest(kind));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sluicegate configuration",
        "type": ["object", "null"],
        "if": { "required": ["apiVersion"] },
        "then": {
            "if": { "properties": { "apiVersion": { "pattern": "^sluicegate\\.dev/" } } },
            "then": { "oneOf": Kind::ALL.map(|kind| reference_to(&format!("{kind}Manifest"))) },
        },
        "else": sections(),
        "$defs": definitions,
    })
}

fn reference_to(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn sections() -> Value {
    let section = |kind: Kind| {
        let items = reference_to(&format!("{kind}Item"));
        (
            kind.plural().to_owned(),
            json!({ "type": ["array", "null"], "items": items }),
        )
    };
    let properties: Map<String, Value> = Kind::ALL.into_iter().map(section).collect();
    json!({ "properties": properties, "additionalProperties": false })
}

/// An item of a section: the specification's fields beside the name.
fn section_item(kind: Kind, definitions: &Map<String, Value>) -> Value {
    let mut item = definitions
        .get(spec_type(kind))
        .cloned()
        .unwrap_or_default();
    let mut properties = name_fields();
    if let Some(Value::Object(fields)) = item.get_mut("properties") {
        properties.append(fields);
    }
    let mut required = vec![json!("name")];
    if let Some(Value::Array(fields)) = item.get_mut("required") {
        required.append(fields);
    }
    item["properties"] = Value::Object(properties);
    item["required"] = Value::Array(required);
    item
}

fn name_fields() -> Map<String, Value> {
    let pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
    let field = |description: &str| json!({ "type": "string", "maxLength": 253, "pattern": pattern, "description": description });
    Map::from_iter([
        (
            "name".to_owned(),
            field("Name, unique for its kind within the namespace."),
        ),
        (
            "namespace".to_owned(),
            field("Namespace. Default: default."),
        ),
    ])
}

fn manifest(kind: Kind) -> Value {
    json!({
        "type": "object",
        "properties": {
            "apiVersion": { "const": API_VERSION },
            "kind": { "const": kind.name() },
            "metadata": {
                "type": "object",
                "properties": name_fields(),
                "required": ["name"],
            },
            "spec": reference_to(spec_type(kind)),
            "status": true,
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests;
