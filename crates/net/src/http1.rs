//! HTTP/1.1 as a client speaks it: requests to bytes, bytes to responses. No I/O.
//!
//! Owned rather than taken from hyper, whose client is made for connections that live in a task of
//! their own: it hands every chunk through a channel, wakes its own sender for each, and keeps
//! buffers of 8 KiB on either side for as long as a connection is open. A gateway holds thousands
//! of streams that say a word now and then, and reads their chunks in the very task that passes
//! them on. Here a reader keeps no bytes but those of an unfinished head, and chunks that arrived
//! together become one piece ([`BodyReader`]).
//!
//! Syntax of heads is httparse's, as it is hyper's. Where the end of a message is (RFC 9112,
//! section 6) is decided in `framing` of the module `head`, and what leaves room for two opinions is refused:
//! the other opinion might be that of whoever wrote the next response.

mod body;
mod head;
mod request;

pub use body::BodyReader;
pub use head::{Head, HeadLimits, HeadReader};
pub(crate) use request::{
    Framing, announced_trailers, encode_chunk_size, encode_head, encode_trailers, expects_body,
};

/// Why bytes are no HTTP/1.1 response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) &'static str);

#[cfg(test)]
mod tests;
