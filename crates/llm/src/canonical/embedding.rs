//! Texts that are to become vectors.

use std::borrow::Cow;

use super::{Dropped, Given};
use crate::base64;
use crate::response::Usage;
use crate::wire::{Fault, ListWriter, ObjectWriter, Value};

/// A request for vectors, one for each text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Embedding<'a> {
    pub(crate) model: Cow<'a, str>,
    pub(crate) texts: Vec<Cow<'a, str>>,
    /// Numbers that a vector is to have.
    pub(crate) dimensions: Option<Given<u64>>,
    pub(crate) purpose: Option<Given<Purpose>>,
    /// What becomes of a text that the model cannot read as a whole; without a word of the client it is
    /// refused, as far as the API can say so.
    pub(crate) cut: Option<Given<Cut>>,
    /// The end user, as the client names it.
    pub(crate) user: Option<Given<Cow<'a, str>>>,
    /// How the client wants its answer.
    pub(crate) wanted: Wanted,
    /// Fields that this model does not know. They are hints.
    pub(crate) rest: Vec<Cow<'a, str>>,
}

impl Embedding<'_> {
    /// Notes the hints that no other API has a counterpart of.
    pub(crate) fn drop_rest(&self, dropped: &mut Dropped) {
        self.rest.iter().for_each(|name| dropped.add(&**name));
    }
}

/// What vectors are to be used for: models trained for it make others of a question than of what it is
/// to be found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be found.
    Document,
    /// To find documents by.
    Query,
    /// To find code by.
    CodeQuery,
    /// To find an answer by.
    Question,
    /// To find by it what speaks for or against.
    FactCheck,
    Classification,
    Clustering,
    /// To be compared with others of its kind.
    Similarity,
}

/// Which end of a text that is too long is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Neither: it is refused.
    Neither,
    Start,
    End,
}

/// How a client wants its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Vectors as lists of numbers.
    pub(crate) numbers: bool,
    /// Vectors as their 32-bit floats, little end first, in base64.
    pub(crate) base64: bool,
    /// The vector of the one text, in an API that has another form for several.
    pub(crate) alone: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            numbers: true,
            base64: false,
            alone: false,
        }
    }
}

/// The vectors, in the order of the texts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Vectors<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) model: Cow<'a, str>,
    pub(crate) vectors: Vec<Vector<'a>>,
    pub(crate) usage: Option<Usage>,
}

/// A vector, as its API writes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Vector<'a> {
    /// A list of numbers.
    Numbers(&'a str),
    /// The floats.
    Floats(Vec<f32>),
}

impl<'a> Vector<'a> {
    /// Reads a list of numbers, or the floats in base64.
    pub(crate) fn read(value: Value<'a, '_>) -> Result<Self, Fault> {
        if !value.is_text() {
            return Self::read_numbers(value);
        }
        let bytes = base64::bytes(&value.text()?).filter(|bytes| bytes.len().is_multiple_of(4));
        let bytes = bytes.ok_or_else(|| value.fault("is not of floats in base64"))?;
        let (floats, _) = bytes.as_chunks();
        let floats: Vec<f32> = floats.iter().copied().map(f32::from_le_bytes).collect();
        if floats.iter().all(|float| float.is_finite()) {
            Ok(Self::Floats(floats))
        } else {
            Err(value.fault("has what is no number"))
        }
    }

    /// Reads a list of numbers.
    pub(crate) fn read_numbers(value: Value<'a, '_>) -> Result<Self, Fault> {
        let items = value.raw().strip_prefix('[');
        // It is JSON: what has none of these has numbers alone.
        let is_other = |byte: u8| matches!(byte, b'"' | b'[' | b'{' | b't' | b'f' | b'n');
        match items.filter(|items| !items.bytes().any(is_other)) {
            Some(_) => Ok(Self::Numbers(value.raw())),
            None => Err(value.expected("a list of numbers")),
        }
    }

    /// Writes the numbers as a field.
    pub(crate) fn write_numbers(&self, name: &str, o: &mut ObjectWriter<'_>) {
        match self {
            Self::Numbers(raw) => o.raw(name, raw),
            Self::Floats(floats) => o.value(name, floats),
        }
    }

    /// Writes the numbers as an item.
    pub(crate) fn list_numbers(&self, list: &mut ListWriter<'_>) {
        match self {
            Self::Numbers(raw) => list.raw(raw),
            Self::Floats(floats) => list.value(floats),
        }
    }

    /// The floats in base64.
    ///
    /// # Errors
    /// If they are no numbers.
    pub(crate) fn base64(&self) -> Result<String, Fault> {
        let floats = match self {
            Self::Numbers(raw) => {
                let parsed = serde_json::from_str::<Vec<f32>>(raw);
                Cow::Owned(parsed.map_err(|_| Fault::new("embedding", "is no list of numbers"))?)
            }
            Self::Floats(floats) => Cow::Borrowed(floats),
        };
        let bytes: Vec<u8> = floats.iter().copied().flat_map(f32::to_le_bytes).collect();
        Ok(base64::encode(&bytes))
    }
}
