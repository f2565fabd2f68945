//! The bytes of a head, collected as they arrive.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Header fields a head can have room for, whatever the limits say.
pub(super) const ROOM: usize = 256;

/// Room for fields that whoever passes the message on may add. A map that is full is built anew.
const SPARE: usize = 8;

/// Where httparse puts the fields of a head.
pub(super) type Room<'a> = [MaybeUninit<httparse::Header<'a>>; ROOM];

pub(super) const fn room<'a>() -> Room<'a> {
    [const { MaybeUninit::uninit() }; ROOM]
}

/// How large a head may be.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes; of a response without those of interim ones.
    pub bytes: usize,
    /// Header fields; more than 256 are never taken.
    pub fields: usize,
}

/// There are more bytes than a head may have.
pub(super) struct TooLong;

/// Bytes of a head that has not come whole.
#[derive(Debug)]
pub(super) struct Input {
    limit: usize,
    kept: BytesMut,
}

impl Input {
    /// Nothing yet; no more than `limit` bytes are taken.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: BytesMut::new(),
        }
    }

    /// What is there without being whole.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Takes the next bytes. Returns those of the head once it is whole, and how many of them are
    /// of `input`.
    pub(super) fn take_head(&mut self, input: &[u8]) -> Result<Option<(Bytes, usize)>, TooLong> {
        let before = self.kept.len();
        if before == 0
            && let Some(end) = end_of_head(input, 0)
        {
            self.check_length(end)?;
            return Ok(Some((Bytes::copy_from_slice(&input[..end]), end)));
        }
        self.kept.extend_from_slice(input);
        // Two bytes before, since the end is three bytes long.
        let Some(end) = end_of_head(&self.kept, before.saturating_sub(2)) else {
            self.check_length(self.kept.len())?;
            return Ok(None);
        };
        self.check_length(end)?;
        let head = self.kept.split_to(end).freeze();
        self.kept = BytesMut::new();
        Ok(Some((head, end - before)))
    }

    fn check_length(&self, bytes: usize) -> Result<(), TooLong> {
        if bytes > self.limit {
            return Err(TooLong);
        }
        Ok(())
    }
}

/// Where the head ends, if its end is at `from` or later: after an empty line. Lines may end with
/// a bare LF, as in RFC 9112, section 2.2.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', &bytes[from..]).find_map(|at| {
        let next = from + at + 1;
        match bytes.get(next..) {
            Some([b'\n', ..]) => Some(next + 1),
            Some([b'\r', b'\n', ..]) => Some(next + 2),
            _ => None,
        }
    })
}

/// The fields that httparse found in `head`, their values sharing its allocation. `None` if there
/// are more than a map can hold, or one that is none.
pub(super) fn header_map(head: &Bytes, fields: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(fields.len() + SPARE);
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(head.slice_ref(field.value)).ok()?;
        headers.try_append(name, value).ok()?;
    }
    Some(headers)
}
