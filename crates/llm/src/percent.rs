//! Percent-encoding of what stands in a path (RFC 3986, section 2.1).

use std::borrow::Cow;

/// Appends a segment of a path, with every byte encoded that could mean something else there.
pub(crate) fn encode_segment(segment: &str, path: &mut String) {
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// Undoes the encoding; what is not valid stays as it is.
#[must_use]
pub fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).filter(|_| *first == b'%');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = match byte {
            Some(_) => tail.get(2..).unwrap_or_default(),
            None => tail,
        };
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a name has two dots in a row or a dot between slashes, escaped or not: no model's has, but
/// a path that climbs out of `/models/` to a server's other paths does.
pub(crate) fn climbs(id: &str) -> bool {
    let id = decoded(id);
    id.contains("..") || id.split('/').any(|segment| segment == ".")
}

#[cfg(test)]
mod tests {
    use super::{climbs, decoded};

    #[test]
    fn a_name_does_not_climb() {
        for name in [
            "..",
            "a/../b",
            "a%2F%2e./b",
            "%2E%2e",
            ".",
            "a/./b",
            "a%2F%2E",
            "a..b",
        ] {
            assert!(climbs(name), "{name}");
        }
        for name in ["a.b", "a/b.", ".a/b", "qwen2.5-7b", "a%2", ""] {
            assert!(!climbs(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_escape_stays() {
        let check = |text, expect| assert_eq!(decoded(text), expect);
        check("qwen%2Fqwen3-32b", "qwen/qwen3-32b");
        check("a%3ab%20c", "a:b c");
        check("100%", "100%");
        check("%zz%4", "%zz%4");
        check("%F0%9F%A6%80", "🦀");
        check("%+1%zz%C3%A9%ff", "%+1%zz\u{e9}\u{fffd}");
    }
}
