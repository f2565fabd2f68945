//! Messages as bytes.

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, DATE, HOST, HeaderName, MAX_FORWARDS, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body as _;

use crate::body::Body;

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// By its length; so many bytes are to come.
    Length(u64),
    /// By a last chunk.
    Chunked,
    /// By the end of the connection; of a response only.
    UntilClose,
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
pub(crate) fn encode_request(request: &Request<Body>, framing: Framing) -> Vec<u8> {
    let target = request.uri().path_and_query();
    let target_length = target.map_or(1, |target| target.as_str().len());
    let mut head = Vec::with_capacity(target_length + length_of(request.headers()));
    head.extend_from_slice(request.method().as_str().as_bytes());
    head.push(b' ');
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
    push_framing(&mut head, framing);
    head.extend_from_slice(b"\r\n");
    head
}

/// What a response is an answer to, as far as its form depends on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The request was a `HEAD`.
    pub(crate) to_head: bool,
    /// The client speaks HTTP/1.1 and not 1.0.
    pub(crate) modern: bool,
}

impl Asked {
    /// The framing of the response. As for a request, a length that a header tells is not asked
    /// where there is a body.
    pub(crate) fn framing<B: http_body::Body>(self, response: &Response<B>) -> Framing {
        let status = response.status();
        if self.to_head || has_no_body(status) {
            return Framing::None;
        }
        match response.body().size_hint().exact() {
            Some(length) => Framing::Length(length),
            None if response.body().is_end_stream() => Framing::Length(0),
            None if self.modern => Framing::Chunked,
            None => Framing::UntilClose,
        }
    }
}

/// RFC 9112, section 6.3, item 1.
fn has_no_body(status: StatusCode) -> bool {
    status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}

/// The head of a response whose body will be framed so. `connection` is what is said of the
/// connection, unless it switches protocols: then the headers say it. `date` is the time of the
/// response, if its headers tell none. A response that only tells of a body (to `HEAD`, or 304)
/// keeps the length its headers tell, else tells that of its body.
pub(crate) fn encode_response<B: http_body::Body>(
    response: &Response<B>,
    framing: Framing,
    connection: Option<&'static str>,
    date: &[u8],
) -> Vec<u8> {
    let (status, headers) = (response.status(), response.headers());
    let mut head = Vec::with_capacity(length_of(headers));
    head.extend_from_slice(b"HTTP/1.1 ");
    head.extend_from_slice(status.as_str().as_bytes());
    head.push(b' ');
    head.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    head.extend_from_slice(b"\r\n");
    let switching = status == StatusCode::SWITCHING_PROTOCOLS;
    let only_tells = framing == Framing::None && may_tell_of_a_body(status);
    for (name, value) in headers {
        let passes = match *name {
            CONNECTION => switching,
            CONTENT_LENGTH => only_tells,
            TRANSFER_ENCODING => false,
            _ => true,
        };
        if passes {
            push_field(&mut head, name, value.as_bytes());
        }
    }
    if !headers.contains_key(DATE) {
        push_field(&mut head, &DATE, date);
    }
    if let Some(connection) = connection.filter(|_| !switching) {
        push_field(&mut head, &CONNECTION, connection.as_bytes());
    }
    match response.body().size_hint().exact() {
        Some(length @ 1..) if only_tells && !headers.contains_key(CONTENT_LENGTH) => {
            push_framing(&mut head, Framing::Length(length));
        }
        _ => push_framing(&mut head, framing),
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Whether a response without a body may have the length that one would have.
fn may_tell_of_a_body(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::NO_CONTENT
}

fn push_framing(head: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::None | Framing::UntilClose => {}
        Framing::Length(length) => {
            let mut digits = itoa::Buffer::new();
            push_field(head, &CONTENT_LENGTH, digits.format(length).as_bytes());
        }
        Framing::Chunked => push_field(head, &TRANSFER_ENCODING, b"chunked"),
    }
}

/// At least the bytes of a head with these fields, its target not counted, so that it is allocated
/// once.
fn length_of(headers: &HeaderMap) -> usize {
    let fields = headers.iter();
    let fields: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    fields + 160
}

fn push_field(head: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    head.extend_from_slice(name.as_str().as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
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
pub(crate) fn encode_trailers(fields: &HeaderMap, announced: &[HeaderName]) -> Vec<u8> {
    let mut trailers = b"0\r\n".to_vec();
    for (name, value) in fields {
        if may_trail(name) && announced.contains(name) {
            push_field(&mut trailers, name, value.as_bytes());
        }
    }
    trailers.extend_from_slice(b"\r\n");
    trailers
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
