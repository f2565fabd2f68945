//! What a prompt begins with, for policies that know the engines' prefix caches.

use std::num::NonZeroU32;

use llm::digest::{BLOCK_BYTES, PromptDigest, Salt};

/// About how many tokens a full block of a digest has: a token is some four bytes.
pub(crate) const BLOCK_TOKENS: NonZeroU32 = match NonZeroU32::new(BLOCK_BYTES / 4) {
    Some(tokens) => tokens,
    None => NonZeroU32::MIN,
};

/// The blocks of a prompt, each hashed with all before it.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    pub(crate) hashes: Vec<u64>,
    /// Tokens up to the end of each block: the prompt's, in proportion to bytes.
    pub(crate) tokens: Vec<u32>,
}

impl Chain {
    /// That of a prompt of so many tokens for a model: what another model has of the same text is of no
    /// use to it.
    pub(crate) fn of(digest: &PromptDigest, model: &str, prompt_tokens: u32) -> Self {
        let all = digest.bytes().max(1);
        let salt = Salt::new(model, "", "");
        let mut bytes = 0;
        let blocks = digest.chain(&salt).map(|block| {
            bytes += u64::from(block.bytes);
            let tokens = u64::from(prompt_tokens) * bytes / all;
            (block.hash, u32::try_from(tokens).unwrap_or(u32::MAX))
        });
        let (hashes, tokens) = blocks.unzip();
        Self { hashes, tokens }
    }

    /// The same as a pick is given it.
    pub(crate) fn of_pick(&self) -> balance::Chain<'_> {
        balance::Chain {
            hashes: &self.hashes,
            tokens: &self.tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use llm::digest::Block;

    use super::*;

    #[test]
    fn tokens_are_told_by_bytes_and_models_have_nothing_in_common() {
        let block = |hash, bytes| Block { hash, bytes };
        let digest = PromptDigest {
            blocks: vec![block(1, 1024), block(2, 1024), block(3, 512)],
        };
        let chain = Chain::of(&digest, "m", 500);
        assert_eq!(chain.tokens, [200, 400, 500]);
        let shorter = PromptDigest {
            blocks: digest.blocks[..2].to_vec(),
        };
        assert_eq!(chain.hashes[..2], Chain::of(&shorter, "m", 9).hashes);
        let other = Chain::of(&digest, "n", 500);
        assert!(chain.hashes.iter().all(|hash| !other.hashes.contains(hash)));
    }
}
