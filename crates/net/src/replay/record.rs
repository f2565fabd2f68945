//! The part of a body that is kept in memory.
//!
//! Pieces are kept as they arrived, without a copy, since they keep about as much memory as they have
//! bytes ([`RequestBody`](crate::listener::RequestBody) sees to it). Short ones are joined in blocks:
//! the handle on a piece of one byte is forty times as long.

use std::collections::VecDeque;

use bytes::Bytes;

/// A piece as long as this is kept as it is: an allocator wastes a fifth of shorter ones, and what
/// leads to them is counted nowhere.
const LONG: usize = 4 << 10;

/// A block of joined pieces has this many bytes.
const BLOCK: usize = 64 << 10;

/// Consecutive bytes of a body, `[start, end)`.
#[derive(Debug, Default)]
pub(super) struct Record {
    pieces: VecDeque<(u64, Bytes)>,
    /// The open block, after the last piece.
    block: Vec<u8>,
    start: u64,
    end: u64,
}

impl Record {
    fn starting_at(start: u64) -> Self {
        Self {
            start,
            end: start,
            ..Self::default()
        }
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn len(&self) -> u64 {
        self.end - self.start
    }

    pub(super) fn push(&mut self, chunk: Bytes) {
        let is_first = self.pieces.is_empty() && self.block.is_empty();
        if is_first || chunk.len() >= LONG {
            self.close_block();
            let start = self.end;
            self.end += chunk.len() as u64;
            self.pieces.push_back((start, chunk));
        } else {
            self.join(&chunk);
        }
    }

    fn join(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            let room = BLOCK - self.block.len();
            let (fits, rest) = chunk.split_at(room.min(chunk.len()));
            self.make_room(fits.len());
            self.block.extend_from_slice(fits);
            self.end += fits.len() as u64;
            chunk = rest;
            if self.block.len() == BLOCK {
                self.close_block();
            }
        }
    }

    /// Room for `more` bytes in the open block, which grows by doubling to its full size.
    fn make_room(&mut self, more: usize) {
        let (len, capacity) = (self.block.len(), self.block.capacity());
        if len + more > capacity {
            let wanted = (2 * capacity).clamp(len + more, BLOCK);
            self.block.reserve_exact(wanted - len);
        }
    }

    /// Counts `len` bytes that are not kept; forgets everything before them.
    pub(super) fn skip(&mut self, len: u64) {
        *self = Self::starting_at(self.end + len);
    }

    fn close_block(&mut self) {
        if !self.block.is_empty() {
            let mut block = std::mem::take(&mut self.block);
            block.shrink_to_fit();
            self.pieces
                .push_back((self.end - block.len() as u64, block.into()));
        }
    }

    /// The bytes from `position` to the end of the piece they are in; `None` outside the record.
    pub(super) fn read(&self, position: u64) -> Option<Bytes> {
        if position < self.start || position >= self.end {
            return None;
        }
        let block_start = self.end - self.block.len() as u64;
        if position >= block_start {
            let offset = usize::try_from(position - block_start).ok()?;
            return self.block.get(offset..).map(Bytes::copy_from_slice);
        }
        let after = self.pieces.partition_point(|(start, _)| *start <= position);
        let (start, piece) = self.pieces.get(after.checked_sub(1)?)?;
        let offset = usize::try_from(position - start).ok()?;
        (offset < piece.len()).then(|| piece.slice(offset..))
    }

    /// Lets go of the pieces that lie wholly before `position`; returns how many bytes they had.
    pub(super) fn forget_before(&mut self, position: u64) -> u64 {
        let before = self.start;
        if position >= self.end {
            *self = Self::starting_at(self.end);
            return self.start - before;
        }
        while let Some((start, piece)) = self.pieces.front() {
            let end = start + piece.len() as u64;
            if end > position {
                break;
            }
            self.start = end;
            self.pieces.pop_front();
        }
        self.start - before
    }

    /// All pieces, to be written elsewhere; cheap handles, the record keeps its own.
    pub(super) fn pieces(&mut self) -> Vec<Bytes> {
        self.close_block();
        self.pieces.iter().map(|(_, piece)| piece.clone()).collect()
    }
}
