//! A hash of a JSON value that ignores white space, escapes and the order of an object's fields.
//!
//! Fields are joined by addition, elements by chaining, so only one word a level is kept. Numbers
//! count as they are spelled.

use smallvec::SmallVec;
use xxhash_rust::xxh3::Xxh3;

use super::mix;
use crate::json::Token;

struct Level {
    token: Token,
    key: u64,
    joined: u64,
}

pub(crate) struct ValueHasher {
    levels: SmallVec<[Level; 8]>,
    scalar: Xxh3,
}

impl ValueHasher {
    pub(crate) fn new() -> Self {
        Self {
            levels: SmallVec::new(),
            scalar: Xxh3::new(),
        }
    }

    pub(crate) fn begin(&mut self, token: Token) {
        if token.is_container() {
            self.levels.push(Level {
                token,
                key: 0,
                joined: 0,
            });
        } else {
            self.scalar.reset();
        }
    }

    pub(crate) fn text(&mut self, piece: &[u8]) {
        self.scalar.update(piece);
    }

    /// The hash of the value, when the value that ends here is the outermost.
    pub(crate) fn end(&mut self, token: Token) -> Option<u64> {
        let hash = if token.is_container() {
            self.levels.pop()?.joined
        } else {
            self.scalar.digest()
        };
        if token == Token::Key {
            self.levels.last_mut()?.key = hash;
            return None;
        }
        let hash = mix(token as u64, hash);
        let Some(outer) = self.levels.last_mut() else {
            return Some(hash);
        };
        outer.joined = match outer.token {
            Token::Object => outer.joined.wrapping_add(mix(outer.key, hash)),
            _ => mix(outer.joined, hash),
        };
        None
    }
}
