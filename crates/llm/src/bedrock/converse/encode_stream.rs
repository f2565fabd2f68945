//! Writing a stream.

use crate::bedrock::write_exception;
use crate::canonical::blocks::{Aspect, Blocks, Kind, Overflow, WriteBlock};
use crate::canonical::{Event, Finish, Opening, StreamTerms};
use crate::event_stream;
use crate::response::{UpstreamError, Usage};
use crate::wire::{ObjectWriter, object};

use super::{citations, stop_reason, write_usage};

/// The status of an error that has none of its own.
const FAILED: u16 = 500;

/// Writes the events of a stream: of the first choice, since this API has no other.
#[derive(Debug)]
pub(crate) struct StreamEncoder {
    ended: bool,
    blocks: Blocks<Frames>,
    has_calls: bool,
    usage: Usage,
    finish: Option<Finish<'static>>,
}

impl StreamEncoder {
    /// The terms do not matter here: the usage is always told, the time never.
    pub(crate) fn new(_terms: StreamTerms) -> Self {
        Self {
            ended: false,
            blocks: Blocks::default(),
            has_calls: false,
            usage: Usage::default(),
            finish: None,
        }
    }

    /// Writes what an event comes to.
    pub(crate) fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { .. } => frame(out, "messageStart", |o| o.value("role", "assistant")),
            Event::Open {
                choice: 0,
                part,
                opening,
            } => {
                self.has_calls |= matches!(opening, Opening::ToolCall { .. });
                let opened = self.blocks.open(*part, opening, out);
                self.bounded(opened, out);
            }
            Event::Delta {
                choice: 0,
                part,
                delta,
            } => {
                let added = self.blocks.delta(*part, delta, out);
                self.bounded(added, out);
            }
            Event::Cite {
                choice: 0,
                part,
                citation,
            } if citation.is_known() => {
                let raw = object(|o| citations::write(o, citation));
                let added = self.blocks.cite(*part, raw, out);
                self.bounded(added, out);
            }
            Event::Close { choice: 0, part } => self.blocks.close(*part, out),
            Event::Finish { choice: 0, finish } => {
                self.blocks.close_all(out);
                self.finish = Some(finish.kind());
            }
            Event::Usage(usage) => self.usage.update(*usage),
            Event::End => self.end(out),
            Event::Error(error) => self.error(error, out),
            // Of a further choice, or what has no place here.
            Event::Ping
            | Event::Tokens { .. }
            | Event::Cite { .. }
            | Event::Open { .. }
            | Event::Delta { .. }
            | Event::Close { .. }
            | Event::Finish { .. } => {}
        }
    }

    fn bounded(&mut self, written: Result<(), Overflow>, out: &mut Vec<u8>) {
        if let Err(overflow) = written {
            let error = UpstreamError {
                message: overflow.to_string(),
                ..UpstreamError::default()
            };
            self.error(&error, out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        self.blocks.close_all(out);
        let reason = stop_reason(self.finish.as_ref(), self.has_calls);
        frame(out, "messageStop", |o| o.value("stopReason", reason));
        frame(out, "metadata", |o| write_usage(o, &self.usage));
    }

    fn error(&mut self, error: &UpstreamError, out: &mut Vec<u8>) {
        self.ended = true;
        self.blocks.clear();
        write_exception(error.status.unwrap_or(FAILED), &error.message, out);
    }
}

/// Blocks as the API's events.
#[derive(Debug)]
struct Frames;

impl WriteBlock for Frames {
    /// Only calls say that they begin.
    fn start(index: u64, kind: &Kind, out: &mut Vec<u8>) {
        match kind {
            Kind::Text | Kind::Thinking => {}
            Kind::Redacted { data } => delta(index, out, |o| {
                o.object("reasoningContent", |o| o.value("redactedContent", data));
            }),
            Kind::Call { id, name } => frame(out, "contentBlockStart", |o| {
                o.value("contentBlockIndex", index);
                o.object("start", |o| {
                    o.object("toolUse", |o| {
                        o.value("toolUseId", id);
                        o.value("name", name);
                    });
                });
            }),
        }
    }

    fn delta(index: u64, aspect: Aspect, text: &str, out: &mut Vec<u8>) {
        delta(index, out, |o| match aspect {
            Aspect::Text => o.value("text", text),
            Aspect::Thinking => o.object("reasoningContent", |o| o.value("text", text)),
            Aspect::Signature => o.object("reasoningContent", |o| o.value("signature", text)),
            Aspect::Arguments => o.object("toolUse", |o| o.value("input", text)),
            Aspect::Citation => o.raw("citation", text),
        });
    }

    fn stop(index: u64, out: &mut Vec<u8>) {
        frame(out, "contentBlockStop", |o| {
            o.value("contentBlockIndex", index)
        });
    }
}

fn delta(index: u64, out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    frame(out, "contentBlockDelta", |o| {
        o.value("contentBlockIndex", index);
        o.object("delta", write);
    });
}

/// Appends an event.
fn frame(out: &mut Vec<u8>, name: &str, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    let payload = object(write);
    event_stream::encode(event_stream::Kind::Event, name, &payload, out);
}
