//! The head of a response, read as it arrives.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};

use super::framing::{content_length, is_chunked, keeps_alive};
use super::input::{self, HeadLimits, Input, ROOM, TooLong};
use super::{BodyReader, Malformed};

/// Every response begins with this; what does not is told from one at its first bytes.
const BEGINNING: &[u8] = b"HTTP/1.";

/// The head of a response.
#[derive(Debug)]
pub struct ResponseHead {
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
pub struct ResponseReader {
    limits: HeadLimits,
    input: Input,
    any: bool,
}

impl ResponseReader {
    /// A reader that has seen nothing.
    #[must_use]
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            input: Input::new(limits.bytes),
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
    ) -> Result<Option<(ResponseHead, usize)>, Malformed> {
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
        let begins = self.input.kept().iter().chain(input).zip(BEGINNING);
        if { begins }.any(|(byte, expected)| byte != expected) {
            return Err(Malformed("it does not begin like a response"));
        }
        let taken = self.input.take_head(input);
        taken.map_err(|TooLong| Malformed("its head is too long"))
    }
}

fn parse(bytes: &Bytes, fields: usize, to_head: bool) -> Result<ResponseHead, Malformed> {
    let mut room = input::room();
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
    let headers = input::header_map(bytes, parsed.headers);
    let mut headers = headers.ok_or(Malformed("a header field is not valid"))?;
    let modern = parsed.version == Some(1);
    let two_opinions =
        headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH);
    let body = framing(status, &mut headers, modern, to_head)?;
    let keep_alive = keeps_alive(&headers, modern) && !two_opinions && !body.ends_with_connection();
    Ok(ResponseHead {
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
