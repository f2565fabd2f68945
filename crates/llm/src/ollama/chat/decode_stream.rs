//! Reading a stream, of which each line holds what is new.

use super::decode_response::{Line, call_id};
use super::finish_of;
use crate::canonical::{Delta, Event, Opening};
use crate::response::UpstreamError;
use crate::wire::{Fault, Value};

/// Reads the lines of a stream. There is one choice.
#[derive(Debug, Default)]
pub(crate) struct StreamDecoder {
    started: bool,
    done: bool,
    /// Parts so far.
    parts: u32,
    open: Option<Kind>,
    calls: usize,
}

/// What the open part is: the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
}

impl StreamDecoder {
    /// Reads a line. Lines have no names.
    pub(crate) fn event(
        &mut self,
        _name: Option<&[u8]>,
        data: &[u8],
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        if self.done {
            return Ok(());
        }
        let mut object = Value::answer(data)?.object()?;
        if let Some(message) = object.text("error")? {
            self.done = true;
            emit(Event::Error(UpstreamError {
                message: message.into_owned(),
                ..UpstreamError::default()
            }));
            return Ok(());
        }
        self.line(Line::read(&mut object)?, emit);
        Ok(())
    }

    fn line(&mut self, line: Line<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        if !self.started {
            self.started = true;
            emit(Event::Start {
                id: "".into(),
                model: line.model,
                created: None,
            });
        }
        if let Some(text) = line.thinking {
            self.say(Kind::Reasoning, Delta::Text(text), emit);
        }
        if let Some(text) = line.text {
            self.say(Kind::Text, Delta::Text(text), emit);
        }
        if !line.tokens.is_empty() {
            let (choice, tokens) = (0, line.tokens);
            emit(Event::Tokens { choice, tokens });
        }
        for call in line.calls {
            let id = call_id(call.id, self.calls);
            self.calls += 1;
            let name = call.name;
            self.open(Opening::ToolCall { id, name }, emit);
            self.delta(Delta::Arguments(call.arguments), emit);
            self.emit_close(emit);
        }
        if let Some(usage) = line.usage {
            emit(Event::Usage(usage));
        }
        if line.done {
            self.done = true;
            self.close(emit);
            let finish = finish_of(line.reason.as_deref(), self.calls > 0);
            emit(Event::Finish { choice: 0, finish });
            emit(Event::End);
        }
    }

    fn say(&mut self, kind: Kind, delta: Delta<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        if self.open != Some(kind) {
            let opening = match kind {
                Kind::Text => Opening::Text,
                Kind::Reasoning => Opening::Reasoning,
            };
            self.open(opening, emit);
            self.open = Some(kind);
        }
        self.delta(delta, emit);
    }

    fn open(&mut self, opening: Opening<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        self.close(emit);
        self.parts += 1;
        let part = self.last();
        emit(Event::Open {
            choice: 0,
            part,
            opening,
        });
    }

    /// The number of the part that is open, or was last.
    const fn last(&self) -> u32 {
        self.parts.saturating_sub(1)
    }

    fn delta(&self, delta: Delta<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        let part = self.last();
        emit(Event::Delta {
            choice: 0,
            part,
            delta,
        });
    }

    fn close(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        if self.open.take().is_some() {
            self.emit_close(emit);
        }
    }

    fn emit_close(&self, emit: &mut dyn FnMut(Event<'_>)) {
        let part = self.last();
        emit(Event::Close { choice: 0, part });
    }
}
