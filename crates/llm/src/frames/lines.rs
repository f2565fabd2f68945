//! A JSON document a line.
//!
//! Inside a document a line end is always escaped, so that each one in the stream ends a document. A
//! line that lies in one read is a slice of it.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use crate::sse::FrameTooLong;

/// Cuts a stream into lines, each with its LF.
#[derive(Debug)]
pub(crate) struct Decoder {
    max_line: usize,
    chunk: Bytes,
    /// Bytes of `chunk` in lines already given out.
    consumed: usize,
    /// The beginning of a line that did not end in the chunks before.
    carry: BytesMut,
}

impl Decoder {
    pub(crate) fn new(max_line: usize) -> Self {
        Self {
            max_line,
            chunk: Bytes::new(),
            consumed: 0,
            carry: BytesMut::new(),
        }
    }

    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
        self.consumed = 0;
    }

    pub(crate) fn next_line(&mut self) -> Result<Option<Bytes>, FrameTooLong> {
        let rest = self.chunk.get(self.consumed..).unwrap_or_default();
        let found = memchr(b'\n', rest).map(|at| at + 1);
        let len = found.unwrap_or(rest.len());
        if self.carry.len() + len > self.max_line {
            return Err(FrameTooLong {
                limit: self.max_line,
            });
        }
        let start = self.consumed;
        self.consumed += len;
        if found.is_some() && self.carry.is_empty() {
            return Ok(Some(self.chunk.slice(start..self.consumed)));
        }
        let part = self.chunk.get(start..self.consumed).unwrap_or_default();
        self.carry.extend_from_slice(part);
        Ok(found.map(|_| self.carry.split().freeze()))
    }

    /// A last line without its end.
    pub(crate) fn finish(&mut self) -> Option<Bytes> {
        let rest = self.carry.split().freeze();
        (!rest.is_empty()).then_some(rest)
    }

    pub(crate) const fn consumed(&self) -> usize {
        self.consumed
    }
}
