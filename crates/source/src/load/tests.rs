use std::fs;

use super::*;

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("key"), "sk-file\n").unwrap();
    fs::write(root.path().join("empty"), "\n").unwrap();
    let here = root.path().display().to_string();
    fs::write(root.path().join("mesh.yaml"), text.replace("HERE", &here)).unwrap();
    let source = Source::open(root.path(), variables.iter().copied().collect());
    source
        .load()
        .map_err(|error| error.to_string().replace(&here, "HERE"))
}

#[test]
fn secrets_come_from_environment_and_files() {
    let text = "providers: [{name: a, models: [m], apiKey: '${env:KEY}'},
                            {name: b, models: [n], apiKey: '${file:HERE/key}'}]";
    let loaded = load(text, &[("KEY", "sk-env")]).unwrap();
    assert_eq!(loaded.files, 1);
    assert_eq!(loaded.snapshot.backends().len(), 2);
}

#[test]
fn secrets_that_cannot_be_had_are_told_with_the_reason() {
    let refused = |reference: &str| {
        let text = format!("providers:\n  - name: a\n    apiKey: ${{{reference}}}\n");
        load(&text, &[("EMPTY", "")]).unwrap_err()
    };
    let check = |reference, expect: &str| {
        let shown = refused(reference);
        assert!(
            shown.contains(expect) && shown.contains("mesh.yaml:3:13"),
            "{shown}"
        );
    };
    check("env:ABSENT", "set ABSENT for this process");
    check("env:EMPTY", "set EMPTY for this process");
    check("file:HERE/empty", "HERE/empty is empty");
    check(
        "file:HERE/absent",
        "HERE/absent cannot be read: No such file",
    );
}

#[test]
fn violations_point_at_their_line() {
    let text = "\
pools:
  - name: llama
    endpoints: [{address: '10.0.0.7:8000'}]
routes:
  - name: chat
    rules:
      - backendRefs:
          - pool: lama
";
    insta::assert_snapshot!(load(text, &[]).unwrap_err(), @r"
    error: Route chat: rules[0].backendRefs[0].pool: there is no pool `lama`
     --> HERE/mesh.yaml:8:19
      |
    8 |           - pool: lama
      |                   ^^^^
      = help: did you mean `llama`?
    ");
}

#[test]
fn a_set_without_resources_is_refused() {
    for text in ["", "pools: []", "---\n---\n"] {
        assert!(
            load(text, &[]).unwrap_err().contains("no resource"),
            "{text:?}"
        );
    }
}

#[test]
fn the_hash_is_of_the_documents_alone() {
    let text = "providers: [{name: a, apiKey: '${env:KEY}'}]";
    let hash = |text, key| load(text, &[("KEY", key)]).unwrap().hash;
    assert_eq!(hash(text, "1"), hash(text, "2"));
    assert_ne!(hash(text, "1"), hash("providers: [{name: b}]", "1"));
}

#[test]
fn without_a_file_the_environment_is_served() {
    let source = Source::from_environment([("OPENAI_API_KEY", "x")].into_iter().collect(), 8080);
    let loaded = source.load().unwrap();
    assert_eq!(loaded.snapshot.listeners().len(), 1);
    assert!(
        Source::from_environment(Environment::default(), 8080)
            .load()
            .is_err()
    );
}
