use super::*;

#[test]
fn all_are_listed_under_their_names() {
    for preset in Preset::ALL {
        let name = serde_json::to_value(preset).unwrap();
        assert_eq!(name, preset.name());
    }
    let schema = serde_json::to_value(schemars::schema_for!(Preset)).unwrap();
    assert_eq!(schema["oneOf"].as_array().unwrap().len(), Preset::ALL.len());
}

/// The comments are the manual: they must tell the facts.
#[test]
fn the_manual_tells_the_facts() {
    let schema = serde_json::to_value(schemars::schema_for!(Preset)).unwrap();
    for (preset, told) in Preset::ALL.iter().zip(schema["oneOf"].as_array().unwrap()) {
        let told = (
            told["const"].as_str(),
            told["description"].as_str().unwrap(),
        );
        assert_eq!(told.0, Some(preset.name()));
        let facts = [preset.base_url(), preset.key_variable()];
        for fact in facts.into_iter().flatten() {
            assert!(
                told.1.replace('\n', " ").contains(&format!("`{fact}`")),
                "{fact}: {told:?}"
            );
        }
    }
}
