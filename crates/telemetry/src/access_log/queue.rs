//! The bounded buffers between the threads that log and the one that writes.

use super::LostLines;
use crate::RequestRecord;
#[cfg(loom)]
use loom::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64},
};
#[cfg(not(loom))]
use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64},
};
use std::sync::{
    PoisonError,
    atomic::{
        AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
};

#[cfg(all(test, loom))]
mod models;

/// Shards of serialised lines, and what the writer is to do.
#[derive(Debug)]
pub(super) struct Queue {
    shards: Box<[Mutex<Vec<u8>>]>,
    shard_bytes: usize,
    /// Set by the first line after a sweep: whoever sets it wakes the writer.
    pending: AtomicBool,
    reopen: AtomicBool,
    closing: AtomicBool,
    queue_full: AtomicU64,
    write_failed: AtomicU64,
}

impl Queue {
    pub(super) fn new(shards: usize, bytes: usize) -> Self {
        Self {
            shards: (0..shards.max(1)).map(|_| Mutex::default()).collect(),
            shard_bytes: bytes / shards.max(1),
            pending: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            queue_full: AtomicU64::new(0),
            write_failed: AtomicU64::new(0),
        }
    }

    /// Append the record's line to the calling thread's shard. True if the writer must be woken.
    pub(super) fn push(&self, record: &RequestRecord<'_>) -> bool {
        let shard = &self.shards[thread_ordinal() % self.shards.len()];
        let mut lines = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let before = lines.len();
        record.write_line(&mut lines);
        lines.push(b'\n');
        if lines.len() > self.shard_bytes {
            lines.truncate(before);
            self.queue_full.fetch_add(1, Relaxed);
            return false;
        }
        drop(lines);
        // Reading first keeps the cache line shared while the writer is busy.
        !self.pending.load(Relaxed) && !self.pending.swap(true, AcqRel)
    }

    /// Take each shard's lines in turn; the buffer handed to `write` is the one that the next shard
    /// gets, so capacity circulates and nothing is allocated.
    pub(super) fn sweep(&self, spare: &mut Vec<u8>, mut write: impl FnMut(&[u8])) -> bool {
        self.pending.store(false, Release);
        let mut found = false;
        for shard in &self.shards {
            spare.clear();
            std::mem::swap(
                &mut *shard.lock().unwrap_or_else(PoisonError::into_inner),
                spare,
            );
            if !spare.is_empty() {
                found = true;
                write(spare);
            }
        }
        found
    }

    pub(super) fn request_reopen(&self) {
        self.reopen.store(true, Release);
    }

    pub(super) fn take_reopen_request(&self) -> bool {
        self.reopen.swap(false, AcqRel)
    }

    pub(super) fn request_close(&self) {
        self.closing.store(true, Release);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Acquire)
    }

    pub(super) fn count_write_failed(&self, lines: u64) {
        self.write_failed.fetch_add(lines, Relaxed);
    }

    pub(super) fn lost_lines(&self) -> LostLines {
        LostLines {
            queue_full: self.queue_full.load(Relaxed),
            write_failed: self.write_failed.load(Relaxed),
        }
    }
}

/// A small number for the calling thread, given out in the order in which threads first ask. It only
/// spreads threads over shards, so it may well be shared by all queues of the process.
fn thread_ordinal() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static ORDINAL: usize = NEXT.fetch_add(1, Relaxed));
    ORDINAL.with(|ordinal| *ordinal)
}
