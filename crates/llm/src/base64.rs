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
        let check = |bytes: &str, expect| assert_eq!(encode(bytes.as_bytes()), expect);
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("foob~?", "Zm9vYn4/");
        check("ÿþ>", "w7/Dvj4=");
        assert_eq!(standard("Zm9vYn4_".into()), "Zm9vYn4/");
        assert_eq!(standard("w7_Dvj4".into()), "w7/Dvj4=");
        assert!(matches!(standard("Zm9v".into()), Cow::Borrowed(_)));
    }
}
