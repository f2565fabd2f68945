//! YAML documents as trees whose every node knows where it stands.
//!
//! A tree of our own between parser and serde, rather than serde-saphyr's `Spanned<T>` fields,
//! because positions are asked for twice: by serde for faults of shape, and long after it, by field
//! path, for faults of meaning that only `mesh` can see; and `mesh` must not know of YAML.
//!
//! Stricter than YAML where configuration gains by it: a repeated key, a merge key (`<<`, dropped
//! from YAML 1.2) and an application tag are faults. Aliases are expanded. Depth, size and the
//! nodes that aliases add are bounded, so a hostile document costs bounded time and memory.

mod builder;
mod input;
pub(crate) mod scalar;
#[cfg(test)]
mod tests;

use crate::text::Span;
pub(crate) use builder::parse;

/// A node of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A plain scalar may be a number, a boolean or null ([`scalar::resolve`]); a quoted or block
    /// scalar is always text.
    Scalar {
        text: Box<str>,
        plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Box<str>,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

impl Node {
    /// The entries of a mapping; none of anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| &*entry.key == key)
    }

    pub(crate) fn item(&self, index: usize) -> Option<&Node> {
        match &self.value {
            Value::Sequence(items) => items.get(index),
            _ => None,
        }
    }

    /// Where a reader looks for the node: a collection begins with its first key or item.
    pub(crate) fn head(&self) -> Span {
        match &self.value {
            Value::Mapping(entries) => entries.first().map_or(self.span, |entry| entry.key_span),
            Value::Sequence(items) => items.first().map_or(self.span, |item| item.span),
            Value::Scalar { .. } => self.span,
        }
    }

    /// Absent in effect: `key:` with nothing after it, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if scalar::resolve(text) == scalar::Scalar::Null)
    }

    /// What a reader calls such a value, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Scalar { plain: false, .. } => "text",
            Value::Scalar { text, .. } => scalar::resolve(text).kind(),
        }
    }
}

impl Entry {
    /// What to point at when the value is meant: itself if it is a scalar, else its key.
    pub(crate) fn mark(&self) -> Span {
        match &self.value.value {
            Value::Scalar { .. } if !self.value.is_null() => self.value.span,
            _ => self.key_span,
        }
    }
}
