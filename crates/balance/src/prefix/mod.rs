//! Which endpoint holds which prefix in its KV cache, as far as that can be known from here.
//!
//! A prompt is a chain of block hashes, each over its block *and* all before it, so that equal hashes
//! mean equal prefixes. The index is one radix tree over such chains: a node is a run of blocks that no
//! chain has left so far, and names the endpoints that hold it, each with how much of it. Looking a
//! prompt up compares runs of hashes that lie one after another in memory, not a hash table's slot for
//! each block: a prompt of 100,000 tokens has thousands of blocks, but few forks.
//!
//! What an endpoint holds is closed under prefixes, as a paged cache's blocks are: it holds a node
//! beyond its first block only if it holds all of the node's parent. Its capacity is counted in tokens
//! and kept as an engine keeps it: when there is too much, the end of the chain that was used longest
//! ago goes first. So the index never claims more than an engine can hold, and is wrong where the
//! engine's own order of eviction differs.

mod caches;
mod tree;

#[cfg(test)]
mod tests;

pub use caches::Chain;
pub(crate) use caches::{Caches, Seat};
pub use tree::PrefixIndex;

/// An endpoint as the index knows it: a small number, used again when its endpoint has left.
pub type Slot = u16;
