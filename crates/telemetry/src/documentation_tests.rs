//! README.md names every family and every field of the access log.

use crate::record::tests::full_record;

const README: &str = include_str!("../README.md");
const EXPOSITIONS: [&str; 2] = [
    include_str!("metrics/snapshots/telemetry__metrics__tests__exposition.snap"),
    include_str!("sources/snapshots/telemetry__sources__tests__endpoints_and_listeners.snap"),
];

#[test]
fn every_family_is_documented() {
    let types = EXPOSITIONS.iter().flat_map(|text| text.lines());
    let families: Vec<_> = types
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => format!("`{name}_total`"),
            _ => format!("`{name}`"),
        })
        .collect();
    assert!(families.len() > 15);
    let missing: Vec<_> = families
        .into_iter()
        .filter(|name| !README.contains(name))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_field_of_the_access_log_is_documented() {
    let record = serde_json::to_value(full_record()).unwrap();
    let (_, fields) = README.split_once("## Access log").unwrap();
    let missing: Vec<_> = record
        .as_object()
        .unwrap()
        .keys()
        .filter(|field| !fields.contains(&format!("`{field}`")))
        .collect();
    assert_eq!(missing, [""; 0]);
}
