//! Server-sent events, both directions (WHATWG HTML, section 9.2).
//!
//! A [`Frame`] keeps the bytes it came as, so a stream is passed on frame by frame without being
//! written anew; its fields are looked at only when asked for. One network read is not one event:
//! frames are found whatever the split, and a frame that lies in one read is a slice of it.
//!
//! Lines may end in LF, CR or CRLF. A blank line that ends in a CR at the end of a read ends its
//! frame at once, since nothing may follow for long; if the next read turns out to begin with the
//! LF, that is an empty frame of its own.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

/// Bound of a frame that suits every model API: an event that carries an image in base64 stays
/// below it.
pub const DEFAULT_MAX_FRAME: usize = 4 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// A frame that does not end within the bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {limit} bytes")]
pub struct FrameTooLong {
    /// The most bytes a frame may have.
    pub limit: usize,
}

/// An event, or a comment, with its terminating blank line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// All its bytes as they came.
    pub raw: Bytes,
    /// Bytes of a byte order mark in front.
    mark: usize,
}

impl Frame {
    fn new(raw: Bytes, is_first: bool) -> Self {
        let mark = if is_first && raw.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        Self { raw, mark }
    }

    /// The event's type; `None` if it has none (a `message` then).
    #[must_use]
    pub fn event(&self) -> Option<&[u8]> {
        self.values(b"event").last()
    }

    /// The event's id. One that holds a NUL is ignored, as if it were not there.
    #[must_use]
    pub fn id(&self) -> Option<&[u8]> {
        self.values(b"id").filter(|id| !id.contains(&0)).last()
    }

    /// How long a client shall wait before it connects again, in milliseconds. What is not a number
    /// is ignored, as if it were not there.
    #[must_use]
    pub fn retry(&self) -> Option<u64> {
        let digits = self
            .values(b"retry")
            .filter(|value| value.iter().all(u8::is_ascii_digit));
        digits
            .filter_map(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
            .last()
    }

    /// The event's data, its lines joined by LF and copied only if there are several; `None` if it
    /// has none, which makes it no event.
    #[must_use]
    pub fn data(&self) -> Option<Cow<'_, [u8]>> {
        let mut lines = self.values(b"data");
        let first = lines.next()?;
        let Some(second) = lines.next() else {
            return Some(Cow::Borrowed(first));
        };
        let mut joined = first.to_vec();
        for line in std::iter::once(second).chain(lines) {
            joined.push(b'\n');
            joined.extend_from_slice(line);
        }
        Some(Cow::Owned(joined))
    }

    /// Whether it holds comments and nothing else, as keep-alives do.
    #[must_use]
    pub fn is_comment(&self) -> bool {
        let mut lines = self.lines().filter(|line| !line.is_empty()).peekable();
        lines.peek().is_some() && lines.all(|line| line.first() == Some(&b':'))
    }

    /// Whether it holds nothing but line ends.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines().all(<[u8]>::is_empty)
    }

    /// Values of the fields of a name.
    fn values(&self, wanted: &'static [u8]) -> impl Iterator<Item = &[u8]> {
        self.fields()
            .filter(move |(name, _)| *name == wanted)
            .map(|(_, value)| value)
    }

    /// Names and values of the lines that are not comments.
    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self
            .lines()
            .filter(|line| !line.is_empty() && line.first() != Some(&b':'));
        lines.map(|line| {
            let mut parts = line.splitn(2, |&byte| byte == b':');
            let name = parts.next().unwrap_or_default();
            let value = parts.next().unwrap_or_default();
            (name, value.strip_prefix(b" ").unwrap_or(value))
        })
    }

    /// The lines; between the two characters of a CRLF there is an empty one, which no caller minds.
    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        Lines {
            rest: self.raw.get(self.mark..).unwrap_or_default(),
        }
    }
}

struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr2(b'\n', b'\r', self.rest).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Some(line)
    }
}

/// Cuts a stream into frames.
///
/// Push a chunk, then take frames until there is none, then push the next.
#[derive(Debug)]
pub struct Decoder {
    max_frame: usize,
    chunk: Bytes,
    /// Bytes of `chunk` in frames already given out.
    consumed: usize,
    /// The beginning of a frame that did not end in the chunks before.
    carry: BytesMut,
    at_line_start: bool,
    after_cr: bool,
    is_first: bool,
}

impl Decoder {
    /// `max_frame` bounds a frame in bytes, and thereby the memory of the decoder.
    #[must_use]
    pub fn new(max_frame: usize) -> Self {
        Self {
            max_frame,
            chunk: Bytes::new(),
            consumed: 0,
            carry: BytesMut::new(),
            at_line_start: true,
            after_cr: false,
            is_first: true,
        }
    }

    /// Gives the decoder the next chunk. Frames of the chunk before that were not taken are lost.
    pub fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
        self.consumed = 0;
    }

    /// The next frame that is complete.
    ///
    /// # Errors
    /// If a frame exceeds the bound; the stream cannot be read on.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameTooLong> {
        let rest = self.chunk.get(self.consumed..).unwrap_or_default();
        let found = find_end(rest, &mut self.at_line_start, &mut self.after_cr);
        let len = found.unwrap_or(rest.len());
        if self.carry.len() + len > self.max_frame {
            return Err(FrameTooLong {
                limit: self.max_frame,
            });
        }
        let end = self.consumed + len;
        let raw = if found.is_some() && self.carry.is_empty() {
            self.chunk.slice(self.consumed..end)
        } else {
            self.carry
                .extend_from_slice(rest.get(..len).unwrap_or_default());
            if found.is_none() {
                self.consumed = end;
                return Ok(None);
            }
            self.carry.split().freeze()
        };
        self.consumed = end;
        self.at_line_start = true;
        self.after_cr = false;
        Ok(Some(Frame::new(raw, std::mem::take(&mut self.is_first))))
    }

    /// What is left of a frame that the end of the stream has cut; an event that is not terminated
    /// is no event, but some servers forget the last blank line.
    pub fn finish(&mut self) -> Option<Frame> {
        let raw = self.carry.split().freeze();
        (!raw.is_empty()).then(|| Frame::new(raw, self.is_first))
    }

    /// Bytes of the current chunk in frames already given out.
    pub(crate) const fn consumed(&self) -> usize {
        self.consumed
    }
}

/// The offset behind the first blank line of `bytes`.
fn find_end(bytes: &[u8], at_line_start: &mut bool, after_cr: &mut bool) -> Option<usize> {
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        index += 1;
        let closes_crlf = std::mem::take(after_cr) && byte == b'\n';
        match byte {
            _ if closes_crlf => {}
            b'\n' if *at_line_start => return Some(index),
            b'\r' if *at_line_start => {
                let is_crlf = bytes.get(index) == Some(&b'\n');
                return Some(index + usize::from(is_crlf));
            }
            b'\n' => *at_line_start = true,
            b'\r' => (*at_line_start, *after_cr) = (true, true),
            _ => {
                *at_line_start = false;
                let rest = bytes.get(index..).unwrap_or_default();
                index += memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            }
        }
    }
    None
}

/// Writes an event. Data of several lines becomes several `data` fields; only the first line of the
/// name counts, so that a name cannot smuggle in another field.
#[must_use]
pub fn encode(event: Option<&str>, data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len() + 32);
    if let Some(name) = event.and_then(|event| event.split(['\n', '\r']).next()) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\n");
    }
    let mut rest = data;
    loop {
        let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.extend_from_slice(b"\n");
        if after.is_empty() {
            break;
        }
        let terminator = if after.starts_with(b"\r\n") { 2 } else { 1 };
        rest = after.get(terminator..).unwrap_or_default();
    }
    out.extend_from_slice(b"\n");
    out.freeze()
}

#[cfg(test)]
mod tests;
