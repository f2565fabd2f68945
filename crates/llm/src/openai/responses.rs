//! OpenAI's Responses API, as far as it needs no state: everything that a request refers to is in it.
//!
//! A conversation is a flat list of items there: messages, calls, results of calls, reasoning. What
//! refers to items that a server keeps (`previous_response_id`, `item_reference`, …) or to tools that
//! a server runs is refused by name.
//!
//! Reasoning has one place for what only its provider can read, `encrypted_content`. Proofs of other
//! providers travel in it too, marked as what they are ([`Proof`]), so that a client which sends back
//! the items it got gives them back whole. OpenAI's own content is base64, which no mark looks like.

mod decode_request;
mod decode_response;
mod decode_stream;
mod encode_request;
mod encode_response;
mod encode_stream;
mod watch;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use crate::canonical::{Citation, Content, Finish, Part, Reasoning, Token};
use crate::error::ErrorKind;
use crate::openai::{citations, service_tier, token};
use crate::response::{UpstreamError, Usage};
use crate::wire::{Fault, Object, ObjectWriter, Value, append_object};

pub(crate) use decode_request::decode_request;
pub(crate) use decode_response::decode_response;
pub(crate) use decode_stream::StreamDecoder;
pub(crate) use encode_request::encode_request;
pub(crate) use encode_response::encode_response;
pub(crate) use encode_stream::StreamEncoder;
pub(crate) use watch::{event_facts, is_remarkable, usage};

const COMPLETED: &str = "completed";
const INCOMPLETE: &str = "incomplete";
const IN_PROGRESS: &str = "in_progress";
const FAILED: &str = "failed";

/// Between parts of reasoning that become one text.
const PARAGRAPH: &str = "\n\n";

const SIGNATURE: &str = "signature:";
const CALL_SIGNATURE: &str = "call-signature:";

/// What `encrypted_content` holds.
#[derive(Debug, PartialEq, Eq)]
enum Proof<'a> {
    /// Thoughts that their provider alone can read.
    Redacted(Cow<'a, str>),
    /// The signature of the item's text.
    Signature(Cow<'a, str>),
    /// The signature of a call of this turn.
    Call {
        call: Cow<'a, str>,
        signature: Cow<'a, str>,
    },
}

impl<'a> Proof<'a> {
    fn read(content: Cow<'a, str>) -> Self {
        if let Some(signature) = slice(&content, |content| content.strip_prefix(SIGNATURE)) {
            return Self::Signature(signature);
        }
        let pair = |content: &'_ str| -> Option<usize> {
            content.strip_prefix(CALL_SIGNATURE)?;
            content.rfind(' ')
        };
        let Some(space) = pair(&content) else {
            return Self::Redacted(content);
        };
        let call = slice(&content, |content| content.get(CALL_SIGNATURE.len()..space));
        let signature = slice(&content, |content| content.get(space + 1..));
        match (call, signature) {
            (Some(call), Some(signature)) => Self::Call { call, signature },
            _ => Self::Redacted(content),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Redacted(data) => data.clone().into_owned(),
            Self::Signature(signature) => format!("{SIGNATURE}{signature}"),
            Self::Call { call, signature } => format!("{CALL_SIGNATURE}{call} {signature}"),
        }
    }
}

/// Adds what a reasoning item says to the parts that came before it. Text and what only the provider
/// can read become two parts, as they are in a stream.
fn add_reasoning<'a>(
    parts: &mut Vec<Part<'a>>,
    text: Option<Cow<'a, str>>,
    proof: Option<Proof<'a>>,
) {
    let mut add = |reasoning| parts.push(Part::new(Content::Reasoning(reasoning)));
    let plain = |text| Reasoning {
        text: Some(text),
        ..Reasoning::default()
    };
    match proof {
        None => text.into_iter().for_each(|text| add(plain(text))),
        Some(Proof::Signature(signature)) => add(Reasoning {
            text,
            signature: Some(signature),
            redacted: None,
        }),
        Some(Proof::Redacted(data)) => {
            text.into_iter().for_each(|text| add(plain(text)));
            add(Reasoning {
                redacted: Some(data),
                ..Reasoning::default()
            });
        }
        Some(Proof::Call { call, signature }) => {
            text.into_iter().for_each(|text| add(plain(text)));
            sign_call(parts, &call, signature);
        }
    }
}

/// Gives a signature back to its call. One whose call is not there proves nothing.
fn sign_call<'a>(parts: &mut [Part<'a>], id: &str, signature: Cow<'a, str>) {
    let calls = parts.iter_mut().rev();
    let mut calls = calls.filter_map(|part| match &mut part.content {
        Content::ToolCall(call) => Some(call),
        _ => None,
    });
    if let Some(call) = calls.find(|call| call.id == id) {
        call.signature = Some(signature);
    }
}

/// A part of a text, borrowed if the text is.
fn slice<'a>(
    text: &Cow<'a, str>,
    cut: impl for<'t> FnOnce(&'t str) -> Option<&'t str>,
) -> Option<Cow<'a, str>> {
    match text {
        Cow::Borrowed(text) => cut(text).map(Cow::Borrowed),
        Cow::Owned(text) => cut(text).map(|part| Cow::Owned(part.to_owned())),
    }
}

/// A text of an answer; what is not one is not there.
fn lenient_text<'a>(fields: &mut Object<'a, '_>, name: &str) -> Option<Cow<'a, str>> {
    lenient(fields, name, |value| value.text())
}

/// A field of an answer, if it can be read.
fn lenient<'a, T>(
    fields: &mut Object<'a, '_>,
    name: &str,
    read: impl FnOnce(Value<'a, '_>) -> Result<T, Fault>,
) -> Option<T> {
    let value = fields.take(name, |value| Ok(read(value).ok()));
    value.ok().flatten().flatten()
}

/// The texts of an item's `summary` or `content`, as one.
fn paragraphs<'a>(value: Value<'a, '_>) -> Result<Option<Cow<'a, str>>, Fault> {
    let mut all: Option<Cow<'a, str>> = None;
    value.each(|part| {
        let text = part.object()?.require_text("text")?;
        match &mut all {
            None => all = Some(text),
            Some(all) => {
                let all = all.to_mut();
                all.push_str(PARAGRAPH);
                all.push_str(&text);
            }
        }
        Ok(())
    })?;
    Ok(all)
}

fn read_usage(value: Value<'_, '_>) -> Result<Usage, Fault> {
    super::newer_usage(value.raw().as_bytes()).ok_or_else(|| value.expected("an object"))
}

/// The figures, each of which a client's types require.
fn write_usage(o: &mut ObjectWriter<'_>, usage: &Usage) {
    let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
    o.value("input_tokens", input);
    o.object("input_tokens_details", |o| {
        o.value("cached_tokens", usage.cached_input.unwrap_or(0));
        o.value("cache_write_tokens", usage.cache_write.unwrap_or(0));
    });
    o.value("output_tokens", output);
    o.object("output_tokens_details", |o| {
        o.value("reasoning_tokens", usage.reasoning.unwrap_or(0));
    });
    o.value("total_tokens", input.saturating_add(output));
}

/// The error that is a field of an answer or an event, or is the event itself.
fn read_error(fields: &mut Object<'_, '_>) -> UpstreamError {
    let nested = fields.opaque("error").map(str::as_bytes);
    let nested = nested.and_then(super::upstream_error);
    let mut error = nested.unwrap_or_else(|| {
        let mut text = |name| lenient_text(fields, name).map(Cow::into_owned);
        UpstreamError {
            status: None,
            kind: None,
            code: text("code"),
            param: text("param"),
            message: text("message").unwrap_or_default(),
        }
    });
    error.status = error.status.or(error.code.as_deref().and_then(status_of));
    error
}

/// Writes what went wrong into an event, twice: as OpenAI documents it, and as OpenAI sends it, which
/// is what its clients raise.
fn write_error(o: &mut ObjectWriter<'_>, code: &str, error: &UpstreamError) {
    let write = |o: &mut ObjectWriter<'_>| {
        o.value("code", code);
        o.value("message", &error.message);
        o.value("param", &error.param);
    };
    write(o);
    o.object("error", |o| {
        let kind = error
            .status
            .map_or(ErrorKind::Upstream, ErrorKind::of_status);
        o.value("type", super::error_strings(kind).0);
        write(o);
    });
}

/// The status that an error of this code would have had if no stream had been promised.
fn status_of(code: &str) -> Option<u16> {
    match code {
        "rate_limit_exceeded" => Some(429),
        "server_error" => Some(500),
        code if code.starts_with("invalid_") || code.contains("image") => Some(400),
        _ => None,
    }
}

/// Why an answer of this status ended.
fn read_finish<'a>(
    status: Option<Cow<'a, str>>,
    reason: Option<Cow<'a, str>>,
    called: bool,
    refused: bool,
) -> Finish<'a> {
    match status.as_deref() {
        Some(INCOMPLETE) => match reason {
            Some(reason) if reason == "max_output_tokens" => Finish::Length,
            Some(reason) if reason == "content_filter" => Finish::ContentFilter,
            reason => Finish::Other(reason.unwrap_or(Cow::Borrowed(INCOMPLETE))),
        },
        None | Some(COMPLETED) if called => Finish::ToolCalls,
        None | Some(COMPLETED) if refused => Finish::Refusal,
        None | Some(COMPLETED) => Finish::Stop,
        Some(_) => Finish::Other(status.unwrap_or_default()),
    }
}

/// The status of an answer that ended so, and the reason if it is incomplete. A model that declined
/// and did not say so in a refusal was stopped.
fn outcome(finish: Option<&Finish<'_>>, refused: bool) -> (&'static str, Option<&'static str>) {
    match finish {
        Some(Finish::Length) => (INCOMPLETE, Some("max_output_tokens")),
        Some(Finish::ContentFilter) => (INCOMPLETE, Some("content_filter")),
        Some(Finish::Refusal) if !refused => (INCOMPLETE, Some("content_filter")),
        _ => (COMPLETED, None),
    }
}

/// An item of an answer, as far as it is known.
#[derive(Debug)]
struct Item<'a> {
    id: String,
    status: &'static str,
    kind: Kind<'a>,
}

#[derive(Debug)]
enum Kind<'a> {
    Message(Vec<Piece<'a>>),
    Call {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        arguments: Cow<'a, str>,
        /// Has no place in the item: it goes into one of its own behind it.
        signature: Option<Cow<'a, str>>,
    },
    Reasoning {
        summary: Option<Cow<'a, str>>,
        encrypted: Option<Cow<'a, str>>,
    },
}

/// A content part of a message.
#[derive(Debug)]
struct Piece<'a> {
    is_refusal: bool,
    text: Cow<'a, str>,
    /// How many characters of it have been counted, for what it cites.
    characters: usize,
    /// How probable its tokens were.
    tokens: Vec<Token<'a>>,
    /// Where its words come from, and which characters of it.
    annotations: Vec<(Range<usize>, Citation<'a>)>,
}

impl<'a> Item<'a> {
    /// An item of the answer `response` that begins with its part `part`.
    fn new(response: &str, part: u32, kind: Kind<'a>) -> Self {
        let prefix = match kind {
            Kind::Message(_) => "msg",
            Kind::Call { .. } => "fc",
            Kind::Reasoning { .. } => "rs",
        };
        Self {
            id: format!("{prefix}_{response}_{part}"),
            status: IN_PROGRESS,
            kind,
        }
    }

    /// The item that carries the signature of this one, if it is a call with one.
    fn proof_of_call(&self, response: &str, part: u32) -> Option<Item<'static>> {
        let Kind::Call { id, signature, .. } = &self.kind else {
            return None;
        };
        let proof = Proof::Call {
            call: id.as_ref().into(),
            signature: signature.as_deref()?.into(),
        };
        let kind = Kind::Reasoning {
            summary: None,
            encrypted: Some(proof.write().into()),
        };
        Some(Item::new(response, part, kind))
    }

    fn pieces(&mut self) -> &mut [Piece<'a>] {
        match &mut self.kind {
            Kind::Message(pieces) => pieces,
            Kind::Call { .. } | Kind::Reasoning { .. } => &mut [],
        }
    }

    fn is_message(&self) -> bool {
        matches!(self.kind, Kind::Message(_))
    }

    fn refuses(&self) -> bool {
        matches!(&self.kind, Kind::Message(pieces) if pieces.iter().any(|piece| piece.is_refusal))
    }

    fn write(&self, o: &mut ObjectWriter<'_>) {
        o.value("id", &self.id);
        match &self.kind {
            Kind::Message(pieces) => {
                o.value("type", "message");
                o.value("status", self.status);
                o.value("role", "assistant");
                o.list("content", |l| {
                    pieces.iter().for_each(|piece| l.object(|o| piece.write(o)));
                });
            }
            Kind::Call {
                id,
                name,
                arguments,
                ..
            } => {
                o.value("type", "function_call");
                o.value("status", self.status);
                o.value("call_id", id);
                o.value("name", name);
                o.value("arguments", arguments);
            }
            Kind::Reasoning { summary, encrypted } => {
                o.value("type", "reasoning");
                o.list("summary", |l| {
                    if let Some(summary) = summary {
                        l.object(|o| write_summary(o, summary));
                    }
                });
                o.maybe("encrypted_content", encrypted.as_deref());
            }
        }
    }
}

impl<'a> Piece<'a> {
    fn new(is_refusal: bool, text: Cow<'a, str>) -> Self {
        Self {
            is_refusal,
            text,
            characters: 0,
            tokens: Vec::new(),
            annotations: Vec::new(),
        }
    }

    /// The characters that a citation is of, of a text that is counted and complete.
    fn place(&self, citation: &Citation<'_>) -> Range<usize> {
        let end = self.characters;
        match &citation.span {
            Some(span) => span.start.min(end)..span.end.min(end),
            None => 0..end,
        }
    }

    fn write(&self, o: &mut ObjectWriter<'_>) {
        if self.is_refusal {
            o.value("type", "refusal");
            o.value("refusal", &self.text);
        } else {
            write_output_text(o, self);
        }
    }
}

fn write_output_text(o: &mut ObjectWriter<'_>, piece: &Piece<'_>) {
    o.value("type", "output_text");
    o.value("text", &piece.text);
    o.list("annotations", |list| {
        for (range, citation) in &piece.annotations {
            list.object(|o| citations::write(o, range.clone(), citation));
        }
    });
    o.list("logprobs", |list| token::write(&piece.tokens, list));
}

fn write_summary(o: &mut ObjectWriter<'_>, text: &str) {
    o.value("type", "summary_text");
    o.value("text", text);
}

/// An answer but for its items.
#[derive(Debug)]
struct Frame<'f> {
    id: &'f str,
    model: &'f str,
    created: u64,
    status: &'static str,
    /// Why it is incomplete.
    reason: Option<&'static str>,
    /// Code and message of what made it fail.
    error: Option<(&'f str, &'f str)>,
    usage: Option<Usage>,
    service_tier: Option<&'f str>,
}

impl Frame<'_> {
    /// Writes the answer. Of what the request asked for nothing is known here, so the fields that
    /// repeat it have their defaults: clients' types require them.
    fn write(&self, items: &[Item<'_>], o: &mut ObjectWriter<'_>) {
        o.value("id", self.id);
        o.value("object", "response");
        o.value("created_at", self.created);
        o.value("status", self.status);
        o.value("background", false);
        match self.error {
            Some((code, message)) => o.object("error", |o| {
                o.value("code", code);
                o.value("message", message);
            }),
            None => o.null("error"),
        }
        match self.reason {
            Some(reason) => o.object("incomplete_details", |o| o.value("reason", reason)),
            None => o.null("incomplete_details"),
        }
        o.value("model", self.model);
        o.list("output", |l| {
            items.iter().for_each(|item| l.object(|o| item.write(o)));
        });
        write_defaults(o);
        o.value("service_tier", self.service_tier.and_then(service_tier));
        match &self.usage {
            Some(usage) => o.object("usage", |o| write_usage(o, usage)),
            None => o.null("usage"),
        }
    }
}

fn write_defaults(o: &mut ObjectWriter<'_>) {
    o.null("instructions");
    o.null("max_output_tokens");
    o.null("max_tool_calls");
    o.object("metadata", |_| {});
    o.value("parallel_tool_calls", true);
    o.null("previous_response_id");
    o.object("reasoning", |o| {
        o.null("effort");
        o.null("summary");
    });
    o.value("store", false);
    o.null("temperature");
    o.object("text", |o| {
        o.object("format", |o| o.value("type", "text"));
    });
    o.value("tool_choice", "auto");
    o.list("tools", |_| {});
    o.value("top_logprobs", 0);
    o.null("top_p");
    o.value("truncation", "disabled");
    o.null("user");
}

/// Appends an event. What is written here has no line ends, so it is one line of data.
fn write_event(
    out: &mut Vec<u8>,
    sequence: &mut u64,
    name: &str,
    write: impl FnOnce(&mut ObjectWriter<'_>),
) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    append_object(out, |o| {
        o.value("type", name);
        o.value("sequence_number", *sequence);
        write(o);
    });
    out.extend_from_slice(b"\n\n");
    *sequence += 1;
}
