//! Which documents there are: one front end per family, each turning nodes into resources.
//!
//! A document with `apiVersion` or `kind` is a manifest as Kubernetes has them, and its API group
//! decides who reads it; any other is a mapping of native sections.

mod envelope;
mod native;

use std::collections::BTreeSet;

use mesh::resources::{ListenerSpec, PoolSpec, ProviderSpec, RouteSpec};
use mesh::{Kind, Meta, Resource, Resources};
use serde::de::DeserializeOwned;

use crate::Read;
use crate::de;
use crate::origins::{Origin, Origins};
use crate::problem::Problem;
use crate::text::{Fault, Point, Span, Text};
use crate::tree::Node;

/// Gathers the resources of all documents.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    resources: Resources,
    origins: Origins,
}

/// A resource that a front end has found: what is left is its type's own business.
struct Found<'n> {
    kind: Kind,
    meta: Meta,
    name: Span,
    spec: Node,
    /// Keys of `spec` that are not fields of the specification.
    skip: BTreeSet<Point>,
    also_allowed: &'n [&'n str],
}

impl Reader {
    /// The documents that follow are of this text.
    pub(crate) fn begin(&mut self, text: Text) {
        self.origins.texts.push(text);
    }

    /// A problem of the text that was begun last.
    pub(crate) fn problem(&self, fault: Fault) -> Problem {
        match self.origins.texts.last() {
            Some(text) => text.problem(fault),
            None => Problem::of_file("", fault.message),
        }
    }

    /// Reads one document; what is wrong with it is added to `faults`.
    pub(crate) fn document(&mut self, document: Node, faults: &mut Vec<Fault>) {
        if document.is_null() {
            return;
        }
        let is_manifest = ["apiVersion", "kind"]
            .iter()
            .any(|key| document.entry(key).is_some());
        if is_manifest {
            self.manifest(document, faults);
        } else {
            native::sections(self, document, faults);
        }
    }

    pub(crate) fn finish(self) -> Read {
        Read {
            resources: self.resources,
            origins: self.origins,
        }
    }

    fn manifest(&mut self, document: Node, faults: &mut Vec<Fault>) {
        match envelope::open(document) {
            Ok(envelope::Opened::Manifest(manifest)) => native::manifest(self, manifest, faults),
            Ok(envelope::Opened::List(items)) => {
                items
                    .into_iter()
                    .for_each(|item| self.manifest(item, faults));
            }
            Err(found) => faults.extend(found),
        }
    }

    /// Reads a specification and keeps it.
    fn add(&mut self, found: Found<'_>) -> Result<(), Vec<Fault>> {
        let all = &mut self.resources;
        let (kind, name) = (found.kind, found.name);
        let spec = match kind {
            Kind::Listener => push::<ListenerSpec>(&mut all.listeners, found),
            Kind::Provider => push::<ProviderSpec>(&mut all.providers, found),
            Kind::Pool => push::<PoolSpec>(&mut all.pools, found),
            Kind::Route => push::<RouteSpec>(&mut all.routes, found),
        }?;
        let text = self.origins.texts.len().saturating_sub(1);
        self.origins
            .resources
            .entry(kind)
            .or_default()
            .push(Origin { text, name, spec });
        Ok(())
    }
}

/// Adds the resource to its list and gives back the node of its specification.
fn push<S: DeserializeOwned>(
    list: &mut Vec<Resource<S>>,
    found: Found<'_>,
) -> Result<Node, Vec<Fault>> {
    let spec = de::read(&found.spec, found.skip, found.also_allowed)?;
    list.push(Resource {
        meta: found.meta,
        spec,
    });
    Ok(found.spec)
}
