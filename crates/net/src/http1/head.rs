//! The head of a response, read as it arrives.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};

use super::{BodyReader, Malformed};

/// Every response begins with this; what does not is told from one at its first bytes.
const BEGINNING: &[u8] = b"HTTP/1.";

/// Header fields a head can have room for, whatever the limits say.
const ROOM: usize = 256;

/// Room for fields that whoever passes the response on may add. A map that is full is built anew.
const SPARE: usize = 8;

/// How large a head may be.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes, interim responses not counted.
    pub bytes: usize,
    /// Header fields; more than 256 are never taken.
    pub fields: usize,
}

/// The head of a response.
#[derive(Debug)]
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// Its fields, values sharing one allocation. `transfer-encoding` is among them, and
    /// `content-length` only if it tells the length of the body.
    pub headers: HeaderMap,
    /// What reads the body that follows.
    pub body: BodyReader,
    /// Whether the connection can be used again when the body has ended. Not after a body that ends
    /// with it, and not if it was said both ways where the body ends.
    pub keep_alive: bool,
}

/// Collects bytes until they are the head of a response.
#[derive(Debug)]
pub struct HeadReader {
    limits: HeadLimits,
    /// Of a head that has not come whole.
    kept: BytesMut,
    any: bool,
}

impl HeadReader {
    /// A reader that has seen nothing.
    #[must_use]
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            kept: BytesMut::new(),
            any: false,
        }
    }

    /// Whether any byte has come.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.any
    }

    /// Takes the next bytes from the connection. Returns the head, once it is whole, and how many
    /// of `input` belong to it; the rest is of the body. `to_head` says that the request was a
    /// `HEAD`, whose response has no body whatever its fields say.
    ///
    /// Interim responses (100 Continue, 103 Early Hints) are passed over, however many there are: a
    /// server that sends them without end is for the caller's timeouts.
    ///
    /// # Errors
    /// The bytes are no response, or exceed the limits.
    pub fn push(
        &mut self,
        input: &[u8],
        to_head: bool,
    ) -> Result<Option<(Head, usize)>, Malformed> {
        self.any |= !input.is_empty();
        let mut taken = 0;
        while let Some((bytes, used)) = self.take_head(&input[taken..])? {
            taken += used;
            let head = parse(&bytes, self.limits.fields, to_head)?;
            let interim = head.status.is_informational();
            if interim && head.status != StatusCode::SWITCHING_PROTOCOLS {
                continue;
            }
            *self = Self::new(self.limits);
            return Ok(Some((head, taken)));
        }
        Ok(None)
    }

    /// The bytes of one head, and how many of them are of `input`.
    fn take_head(&mut self, input: &[u8]) -> Result<Option<(Bytes, usize)>, Malformed> {
        let before = self.kept.len();
        let (kept, begins) = (self.kept.iter().chain(input), BEGINNING.iter());
        if kept.zip(begins).any(|(byte, expected)| byte != expected) {
            return Err(Malformed("it does not begin like a response"));
        }
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

    fn check_length(&self, bytes: usize) -> Result<(), Malformed> {
        if bytes > self.limits.bytes {
            return Err(Malformed("its head is too long"));
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

fn parse(bytes: &Bytes, fields: usize, to_head: bool) -> Result<Head, Malformed> {
    let mut room = [const { MaybeUninit::uninit() }; ROOM];
    let room = &mut room[..fields.min(ROOM)];
    let mut parsed = httparse::Response::new(&mut []);
    httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut parsed, bytes, room)
        .map_err(|error| match error {
            httparse::Error::TooManyHeaders => Malformed("its head has too many fields"),
            httparse::Error::HeaderName => Malformed("a header field's name is not valid"),
            httparse::Error::HeaderValue => Malformed("a header field's value is not valid"),
            httparse::Error::Version => Malformed("its version is not HTTP/1"),
            _ => Malformed("its head is not valid"),
        })?;
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Malformed("its status is none"))?;
    let mut headers = HeaderMap::with_capacity(parsed.headers.len() + SPARE);
    for field in &*parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_| Malformed("a header field's name is not valid"))?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value))
            .map_err(|_| Malformed("a header field's value is not valid"))?;
        headers
            .try_append(name, value)
            .map_err(|_| Malformed("its head has too many fields"))?;
    }
    let modern = parsed.version == Some(1);
    let two_opinions =
        headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH);
    let body = framing(status, &mut headers, modern, to_head)?;
    let keep_alive = keeps_alive(&headers, modern) && !two_opinions && !body.ends_with_connection();
    Ok(Head {
        status,
        headers,
        body,
        keep_alive,
    })
}

/// How the body is delimited: RFC 9112, section 6.3.
fn framing(
    status: StatusCode,
    headers: &mut HeaderMap,
    modern: bool,
    to_head: bool,
) -> Result<BodyReader, Malformed> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(BodyReader::until_close());
    }
    let none = status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    if none || to_head {
        // What is said of a body that is not there matters to nobody who could be misled by it.
        if content_length(headers).is_err() {
            headers.remove(CONTENT_LENGTH);
        }
        return Ok(BodyReader::length(0));
    }
    if is_chunked(headers, modern)? {
        // It must not be passed on beside the other; which of them somebody believes is unknown.
        headers.remove(CONTENT_LENGTH);
        return Ok(BodyReader::chunked());
    }
    let length = content_length(headers)?;
    Ok(length.map_or_else(BodyReader::until_close, BodyReader::length))
}

/// Whether the body comes in chunks. Any other coding was not asked for, and cannot be read.
fn is_chunked(headers: &HeaderMap, modern: bool) -> Result<bool, Malformed> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(false);
    };
    let only = coding
        .as_bytes()
        .trim_ascii()
        .eq_ignore_ascii_case(b"chunked");
    if !modern || !only || codings.next().is_some() {
        return Err(Malformed("its transfer-encoding is not chunked alone"));
    }
    Ok(true)
}

/// The length that `content-length` tells. Repeated, it must say the same (section 6.3, item 5),
/// and is then kept once.
fn content_length(headers: &mut HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut length = None;
    let mut said = 0;
    for value in headers.get_all(CONTENT_LENGTH) {
        for part in value.as_bytes().split(|byte| *byte == b',') {
            let told = decimal(part.trim_ascii()).ok_or(Malformed("its content-length is none"))?;
            if length.is_some_and(|length| length != told) {
                return Err(Malformed("its content-lengths differ"));
            }
            length = Some(told);
            said += 1;
        }
    }
    if let Some(length) = length.filter(|_| said > 1) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Ok(length)
}

/// Digits alone: neither a sign nor a space is part of a length.
fn decimal(digits: &[u8]) -> Option<u64> {
    let digit = |byte: &u8| byte.is_ascii_digit();
    let text = std::str::from_utf8(digits).ok()?;
    digits.iter().all(digit).then(|| text.parse().ok())?
}

fn keeps_alive(headers: &HeaderMap, modern: bool) -> bool {
    let says = |what: &[u8]| {
        headers.get_all(CONNECTION).iter().any(|value| {
            let mut options = value.as_bytes().split(|byte| *byte == b',');
            options.any(|option| option.trim_ascii().eq_ignore_ascii_case(what))
        })
    };
    !says(b"close") && (modern || says(b"keep-alive"))
}
