//! The layering of the crates, kept by a test.
//!
//! A crate depends only on crates above it in the list, which makes cycles of responsibility as
//! impossible as cargo makes cycles of compilation. Pure crates do no I/O and read no clock, so
//! that the same code runs in the proxy, in an endpoint picker and in a simulator; that they do not
//! is checked here as far as a dependency list can tell, and `clippy.toml` bans the clocks.

use crate::{process, workspace::Workspace};
use serde_json::Value;

/// Whether a crate may do I/O, read clocks and spawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purity {
    Pure,
    Impure,
}

/// The crates in layer order.
const LAYERS: &[(&str, Purity)] = &[
    ("llm", Purity::Pure),
    ("mesh", Purity::Pure),
    ("manifests", Purity::Pure),
    ("balance", Purity::Pure),
    ("engine", Purity::Pure),
    ("simulate", Purity::Pure),
    ("telemetry", Purity::Impure),
    ("net", Purity::Impure),
    ("engine-server", Purity::Impure),
    ("identity", Purity::Impure),
    ("credentials", Purity::Impure),
    ("quota", Purity::Impure),
    ("guard", Purity::Impure),
    ("cache", Purity::Impure),
    ("extend", Purity::Impure),
    ("source", Purity::Impure),
    ("gateway", Purity::Impure),
    ("epp", Purity::Impure),
    ("control", Purity::Impure),
    ("sluicegate", Purity::Impure),
];

/// Packages with which a crate is not pure, however deep they are among its dependencies.
const IMPURE_PACKAGES: &[&str] = &[
    "async_std",
    "getrandom",
    "hyper",
    "mio",
    "notify",
    "rand",
    "reqwest",
    "rustls",
    "smol",
    "socket2",
    "tokio",
];

/// A crate of ours and the crates of ours that it depends upon, for whatever purpose.
#[derive(Debug)]
struct Package {
    name: String,
    dependencies: Vec<String>,
}

/// The packages under `crates/`.
fn packages(workspace: &Workspace) -> Vec<Package> {
    let mut metadata = workspace.cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&process::output(&mut metadata).unwrap()).unwrap();
    let crates = workspace.root.join("crates");
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|package| {
            package["manifest_path"]
                .as_str()
                .unwrap()
                .starts_with(crates.to_str().unwrap())
        })
        .map(|package| Package {
            name: package["name"].as_str().unwrap().to_owned(),
            dependencies: local_dependencies(package),
        })
        .collect()
}

fn local_dependencies(package: &Value) -> Vec<String> {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    dependencies
        .filter(|dependency| dependency["path"].is_string())
        .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
        .collect()
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|(layer, _)| *layer == name)
}

/// What breaks the layering.
fn violations(packages: &[Package]) -> Vec<String> {
    let mut violations = Vec::new();
    for Package { name, dependencies } in packages {
        let Some(own) = layer(name) else {
            violations.push(format!("crate {name} has no place in the list of layers"));
            continue;
        };
        for dependency in dependencies {
            if layer(dependency).is_none_or(|layer| layer >= own) {
                violations.push(format!(
                    "{name} depends on {dependency}, which is not above it"
                ));
            }
        }
    }
    violations
}

#[test]
fn a_crate_depends_only_on_crates_above_it() {
    let packages = packages(&Workspace::find().unwrap());
    assert!(
        packages.len() > 5,
        "the crates were not found: {packages:?}"
    );
    assert_eq!(violations(&packages), [""; 0]);
}

#[test]
fn violations_are_found() {
    let package = |name: &str, dependencies: &[&str]| Package {
        name: name.into(),
        dependencies: dependencies.iter().map(ToString::to_string).collect(),
    };
    let check = |package: Package, expected: &[&str]| {
        assert_eq!(violations(&[package]), expected);
    };
    check(package("gateway", &["llm", "net", "source"]), &[]);
    check(
        package("net", &["gateway"]),
        &["net depends on gateway, which is not above it"],
    );
    check(
        package("net", &["net"]),
        &["net depends on net, which is not above it"],
    );
    check(
        package("llm", &["new"]),
        &["llm depends on new, which is not above it"],
    );
    check(
        package("new", &[]),
        &["crate new has no place in the list of layers"],
    );
}

#[test]
fn pure_crates_reach_no_input_or_output() {
    let workspace = Workspace::find().unwrap();
    for package in packages(&workspace) {
        if LAYERS.contains(&(&package.name, Purity::Pure)) {
            let tree = [
                "tree", "--edges", "normal", "--prefix", "none", "--format", "{lib}",
            ];
            let mut tree = workspace.cargo(&tree);
            let tree = process::output(tree.args(["--package", &package.name])).unwrap();
            let impure: Vec<_> = tree
                .lines()
                .filter(|l| IMPURE_PACKAGES.contains(l))
                .collect();
            assert_eq!(impure, [""; 0], "pure crate {} reaches them", package.name);
        }
    }
}
