//! Writing a stream, of which each event is an answer of its own that holds what is new.
//!
//! Text goes out as it comes. A call goes out whole, since the dialect knows no half of one, and
//! with it the signature; so its arguments are gathered, up to a bound. Why the model stopped and
//! the figures stand in the last event, which is held until the end for that.

use std::collections::BTreeMap;

use super::encode_response::{MALFORMED_CALL, finish_reason, identity, usage};
use super::grounding::{self, Grounds};
use super::piece::{Piece, arguments};
use super::{Proof, token};
use crate::canonical::{Delta, Event, Opening, SourcesHeld, StreamTerms};
use crate::gemini::status_name;
use crate::response::{UpstreamError, Usage};
use crate::sse;
use crate::wire::{ListWriter, ObjectWriter, object};

/// Bytes that are held at most, over all parts that are open.
const MAX_GATHERED: usize = 4 * 1024 * 1024;

/// How the events of a stream are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events, for a client that asks `alt=sse`.
    Events,
    /// The items of one JSON array, for any other.
    Array,
}

/// Writes the events of a stream.
#[derive(Debug)]
pub(crate) struct StreamEncoder {
    framing: Framing,
    id: String,
    model: String,
    open: Vec<Open>,
    /// Choices and why they stopped.
    finished: Vec<(u32, &'static str)>,
    /// Choices, their text, and what it cites: that stands in the last event.
    grounded: BTreeMap<u32, SourcesHeld>,
    usage: Option<Usage>,
    /// Bytes gathered in `open`.
    gathered: usize,
    /// Something has been written.
    begun: bool,
    done: bool,
}

/// What a choice cites, in bytes of all of its text.
fn grounds_of(sources: SourcesHeld) -> Vec<Grounds<'static>> {
    let (measure, citations) = sources.into_parts();
    let ground = |(range, citation)| Grounds::of(citation, &range, 0, measure.ruler());
    citations.into_iter().map(ground).collect()
}

/// A part that is not complete.
#[derive(Debug)]
struct Open {
    choice: u32,
    part: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text,
    Thought {
        /// Some of its text has been written.
        told: bool,
        signature: String,
    },
    Call {
        id: String,
        name: String,
        arguments: String,
        signature: String,
    },
}

impl Kind {
    /// What it holds, in bytes.
    fn gathered(&self) -> usize {
        size_of::<Open>()
            + match self {
                Self::Text => 0,
                Self::Thought { signature, .. } => signature.len(),
                Self::Call {
                    id,
                    name,
                    arguments,
                    signature,
                } => id.len() + name.len() + arguments.len() + signature.len(),
            }
    }
}

impl StreamEncoder {
    pub(crate) const fn content_type(&self) -> &'static str {
        match self.framing {
            Framing::Events => crate::CONTENT_TYPE_EVENT_STREAM,
            Framing::Array => crate::CONTENT_TYPE_JSON,
        }
    }

    /// The dialect always shows the usage, and never tells the time.
    pub(crate) fn new(_terms: StreamTerms, framing: Framing) -> Self {
        Self {
            framing,
            id: String::new(),
            model: String::new(),
            open: Vec::new(),
            finished: Vec::new(),
            grounded: BTreeMap::new(),
            usage: None,
            gathered: 0,
            begun: false,
            done: false,
        }
    }

    /// Appends what the event makes complete.
    pub(crate) fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if self.done {
            return;
        }
        match event {
            Event::Start { id, model, .. } => {
                self.id = id.to_string();
                self.model = model.to_string();
            }
            Event::Open {
                choice,
                part,
                opening,
            } => self.open(*choice, *part, opening, out),
            Event::Delta {
                choice,
                part,
                delta,
            } => self.delta(*choice, *part, delta, out),
            Event::Cite {
                choice,
                part,
                citation,
            } => {
                let sources = self.grounded.entry(*choice).or_default();
                if citation.is_known() {
                    sources.cite(*part, citation);
                }
            }
            Event::Close { choice, part } => {
                if let Some(grounded) = self.grounded.get_mut(choice) {
                    grounded.close(*part);
                }
                self.close(*choice, *part, out);
            }
            Event::Tokens { choice, tokens } => self.chunk(out, |o| {
                o.list("candidates", |l| {
                    l.object(|o| {
                        o.value("index", choice);
                        token::write(tokens, o);
                    });
                });
            }),
            Event::Finish { choice, finish } => self.finish(*choice, finish_reason(finish)),
            Event::Usage(usage) => self.usage.get_or_insert_default().update(*usage),
            // Clients read every line of a stream as data: there is none that means nothing.
            Event::Ping => {}
            Event::End => self.end(out),
            Event::Error(error) => self.fail(error, out),
        }
    }

    fn open(&mut self, choice: u32, part: u32, opening: &Opening<'_>, out: &mut Vec<u8>) {
        let kind = match opening {
            Opening::Text | Opening::Refusal => Kind::Text,
            Opening::Reasoning => Kind::Thought {
                told: false,
                signature: String::new(),
            },
            Opening::Redacted(data) => {
                let signature = Some(Proof::redacted(data).into());
                return self.say(
                    choice,
                    &Piece::Thought {
                        text: "",
                        signature,
                    },
                    out,
                );
            }
            Opening::ToolCall { id, name } => Kind::Call {
                id: id.to_string(),
                name: name.to_string(),
                arguments: String::new(),
                signature: String::new(),
            },
        };
        self.gathered += kind.gathered();
        self.open.push(Open { choice, part, kind });
        self.bound(out);
    }

    fn delta(&mut self, choice: u32, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let mut open = self.open.iter_mut();
        let Some(open) = open.find(|open| (open.choice, open.part) == (choice, part)) else {
            return;
        };
        let before = open.kind.gathered();
        match (&mut open.kind, delta) {
            (_, Delta::Text(text)) if text.is_empty() => {}
            (Kind::Text, Delta::Text(text)) => {
                let grounded = self.grounded.entry(choice).or_default();
                grounded.say(part, text);
                return self.say(choice, &Piece::Text(text.as_ref().into()), out);
            }
            (Kind::Thought { told, .. }, Delta::Text(text)) => {
                *told = true;
                let signature = None;
                return self.say(choice, &Piece::Thought { text, signature }, out);
            }
            (Kind::Call { arguments, .. }, Delta::Arguments(more)) => arguments.push_str(more),
            (
                Kind::Call { signature, .. } | Kind::Thought { signature, .. },
                Delta::Signature(more),
            ) => signature.push_str(more),
            _ => {}
        }
        self.gathered += open.kind.gathered() - before;
        self.bound(out);
    }

    /// Fails if more is gathered than may be.
    fn bound(&mut self, out: &mut Vec<u8>) {
        if self.gathered > MAX_GATHERED {
            let message = format!("a tool call is longer than {MAX_GATHERED} bytes");
            let error = UpstreamError {
                message,
                ..UpstreamError::default()
            };
            self.fail(&error, out);
        }
    }

    fn close(&mut self, choice: u32, part: u32, out: &mut Vec<u8>) {
        let mut open = self.open.iter();
        let Some(at) = open.position(|open| (open.choice, open.part) == (choice, part)) else {
            return;
        };
        let Open { kind, .. } = self.open.swap_remove(at);
        self.gathered -= kind.gathered();
        match kind {
            Kind::Text => {}
            Kind::Thought { signature, .. } if signature.is_empty() => {}
            Kind::Thought { told, signature } => {
                self.chunk(out, |o| {
                    one_part(o, choice, |l| {
                        l.object(|o| {
                            o.value("text", "");
                            o.maybe("thought", told.then_some(true));
                            o.value("thoughtSignature", &signature);
                        });
                    });
                });
            }
            Kind::Call {
                id,
                name,
                arguments: text,
                signature,
            } => match arguments(&text) {
                Some(args) => {
                    let piece = Piece::Call {
                        id: &id,
                        name: &name,
                        args,
                        signature: (!signature.is_empty()).then_some(&*signature),
                    };
                    self.say(choice, &piece, out);
                }
                None => self.finish(choice, MALFORMED_CALL),
            },
        }
    }

    /// Notes why a choice stopped. The first reason counts.
    fn finish(&mut self, choice: u32, reason: &'static str) {
        if self.finished.iter().all(|(known, _)| *known != choice) {
            self.finished.push((choice, reason));
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let finished = std::mem::take(&mut self.finished);
        let figures = self.usage.take();
        let mut grounded = std::mem::take(&mut self.grounded);
        self.chunk(out, |o| {
            if !finished.is_empty() {
                o.list("candidates", |l| {
                    for (choice, reason) in finished {
                        let grounds = grounds_of(grounded.remove(&choice).unwrap_or_default());
                        l.object(|o| last_of(o, choice, reason, &grounds));
                    }
                });
            }
            if let Some(figures) = figures {
                o.object("usageMetadata", |o| usage(o, &figures));
            }
        });
        self.leave(out);
    }

    fn fail(&mut self, error: &UpstreamError, out: &mut Vec<u8>) {
        let code = match error.status {
            // Anthropic's own for what is overloaded.
            Some(529) => 503,
            status => status.unwrap_or(500),
        };
        let data = object(|o| {
            o.object("error", |o| {
                o.value("code", code);
                o.value("message", &error.message);
                o.value("status", status_name(code));
            });
        });
        self.frame(data, out);
        self.leave(out);
    }

    fn leave(&mut self, out: &mut Vec<u8>) {
        self.done = true;
        self.open = Vec::new();
        if self.framing == Framing::Array {
            out.extend_from_slice(b"]");
        }
    }

    fn say(&mut self, choice: u32, piece: &Piece<'_>, out: &mut Vec<u8>) {
        self.chunk(out, |o| one_part(o, choice, |l| piece.write(l)));
    }

    fn chunk(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        let data = object(|o| {
            write(o);
            identity(o, &self.id, &self.model);
        });
        self.frame(data, out);
    }

    fn frame(&mut self, mut data: Vec<u8>, out: &mut Vec<u8>) {
        let first = !std::mem::replace(&mut self.begun, true);
        match self.framing {
            Framing::Events => {
                // Clients of this dialect read one line an event. In JSON a line end is but space.
                for byte in &mut data {
                    if matches!(byte, b'\n' | b'\r') {
                        *byte = b' ';
                    }
                }
                out.extend_from_slice(&sse::encode(None, &data));
            }
            Framing::Array => {
                out.extend_from_slice(if first { b"[" } else { b",\r\n" });
                out.extend_from_slice(&data);
            }
        }
    }
}

/// Writes candidates of which one has one part.
fn one_part(o: &mut ObjectWriter<'_>, choice: u32, write: impl FnOnce(&mut ListWriter<'_>)) {
    o.list("candidates", |l| {
        l.object(|o| {
            o.object("content", |o| {
                o.list("parts", write);
                o.value("role", "model");
            });
            o.value("index", choice);
        });
    });
}

/// Writes the last of a candidate, which says nothing more but why.
fn last_of(o: &mut ObjectWriter<'_>, choice: u32, reason: &str, grounds: &[Grounds<'_>]) {
    o.object("content", |o| {
        o.list("parts", |l| l.object(|o| o.value("text", "")));
        o.value("role", "model");
    });
    o.value("finishReason", reason);
    o.value("index", choice);
    grounding::write(o, grounds);
}
