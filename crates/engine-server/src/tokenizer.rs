//! A tokenizer without a vocabulary.
//!
//! A real vocabulary is megabytes of somebody's data and buys nothing here: what matters to a
//! gateway is that there are about four bytes to a token, that equal text gives equal tokens,
//! that equal beginnings give equal first tokens, and that `/tokenize` agrees with `usage`. So
//! text is cut greedily from the left into words with the space before them, long words into
//! parts, and a token's id is a hash of its bytes.

use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a word in one token at most, with the space before it.
const WORD_BYTES: usize = 6;

/// Bytes of digits, punctuation or white space in one token at most.
const OTHER_BYTES: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Letter,
    Digit,
    Mark,
}

impl Class {
    fn of(char: char) -> Self {
        match char {
            _ if char.is_whitespace() => Self::Space,
            _ if char.is_numeric() => Self::Digit,
            _ if char.is_alphabetic() || char == '_' => Self::Letter,
            _ => Self::Mark,
        }
    }

    fn most_bytes(self) -> usize {
        match self {
            Self::Letter => WORD_BYTES,
            Self::Space | Self::Digit | Self::Mark => OTHER_BYTES,
        }
    }
}

/// The tokens of `text` in order; joined they are `text`.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest
            .split_at_checked(first_len(rest))
            .filter(|(p, _)| !p.is_empty())?;
        rest = after;
        Some(piece)
    })
}

/// A token's id.
pub(crate) fn id(piece: &str) -> u32 {
    (xxh3_64(piece.as_bytes()) >> 33) as u32
}

/// Appends the ids of the tokens of `text`.
pub(crate) fn encode(text: &str, ids: &mut Vec<u32>) {
    ids.extend(pieces(text).map(id));
}

/// Length of the first token of `text`, in bytes.
fn first_len(text: &str) -> usize {
    let mut chars = text.chars().peekable();
    let Some(first) = chars.next() else { return 0 };
    let mut class = Class::of(first);
    let mut len = first.len_utf8();
    if first == ' '
        && let Some(next) = chars.peek()
    {
        class = Class::of(*next);
    }
    for char in chars {
        if Class::of(char) != class || len + char.len_utf8() > class.most_bytes() {
            break;
        }
        len += char.len_utf8();
    }
    len
}

#[cfg(test)]
mod tests;
