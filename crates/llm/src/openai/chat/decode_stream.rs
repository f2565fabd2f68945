//! From the chunks of a chat completion.
//!
//! A chunk does not say which part of the answer begins or ends; that follows from what it carries. A
//! text ends when something else begins. The calls of tools have numbers, and their arguments may come
//! interleaved: so a call is closed, when another part opens, only if its arguments are complete, since
//! nothing can follow complete JSON.

use std::borrow::Cow;

use super::decode_request::reasoning;
use super::decode_response::finish_of;
use super::parts::google_signature;
use crate::canonical::{Delta, Event, Opening, Reasoning};
use crate::openai;
use crate::wire::{Fault, Object, Value};

/// Answers, calls of one answer, and bytes of a call's id at most: bounds of memory, not of anybody's
/// use.
const MAX_OPEN: usize = 128;
const MAX_ID: usize = 1024;

/// Reads a stream, event by event.
#[derive(Debug, Default)]
pub(crate) struct StreamDecoder {
    started: bool,
    over: bool,
    choices: Vec<Choice>,
}

type Emit<'e> = &'e mut dyn FnMut(Event<'_>);

impl StreamDecoder {
    /// Reads an event and emits what it says. `name` means nothing in this dialect.
    ///
    /// # Errors
    /// If it is not a chunk.
    pub(crate) fn event(
        &mut self,
        _name: Option<&[u8]>,
        data: &[u8],
        emit: Emit<'_>,
    ) -> Result<(), Fault> {
        if self.over {
            return Ok(());
        }
        if data.trim_ascii() == openai::DONE {
            self.over = true;
            // An end without the ends of all answers is a stream that was cut.
            if self.is_complete() {
                emit(Event::End);
            }
            return Ok(());
        }
        if let Some(error) = openai::event_error(data) {
            self.over = true;
            emit(Event::Error(error));
            return Ok(());
        }
        self.chunk(Value::document(data)?.object()?, emit)
    }

    fn chunk(&mut self, mut chunk: Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        // The first chunk of some servers is about the prompt, and has no name.
        if !self.started && (chunk.has("usage") || !is_nameless(&chunk)) {
            self.started = true;
            emit(Event::Start {
                id: chunk.text("id")?.unwrap_or_default(),
                model: chunk.text("model")?.unwrap_or_default(),
                created: chunk.take("created", |value| value.count())?,
            });
        }
        chunk.take("choices", |list| {
            list.each(|value| {
                let mut object = value.object()?;
                let index = object.take("index", |value| value.count())?;
                self.choice(&value, index.unwrap_or_default())?
                    .read(object, emit)
            })
        })?;
        let usage = chunk.opaque("usage");
        if let Some(usage) = usage.and_then(|raw| openai::usage(raw.as_bytes())) {
            emit(Event::Usage(usage));
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finished)
    }

    fn choice(&mut self, value: &Value<'_, '_>, index: u64) -> Result<&mut Choice, Fault> {
        let index = u32::try_from(index).map_err(|_| value.fault("has no sensible index"))?;
        let at = match self.choices.iter().position(|one| one.index == index) {
            Some(at) => at,
            None if self.choices.len() >= MAX_OPEN => {
                return Err(value.fault("is one of too many"));
            }
            None => {
                self.choices.push(Choice {
                    index,
                    ..Choice::default()
                });
                self.choices.len() - 1
            }
        };
        self.choices
            .get_mut(at)
            .ok_or_else(|| value.fault("has no sensible index"))
    }
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    Reasoning,
}

/// One of the answers, as far as it has come.
#[derive(Debug, Default)]
struct Choice {
    index: u32,
    parts: u32,
    /// The text that is open.
    text: Option<(Kind, u32)>,
    calls: Vec<Call>,
    finished: bool,
}

#[derive(Debug)]
struct Call {
    number: u64,
    id: Box<str>,
    part: u32,
    open: bool,
    arguments: Completeness,
}

impl Choice {
    fn read(&mut self, mut choice: Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        if self.finished {
            return Ok(());
        }
        choice.take("delta", |value| self.delta(&mut value.object()?, emit))?;
        if let Some(reason) = choice.text("finish_reason")?.filter(|r| !r.is_empty()) {
            self.finished = true;
            self.close_text(emit);
            self.close_calls(|_| true, emit);
            emit(Event::Finish {
                choice: self.index,
                finish: finish_of(reason),
            });
        }
        Ok(())
    }

    fn delta(&mut self, delta: &mut Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        for thought in reasoning(delta)? {
            self.thought(thought, emit);
        }
        for (name, kind) in [("content", Kind::Text), ("refusal", Kind::Refusal)] {
            if let Some(text) = delta.text(name)?.filter(|text| !text.is_empty()) {
                self.say(kind, Delta::Text(text), emit);
            }
        }
        delta.take("tool_calls", |list| {
            let mut position = 0;
            list.each(|value| {
                position += 1;
                self.call(value, position - 1, emit)
            })
        })?;
        Ok(())
    }

    fn thought(&mut self, thought: Reasoning<'_>, emit: Emit<'_>) {
        if let Some(data) = thought.redacted {
            self.close_text(emit);
            let part = self.open(Opening::Redacted(data), emit);
            emit(Event::Close {
                choice: self.index,
                part,
            });
            return;
        }
        if let Some(text) = thought.text.filter(|text| !text.is_empty()) {
            self.say(Kind::Reasoning, Delta::Text(text), emit);
        }
        if let Some(signature) = thought.signature {
            self.say(Kind::Reasoning, Delta::Signature(signature), emit);
        }
    }

    /// Goes on with the text that is open, or opens one.
    fn say(&mut self, kind: Kind, delta: Delta<'_>, emit: Emit<'_>) {
        let part = match self.text {
            Some((open, part)) if open == kind => part,
            _ => {
                self.close_text(emit);
                self.close_calls(|call| call.arguments.is_complete(), emit);
                let part = self.open(
                    match kind {
                        Kind::Text => Opening::Text,
                        Kind::Refusal => Opening::Refusal,
                        Kind::Reasoning => Opening::Reasoning,
                    },
                    emit,
                );
                self.text = Some((kind, part));
                part
            }
        };
        emit(Event::Delta {
            choice: self.index,
            part,
            delta,
        });
    }

    fn call(&mut self, value: Value<'_, '_>, position: u64, emit: Emit<'_>) -> Result<(), Fault> {
        let mut call = value.object()?;
        let number = call
            .take("index", |value| value.count())?
            .unwrap_or(position);
        let id = call.text("id")?.filter(|id| !id.is_empty());
        let signature = call.take("extra_content", google_signature)?.flatten();
        let (name, arguments) = call.take("function", function)?.unwrap_or_default();
        let at = self.find_call(number, id.as_deref());
        let at = match at {
            Some(at) => at,
            None if self.calls.len() >= MAX_OPEN => {
                return Err(value.fault("is one of too many"));
            }
            None if id.as_ref().is_some_and(|id| id.len() > MAX_ID) => {
                return Err(value.fault("has an id that is too long"));
            }
            None if self.is_behind(number, id.as_deref()) => {
                return match arguments.filter(|text| !text.is_empty()) {
                    None => Ok(()),
                    Some(_) => Err(value.fault("goes on behind its end")),
                };
            }
            None => self.open_call(number, id, name.unwrap_or_default(), emit),
        };
        let arguments = arguments.filter(|text| !text.is_empty());
        let (choice, Some(call)) = (self.index, self.calls.get_mut(at)) else {
            return Ok(());
        };
        let deltas = [
            arguments.map(Delta::Arguments),
            signature.map(Delta::Signature),
        ];
        for delta in deltas.into_iter().flatten() {
            if let Delta::Arguments(more) = &delta {
                call.arguments.push(more);
            }
            emit(Event::Delta {
                choice,
                part: call.part,
                delta,
            });
        }
        Ok(())
    }

    /// The call that a delta belongs to. Some servers number all calls 0 and tell them apart by id.
    fn find_call(&self, number: u64, id: Option<&str>) -> Option<usize> {
        let same =
            |call: &Call| call.number == number && call.open && id.is_none_or(|id| *id == *call.id);
        self.calls.iter().rposition(same)
    }

    /// Whether a delta belongs to a call that is complete.
    fn is_behind(&self, number: u64, id: Option<&str>) -> bool {
        let same = |call: &Call| call.number == number && id.is_none_or(|id| *id == *call.id);
        self.calls.iter().any(same)
    }

    fn open_call(
        &mut self,
        number: u64,
        id: Option<Cow<'_, str>>,
        name: Cow<'_, str>,
        emit: Emit<'_>,
    ) -> usize {
        self.close_text(emit);
        self.close_calls(|call| call.arguments.is_complete(), emit);
        let id = id.unwrap_or_else(|| format!("call_{}_{}", self.index, self.parts).into());
        let kept = Box::from(&*id);
        let part = self.open(Opening::ToolCall { id, name }, emit);
        self.calls.push(Call {
            number,
            id: kept,
            part,
            open: true,
            arguments: Completeness::default(),
        });
        self.calls.len() - 1
    }

    fn open(&mut self, opening: Opening<'_>, emit: Emit<'_>) -> u32 {
        let part = self.parts;
        self.parts += 1;
        emit(Event::Open {
            choice: self.index,
            part,
            opening,
        });
        part
    }

    fn close_text(&mut self, emit: Emit<'_>) {
        if let Some((_, part)) = self.text.take() {
            emit(Event::Close {
                choice: self.index,
                part,
            });
        }
    }

    fn close_calls(&mut self, which: impl Fn(&Call) -> bool, emit: Emit<'_>) {
        let choice = self.index;
        for call in self.calls.iter_mut().filter(|call| call.open) {
            if which(call) {
                call.open = false;
                let part = call.part;
                emit(Event::Close { choice, part });
            }
        }
    }
}

/// Whether a chunk says neither who answers nor anything of the answer.
fn is_nameless(chunk: &Object<'_, '_>) -> bool {
    let is_empty = |name, empty: &[&str]| chunk.peek(name).is_none_or(|raw| empty.contains(&raw));
    is_empty("id", &["\"\""]) && is_empty("model", &["\"\""]) && is_empty("choices", &["[]"])
}

type Function<'a> = (Option<Cow<'a, str>>, Option<Cow<'a, str>>);

/// Name and arguments, as far as they are there.
fn function<'a>(value: Value<'a, '_>) -> Result<Function<'a>, Fault> {
    let mut function = value.object()?;
    Ok((function.text("name")?, function.text("arguments")?))
}

/// Whether text that comes in pieces is a whole JSON object or list.
#[derive(Debug, Default)]
struct Completeness {
    depth: u32,
    in_text: bool,
    escaped: bool,
    begun: bool,
}

impl Completeness {
    fn push(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' => self.in_text = !self.in_text,
                _ if self.in_text => {}
                b'{' | b'[' => {
                    self.begun = true;
                    self.depth = self.depth.saturating_add(1);
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    const fn is_complete(&self) -> bool {
        self.begun && self.depth == 0 && !self.in_text
    }
}
