//! The page that names every attack and fault names tests that exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::docs::markdown::{Page, root};

/// The names of the tests in this file and the files below it.
fn tests_of(path: &Path, names: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            tests_of(&entry.unwrap().path(), names);
        }
        return;
    }
    if path.extension().is_none_or(|kind| kind != "rs") {
        return;
    }
    let text = std::fs::read_to_string(path).unwrap();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
            let name = rest.split(['(', '<']).next().unwrap();
            names.insert(format!(
                "{}::{name}",
                path.file_stem().unwrap().to_str().unwrap()
            ));
            is_test = false;
        }
    }
}

fn all_tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let crates: PathBuf = root().join("crates");
    for entry in std::fs::read_dir(crates).unwrap() {
        for directory in ["src", "tests"] {
            let path = entry.as_ref().unwrap().path().join(directory);
            if path.exists() {
                tests_of(&path, &mut names);
            }
        }
    }
    names
}

#[test]
fn every_attack_and_fault_names_tests_that_exist() {
    let tests = all_tests();
    let rows = Page::read("docs/reliability.md").rows("attack or fault");
    assert!(rows.len() > 40, "{}", rows.len());
    let mut named = BTreeSet::new();
    for row in rows {
        let held_by: Vec<&str> = row[2].split('`').skip(1).step_by(2).collect();
        assert!(!held_by.is_empty(), "nothing holds {row:?}");
        for name in held_by {
            assert!(tests.contains(name), "{}: there is no test {name}", row[0]);
            named.insert(name.to_owned());
        }
    }
    let mut own = BTreeSet::new();
    tests_of(&root().join("crates/sluicegate/tests/e2e/abuse"), &mut own);
    own.retain(|name| !name.starts_with("reliability::"));
    let missing: Vec<&String> = own.iter().filter(|name| !named.contains(*name)).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
}
