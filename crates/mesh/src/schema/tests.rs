use super::*;

fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            object.values().for_each(|inner| walk(inner, visit));
        }
        Value::Array(items) => items.iter().for_each(|inner| walk(inner, visit)),
        _ => {}
    }
}

#[test]
fn every_reference_of_the_json_schema_has_a_target() {
    let schema = json_schema();
    let mut count = 0;
    walk(&schema, &mut |object| {
        if let Some(name) = object.get("$ref") {
            let pointer = name.as_str().unwrap().trim_start_matches('#');
            assert!(schema.pointer(pointer).is_some(), "{name}");
            count += 1;
        }
    });
    assert!(count > 30);
}

#[test]
fn every_field_is_documented() {
    for (name, definition) in definitions() {
        for (field, schema) in definition["properties"].as_object().into_iter().flatten() {
            assert!(schema.get("description").is_some(), "{name}.{field}");
        }
    }
}

/// The defaults that the documentation tells are those that the program has.
#[test]
fn documented_defaults_are_true() {
    let mut count = 0;
    for (name, definition) in definitions() {
        for (field, schema) in definition["properties"].as_object().into_iter().flatten() {
            let description = schema["description"].as_str().unwrap().replace('\n', " ");
            let (_, told) = reference::split_default(&description);
            let one = |value: &Value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let actual = match &schema["default"] {
                Value::Null | Value::Object(_) => continue,
                Value::Array(items) => items.iter().map(one).collect::<Vec<_>>().join(", "),
                value => one(value),
            };
            assert_eq!(told.trim_matches('`'), actual, "{name}.{field}");
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn crds_are_structural() {
    for crd in crds() {
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        walk(schema, &mut |object| {
            // As the name of a field such a key has a schema, thus an object.
            for keyword in ["$ref", "$defs", "const", "additionalProperties", "oneOf"] {
                let value = object.get(keyword);
                assert!(
                    value.is_none_or(Value::is_object),
                    "{keyword} in {object:?}"
                );
            }
            assert!(
                !object.get("type").is_some_and(Value::is_array),
                "{object:?}"
            );
            let any_of = object.contains_key("anyOf");
            assert!(
                !any_of || object.contains_key("x-kubernetes-int-or-string"),
                "{object:?}"
            );
        });
        check_typed(
            &schema["properties"]["spec"],
            crd["spec"]["names"]["kind"].as_str().unwrap(),
        );
    }
}

/// Every field of a structural schema has a type, or is an integer or text.
fn check_typed(schema: &Value, at: &str) {
    let typed = schema.get("type").is_some() || schema.get("x-kubernetes-int-or-string").is_some();
    assert!(typed, "{at}: {schema}");
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        check_typed(property, &format!("{at}.{name}"));
    }
    if let Some(items) = schema.get("items") {
        check_typed(items, &format!("{at}[]"));
    }
}

#[test]
fn one_ofs_name_fields_that_exist() {
    let definitions = definitions();
    for (name, fields) in EXACTLY_ONE {
        for field in fields {
            assert!(
                definitions[name]["properties"].get(field).is_some(),
                "{name}.{field}"
            );
        }
    }
    let crds = crds().iter().map(Value::to_string).collect::<String>();
    assert_eq!(crds.matches("x-kubernetes-validations").count(), 6);
    assert!(crds.contains("(has(self.pool) ? 1 : 0) + (has(self.provider) ? 1 : 0) == 1"));
}

#[test]
fn the_reference_has_a_table_for_each_type() {
    let reference = reference();
    for name in definitions().keys() {
        let title = name
            .strip_suffix("Spec")
            .filter(|name| *name != "Rule")
            .unwrap_or(name);
        let headings = reference
            .lines()
            .filter(|line| line.trim_start_matches('#').trim() == title);
        assert_eq!(
            headings.filter(|line| line.starts_with('#')).count(),
            1,
            "{title}"
        );
    }
    assert!(
        reference.contains("| `connect` | duration | 5s | To open a connection,"),
        "{reference}"
    );
    assert!(
        reference.contains("| `address` | string | required | IP address"),
        "{reference}"
    );
    assert!(
        reference.contains("| `apiKey` | secret reference |"),
        "{reference}"
    );
    assert!(
        reference.contains("| `timeouts` | [RouteTimeouts](#routetimeouts) |"),
        "{reference}"
    );
}
