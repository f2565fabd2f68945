//! Streams of targets that speak this API.
//!
//! What an event says twice (a text in its deltas, then whole, then in its part, its item and the
//! answer) counts once: the first time. So a server that leaves out deltas is understood too.

use std::borrow::Cow;

use super::decode_response::{incomplete_reason, item as read_item, seconds};
use super::{
    FAILED, IN_PROGRESS, PARAGRAPH, lenient, lenient_text, read_error, read_finish, read_usage,
};
use crate::canonical::{Citation, Content, Delta, Event, Opening, Part, Reasoning};
use crate::openai::citations;
use crate::wire::{Fault, Object, Value};

const DONE: &[u8] = b"[DONE]";

/// Reads a stream, event by event.
#[derive(Debug, Default)]
pub(crate) struct StreamDecoder {
    started: bool,
    ended: bool,
    /// Parts of the items that are not done.
    parts: Vec<Known>,
    /// The number of the next part.
    next: u32,
    called: bool,
    refused: bool,
}

/// A part and where it stands.
#[derive(Debug)]
struct Known {
    item: u64,
    place: Place,
    part: u32,
    /// It has had a delta.
    said: bool,
    /// It has been told what it cites.
    cited: bool,
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A content part of a message.
    Content(u64),
    Reasoning {
        /// Its text is the summary, not the thoughts themselves.
        is_summary: bool,
        /// The paragraph it has come to.
        index: u64,
    },
    Call,
}

impl Place {
    /// Whether it is the same but for the paragraph: an item has one part of reasoning.
    fn is_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Reasoning { .. }, Self::Reasoning { .. }) => true,
            _ => self == other,
        }
    }
}

type Emit<'e> = &'e mut dyn FnMut(Event<'_>);

impl StreamDecoder {
    /// Reads an event.
    pub(crate) fn event(
        &mut self,
        name: Option<&[u8]>,
        data: &[u8],
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        if self.ended || data.trim_ascii() == DONE {
            return Ok(());
        }
        let mut fields = Value::answer(data)?.object()?;
        let kind = lenient_text(&mut fields, "type");
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        let kind = kind.as_deref().or(name).unwrap_or_default();
        match kind {
            "response.created" | "response.in_progress" | "response.queued" => {
                fields.take("response", |response| {
                    self.start(&mut response.object()?, emit)
                })?;
            }
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled" => {
                fields.require("response", |response| self.end(response.object()?, emit))?;
            }
            "error" => self.fail(&mut fields, emit),
            _ if fields.has("error") && !kind.starts_with("response.") => {
                self.fail(&mut fields, emit);
            }
            _ => {
                if !self.started && kind.starts_with("response.") {
                    self.announce(Cow::Borrowed(""), Cow::Borrowed(""), None, emit);
                }
                self.content(kind, fields, emit)?;
            }
        }
        Ok(())
    }

    fn content(&mut self, kind: &str, fields: Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        match kind {
            "response.output_text.delta" => self.words(fields, Opening::Text, "delta", emit),
            "response.refusal.delta" => self.words(fields, Opening::Refusal, "delta", emit),
            "response.output_text.done" => self.words(fields, Opening::Text, "text", emit),
            "response.refusal.done" => self.words(fields, Opening::Refusal, "refusal", emit),
            "response.reasoning_summary_text.delta" => self.thoughts(fields, true, emit),
            "response.reasoning_text.delta" => self.thoughts(fields, false, emit),
            "response.function_call_arguments.delta" => self.arguments(fields, "delta", emit),
            "response.function_call_arguments.done" => self.arguments(fields, "arguments", emit),
            "response.output_text.annotation.added" => self.annotation(fields, emit),
            "response.output_item.added" => self.item(fields, false, emit),
            "response.output_item.done" => self.item(fields, true, emit),
            _ => Ok(()),
        }
    }

    fn start(&mut self, response: &mut Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        if !self.started {
            let id = lenient_text(response, "id").unwrap_or_default();
            let model = lenient_text(response, "model").unwrap_or_default();
            let created = lenient(response, "created_at", |value| value.number()).map(seconds);
            self.announce(id, model, created, emit);
        }
        Ok(())
    }

    fn announce(
        &mut self,
        id: Cow<'_, str>,
        model: Cow<'_, str>,
        created: Option<u64>,
        emit: Emit<'_>,
    ) {
        self.started = true;
        emit(Event::Start { id, model, created });
    }

    fn find(&mut self, item: u64, place: Place) -> Option<&mut Known> {
        let mut known = self.parts.iter_mut().rev();
        known.find(|known| known.item == item && known.place.is_like(place))
    }

    /// The part at a place of an item, opened if there is none yet.
    fn at(
        &mut self,
        item: u64,
        place: Place,
        opening: Opening<'_>,
        emit: Emit<'_>,
    ) -> Option<&mut Known> {
        if self.find(item, place).is_none() {
            self.open(item, place, opening, emit);
        }
        self.find(item, place)
    }

    fn open(&mut self, item: u64, place: Place, opening: Opening<'_>, emit: Emit<'_>) {
        let part = self.next;
        self.next += 1;
        self.called |= matches!(opening, Opening::ToolCall { .. });
        self.refused |= opening == Opening::Refusal;
        emit(Event::Open {
            choice: 0,
            part,
            opening,
        });
        self.parts.push(Known {
            item,
            place,
            part,
            said: false,
            cited: false,
            closed: false,
        });
    }

    /// Text or refusal: a delta of it, or all of it if there was none.
    fn words(
        &mut self,
        mut fields: Object<'_, '_>,
        opening: Opening<'_>,
        field: &str,
        emit: Emit<'_>,
    ) -> Result<(), Fault> {
        let item = index(&mut fields, "output_index");
        let place = Place::Content(index(&mut fields, "content_index"));
        let text = fields.require_text(field)?;
        let is_whole = field != "delta";
        if text.is_empty() && self.find(item, place).is_none() {
            return Ok(());
        }
        if let Some(known) = self.at(item, place, opening, emit) {
            known.say(Delta::Text(text), is_whole, emit);
            if is_whole {
                known.close(emit);
            }
        }
        Ok(())
    }

    /// What a text cites. It is worth no failure.
    fn annotation(&mut self, mut fields: Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        let item = index(&mut fields, "output_index");
        let place = Place::Content(index(&mut fields, "content_index"));
        let citation = lenient(&mut fields, "annotation", citations::read_one).flatten();
        let known = self.find(item, place);
        if let (Some(known), Some(citation)) = (known, citation) {
            known.cited = true;
            known.cite(citation, emit);
        }
        Ok(())
    }

    /// Reasoning, as it is or in summary: of both, what comes first.
    fn thoughts(
        &mut self,
        mut fields: Object<'_, '_>,
        is_summary: bool,
        emit: Emit<'_>,
    ) -> Result<(), Fault> {
        let item = index(&mut fields, "output_index");
        let name = if is_summary {
            "summary_index"
        } else {
            "content_index"
        };
        let at = index(&mut fields, name);
        let text = fields.require_text("delta")?;
        let place = Place::Reasoning {
            is_summary,
            index: at,
        };
        let Some(known) = self.at(item, place, Opening::Reasoning, emit) else {
            return Ok(());
        };
        match known.place {
            Place::Reasoning {
                is_summary: same,
                index,
            } if same == is_summary => {
                if index != at && known.said {
                    known.say(Delta::Text(PARAGRAPH.into()), false, emit);
                }
                known.place = place;
                known.say(Delta::Text(text), false, emit);
            }
            _ => {}
        }
        Ok(())
    }

    /// Arguments: a delta of them, or all of them if there was none.
    fn arguments(
        &mut self,
        mut fields: Object<'_, '_>,
        field: &str,
        emit: Emit<'_>,
    ) -> Result<(), Fault> {
        let item = index(&mut fields, "output_index");
        let arguments = fields.require_text(field)?;
        if let Some(call) = self.find(item, Place::Call) {
            call.say(Delta::Arguments(arguments), field != "delta", emit);
        }
        Ok(())
    }

    /// An item begins or is done.
    fn item(
        &mut self,
        mut fields: Object<'_, '_>,
        is_done: bool,
        emit: Emit<'_>,
    ) -> Result<(), Fault> {
        let at = index(&mut fields, "output_index");
        fields.require("item", |item| {
            if is_done {
                self.item_done(at, item, emit)
            } else {
                self.item_added(at, item, emit)
            }
        })
    }

    /// Only of a call all that opens it is known at its beginning.
    fn item_added(&mut self, at: u64, item: Value<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        let mut fields = item.object()?;
        if lenient_text(&mut fields, "type").as_deref() != Some("function_call") {
            return Ok(());
        }
        let opening = Opening::ToolCall {
            id: fields.require_text("call_id")?,
            name: fields.require_text("name")?,
        };
        self.open(at, Place::Call, opening, emit);
        Ok(())
    }

    /// What of an item has not been said is said, and its parts are closed.
    fn item_done(&mut self, at: u64, item: Value<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        let mut parts = Vec::new();
        read_item(item, &mut parts)?;
        let is_known = self.parts.iter().any(|known| known.item == at);
        for (index, part) in (0..).zip(parts) {
            let is_words = matches!(part.content, Content::Text(_) | Content::Refusal(_));
            let (part, citations) = without_citations(part);
            if !(is_known && is_words) {
                self.part_done(at, index, part, emit);
            }
            let known = self.find(at, Place::Content(index));
            if let Some(known) = known.filter(|known| !known.cited) {
                for citation in citations {
                    known.cite(citation, emit);
                }
            }
        }
        self.close(Some(at), emit);
        Ok(())
    }

    fn part_done(&mut self, at: u64, index: u64, part: Part<'_>, emit: Emit<'_>) {
        let (place, opening, delta) = match part.content {
            Content::Text(text) => (Place::Content(index), Opening::Text, Delta::Text(text)),
            Content::Refusal(text) => (Place::Content(index), Opening::Refusal, Delta::Text(text)),
            Content::ToolCall(call) => {
                let opening = Opening::ToolCall {
                    id: call.id,
                    name: call.name,
                };
                (Place::Call, opening, Delta::Arguments(call.arguments))
            }
            Content::Reasoning(reasoning) => return self.reasoning_done(at, reasoning, emit),
            Content::Media(_) | Content::ToolResult(_) => return,
        };
        if let Some(known) = self.at(at, place, opening, emit) {
            known.say(delta, true, emit);
        }
    }

    fn reasoning_done(&mut self, at: u64, reasoning: Reasoning<'_>, emit: Emit<'_>) {
        let place = Place::Reasoning {
            is_summary: true,
            index: 0,
        };
        if let Some(data) = reasoning.redacted {
            self.close(Some(at), emit);
            return self.open(at, place, Opening::Redacted(data), emit);
        }
        if let Some(known) = self.at(at, place, Opening::Reasoning, emit) {
            let text = reasoning.text.unwrap_or_default();
            known.say(Delta::Text(text), true, emit);
            let signature = reasoning.signature.unwrap_or_default();
            known.say(Delta::Signature(signature), false, emit);
        }
    }

    /// Closes the parts of an item, or all.
    fn close(&mut self, item: Option<u64>, emit: Emit<'_>) {
        self.parts.retain_mut(|known| {
            let this = item.is_none_or(|item| known.item == item);
            if this {
                known.close(emit);
            }
            !this
        });
    }

    fn end(&mut self, mut response: Object<'_, '_>, emit: Emit<'_>) -> Result<(), Fault> {
        self.start(&mut response, emit)?;
        let status = lenient_text(&mut response, "status");
        if status.as_deref() == Some(FAILED) || response.has("error") {
            self.fail(&mut response, emit);
            return Ok(());
        }
        if self.next == 0 {
            response.take("output", |output| {
                let mut at = 0;
                output.each(|item| {
                    self.item_done(at, item, emit)?;
                    at += 1;
                    Ok(())
                })
            })?;
        }
        self.close(None, emit);
        let status = status.filter(|status| status != IN_PROGRESS);
        let reason = incomplete_reason(&mut response);
        emit(Event::Finish {
            choice: 0,
            finish: read_finish(status, reason, self.called, self.refused),
        });
        if let Some(usage) = lenient(&mut response, "usage", read_usage) {
            emit(Event::Usage(usage));
        }
        self.ended = true;
        emit(Event::End);
        Ok(())
    }

    /// The error is a field of what is at fault, or the event itself.
    fn fail(&mut self, fields: &mut Object<'_, '_>, emit: Emit<'_>) {
        let error = read_error(fields);
        self.ended = true;
        emit(Event::Error(error));
    }
}

/// What a part says and what it cites.
fn without_citations<'a>(mut part: Part<'a>) -> (Part<'a>, Vec<Citation<'a>>) {
    let citations = std::mem::take(&mut part.citations);
    (part, citations)
}

impl Known {
    fn cite(&self, citation: Citation<'_>, emit: Emit<'_>) {
        emit(Event::Cite {
            choice: 0,
            part: self.part,
            citation,
        });
    }

    fn say(&mut self, delta: Delta<'_>, is_whole: bool, emit: Emit<'_>) {
        let (Delta::Text(text) | Delta::Arguments(text) | Delta::Signature(text)) = &delta;
        if self.closed || text.is_empty() || is_whole && self.said {
            return;
        }
        self.said = true;
        emit(Event::Delta {
            choice: 0,
            part: self.part,
            delta,
        });
    }

    fn close(&mut self, emit: Emit<'_>) {
        if !std::mem::replace(&mut self.closed, true) {
            emit(Event::Close {
                choice: 0,
                part: self.part,
            });
        }
    }
}

/// Where something stands; servers that write but one thing may leave it out.
fn index(fields: &mut Object<'_, '_>, name: &str) -> u64 {
    lenient(fields, name, |value| value.count()).unwrap_or(0)
}
