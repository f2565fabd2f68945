//! serde's errors in an operator's words, with their place.
//!
//! Only the kind of an unexpected value is told, never the value: it may be a secret.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::suggest;
use crate::text::{Fault, Point, Span};
use crate::tree::{Entry, Node, Value};

/// What did not fit, and where.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Error {
    message: String,
    help: Option<String>,
    span: Option<Span>,
    /// Set if the fault is a field that is unknown: its name and what would be known.
    unknown: Option<(String, &'static [&'static str])>,
}

impl Error {
    fn new(message: String) -> Self {
        Self {
            message,
            help: None,
            span: None,
            unknown: None,
        }
    }

    /// Places the error at a node, unless one inside of it has done so.
    pub(super) fn at(mut self, node: &Node) -> Self {
        self.span.get_or_insert(node.head());
        self
    }

    pub(super) fn at_key(mut self, entry: &Entry) -> Self {
        self.span.get_or_insert(entry.key_span);
        self
    }

    /// The node is not text; where any text would do, says how to make it one.
    pub(super) fn not_text(node: &Node, expected: &dyn Expected) -> Self {
        let found = Unexpected::Other(node.kind());
        let mut error = <Self as de::Error>::invalid_type(found, expected);
        let is_scalar = matches!(node.value, Value::Scalar { .. }) && !node.is_null();
        if is_scalar && expected.to_string() == "a string" {
            error.help = Some("put it in quotes to make it text".to_owned());
        }
        error
    }

    /// Position of the key, if the fault is that it is unknown.
    pub(super) fn unknown_field(&self) -> Option<Point> {
        self.unknown.as_ref().and(self.span).map(|span| span.start)
    }

    /// `also_allowed` are names that `root` itself may have besides those of its type.
    pub(super) fn into_fault(self, root: &Node, also_allowed: &[&str]) -> Fault {
        let span = self.span.unwrap_or(root.span);
        let help = self.unknown.map(|(name, known)| {
            let of_root = root.entries().iter().any(|entry| entry.key_span == span);
            let also = if of_root { also_allowed } else { &[] };
            suggest::help(&name, &[also, known].concat())
        });
        Fault {
            message: self.message,
            help: help.or(self.help),
            span: Some(span),
            related: None,
        }
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!(
            "expected {}, found {}",
            wanted(expected),
            kind_of(found)
        ))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!(
            "expected {}, found {} out of range",
            wanted(expected),
            kind_of(found)
        ))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut error = Self::new(format!("`{variant}` is not known here"));
        error.help = Some(suggest::help(variant, expected));
        error
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let mut error = Self::new(format!("unknown field `{field}`"));
        error.unknown = Some((field.to_owned(), expected));
        error
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("missing field `{field}`"))
    }
}

fn kind_of(found: Unexpected<'_>) -> &str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Str(_) | Unexpected::Char(_) => "text",
        Unexpected::Unit | Unexpected::Option => "nothing",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a mapping",
        Unexpected::Other(kind) => kind,
        _ => "something else",
    }
}

/// Rust's names for types, in words.
fn wanted(expected: &dyn Expected) -> String {
    let name = expected.to_string();
    let words = match name.as_str() {
        "bool" | "a boolean" => "`true` or `false`",
        "a string" => "text",
        "a sequence" => "a list",
        "a map" => "a mapping",
        "u8" => "an integer from 0 to 255",
        "u16" => "an integer from 0 to 65535",
        "u32" => "an integer from 0 to 4294967295",
        "u64" | "usize" => "an integer of 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer",
        "f32" | "f64" => "a number",
        _ if name.starts_with("struct ") => "a mapping",
        _ if name.starts_with("enum ") => "a word",
        _ => return name,
    };
    words.to_owned()
}
