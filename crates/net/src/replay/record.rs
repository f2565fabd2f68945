//! The part of a body that is kept in memory.
//!
//! Pieces are kept as they arrived, without a copy, except small ones: a client that sends its
//! body in one-byte pieces would make each byte cost a handle and pin a read buffer. After the
//! first piece (a short body is usually just that), small pieces are joined in blocks.

use std::collections::VecDeque;

use bytes::Bytes;

/// Pieces below this many bytes are joined. A piece as long as this pins at most one buffer and
/// costs a handle of 32 bytes, 1% of itself.
const SMALL: usize = 4 << 10;

/// A block of joined pieces is closed at this many bytes.
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
        let len = chunk.len();
        if len < SMALL && !(self.pieces.is_empty() && self.block.is_empty()) {
            self.block.extend_from_slice(&chunk);
        } else {
            self.close_block();
            self.pieces.push_back((self.end, chunk));
        }
        self.end += len as u64;
        if self.block.len() >= BLOCK {
            self.close_block();
        }
    }

    /// Counts `len` bytes that are not kept; forgets everything before them.
    pub(super) fn skip(&mut self, len: u64) {
        *self = Self::starting_at(self.end + len);
    }

    fn close_block(&mut self) {
        if !self.block.is_empty() {
            let block = std::mem::take(&mut self.block);
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
