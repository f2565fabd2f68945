//! From the chunks of a chat completion.
//!
//! A chunk does not say which part of the answer begins or ends; that follows from what it carries. A
//! text ends when something else begins. The calls of tools have numbers, and their arguments may come
//! interleaved: so a call is closed, when another part opens, only if its arguments are complete, since
//! nothing can follow complete JSON. And a call is not opened before its name is known, which some
//! servers send after its id.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::decode_request::reasoning;
use super::decode_response::{finish_of, tokens};
use super::parts::{Rest, answer, google_signature};
use crate::canonical::{Citation, Content, Delta, Event, Opening, Reasoning, SourcesRead};
use crate::openai::{self, citations};
use crate::wire::{Fault, Object, Value};

/// Answers, calls of one answer, bytes of a call's id, and of arguments before its name, at most:
/// bounds of memory, not of anybody's use.
const MAX_OPEN: usize = 128;
const MAX_ID: usize = 1024;
const MAX_EARLY: usize = 64 * 1024;

/// Reads a stream, event by event.
#[derive(Debug, Default)]
pub(crate) struct StreamDecoder {
    started: bool,
    over: bool,
    /// Of this answer alone.
    mark: u64,
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
        self.chunk(Value::answer(data)?.object()?, emit)
    }

    fn chunk(&mut self, mut chunk: Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        // The first chunk of some servers is about the prompt, and has no name.
        if !self.started && (chunk.has("usage") || !is_nameless(&chunk)) {
            self.started = true;
            let id = chunk.text("id")?.unwrap_or_default();
            let created = chunk.take("created", |value| value.count())?;
            self.mark = xxh3_64_with_seed(id.as_bytes(), created.unwrap_or_default());
            emit(Event::Start {
                id,
                model: chunk.text("model")?.unwrap_or_default(),
                created,
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
                    mark: self.mark,
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
    mark: u64,
    parts: u32,
    /// The text that is open.
    text: Option<(Kind, u32)>,
    calls: Vec<Call>,
    finished: bool,
    /// The texts, of which annotations name ranges.
    sources: SourcesRead,
}

#[derive(Debug)]
struct Call {
    number: u64,
    id: Option<Box<str>>,
    /// Its part, once it is opened.
    part: Option<u32>,
    /// What has come of it before.
    early: Early,
    is_over: bool,
    arguments: Completeness,
}

/// What is known of a call that is not opened yet.
#[derive(Debug, Default)]
struct Early {
    name: String,
    arguments: String,
    signature: Option<String>,
}

impl Early {
    fn add(&mut self, (name, arguments): Function<'_>, signature: Option<Cow<'_, str>>) {
        self.name.push_str(&name.unwrap_or_default());
        self.arguments.push_str(&arguments.unwrap_or_default());
        if let Some(signature) = signature {
            self.signature = Some(signature.into_owned());
        }
    }

    fn size(&self) -> usize {
        self.name.len() + self.arguments.len()
    }
}

impl Call {
    /// Whether its name has come, and what says that no more of the name will.
    fn can_open(&self) -> bool {
        let goes_on = self.id.is_some() || !self.early.arguments.is_empty();
        !self.early.name.is_empty() && goes_on
    }

    fn is_of(&self, number: u64, id: Option<&str>) -> bool {
        let same = |known: &str| id.is_none_or(|id| *id == *known);
        self.number == number && self.id.as_deref().is_none_or(same)
    }
}

impl Choice {
    fn read(&mut self, mut choice: Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        if self.finished {
            return Ok(());
        }
        choice.take("delta", |value| self.delta(&mut value.object()?, emit))?;
        let tokens = tokens(&mut choice);
        if !tokens.is_empty() {
            emit(Event::Tokens {
                choice: self.index,
                tokens,
            });
        }
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
        for said in delta.take("content", answer)?.into_iter().flatten() {
            match said {
                Content::Text(text) if !text.is_empty() => {
                    self.say(Kind::Text, Delta::Text(text), emit);
                }
                Content::Reasoning(thought) => self.thought(thought, emit),
                _ => {}
            }
        }
        let citations = delta.take("annotations", |list| Ok(citations::read(list)))?;
        self.cite(citations.unwrap_or_default(), emit);
        if let Some(text) = delta.text("refusal")?.filter(|text| !text.is_empty()) {
            self.say(Kind::Refusal, Delta::Text(text), emit);
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

    /// Tells of the sources of ranges of the text.
    fn cite(&mut self, citations: Vec<Citation<'_>>, emit: Emit<'_>) {
        for citation in citations {
            if let Some((part, citation)) = self.sources.cite(citation) {
                self.emit_cite(part, citation, emit);
            }
        }
    }

    fn emit_cite(&self, part: u32, citation: Citation<'_>, emit: Emit<'_>) {
        emit(Event::Cite {
            choice: self.index,
            part,
            citation,
        });
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
        let signature = thought.signature.filter(|proof| !proof.is_empty());
        if let Some(signature) = signature {
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
        if let (Kind::Text, Delta::Text(text)) = (kind, &delta) {
            self.sources.say(part, text);
        }
        emit(Event::Delta {
            choice: self.index,
            part,
            delta,
        });
    }

    fn call(&mut self, value: Value<'_, '_>, position: u64, emit: Emit<'_>) -> Result<(), Fault> {
        let piece = Piece::read(value, position)?;
        let id = piece.id.as_deref();
        let at = match self.find_call(piece.number, id) {
            Some(at) => at,
            None if self.calls.len() >= MAX_OPEN => {
                return Err(value.fault("is one of too many"));
            }
            None if self.is_behind(piece.number, id) => {
                return match piece.arguments {
                    None => Ok(()),
                    Some(_) => Err(value.fault("goes on behind its end")),
                };
            }
            None => self.begin_call(piece.number, emit),
        };
        let Some(call) = self.calls.get_mut(at) else {
            return Ok(());
        };
        if let Some(more) = &piece.arguments {
            call.arguments.push(more);
        }
        if call.part.is_some() {
            let arguments = piece.arguments.map(Delta::Arguments);
            let signature = piece.signature.map(Delta::Signature);
            self.go_on(at, [arguments, signature], emit);
            return Ok(());
        }
        call.id = call.id.take().or_else(|| id.map(Box::from));
        call.early
            .add((piece.name, piece.arguments), piece.signature);
        if call.early.size() > MAX_EARLY {
            return Err(value.fault("has no name"));
        }
        if call.can_open() {
            self.open_call(at, emit);
        }
        Ok(())
    }

    fn go_on(&self, at: usize, deltas: [Option<Delta<'_>>; 2], emit: Emit<'_>) {
        let Some(part) = self.calls.get(at).and_then(|call| call.part) else {
            return;
        };
        for delta in deltas.into_iter().flatten() {
            emit(Event::Delta {
                choice: self.index,
                part,
                delta,
            });
        }
    }

    /// The call that a delta belongs to. Some servers number all calls 0 and tell them apart by id.
    fn find_call(&self, number: u64, id: Option<&str>) -> Option<usize> {
        let same = |call: &Call| !call.is_over && call.is_of(number, id);
        self.calls.iter().rposition(same)
    }

    /// Whether a delta belongs to a call that is complete.
    fn is_behind(&self, number: u64, id: Option<&str>) -> bool {
        self.calls.iter().any(|call| call.is_of(number, id))
    }

    fn begin_call(&mut self, number: u64, emit: Emit<'_>) -> usize {
        self.close_text(emit);
        self.close_calls(|call| call.arguments.is_complete(), emit);
        self.calls.push(Call {
            number,
            id: None,
            part: None,
            early: Early::default(),
            is_over: false,
            arguments: Completeness::default(),
        });
        self.calls.len() - 1
    }

    /// Opens a call with what is known of it. One without an id gets one that no other answer has,
    /// lest the calls of two turns have the same.
    fn open_call(&mut self, at: usize, emit: Emit<'_>) {
        let (choice, mark, number) = (self.index, self.mark, self.parts);
        let Some(call) = self.calls.get_mut(at) else {
            return;
        };
        let early = std::mem::take(&mut call.early);
        let made_up = || format!("call_{mark:016x}_{choice}_{number}").into();
        let id = call.id.get_or_insert_with(made_up).clone();
        let opening = Opening::ToolCall {
            id: id.into_string().into(),
            name: early.name.into(),
        };
        let part = self.open(opening, emit);
        if let Some(call) = self.calls.get_mut(at) {
            call.part = Some(part);
        }
        let arguments = Some(early.arguments).filter(|text| !text.is_empty());
        let deltas = [
            arguments.map(|text| Delta::Arguments(text.into())),
            early.signature.map(|text| Delta::Signature(text.into())),
        ];
        self.go_on(at, deltas, emit);
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
        if let Some((kind, part)) = self.text.take() {
            if kind == Kind::Text {
                for (part, citation) in self.sources.settle() {
                    self.emit_cite(part, citation, emit);
                }
            }
            emit(Event::Close {
                choice: self.index,
                part,
            });
        }
    }

    fn close_calls(&mut self, which: impl Fn(&Call) -> bool, emit: Emit<'_>) {
        let choice = self.index;
        for at in 0..self.calls.len() {
            let call = self.calls.get(at);
            let Some(call) = call.filter(|call| !call.is_over && which(call)) else {
                continue;
            };
            if call.part.is_none() {
                self.open_call(at, emit);
            }
            if let Some(call) = self.calls.get_mut(at) {
                call.is_over = true;
                if let Some(part) = call.part {
                    emit(Event::Close { choice, part });
                }
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

/// What a delta says of a call.
struct Piece<'a> {
    number: u64,
    id: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    arguments: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
}

impl<'a> Piece<'a> {
    /// Reads the piece that stands at `position` among others.
    fn read(value: Value<'a, '_>, position: u64) -> Result<Self, Fault> {
        let mut call = value.object()?;
        let number = call.take("index", |value| value.count())?;
        let id = call.text("id")?.filter(|id| !id.is_empty());
        if id.as_ref().is_some_and(|id| id.len() > MAX_ID) {
            return Err(value.fault("has an id that is too long"));
        }
        let signature = call.take("extra_content", |value| {
            google_signature(value, &mut Rest::default())
        })?;
        let (name, arguments) = call.take("function", function)?.unwrap_or_default();
        Ok(Self {
            number: number.unwrap_or(position),
            id,
            name,
            arguments: arguments.filter(|text| !text.is_empty()),
            signature: signature.flatten(),
        })
    }
}

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
