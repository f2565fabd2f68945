//! Parts one after another, for APIs whose clients know one open block at a time.
//!
//! The calls of other dialects may come interleaved. So one block is written as it comes, and what
//! others have to say is held until it is closed, up to a bound.

use std::marker::PhantomData;

use super::{Delta, Opening};

/// Bytes of blocks that wait for another to close, at most: no model writes so much at once.
const MAX_HELD: usize = 1 << 20;

/// How an API writes blocks.
pub(crate) trait WriteBlock {
    /// The block begins.
    fn start(index: u64, kind: &Kind, out: &mut Vec<u8>);
    /// The block goes on.
    fn delta(index: u64, aspect: Aspect, text: &str, out: &mut Vec<u8>);
    /// The block is complete.
    fn stop(index: u64, out: &mut Vec<u8>);
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Thinking,
    Redacted { data: Box<str> },
    Call { id: Box<str>, name: Box<str> },
}

impl Kind {
    /// What begins so; a refusal is text.
    pub(crate) fn of(opening: &Opening<'_>) -> Self {
        match opening {
            Opening::Text | Opening::Refusal => Self::Text,
            Opening::Reasoning => Self::Thinking,
            Opening::Redacted(data) => Self::Redacted {
                data: Box::from(&**data),
            },
            Opening::ToolCall { id, name } => Self::Call {
                id: Box::from(&**id),
                name: Box::from(&**name),
            },
        }
    }
}

/// What is added to a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aspect {
    Text,
    Thinking,
    Signature,
    Arguments,
    /// JSON: one of the sources of a text.
    Citation,
}

/// More is held than may be.
#[derive(Debug, thiserror::Error)]
#[error("the model's calls are longer than {MAX_HELD} bytes")]
pub(crate) struct Overflow;

/// The blocks of a stream that are not written to their end.
#[derive(Debug)]
pub(crate) struct Blocks<W> {
    /// In the order in which they were opened.
    blocks: Vec<Block>,
    /// Bytes held in `blocks`.
    held: usize,
    /// Blocks that have begun.
    begun: u64,
    writer: PhantomData<W>,
}

/// A part that has been opened.
#[derive(Debug)]
struct Block {
    part: u32,
    kind: Kind,
    /// The block's number, once it is written as it comes. That is not at once for text, which may
    /// stay empty: clients send the blocks of an answer back, and APIs refuse empty text.
    index: Option<u64>,
    /// It is complete, but for what is held.
    closed: bool,
    held: Vec<(Aspect, String)>,
}

impl Block {
    /// Whether there is something to write of it.
    fn says_something(&self) -> bool {
        match self.kind {
            Kind::Text | Kind::Thinking => {
                let mut held = self.held.iter();
                held.any(|(aspect, _)| *aspect != Aspect::Citation)
            }
            Kind::Redacted { .. } | Kind::Call { .. } => true,
        }
    }

    /// What it holds, in bytes.
    fn size(&self) -> usize {
        let kind = match &self.kind {
            Kind::Text | Kind::Thinking => 0,
            Kind::Redacted { data } => data.len(),
            Kind::Call { id, name } => id.len() + name.len(),
        };
        let pieces = self.held.iter().map(|(_, text)| text.len());
        size_of::<Self>() + kind + pieces.sum::<usize>()
    }

    fn hold(&mut self, aspect: Aspect, text: &str) {
        match self.held.last_mut() {
            Some((last, held)) if *last == aspect && aspect != Aspect::Citation => {
                held.push_str(text);
            }
            _ => self.held.push((aspect, text.to_owned())),
        }
    }
}

impl<W> Default for Blocks<W> {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            held: 0,
            begun: 0,
            writer: PhantomData,
        }
    }
}

impl<W: WriteBlock> Blocks<W> {
    /// A part begins.
    ///
    /// # Errors
    /// If more is held than may be.
    pub(crate) fn open(
        &mut self,
        part: u32,
        opening: &Opening<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Overflow> {
        let block = Block {
            part,
            kind: Kind::of(opening),
            index: None,
            closed: false,
            held: Vec::new(),
        };
        self.held += block.size();
        self.blocks.push(block);
        self.advance(out);
        self.bound()
    }

    /// A part goes on.
    ///
    /// # Errors
    /// If more is held than may be.
    pub(crate) fn delta(
        &mut self,
        part: u32,
        delta: &Delta<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Overflow> {
        let mut blocks = self.blocks.iter_mut();
        let Some(block) = blocks.find(|block| block.part == part && !block.closed) else {
            return Ok(());
        };
        let (aspect, text) = match (&block.kind, delta) {
            (Kind::Text, Delta::Text(text)) => (Aspect::Text, text),
            (Kind::Thinking, Delta::Text(text)) => (Aspect::Thinking, text),
            (Kind::Thinking, Delta::Signature(text)) => (Aspect::Signature, text),
            (Kind::Call { .. }, Delta::Arguments(text)) => (Aspect::Arguments, text),
            // Proofs of calls have no place in these APIs.
            _ => return Ok(()),
        };
        if text.is_empty() {
            return Ok(());
        }
        if let Some(index) = block.index {
            W::delta(index, aspect, text, out);
            return Ok(());
        }
        block.hold(aspect, text);
        self.held += text.len();
        self.advance(out);
        self.bound()
    }

    /// A part that is text cites what `citation`, an object of JSON, says.
    ///
    /// # Errors
    /// If more is held than may be.
    pub(crate) fn cite(
        &mut self,
        part: u32,
        citation: Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Overflow> {
        let mut blocks = self.blocks.iter_mut();
        let cites =
            |block: &&mut Block| block.part == part && !block.closed && block.kind == Kind::Text;
        let Some(block) = blocks.find(cites) else {
            return Ok(());
        };
        let citation = String::from_utf8(citation).unwrap_or_default();
        if let Some(index) = block.index {
            W::delta(index, Aspect::Citation, &citation, out);
            return Ok(());
        }
        // Words stand without their sources, calls do not without their arguments.
        if self.held + citation.len() > MAX_HELD / 2 {
            return Ok(());
        }
        // No block begins by what it cites: it may have no words.
        block.hold(Aspect::Citation, &citation);
        self.held += citation.len();
        self.bound()
    }

    /// A part is complete.
    pub(crate) fn close(&mut self, part: u32, out: &mut Vec<u8>) {
        self.close_where(|block| block.part == part, out);
    }

    /// All parts are complete.
    pub(crate) fn close_all(&mut self, out: &mut Vec<u8>) {
        self.close_where(|_| true, out);
    }

    /// Forgets what is not written.
    pub(crate) fn clear(&mut self) {
        self.blocks = Vec::new();
        self.held = 0;
    }

    /// Lets the first block that says something be written, if none is, and ends those that are
    /// closed.
    fn advance(&mut self, out: &mut Vec<u8>) {
        loop {
            let written = self.blocks.iter().position(|block| block.index.is_some());
            let next = || self.blocks.iter().position(Block::says_something);
            let Some(at) = written.or_else(next) else {
                break;
            };
            let Some(block) = self.blocks.get_mut(at) else {
                break;
            };
            let before = block.size();
            let index = *block.index.get_or_insert(self.begun);
            if written.is_none() {
                self.begun += 1;
                W::start(index, &block.kind, out);
            }
            for (aspect, text) in std::mem::take(&mut block.held) {
                W::delta(index, aspect, &text, out);
            }
            self.held -= before - block.size();
            if !block.closed {
                break;
            }
            W::stop(index, out);
            self.held -= block.size();
            self.blocks.remove(at);
        }
    }

    const fn bound(&self) -> Result<(), Overflow> {
        if self.held > MAX_HELD {
            return Err(Overflow);
        }
        Ok(())
    }

    fn close_where(&mut self, which: impl Fn(&Block) -> bool, out: &mut Vec<u8>) {
        for block in self.blocks.iter_mut().filter(|block| which(block)) {
            block.closed = true;
        }
        self.advance(out);
        // What is left and closed waits, or has said nothing.
        let held = &mut self.held;
        self.blocks.retain(|block| {
            let is_kept = !block.closed || block.says_something();
            if !is_kept {
                *held -= block.size();
            }
            is_kept
        });
    }
}
