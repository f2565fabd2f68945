//! A fingerprint of a prompt whose prefixes can be compared: what a KV cache would have in common.
//!
//! It is taken of *decoded content in chat-template order* (tools, then system, then messages), not
//! of raw JSON: two clients that differ in white space, field order or escapes make an engine
//! compute the same tokens. Text is cut every [`BLOCK_BYTES`] bytes and at the end of each message,
//! so a conversation that grows by a message only adds blocks. Media count as one block by the hash
//! of what they are given as.
//!
//! Blocks are hashed on their own, in whatever order the body brings them, and chained only when
//! asked for ([`PromptDigest::chain`]): the chain is salted by what separates caches, which is known
//! later than the content.
//!
//! Hashes are XXH3 (64 bits): fast, stable across processes and versions, and not collision
//! resistant against an adversary. A collision costs a wrong guess about a cache, nothing else, and
//! the salt keeps it inside one isolation domain.

use smallvec::SmallVec;
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

mod value;

pub(crate) use value::ValueHasher;

/// Decoded bytes in a full block of text, about 256 tokens.
pub const BLOCK_BYTES: u32 = 1024;

/// Bytes that a medium counts as: what OpenAI documents for a 1024×1024 image in high detail (765
/// tokens), at [`BYTES_PER_TOKEN`](crate::tokens::BYTES_PER_TOKEN).
pub const MEDIUM_BYTES: u32 = 765 * 4;

/// Blocks a digest has at most; what follows in a longer prompt is left out, so that many tiny
/// messages cannot make a digest larger than their body. Full blocks reach 16 MiB.
pub const MAX_BLOCKS: usize = 16 * 1024;

/// A piece of a prompt by its content alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Block {
    /// Hash of the content, and of the role where a message begins.
    pub hash: u64,
    /// Decoded bytes of the content.
    pub bytes: u32,
}

/// A piece of a prompt by its content and everything before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainedBlock {
    /// Equal only where the salt and all blocks so far are equal.
    pub hash: u64,
    /// Decoded bytes of this block alone.
    pub bytes: u32,
}

/// What separates caches that hold the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Salt(u64);

impl Salt {
    /// Of the model's name, its LoRA adapter (empty for none) and the isolation domain (for
    /// example the tenant; empty if all share).
    #[must_use]
    pub fn new(model: &str, adapter: &str, isolation: &str) -> Self {
        let parts = [model, adapter, isolation];
        Self(
            parts
                .iter()
                .fold(0, |salt, part| mix(salt, xxh3_64(part.as_bytes()))),
        )
    }
}

/// A prompt's blocks in chat-template order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptDigest {
    /// First the tools, then the system prompt and the messages.
    pub blocks: Vec<Block>,
}

impl PromptDigest {
    /// The blocks chained: equal prefixes of two prompts under one salt give equal prefixes of
    /// their chains.
    pub fn chain(&self, salt: &Salt) -> impl Iterator<Item = ChainedBlock> + use<'_> {
        self.blocks.iter().scan(salt.0, |state, block| {
            *state = mix(*state, block.hash);
            Some(ChainedBlock {
                hash: *state,
                bytes: block.bytes,
            })
        })
    }

    /// Decoded bytes of all blocks.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.bytes)).sum()
    }
}

/// Joins two hashes so that neither their order nor their sum can be exchanged.
pub(crate) fn mix(seed: u64, value: u64) -> u64 {
    xxh3_64_with_seed(&value.to_le_bytes(), seed)
}

/// Takes a prompt apart into blocks as its pieces arrive.
///
/// Text of a message comes before its end, its role may come anywhere in it: so the role is mixed
/// into the message's first block when the message ends.
///
/// Instructions that stand outside of the messages are a message of their own, which takes the place
/// of the turns while it is read: it may stand anywhere in the body.
pub(crate) struct Digester {
    tools: Vec<Block>,
    system: Vec<Block>,
    turns: Vec<Block>,
    message_start: usize,
    /// What was told of each part that is open, text and media aside.
    parts: SmallVec<[Option<Details>; 2]>,
    text: Xxh3,
    text_bytes: u32,
    extras: u64,
    extra_bytes: u64,
    pub(crate) value: ValueHasher,
}

/// Fields of a part, in whatever order.
#[derive(Clone, Copy, Default)]
struct Details {
    hash: u64,
    bytes: u64,
}

impl std::fmt::Debug for Digester {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Digester")
            .field("turns", &self.turns.len())
            .finish_non_exhaustive()
    }
}

impl Digester {
    pub(crate) fn new() -> Self {
        Self {
            tools: Vec::new(),
            system: Vec::new(),
            turns: Vec::new(),
            message_start: 0,
            parts: SmallVec::new(),
            text: Xxh3::new(),
            text_bytes: 0,
            extras: 0,
            extra_bytes: 0,
            value: ValueHasher::new(),
        }
    }

    /// Some more text of the current message.
    pub(crate) fn text(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let room = (BLOCK_BYTES - self.text_bytes) as usize;
            let (now, later) = piece.split_at(room.min(piece.len()));
            self.text.update(now);
            self.text_bytes += now.len() as u32;
            if self.text_bytes == BLOCK_BYTES {
                self.cut();
            }
            piece = later;
        }
    }

    /// Ends the current block of text, so that what follows is not joined to it.
    pub(crate) fn cut(&mut self) {
        if self.text_bytes > 0 {
            let block = Block {
                hash: self.text.digest(),
                bytes: self.text_bytes,
            };
            push(&mut self.turns, block);
            self.text.reset();
            self.text_bytes = 0;
        }
    }

    /// A part of the current message that is not text, by the hash of its value.
    pub(crate) fn medium(&mut self, hash: u64) {
        self.cut();
        push(
            &mut self.turns,
            Block {
                hash,
                bytes: MEDIUM_BYTES,
            },
        );
    }

    /// A part of the current content begins.
    pub(crate) fn begin_part(&mut self) {
        self.parts.push(None);
    }

    /// A field of the current part beside text and media; the order of several is ignored.
    pub(crate) fn detail(&mut self, key: &[u8], value: u64, bytes: u64) {
        if let Some(part) = self.parts.last_mut() {
            let details = part.get_or_insert_default();
            details.hash = details.hash.wrapping_add(mix(xxh3_64(key), value));
            details.bytes += bytes;
        }
    }

    /// Ends the current part. Its details are a block, behind what it has of text and media.
    pub(crate) fn end_part(&mut self) {
        if let Some(details) = self.parts.pop().flatten() {
            self.cut();
            push(
                &mut self.turns,
                Block {
                    hash: details.hash,
                    bytes: saturate(details.bytes),
                },
            );
        }
    }

    /// Begins the instructions that stand outside of the messages.
    pub(crate) fn begin_system(&mut self) {
        std::mem::swap(&mut self.turns, &mut self.system);
        self.message_start = self.turns.len();
    }

    /// Ends them. They are what a message of that role would be.
    pub(crate) fn end_system(&mut self) {
        self.end_message(b"system");
        std::mem::swap(&mut self.turns, &mut self.system);
        self.message_start = self.turns.len();
    }

    /// A field of the current message beside role and content; the order of several is ignored.
    pub(crate) fn extra(&mut self, key: &[u8], value: u64, bytes: u64) {
        self.extras = self.extras.wrapping_add(mix(xxh3_64(key), value));
        self.extra_bytes += bytes;
    }

    /// One tool's definition.
    pub(crate) fn tool(&mut self, hash: u64, bytes: u64) {
        push(
            &mut self.tools,
            Block {
                hash,
                bytes: saturate(bytes),
            },
        );
    }

    /// Ends the current message.
    pub(crate) fn end_message(&mut self, role: &[u8]) {
        self.cut();
        let extra_bytes = std::mem::take(&mut self.extra_bytes);
        let extras = std::mem::take(&mut self.extras);
        if extras != 0 || self.turns.len() == self.message_start {
            push(
                &mut self.turns,
                Block {
                    hash: extras,
                    bytes: saturate(extra_bytes),
                },
            );
        }
        if let Some(first) = self.turns.get_mut(self.message_start) {
            first.hash = mix(xxh3_64(role), first.hash);
        }
        self.message_start = self.turns.len();
    }

    pub(crate) fn finish(mut self) -> PromptDigest {
        self.cut();
        let mut blocks = self.tools;
        blocks.append(&mut self.system);
        blocks.append(&mut self.turns);
        blocks.truncate(MAX_BLOCKS);
        PromptDigest { blocks }
    }
}

fn push(blocks: &mut Vec<Block>, block: Block) {
    if blocks.len() < MAX_BLOCKS {
        blocks.push(block);
    }
}

fn saturate(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
