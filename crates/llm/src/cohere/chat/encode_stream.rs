//! Writing a stream.

use std::ops::Range;

use super::{citations, reason, write_probability};
use crate::canonical::{Citation, Delta, Event, Finish, Measure, Opening, StreamTerms};
use crate::cohere::figures;
use crate::response::Usage;
use crate::wire::{ObjectWriter, append_object};

/// Writes the events of a stream: of the first choice, since this API has no other.
#[derive(Debug)]
pub(crate) struct StreamEncoder {
    parts: Vec<Part>,
    contents: u32,
    calls: u32,
    /// The texts, and what they cite.
    measure: Measure,
    /// The number of each text.
    texts: Vec<(u32, u32)>,
    citations: u32,
    finish: Option<Finish<'static>>,
    usage: Usage,
    ended: bool,
}

/// Texts that may still be cited, at most: a bound of memory.
const MAX_TEXTS: usize = 1 << 12;

/// A part that is open.
#[derive(Debug, Clone, Copy)]
struct Part {
    part: u32,
    kind: Kind,
    /// Its number among those of its kind.
    index: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Call,
}

impl StreamEncoder {
    /// Begins a stream.
    pub(crate) fn new(_: StreamTerms) -> Self {
        Self {
            parts: Vec::new(),
            contents: 0,
            calls: 0,
            measure: Measure::default(),
            texts: Vec::new(),
            citations: 0,
            finish: None,
            usage: Usage::default(),
            ended: false,
        }
    }

    /// Writes what an event comes to.
    pub(crate) fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { id, .. } => write_start(id, out),
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
            Event::Cite {
                choice: 0,
                part,
                citation,
            } => {
                if citation.is_known()
                    && let Some(range) = self.measure.cite(*part, citation)
                {
                    self.write_citation(*part, range, citation, out);
                }
            }
            Event::Close { choice: 0, part } => {
                for (range, citation) in self.measure.close(*part) {
                    self.write_citation(*part, range, &citation, out);
                }
                self.close(*part, out);
            }
            Event::Tokens { choice: 0, tokens } => {
                let index = self.contents.saturating_sub(1);
                for token in tokens {
                    write("content-delta", out, |o| {
                        o.value("index", index);
                        o.object("delta", |o| write_piece(Kind::Text, "", o));
                        o.object("logprobs", |o| write_probability(token, o));
                    });
                }
            }
            Event::Finish { choice: 0, finish } => self.finish = Some(finish.kind()),
            Event::Usage(usage) => self.usage.update(*usage),
            Event::End => self.end(out),
            Event::Error(error) => {
                self.ended = true;
                write_error(&error.message, out);
            }
            // Of a further choice, or what has no place here.
            Event::Open { .. }
            | Event::Cite { .. }
            | Event::Delta { .. }
            | Event::Close { .. }
            | Event::Tokens { .. }
            | Event::Finish { .. }
            | Event::Ping => {}
        }
    }

    fn open(&mut self, part: u32, opening: &Opening<'_>, out: &mut Vec<u8>) {
        let (kind, count) = match opening {
            Opening::Text | Opening::Refusal => (Kind::Text, &mut self.contents),
            Opening::Reasoning => (Kind::Thinking, &mut self.contents),
            Opening::ToolCall { .. } => (Kind::Call, &mut self.calls),
            // Clients of this API have no place for it.
            Opening::Redacted(_) => return,
        };
        let index = *count;
        *count += 1;
        self.parts.push(Part { part, kind, index });
        if kind == Kind::Text && self.texts.len() < MAX_TEXTS {
            self.texts.push((part, index));
        }
        if let Opening::ToolCall { id, name } = opening {
            return write_call_start(index, id, name, out);
        }
        write("content-start", out, |o| {
            o.value("index", index);
            o.object("delta", |o| {
                o.object("message", |o| {
                    o.object("content", |o| {
                        let name = kind.name();
                        o.value("type", name);
                        o.value(name, "");
                    });
                });
            });
        });
    }

    fn delta(&mut self, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let Some(part) = self.parts.iter().find(|open| open.part == part) else {
            return;
        };
        if let (Kind::Text, Delta::Text(text)) = (part.kind, delta) {
            self.measure.say(part.part, text);
        }
        match delta {
            Delta::Text(text) => write("content-delta", out, |o| {
                o.value("index", part.index);
                o.object("delta", |o| write_piece(part.kind, text, o));
            }),
            Delta::Arguments(more) => write("tool-call-delta", out, |o| {
                o.value("index", part.index);
                o.object("delta", |o| write_arguments(more, o));
            }),
            // Clients of this API have no place for a proof.
            Delta::Signature(_) => {}
        }
    }

    fn close(&mut self, part: u32, out: &mut Vec<u8>) {
        let Some(at) = self.parts.iter().position(|open| open.part == part) else {
            return;
        };
        let part = self.parts.remove(at);
        let name = match part.kind {
            Kind::Text | Kind::Thinking => "content-end",
            Kind::Call => "tool-call-end",
        };
        write(name, out, |o| o.value("index", part.index));
    }

    /// Writes what a text cites: a range of all texts, which is counted from the beginning of its own.
    fn write_citation(
        &mut self,
        part: u32,
        range: Range<usize>,
        citation: &Citation<'_>,
        out: &mut Vec<u8>,
    ) {
        let Some((_, content)) = self.texts.iter().rfind(|(text, _)| *text == part) else {
            return;
        };
        let content = u64::from(*content);
        let begin = self.measure.range(part).start;
        let range = range.start.saturating_sub(begin)..range.end.saturating_sub(begin);
        let index = self.citations;
        self.citations += 1;
        write("citation-start", out, |o| {
            o.value("index", index);
            o.object("delta", |o| {
                o.object("message", |o| {
                    o.object("citations", |o| {
                        citations::write(o, range, None, content, citation);
                    });
                });
            });
        });
        write("citation-end", out, |o| o.value("index", index));
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        write("message-end", out, |o| {
            o.object("delta", |o| {
                o.value("finish_reason", reason(self.finish.as_ref()));
                o.object("usage", |o| figures::write(&self.usage, o));
            });
        });
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

impl Kind {
    /// The type of its content, and the field that it stands in.
    const fn name(self) -> &'static str {
        match self {
            Self::Text | Self::Call => "text",
            Self::Thinking => "thinking",
        }
    }
}

/// Writes an event, whose data repeat its name.
fn write(name: &str, out: &mut Vec<u8>, fields: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    append_object(out, |o| {
        o.value("type", name);
        fields(o);
    });
    out.extend_from_slice(b"\n\n");
}

fn write_start(id: &str, out: &mut Vec<u8>) {
    write("message-start", out, |o| {
        o.value("id", id);
        o.object("delta", |o| {
            o.object("message", |o| {
                o.value("role", "assistant");
                for list in ["content", "tool_calls", "citations"] {
                    o.raw(list, "[]");
                }
                o.value("tool_plan", "");
            });
        });
    });
}

fn write_call_start(index: u32, id: &str, name: &str, out: &mut Vec<u8>) {
    write("tool-call-start", out, |o| {
        o.value("index", index);
        o.object("delta", |o| {
            o.object("message", |o| {
                o.object("tool_calls", |o| {
                    o.value("id", id);
                    o.value("type", "function");
                    o.object("function", |o| {
                        o.value("name", name);
                        o.value("arguments", "");
                    });
                });
            });
        });
    });
}

fn write_piece(kind: Kind, text: &str, o: &mut ObjectWriter<'_>) {
    o.object("message", |o| {
        o.object("content", |o| o.value(kind.name(), text));
    });
}

fn write_arguments(more: &str, o: &mut ObjectWriter<'_>) {
    o.object("message", |o| {
        o.object("tool_calls", |o| {
            o.object("function", |o| o.value("arguments", more));
        });
    });
}

/// Writes the event that ends a stream which has failed.
pub(crate) fn write_error(message: &str, out: &mut Vec<u8>) {
    write("message-end", out, |o| {
        o.object("delta", |o| {
            o.value("error", message);
            o.value("finish_reason", super::FAILED);
        });
    });
    out.extend_from_slice(b"data: [DONE]\n\n");
}
