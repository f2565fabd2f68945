//! Writing a stream.

use super::encode_request::write_call;
use super::encode_response::{write_head, write_tokens};
use super::{Place, reason};
use crate::canonical::{Delta, Event, Opening, StreamTerms, ToolCall};
use crate::error::{ApiError, ErrorKind};
use crate::ollama::{error_line, figures};
use crate::response::{UpstreamError, Usage};
use crate::wire::{ListWriter, ObjectWriter, append_object};

/// Bytes of arguments that wait for their end, at most: no model writes so much.
const MAX_HELD: usize = 1 << 20;

/// Writes the lines of a stream: of the first choice, since this API has no other.
///
/// A call is written when it is complete, for its arguments are an object. The last line tells why the
/// answer ended and what it cost.
#[derive(Debug)]
pub(crate) struct StreamEncoder {
    place: Place,
    model: Box<str>,
    created: u64,
    thoughts: Vec<u32>,
    calls: Vec<(u32, ToolCall<'static>)>,
    held: usize,
    refuses: bool,
    reason: Option<Box<str>>,
    usage: Usage,
    ended: bool,
}

impl StreamEncoder {
    /// Begins a stream.
    pub(crate) fn new(terms: StreamTerms, place: Place) -> Self {
        Self {
            place,
            model: Box::default(),
            created: terms.now,
            thoughts: Vec::new(),
            calls: Vec::new(),
            held: 0,
            refuses: false,
            reason: None,
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
            Event::Start { model, created, .. } => {
                self.model = Box::from(&**model);
                self.created = created.unwrap_or(self.created);
            }
            Event::Open {
                choice: 0,
                part,
                opening,
            } => self.open(*part, opening),
            Event::Delta {
                choice: 0,
                part,
                delta,
            } => self.delta(*part, delta, out),
            Event::Close { choice: 0, part } => self.close(*part, out),
            Event::Tokens { choice: 0, tokens } => {
                self.line(
                    |o| o.value(self.field(), ""),
                    |o| write_tokens(tokens, o),
                    out,
                );
            }
            Event::Finish { choice: 0, finish } => {
                self.reason = Some(reason(Some(finish), self.refuses).into());
            }
            Event::Usage(usage) => self.usage.update(*usage),
            Event::End => self.end(out),
            Event::Error(error) => self.fail(error, out),
            // Of a further choice, or what has no place here.
            Event::Open { .. }
            | Event::Delta { .. }
            | Event::Close { .. }
            | Event::Tokens { .. }
            | Event::Finish { .. }
            | Event::Cite { .. }
            | Event::Ping => {}
        }
    }

    /// The name of the field for text.
    const fn field(&self) -> &'static str {
        match self.place {
            Place::Chat => "content",
            Place::Generate => "response",
        }
    }

    fn open(&mut self, part: u32, opening: &Opening<'_>) {
        match opening {
            Opening::Text => {}
            Opening::Refusal => self.refuses = true,
            Opening::Reasoning | Opening::Redacted(_) => self.thoughts.push(part),
            Opening::ToolCall { id, name } => {
                self.held += id.len() + name.len();
                let call = ToolCall {
                    id: id.to_string().into(),
                    name: name.to_string().into(),
                    arguments: String::new().into(),
                    signature: None,
                };
                self.calls.push((part, call));
            }
        }
    }

    fn delta(&mut self, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match delta {
            Delta::Text(text) if self.thoughts.contains(&part) => {
                let field = self.field();
                let said = |o: &mut ObjectWriter<'_>| {
                    o.value(field, "");
                    o.value("thinking", text);
                };
                self.line(said, |_| {}, out);
            }
            Delta::Text(text) => self.line(|o| o.value(self.field(), text), |_| {}, out),
            Delta::Arguments(more) => {
                self.held += more.len();
                if self.held > MAX_HELD {
                    let message = "a tool's arguments exceed what can be held".to_owned();
                    let error = UpstreamError {
                        message,
                        ..UpstreamError::default()
                    };
                    return self.fail(&error, out);
                }
                if let Some((_, call)) = self.calls.iter_mut().find(|(call, _)| *call == part) {
                    call.arguments.to_mut().push_str(more);
                }
            }
            // Clients of this API have no place for a proof.
            Delta::Signature(_) => {}
        }
    }

    fn close(&mut self, part: u32, out: &mut Vec<u8>) {
        let Some(at) = self.calls.iter().position(|(call, _)| *call == part) else {
            return;
        };
        let (_, call) = self.calls.remove(at);
        self.held -= call.id.len() + call.name.len() + call.arguments.len();
        let field = self.field();
        let said = |o: &mut ObjectWriter<'_>| {
            o.value(field, "");
            o.list("tool_calls", |list: &mut ListWriter<'_>| {
                write_call(&call, list);
            });
        };
        self.line(said, |_| {}, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        append_object(out, |o| {
            write_head(&self.model, self.created, o);
            self.write_said(|o| o.value(self.field(), ""), o);
            o.value("done", true);
            o.value("done_reason", self.reason.as_deref().unwrap_or("stop"));
            figures::write(&self.usage, o);
        });
        out.push(b'\n');
    }

    fn fail(&mut self, error: &UpstreamError, out: &mut Vec<u8>) {
        self.ended = true;
        let error = ApiError::new(ErrorKind::Upstream, error.message.clone());
        out.extend_from_slice(&error_line(&error));
    }

    fn line(
        &self,
        said: impl FnOnce(&mut ObjectWriter<'_>),
        more: impl FnOnce(&mut ObjectWriter<'_>),
        out: &mut Vec<u8>,
    ) {
        append_object(out, |o| {
            write_head(&self.model, self.created, o);
            self.write_said(said, o);
            more(o);
            o.value("done", false);
        });
        out.push(b'\n');
    }

    fn write_said(&self, said: impl FnOnce(&mut ObjectWriter<'_>), o: &mut ObjectWriter<'_>) {
        match self.place {
            Place::Chat => o.object("message", |o| {
                o.value("role", "assistant");
                said(o);
            }),
            Place::Generate => said(o),
        }
    }
}
