//! How a stream is cut into events.
//!
//! Most APIs stream server-sent events, some a JSON document a line, Amazon's binary messages. What an
//! event says is its dialect's business; where it ends, its [`Framing`]'s. So who watches or translates
//! streams sees frames: a name, if there is one, some data, and the bytes to pass on.

mod chunks;
mod lines;

use std::borrow::Cow;

use bytes::Bytes;

use crate::event_stream::{self, Corrupt};
use crate::sse::{self, FrameTooLong};

/// How the events of a stream are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Server-sent events.
    Events,
    /// A JSON document a line.
    Lines,
    /// Messages of [`event_stream`].
    Messages,
    /// The same, each with an event of the Messages API inside.
    Chunks,
}

impl Framing {
    /// The media type of such a stream.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Events => crate::CONTENT_TYPE_EVENT_STREAM,
            Self::Lines => "application/x-ndjson",
            Self::Messages | Self::Chunks => "application/vnd.amazon.eventstream",
        }
    }
}

/// Why a stream cannot be cut any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// An event exceeds its bound.
    #[error(transparent)]
    TooLong(#[from] FrameTooLong),
    /// A message is none.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

/// A frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Event(sse::Frame),
    Line(Bytes),
    Message(event_stream::Message),
    /// What the end of the stream has left of a message.
    Cut,
}

impl Frame {
    /// All its bytes.
    pub(crate) fn raw(&self) -> &Bytes {
        static NOTHING: Bytes = Bytes::new();
        match self {
            Self::Event(frame) => &frame.raw,
            Self::Line(line) => line,
            Self::Message(message) => message.raw(),
            Self::Cut => &NOTHING,
        }
    }

    /// What kind of event it is, in framings that tell.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        match self {
            Self::Event(frame) => frame.event(),
            Self::Message(message) => message.name(),
            Self::Line(_) | Self::Cut => None,
        }
    }

    /// What the event says; `None` if it is none, but a comment or an empty line.
    pub(crate) fn data(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Event(frame) => frame.data(),
            Self::Line(line) => {
                let line = line.trim_ascii();
                (!line.is_empty()).then_some(Cow::Borrowed(line))
            }
            Self::Message(message) => Some(message.data()),
            Self::Cut => None,
        }
    }

    /// What would have ended a frame of this kind.
    pub(crate) const fn terminator(&self) -> &'static [u8] {
        match self {
            Self::Event(_) => b"\n\n",
            Self::Line(_) => b"\n",
            Self::Message(_) | Self::Cut => b"",
        }
    }
}

/// Cuts a stream into frames.
///
/// Push a chunk, then take frames until there is none, then push the next.
#[derive(Debug)]
pub(crate) enum Decoder {
    Events(sse::Decoder),
    Lines(lines::Decoder),
    Messages(event_stream::Decoder),
    Chunks(chunks::Decoder),
}

impl Decoder {
    /// `max_frame` bounds a frame in bytes, and thereby the memory of the decoder.
    pub(crate) fn new(framing: Framing, max_frame: usize) -> Self {
        match framing {
            Framing::Events => Self::Events(sse::Decoder::new(max_frame)),
            Framing::Lines => Self::Lines(lines::Decoder::new(max_frame)),
            Framing::Messages => Self::Messages(event_stream::Decoder::new(max_frame)),
            Framing::Chunks => Self::Chunks(chunks::Decoder::new(max_frame)),
        }
    }

    /// Gives the decoder the next chunk. Frames of the chunk before that were not taken are lost.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        match self {
            Self::Events(decoder) => decoder.push(chunk),
            Self::Lines(decoder) => decoder.push(chunk),
            Self::Messages(decoder) => decoder.push(chunk),
            Self::Chunks(decoder) => decoder.push(chunk),
        }
    }

    /// The next frame that is complete.
    ///
    /// # Errors
    /// If the stream cannot be read on.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, BadFrame> {
        Ok(match self {
            Self::Events(decoder) => decoder.next_frame()?.map(Frame::Event),
            Self::Lines(decoder) => decoder.next_line()?.map(Frame::Line),
            Self::Messages(decoder) => decoder.next_message()?.map(Frame::Message),
            Self::Chunks(decoder) => decoder.next_event()?.map(Frame::Event),
        })
    }

    /// What is left of a frame that the end of the stream has cut; some servers forget to terminate
    /// the last.
    pub(crate) fn finish(&mut self) -> Option<Frame> {
        match self {
            Self::Events(decoder) => decoder.finish().map(Frame::Event),
            Self::Lines(decoder) => decoder.finish().map(Frame::Line),
            Self::Messages(decoder) => decoder.is_within_message().then_some(Frame::Cut),
            Self::Chunks(decoder) => decoder.is_within_message().then_some(Frame::Cut),
        }
    }

    /// Bytes of the current chunk in frames already given out; `None` if frames have other bytes than
    /// the stream.
    pub(crate) const fn consumed(&self) -> Option<usize> {
        Some(match self {
            Self::Events(decoder) => decoder.consumed(),
            Self::Lines(decoder) => decoder.consumed(),
            Self::Messages(decoder) => decoder.consumed(),
            Self::Chunks(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests;
