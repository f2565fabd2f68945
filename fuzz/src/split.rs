//! The same bytes in other pieces, as a network might bring them.

use fastrand::Rng;
use foldhash::fast::FixedState;
use std::hash::BuildHasher;

/// Random numbers that follow from an input, so that a file of the corpus is nothing but the bytes
/// that are read and yet always runs alike.
pub(crate) fn random(data: &[u8]) -> Rng {
    Rng::with_seed(FixedState::default().hash_one(data))
}

/// The bytes one by one, and in a few pieces.
pub(crate) fn splits(data: &[u8]) -> [Vec<&[u8]>; 2] {
    const MAX_CUTS: usize = 6;
    let mut random = random(data);
    let mut cuts: Vec<usize> = (0..random.usize(..=MAX_CUTS))
        .map(|_| random.usize(..=data.len()))
        .collect();
    cuts.sort_unstable();
    let mut pieces = Vec::new();
    let mut rest = data;
    let mut offset = 0;
    for cut in cuts {
        let (piece, after) = rest.split_at(cut - offset);
        pieces.push(piece);
        (rest, offset) = (after, cut);
    }
    pieces.push(rest);
    [data.chunks(1).collect(), pieces]
}
