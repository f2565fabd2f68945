//! Reading a stream.
//!
//! Blocks of content and calls are numbered each by themselves, and the plan has no number.

use super::citations::{self, Cites};
use super::{finish_of, probability};
use crate::canonical::{Delta, Event, Finish, Opening};
use crate::cohere::figures;
use crate::response::UpstreamError;
use crate::wire::{Fault, Object, Value};

/// Parts that are open at once, at most: a bound of memory.
const MAX_OPEN: usize = 128;

type Emit<'e> = &'e mut dyn FnMut(Event<'_>);

/// What a part is, and its number among those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Content(u64),
    Plan,
    Call(u64),
}

/// Reads the events of a stream. There is one choice.
#[derive(Debug, Default)]
pub(crate) struct StreamDecoder {
    started: bool,
    ended: bool,
    open: Vec<(Place, u32)>,
    /// Parts so far.
    parts: u32,
    /// A block that has ended, but for what it cites: that may follow.
    ending: Option<u64>,
    /// The text that began last.
    text: Option<Place>,
}

impl StreamDecoder {
    /// Reads events from somewhere within a stream.
    pub(crate) fn within() -> Self {
        Self {
            started: true,
            ..Self::default()
        }
    }

    /// Reads an event; its data repeat its name.
    ///
    /// # Errors
    /// If it is not an event of this API.
    pub(crate) fn event(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        // Its last event is followed by a mark that says nothing more.
        if self.ended || data.trim_ascii().is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let mut object = Value::answer(data)?.object()?;
        let kind = object.text("type")?;
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        let kind_or_name = kind.as_deref().or(name).unwrap_or_default();
        if !kind_or_name.starts_with("citation-") {
            let ending = self.ending.take().map(Place::Content);
            self.close(|place| Some(place) == ending, emit);
        }
        match kind_or_name {
            "message-start" => self.start(&mut object, emit),
            "content-start" | "content-delta" => self.content(&mut object, emit),
            "content-end" => {
                self.ending = Some(object.require("index", |value| value.count())?);
                Ok(())
            }
            "citation-start" => inner(&mut object, &["message"], |message| {
                // Worth no failure.
                let cites = message.take("citations", |value| Ok(citations::read(value).ok()))?;
                self.cite(cites.flatten(), emit);
                Ok(())
            }),
            "tool-plan-delta" => inner(&mut object, &["message"], |message| {
                let plan = message.text("tool_plan")?.unwrap_or_default();
                self.say(Place::Plan, Opening::Text, Delta::Text(plan), emit)
            }),
            "tool-call-start" => self.call(&mut object, emit),
            "tool-call-delta" => self.arguments(&mut object, emit),
            "tool-call-end" => {
                let index = object.require("index", |value| value.count())?;
                self.close(|place| place == Place::Call(index), emit);
                Ok(())
            }
            "message-end" => self.end(&mut object, emit),
            _ => match object.text("message")? {
                // An error answer that comes as an event.
                Some(message) if kind.is_none() && name.is_none() => {
                    self.fail(message.into_owned(), emit);
                    Ok(())
                }
                _ => Ok(()),
            },
        }
    }

    fn start(&mut self, object: &mut Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        let id = object.text("id")?.unwrap_or_default();
        self.begin(id, emit);
        Ok(())
    }

    fn begin(&mut self, id: std::borrow::Cow<'_, str>, emit: Emit<'_>) {
        if !std::mem::replace(&mut self.started, true) {
            emit(Event::Start {
                id,
                model: "".into(),
                created: None,
            });
        }
    }

    /// A block begins, perhaps with its first piece, or goes on.
    fn content(&mut self, object: &mut Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        let place = Place::Content(object.require("index", |value| value.count())?);
        let tokens = object.take("logprobs", probability).ok().flatten();
        inner(object, &["message", "content"], |content| {
            let kind = content.text("type")?;
            let thoughts = content.text("thinking")?;
            let text = content.text("text")?;
            let is_thought = kind.as_deref() == Some("thinking") || thoughts.is_some();
            let opening = if is_thought {
                Opening::Reasoning
            } else {
                Opening::Text
            };
            let said = thoughts
                .filter(|thoughts| !thoughts.is_empty())
                .or(text)
                .unwrap_or_default();
            self.say(place, opening, Delta::Text(said), emit)
        })?;
        if let Some(token) = tokens {
            let (choice, tokens) = (0, vec![token]);
            emit(Event::Tokens { choice, tokens });
        }
        Ok(())
    }

    fn cite(&self, cites: Option<Cites<'_>>, emit: Emit<'_>) {
        let Some(cites) = cites else {
            return;
        };
        let place = match cites.of_plan {
            true => Some(Place::Plan),
            false => cites.content.map(Place::Content).or(self.text),
        };
        let choice = 0;
        if let Some(part) = place.and_then(|place| self.part(place)) {
            for citation in cites.citations {
                emit(Event::Cite {
                    choice,
                    part,
                    citation,
                });
            }
        }
    }

    fn call(&mut self, object: &mut Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        let place = Place::Call(object.require("index", |value| value.count())?);
        // The model has said what it plans.
        self.close(|place| place == Place::Plan, emit);
        inner(object, &["message", "tool_calls"], |call| {
            let id = call.require_text("id")?;
            call.require("function", |function| {
                let mut function = function.object()?;
                let name = function.require_text("name")?;
                let arguments = function.text("arguments")?.unwrap_or_default();
                let opening = Opening::ToolCall { id, name };
                self.say(place, opening, Delta::Arguments(arguments), emit)
            })
        })
    }

    fn arguments(&mut self, object: &mut Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        let index = object.require("index", |value| value.count())?;
        inner(object, &["message", "tool_calls", "function"], |function| {
            let more = function.text("arguments")?.unwrap_or_default();
            let place = Place::Call(index);
            let Some(part) = self.part(place).filter(|_| !more.is_empty()) else {
                return Ok(());
            };
            let (choice, delta) = (0, Delta::Arguments(more));
            emit(Event::Delta {
                choice,
                part,
                delta,
            });
            Ok(())
        })
    }

    fn end(&mut self, object: &mut Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        let mut failure = None;
        let mut finish = None;
        let mut usage = None;
        object.require("delta", |delta| {
            let mut delta = delta.object()?;
            failure = delta.text("error")?.map(String::from);
            let reason = delta.text("finish_reason")?;
            match reason.as_deref().map(finish_of) {
                Some(Ok(reason)) => finish = Some(reason),
                Some(Err(why)) => failure = failure.take().or_else(|| Some(why.to_owned())),
                None => {}
            }
            usage = delta.opaque("usage").map(str::to_owned);
            Ok(())
        })?;
        // What has been read and written is paid for, however it ended.
        if let Some(usage) = usage.and_then(|raw| figures::usage(raw.as_bytes())) {
            emit(Event::Usage(usage));
        }
        if let Some(message) = failure {
            self.fail(message, emit);
            return Ok(());
        }
        self.begin("".into(), emit);
        self.close(|_| true, emit);
        // One that says no more than that it is complete is.
        let finish = finish.unwrap_or(Finish::Stop);
        emit(Event::Finish { choice: 0, finish });
        self.ended = true;
        emit(Event::End);
        Ok(())
    }

    fn fail(&mut self, message: String, emit: Emit<'_>) {
        self.ended = true;
        emit(Event::Error(UpstreamError {
            message,
            ..UpstreamError::default()
        }));
    }

    fn part(&self, place: Place) -> Option<u32> {
        let open = self.open.iter().find(|(open, _)| *open == place);
        open.map(|(_, part)| *part)
    }

    /// Opens a part if it is not yet, and adds to it.
    fn say(
        &mut self,
        place: Place,
        opening: Opening<'_>,
        delta: Delta<'_>,
        emit: Emit<'_>,
    ) -> Result<(), Fault> {
        self.begin("".into(), emit);
        let choice = 0;
        let part = match self.part(place) {
            Some(part) => part,
            None => {
                if self.open.len() >= MAX_OPEN {
                    return Err(Fault::new("index", "is of one of too many parts"));
                }
                let part = self.parts;
                self.parts += 1;
                self.open.push((place, part));
                if opening == Opening::Text {
                    self.text = Some(place);
                }
                emit(Event::Open {
                    choice,
                    part,
                    opening,
                });
                part
            }
        };
        let (Delta::Text(said) | Delta::Arguments(said) | Delta::Signature(said)) = &delta;
        if !said.is_empty() {
            emit(Event::Delta {
                choice,
                part,
                delta,
            });
        }
        Ok(())
    }

    fn close(&mut self, which: impl Fn(Place) -> bool, emit: Emit<'_>) {
        self.open.retain(|(place, part)| {
            if which(*place) {
                let (choice, part) = (0, *part);
                emit(Event::Close { choice, part });
            }
            !which(*place)
        });
    }
}

/// Reads what stands in `delta` at this path, if it does.
fn inner<'a>(
    object: &mut Object<'a, '_>,
    path: &[&str],
    mut read: impl FnMut(&mut Object<'a, '_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let taken = object.take("delta", |delta| below(delta, path, &mut read));
    taken.map(|_| ())
}

/// Reads what stands in `value` at this path, if it does.
fn below<'a>(
    value: Value<'a, '_>,
    path: &[&str],
    read: &mut dyn FnMut(&mut Object<'a, '_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut object = value.object()?;
    match path {
        [] => read(&mut object),
        [name, rest @ ..] => object
            .take(name, |value| below(value, rest, read))
            .map(|_| ()),
    }
}
