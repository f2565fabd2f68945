//! The model between dialects: one form of request, answer and event that each dialect is read into
//! and written from.
//!
//! With it N dialects in and M out take N + M modules, not N × M. It is wider than any of them: what
//! one dialect can say has its place here, and whether another can say it too is for that one's
//! encoder to know, which carries it over, or drops it as a hint and says so ([`Dropped`]), or refuses
//! by naming the field.
//!
//! Values are borrowed from the text they were read from wherever they are taken over as they are:
//! a prompt with megabytes of images is not copied until it is written. What is opaque to a gateway
//! (schemas, arguments) stays the JSON text it is.

use crate::wire::cut;

pub(crate) mod blocks;
mod calls;
mod citation;
mod conversation;
mod embedding;
mod event;
mod ranking;
pub(crate) mod refusals;
mod request;
mod response;
mod ruler;
mod sources;
mod token;

pub(crate) use calls::tell_apart;
pub(crate) use citation::{
    Citation, Cited, Unit, cut as cut_by_citations, is_link, read_cited,
    read_list as read_citations, span as citation_span,
};
pub(crate) use conversation::{Conversation, Takes, is_said};
pub(crate) use embedding::{Cut, Embedding, Purpose, Vector, Vectors, Wanted};
pub(crate) use event::{Delta, Event, Opening, StreamTerms};
pub(crate) use ranking::{Placed, Ranked, Ranking};
pub(crate) use request::{
    Cache, Content, Effort, Format, Given, Media, MediaKind, Message, Part, Reasoning, Request,
    Role, Source, Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};
pub(crate) use response::{Choice, Finish, Response};
pub(crate) use ruler::{Measure, Ruler, attach as attach_citations};
pub(crate) use sources::{SourcesHeld, SourcesRead};
pub(crate) use token::Token;

/// Names that are kept, and bytes of one; nobody reads more.
const MAX_NAMED: usize = 64;
const MAX_NAME: usize = 200;

/// Names of the client's fields that the target's API cannot express and that an answer can do
/// without.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dropped {
    named: Vec<String>,
    unnamed: u64,
}

impl Dropped {
    /// Notes a field, once.
    pub fn add(&mut self, field: impl Into<String>) {
        if self.named.len() >= MAX_NAMED {
            self.unnamed += 1;
            return;
        }
        let field = cut(field.into(), MAX_NAME);
        if !self.named.contains(&field) {
            self.named.push(field);
        }
    }

    /// Notes a field if it was given.
    pub(crate) fn hint<T>(&mut self, given: Option<&Given<T>>) {
        if let Some(given) = given {
            self.add(given.field);
        }
    }

    /// The first of the fields, in the order in which they were met.
    #[must_use]
    pub fn fields(&self) -> &[String] {
        &self.named
    }

    /// How many there are beside those that are named.
    #[must_use]
    pub const fn unnamed(&self) -> u64 {
        self.unnamed
    }
}
