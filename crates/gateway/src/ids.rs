//! Request ids: the caller's where it is fit to be logged, else a fresh random one.

use http::HeaderValue;
use http::header::HeaderMap;

use crate::headers::X_REQUEST_ID;

/// Longer ids are replaced: they would be copied into every log line and upstream request.
const MAX_LEN: usize = 128;

/// The id of a request, the caller's own if it is 1 to 128 visible ASCII characters.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    match headers.get(&X_REQUEST_ID) {
        Some(id) if is_fit(id.as_bytes()) => id.clone(),
        _ => random(),
    }
}

fn is_fit(id: &[u8]) -> bool {
    (1..=MAX_LEN).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

/// A random UUID (version 4, RFC 9562) in lower-case hexadecimal.
fn random() -> HeaderValue {
    const FORM: &[u8; 36] = b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    let mut bits = fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let id = FORM.map(|place| {
        if place == b'-' {
            return place;
        }
        bits = bits.rotate_left(4);
        b"0123456789abcdef"[(bits & 0xf) as usize]
    });
    HeaderValue::from_bytes(&id).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &'static [u8], kept: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(given).unwrap());
        assert_eq!(request_id(&headers).as_bytes() == given, kept, "{given:?}");
    }

    #[test]
    fn fit_ids_are_kept() {
        check(b"req_abc-123", true);
        check(&[b'a'; 128], true);
        check(&[b'a'; 129], false);
        check(b"", false);
        check(b"a b", false);
        check(b"a\xff", false);
    }

    #[test]
    fn fresh_ids_are_version_4() {
        let one = request_id(&HeaderMap::new());
        let text = one.to_str().unwrap();
        assert_eq!(text.len(), 36);
        assert_eq!(text.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&text.as_bytes()[19]));
        assert_ne!(one, request_id(&HeaderMap::new()));
    }
}
