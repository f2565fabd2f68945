//! LoRA adapters on the GPU: a fixed number of slots, each filled from disk in some time.
//!
//! A request waits while its adapter loads and others overtake it, as in vLLM, where a step never
//! mixes more than `max_loras` adapters. An adapter without users is evicted, least recently used
//! first, only when its slot is wanted.

use crate::Nanos;

/// An adapter, by a number that the caller assigns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AdapterId(pub u32);

/// Whether a request with an adapter can be scheduled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Residency {
    /// The adapter is on the GPU.
    Ready,
    /// The adapter is on its way and will be ready then.
    Loading(Nanos),
    /// Every slot has users or is being filled for another adapter.
    NoSlot,
}

#[derive(Clone, Debug)]
struct Slot {
    adapter: AdapterId,
    ready_at: Nanos,
    last_used: Nanos,
    users: u32,
}

/// The adapters on the GPU.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    max: usize,
    load: Nanos,
}

impl Slots {
    pub(crate) fn new(max: u32, load: Nanos) -> Self {
        Self {
            slots: Vec::new(),
            max: max as usize,
            load,
        }
    }

    /// Whether `adapter` can be used now; begins to load it where there is room.
    pub(crate) fn want(&mut self, adapter: AdapterId, now: Nanos) -> Residency {
        if let Some(slot) = self.slots.iter().find(|slot| slot.adapter == adapter) {
            return match slot.ready_at <= now {
                true => Residency::Ready,
                false => Residency::Loading(slot.ready_at),
            };
        }
        if self.slots.len() >= self.max && !self.evict_idle(now) {
            return Residency::NoSlot;
        }
        let ready_at = now + self.load;
        self.slots.push(Slot {
            adapter,
            ready_at,
            last_used: ready_at,
            users: 0,
        });
        Residency::Loading(ready_at)
    }

    /// Counts a sequence that computes with `adapter`.
    pub(crate) fn pin(&mut self, adapter: AdapterId, now: Nanos) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.adapter == adapter) {
            slot.users += 1;
            slot.last_used = now;
        }
    }

    /// Ends what [`Slots::pin`] began.
    pub(crate) fn unpin(&mut self, adapter: AdapterId) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.adapter == adapter) {
            slot.users = slot.users.saturating_sub(1);
        }
    }

    /// When the next adapter on its way will be ready.
    pub(crate) fn next_ready(&self, now: Nanos) -> Option<Nanos> {
        self.slots
            .iter()
            .map(|slot| slot.ready_at)
            .filter(|at| *at > now)
            .min()
    }

    fn evict_idle(&mut self, now: Nanos) -> bool {
        let idle = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.users == 0 && slot.ready_at <= now)
            .min_by_key(|(_, slot)| slot.last_used)
            .map(|(index, _)| index);
        idle.map(|index| self.slots.swap_remove(index)).is_some()
    }
}
