//! The envelope that all Kubernetes documents share: `apiVersion`, `kind`, `metadata`, `spec`.

use std::collections::BTreeSet;

use mesh::resources::API_VERSION;
use mesh::{Kind, Meta};
use serde::Deserialize;

use crate::de;
use crate::suggest;
use crate::text::{Fault, Span};
use crate::tree::{Entry, Node, Value};

/// API groups of documents that stand beside ours, and what they are.
const FOREIGN: [(&str, &str); 6] = [
    ("gateway.networking.k8s.io", "Gateway API"),
    (
        "inference.networking.k8s.io",
        "Gateway API Inference Extension",
    ),
    (
        "inference.networking.x-k8s.io",
        "Gateway API Inference Extension",
    ),
    ("networking.istio.io", "Istio"),
    ("security.istio.io", "Istio"),
    ("telemetry.istio.io", "Istio"),
];

/// Metadata that Kubernetes keeps for itself and for its users.
const UNREAD_METADATA: [&str; 11] = [
    "annotations",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "labels",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

const FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// What was in an envelope.
pub(super) enum Opened {
    Manifest(Manifest),
    /// `kind: List`, as `kubectl get -o yaml` prints several objects.
    List(Vec<Node>),
}

/// A document of our own API group.
pub(super) struct Manifest {
    pub(super) kind: Kind,
    pub(super) meta: Meta,
    pub(super) name: Span,
    pub(super) spec: Node,
}

/// The fields of `metadata` that are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ObjectMeta {
    name: String,
    namespace: Option<String>,
    #[serde(default)]
    generation: u64,
    creation_timestamp: Option<String>,
}

/// Opens a document that has `apiVersion` or `kind`.
pub(super) fn open(document: Node) -> Result<Opened, Vec<Fault>> {
    let version = text_of(&document, "apiVersion").map_err(|fault| vec![fault])?;
    let kind = text_of(&document, "kind").map_err(|fault| vec![fault])?;
    if (version.text, kind.text) == ("v1", "List") {
        return items(document).map(Opened::List);
    }
    if version.text != API_VERSION {
        return Err(vec![foreign(&version)]);
    }
    let kind = kind_named(&kind).map_err(|fault| vec![fault])?;
    manifest(kind, document).map(Opened::Manifest)
}

fn manifest(kind: Kind, document: Node) -> Result<Manifest, Vec<Fault>> {
    let mut faults = unknown_fields(&document);
    let meta = metadata(&document)
        .map_err(|found| faults.extend(found))
        .ok();
    let head = document.head();
    let entries = match document.value {
        Value::Mapping(entries) => entries,
        _ => Vec::new(),
    };
    let spec = entries.into_iter().find(|entry| &*entry.key == "spec");
    if spec.is_none() {
        faults.push(Fault::new(head, "missing field `spec`"));
    }
    match (meta, spec) {
        (Some((meta, name)), Some(spec)) if faults.is_empty() => Ok(Manifest {
            kind,
            meta,
            name,
            spec: spec.value,
        }),
        _ => Err(faults),
    }
}

fn metadata(document: &Node) -> Result<(Meta, Span), Vec<Fault>> {
    let Some(entry) = document.entry("metadata") else {
        return Err(vec![Fault::new(
            document.head(),
            "missing field `metadata`",
        )]);
    };
    let unread = entry
        .value
        .entries()
        .iter()
        .filter(|e| UNREAD_METADATA.contains(&&*e.key));
    let skip: BTreeSet<_> = unread.map(|entry| entry.key_span.start).collect();
    let object: ObjectMeta = de::read(&entry.value, skip, &UNREAD_METADATA)?;
    let created = object.creation_timestamp.map(|time| {
        let span = entry
            .value
            .entry("creationTimestamp")
            .map_or(entry.key_span, Entry::mark);
        epoch_seconds(&time).ok_or_else(|| {
            vec![Fault::new(span, "not a time").help("write it as `2026-01-31T12:00:00Z`")]
        })
    });
    let name = entry
        .value
        .entry("name")
        .map_or(entry.key_span, Entry::mark);
    let meta = Meta {
        namespace: object.namespace,
        name: object.name,
        generation: object.generation,
        created: created.transpose()?,
    };
    Ok((meta, name))
}

fn unknown_fields(document: &Node) -> Vec<Fault> {
    let unknown = document
        .entries()
        .iter()
        .filter(|entry| !FIELDS.contains(&&*entry.key));
    let fault = |entry: &Entry| {
        Fault::new(entry.key_span, format!("unknown field `{}`", entry.key))
            .help(suggest::help(&entry.key, &FIELDS))
    };
    unknown.map(fault).collect()
}

fn items(document: Node) -> Result<Vec<Node>, Vec<Fault>> {
    let head = document.head();
    let Value::Mapping(entries) = document.value else {
        return Ok(Vec::new());
    };
    match entries
        .into_iter()
        .find(|entry| &*entry.key == "items")
        .map(|entry| entry.value)
    {
        Some(Node {
            value: Value::Sequence(items),
            ..
        }) => Ok(items),
        Some(other) => Err(vec![Fault::new(other.head(), "expected a list")]),
        None => Err(vec![Fault::new(head, "missing field `items`")]),
    }
}

struct Word<'a> {
    text: &'a str,
    span: Span,
}

fn text_of<'a>(document: &'a Node, key: &str) -> Result<Word<'a>, Fault> {
    let Some(entry) = document.entry(key) else {
        return Err(Fault::new(
            document.head(),
            format!("missing field `{key}`"),
        ));
    };
    match &entry.value.value {
        Value::Scalar { text, .. } if !text.is_empty() => Ok(Word {
            text,
            span: entry.mark(),
        }),
        _ => Err(Fault::new(
            entry.mark(),
            format!("expected text, found {}", entry.value.kind()),
        )),
    }
}

fn kind_named(word: &Word<'_>) -> Result<Kind, Fault> {
    let kinds = Kind::ALL.map(Kind::name);
    Kind::ALL
        .into_iter()
        .find(|kind| kind.name() == word.text)
        .ok_or_else(|| {
            Fault::new(word.span, format!("there is no kind `{}`", word.text))
                .help(suggest::help(word.text, &kinds))
        })
}

fn foreign(version: &Word<'_>) -> Fault {
    let group = version
        .text
        .split_once('/')
        .map_or(version.text, |(group, _)| group);
    let family = FOREIGN.iter().find(|(foreign, _)| *foreign == group);
    let family = family.map_or_else(String::new, |(_, name)| format!(" ({name})"));
    let kinds = suggest::list(&Kind::ALL.map(Kind::name));
    let sections = suggest::list(&Kind::ALL.map(Kind::plural));
    Fault::new(
        version.span,
        format!("documents of `{}`{family} are not read", version.text),
    )
    .help(format!(
        "read are `apiVersion: {API_VERSION}` with kind {kinds}, and sections {sections}"
    ))
}

/// Seconds since the Unix epoch of an RFC 3339 time in UTC, as Kubernetes writes it; none before
/// 1970.
fn epoch_seconds(time: &str) -> Option<u64> {
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(clock.split('.').next()?, ':')?;
    let valid = year >= 1970
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    valid.then(|| ((days_since_epoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let parts: Option<Vec<u64>> = text
        .split(separator)
        .map(|part| {
            (2..=4)
                .contains(&part.len())
                .then(|| part.parse().ok())
                .flatten()
        })
        .collect();
    parts?.try_into().ok()
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, by counting years from March, so that
/// the leap day is a year's last (H. Hinnant, "chrono-compatible low-level date algorithms").
fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let leap_days = year / 4 - year / 100 + year / 400;
    // 719468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::epoch_seconds;

    #[test]
    fn times_are_seconds_since_the_epoch() {
        let check = |time, expect| assert_eq!(epoch_seconds(time), expect, "{time}");
        check("1970-01-01T00:00:00Z", Some(0));
        check("2000-02-29T12:00:00Z", Some(951_825_600));
        check("2026-01-31T23:59:59.5Z", Some(1_769_903_999));
        check("1969-12-31T23:59:59Z", None);
        check("2026-01-31 12:00:00Z", None);
        check("2026-13-01T00:00:00Z", None);
        check("2026-01-31T12:00:00+01:00", None);
        check("99999999999999999999-01-01T00:00:00Z", None);
    }
}
