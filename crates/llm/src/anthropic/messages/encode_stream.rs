//! Writing a stream.

use crate::canonical::{Delta, Event, Finish, Opening, StreamTerms};
use crate::response::{UpstreamError, Usage};
use crate::wire::{ObjectWriter, append_object};

use super::{Holds, error_kind, stop_reason, write_usage};

/// Bytes of blocks that wait for another to close, at most: no model writes so much at once.
const MAX_HELD: usize = 1 << 20;

/// Writes the events of a stream: of the first choice, since this API has no other.
///
/// Its clients know one open block at a time, while the calls of other dialects may come
/// interleaved. So one block is written as it comes, and what others have to say is held until it is
/// closed, up to a bound.
///
/// Why the answer ended and what it cost stand in one event here, and other dialects tell the cost
/// after the reason. So both are kept until the end.
#[derive(Debug)]
pub(crate) struct StreamEncoder {
    ended: bool,
    /// Those that are not written to their end, in the order in which they were opened.
    blocks: Vec<Block>,
    /// Bytes held in `blocks`.
    held: usize,
    /// Blocks that have begun.
    begun: u64,
    holds: Holds,
    usage: Usage,
    finish: Option<Finish<'static>>,
}

/// A part that has been opened.
#[derive(Debug)]
struct Block {
    part: u32,
    kind: Kind,
    /// The block's number, once it is written as it comes. That is not at once for text, which may
    /// stay empty: clients send the blocks of an answer back, and the API refuses empty text.
    index: Option<u64>,
    /// It is complete, but for what is held.
    closed: bool,
    held: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Redacted { data: Box<str> },
    Call { id: Box<str>, name: Box<str> },
}

/// What is added to a block.
#[derive(Debug)]
struct Piece {
    /// The names of the delta and of its field.
    names: (&'static str, &'static str),
    text: String,
}

impl Block {
    /// Whether there is something to write of it.
    const fn says_something(&self) -> bool {
        match self.kind {
            Kind::Text | Kind::Thinking => !self.held.is_empty(),
            Kind::Redacted { .. } | Kind::Call { .. } => true,
        }
    }

    /// What it holds, in bytes.
    fn size(&self) -> usize {
        let kind = match &self.kind {
            Kind::Text | Kind::Thinking => 0,
            Kind::Redacted { data } => data.len(),
            Kind::Call { id, name } => id.len() + name.len(),
        };
        let pieces = self.held.iter().map(|piece| piece.text.len());
        size_of::<Self>() + kind + pieces.sum::<usize>()
    }

    fn hold(&mut self, names: (&'static str, &'static str), text: &str) {
        match self.held.last_mut() {
            Some(last) if last.names == names => last.text.push_str(text),
            _ => self.held.push(Piece {
                names,
                text: text.to_owned(),
            }),
        }
    }

    fn write_start(&self, index: u64, out: &mut Vec<u8>) {
        frame(out, "content_block_start", |o| {
            o.value("index", index);
            o.object("content_block", |o| match &self.kind {
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
}

impl StreamEncoder {
    /// The terms do not matter here: the usage is always told, the time never.
    pub(crate) fn new(_terms: StreamTerms) -> Self {
        Self {
            ended: false,
            blocks: Vec::new(),
            held: 0,
            begun: 0,
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
            Event::Usage(usage) => self.usage.update(*usage),
            Event::Ping => frame(out, "ping", |_| {}),
            Event::End => self.end(out),
            Event::Error(error) => self.error(error, out),
            // Of a further choice, or what has no place here.
            Event::Tokens { .. }
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

    fn open(&mut self, part: u32, opening: &Opening<'_>, out: &mut Vec<u8>) {
        let kind = match opening {
            Opening::Text => Kind::Text,
            Opening::Refusal => {
                self.holds.refusal = true;
                Kind::Text
            }
            Opening::Reasoning => Kind::Thinking,
            Opening::Redacted(data) => Kind::Redacted {
                data: Box::from(&**data),
            },
            Opening::ToolCall { id, name } => {
                self.holds.calls = true;
                Kind::Call {
                    id: Box::from(&**id),
                    name: Box::from(&**name),
                }
            }
        };
        let block = Block {
            part,
            kind,
            index: None,
            closed: false,
            held: Vec::new(),
        };
        self.held += block.size();
        self.blocks.push(block);
        self.advance(out);
        self.bound(out);
    }

    fn delta(&mut self, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let mut blocks = self.blocks.iter_mut();
        let Some(block) = blocks.find(|block| block.part == part && !block.closed) else {
            return;
        };
        let (names, text) = match (&block.kind, delta) {
            (Kind::Text, Delta::Text(text)) => (("text_delta", "text"), text),
            (Kind::Thinking, Delta::Text(text)) => (("thinking_delta", "thinking"), text),
            (Kind::Thinking, Delta::Signature(text)) => (("signature_delta", "signature"), text),
            (Kind::Call { .. }, Delta::Arguments(text)) => {
                (("input_json_delta", "partial_json"), text)
            }
            // Proofs of calls have no place here.
            _ => return,
        };
        if text.is_empty() {
            return;
        }
        if let Some(index) = block.index {
            return write_delta(index, names, text, out);
        }
        block.hold(names, text);
        self.held += text.len();
        self.advance(out);
        self.bound(out);
    }

    /// Lets the first block that says something be written, if none is, and ends those that are
    /// closed.
    fn advance(&mut self, out: &mut Vec<u8>) {
        loop {
            let written = self.blocks.iter().position(|block| block.index.is_some());
            let next = || self.blocks.iter().position(Block::says_something);
            let Some(at) = written.or_else(next) else {
                break;
            };
            let Some(block) = self.blocks.get_mut(at) else {
                break;
            };
            let before = block.size();
            let index = *block.index.get_or_insert(self.begun);
            if written.is_none() {
                self.begun += 1;
                block.write_start(index, out);
            }
            for Piece { names, text } in std::mem::take(&mut block.held) {
                write_delta(index, names, &text, out);
            }
            self.held -= before - block.size();
            if !block.closed {
                break;
            }
            frame(out, "content_block_stop", |o| o.value("index", index));
            self.held -= block.size();
            self.blocks.remove(at);
        }
    }

    /// Fails if more is held than may be.
    fn bound(&mut self, out: &mut Vec<u8>) {
        if self.held > MAX_HELD {
            let error = UpstreamError {
                message: format!("the model's calls are longer than {MAX_HELD} bytes"),
                ..UpstreamError::default()
            };
            self.error(&error, out);
        }
    }

    fn close(&mut self, which: impl Fn(&Block) -> bool, out: &mut Vec<u8>) {
        for block in self.blocks.iter_mut().filter(|block| which(block)) {
            block.closed = true;
        }
        self.advance(out);
        // What is left and closed waits, or has said nothing.
        let held = &mut self.held;
        self.blocks.retain(|block| {
            let is_kept = !block.closed || block.says_something();
            if !is_kept {
                *held -= block.size();
            }
            is_kept
        });
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        self.close(|_| true, out);
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
        self.blocks = Vec::new();
        frame(out, "error", |o| {
            o.object("error", |o| {
                o.value("type", error_kind(error.kind.as_deref(), error.status));
                o.value("message", &error.message);
            });
        });
    }
}

fn write_delta(index: u64, (kind, field): (&str, &str), text: &str, out: &mut Vec<u8>) {
    frame(out, "content_block_delta", |o| {
        o.value("index", index);
        o.object("delta", |o| {
            o.value("type", kind);
            o.value(field, text);
        });
    });
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
