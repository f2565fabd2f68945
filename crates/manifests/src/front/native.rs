//! Our own documents: sections of a file (`pools:` with a list), and manifests of our API group.

use std::collections::BTreeSet;

use mesh::{Kind, Meta};
use serde::Deserialize;

use super::envelope::Manifest;
use super::{Found, Reader};
use crate::de;
use crate::suggest;
use crate::text::Fault;
use crate::tree::{Entry, Node, Value};

/// The fields that an item of a section has besides those of its specification.
const ITEM_FIELDS: [&str; 2] = ["name", "namespace"];

#[derive(Deserialize)]
struct ItemMeta {
    name: String,
    namespace: Option<String>,
}

/// Reads a document of sections.
pub(super) fn sections(reader: &mut Reader, document: Node, faults: &mut Vec<Fault>) {
    let sections = Kind::ALL.map(Kind::plural);
    let Value::Mapping(entries) = document.value else {
        let fault = Fault::new(
            document.head(),
            format!("expected sections, found {}", document.kind()),
        );
        faults.push(fault.help(format!(
            "a document begins with {}",
            suggest::list(&sections)
        )));
        return;
    };
    for entry in entries {
        match Kind::ALL
            .into_iter()
            .find(|kind| kind.plural() == &*entry.key)
        {
            Some(kind) => section(reader, kind, entry, faults),
            None => faults.push(
                Fault::new(entry.key_span, format!("unknown section `{}`", entry.key))
                    .help(suggest::help(&entry.key, &sections)),
            ),
        }
    }
}

/// Reads the list of a section; an empty section is an empty list.
fn section(reader: &mut Reader, kind: Kind, entry: Entry, faults: &mut Vec<Fault>) {
    if entry.value.is_null() {
        return;
    }
    let mark = entry.mark();
    match entry.value.value {
        Value::Sequence(items) => {
            for item in items {
                if let Err(found) = add_item(reader, kind, item) {
                    faults.extend(found);
                }
            }
        }
        _ => faults.push(
            Fault::new(
                mark,
                format!("expected a list, found {}", entry.value.kind()),
            )
            .help(format!(
                "begin each of the {} with `- name: …`",
                kind.plural()
            )),
        ),
    }
}

fn add_item(reader: &mut Reader, kind: Kind, item: Node) -> Result<(), Vec<Fault>> {
    let meta: ItemMeta = de::read(&item, BTreeSet::new(), &[])?;
    let of_item = item
        .entries()
        .iter()
        .filter(|entry| ITEM_FIELDS.contains(&&*entry.key));
    reader.add(Found {
        kind,
        meta: Meta {
            namespace: meta.namespace,
            ..Meta::named(meta.name)
        },
        name: item.entry("name").map_or_else(|| item.head(), Entry::mark),
        skip: of_item.map(|entry| entry.key_span.start).collect(),
        also_allowed: &ITEM_FIELDS,
        spec: item,
    })
}

/// Reads a manifest of our API group.
pub(super) fn manifest(reader: &mut Reader, manifest: Manifest, faults: &mut Vec<Fault>) {
    let Manifest {
        kind,
        meta,
        name,
        spec,
    } = manifest;
    let found = Found {
        kind,
        meta,
        name,
        spec,
        skip: BTreeSet::new(),
        also_allowed: &[],
    };
    if let Err(found) = reader.add(found) {
        faults.extend(found);
    }
}
