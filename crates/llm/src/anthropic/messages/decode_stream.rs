//! Reading a stream.

use crate::canonical::{Citation, Delta, Event, Opening};
use crate::response::UpstreamError;
use crate::wire::{Fault, Object, Value};

use super::{Figures, citations, error_status, finish};

/// Blocks that are open at once, at most: a bound of memory. The API has one at a time.
const MAX_OPEN: usize = 128;

type Emit<'e> = &'e mut dyn FnMut(Event<'_>);

/// Reads the events of a stream.
#[derive(Debug, Default)]
pub(crate) struct StreamDecoder {
    started: bool,
    finished: bool,
    ended: bool,
    open: Vec<Block>,
    /// Parts that have been opened.
    parts: u32,
    figures: Figures,
}

/// A block that has begun and not stopped.
#[derive(Debug, Clone, Copy)]
struct Block {
    index: u64,
    /// `None` of a block that is passed over.
    part: Option<u32>,
    /// A call that has no arguments yet.
    lacks_arguments: bool,
}

impl StreamDecoder {
    /// Reads one event; `name` is its SSE event type, which its data repeat.
    ///
    /// # Errors
    /// If it is not an event of this API.
    pub(crate) fn event(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        if self.ended || data.trim_ascii().is_empty() {
            return Ok(());
        }
        let mut object = Value::answer(data)?.object()?;
        let kind = object.text("type")?;
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        match kind.as_deref().or(name).unwrap_or_default() {
            "message_start" => object.require("message", |message| self.start(message, emit)),
            "content_block_start" => {
                let index = self.index(&mut object)?;
                object.require("content_block", |block| self.open(index, block, emit))
            }
            "content_block_delta" => {
                let index = self.index(&mut object)?;
                object.require("delta", |delta| self.delta(index, delta, emit))
            }
            "content_block_stop" => {
                let index = self.index(&mut object)?;
                self.close(|block| block.index == index, emit);
                Ok(())
            }
            "message_delta" => self.message_delta(&mut object, emit),
            "message_stop" => {
                self.close(|_| true, emit);
                self.ended = true;
                emit(Event::End);
                Ok(())
            }
            "ping" if self.started => {
                emit(Event::Ping);
                Ok(())
            }
            "error" => object.require("error", |error| self.error(error, emit)),
            _ => Ok(()),
        }
    }

    /// The block that an event is about.
    fn index(&self, object: &mut Object<'_, '_>) -> Result<u64, Fault> {
        if !self.started {
            return Err(object.fault("type", "is of an event that must not be the first"));
        }
        object.require("index", |v| v.count())
    }

    fn start(&mut self, message: Value<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        if std::mem::replace(&mut self.started, true) {
            return Ok(());
        }
        let mut message = message.object()?;
        emit(Event::Start {
            id: message.text("id")?.unwrap_or_default(),
            model: message.text("model")?.unwrap_or_default(),
            created: None,
        });
        message.take("usage", |usage| {
            self.figures.update(usage);
            // What it says of the output so far stands for nothing.
            self.figures.output = None;
            emit(Event::Usage(self.figures.usage()));
            Ok(())
        })?;
        Ok(())
    }

    /// Tells of the tokens so far, if an object does.
    fn usage(&mut self, object: &mut Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        object.take("usage", |usage| {
            self.figures.update(usage);
            emit(Event::Usage(self.figures.usage()));
            Ok(())
        })?;
        Ok(())
    }

    fn open(&mut self, index: u64, block: Value<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        if self.open.len() >= MAX_OPEN {
            return Err(block.fault("is one of too many"));
        }
        let mut object = block.object()?;
        let kind = object.require_text("type")?;
        let opening = match &*kind {
            "text" => Some(Opening::Text),
            "thinking" => Some(Opening::Reasoning),
            "redacted_thinking" => Some(Opening::Redacted(object.require_text("data")?)),
            "tool_use" => Some(Opening::ToolCall {
                id: object.require_text("id")?,
                name: object.require_text("name")?,
            }),
            _ => None,
        };
        let part = opening.is_some().then_some(self.parts);
        self.open.push(Block {
            index,
            part,
            lacks_arguments: kind == "tool_use",
        });
        let (Some(opening), Some(part)) = (opening, part) else {
            return Ok(());
        };
        self.parts += 1;
        let choice = 0;
        emit(Event::Open {
            choice,
            part,
            opening,
        });
        self.beginning(index, &mut object, emit)
    }

    /// What a block holds when it begins. From Anthropic that is nothing, but others who speak this
    /// dialect put whole blocks there.
    fn beginning(
        &mut self,
        index: u64,
        object: &mut Object<'_, '_>,
        emit: Emit<'_>,
    ) -> Result<(), Fault> {
        for name in ["text", "thinking"] {
            if let Some(text) = object.text(name)? {
                self.say(index, Delta::Text(text), emit)?;
            }
        }
        if let Some(signature) = object.text("signature")? {
            self.say(index, Delta::Signature(signature), emit)?;
        }
        let citations = object.take("citations", |list| Ok(citations::read(list)))?;
        self.cite(index, citations.into_iter().flatten(), emit);
        let input = object.take("input", |v| v.opaque_object())?;
        let is_empty = |input: &str| {
            input
                .bytes()
                .all(|b| b"{}".contains(&b) || b.is_ascii_whitespace())
        };
        match input.filter(|input| !is_empty(input)) {
            Some(input) => self.say(index, Delta::Arguments(input), emit),
            None => Ok(()),
        }
    }

    fn delta(&mut self, index: u64, delta: Value<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        let mut object = delta.object()?;
        let delta = match &*object.require_text("type")? {
            "text_delta" => Delta::Text(object.require_text("text")?),
            "thinking_delta" => Delta::Text(object.require_text("thinking")?),
            "signature_delta" => Delta::Signature(object.require_text("signature")?),
            "input_json_delta" => Delta::Arguments(object.require_text("partial_json")?),
            "citations_delta" => {
                // Worth no failure.
                let citation = object.take("citation", |value| Ok(citations::read_one(value).ok()));
                let citation = citation?.flatten().flatten();
                self.cite(index, citation.into_iter(), emit);
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.say(index, delta, emit)
    }

    /// A block cites.
    fn cite<'c>(&self, index: u64, citations: impl Iterator<Item = Citation<'c>>, emit: Emit<'_>) {
        let block = self.open.iter().find(|block| block.index == index);
        if let Some(part) = block.and_then(|block| block.part) {
            citations.for_each(|citation| {
                emit(Event::Cite {
                    choice: 0,
                    part,
                    citation,
                });
            });
        }
    }

    fn say(&mut self, index: u64, delta: Delta<'_>, emit: Emit<'_>) -> Result<(), Fault> {
        let Some(block) = self.open.iter_mut().find(|block| block.index == index) else {
            return Err(Fault::new("index", "is of a block that is not open"));
        };
        let (Delta::Text(text) | Delta::Arguments(text) | Delta::Signature(text)) = &delta;
        let Some(part) = block.part.filter(|_| !text.is_empty()) else {
            return Ok(());
        };
        block.lacks_arguments &= !matches!(delta, Delta::Arguments(_));
        let choice = 0;
        emit(Event::Delta {
            choice,
            part,
            delta,
        });
        Ok(())
    }

    /// Closes blocks. A call without arguments streams none, where others say `{}`.
    fn close(&mut self, which: impl Fn(&Block) -> bool, emit: Emit<'_>) {
        let choice = 0;
        self.open.retain(|block| {
            if !which(block) {
                return true;
            }
            if let Some(part) = block.part {
                if block.lacks_arguments {
                    let delta = Delta::Arguments("{}".into());
                    emit(Event::Delta {
                        choice,
                        part,
                        delta,
                    });
                }
                emit(Event::Close { choice, part });
            }
            false
        });
    }

    fn message_delta(&mut self, event: &mut Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        event.take("delta", |delta| {
            let mut delta = delta.object()?;
            let sequence = delta.text("stop_sequence")?;
            let reason = delta.text("stop_reason")?;
            if let Some(reason) = reason.filter(|_| !self.finished) {
                self.finished = true;
                self.close(|_| true, emit);
                let finish = finish(reason, sequence);
                emit(Event::Finish { choice: 0, finish });
            }
            Ok(())
        })?;
        self.usage(event, emit)
    }

    fn error(&mut self, error: Value<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        let mut error = error.object()?;
        let kind = error.text("type")?.map(String::from);
        let message = error.text("message")?.unwrap_or_default();
        self.ended = true;
        emit(Event::Error(UpstreamError {
            status: kind.as_deref().and_then(error_status),
            kind,
            message: message.into_owned(),
            ..UpstreamError::default()
        }));
        Ok(())
    }
}
