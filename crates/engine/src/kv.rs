//! The paged KV cache: blocks with reference counts, found again by the hash of their content.
//!
//! A block is *used* (some sequence refers to it) or *free*. A free block keeps its content and
//! hash until it is taken for something else, so the prefix cache costs no memory of its own.
//! Free blocks are taken in this order: those without a hash, then the least recently released;
//! a sequence releases its tail first, so a chain shrinks from its tail and never leaves
//! unreachable blocks behind an evicted head.

mod host;
mod order;

use std::collections::HashMap;

use foldhash::fast::FixedState;

use self::host::HostTier;
use self::order::Order;

/// A block on the GPU, by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct BlockId(u32);

#[derive(Clone, Debug, Default)]
struct Block {
    hash: Option<u64>,
    references: u32,
}

/// How much of a sequence the cache holds, from its first block without a gap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hits {
    /// Blocks on the GPU.
    pub(crate) blocks: Vec<BlockId>,
    /// Of these, how many are free.
    idle: u32,
    /// Blocks after them that the host tier holds.
    pub(crate) host: u32,
}

impl Hits {
    /// Blocks found in either tier.
    pub(crate) fn len(&self) -> u32 {
        self.blocks.len() as u32 + self.host
    }
}

/// All blocks of one engine.
#[derive(Clone, Debug)]
pub(crate) struct KvCache {
    blocks: Vec<Block>,
    free: Order,
    cached: HashMap<u64, BlockId, FixedState>,
    host: HostTier,
}

impl KvCache {
    pub(crate) fn new(blocks: u32, host_blocks: u32) -> Self {
        Self {
            blocks: vec![Block::default(); blocks as usize],
            free: Order::counting(blocks),
            cached: HashMap::default(),
            host: HostTier::new(host_blocks),
        }
    }

    pub(crate) fn total(&self) -> u32 {
        self.blocks.len() as u32
    }

    pub(crate) fn used(&self) -> u32 {
        self.total() - self.free.len()
    }

    /// Counts the leading blocks of `hashes` that either tier holds.
    pub(crate) fn count_hits(&self, hashes: &[u64]) -> u32 {
        let held = |hash: &&u64| self.cached.contains_key(hash) || self.host.contains(**hash);
        hashes.iter().take_while(held).count() as u32
    }

    /// Finds the leading blocks of `hashes`, replacing what `hits` held.
    pub(crate) fn find(&self, hashes: &[u64], hits: &mut Hits) {
        hits.blocks.clear();
        hits.blocks.extend(
            hashes
                .iter()
                .map_while(|hash| self.cached.get(hash).copied()),
        );
        let idle = hits
            .blocks
            .iter()
            .filter(|block| self.blocks[block.0 as usize].references == 0);
        hits.idle = idle.count() as u32;
        let rest = hashes.get(hits.blocks.len()..).unwrap_or_default();
        hits.host = rest
            .iter()
            .take_while(|hash| self.host.contains(**hash))
            .count() as u32;
    }

    /// Gives a sequence the blocks found for it and new ones up to `blocks` together. Changes
    /// nothing and returns `false` if there is no room.
    pub(crate) fn admit(&mut self, hits: &Hits, blocks: u32, table: &mut Vec<BlockId>) -> bool {
        let fresh = blocks.saturating_sub(hits.blocks.len() as u32);
        if fresh + hits.idle > self.free.len() {
            return false;
        }
        for id in &hits.blocks {
            let block = &mut self.blocks[id.0 as usize];
            if block.references == 0 {
                self.free.remove(id.0);
            }
            block.references += 1;
        }
        table.extend_from_slice(&hits.blocks);
        self.extend(blocks, table)
    }

    /// Grows `table` to `blocks` blocks. Changes nothing and returns `false` if there is no room.
    pub(crate) fn extend(&mut self, blocks: u32, table: &mut Vec<BlockId>) -> bool {
        let missing = blocks.saturating_sub(table.len() as u32);
        if missing > self.free.len() {
            return false;
        }
        for _ in 0..missing {
            if let Some(at) = self.free.pop_front() {
                self.forget(BlockId(at));
                self.blocks[at as usize].references = 1;
                table.push(BlockId(at));
            }
        }
        true
    }

    /// Makes a block that has been computed findable. Of equal blocks the first stays.
    pub(crate) fn register(&mut self, id: BlockId, hash: u64) {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.cached.entry(hash) {
            entry.insert(id);
            self.blocks[id.0 as usize].hash = Some(hash);
        }
    }

    /// Gives back a sequence's blocks, tail first.
    pub(crate) fn release(&mut self, table: &mut Vec<BlockId>) {
        for id in table.drain(..).rev() {
            let block = &mut self.blocks[id.0 as usize];
            block.references -= 1;
            match (block.references, block.hash) {
                (0, Some(_)) => self.free.push_back(id.0),
                (0, None) => self.free.push_front(id.0),
                _ => {}
            }
        }
    }

    /// Drops a block's content, which moves to the host tier.
    fn forget(&mut self, id: BlockId) {
        if let Some(hash) = self.blocks[id.0 as usize].hash.take() {
            self.cached.remove(&hash);
            self.host.insert(hash);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
