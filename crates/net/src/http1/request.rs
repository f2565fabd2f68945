//! The head of a request, read as it arrives.

use bytes::{Buf, Bytes};
use http::header::{CONTENT_LENGTH, EXPECT, TE, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Uri};

use super::framing::{content_length, is_chunked, keeps_alive, says};
use super::input::{self, HeadLimits, Input, ROOM, TooLong};
use super::{BodyReader, Malformed};

/// As long as no more than this has come of a head it is looked at with every piece, so that what
/// was never a request (a TLS handshake, say) is refused and not waited for.
const EARLY: usize = 1 << 10;

/// The longest target that [`Uri`] takes.
const MAX_TARGET: usize = u16::MAX as usize - 1;

/// The head of a request.
#[derive(Debug)]
pub struct RequestHead {
    /// Its method.
    pub method: Method,
    /// Its target, in any of the four forms of RFC 9112, section 3.2.
    pub target: Uri,
    /// Whether it is HTTP/1.1 and not 1.0.
    pub modern: bool,
    /// Its fields, values sharing one allocation. There is one of `transfer-encoding` and
    /// `content-length` at most, and it is what the body's end was found by.
    pub headers: HeaderMap,
    /// What reads the body that follows.
    pub body: BodyReader,
    /// Whether the client keeps the connection. Not if it said both ways where the body ends: its
    /// next request would be behind an end that somebody else may see elsewhere.
    pub keep_alive: bool,
}

impl RequestHead {
    /// Whether the client waits for `100 Continue` before it sends the body.
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.modern && says(&self.headers, &EXPECT, b"100-continue")
    }

    /// Whether the client takes fields behind the response's last chunk.
    #[must_use]
    pub fn takes_trailers(&self) -> bool {
        self.modern && says(&self.headers, &TE, b"trailers")
    }
}

/// Why bytes are not served as a request, and the status that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refused {
    /// 400, 414 or 431.
    pub status: StatusCode,
    why: &'static str,
}

impl From<Malformed> for Refused {
    fn from(Malformed(why): Malformed) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            why,
        }
    }
}

impl From<httparse::Error> for Refused {
    fn from(error: httparse::Error) -> Self {
        let why = match error {
            httparse::Error::TooManyHeaders => return too_large("its head has too many fields"),
            httparse::Error::HeaderName => "a header field's name is not valid",
            httparse::Error::HeaderValue => "a header field's value is not valid",
            httparse::Error::Version => "its version is not HTTP/1",
            httparse::Error::Token => "its method or target is not valid",
            _ => "its head is not valid",
        };
        Malformed(why).into()
    }
}

const fn too_large(why: &'static str) -> Refused {
    Refused {
        status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        why,
    }
}

/// Collects bytes until they are the head of a request.
#[derive(Debug)]
pub struct RequestReader {
    limits: HeadLimits,
    input: Input,
}

impl RequestReader {
    /// A reader that has seen nothing.
    #[must_use]
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            input: Input::new(limits.bytes),
        }
    }

    /// Whether a part of a head has come.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        !self.input.kept().is_empty()
    }

    /// Takes the next bytes from the connection. Returns the head, once it is whole, and how many
    /// of `input` belong to it; the rest is of the body. Empty lines before a head are passed over
    /// (RFC 9112, section 2.2).
    ///
    /// # Errors
    /// The bytes are no request, or exceed the limits.
    pub fn push(&mut self, input: &[u8]) -> Result<Option<(RequestHead, usize)>, Refused> {
        let blank = self.pass_blank_lines(input);
        let taken = self.input.take_head(&input[blank..]);
        match taken.map_err(|TooLong| too_large("its head is too long"))? {
            Some((bytes, used)) => Ok(Some((parse(&bytes, self.limits.fields)?, blank + used))),
            None => self.check_early().map(|()| None),
        }
    }

    /// How many bytes at the beginning of `input` are empty lines before a head.
    fn pass_blank_lines(&mut self, input: &[u8]) -> usize {
        match (self.input.kept(), input) {
            (b"", _) => blank_lines(input),
            (b"\r", [b'\n', rest @ ..]) => {
                self.input = Input::new(self.limits.bytes);
                1 + blank_lines(rest)
            }
            _ => 0,
        }
    }

    fn check_early(&self) -> Result<(), Refused> {
        let kept = self.input.kept();
        if kept.len() > EARLY {
            return Ok(());
        }
        let mut room = input::room();
        let room = &mut room[..self.limits.fields.min(ROOM)];
        httparse::Request::new(&mut []).parse_with_uninit_headers(kept, room)?;
        Ok(())
    }
}

/// Bytes of the empty lines that `input` begins with.
pub(crate) fn blank_lines(input: &[u8]) -> usize {
    let mut rest = input;
    loop {
        match rest {
            [b'\r', b'\n', ..] => rest.advance(2),
            [b'\n', ..] => rest.advance(1),
            _ => return input.len() - rest.len(),
        }
    }
}

fn parse(bytes: &Bytes, fields: usize) -> Result<RequestHead, Refused> {
    const INCOMPLETE: Malformed = Malformed("its head is not valid");
    let mut room = input::room();
    let room = &mut room[..fields.min(ROOM)];
    let mut parsed = httparse::Request::new(&mut []);
    let status = parsed.parse_with_uninit_headers(bytes, room)?;
    let (httparse::Status::Complete(used), Some(method), Some(target)) =
        (status, parsed.method, parsed.path)
    else {
        return Err(INCOMPLETE.into());
    };
    // Else there are two opinions on where the head ends.
    if used != bytes.len() {
        return Err(INCOMPLETE.into());
    }
    let method = Method::from_bytes(method.as_bytes());
    let method = method.map_err(|_| Malformed("its method is not valid"))?;
    let target = parse_target(bytes, target)?;
    let headers = input::header_map(bytes, parsed.headers);
    let mut headers = headers.ok_or(Malformed("a header field is not valid"))?;
    let modern = parsed.version == Some(1);
    let framed_twice =
        headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH);
    let body = framing(&mut headers, modern)?;
    let keep_alive = keeps_alive(&headers, modern) && !framed_twice;
    Ok(RequestHead {
        method,
        target,
        modern,
        headers,
        body,
        keep_alive,
    })
}

fn parse_target(bytes: &Bytes, target: &str) -> Result<Uri, Refused> {
    if target.len() > MAX_TARGET {
        return Err(Refused {
            status: StatusCode::URI_TOO_LONG,
            why: "its target is too long",
        });
    }
    let uri = Uri::from_maybe_shared(bytes.slice_ref(target.as_bytes()));
    Ok(uri.map_err(|_| Malformed("its target is not valid"))?)
}

/// How the body is delimited: RFC 9112, section 6.3, items 3 to 7.
fn framing(headers: &mut HeaderMap, modern: bool) -> Result<BodyReader, Malformed> {
    if is_chunked(headers, modern)? {
        // It must not be passed on beside the other; which of them somebody believes is unknown.
        headers.remove(CONTENT_LENGTH);
        return Ok(BodyReader::chunked());
    }
    let length = content_length(headers)?;
    Ok(BodyReader::length(length.unwrap_or(0)))
}
