//! Custom resource definitions.
//!
//! Kubernetes takes a part of JSON Schema only ("structural" schemas): no references, no `const`,
//! no `null` beside a type, nothing said about unknown fields. What is said here with those is said
//! differently there, and one-ofs become rules in CEL, whose message can name the fields.

use serde_json::{Map, Value, json};

use crate::resources::{API_VERSION, Kind};

use super::{EXACTLY_ONE, definitions, referred, spec_type};

/// Bounds on lists in whose items a rule stands: Kubernetes refuses a rule whose cost, estimated
/// for the longest lists there may be, is beyond a budget.
const MAX_ITEMS: [(&str, &str, u32); 3] = [
    ("RouteSpec", "rules", 1024),
    ("RuleSpec", "filters", 16),
    ("RuleSpec", "backendRefs", 64),
];

/// The custom resource definitions (`apiextensions.k8s.io/v1`) of all kinds.
pub fn crds() -> Vec<Value> {
    let mut definitions = definitions();
    for (name, fields) in EXACTLY_ONE {
        if let Some(definition) = definitions.get_mut(name) {
            definition["x-kubernetes-validations"] = json!([exactly_one(fields)]);
        }
    }
    for (name, field, bound) in MAX_ITEMS {
        if let Some(definition) = definitions.get_mut(name) {
            definition["properties"][field]["maxItems"] = json!(bound);
        }
    }
    Kind::ALL
        .into_iter()
        .map(|kind| crd(kind, &definitions))
        .collect()
}

fn exactly_one(fields: &[&str]) -> Value {
    let set = fields
        .iter()
        .map(|field| format!("(has(self.{field}) ? 1 : 0)"));
    let rule = format!("{} == 1", set.collect::<Vec<_>>().join(" + "));
    json!({ "rule": rule, "message": format!("set exactly one of {}", fields.join(", ")) })
}

fn crd(kind: Kind, definitions: &Map<String, Value>) -> Value {
    let (group, version) = API_VERSION.split_once('/').unwrap_or((API_VERSION, ""));
    let spec = definitions
        .get(spec_type(kind))
        .cloned()
        .unwrap_or_default();
    let singular = kind.name().to_ascii_lowercase();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{}.{group}", kind.plural()) },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name(),
                "listKind": format!("{kind}List"),
                "plural": kind.plural(),
                "singular": singular,
                "categories": ["sluicegate"],
            },
            "versions": [{
                "name": version,
                "served": true,
                "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": { "type": "string" },
                        "kind": { "type": "string" },
                        "metadata": { "type": "object" },
                        "spec": structural(spec, definitions),
                        "status": {
                            "type": "object",
                            "x-kubernetes-preserve-unknown-fields": true,
                        },
                    },
                } },
                "subresources": { "status": {} },
            }],
        },
    })
}

/// The structural schema that says the same as `schema`.
fn structural(schema: Value, definitions: &Map<String, Value>) -> Value {
    let Value::Object(mut schema) = without_null(inlined(schema, definitions)) else {
        return json!({});
    };
    schema.remove("additionalProperties");
    schema.remove("title");
    // Unsigned formats are not among those of OpenAPI; the bounds stand beside them.
    if schema
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|it| it.starts_with("uint"))
    {
        schema.remove("format");
    }
    if let Some(Value::Array(variants)) = schema.remove("oneOf") {
        schema.insert("type".to_owned(), json!("string"));
        let names = variants
            .into_iter()
            .filter_map(|mut variant| Some(variant.get_mut("const")?.take()));
        schema.insert("enum".to_owned(), names.collect());
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        for property in properties.values_mut() {
            *property = structural(property.take(), definitions);
        }
    }
    if let Some(items) = schema.get_mut("items") {
        *items = structural(items.take(), definitions);
    }
    Value::Object(schema)
}

/// What a reference refers to, with what stands beside the reference taking precedence.
fn inlined(schema: Value, definitions: &Map<String, Value>) -> Value {
    let target = referred(&schema)
        .and_then(|name| definitions.get(name))
        .cloned();
    match (target, schema) {
        (Some(Value::Object(mut target)), Value::Object(mut beside)) => {
            beside.remove("$ref");
            target.extend(beside);
            inlined(Value::Object(target), definitions)
        }
        (_, schema) => optional_inlined(schema, definitions),
    }
}

/// A reference or nothing (`anyOf` with `null`), which is what an optional field of a named type
/// has, as the type itself.
fn optional_inlined(schema: Value, definitions: &Map<String, Value>) -> Value {
    let Value::Object(mut schema) = schema else {
        return schema;
    };
    let is_reference = |one: &Value| referred(one).is_some();
    let variants = schema.get("anyOf").and_then(Value::as_array);
    let reference = variants
        .and_then(|any| any.iter().find(|one| is_reference(one)))
        .cloned();
    match reference {
        Some(Value::Object(reference)) => {
            schema.remove("anyOf");
            schema.extend(reference);
            inlined(Value::Object(schema), definitions)
        }
        _ => Value::Object(schema),
    }
}

/// The schema without `null` among its types.
fn without_null(mut schema: Value) -> Value {
    if let Some(Value::Array(types)) = schema.get("type") {
        let one = types.iter().find(|one| *one != "null").cloned();
        schema["type"] = one.unwrap_or_default();
    }
    schema
}
