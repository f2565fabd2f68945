//! Writing strings.

use super::run::plain;

/// Appends a text as a string, escaped where it must be.
pub(crate) fn append_string(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len() + 2);
    out.push(b'"');
    loop {
        let (run, behind) = rest.split_at_checked(plain(rest).len).unwrap_or_default();
        out.extend_from_slice(run);
        let Some((special, behind)) = behind.split_first() else {
            break;
        };
        append_escaped(*special, out);
        rest = behind;
    }
    out.push(b'"');
}

fn append_escaped(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        _ => {
            let digits = [byte >> 4, byte & 0xF].map(|digit| DIGITS[usize::from(digit)]);
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_what_serde_writes(text in "(\\PC|[\"\\\\\x00-\x1F\x7Fé😀]){0,80}") {
            let mut out = Vec::new();
            append_string(&text, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }
    }
}
