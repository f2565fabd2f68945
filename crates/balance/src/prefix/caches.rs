//! The index of a pool: what its configuration says, and whose slot is whose.

use std::num::NonZeroU32;

use smallvec::SmallVec;

use super::{PrefixIndex, Slot};
use crate::config::PrefixCaches;

/// A slot, and which of the endpoints that have had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) slot: Slot,
    pub(crate) term: u64,
}

/// A prompt as a chain of block hashes, and how many tokens its blocks have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chain<'a> {
    /// Hashes, each over its block and all before it.
    pub hashes: &'a [u64],
    /// Tokens up to the end of each block; empty if all have as many as the pool's
    /// [`PrefixCaches`] say.
    pub tokens: &'a [u32],
}

impl Chain<'_> {
    /// Tokens up to the end of so many blocks.
    fn up_to(&self, blocks: usize, each: NonZeroU32) -> u32 {
        let Some(last) = blocks.checked_sub(1) else {
            return 0;
        };
        self.tokens.get(last).copied().unwrap_or_else(|| {
            let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
            blocks.saturating_mul(each.get())
        })
    }

    fn size(&self, block: usize, each: NonZeroU32) -> u32 {
        let end = self.up_to(block + 1, each);
        end.saturating_sub(self.up_to(block, each))
    }
}

/// What the endpoints of a pool have in their caches.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    config: Option<PrefixCaches>,
    index: PrefixIndex,
    /// The term of each slot.
    terms: Vec<u64>,
}

impl Caches {
    pub(crate) fn new(config: Option<PrefixCaches>) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// Goes on under another configuration, before endpoints of these seats. What was known is forgotten
    /// where it was counted otherwise.
    pub(crate) fn configure(&mut self, config: Option<PrefixCaches>, seats: &[Seat]) {
        if config == self.config {
            return;
        }
        let block = |config: &Option<PrefixCaches>| config.map(|config| config.block_tokens);
        if block(&config) != block(&self.config) {
            self.index = PrefixIndex::default();
        }
        self.config = config;
        for seat in seats {
            self.index.set_capacity(seat.slot, self.capacity());
        }
    }

    /// An endpoint takes a seat, whose cache is empty.
    pub(crate) fn seat(&mut self, seat: Seat) {
        let at = usize::from(seat.slot);
        if self.terms.len() <= at {
            self.terms.resize(at + 1, 0);
        }
        if let Some(term) = self.terms.get_mut(at) {
            *term = seat.term;
        }
        self.index.clear(seat.slot);
        self.index.set_capacity(seat.slot, self.capacity());
    }

    /// Tokens of a prompt that each endpoint holds, by slot; nothing if that is not known.
    pub(crate) fn cached(&self, chain: &Chain<'_>) -> SmallVec<[u32; 64]> {
        let mut found = SmallVec::new();
        if let Some(config) = self.config {
            found.resize(self.terms.len(), 0);
            self.index.look_up(chain.hashes, &mut found);
            for blocks in &mut found {
                *blocks = chain.up_to(*blocks as usize, config.block_tokens);
            }
        }
        found
    }

    /// The endpoint of a seat holds `chain` from now on, if the seat is still its own.
    pub(crate) fn insert(&mut self, seat: Seat, chain: &Chain<'_>) {
        let is_own = self.terms.get(usize::from(seat.slot)) == Some(&seat.term);
        if let Some(config) = self.config.filter(|_| is_own) {
            let size = |block| chain.size(block, config.block_tokens);
            self.index.insert(seat.slot, chain.hashes, size);
        }
    }

    fn capacity(&self) -> u64 {
        self.config.map_or(0, |config| config.capacity_tokens)
    }
}
