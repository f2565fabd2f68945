//! How far a string goes on without a byte that needs a decision.
//!
//! Prose and code have an escape every few dozen bytes, so searches by vector instructions for one
//! byte each lose what they gain by starting anew. Here one look at a block marks all that is
//! special in it, a bit each, and the bits are followed one by one.

use wide::u8x16;

/// Bytes that are looked at together.
const BLOCK: usize = 32;

/// Bytes of a string, and how many they are once decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) len: usize,
    pub(super) decoded: usize,
}

/// The bytes before the first that is special in a string: a quote, a backslash or a control
/// character.
pub(super) fn plain(bytes: &[u8]) -> Run {
    let (blocks, tail) = bytes.as_chunks::<BLOCK>();
    for (index, block) in blocks.iter().enumerate() {
        let marks = specials(block);
        if marks != 0 {
            return Run::plain(index * BLOCK + marks.trailing_zeros() as usize);
        }
    }
    let rest = tail.iter().take_while(|&&byte| !is_special(byte)).count();
    Run::plain(blocks.len() * BLOCK + rest)
}

/// The bytes before the first that is special, escapes of two bytes passed over.
pub(super) fn skim(bytes: &[u8]) -> Run {
    let mut at = 0;
    let mut escapes = 0;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let mut marks = specials(block);
        let mut end = at + BLOCK;
        while marks != 0 {
            let special = at + marks.trailing_zeros() as usize;
            if !is_escape(bytes, special) {
                return Run::skimmed(special, escapes);
            }
            escapes += 1;
            // Its second byte may be marked too, or be the first of the next block.
            marks &= marks - 1;
            marks &= !(1_u32.checked_shl((special + 1 - at) as u32).unwrap_or(0));
            end = end.max(special + 2);
        }
        at = end;
    }
    while let Some(&byte) = bytes.get(at) {
        if !is_special(byte) {
            at += 1;
        } else if is_escape(bytes, at) {
            escapes += 1;
            at += 2;
        } else {
            break;
        }
    }
    Run::skimmed(at, escapes)
}

impl Run {
    const fn plain(len: usize) -> Self {
        Self::skimmed(len, 0)
    }

    const fn skimmed(len: usize, escapes: usize) -> Self {
        Self {
            len,
            decoded: len - escapes,
        }
    }
}

/// What a backslash and `byte` stand for, where it is a single byte.
pub(super) const fn unescape(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' | b'/' => byte,
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}

/// Whether an escape of two bytes stands at `at`.
fn is_escape(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at..) {
        Some([b'\\', escaped, ..]) => unescape(*escaped).is_some(),
        _ => false,
    }
}

const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// A bit for each special byte, the first lowest.
fn specials(block: &[u8; BLOCK]) -> u32 {
    let (halves, _) = block.as_chunks();
    let marks = halves.iter().map(|half| {
        let half = u8x16::new(*half);
        let is_control = half.min(u8x16::splat(0x1F)).simd_eq(half);
        let is_quote = half.simd_eq(u8x16::splat(b'"'));
        let is_backslash = half.simd_eq(u8x16::splat(b'\\'));
        (is_control | is_quote | is_backslash).to_bitmask()
    });
    marks
        .zip([0, 16])
        .fold(0, |all, (bits, shift)| all | bits << shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As it is meant, byte by byte.
    fn slow(bytes: &[u8], escapes: bool) -> Run {
        let mut run = Run::plain(0);
        while let Some(&byte) = bytes.get(run.len) {
            let step = match byte {
                b'\\' if escapes && is_escape(bytes, run.len) => 2,
                _ if is_special(byte) => break,
                _ => 1,
            };
            run.len += step;
            run.decoded += 1;
        }
        run
    }

    proptest! {
        #[test]
        fn blocks_are_as_single_bytes(
            bytes in prop::collection::vec(prop_oneof![
                8 => prop::sample::select(b" az\x7F\x80\xFF\x20!#[]".to_vec()),
                1 => prop::sample::select(b"\\\\\\\"nu/\x1F\x00".to_vec()),
            ], 0..200),
        ) {
            for from in 0..bytes.len().min(40) {
                prop_assert_eq!(plain(&bytes[from..]), slow(&bytes[from..], false));
                prop_assert_eq!(skim(&bytes[from..]), slow(&bytes[from..], true));
            }
        }

        #[test]
        fn dense_escapes_are_passed_over(
            bytes in prop::collection::vec(prop::sample::select(b"\\\\\\nx\"".to_vec()), 0..100),
        ) {
            prop_assert_eq!(skim(&bytes), slow(&bytes, true));
        }
    }
}
