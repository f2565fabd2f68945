//! The host tier: blocks that left the GPU but can be brought back over PCIe.
//!
//! It is a victim cache (it receives what the GPU evicts) rather than write-through, so that its
//! capacity adds to the GPU's instead of repeating it.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::order::Order;

/// Hashes of the blocks in host memory, least recently used first.
#[derive(Clone, Debug)]
pub(super) struct HostTier {
    slots: HashMap<u64, u32, FixedState>,
    hashes: Vec<u64>,
    order: Order,
    capacity: u32,
}

impl HostTier {
    pub(super) fn new(blocks: u32) -> Self {
        Self {
            slots: HashMap::default(),
            hashes: Vec::new(),
            order: Order::empty(blocks),
            capacity: blocks,
        }
    }

    pub(super) fn contains(&self, hash: u64) -> bool {
        self.slots.contains_key(&hash)
    }

    /// Stores a block, or marks it as used just now.
    pub(super) fn insert(&mut self, hash: u64) {
        if self.capacity == 0 {
            return;
        }
        if let Some(slot) = self.slots.get(&hash) {
            self.order.remove(*slot);
            self.order.push_back(*slot);
            return;
        }
        let slot = self.free_slot();
        self.hashes[slot as usize] = hash;
        self.slots.insert(hash, slot);
        self.order.push_back(slot);
    }

    fn free_slot(&mut self) -> u32 {
        let used = self.hashes.len() as u32;
        if used < self.capacity {
            self.hashes.push(0);
            return used;
        }
        let oldest = self.order.pop_front().unwrap_or_default();
        self.slots.remove(&self.hashes[oldest as usize]);
        oldest
    }
}
