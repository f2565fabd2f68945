//! The content of a request as a prefix cache sees it.
//!
//! A block's hash covers its tokens *and* everything before them (it is chained), so equal hashes
//! mean equal prefixes and the cache needs no tree. The chain covers the output too, since in a
//! model the output is known beforehand: a next turn that begins with it then hits, as it does in
//! a real engine. Salting the first link keeps models, adapters and isolation domains apart.

use std::num::NonZeroU32;
use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Lengths and chained block hashes of one request's prompt and output. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    prompt_tokens: u32,
    output_tokens: u32,
    block_size: NonZeroU32,
    hashes: Arc<[u64]>,
}

/// Why a sequence cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    /// A prompt needs at least one token.
    #[error("the prompt is empty: give at least one token")]
    EmptyPrompt,
    /// A sequence of more than `u32::MAX` tokens.
    #[error("{0} tokens do not fit a sequence: the most is 4,294,967,295")]
    TooLong(u64),
    /// Fewer chunk hashes than the prompt has chunks.
    #[error("a prompt of {prompt_tokens} tokens needs {needed} chunk hashes, got {got}")]
    Chunks {
        /// Length of the prompt.
        prompt_tokens: u32,
        /// Chunks that it spans.
        needed: u64,
        /// Hashes given.
        got: usize,
    },
}

/// A salt for a chain from whatever must keep caches apart: model, adapter, cache salt.
pub fn salt(parts: &[&str]) -> u64 {
    parts.iter().fold(0, |seed, part| {
        xxh3_64_with_seed(part.as_bytes(), seed ^ part.len() as u64)
    })
}

impl Sequence {
    /// A sequence of known tokens. An empty `output` is a request that only embeds its prompt.
    pub fn from_tokens(
        prompt: &[u32],
        output: &[u32],
        salt: u64,
        block_size: NonZeroU32,
    ) -> Result<Self, SequenceError> {
        let (prompt_tokens, output_tokens) =
            checked_lengths(prompt.len() as u64, output.len() as u64)?;
        let size = block_size.get() as usize;
        let mut hashes = Vec::with_capacity((prompt.len() + output.len()) / size);
        let mut bytes = Vec::with_capacity(size * 4);
        let mut parent = salt;
        for token in prompt.iter().chain(output) {
            bytes.extend_from_slice(&token.to_le_bytes());
            if bytes.len() == size * 4 {
                parent = xxh3_64_with_seed(&bytes, parent);
                hashes.push(parent);
                bytes.clear();
            }
        }
        Ok(Self {
            prompt_tokens,
            output_tokens,
            block_size,
            hashes: hashes.into(),
        })
    }

    /// A sequence from a trace that identifies its prompt by hashes of `chunk_tokens` tokens each
    /// (the last may be partial). Prompts are equal as far as their chunk hashes are; the output,
    /// which traces do not identify, is `output_id`'s own.
    pub fn from_chunks(
        chunks: &[u64],
        chunk_tokens: NonZeroU32,
        prompt_tokens: u32,
        output_tokens: u32,
        output_id: u64,
        block_size: NonZeroU32,
    ) -> Result<Self, SequenceError> {
        checked_lengths(prompt_tokens.into(), output_tokens.into())?;
        let needed = u64::from(prompt_tokens.div_ceil(chunk_tokens.get()));
        if (chunks.len() as u64) < needed {
            return Err(SequenceError::Chunks {
                prompt_tokens,
                needed,
                got: chunks.len(),
            });
        }
        let blocks = (prompt_tokens + output_tokens) / block_size;
        let mut parent = 0;
        let hashes = (0..blocks)
            .map(|block| {
                let start = block * block_size.get();
                let end = start + block_size.get();
                let content = if end > prompt_tokens {
                    output_id
                } else {
                    span_id(chunks, chunk_tokens, start, end)
                };
                parent = xxh3_64_with_seed(&content.to_le_bytes(), parent ^ u64::from(start));
                parent
            })
            .collect();
        Ok(Self {
            prompt_tokens,
            output_tokens,
            block_size,
            hashes,
        })
    }

    /// Tokens of the prompt, at least 1.
    pub fn prompt_tokens(&self) -> u32 {
        self.prompt_tokens
    }

    /// Tokens to generate; 0 for a request that only embeds its prompt.
    pub fn output_tokens(&self) -> u32 {
        self.output_tokens
    }

    /// Tokens in a block.
    pub fn block_size(&self) -> NonZeroU32 {
        self.block_size
    }

    /// The chained hash of each full block of prompt and output, first block first.
    pub fn hashes(&self) -> &[u64] {
        &self.hashes
    }
}

fn checked_lengths(prompt: u64, output: u64) -> Result<(u32, u32), SequenceError> {
    if prompt == 0 {
        return Err(SequenceError::EmptyPrompt);
    }
    let total = prompt + output;
    if total > u64::from(u32::MAX) {
        return Err(SequenceError::TooLong(total));
    }
    Ok((prompt as u32, output as u32))
}

/// What the tokens `start..end` are, given the hashes of the chunks that they lie in.
fn span_id(chunks: &[u64], chunk_tokens: NonZeroU32, start: u32, end: u32) -> u64 {
    let first = (start / chunk_tokens) as usize;
    let last = ((end - 1) / chunk_tokens) as usize;
    let offset = u64::from(start % chunk_tokens);
    match chunks.get(first..=last) {
        Some([only]) => only ^ offset.rotate_left(32),
        Some(several) => {
            let bytes: Vec<u8> = several
                .iter()
                .flat_map(|chunk| chunk.to_le_bytes())
                .collect();
            xxh3_64(&bytes) ^ offset.rotate_left(32)
        }
        None => offset,
    }
}

#[cfg(test)]
mod tests;
