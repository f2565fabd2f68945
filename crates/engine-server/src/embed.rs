//! Embeddings: unit vectors that follow from the prompt.

use crate::generate::mix;

/// Components of an embedding.
pub(crate) const DIMENSIONS: usize = 1_024;

/// The embedding of a prompt with this seed, of length 1.
pub(crate) fn vector(seed: u64) -> Vec<f32> {
    let mut state = seed;
    let raw: Vec<f32> = (0..DIMENSIONS)
        .map(|_| {
            state = mix(state);
            (state >> 40) as f32 / (1_u32 << 23) as f32 - 1.0
        })
        .collect();
    let length = raw
        .iter()
        .map(|component| component * component)
        .sum::<f32>()
        .sqrt();
    raw.into_iter()
        .map(|component| component / length)
        .collect()
}

/// Base64 (RFC 4648, padded) of the components as little-endian `f32`.
pub(crate) fn base64(vector: &[f32]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|component| component.to_le_bytes())
        .collect();
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0, |bits, (at, byte)| {
            bits | u32::from(*byte) << (16 - 8 * at)
        });
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) as usize & 63;
            text.push(if digit <= chunk.len() {
                char::from(DIGITS[index])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests;
