//! The bytes of a head, collected as they arrive.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Header fields a head can have room for, whatever the limits say.
pub(super) const ROOM: usize = 256;

/// Room for fields that whoever passes the message on may add. A map that is full is built anew.
const SPARE: usize = 8;

/// Bytes that are looked at together when a head comes in pieces: what they hold beyond it is kept
/// for as long as it.
const STEP: usize = 1 << 10;

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
        let mut used = 0;
        while used < input.len() {
            let before = self.kept.len();
            let step = input.len().min(used + STEP);
            self.kept.extend_from_slice(&input[used..step]);
            // Two bytes before, since the end is three bytes long.
            let end = end_of_head(&self.kept, before.saturating_sub(2));
            self.check_length(end.unwrap_or(self.kept.len()))?;
            if let Some(end) = end {
                self.kept.truncate(end);
                let head = std::mem::take(&mut self.kept).freeze();
                return Ok(Some((head, used + end - before)));
            }
            used = step;
        }
        Ok(None)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_came_apart_keeps_little_of_what_came_with_it() {
        let head = [b"POST / HTTP/1.1\r\n\r", &b"\n"[..]].concat();
        let input = [&head[5..], &[b'x'; 32_000]].concat();
        let mut reader = Input::new(1000);
        assert!(matches!(reader.take_head(&head[..5]), Ok(None)));
        let Ok(Some((bytes, used))) = reader.take_head(&input) else {
            panic!("the head is whole");
        };
        assert_eq!((&bytes[..], used), (&head[..], head.len() - 5));
        let capacity = bytes.try_into_mut().unwrap().capacity();
        assert!(capacity < 3000, "{capacity}");
        assert!(reader.kept().is_empty());
    }
}
