//! The documentation is true: what its pages show is done, and what they list is what there is.
//!
//! The pages are tested as they stand, without marks for the tests in them. So the tests rely on a
//! few habits of writing: a configuration begins with a comment that names its file, commands are
//! in `sh` blocks, and a `text` block is what the command before it prints.

pub mod markdown;
mod session;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};

use telemetry::ErrorType;

use crate::client::once;
use crate::process::run;
use markdown::{Page, code, root};
use session::Session;
use traffic::{Traffic, counted, translated};

async fn follow(page: &str) {
    let page = Page::read(page);
    let blocks = page.blocks();
    assert!(!blocks.is_empty());
    let mut session = Session::begin();
    for block in blocks {
        session.follow(&block).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_can_be_followed() {
    follow("README.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn getting_started_can_be_followed() {
    follow("docs/getting-started.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_preface_can_be_followed() {
    follow("docs/configuration.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_can_be_followed() {
    follow("docs/operations.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn architecture_can_be_followed() {
    follow("ARCHITECTURE.md").await;
}

#[test]
fn links_resolve() {
    let mut count = 0;
    for page in Page::all() {
        for link in page.links() {
            count += 1;
            if let Err(why) = page.resolve(&link) {
                panic!("{}: the link to `{link}` leads nowhere: {why}", page.name);
            }
        }
    }
    assert!(count > 50, "{count}");
}

#[test]
fn the_configuration_reference_is_that_of_the_binary() {
    let (fields, _, status) = run(&["schema", "--reference"]);
    assert!(status.success());
    let page = Page::read("docs/configuration.md");
    assert!(page.text.ends_with(&fields), "run `cargo xtask docs`");
}

#[test]
fn the_options_of_run_are_listed_with_their_defaults() {
    let (help, _, _) = run(&["run", "--help"]);
    let rows = Page::read("docs/operations.md").rows("option of `run`");
    for row in &rows {
        let option = code(&row[0]).remove(0);
        let (_, after) = help
            .split_once(&option)
            .unwrap_or_else(|| panic!("no option {option}"));
        let of_option = after.split("\n      --").next().unwrap();
        if !row[1].is_empty() {
            let default = format!("[default: {}]", row[1]);
            assert!(of_option.contains(&default), "{option}: {of_option}");
        }
    }
    let listed: BTreeSet<String> = rows.iter().map(|row| code(&row[0]).remove(0)).collect();
    let offered = help.lines().filter_map(|line| {
        let name = line
            .trim_start()
            .trim_start_matches("-c, ")
            .strip_prefix("--")?;
        Some(format!("--{}", name.split(' ').next()?))
    });
    let offered: BTreeSet<String> = offered
        .filter(|option| option != "--help" && option != "--version")
        .collect();
    assert!(offered.is_superset(&listed) && listed.len() > 5);
    assert_eq!(offered.difference(&listed).collect::<Vec<_>>(), [""; 0]);
}

/// Rows whose first cell links a field to its section of the reference tell its default.
#[test]
fn the_defaults_of_limits_and_timeouts_are_those_of_the_reference() {
    let reference = Page::read("docs/configuration.md");
    let mut count = 0;
    for row in Page::read("docs/operations.md").rows("field") {
        let Some((_, section)) = row[0].split_once("](configuration.md#") else {
            continue;
        };
        let path = code(&row[0]).remove(0);
        let field = format!("`{}`", path.rsplit('.').next().unwrap());
        let section = section.trim_end_matches(')');
        let rows = reference.rows_of(section);
        let found = rows.iter().find(|row| row[0] == field);
        let found = found.unwrap_or_else(|| panic!("{section} has no field {field}"));
        assert_eq!(row[1], found[2], "the default of {path}");
        count += 1;
    }
    assert!(count > 20, "{count}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_are_those_of_a_scrape() {
    let scrape = Traffic::of_every_kind().await.scrape().await;
    let exposed = families(&scrape);
    let documented: BTreeMap<String, Family> = Page::read("docs/operations.md")
        .rows("metric")
        .into_iter()
        .map(|row| {
            let labels = code(&row[2]).into_iter().collect();
            (
                code(&row[0]).remove(0),
                Family {
                    kind: row[1].clone(),
                    labels,
                    sampled: true,
                },
            )
        })
        .collect();
    let names = |families: &BTreeMap<String, Family>| families.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&documented), names(&exposed));
    for (name, family) in &exposed {
        let told = &documented[name];
        assert_eq!(told.kind, family.kind, "{name}");
        if family.sampled {
            assert_eq!(told.labels, family.labels, "{name}");
        }
    }
    let silent: Vec<_> = exposed
        .iter()
        .filter(|(_, family)| !family.sampled)
        .map(|(name, _)| &**name)
        .collect();
    let told_to_be = [
        "sluicegate_endpoint_kv_cache_usage_ratio",
        "sluicegate_endpoint_requests_waiting",
    ];
    assert_eq!(
        silent, told_to_be,
        "the page says of these that they have no samples"
    );
}

#[derive(Debug)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
    sampled: bool,
}

/// The families of an exposition under the names that a query uses.
fn families(scrape: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::new();
    for line in scrape.lines() {
        let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|it| it.split_once(' '))
        else {
            continue;
        };
        let name = if kind == "counter" {
            format!("{name}_total")
        } else {
            name.to_owned()
        };
        let samples: Vec<&str> = scrape
            .lines()
            .filter(|line| is_sample(line, &name))
            .collect();
        let labels = samples.iter().flat_map(|line| labels(line)).collect();
        let sampled = !samples.is_empty();
        families.insert(
            name,
            Family {
                kind: kind.to_owned(),
                labels,
                sampled,
            },
        );
    }
    families
}

fn is_sample(line: &str, family: &str) -> bool {
    let name = line.split(['{', ' ']).next().unwrap_or_default();
    let rest = name.strip_prefix(family);
    rest.is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
}

/// The names of a sample's labels but for the bucket's bound. No value of the tests has a comma.
fn labels(line: &str) -> Vec<String> {
    let Some((_, rest)) = line.split_once('{') else {
        return Vec::new();
    };
    let (inside, _) = rest.rsplit_once('}').unwrap();
    let names = inside
        .split(',')
        .filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
    names.filter(|name| name != "le").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fields_of_the_access_log_are_those_of_real_lines() {
    let lines = Traffic::of_every_kind().await.access_log().await;
    let page = Page::read("docs/operations.md");
    let documented: BTreeMap<String, String> = page
        .rows_of("access-log")
        .into_iter()
        .map(|row| (code(&row[0]).remove(0), row[1].clone()))
        .collect();
    let mut seen = BTreeSet::new();
    for line in &lines {
        for (field, value) in line.as_object().unwrap() {
            let told = documented
                .get(field)
                .unwrap_or_else(|| panic!("{field} is not documented"));
            let kind = match value {
                serde_json::Value::String(_) => "string",
                serde_json::Value::Bool(_) => "boolean",
                serde_json::Value::Number(number) if number.is_u64() => "integer",
                serde_json::Value::Number(_) => "number",
                other => panic!("{field}: {other}"),
            };
            assert!(
                told == kind || (told == "number" && kind == "integer"),
                "{field}: {value}"
            );
            seen.insert(field.clone());
        }
    }
    let unseen: Vec<_> = documented
        .keys()
        .filter(|field| !seen.contains(*field))
        .collect();
    assert_eq!(unseen, [""; 0], "documented, but in no line");
    let examples = page
        .blocks()
        .into_iter()
        .filter(|block| block.language == "json");
    for example in examples {
        let example: serde_json::Value = serde_json::from_str(&example.text).unwrap();
        let fields = example.as_object().unwrap().keys();
        assert_eq!(fields.filter(|field| !seen.contains(*field)).count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_response_headers_are_those_of_an_answer() {
    let traffic = Traffic::of_every_kind().await;
    let translated = once(traffic.address(), translated()).await;
    let counted = once(traffic.address(), counted()).await;
    let sent: BTreeSet<&str> = translated
        .headers
        .keys()
        .chain(counted.headers.keys())
        .map(|name| name.as_str())
        .filter(|it| it.starts_with("x-"))
        .collect();
    let rows = Page::read("docs/operations.md").rows_of("response-headers");
    let documented: Vec<String> = rows.iter().flat_map(|row| code(&row[0])).collect();
    assert_eq!(
        documented
            .iter()
            .map(String::as_str)
            .collect::<BTreeSet<_>>(),
        sent
    );
}

#[test]
fn the_errors_are_those_that_the_log_knows() {
    let known: BTreeSet<&str> = ErrorType::ALL.into_iter().map(ErrorType::as_str).collect();
    let rows = Page::read("docs/operations.md").rows_of("errors");
    let told: Vec<String> = rows.iter().flat_map(|row| code(&row[1])).collect();
    assert!(told.len() > 10);
    let unknown: Vec<_> = told
        .iter()
        .filter(|error| !known.contains(error.as_str()))
        .collect();
    assert_eq!(unknown, [""; 0]);
}

/// The page to grow must not forget a room, nor a stage.
#[test]
fn the_architecture_names_every_crate_and_every_module_of_the_data_plane() {
    let page = Page::read("ARCHITECTURE.md");
    let rooms = page.rows_of("rooms");
    let rooms: BTreeSet<String> = rooms.iter().map(|row| code(&row[0]).remove(0)).collect();
    assert_eq!(rooms, names_in(&root().join("crates")));
    let modules = names_in(&root().join("crates/gateway/src"));
    for name in modules
        .iter()
        .filter(|name| *name != "lib" && *name != "tests")
    {
        let named = page.text.contains(&format!("`{name}`"));
        assert!(named, "`{name}` is not in ARCHITECTURE.md");
    }
}

/// Files and directories, without extension.
fn names_in(directory: &std::path::Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}
