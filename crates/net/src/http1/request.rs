//! A request as bytes.

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    HOST, HeaderName, MAX_FORWARDS, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
};
use http::{HeaderMap, Method, Request};
use http_body::Body as _;

use crate::body::Body;

/// How the end of a request's body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// By its length; so many bytes are to come.
    Length(u64),
    /// By a last chunk.
    Chunked,
}

impl Framing {
    /// The framing of a request. A length that a header tells is not asked: it may have been
    /// written for another body, and the rest of this one would then be the next request.
    pub(crate) fn of(request: &Request<Body>) -> Self {
        let body = request.body();
        match body.size_hint().exact() {
            Some(0) if expects_body(request.method()) => Self::Length(0),
            Some(0) => Self::None,
            Some(length) => Self::Length(length),
            None if body.is_end_stream() => Self::None,
            None => Self::Chunked,
        }
    }
}

/// Whether a request of this method says so when it has no body (RFC 9110, section 8.6).
pub(crate) fn expects_body(method: &Method) -> bool {
    *method == Method::POST || *method == Method::PUT || *method == Method::PATCH
}

/// The head of a request whose body will be framed so.
pub(crate) fn encode_head(request: &Request<Body>, framing: Framing) -> Bytes {
    let mut head = Vec::with_capacity(length_of_head(request));
    head.extend_from_slice(request.method().as_str().as_bytes());
    head.push(b' ');
    let target = request.uri().path_and_query();
    let target = target.map_or("/", |target| target.as_str());
    if target.starts_with('?') {
        head.push(b'/');
    }
    head.extend_from_slice(target.as_bytes());
    head.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in request.headers() {
        if *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING {
            push_field(&mut head, name, value.as_bytes());
        }
    }
    match framing {
        Framing::None => {}
        Framing::Length(length) => {
            let mut digits = itoa::Buffer::new();
            push_field(&mut head, &CONTENT_LENGTH, digits.format(length).as_bytes());
        }
        Framing::Chunked => push_field(&mut head, &TRANSFER_ENCODING, b"chunked"),
    }
    head.extend_from_slice(b"\r\n");
    Bytes::from(head)
}

/// At least the bytes of the head, so that it is allocated once.
fn length_of_head(request: &Request<Body>) -> usize {
    let fields = request.headers().iter();
    let fields: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    let target = request.uri().path_and_query();
    target.map_or(1, |target| target.as_str().len()) + fields + 80
}

fn push_field(head: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    head.extend_from_slice(name.as_str().as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

/// What stands before a chunk of `length` bytes.
pub(crate) fn encode_chunk_size(length: usize) -> Bytes {
    Bytes::from(format!("{length:x}\r\n"))
}

/// The fields that `Trailer` names.
pub(crate) fn announced_trailers(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(TRAILER).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect()
}

/// What stands after the last chunk: trailer fields that may be ones (RFC 9110, section 6.5.1) and
/// were `announced`, and the end.
pub(crate) fn encode_trailers(fields: &HeaderMap, announced: &[HeaderName]) -> Bytes {
    let mut trailers = b"0\r\n".to_vec();
    for (name, value) in fields {
        if may_trail(name) && announced.contains(name) {
            push_field(&mut trailers, name, value.as_bytes());
        }
    }
    trailers.extend_from_slice(b"\r\n");
    Bytes::from(trailers)
}

fn may_trail(name: &HeaderName) -> bool {
    let never = [
        AUTHORIZATION,
        CACHE_CONTROL,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_RANGE,
        CONTENT_TYPE,
        HOST,
        MAX_FORWARDS,
        SET_COOKIE,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
    ];
    !never.contains(name)
}
