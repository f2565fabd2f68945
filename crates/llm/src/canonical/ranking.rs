//! Documents that are to be ordered by what they have to do with a question.

use std::borrow::Cow;

use super::Given;
use crate::response::Usage;

/// A request for an order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ranking<'a> {
    pub(crate) model: Cow<'a, str>,
    pub(crate) query: Cow<'a, str>,
    pub(crate) documents: Vec<Cow<'a, str>>,
    /// How many of the best are wanted.
    pub(crate) top: Option<u64>,
    /// Tokens that are read of each document at most.
    pub(crate) document_tokens: Option<Given<u64>>,
    /// Fields that this model does not know. They are hints.
    pub(crate) rest: Vec<Cow<'a, str>>,
}

/// The order, best first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ranked<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) model: Cow<'a, str>,
    pub(crate) places: Vec<Placed<'a>>,
    pub(crate) usage: Option<Usage>,
}

/// A document in its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placed<'a> {
    /// Its number among those that were sent.
    pub(crate) index: u64,
    /// How much it has to do with the question, as the model's server writes it: the more, the better.
    pub(crate) relevance: &'a str,
}
