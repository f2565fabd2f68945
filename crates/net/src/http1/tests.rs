//! What a message is, where it ends, and that neither depends on how it arrives.

mod encode;
mod request;
mod response;

/// `bytes` in pieces of these sizes, over and over.
fn split<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut sizes = sizes.iter().cycle();
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| *size);
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
