//! From a tree to the types of `mesh`, through serde, keeping positions.
//!
//! Deserialising from the tree itself, rather than from a JSON value made of it, puts the span of
//! the innermost node into each error at the moment it arises; no path has to be mapped back. It
//! also keeps serde's errors structured: what was unknown and what would have been allowed.

mod enums;
mod error;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::text::{Fault, Point};
use crate::tree::scalar::{self, Scalar};
use crate::tree::{Entry, Node, Value};
use enums::Word;
pub(crate) use error::Error;

/// Unknown fields reported of one value at most.
const MAX_UNKNOWN: usize = 20;

/// Reads a value out of a node. `skip` holds the positions of keys that count as absent, since
/// they are read elsewhere. Unknown fields are all found, other faults one at a time.
pub(crate) fn read<'a, T: Deserialize<'a>>(
    node: &'a Node,
    mut skip: BTreeSet<Point>,
    also_allowed: &[&str],
) -> Result<T, Vec<Fault>> {
    let mut faults = Vec::new();
    loop {
        let error = match T::deserialize(Tree { node, skip: &skip }) {
            Ok(value) if faults.is_empty() => return Ok(value),
            Ok(_) => return Err(faults),
            Err(error) => error,
        };
        let unknown = error.unknown_field();
        faults.push(error.into_fault(node, also_allowed));
        match unknown {
            Some(key) if faults.len() < MAX_UNKNOWN && skip.insert(key) => {}
            _ => return Err(faults),
        }
    }
}

/// A node being read.
#[derive(Clone, Copy)]
struct Tree<'a, 's> {
    node: &'a Node,
    skip: &'s BTreeSet<Point>,
}

impl<'a, 's> Tree<'a, 's> {
    fn child(self, node: &'a Node) -> Self {
        Self {
            node,
            skip: self.skip,
        }
    }

    /// The node, if it is text: quoted, or plain and nothing else.
    fn text(self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar { text, plain } => {
                (!plain || scalar::resolve(text) == Scalar::Text).then_some(&**text)
            }
            _ => None,
        }
    }

    fn visit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Sequence(items) => visitor.visit_seq(Items {
                tree: self,
                items: items.iter(),
            }),
            Value::Mapping(entries) => visitor.visit_map(Fields {
                tree: self,
                entries: entries.iter(),
                value: None,
            }),
            Value::Scalar { text, plain: false } => visitor.visit_borrowed_str(text),
            Value::Scalar { text, plain: true } => match scalar::resolve(text) {
                Scalar::Null => visitor.visit_unit(),
                Scalar::Bool(value) => visitor.visit_bool(value),
                Scalar::Unsigned(value) => visitor.visit_u64(value),
                Scalar::Negative(value) => visitor.visit_i64(value),
                Scalar::Float(value) => visitor.visit_f64(value),
                Scalar::Text => visitor.visit_borrowed_str(text),
            },
        }
    }
}

impl<'de> Deserializer<'de> for Tree<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit(visitor).map_err(|error| error.at(self.node))
    }

    /// Never a number or a boolean for text, though a visitor of numbers may want one.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match self.text() {
            Some(text) => visitor.visit_borrowed_str(text),
            None => Err(Error::not_text(self.node, &visitor)),
        };
        result.map_err(|error| error.at(self.node))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.node.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let result = match self.text() {
            Some(word) => visitor.visit_enum(Word(word)),
            None => Err(Error::invalid_type(
                Unexpected::Other(self.node.kind()),
                &visitor,
            )),
        };
        result.map_err(|error| error.at(self.node))
    }

    /// Only from a mapping: serde's own visitors would take a list of fields in their order, too.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Mapping(_) => self.deserialize_any(visitor),
            _ => {
                let found = Unexpected::Other(self.node.kind());
                Err(Error::invalid_type(found, &visitor).at(self.node))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier
    }
}

struct Items<'a, 's> {
    tree: Tree<'a, 's>,
    items: std::slice::Iter<'a, Node>,
}

impl<'a> SeqAccess<'a> for Items<'a, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.items
            .next()
            .map(|item| seed.deserialize(self.tree.child(item)))
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Fields<'a, 's> {
    tree: Tree<'a, 's>,
    entries: std::slice::Iter<'a, Entry>,
    value: Option<&'a Node>,
}

impl<'a> MapAccess<'a> for Fields<'a, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let skip = self.tree.skip;
        let Some(entry) = self
            .entries
            .find(|entry| !skip.contains(&entry.key_span.start))
        else {
            return Ok(None);
        };
        self.value = Some(&entry.value);
        let key = seed.deserialize(BorrowedStrDeserializer::<Error>::new(&entry.key));
        key.map(Some).map_err(|error| error.at_key(entry))
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(self.tree.child(value)),
            None => Err(Error::custom("a value was asked for before its key")),
        }
    }
}
