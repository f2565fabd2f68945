//! Where in a document a name could begin.
//!
//! To look for a few names, most quotes need no look: what follows them tells. Quotes and what follows
//! are compared together in blocks, so that only those are visited with which one of the names may
//! begin.

use wide::u8x16;

const BLOCK: usize = 16;

/// Whether `is_meant` finds what it looks for at one of the quotes that one of `firsts` follows. It is
/// asked with their offsets, in order.
pub(crate) fn any_quoted<const N: usize>(
    bytes: &[u8],
    firsts: [u8; N],
    mut is_meant: impl FnMut(usize) -> bool,
) -> bool {
    let mut at = 0;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let mut marks = marks(block, firsts);
        while marks != 0 {
            if is_meant(at + marks.trailing_zeros() as usize) {
                return true;
            }
            marks &= marks - 1;
        }
        at += BLOCK;
    }
    let tail = bytes.get(at..).unwrap_or_default();
    tail.windows(2)
        .enumerate()
        .any(|(offset, pair)| pair[0] == b'"' && firsts.contains(&pair[1]) && is_meant(at + offset))
}

/// A bit for each quote that is followed so, the first lowest.
fn marks<const N: usize>(block: &[u8; BLOCK + 1], firsts: [u8; N]) -> u32 {
    let (Some(here), Some(next)) = (block.first_chunk(), block.last_chunk()) else {
        return 0;
    };
    let (here, next) = (u8x16::new(*here), u8x16::new(*next));
    let follows = firsts
        .map(|first| next.simd_eq(u8x16::splat(first)))
        .into_iter()
        .fold(u8x16::ZERO, |any, one| any | one);
    (here.simd_eq(u8x16::splat(b'"')) & follows).to_bitmask()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(text in "[\"ab:]{0,80}", wanted in 0..80usize) {
            let bytes = text.as_bytes();
            let expect: Vec<usize> = (0..bytes.len().saturating_sub(1))
                .filter(|&at| bytes[at] == b'"' && b"ab".contains(&bytes[at + 1]))
                .take_while(|&at| at <= wanted)
                .collect();
            let mut seen = Vec::new();
            let found = any_quoted(bytes, *b"ab", |at| {
                if at <= wanted {
                    seen.push(at);
                }
                at >= wanted
            });
            prop_assert_eq!(&seen, &expect);
            let is_there = (wanted..bytes.len().saturating_sub(1))
                .any(|at| bytes[at] == b'"' && b"ab".contains(&bytes[at + 1]));
            prop_assert_eq!(found, is_there);
        }
    }
}
