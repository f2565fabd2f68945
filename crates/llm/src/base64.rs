//! Base64 (RFC 4648), as far as dialects differ in it.

use std::borrow::Cow;

use memchr::memchr2;

/// Bytes in base64, in the alphabet and with the padding that all APIs read.
pub(crate) fn standard(text: Cow<'_, str>) -> Cow<'_, str> {
    if memchr2(b'-', b'_', text.as_bytes()).is_none() && text.len().is_multiple_of(4) {
        return text;
    }
    let mut standard = text.replace('-', "+").replace('_', "/");
    while !standard.len().is_multiple_of(4) {
        standard.push('=');
    }
    Cow::Owned(standard)
}

/// Writes bytes in base64.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digits = [bits >> 18, bits >> 12, bits >> 6, bits].map(digit);
        let digits = digits.into_iter().enumerate();
        out.extend(digits.map(|(at, digit)| if at > group.len() { '=' } else { digit }));
    }
    out
}

/// The text that base64 is of, in the standard alphabet; `None` if it is of something else.
pub(crate) fn text(data: &str) -> Option<String> {
    String::from_utf8(bytes(data)?).ok()
}

/// The bytes that base64 is of, in the standard alphabet; `None` if it is none.
pub(crate) fn bytes(data: &str) -> Option<Vec<u8>> {
    let digits = data.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.as_bytes().chunks(4) {
        let mut bits = 0;
        for byte in group {
            bits = bits << 6 | sextet(*byte)?;
        }
        // Of digits that lack, zeros.
        bits <<= 6 * (4 - group.len());
        let [_, written @ ..] = u32::to_be_bytes(bits);
        // One digit alone is of no byte.
        bytes.extend_from_slice(
            written
                .get(..group.len() - 1)
                .filter(|bytes| !bytes.is_empty())?,
        );
    }
    Some(bytes)
}

fn sextet(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

fn digit(bits: u32) -> char {
    let sextet = (bits & 0x3F) as u8;
    char::from(match sextet {
        0..26 => b'A' + sextet,
        26..52 => b'a' + (sextet - 26),
        52..62 => b'0' + (sextet - 52),
        62 => b'+',
        _ => b'/',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_written_and_mended() {
        let check = |bytes: &str, expect| {
            assert_eq!(encode(bytes.as_bytes()), expect);
            assert_eq!(text(expect).as_deref(), Some(bytes));
        };
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("foob~?", "Zm9vYn4/");
        check("ÿþ>", "w7/Dvj4=");
        assert_eq!(standard("Zm9vYn4_".into()), "Zm9vYn4/");
        assert_eq!(standard("w7_Dvj4".into()), "w7/Dvj4=");
        assert!(matches!(standard("Zm9v".into()), Cow::Borrowed(_)));
        for broken in ["/w==", "Z", "Zg=g", "Zm9_"] {
            assert_eq!(text(broken), None, "{broken}");
        }
    }
}
