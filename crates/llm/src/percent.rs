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

/// Whether a name has two dots in a row, escaped or not: no model's has, but a path that climbs out
/// of `/models/` to a server's other paths does.
pub(crate) fn climbs(id: &str) -> bool {
    let mut rest = id.as_bytes();
    let mut after_dot = false;
    loop {
        let (is_dot, tail) = match rest {
            [b'.', tail @ ..] | [b'%', b'2', b'e' | b'E', tail @ ..] => (true, tail),
            [_, tail @ ..] => (false, tail),
            [] => return false,
        };
        if is_dot && after_dot {
            return true;
        }
        (after_dot, rest) = (is_dot, tail);
    }
}

#[cfg(test)]
mod tests {
    use super::decoded;

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
