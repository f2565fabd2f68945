//! How probable a model found what it wrote.

use std::borrow::Cow;

/// A token of an answer's text, and what could have stood in its place.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Token<'a> {
    pub(crate) text: Cow<'a, str>,
    /// The natural logarithm of its probability.
    pub(crate) log_probability: f64,
    /// Its bytes as a JSON list, where it may be a part of a character.
    pub(crate) bytes: Option<Cow<'a, str>>,
    /// The most probable tokens of this place, without alternatives of their own.
    pub(crate) top: Vec<Token<'a>>,
}

impl Token<'_> {
    pub(crate) fn into_owned(self) -> Token<'static> {
        Token {
            text: Cow::Owned(self.text.into_owned()),
            log_probability: self.log_probability,
            bytes: self.bytes.map(|bytes| Cow::Owned(bytes.into_owned())),
            top: self.top.into_iter().map(Token::into_owned).collect(),
        }
    }

    /// About what it takes in memory.
    pub(crate) fn size(&self) -> usize {
        let bytes = self.bytes.as_ref().map_or(0, |bytes| bytes.len());
        let top: usize = self.top.iter().map(Token::size).sum();
        size_of::<Self>() + self.text.len() + bytes + top
    }
}
