//! Reads what a plain JSON answer reports while its bytes are forwarded.
//!
//! Only the top-level `usage`, `model` and `error`, or what the dialect calls them, are kept, each
//! bounded; a value beyond its bound is not reported. An answer that is not JSON is none of our
//! business: the tap then reports nothing.

use super::shape::Shape;
use super::{UpstreamError, Usage};
use crate::json::{Lexer, MAX_DEPTH, Name, SyntaxError, Token, Visitor};
use crate::{Api, Dialect};

/// Bytes kept of each value.
const MAX_CAPTURE: usize = 16 * 1024;

/// What a plain answer reported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plain {
    /// Tokens used.
    pub usage: Option<Usage>,
    /// The model that answered, as the upstream calls it.
    pub model: Option<String>,
    /// The error, if the answer is one.
    pub error: Option<UpstreamError>,
    /// Whether the answer was one complete JSON object.
    pub complete: bool,
}

/// Watches a plain answer.
#[derive(Debug)]
pub struct PlainTap {
    shape: Shape,
    lexer: Lexer,
    captures: Captures,
    /// Its first character has come, or says nothing.
    begun: bool,
    valid: bool,
}

impl PlainTap {
    /// Watches an answer of `api`.
    #[must_use]
    pub fn new(api: Api) -> Self {
        Self {
            shape: Shape::of(api),
            lexer: Lexer::new(MAX_DEPTH),
            captures: Captures::of(wanted(api.dialect)),
            // Other dialects know no such answer.
            begun: api.dialect != Dialect::Gemini,
            valid: true,
        }
    }

    /// Takes the next bytes of the answer.
    pub fn feed(&mut self, piece: &[u8]) {
        if !self.valid {
            return;
        }
        if !self.begun {
            self.begin(piece);
        }
        let offset = self.lexer.offset();
        self.valid = self.lexer.push(piece, &mut self.captures).is_ok();
        self.captures.keep(offset, piece);
    }

    /// A stream that is one array of answers is read as the value of an object's field, since what
    /// is read are objects. The last answer that says something counts.
    fn begin(&mut self, piece: &[u8]) {
        let first = piece.iter().find(|byte| !byte.is_ascii_whitespace());
        self.begun = first.is_some();
        if first == Some(&b'[') {
            self.valid = self.lexer.push(ARRAY.0, &mut self.captures).is_ok();
            self.captures.outside = 2;
        }
    }

    /// What the answer reported, at its end.
    #[must_use]
    pub fn finish(mut self) -> Plain {
        if self.captures.outside > 0 {
            self.feed(ARRAY.1);
        }
        let complete = self.valid && self.lexer.finish().is_ok();
        let [usage, model, error, other] = self.captures.slots.map(Slot::take);
        Plain {
            usage: self.shape.usage(usage.as_deref(), other.as_deref()),
            model: model.and_then(|raw| serde_json::from_slice(&raw).ok()),
            error: self.shape.error(error.as_deref(), other.as_deref()),
            complete,
        }
    }
}

/// What stands around an array that is to be the value of a field.
const ARRAY: (&[u8], &[u8]) = (b"{\"\":", b"}");

/// No name: what is found under it is not read.
const NONE: &[u8] = b"";

/// The names of the usage, the model, the error, and of a second part of the usage or the error.
const fn wanted(dialect: Dialect) -> [&'static [u8]; 4] {
    match dialect {
        Dialect::OpenAi | Dialect::Anthropic => [b"usage", b"model", b"error", NONE],
        Dialect::Gemini => [b"usageMetadata", b"modelVersion", b"error", NONE],
        Dialect::Ollama => [b"prompt_eval_count", b"model", b"error", b"eval_count"],
        // Some parts of AWS spell the message of an error with a capital.
        Dialect::Bedrock => [b"usage", NONE, b"message", b"Message"],
        // What is no conversation tells of its cost in `meta`.
        Dialect::Cohere => [b"usage", NONE, b"message", b"meta"],
    }
}

/// The raw bytes of the top-level values that matter. A repeated field replaces the earlier.
#[derive(Debug)]
struct Captures {
    /// The names of the slots, in their order.
    wanted: [&'static [u8]; 4],
    /// Containers around the object whose fields are kept.
    outside: u32,
    depth: u32,
    key: Name,
    slots: [Slot; 4],
    current: Option<usize>,
}

#[derive(Debug, Default)]
struct Slot {
    start: Option<u64>,
    end: Option<u64>,
    raw: Vec<u8>,
    too_long: bool,
}

impl Slot {
    fn take(self) -> Option<Vec<u8>> {
        (self.end.is_some() && !self.too_long).then_some(self.raw)
    }

    /// Keeps the part of its value that lies in `piece`, which begins at `offset`.
    fn keep(&mut self, offset: u64, piece: &[u8]) {
        let Some(start) = self.start else { return };
        let end = self
            .end
            .unwrap_or(u64::MAX)
            .min(offset + piece.len() as u64);
        let from = start.max(offset);
        if from >= end {
            return;
        }
        let range = (from - offset) as usize..(end - offset) as usize;
        let part = piece.get(range).unwrap_or_default();
        self.too_long |= self.raw.len() + part.len() > MAX_CAPTURE;
        if !self.too_long {
            self.raw.extend_from_slice(part);
        }
    }
}

impl Captures {
    fn of(wanted: [&'static [u8]; 4]) -> Self {
        Self {
            wanted,
            outside: 0,
            depth: 0,
            key: Name::default(),
            slots: Default::default(),
            current: None,
        }
    }

    /// The depth of the fields that are kept.
    const fn fields(&self) -> u32 {
        self.outside + 1
    }

    fn keep(&mut self, offset: u64, piece: &[u8]) {
        self.slots
            .iter_mut()
            .for_each(|slot| slot.keep(offset, piece));
    }
}

impl Visitor for Captures {
    type Error = SyntaxError;

    fn begin(&mut self, token: Token, at: u64) -> Result<(), SyntaxError> {
        if self.depth == self.fields() {
            if token == Token::Key {
                self.key.clear();
            } else if let Some(slot) = self.current.and_then(|index| self.slots.get_mut(index)) {
                *slot = Slot {
                    start: Some(at),
                    ..Slot::default()
                };
            }
        }
        self.depth += u32::from(token.is_container());
        Ok(())
    }

    fn text(&mut self, token: Token, piece: &[u8]) -> Result<(), SyntaxError> {
        if self.depth == self.fields() && token == Token::Key {
            self.key.push(piece);
        }
        Ok(())
    }

    fn skips(&self) -> bool {
        self.depth > self.fields()
    }

    fn end(&mut self, token: Token, end: u64) -> Result<(), SyntaxError> {
        self.depth -= u32::from(token.is_container());
        if self.depth != self.fields() {
            return Ok(());
        }
        if token == Token::Key {
            let name = self.key.as_bytes();
            self.current = self.wanted.iter().position(|wanted| *wanted == name);
        } else if let Some(slot) = self
            .current
            .take()
            .and_then(|index| self.slots.get_mut(index))
        {
            slot.end = Some(end);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
