//! Watches a stream of events while it is forwarded.
//!
//! Until the answer has begun every event is parsed, for a retry is possible that long and the
//! caller holds all bytes back. After that an event is parsed only if a search for a few JSON
//! strings finds one in it: inside a text those are escaped, so a hit is a field of the event.
//!
//! Only whole frames are forwarded. So a stream that an upstream cuts within a frame can still be
//! ended by a proper error event. Frames that are kept and lie next to each other in one chunk are
//! forwarded as one slice of it.

use bytes::Bytes;

use super::shape::Shape;
use super::{UpstreamError, Usage};
use crate::Api;
use crate::canonical::{Event, Opening};
use crate::frames::{BadFrame, Decoder, Frame, Framing};
use crate::scan::MAX_MODEL_BYTES;
use crate::sse::DEFAULT_MAX_FRAME;

/// How a stream is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamOptions {
    /// Drop the chunk that only carries usage: the gateway asked for it, the client did not. The
    /// `"usage":null` that the upstream then puts into every other chunk is left, since taking it
    /// out would mean rewriting every chunk and every SDK accepts it. Default false.
    pub drop_usage: bool,
    /// Answers asked for (`n`); the stream is complete when each has its finish reason. 0
    /// counts as 1. Default 1.
    pub choices: u64,
    /// How its events are told apart, where that is not the dialect's way. Default `None`.
    pub framing: Option<Framing>,
    /// Bound of one event in bytes. Default [`DEFAULT_MAX_FRAME`].
    pub max_frame: usize,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            drop_usage: false,
            choices: 1,
            framing: None,
            max_frame: DEFAULT_MAX_FRAME,
        }
    }
}

/// How a stream came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With its finish event.
    Complete,
    /// Without; it must not be passed on as if it were whole.
    Truncated,
    /// With an error event.
    Failed(UpstreamError),
}

/// What a stream reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamReport {
    /// How it ended.
    pub ended: Ended,
    /// The model, as the upstream names it.
    pub model: Option<String>,
    /// Tokens used, if it was reported.
    pub usage: Option<Usage>,
    /// Events with content: about the tokens written, where no usage came.
    pub content_events: u64,
    /// Events with data, of whatever kind: the number of the next one, where the API counts them.
    pub events: u64,
}

/// What one event says, in whatever dialect.
#[derive(Debug, Default)]
pub(crate) struct EventFacts {
    /// It carries text, reasoning, a refusal or a tool call.
    pub(crate) content: bool,
    /// It carries usage and no choice.
    pub(crate) usage_only: bool,
    /// Answers that it finishes.
    pub(crate) finished: u64,
    /// It ends the stream.
    pub(crate) done: bool,
    /// The model that wrote it.
    pub(crate) model: Option<String>,
    pub(crate) usage: Option<Usage>,
    pub(crate) error: Option<UpstreamError>,
}

impl EventFacts {
    /// Notes what is read in a dialect whose events are decoded to be watched.
    pub(crate) fn note(&mut self, event: Event<'_>) {
        match event {
            Event::Start { model, .. } if !model.is_empty() => {
                self.model = Some(model.into_owned());
            }
            Event::Delta { .. }
            | Event::Open {
                opening: Opening::ToolCall { .. } | Opening::Redacted(_),
                ..
            } => self.content = true,
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Finish { .. } => self.finished += 1,
            Event::End => self.done = true,
            Event::Error(error) => self.error = Some(error),
            _ => {}
        }
    }
}

/// Watches a streamed answer.
#[derive(Debug)]
pub struct StreamTap {
    shape: Shape,
    options: StreamOptions,
    decoder: Decoder,
    /// The last frame was dropped and ended in a CR: an LF that follows belongs to it.
    cut_in_crlf: bool,
    begun: bool,
    done: bool,
    finished: u64,
    content_events: u64,
    events: u64,
    model: Option<String>,
    usage: Option<Usage>,
    error: Option<UpstreamError>,
}

impl StreamTap {
    /// Watches a stream of `api`.
    #[must_use]
    pub fn new(api: Api, options: StreamOptions) -> Self {
        let framing = options.framing.unwrap_or(api.dialect.framing());
        Self {
            shape: Shape::of(api),
            options,
            decoder: Decoder::new(framing, options.max_frame),
            cut_in_crlf: false,
            begun: false,
            done: false,
            finished: 0,
            content_events: 0,
            events: 0,
            model: None,
            usage: None,
            error: None,
        }
    }

    /// Takes the next chunk of any length and appends what is to be forwarded of it.
    ///
    /// # Errors
    /// If the stream cannot be read on.
    pub fn feed(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), BadFrame> {
        let mut run = 0..0;
        self.decoder.push(chunk.clone());
        while let Some(frame) = self.decoder.next_frame()? {
            let Some(end) = self.decoder.consumed() else {
                if self.observe(&frame) {
                    forward(frame.raw().clone(), out);
                }
                continue;
            };
            let keep = self.observe(&frame) && !(self.cut_in_crlf && &**frame.raw() == b"\n");
            self.cut_in_crlf = !keep && frame.raw().ends_with(b"\r");
            let is_slice = frame.raw().len() == end - run.end;
            if keep && is_slice {
                run.end = end;
                continue;
            }
            forward(chunk.slice(run), out);
            if keep {
                forward(frame.raw().clone(), out);
            }
            run = end..end;
        }
        forward(chunk.slice(run), out);
        Ok(())
    }

    /// Whether the answer has begun: a first text, reasoning, refusal or tool call has come. Roles
    /// and empty content do not begin it.
    #[must_use]
    pub const fn begun(&self) -> bool {
        self.begun
    }

    /// Whether the finish event has come.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.done || self.finished >= self.options.choices.max(1)
    }

    /// The error event, if one has come. Before the answer has begun it is a failed attempt.
    #[must_use]
    pub const fn error(&self) -> Option<&UpstreamError> {
        self.error.as_ref()
    }

    /// Tokens used, as far as reported.
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Events with content so far.
    #[must_use]
    pub const fn content_events(&self) -> u64 {
        self.content_events
    }

    /// Ends the stream at the end of its bytes, and appends what is still to be forwarded: a last
    /// event that lacked only its blank line, and the end marker where the upstream left it out.
    ///
    /// If the stream is [truncated](Ended::Truncated), the caller has to let the client know: by
    /// [`stream_event`](crate::error::stream_event) or by aborting the connection.
    pub fn finish(mut self, out: &mut Vec<Bytes>) -> StreamReport {
        if let Some(rest) = self.decoder.finish() {
            self.finish_frame(&rest, out);
        }
        if self.error.is_none() && self.finished() && !self.done {
            out.extend(self.shape.end_of_stream());
        }
        let ended = match (self.error.take(), self.finished()) {
            (Some(error), _) => Ended::Failed(error),
            (None, true) => Ended::Complete,
            (None, false) => Ended::Truncated,
        };
        StreamReport {
            ended,
            model: self.model,
            usage: self.usage,
            content_events: self.content_events,
            events: self.events,
        }
    }

    /// A frame without its end counts if its data is whole.
    fn finish_frame(&mut self, frame: &Frame, out: &mut Vec<Bytes>) {
        let data = frame.data();
        let is_whole = data.is_some_and(|data| self.shape.is_whole_event(&data));
        if is_whole && self.observe(frame) {
            out.push(frame.raw().clone());
            out.push(Bytes::from_static(frame.terminator()));
        }
    }

    /// Learns from a frame; returns whether it is to be forwarded.
    fn observe(&mut self, frame: &Frame) -> bool {
        let Some(data) = frame.data() else {
            return true;
        };
        self.events += 1;
        if self.begun && !self.shape.is_remarkable(frame, &data) {
            self.content_events += 1;
            return true;
        }
        let facts = self.shape.event_facts(frame.name(), &data);
        self.begun |= facts.content;
        self.done |= facts.done;
        self.finished += facts.finished;
        self.content_events += u64::from(facts.content);
        self.usage = self.shape.joined(self.usage, facts.usage);
        if self.model.is_none() {
            // Azure's first chunk, about the prompt alone, names none.
            let is_name = |model: &String| (1..=MAX_MODEL_BYTES).contains(&model.len());
            self.model = facts.model.filter(is_name);
        }
        if self.error.is_none() {
            self.error = facts.error;
        }
        !(facts.usage_only && self.options.drop_usage)
    }
}

fn forward(bytes: Bytes, out: &mut Vec<Bytes>) {
    if !bytes.is_empty() {
        out.push(bytes);
    }
}

#[cfg(test)]
mod tests;
