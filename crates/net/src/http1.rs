//! HTTP/1.1 as both sides speak it: messages to bytes, bytes to messages. No I/O.
//!
//! Owned rather than taken from hyper, which is made for connections that live in a task of their
//! own: it hands every chunk through a channel, wakes its own sender for each, and keeps buffers
//! of 8 KiB on either side for as long as a connection is open. A gateway holds thousands of
//! streams that say a word now and then, and reads their chunks in the very task that passes them
//! on. Here a reader keeps no bytes but those of an unfinished head, and chunks that arrived
//! together become one piece ([`BodyReader`]).
//!
//! Syntax of heads is httparse's, as it is hyper's. Where the end of a message is (RFC 9112,
//! section 6) is decided in `framing` of the modules `request` and `response`, and what leaves room
//! for two opinions is refused: the other opinion might be that of whoever wrote the next message.

mod body;
mod encode;
mod framing;
mod input;
mod request;
mod response;

pub use body::BodyReader;
pub(crate) use encode::{
    Asked, Framing, announced_trailers, encode_request, encode_response, encode_trailers,
    expects_body,
};
pub(crate) use framing::keeps_alive;
pub use input::HeadLimits;
pub(crate) use request::blank_lines;
pub use request::{Refused, RequestHead, RequestReader};
pub use response::{ResponseHead, ResponseReader};

/// Why bytes are no HTTP/1.1 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) &'static str);

#[cfg(test)]
mod tests;
