//! Space in which the pieces of a body come to lie one behind the other.
//!
//! A piece that is kept keeps all of the allocation it lies in. A long body that is read into
//! blocks takes no more memory than it has bytes, and is never copied.

use bytes::buf::Limit;
use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of a block, unless fewer are expected. So many may be held for a body that is being read
/// though all its pieces have been let go, as when they were written to a file: larger blocks cost
/// less, but what a thousand slow clients hold then is in no budget.
const BLOCK: usize = 64 << 10;

/// A piece shorter than this is copied to an allocation of its own, and its space used again: a
/// handle on a part of a block has some forty bytes.
const SHORT: usize = 1 << 10;

/// A block of which the rest is free.
#[derive(Debug, Default)]
pub(crate) struct Block {
    space: BytesMut,
}

impl Block {
    /// Whether there is room already.
    pub(crate) fn has_room(&self) -> bool {
        self.space.capacity() > 0
    }

    /// Room for some of the `expected` bytes, of which there must be one.
    pub(crate) fn room(&mut self, expected: u64) -> Limit<&mut BytesMut> {
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        if !self.has_room() {
            self.space = BytesMut::with_capacity(expected.min(BLOCK));
        }
        let room = self.space.capacity().min(expected);
        (&mut self.space).limit(room)
    }

    /// What has been written to the room.
    pub(crate) fn take(&mut self) -> Bytes {
        if self.space.len() < SHORT {
            let piece = Bytes::copy_from_slice(&self.space);
            self.space.clear();
            return piece;
        }
        let piece = self.space.split().freeze();
        if !self.has_room() {
            // What is left of it, nothing, would keep it.
            self.space = BytesMut::new();
        }
        piece
    }

    /// A copy of `data`, of a body that has `expected` bytes to come with it, as far as is known.
    pub(crate) fn copy(&mut self, data: &[u8], expected: u64) -> Bytes {
        if data.len() < SHORT {
            return Bytes::copy_from_slice(data);
        }
        if self.space.capacity() < data.len() {
            let expected = usize::try_from(expected).unwrap_or(usize::MAX);
            self.space = BytesMut::with_capacity(expected.clamp(data.len(), BLOCK.max(data.len())));
        }
        self.space.extend_from_slice(data);
        self.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_lie_one_behind_the_other_until_the_block_is_full() {
        let mut block = Block::default();
        let mut pieces = Vec::new();
        for size in [BLOCK / 2, 10, BLOCK / 2 - 5] {
            let mut room = block.room(10 * BLOCK as u64);
            room.put_bytes(b'x', size);
            pieces.push(block.take());
        }
        let at = |index: usize| pieces[index].as_ptr() as usize;
        assert_eq!(at(0) + BLOCK / 2, at(2), "the short one left its room");
        assert_eq!(pieces[1], "xxxxxxxxxx");
        assert!(block.has_room());
        let mut room = block.room(3);
        assert_eq!(room.remaining_mut(), 3, "no more than is expected");
        room.put_slice(b"abc");
        assert_eq!(block.take(), "abc");
        let mut room = block.room(10 * BLOCK as u64);
        room.put_bytes(b'y', room.remaining_mut());
        assert_eq!(block.take().len(), 5);
    }

    #[test]
    fn a_block_is_no_larger_than_what_is_expected() {
        let mut block = Block::default();
        assert_eq!(block.room(40_000).remaining_mut(), 40_000);
        block.room(40_000).put_bytes(b'x', 40_000);
        assert_eq!(block.take().len(), 40_000);
        assert!(!block.has_room(), "a full block is let go");
        let copy = block.copy(&[b'x'; 16_384], 20_000);
        assert_eq!((copy.len(), block.space.capacity()), (16_384, 3_616));
        assert_eq!(block.copy(&[b'x'; 3_616], 3_616).len(), 3_616);
        assert!(!block.has_room());
        assert_eq!(block.copy(&[b'x'; 16_384], 0).len(), 16_384);
    }
}
