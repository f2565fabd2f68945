//! Writing a stream.

use crate::canonical::blocks::{Aspect, Blocks, Kind, Overflow, WriteBlock};
use crate::canonical::{Event, Finish, Opening, StreamTerms};
use crate::response::{UpstreamError, Usage};
use crate::wire::{ObjectWriter, append_object, object};

use super::{Holds, citations, error_kind, stop_reason, write_usage};

/// Writes the events of a stream: of the first choice, since this API has no other.
///
/// Why the answer ended and what it cost stand in one event here, and other dialects tell the cost
/// after the reason. So both are kept until the end.
#[derive(Debug)]
pub(crate) struct StreamEncoder {
    ended: bool,
    blocks: Blocks<Frames>,
    holds: Holds,
    usage: Usage,
    finish: Option<Finish<'static>>,
}

impl StreamEncoder {
    /// The terms do not matter here: the usage is always told, the time never.
    pub(crate) fn new(_terms: StreamTerms) -> Self {
        Self {
            ended: false,
            blocks: Blocks::default(),
            holds: Holds::default(),
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
            Event::Start { id, model, .. } => self.start(id, model, out),
            Event::Open {
                choice: 0,
                part,
                opening,
            } => {
                self.holds.refusal |= matches!(opening, Opening::Refusal);
                self.holds.calls |= matches!(opening, Opening::ToolCall { .. });
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
            } if citations::is_told(citation) => {
                let raw = object(|o| citations::write_one(o, citation));
                let added = self.blocks.cite(*part, raw, out);
                self.bounded(added, out);
            }
            Event::Close { choice: 0, part } => self.blocks.close(*part, out),
            Event::Finish { choice: 0, finish } => {
                self.blocks.close_all(out);
                self.finish = Some(finish.kind());
            }
            Event::Usage(usage) => self.usage.update(*usage),
            Event::Ping => frame(out, "ping", |_| {}),
            Event::End => self.end(out),
            Event::Error(error) => self.error(error, out),
            // Of a further choice, or what has no place here.
            Event::Tokens { .. }
            | Event::Cite { .. }
            | Event::Open { .. }
            | Event::Delta { .. }
            | Event::Close { .. }
            | Event::Finish { .. } => {}
        }
    }

    fn start(&self, id: &str, model: &str, out: &mut Vec<u8>) {
        frame(out, "message_start", |o| {
            o.object("message", |o| {
                o.value("id", id);
                o.value("type", "message");
                o.value("role", "assistant");
                o.value("model", model);
                o.list("content", |_| {});
                o.null("stop_reason");
                o.null("stop_sequence");
                o.object("usage", |o| write_usage(o, &self.usage));
            });
        });
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
        let (reason, sequence) = stop_reason(self.finish.as_ref(), self.holds);
        frame(out, "message_delta", |o| {
            o.object("delta", |o| {
                o.value("stop_reason", reason);
                o.value("stop_sequence", sequence);
            });
            o.object("usage", |o| write_usage(o, &self.usage));
        });
        frame(out, "message_stop", |_| {});
    }

    fn error(&mut self, error: &UpstreamError, out: &mut Vec<u8>) {
        self.ended = true;
        self.blocks.clear();
        frame(out, "error", |o| {
            o.object("error", |o| {
                o.value("type", error_kind(error.kind.as_deref(), error.status));
                o.value("message", &error.message);
            });
        });
    }
}

/// Blocks as the API's events.
#[derive(Debug)]
struct Frames;

impl WriteBlock for Frames {
    fn start(index: u64, kind: &Kind, out: &mut Vec<u8>) {
        frame(out, "content_block_start", |o| {
            o.value("index", index);
            o.object("content_block", |o| match kind {
                Kind::Text => {
                    o.value("type", "text");
                    o.value("text", "");
                }
                Kind::Thinking => {
                    o.value("type", "thinking");
                    o.value("thinking", "");
                    o.value("signature", "");
                }
                Kind::Redacted { data } => {
                    o.value("type", "redacted_thinking");
                    o.value("data", data);
                }
                Kind::Call { id, name } => {
                    o.value("type", "tool_use");
                    o.value("id", id);
                    o.value("name", name);
                    o.raw("input", "{}");
                }
            });
        });
    }

    fn delta(index: u64, aspect: Aspect, text: &str, out: &mut Vec<u8>) {
        let (kind, field) = match aspect {
            Aspect::Text => ("text_delta", "text"),
            Aspect::Thinking => ("thinking_delta", "thinking"),
            Aspect::Signature => ("signature_delta", "signature"),
            Aspect::Arguments => ("input_json_delta", "partial_json"),
            Aspect::Citation => ("citations_delta", "citation"),
        };
        frame(out, "content_block_delta", |o| {
            o.value("index", index);
            o.object("delta", |o| {
                o.value("type", kind);
                match aspect {
                    Aspect::Citation => o.raw(field, text),
                    _ => o.value(field, text),
                }
            });
        });
    }

    fn stop(index: u64, out: &mut Vec<u8>) {
        frame(out, "content_block_stop", |o| o.value("index", index));
    }
}

/// Appends an event. What is written has no line ends, so its data is one line.
fn frame(out: &mut Vec<u8>, name: &str, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    append_object(out, |o| {
        o.value("type", name);
        write(o);
    });
    out.extend_from_slice(b"\n\n");
}
