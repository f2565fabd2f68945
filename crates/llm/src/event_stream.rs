//! Amazon's event streams (`application/vnd.amazon.eventstream`), both directions.
//!
//! A message is: its length and that of its headers, four bytes each, big endian; the CRC-32 of these
//! eight; the headers; a payload; the CRC-32 of all before. A header is the length of its name in a
//! byte, the name, the type of its value in a byte, the value. Both sums are checked: what is binary
//! cannot be found again once its beginning is lost.
//!
//! Three kinds of messages are told apart by the header `:message-type`: an `event` is named by
//! `:event-type`, an `exception` by `:exception-type`, and an `error` has no payload but the headers
//! `:error-code` and `:error-message`. So that nobody else has to know of the third kind, it is read
//! as an event called `error` with a payload of both.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::sse::FrameTooLong;
use crate::{CONTENT_TYPE_JSON, frames::BadFrame};

/// Bytes before the headers.
const PRELUDE: usize = 12;
/// Bytes of a check sum.
const CRC: usize = 4;
/// Bytes of headers that a message may have by the specification.
const MAX_HEADERS: usize = 128 * 1024;

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of the stream {0}")]
pub struct Corrupt(pub(crate) &'static str);

/// A message, whose check sums are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    raw: Bytes,
    name: Option<Range<usize>>,
    failure: Option<Failure>,
    payload: Range<usize>,
}

/// What an `error` says in its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    code: Option<Range<usize>>,
    message: Option<Range<usize>>,
}

/// The name of every `error`.
pub(crate) const ERROR: &str = "error";

impl Message {
    /// All its bytes as they came.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The name of its event or exception; that of an `error` is `ERROR`.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        match &self.failure {
            Some(_) => Some(ERROR.as_bytes()),
            None => self.raw.get(self.name.clone()?),
        }
    }

    /// Its payload. That of an `error` is made up of its headers: `code` and `message`.
    #[must_use]
    pub fn data(&self) -> Cow<'_, [u8]> {
        let Some(failure) = &self.failure else {
            return Cow::Borrowed(self.raw.get(self.payload.clone()).unwrap_or_default());
        };
        let text = |range: &Option<Range<usize>>| {
            let bytes = self.raw.get(range.clone()?)?;
            Some(String::from_utf8_lossy(bytes))
        };
        let (code, message) = (text(&failure.code), text(&failure.message));
        let json = serde_json::json!({ "code": code, "message": message });
        Cow::Owned(json.to_string().into_bytes())
    }

    /// Reads a message whose length is right.
    fn parse(raw: Bytes) -> Result<Self, Corrupt> {
        let end = raw.len().saturating_sub(CRC);
        let body = raw.get(..end).unwrap_or_default();
        if crc32fast::hash(body) != word(&raw, end)? {
            return Err(Corrupt("does not match its check sum"));
        }
        let headers_end = PRELUDE + word(&raw, 4)? as usize;
        if headers_end > end {
            return Err(Corrupt("is shorter than its headers"));
        }
        let headers = Headers::read(&raw, PRELUDE..headers_end)?;
        let kind = headers.kind.clone().and_then(|kind| raw.get(kind));
        let fails = kind == Some(ERROR.as_bytes()) || headers.code.is_some();
        Ok(Self {
            name: headers.event.or(headers.exception),
            failure: fails.then_some(Failure {
                code: headers.code,
                message: headers.message,
            }),
            payload: headers_end..end,
            raw,
        })
    }
}

/// Where the values of the headers are that matter.
#[derive(Debug, Default)]
struct Headers {
    kind: Option<Range<usize>>,
    event: Option<Range<usize>>,
    exception: Option<Range<usize>>,
    code: Option<Range<usize>>,
    message: Option<Range<usize>>,
}

impl Headers {
    fn read(raw: &[u8], within: Range<usize>) -> Result<Self, Corrupt> {
        let mut headers = Self::default();
        let mut at = within.start;
        while at < within.end {
            let name = after(at + 1, usize::from(byte(raw, at)?));
            let value = value(raw, name.end)?;
            if value.end > within.end {
                return Err(Corrupt("has a header that does not end"));
            }
            at = value.end;
            let slot = match raw.get(name).unwrap_or_default() {
                b":message-type" => &mut headers.kind,
                b":event-type" => &mut headers.event,
                b":exception-type" => &mut headers.exception,
                b":error-code" => &mut headers.code,
                b":error-message" => &mut headers.message,
                _ => continue,
            };
            *slot = Some(value);
        }
        Ok(headers)
    }
}

/// Where the value is whose type stands at `at`.
fn value(raw: &[u8], at: usize) -> Result<Range<usize>, Corrupt> {
    Ok(match byte(raw, at)? {
        // True, false; a byte, a short, an integer, a long.
        0 | 1 => after(at + 1, 0),
        2 => after(at + 1, 1),
        3 => after(at + 1, 2),
        4 => after(at + 1, 4),
        // A long, a time.
        5 | 8 => after(at + 1, 8),
        // Bytes, a text.
        6 | 7 => {
            let len = u16::from_be_bytes([byte(raw, at + 1)?, byte(raw, at + 2)?]);
            after(at + 3, usize::from(len))
        }
        // A UUID.
        9 => after(at + 1, 16),
        _ => return Err(Corrupt("has a header of an unknown type")),
    })
}

const fn after(start: usize, len: usize) -> Range<usize> {
    start..start + len
}

fn byte(raw: &[u8], at: usize) -> Result<u8, Corrupt> {
    raw.get(at)
        .copied()
        .ok_or(Corrupt("has a header that does not end"))
}

fn word(raw: &[u8], at: usize) -> Result<u32, Corrupt> {
    raw.get(at..)
        .and_then(<[u8]>::first_chunk)
        .map(|bytes| u32::from_be_bytes(*bytes))
        .ok_or(Corrupt("is too short"))
}

/// Cuts a stream into messages.
///
/// Push a chunk, then take messages until there is none, then push the next.
#[derive(Debug)]
pub struct Decoder {
    max_message: usize,
    chunk: Bytes,
    /// Bytes of `chunk` in messages already given out.
    consumed: usize,
    /// The beginning of a message that did not end in the chunks before.
    carry: BytesMut,
}

impl Decoder {
    /// `max_message` bounds a message in bytes, and thereby the memory of the decoder.
    #[must_use]
    pub fn new(max_message: usize) -> Self {
        Self {
            max_message,
            chunk: Bytes::new(),
            consumed: 0,
            carry: BytesMut::new(),
        }
    }

    /// Gives the decoder the next chunk. Messages of the chunk before that were not taken are lost.
    pub fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
        self.consumed = 0;
    }

    /// The next message that is complete.
    ///
    /// # Errors
    /// If the stream cannot be read on.
    pub fn next_message(&mut self) -> Result<Option<Message>, BadFrame> {
        if self.carry.is_empty() {
            let rest = self.chunk.get(self.consumed..).unwrap_or_default();
            if let Some(len) = self.length(rest)?.filter(|len| *len <= rest.len()) {
                let raw = self.chunk.slice(after(self.consumed, len));
                self.consumed += len;
                return Ok(Some(Message::parse(raw)?));
            }
        }
        self.take_up_to(PRELUDE);
        let Some(len) = self.length(&self.carry)? else {
            return Ok(None);
        };
        self.take_up_to(len);
        if self.carry.len() < len {
            return Ok(None);
        }
        Ok(Some(Message::parse(self.carry.split().freeze())?))
    }

    /// Whether the bytes so far end within a message.
    #[must_use]
    pub fn is_within_message(&self) -> bool {
        !self.carry.is_empty()
    }

    /// Bytes of the current chunk in messages already given out.
    #[must_use]
    pub const fn consumed(&self) -> usize {
        self.consumed
    }

    /// Carries over from the chunk until there are so many bytes of the message.
    fn take_up_to(&mut self, len: usize) {
        let rest = self.chunk.get(self.consumed..).unwrap_or_default();
        let taken = len.saturating_sub(self.carry.len()).min(rest.len());
        self.carry
            .extend_from_slice(rest.get(..taken).unwrap_or_default());
        self.consumed += taken;
    }

    /// The length of the message that begins so; `None` if too little of it is there.
    fn length(&self, start: &[u8]) -> Result<Option<usize>, BadFrame> {
        let Some(prelude) = start.first_chunk::<PRELUDE>() else {
            return Ok(None);
        };
        let sum = crc32fast::hash(prelude.get(..PRELUDE - CRC).unwrap_or_default());
        if sum != word(prelude, PRELUDE - CRC)? {
            return Err(Corrupt("does not match the check sum of its beginning").into());
        }
        let (len, headers) = (word(prelude, 0)? as usize, word(prelude, 4)? as usize);
        if headers > MAX_HEADERS || len < PRELUDE + headers + CRC {
            return Err(Corrupt("has lengths that do not go together").into());
        }
        if len > self.max_message {
            let limit = self.max_message;
            return Err(FrameTooLong { limit }.into());
        }
        Ok(Some(len))
    }
}

/// Which kind of message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something that happens.
    Event,
    /// An error, by which the stream ends.
    Exception,
}

/// Appends a message with a JSON payload. Of a name that is longer than a header's value may be, the
/// beginning is written.
pub fn encode(kind: Kind, name: &str, payload: &[u8], out: &mut Vec<u8>) {
    let (name_header, message_type) = match kind {
        Kind::Event => (":event-type", "event"),
        Kind::Exception => (":exception-type", "exception"),
    };
    let start = out.len();
    out.extend_from_slice(&[0; PRELUDE]);
    text_header(name_header, name, out);
    text_header(":content-type", CONTENT_TYPE_JSON, out);
    text_header(":message-type", message_type, out);
    let headers = out.len() - start - PRELUDE;
    out.extend_from_slice(payload);
    let len = out.len() - start + CRC;
    let message = out.get_mut(start..).unwrap_or_default();
    seal(message, len, headers);
    let sum = crc32fast::hash(message);
    out.extend_from_slice(&sum.to_be_bytes());
}

/// Writes what stands before the headers.
fn seal(message: &mut [u8], len: usize, headers: usize) {
    let Some(prelude) = message.first_chunk_mut::<PRELUDE>() else {
        return;
    };
    let be = |len| u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    let (lengths, sum) = prelude.split_at_mut(PRELUDE - CRC);
    lengths.copy_from_slice([be(len), be(headers)].as_flattened());
    sum.copy_from_slice(&crc32fast::hash(lengths).to_be_bytes());
}

fn text_header(name: &str, value: &str, out: &mut Vec<u8>) {
    const TEXT: u8 = 7;
    let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
    out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(name.as_bytes());
    out.push(TEXT);
    out.extend_from_slice(&len.to_be_bytes());
    let value = value.as_bytes();
    out.extend_from_slice(value.get(..usize::from(len)).unwrap_or(value));
}

#[cfg(test)]
mod tests;
