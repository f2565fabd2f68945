//! Writing a stream.

use crate::canonical::{Delta, Event, Finish, Opening, StreamTerms};
use crate::response::{UpstreamError, Usage};
use crate::wire::{ObjectWriter, append_object};

use super::{error_kind, stop_reason, write_usage};

/// Writes the events of a stream: of the first choice, since this API has no other.
///
/// Why the answer ended and what it cost stand in one event here, and other dialects tell the cost
/// after the reason. So both are kept until the end.
#[derive(Debug)]
pub(crate) struct StreamEncoder {
    ended: bool,
    open: Vec<Block>,
    /// Blocks that have begun.
    blocks: u64,
    has_calls: bool,
    usage: Usage,
    finish: Option<Finish<'static>>,
}

/// A part that is open.
#[derive(Debug, Clone, Copy)]
struct Block {
    part: u32,
    kind: Kind,
    /// `None` of a block that is still empty and not written: clients send the blocks of an answer
    /// back, and the API refuses empty text.
    index: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Redacted,
    Call,
}

impl StreamEncoder {
    /// The terms do not matter here: the usage is always told, the time never.
    pub(crate) fn new(_terms: StreamTerms) -> Self {
        Self {
            ended: false,
            open: Vec::new(),
            blocks: 0,
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
            Event::Start { id, model, .. } => self.start(id, model, out),
            Event::Open {
                choice: 0,
                part,
                opening,
            } => self.open(*part, opening, out),
            Event::Delta {
                choice: 0,
                part,
                delta,
            } => self.delta(*part, delta, out),
            Event::Close { choice: 0, part } => self.close(|block| block.part == *part, out),
            Event::Finish { choice: 0, finish } => {
                self.close(|_| true, out);
                self.finish = Some(owned(finish));
            }
            Event::Usage(usage) => self.count(usage),
            Event::Ping => frame(out, "ping", |_| {}),
            Event::End => self.end(out),
            Event::Error(error) => self.error(error, out),
            // Of a further choice.
            Event::Open { .. }
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

    fn open(&mut self, part: u32, opening: &Opening<'_>, out: &mut Vec<u8>) {
        let (kind, index) = match opening {
            Opening::Text | Opening::Refusal => (Kind::Text, None),
            Opening::Reasoning => (Kind::Thinking, None),
            Opening::Redacted(data) => {
                let index = self.begin(out, |o| {
                    o.value("type", "redacted_thinking");
                    o.value("data", data);
                });
                (Kind::Redacted, Some(index))
            }
            Opening::ToolCall { id, name } => {
                self.has_calls = true;
                let index = self.begin(out, |o| {
                    o.value("type", "tool_use");
                    o.value("id", id);
                    o.value("name", name);
                    o.raw("input", "{}");
                });
                (Kind::Call, Some(index))
            }
        };
        self.open.push(Block { part, kind, index });
    }

    /// Begins a block, which `write` describes, and gives it its number.
    fn begin(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) -> u64 {
        let index = self.blocks;
        self.blocks += 1;
        frame(out, "content_block_start", |o| {
            o.value("index", index);
            o.object("content_block", write);
        });
        index
    }

    fn delta(&mut self, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let Some(at) = self.open.iter().position(|block| block.part == part) else {
            return;
        };
        let Some(block) = self.open.get(at).copied() else {
            return;
        };
        let (kind, field, text) = match (block.kind, delta) {
            (Kind::Text, Delta::Text(text)) => ("text_delta", "text", text),
            (Kind::Thinking, Delta::Text(text)) => ("thinking_delta", "thinking", text),
            (Kind::Thinking, Delta::Signature(text)) => ("signature_delta", "signature", text),
            (Kind::Call, Delta::Arguments(text)) => ("input_json_delta", "partial_json", text),
            // Proofs of calls have no place here.
            _ => return,
        };
        if text.is_empty() {
            return;
        }
        let index = match block.index {
            Some(index) => index,
            None => self.begin_late(at, block.kind, out),
        };
        frame(out, "content_block_delta", |o| {
            o.value("index", index);
            o.object("delta", |o| {
                o.value("type", kind);
                o.value(field, text);
            });
        });
    }

    /// Begins a block that turns out not to be empty.
    fn begin_late(&mut self, at: usize, kind: Kind, out: &mut Vec<u8>) -> u64 {
        let index = self.begin(out, |o| {
            if kind == Kind::Thinking {
                o.value("type", "thinking");
                o.value("thinking", "");
                o.value("signature", "");
            } else {
                o.value("type", "text");
                o.value("text", "");
            }
        });
        if let Some(block) = self.open.get_mut(at) {
            block.index = Some(index);
        }
        index
    }

    fn close(&mut self, which: impl Fn(&Block) -> bool, out: &mut Vec<u8>) {
        self.open.retain(|block| {
            let closes = which(block);
            if let Some(index) = block.index.filter(|_| closes) {
                frame(out, "content_block_stop", |o| o.value("index", index));
            }
            !closes
        });
    }

    /// Figures come class by class.
    fn count(&mut self, usage: &Usage) {
        let known = &mut self.usage;
        known.input = usage.input.or(known.input);
        known.cached_input = usage.cached_input.or(known.cached_input);
        known.cache_write = usage.cache_write.or(known.cache_write);
        known.cache_write_hour = usage.cache_write_hour.or(known.cache_write_hour);
        known.output = usage.output.or(known.output);
        known.reasoning = usage.reasoning.or(known.reasoning);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        self.close(|_| true, out);
        let (reason, sequence) = stop_reason(self.finish.as_ref(), self.has_calls);
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
        frame(out, "error", |o| {
            o.object("error", |o| {
                o.value("type", error_kind(error.kind.as_deref(), error.status));
                o.value("message", &error.message);
            });
        });
    }
}

/// The reason, kept. What another dialect calls it is not written here, so it is not kept either.
fn owned(finish: &Finish<'_>) -> Finish<'static> {
    match finish {
        Finish::Stop | Finish::Other(_) => Finish::Stop,
        Finish::StopSequence(sequence) => {
            let sequence = sequence.as_deref();
            Finish::StopSequence(sequence.map(|sequence| sequence.to_owned().into()))
        }
        Finish::Length => Finish::Length,
        Finish::ToolCalls => Finish::ToolCalls,
        Finish::Refusal => Finish::Refusal,
        Finish::ContentFilter => Finish::ContentFilter,
        Finish::Pause => Finish::Pause,
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
