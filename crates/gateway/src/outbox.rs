//! What waits to be handed to the client, small pieces joined.
//!
//! Each frame that a body gives away is framed, queued and written by itself. A stream whose events
//! are ready together (a burst, a slow client, an engine that speaks faster than it is read) would
//! pay that for every event. So whatever is ready is handed out in one piece; nothing waits for
//! more to become ready.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// A piece of this many bytes is worth a frame of its own, and not worth a copy.
const LARGE: usize = 4 * 1024;

/// Enough for one write: socket buffers and TLS records take about as much at a time.
const ENOUGH: usize = 16 * 1024;

/// Bytes in the order in which the client gets them.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pieces: VecDeque<Bytes>,
    len: usize,
}

impl Outbox {
    /// Adds bytes at the end.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        if !bytes.is_empty() {
            self.pieces.push_back(bytes);
        }
    }

    /// Adds all of `bytes` at the end.
    pub(crate) fn append(&mut self, bytes: &mut Vec<Bytes>) {
        bytes.drain(..).for_each(|bytes| self.push(bytes));
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether it would gain nothing by what may be ready behind it.
    pub(crate) fn has_enough(&self) -> bool {
        self.len >= ENOUGH || self.pieces.back().is_some_and(|last| last.len() >= LARGE)
    }

    /// Takes the next piece: a large one as it came, small ones together.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        let first = self.pieces.pop_front()?;
        self.len -= first.len();
        let joins = |next: &Bytes| next.len() < LARGE;
        if !joins(&first) || !self.pieces.front().is_some_and(joins) {
            return Some(first);
        }
        let mut joined = BytesMut::with_capacity((first.len() + self.len).min(ENOUGH + LARGE));
        joined.extend_from_slice(&first);
        while joined.len() < ENOUGH
            && let Some(next) = self.pieces.pop_front_if(|next| joins(next))
        {
            self.len -= next.len();
            joined.extend_from_slice(&next);
        }
        Some(joined.freeze())
    }
}

#[cfg(test)]
mod tests;
