//! Where each resource is written, so that a violation found long after reading points at a line.

use std::collections::BTreeMap;

use mesh::{Kind, Violation};

use crate::problem::Problem;
use crate::text::{Fault, Span, Text};
use crate::tree::Node;

/// Where the resources of one set of files are written.
#[derive(Debug, Default)]
pub struct Origins {
    pub(crate) texts: Vec<Text>,
    /// Of each kind, in the order of the resources.
    pub(crate) resources: BTreeMap<Kind, Vec<Origin>>,
}

/// Where one resource is written.
#[derive(Debug)]
pub(crate) struct Origin {
    /// Index into [`Origins::texts`].
    pub(crate) text: usize,
    /// Place of its name.
    pub(crate) name: Span,
    /// The node that its fields are read from.
    pub(crate) spec: Node,
}

impl Origins {
    /// The problem that a violation is, at the field that it names, or at the nearest field around
    /// it that is written.
    pub fn locate(&self, violation: &Violation) -> Problem {
        let id = &violation.resource;
        let help = violation
            .suggestion
            .as_ref()
            .map(|name| format!("did you mean `{name}`?"));
        let message = format!("{id}: {}: {}", violation.path, violation.message);
        match self.place(id.kind, id.index, &violation.path) {
            Some((text, span)) => text.problem(Fault {
                message,
                help,
                span: Some(span),
                related: None,
            }),
            None => Problem {
                help,
                ..Problem::of_file("resources", message)
            },
        }
    }

    /// The text and the place in it of a field, or of the nearest field around it that is written.
    fn place(&self, kind: Kind, index: usize, path: &str) -> Option<(&Text, Span)> {
        let origin = self.resources.get(&kind)?.get(index)?;
        Some((self.texts.get(origin.text)?, field(origin, path)))
    }
}

/// The place of a field such as `rules[0].backendRefs[1].pool`.
fn field(origin: &Origin, path: &str) -> Span {
    let mut node = &origin.spec;
    let mut span = origin.name;
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        let next = match step.strip_suffix(']') {
            Some(index) => index
                .parse()
                .ok()
                .and_then(|index| node.item(index))
                .map(|item| (item, item.head())),
            None => node.entry(step).map(|entry| (&entry.value, entry.mark())),
        };
        let Some((child, place)) = next else { break };
        (node, span) = (child, place);
    }
    span
}
