//! What a head says of the message's end and of the connection's (RFC 9112, sections 6.3 and 9.3).

use http::HeaderMap;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};

use super::Malformed;

/// Whether the body comes in chunks. Any other coding was not asked for, and cannot be read.
pub(super) fn is_chunked(headers: &HeaderMap, modern: bool) -> Result<bool, Malformed> {
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
pub(super) fn content_length(headers: &mut HeaderMap) -> Result<Option<u64>, Malformed> {
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

/// Whether whoever sent this keeps the connection. `modern`: it speaks HTTP/1.1.
pub(crate) fn keeps_alive(headers: &HeaderMap, modern: bool) -> bool {
    let says = |what| says(headers, &CONNECTION, what);
    !says(b"close") && (modern || says(b"keep-alive"))
}

/// Whether `what` is in the list that the fields of this name are.
pub(super) fn says(headers: &HeaderMap, name: &HeaderName, what: &[u8]) -> bool {
    headers.get_all(name).iter().any(|value| {
        let mut members = value.as_bytes().split(|byte| *byte == b',');
        members.any(|member| member.trim_ascii().eq_ignore_ascii_case(what))
    })
}
