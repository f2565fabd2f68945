//! Reading a stream, of which each event is an answer of its own that holds what is new.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::decode_request::take_signature;
use super::decode_response::{Candidate, Said, block_reason, call_id, calls_for, usage};
use super::grounding::Grounds;
use super::{Proof, Proto};
use crate::canonical::{Delta, Event, Finish, Opening, SourcesRead};
use crate::response::UpstreamError;
use crate::wire::{Fault, Value};

/// Choices at most: a bound of memory.
const MAX_CHOICES: usize = 128;

/// Reads the events of a stream.
///
/// The dialect has no event that ends a stream, and some servers say in every event that they are
/// done. So it is [`end`](Self::end) that finishes the choices.
#[derive(Debug, Default)]
pub(crate) struct StreamDecoder {
    started: bool,
    done: bool,
    id: String,
    calls: usize,
    choices: BTreeMap<u32, Choice>,
}

/// A choice so far.
#[derive(Debug, Default)]
struct Choice {
    index: u32,
    parts: u32,
    open: Option<Kind>,
    has_calls: bool,
    finish: Option<Finish<'static>>,
    /// It has said something behind the reason to finish, as it does where every event has one.
    went_on: bool,
    /// The texts, of which grounds name ranges.
    sources: SourcesRead,
}

/// What the open part of a choice is. There is but one, the last of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    /// Reasoning that has its proof: what follows is another.
    Proven,
}

impl StreamDecoder {
    /// Reads an event. Events have no names here.
    pub(crate) fn event(
        &mut self,
        _name: Option<&[u8]>,
        data: &[u8],
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        if self.done {
            return Ok(());
        }
        let mut fields = Proto::read(Value::answer(data)?)?;
        if let Some(error) = fields.take("error", error)? {
            self.done = true;
            emit(Event::Error(error));
            return Ok(());
        }
        self.start(&mut fields, emit)?;
        let candidates = fields.take("candidates", |list| list.list(Candidate::read))?;
        let candidates = candidates.unwrap_or_default();
        if candidates.is_empty() {
            let blocked = fields.take("promptFeedback", block_reason)?.flatten();
            if blocked.is_some() {
                self.choice(0).finish = blocked;
            }
        }
        for candidate in candidates {
            let is_new = !self.choices.contains_key(&candidate.index);
            if is_new && self.choices.len() >= MAX_CHOICES {
                return Err(fields.fault("candidates", "are too many"));
            }
            self.candidate(candidate, emit);
        }
        if let Some(usage) = fields.take("usageMetadata", usage)? {
            emit(Event::Usage(usage));
        }
        Ok(())
    }

    /// The body has ended. Unless a choice is incomplete, the stream is complete.
    pub(crate) fn end(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        let finished = self.choices.values().all(|choice| choice.finish.is_some());
        if self.done || self.choices.is_empty() || !finished {
            return;
        }
        self.done = true;
        for choice in self.choices.values_mut() {
            choice.close(emit);
            if let Some(finish) = choice.finish.take() {
                emit(Event::Finish {
                    choice: choice.index,
                    finish: calls_for(finish, choice.has_calls),
                });
            }
        }
        emit(Event::End);
    }

    /// The body has broken off. If each choice has said why it ended, and meant it, nothing is missing.
    pub(crate) fn break_off(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        if self.choices.values().all(|choice| !choice.went_on) {
            self.end(emit);
        }
    }

    fn start(
        &mut self,
        fields: &mut Proto<'_, '_>,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        if self.started {
            return Ok(());
        }
        let id = fields.text("responseId")?.unwrap_or_default();
        let model = fields.text("modelVersion")?.unwrap_or_default();
        self.id.push_str(&id);
        self.started = true;
        emit(Event::Start {
            id,
            model,
            created: None,
        });
        Ok(())
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        choice_at(&mut self.choices, index)
    }

    fn candidate(&mut self, candidate: Candidate<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        let choice = choice_at(&mut self.choices, candidate.index);
        choice.went_on |= choice.finish.is_some() && candidate.said.iter().any(Said::is_heard);
        for said in candidate.said {
            match said {
                Said::Text {
                    text,
                    thought,
                    proof,
                } => choice.text(text, thought, proof, emit),
                Said::Call {
                    id,
                    name,
                    arguments,
                    proof,
                } => {
                    let id = call_id(id, &self.id, &mut self.calls);
                    choice.call(Opening::ToolCall { id, name }, arguments, proof, emit);
                }
                // No stream of another dialect has media.
                Said::Media(_) | Said::Nothing => {}
            }
        }
        for grounds in candidate.grounds {
            choice.cite(grounds, emit);
        }
        if !candidate.tokens.is_empty() {
            emit(Event::Tokens {
                choice: candidate.index,
                tokens: candidate.tokens,
            });
        }
        if let Some(finish) = candidate.finish {
            choice.finish = Some(owned(finish));
        }
    }
}

/// The choice of an index, which is new perhaps.
fn choice_at(choices: &mut BTreeMap<u32, Choice>, index: u32) -> &mut Choice {
    choices.entry(index).or_insert_with(|| Choice {
        index,
        ..Choice::default()
    })
}

fn owned(finish: Finish<'_>) -> Finish<'static> {
    match finish {
        Finish::Stop => Finish::Stop,
        Finish::Length => Finish::Length,
        Finish::ToolCalls => Finish::ToolCalls,
        Finish::Refusal => Finish::Refusal,
        Finish::ContentFilter => Finish::ContentFilter,
        Finish::Pause => Finish::Pause,
        Finish::StopSequence(text) => {
            Finish::StopSequence(text.map(|text| Cow::Owned(text.into_owned())))
        }
        Finish::Other(reason) => Finish::Other(Cow::Owned(reason.into_owned())),
    }
}

impl Choice {
    /// The number of the part that is open, or was last.
    fn last(&self) -> u32 {
        self.parts.saturating_sub(1)
    }

    fn open(&mut self, opening: Opening<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        self.close(emit);
        self.parts += 1;
        emit(Event::Open {
            choice: self.index,
            part: self.last(),
            opening,
        });
    }

    fn cite(&mut self, grounds: Grounds<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        let citation = grounds.citation(0, self.sources.measure().ruler());
        if let Some((part, citation)) = self.sources.cite(citation) {
            emit(Event::Cite {
                choice: self.index,
                part,
                citation,
            });
        }
    }

    fn delta(&self, delta: Delta<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        emit(Event::Delta {
            choice: self.index,
            part: self.last(),
            delta,
        });
    }

    fn close(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        if self.open.take().is_some() {
            self.emit_close(emit);
        }
    }

    fn emit_close(&self, emit: &mut dyn FnMut(Event<'_>)) {
        emit(Event::Close {
            choice: self.index,
            part: self.last(),
        });
    }

    /// Makes sure that a part of this kind is open.
    fn turn_to(&mut self, kind: Kind, emit: &mut dyn FnMut(Event<'_>)) {
        if self.open == Some(kind) {
            return;
        }
        let opening = match kind {
            Kind::Text => Opening::Text,
            Kind::Reasoning | Kind::Proven => Opening::Reasoning,
        };
        self.open(opening, emit);
        self.open = Some(kind);
    }

    fn text(
        &mut self,
        text: Cow<'_, str>,
        thought: bool,
        proof: Option<Proof<'_>>,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        let may_join = thought || text.is_empty();
        if !text.is_empty() {
            self.turn_to(if thought { Kind::Reasoning } else { Kind::Text }, emit);
            if !thought {
                self.sources.say(self.last(), &text);
            }
            self.delta(Delta::Text(text), emit);
        }
        match proof {
            None => {}
            Some(Proof::Signature(signature)) => {
                if !(may_join && self.open == Some(Kind::Reasoning)) {
                    self.open(Opening::Reasoning, emit);
                }
                self.delta(Delta::Signature(signature), emit);
                self.open = Some(Kind::Proven);
            }
            Some(Proof::Redacted(data)) => {
                self.open(Opening::Redacted(data), emit);
                self.emit_close(emit);
            }
        }
    }

    fn call(
        &mut self,
        opening: Opening<'_>,
        arguments: Cow<'_, str>,
        mut proof: Option<Proof<'_>>,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        self.has_calls = true;
        self.open(opening, emit);
        if let Some(signature) = take_signature(&mut proof) {
            self.delta(Delta::Signature(signature), emit);
        }
        self.delta(Delta::Arguments(arguments), emit);
        self.emit_close(emit);
    }
}

/// An error in the form of all of the provider's APIs.
pub(crate) fn error(value: Value<'_, '_>) -> Result<UpstreamError, Fault> {
    let mut fields = Proto::read(value)?;
    let code = fields.take("code", |value| value.count())?.unwrap_or(0);
    let status = u16::try_from(code).ok();
    Ok(UpstreamError {
        status: status.filter(|status| (400..600).contains(status)),
        kind: fields.text("status")?.map(Cow::into_owned),
        message: fields.text("message")?.unwrap_or_default().into_owned(),
        ..UpstreamError::default()
    })
}
