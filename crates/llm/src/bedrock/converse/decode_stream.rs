//! Reading a stream.

use crate::base64;
use crate::bedrock::status_of;
use crate::canonical::{Citation, Delta, Event, Opening};
use crate::event_stream::ERROR;
use crate::response::UpstreamError;
use crate::wire::{Fault, Object, Value};

use super::{citations, finish, usage};

/// Blocks that are open at once, at most: a bound of memory. The API has one at a time.
const MAX_OPEN: usize = 128;

/// Bytes of thoughts that are for the provider alone, in one block at most.
const MAX_REDACTED: usize = 1 << 20;

type Emit<'e> = &'e mut dyn FnMut(Event<'_>);

/// Reads the events of a stream. Only calls say that they begin; text and thoughts begin with the
/// first that is said of them.
#[derive(Debug, Default)]
pub(crate) struct StreamDecoder {
    started: bool,
    finished: bool,
    ended: bool,
    /// What is read is one event of a stream: its block has been opened.
    within: bool,
    open: Vec<Block>,
    /// Parts that have been opened.
    parts: u32,
}

/// A block that has begun and not stopped.
#[derive(Debug)]
struct Block {
    index: u64,
    /// `None` of a block that is passed over.
    part: Option<u32>,
    /// A call that has no arguments yet.
    lacks_arguments: bool,
    /// Thoughts for the provider alone, which come in pieces and are told at once.
    redacted: Vec<u8>,
}

impl StreamDecoder {
    /// Reads one event alone, wherever in its stream it stands.
    pub(crate) fn within() -> Self {
        Self {
            within: true,
            ..Self::default()
        }
    }

    /// Reads one event of this name.
    ///
    /// # Errors
    /// If it is not an event of this API.
    pub(crate) fn event(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        if self.ended {
            return Ok(());
        }
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        let name = name.unwrap_or_default();
        let mut object = Value::answer(data)?.object()?;
        match name {
            "messageStart" => self.start(emit),
            "contentBlockStart" => self.open(&mut object, emit)?,
            "contentBlockDelta" => self.delta(&mut object, emit)?,
            "contentBlockStop" => {
                let index = object.require("contentBlockIndex", |v| v.count())?;
                self.close(|block| block.index == index, emit);
            }
            "messageStop" => self.stop(&mut object, emit)?,
            "metadata" => self.metadata(&mut object, emit)?,
            ERROR => self.failure(&mut object, emit)?,
            _ => return self.exception(name, &mut object, emit),
        }
        Ok(())
    }

    /// The bytes have come to their end: it is one if the answer has said why it ended.
    pub(crate) fn end(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        if self.finished && !self.ended {
            self.ended = true;
            emit(Event::End);
        }
    }

    /// This API tells neither who answers nor when.
    fn start(&mut self, emit: Emit<'_>) {
        if !std::mem::replace(&mut self.started, true) {
            emit(Event::Start {
                id: "".into(),
                model: "".into(),
                created: None,
            });
        }
    }

    /// Only calls say what they are. What anything else is shows what is said in it.
    fn open(&mut self, object: &mut Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        let index = object.require("contentBlockIndex", |v| v.count())?;
        object.take("start", |start| {
            start.object()?.take("toolUse", |call| {
                let mut call = call.object()?;
                // One that runs at the provider is none of the client's.
                let own = !call.has("type");
                let id = call.require_text("toolUseId")?;
                let name = call.require_text("name")?;
                let opening = own.then_some(Opening::ToolCall { id, name });
                self.begin(index, opening, emit)
            })
        })?;
        Ok(())
    }

    /// A block begins; it is passed over where it is of no kind that is known.
    fn begin(
        &mut self,
        index: u64,
        opening: Option<Opening<'_>>,
        emit: Emit<'_>,
    ) -> Result<(), Fault> {
        self.start(emit);
        if self.open.len() >= MAX_OPEN {
            return Err(Fault::new("contentBlockIndex", "is one of too many"));
        }
        let part = opening.is_some().then_some(self.parts);
        self.open.push(Block {
            index,
            part,
            lacks_arguments: matches!(opening, Some(Opening::ToolCall { .. })),
            redacted: Vec::new(),
        });
        if let (Some(opening), Some(part)) = (opening, part) {
            self.parts += 1;
            emit(Event::Open {
                choice: 0,
                part,
                opening,
            });
        }
        Ok(())
    }

    fn delta(&mut self, object: &mut Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        let index = object.require("contentBlockIndex", |v| v.count())?;
        object.require("delta", |delta| {
            let mut delta = delta.object()?;
            if let Some(text) = delta.text("text")? {
                return self.say(index, Some(Opening::Text), Delta::Text(text), emit);
            }
            let call = delta.take("toolUse", |call| call.object()?.require_text("input"))?;
            if let Some(input) = call {
                return self.say(index, None, Delta::Arguments(input), emit);
            }
            delta.take("reasoningContent", |thought| {
                self.think(index, &mut thought.object()?, emit)
            })?;
            // Worth no failure. What comes later than this is passed over.
            let citation = delta.take("citation", |value| Ok(citations::read(value).ok()))?;
            match citation.flatten() {
                Some(citation) => self.cite(index, citation, emit),
                None => Ok(()),
            }
        })
    }

    /// A text, which begins by that if it has not, cites.
    fn cite(&mut self, index: u64, citation: Citation<'_>, emit: Emit<'_>) -> Result<(), Fault> {
        self.say(index, Some(Opening::Text), Delta::Text("".into()), emit)?;
        let block = self.open.iter().find(|block| block.index == index);
        if let Some(part) = block.and_then(|block| block.part) {
            emit(Event::Cite {
                choice: 0,
                part,
                citation,
            });
        }
        Ok(())
    }

    fn think(
        &mut self,
        index: u64,
        thought: &mut Object<'_, '_>,
        emit: Emit<'_>,
    ) -> Result<(), Fault> {
        if let Some(data) = thought.text("redactedContent")? {
            return match self.within {
                true => self.begin(index, Some(Opening::Redacted(data)), emit),
                false => self.conceal(index, &data, emit),
            };
        }
        let opening = Some(Opening::Reasoning);
        if let Some(text) = thought.text("text")? {
            return self.say(index, opening, Delta::Text(text), emit);
        }
        match thought.text("signature")? {
            Some(proof) => self.say(index, opening, Delta::Signature(proof), emit),
            None => Ok(()),
        }
    }

    /// Keeps a piece of what is readable for the provider alone until its block is complete.
    fn conceal(&mut self, index: u64, data: &str, emit: Emit<'_>) -> Result<(), Fault> {
        const FIELD: &str = "delta.reasoningContent.redactedContent";
        let piece = base64::bytes(data).ok_or_else(|| Fault::new(FIELD, "is not base64"))?;
        if !self.open.iter().any(|block| block.index == index) {
            self.begin(index, None, emit)?;
        }
        let mut blocks = self.open.iter_mut();
        if let Some(block) = blocks.find(|block| block.index == index) {
            if block.redacted.len() + piece.len() > MAX_REDACTED {
                return Err(Fault::new(FIELD, "is too long"));
            }
            block.redacted.extend(piece);
        }
        Ok(())
    }

    /// Something is said in a block, which begins as `opening` if it has not.
    fn say(
        &mut self,
        index: u64,
        opening: Option<Opening<'_>>,
        delta: Delta<'_>,
        emit: Emit<'_>,
    ) -> Result<(), Fault> {
        let (Delta::Text(text) | Delta::Arguments(text) | Delta::Signature(text)) = &delta;
        let is_empty = text.is_empty();
        if !self.open.iter().any(|block| block.index == index) {
            match opening {
                None if !self.within => {
                    let message = "is of a call that has not begun";
                    return Err(Fault::new("contentBlockIndex", message));
                }
                opening => self.begin(index, opening.or(Some(Opening::Text)), emit)?,
            }
        }
        let mut blocks = self.open.iter_mut();
        let Some(block) = blocks.find(|block| block.index == index) else {
            return Ok(());
        };
        let Some(part) = block.part.filter(|_| !is_empty) else {
            return Ok(());
        };
        block.lacks_arguments &= !matches!(delta, Delta::Arguments(_));
        emit(Event::Delta {
            choice: 0,
            part,
            delta,
        });
        Ok(())
    }

    fn close(&mut self, which: impl Fn(&Block) -> bool, emit: Emit<'_>) {
        let mut open = std::mem::take(&mut self.open);
        open.retain(|block| {
            let stays = !which(block);
            if !stays {
                self.complete(block, emit);
            }
            stays
        });
        self.open = open;
    }

    /// A block is complete. A call without arguments streams none, where others say `{}`.
    fn complete(&mut self, block: &Block, emit: Emit<'_>) {
        let choice = 0;
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
        if !block.redacted.is_empty() {
            let part = self.parts;
            self.parts += 1;
            let data = base64::encode(&block.redacted).into();
            emit(Event::Open {
                choice,
                part,
                opening: Opening::Redacted(data),
            });
            emit(Event::Close { choice, part });
        }
    }

    fn stop(&mut self, object: &mut Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        let reason = object.require_text("stopReason")?;
        if !std::mem::replace(&mut self.finished, true) {
            self.start(emit);
            self.close(|_| true, emit);
            let finish = finish(reason);
            emit(Event::Finish { choice: 0, finish });
        }
        Ok(())
    }

    /// What it cost stands at the end, and is it.
    fn metadata(&mut self, object: &mut Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        if let Some(usage) = object.take("usage", usage)? {
            emit(Event::Usage(usage));
        }
        if self.finished || self.within {
            self.ended = true;
            emit(Event::End);
        }
        Ok(())
    }

    /// An exception ends the stream; events that are not known are passed over.
    fn exception(
        &mut self,
        name: &str,
        object: &mut Object<'_, '_>,
        emit: Emit<'_>,
    ) -> Result<(), Fault> {
        if status_of(name).is_some() || name.to_ascii_lowercase().ends_with("exception") {
            self.fail(Some(name), object, emit)?;
        }
        Ok(())
    }

    /// The connection has failed, not the model: the code is none of this API's.
    fn failure(&mut self, object: &mut Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        let code = object.text("code")?;
        self.fail(code.as_deref(), object, emit)
    }

    fn fail(
        &mut self,
        name: Option<&str>,
        object: &mut Object<'_, '_>,
        emit: Emit<'_>,
    ) -> Result<(), Fault> {
        self.ended = true;
        let message = object.text("message")?.unwrap_or_default();
        emit(Event::Error(UpstreamError {
            status: name.and_then(status_of),
            kind: name.map(str::to_owned),
            message: message.into_owned(),
            ..UpstreamError::default()
        }));
        Ok(())
    }
}
