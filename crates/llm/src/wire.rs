//! JSON as the dialects read and write it.
//!
//! A translation needs neither a tree nor a struct for every object of every API: it takes the
//! fields it knows, in the order it likes, and must know what was left. So a [`Value`] is the text of
//! a value and where it stands, an [`Object`] the fields of one, each still text. What is opaque to
//! us, such as the schema of a tool, is carried over as the text it is: spelling of numbers and order
//! of fields included, since the model reads them. And a fault names the field as the client would.

mod read;
mod split;
mod write;

#[cfg(test)]
mod tests;

pub use read::Fault;
pub(crate) use read::{Object, Path, Value, cut};
pub(crate) use write::{ListWriter, ObjectWriter, append_object, object};
