//! Streams, as they come.

use bytes::Bytes;

use super::form::{StreamDecoder, StreamEncoder};
use super::{Exchange, Pair, Unsaid};
use crate::Client;
use crate::canonical::{Event, Opening, StreamTerms};
use crate::frames::{BadFrame, Decoder, Frame};
use crate::response::{Ended, StreamReport, UpstreamError, Usage};
use crate::scan::MAX_MODEL_BYTES;
use crate::sse::DEFAULT_MAX_FRAME;
use crate::wire::Fault;

/// Why a stream cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadStream {
    /// What comes is no event, or exceeds its bound.
    #[error(transparent)]
    Frame(#[from] BadFrame),
    /// An event is none of the API.
    #[error("an event of the stream is none of its API: {0}")]
    Malformed(#[from] Fault),
}

/// Translates a streamed answer and watches it go by.
#[derive(Debug)]
pub struct StreamTranslator {
    frames: Decoder,
    decoder: StreamDecoder,
    writer: Writer,
}

/// What is written of a stream and noted of it.
#[derive(Debug)]
struct Writer {
    unsaid: Unsaid,
    encoder: StreamEncoder,
    out: Vec<u8>,
    begun: bool,
    done: bool,
    /// Answers that are to come and that have.
    choices: u64,
    finished: u64,
    content_events: u64,
    model: Option<String>,
    usage: Option<Usage>,
    error: Option<UpstreamError>,
}

impl StreamTranslator {
    /// Begins a stream of so many answers (0 counts as 1) to a request with this query; `None` if what
    /// is asked for is never streamed. `usage`: the client has asked to see it.
    #[must_use]
    pub fn new(
        pair: Pair,
        query: Option<&str>,
        choices: u64,
        usage: bool,
        unsaid: Unsaid,
    ) -> Option<Self> {
        let Exchange::Conversation(exchange) = pair.exchange else {
            return None;
        };
        let terms = StreamTerms {
            usage,
            now: unsaid.created,
        };
        Some(Self {
            frames: Decoder::new(pair.framing(), DEFAULT_MAX_FRAME),
            decoder: exchange.upstream.stream_decoder(),
            writer: Writer {
                unsaid,
                encoder: exchange.client.stream_encoder(query, terms),
                out: Vec::new(),
                begun: false,
                done: false,
                choices: choices.max(1),
                finished: 0,
                content_events: 0,
                model: None,
                usage: None,
                error: None,
            },
        })
    }

    /// Writes for this client.
    #[must_use]
    pub fn for_client(mut self, client: Client) -> Self {
        if let StreamEncoder::OpenAiChat(encoder) = &mut self.writer.encoder {
            encoder.write_for(client);
        }
        self
    }

    /// Takes the next chunk of any length and appends what it says in the client's dialect.
    ///
    /// # Errors
    /// If the stream cannot be read on.
    pub fn feed(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), BadStream> {
        self.frames.push(chunk);
        let mut read = || {
            while let Some(frame) = self.frames.next_frame()? {
                translate(&mut self.decoder, &mut self.writer, &frame)?;
            }
            Ok(())
        };
        let result = read();
        self.writer.flush(out);
        result
    }

    /// The media type of what is written.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        self.writer.encoder.content_type()
    }

    /// Whether the answer has begun.
    #[must_use]
    pub const fn begun(&self) -> bool {
        self.writer.begun
    }

    /// The error that the stream has reported.
    #[must_use]
    pub const fn error(&self) -> Option<&UpstreamError> {
        self.writer.error.as_ref()
    }

    /// Ends the watch at the end of the bytes.
    pub fn finish(mut self, out: &mut Vec<Bytes>) -> StreamReport {
        if self.take_last() {
            self.decoder.end(&mut |event| self.writer.event(&event));
        }
        self.report(out)
    }

    /// Ends the watch where the bytes broke off.
    pub fn break_off(mut self, out: &mut Vec<Bytes>) -> StreamReport {
        if self.take_last() {
            self.decoder
                .break_off(&mut |event| self.writer.event(&event));
        }
        self.report(out)
    }

    /// Takes what was not terminated; returns whether nothing is missing. What is cut off says
    /// nothing.
    fn take_last(&mut self) -> bool {
        let Some(last) = self.frames.finish() else {
            return true;
        };
        last.data().is_some() && translate(&mut self.decoder, &mut self.writer, &last).is_ok()
    }

    fn report(mut self, out: &mut Vec<Bytes>) -> StreamReport {
        // A server that leaves out its end mark after all answers are complete is forgiven.
        if self.writer.is_complete() && !self.writer.done {
            self.writer.event(&Event::End);
        }
        self.writer.flush(out);
        let events = self.writer.encoder.number();
        let Writer {
            done,
            content_events,
            model,
            usage,
            error,
            ..
        } = self.writer;
        StreamReport {
            ended: match (error, done) {
                (Some(error), _) => Ended::Failed(error),
                (None, true) => Ended::Complete,
                (None, false) => Ended::Truncated,
            },
            model,
            usage,
            content_events,
            events,
        }
    }
}

fn said_or<'s>(said: &'s str, unsaid: &'s str) -> &'s str {
    if said.is_empty() { unsaid } else { said }
}

fn translate(decoder: &mut StreamDecoder, writer: &mut Writer, frame: &Frame) -> Result<(), Fault> {
    let Some(data) = frame.data() else {
        return Ok(());
    };
    decoder.event(frame.name(), &data, &mut |event| writer.event(&event))
}

impl Writer {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Start { model, .. } if !model.is_empty() && model.len() <= MAX_MODEL_BYTES => {
                self.model = Some(model.to_string());
            }
            Event::Delta { .. }
            | Event::Open {
                opening: Opening::ToolCall { .. } | Opening::Redacted(_),
                ..
            } => {
                self.begun = true;
                self.content_events += 1;
            }
            Event::Usage(usage) => self.usage.get_or_insert_default().update(*usage),
            Event::Finish { .. } => self.finished += 1,
            Event::End => self.done = true,
            Event::Error(error) => self.error = Some(error.clone()),
            _ => {}
        }
        match event {
            Event::Start { id, model, created } if id.is_empty() || model.is_empty() => {
                let whole = Event::Start {
                    id: said_or(id, &self.unsaid.id).into(),
                    model: said_or(model, &self.unsaid.model).into(),
                    created: *created,
                };
                self.encoder.event(&whole, &mut self.out);
            }
            event => self.encoder.event(event, &mut self.out),
        }
    }

    const fn is_complete(&self) -> bool {
        self.error.is_none() && self.finished >= self.choices
    }

    fn flush(&mut self, out: &mut Vec<Bytes>) {
        if !self.out.is_empty() {
            out.push(std::mem::take(&mut self.out).into());
        }
    }
}
