//! To the chunks of a chat completion.

use std::borrow::Cow;

use super::encode_response::{
    finish_name, write_detail, write_signature, write_tokens, write_usage,
};
use crate::Client;
use crate::canonical::{
    Citation, Delta, Event, Opening, Reasoning, SourcesHeld, StreamTerms, Token,
};
use crate::error::{ApiError, ErrorKind};
use crate::openai::{END_OF_STREAM, citations, error_body};
use crate::response::{UpstreamError, Usage};
use crate::sse::{self, DEFAULT_MAX_FRAME};
use crate::wire::{ListWriter, ObjectWriter, append_object};

/// Writes a stream, event by event.
#[derive(Debug)]
pub(crate) struct StreamEncoder {
    terms: StreamTerms,
    id: Box<str>,
    model: Box<str>,
    created: u64,
    usage: Usage,
    choices: Vec<Choice>,
    /// Whether a call is written as a whole.
    whole_calls: bool,
}

/// One of the answers, as far as it has been written.
#[derive(Debug, Default)]
struct Choice {
    index: u32,
    /// The parts that are calls: their place here is the number that a chunk has for them.
    calls: Vec<Call>,
    refusals: Vec<u32>,
    /// The parts that are thoughts: their place here is their number.
    thoughts: Vec<u32>,
    /// The text, of which annotations name ranges.
    sources: SourcesHeld,
}

/// A call.
#[derive(Debug)]
struct Call {
    part: u32,
    /// Whether it has had arguments.
    is_given: bool,
    /// What is not yet written of it, for a client that wants it as a whole.
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    id: Box<str>,
    name: Box<str>,
    arguments: String,
    signature: Option<Box<str>>,
}

impl Choice {
    /// The number of a call.
    fn number(&self, part: u32) -> Option<usize> {
        self.calls.iter().position(|call| call.part == part)
    }

    fn held(&mut self, part: u32) -> Option<&mut Held> {
        let mut calls = self.calls.iter_mut();
        calls.find(|call| call.part == part)?.held.as_mut()
    }
}

impl Held {
    fn write(&self, o: &mut ObjectWriter<'_>) {
        o.value("id", &self.id);
        o.value("type", "function");
        o.object("function", |o| {
            o.value("name", &self.name);
            o.value("arguments", &self.arguments);
        });
        if let Some(signature) = &self.signature {
            write_signature(signature, o);
        }
    }
}

impl StreamEncoder {
    /// Begins a stream.
    pub(crate) fn new(terms: StreamTerms) -> Self {
        Self {
            terms,
            id: Box::default(),
            model: Box::default(),
            created: terms.now,
            usage: Usage::default(),
            choices: Vec::new(),
            whole_calls: false,
        }
    }

    /// Writes for this client.
    pub(crate) fn write_for(&mut self, client: Client) {
        self.whole_calls = client == Client::Mistral;
    }

    /// Appends the chunks that say what has happened.
    pub(crate) fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, created } => {
                self.id = Box::from(&**id);
                self.model = Box::from(&**model);
                self.created = created.unwrap_or(self.terms.now);
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
            Event::Close { choice, part } => {
                self.close_source(*choice, *part);
                self.close(*choice, *part, out);
            }
            Event::Cite {
                choice,
                part,
                citation,
            } => self.cite(*choice, *part, citation, out),
            Event::Tokens { choice, tokens } => self.tokens(*choice, tokens, out),
            Event::Finish { choice, finish } => {
                self.begin(*choice, out);
                self.write_sources(*choice, out);
                let reason = Some(finish_name(finish));
                self.write(*choice, reason, |_| {}, out);
            }
            Event::Usage(usage) => self.usage.update(*usage),
            Event::Ping => out.extend_from_slice(b": ping\n\n"),
            Event::End => self.end(out),
            Event::Error(error) => write_error(error, out),
        }
    }

    /// The answer with that index; its first chunk is written if it is new.
    fn begin(&mut self, index: u32, out: &mut Vec<u8>) -> usize {
        if let Some(at) = self.choices.iter().position(|one| one.index == index) {
            return at;
        }
        self.choices.push(Choice {
            index,
            ..Choice::default()
        });
        let first = |delta: &mut ObjectWriter<'_>| {
            delta.value("role", "assistant");
            delta.value("content", "");
        };
        self.write(index, None, first, out);
        self.choices.len() - 1
    }

    fn open(&mut self, index: u32, part: u32, opening: &Opening<'_>, out: &mut Vec<u8>) {
        let at = self.begin(index, out);
        let Some(choice) = self.choices.get_mut(at) else {
            return;
        };
        match opening {
            Opening::Text => {}
            Opening::Refusal => choice.refusals.push(part),
            Opening::Reasoning => choice.thoughts.push(part),
            Opening::Redacted(data) => {
                choice.thoughts.push(part);
                let number = choice.thoughts.len() - 1;
                let thought = Reasoning {
                    redacted: Some(data.clone()),
                    ..Reasoning::default()
                };
                let thought = |o: &mut ObjectWriter<'_>| write_thought(number, &thought, o);
                self.write(index, None, thought, out);
            }
            Opening::ToolCall { id, name } => {
                let held = self.whole_calls.then(|| Held {
                    id: Box::from(&**id),
                    name: Box::from(&**name),
                    arguments: String::new(),
                    signature: None,
                });
                let is_held = held.is_some();
                choice.calls.push(Call {
                    part,
                    is_given: false,
                    held,
                });
                if is_held {
                    return;
                }
                let number = choice.calls.len() - 1;
                let opened = |o: &mut ObjectWriter<'_>| {
                    o.value("id", id);
                    o.value("type", "function");
                    o.object("function", |o| {
                        o.value("name", name);
                        o.value("arguments", "");
                    });
                };
                self.write_call(index, number, opened, out);
            }
        }
    }

    fn delta(&mut self, index: u32, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let at = self.begin(index, out);
        let Some(choice) = self.choices.get_mut(at) else {
            return;
        };
        if choice.held(part).is_some() {
            return self.hold(index, part, delta, out);
        }
        let number = choice.number(part);
        let thought = choice.thoughts.iter().position(|thought| *thought == part);
        match (delta, number, thought) {
            (Delta::Text(text), _, Some(thought)) => self.think(index, thought, text, out),
            (Delta::Text(text), _, None) => {
                let is_refusal = choice.refusals.contains(&part);
                let field = if is_refusal { "refusal" } else { "content" };
                if !is_refusal {
                    choice.sources.say(part, text);
                }
                self.write(index, None, |o| o.value(field, text), out);
            }
            (Delta::Arguments(text), Some(number), _) => {
                if let Some(call) = choice.calls.get_mut(number) {
                    call.is_given = true;
                }
                self.write_arguments(index, number, text, out);
            }
            (Delta::Signature(signature), Some(number), _) => {
                // OpenAI's own client demands a function in every piece of a call.
                let signed = |o: &mut ObjectWriter<'_>| {
                    o.object("function", |o| o.value("arguments", ""));
                    write_signature(signature, o);
                };
                self.write_call(index, number, signed, out);
            }
            (Delta::Signature(signature), None, Some(thought)) => {
                let proof = Reasoning {
                    signature: Some(signature.clone()),
                    ..Reasoning::default()
                };
                let proof = |o: &mut ObjectWriter<'_>| write_thought(thought, &proof, o);
                self.write(index, None, proof, out);
            }
            (Delta::Signature(_) | Delta::Arguments(_), None, _) => {}
        }
    }

    fn cite(&mut self, index: u32, part: u32, citation: &Citation<'_>, out: &mut Vec<u8>) {
        let at = self.begin(index, out);
        if let Some(choice) = self.choices.get_mut(at)
            && citation.link().is_some()
        {
            choice.sources.cite(part, citation);
        }
    }

    fn close_source(&mut self, index: u32, part: u32) {
        let mut choices = self.choices.iter_mut();
        if let Some(choice) = choices.find(|one| one.index == index) {
            choice.sources.close(part);
        }
    }

    /// Writes all that a choice cites in one chunk: OpenAI's clients cannot join several.
    fn write_sources(&mut self, index: u32, out: &mut Vec<u8>) {
        let mut choices = self.choices.iter_mut();
        let choice = choices.find(|one| one.index == index);
        let sources = choice.map(|one| std::mem::take(&mut one.sources));
        let (_, cited) = sources.unwrap_or_default().into_parts();
        if cited.is_empty() {
            return;
        }
        let all = |list: &mut ListWriter<'_>| {
            for (range, citation) in cited {
                citations::write_nested(list, range, &citation);
            }
        };
        self.write(index, None, |o| o.list("annotations", all), out);
    }

    /// A thought goes on. The proof that may follow is of its text, so they come back together.
    fn think(&mut self, index: u32, thought: usize, text: &str, out: &mut Vec<u8>) {
        let piece = Reasoning {
            text: Some(Cow::Borrowed(text)),
            ..Reasoning::default()
        };
        let said = |o: &mut ObjectWriter<'_>| {
            o.value("reasoning_content", text);
            write_thought(thought, &piece, o);
        };
        self.write(index, None, said, out);
    }

    /// A call without arguments has an empty object of them: clients parse what they get.
    fn close(&mut self, index: u32, part: u32, out: &mut Vec<u8>) {
        let mut choices = self.choices.iter_mut();
        let choice = choices.find(|one| one.index == index);
        let Some((choice, number)) = choice.and_then(|one| {
            let number = one.number(part)?;
            Some((one, number))
        }) else {
            return;
        };
        let Some(call) = choice.calls.get_mut(number) else {
            return;
        };
        let is_given = call.is_given;
        match call.held.take() {
            Some(mut held) => {
                if held.arguments.is_empty() && !is_given {
                    held.arguments.push_str("{}");
                }
                self.write_call(index, number, |o| held.write(o), out);
            }
            None if !is_given => self.write_arguments(index, number, "{}", out),
            None => {}
        }
    }

    /// Keeps what is said of a call that is to be written as a whole. One that grows beyond all bounds
    /// comes in pieces nevertheless, each with its name.
    fn hold(&mut self, index: u32, part: u32, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let mut choices = self.choices.iter_mut();
        let Some(choice) = choices.find(|one| one.index == index) else {
            return;
        };
        let Some(held) = choice.held(part) else {
            return;
        };
        match delta {
            Delta::Arguments(text) => held.arguments.push_str(text),
            Delta::Signature(signature) => held.signature = Some(Box::from(&**signature)),
            Delta::Text(_) => {}
        }
        if held.arguments.len() < DEFAULT_MAX_FRAME {
            return;
        }
        let piece = Held {
            id: held.id.clone(),
            name: held.name.clone(),
            arguments: std::mem::take(&mut held.arguments),
            signature: None,
        };
        let number = choice.number(part).unwrap_or_default();
        if let Some(call) = choice.calls.get_mut(number) {
            call.is_given = true;
        }
        self.write_call(index, number, |o| piece.write(o), out);
    }

    fn tokens(&mut self, index: u32, tokens: &[Token<'_>], out: &mut Vec<u8>) {
        self.begin(index, out);
        self.frame(out, |o| {
            o.list("choices", |list| {
                list.object(|o| {
                    o.value("index", index);
                    o.object("delta", |_| {});
                    o.object("logprobs", |o| write_tokens(tokens, o));
                    o.null("finish_reason");
                });
            });
        });
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.terms.usage && self.usage != Usage::default() {
            let usage = self.usage;
            self.frame(out, |o| {
                o.list("choices", |_| {});
                o.object("usage", |o| write_usage(&usage, o));
            });
        }
        out.extend_from_slice(&END_OF_STREAM);
    }

    fn write_arguments(&self, index: u32, number: usize, text: &str, out: &mut Vec<u8>) {
        let more = |o: &mut ObjectWriter<'_>| {
            o.object("function", |o| o.value("arguments", text));
        };
        self.write_call(index, number, more, out);
    }

    fn write_call(
        &self,
        index: u32,
        number: usize,
        fields: impl FnOnce(&mut ObjectWriter<'_>),
        out: &mut Vec<u8>,
    ) {
        let call = |list: &mut ListWriter<'_>| {
            list.object(|o| {
                o.value("index", number);
                fields(o);
            });
        };
        self.write(index, None, |o| o.list("tool_calls", call), out);
    }

    /// Writes a chunk of one answer.
    fn write(
        &self,
        index: u32,
        finish: Option<&str>,
        delta: impl FnOnce(&mut ObjectWriter<'_>),
        out: &mut Vec<u8>,
    ) {
        self.frame(out, |o| {
            o.list("choices", |list| {
                list.object(|o| {
                    o.value("index", index);
                    o.object("delta", delta);
                    o.value("finish_reason", finish);
                });
            });
        });
    }

    fn frame(&self, out: &mut Vec<u8>, rest: impl FnOnce(&mut ObjectWriter<'_>)) {
        out.extend_from_slice(b"data: ");
        append_object(out, |o| {
            o.value("id", &self.id);
            o.value("object", "chat.completion.chunk");
            o.value("created", self.created);
            o.value("model", &self.model);
            rest(o);
        });
        out.extend_from_slice(b"\n\n");
    }
}

/// Writes a thought, or a piece of it, that has this number.
fn write_thought(number: usize, thought: &Reasoning<'_>, o: &mut ObjectWriter<'_>) {
    let detail = |list: &mut ListWriter<'_>| write_detail(number, thought, list);
    o.list("reasoning_details", detail);
}

fn write_error(error: &UpstreamError, out: &mut Vec<u8>) {
    let kind = error
        .status
        .map_or(ErrorKind::Upstream, ErrorKind::of_status);
    let error = ApiError {
        code: error.code.clone(),
        param: error.param.clone(),
        ..ApiError::new(kind, error.message.clone())
    };
    out.extend_from_slice(&sse::encode(None, &error_body(&error)));
}
