//! What is wrong with resources, told by resource and field path.
//!
//! All faults are collected, not the first only: whoever mends a file wants one list. A fault
//! carries no position in a text, since resources need not come from one; who read the text maps
//! the path back to it.

use std::fmt::{self, Display};

use serde::Serialize;

use crate::resources::{DEFAULT_NAMESPACE, Kind, Meta};

/// Which resource: by its name, and by its place among those of its kind, since a name may be
/// given twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceId {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its index in the list of its kind in [`crate::Resources`].
    pub index: usize,
}

impl ResourceId {
    pub(super) fn new(kind: Kind, meta: &Meta, index: usize) -> Self {
        Self {
            kind,
            namespace: meta.namespace().to_owned(),
            name: meta.name.clone(),
            index,
        }
    }
}

impl Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}",
            self.kind,
            qualified(&self.namespace, &self.name)
        )
    }
}

/// The name by which a resource is known in metrics, logs and registries: `name` in the default
/// namespace, else `namespace/name`.
pub(super) fn qualified(namespace: &str, name: &str) -> String {
    match namespace {
        DEFAULT_NAMESPACE => name.to_owned(),
        _ => format!("{namespace}/{name}"),
    }
}

/// One fault of a resource. Never repeats a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// The resource at fault.
    pub resource: ResourceId,
    /// Its field at fault, such as `rules[0].backendRefs[1].pool`, relative to the specification;
    /// `name` and `namespace` are those of the metadata.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
    /// A value that was perhaps meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.resource, self.path, self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " (did you mean `{suggestion}`?)"),
            None => Ok(()),
        }
    }
}

/// Collects the faults of one resource.
pub(super) struct Faults<'a> {
    resource: ResourceId,
    found: &'a mut Vec<Violation>,
}

impl<'a> Faults<'a> {
    pub(super) fn of(resource: ResourceId, found: &'a mut Vec<Violation>) -> Self {
        Self { resource, found }
    }

    /// Notes what is wrong with the field at `path`, said of that field: "is 0: at least 1".
    pub(super) fn add(&mut self, path: impl Display, predicate: impl Display) {
        let path = path.to_string();
        let field = path.rsplit('.').next().unwrap_or_default();
        self.report(&path, format_args!("`{field}` {predicate}"), None);
    }

    /// Notes a fault in a sentence of its own.
    pub(super) fn report(
        &mut self,
        path: impl Display,
        message: impl Display,
        suggestion: Option<String>,
    ) {
        self.found.push(Violation {
            resource: self.resource.clone(),
            path: path.to_string(),
            message: message.to_string(),
            suggestion,
        });
    }

    /// The value, or its error reported.
    pub(super) fn take<T, E: Display>(
        &mut self,
        path: impl Display,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.report(path, error, None)).ok()
    }

    /// Notes what is wrong with the field at `path` unless `holds`.
    pub(super) fn require(&mut self, holds: bool, path: impl Display, predicate: impl Display) {
        if !holds {
            self.add(path, predicate);
        }
    }
}

/// The known name that is nearest to `wrong`, if one is near enough to be a slip of the pen.
pub(super) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let tolerated = wrong.chars().count().div_ceil(3);
    known
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, _)| *distance <= tolerated)
        .min()
        .map(|(_, name)| name.to_owned())
}
