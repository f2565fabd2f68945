//! What a model answers, bit by bit.
//!
//! Parts of a choice have numbers from 0 in the order in which they open. Decoders open a part before
//! its first delta and close each before the choice finishes. Several may be open at once: tool calls
//! whose arguments come interleaved.

use std::borrow::Cow;

use super::{Citation, Finish, Token};
use crate::response::{UpstreamError, Usage};

/// Something that happens in a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event<'a> {
    /// The first: who answers.
    Start {
        id: Cow<'a, str>,
        model: Cow<'a, str>,
        /// Seconds since the Unix epoch, in dialects that tell.
        created: Option<u64>,
    },
    /// A part begins.
    Open {
        choice: u32,
        part: u32,
        opening: Opening<'a>,
    },
    /// A part goes on.
    Delta {
        choice: u32,
        part: u32,
        delta: Delta<'a>,
    },
    /// A part is complete.
    Close { choice: u32, part: u32 },
    /// Some words of a text come from there. What is of all of the part may come before it is complete,
    /// and what is of a range may come when it is long complete.
    Cite {
        choice: u32,
        part: u32,
        citation: Citation<'a>,
    },
    /// How probable the tokens of its text were that came last.
    Tokens { choice: u32, tokens: Vec<Token<'a>> },
    /// A choice is complete.
    Finish { choice: u32, finish: Finish<'a> },
    /// Tokens used so far. Later figures replace earlier ones, class by class.
    Usage(Usage),
    /// Nothing, to show that the connection lives.
    Ping,
    /// The stream is complete.
    End,
    /// The stream has failed; nothing follows.
    Error(UpstreamError),
}

/// What kind of part begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opening<'a> {
    Text,
    Refusal,
    Reasoning,
    /// Reasoning that is for the provider alone, all at once.
    Redacted(Cow<'a, str>),
    ToolCall {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
    },
}

/// How a part goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Delta<'a> {
    /// More of its text: of text, refusal or reasoning.
    Text(Cow<'a, str>),
    /// More of a call's arguments.
    Arguments(Cow<'a, str>),
    /// The proof of reasoning, or of the reasoning before a call.
    Signature(Cow<'a, str>),
}

/// What the writer of a stream must know of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamTerms {
    /// The client wants to see the usage, in dialects where it has to ask for that.
    pub(crate) usage: bool,
    /// Seconds since the Unix epoch, for dialects that tell when an answer was made.
    pub(crate) now: u64,
}

#[cfg(test)]
impl Event<'_> {
    /// The same, to be looked at when the stream has gone on.
    pub(crate) fn into_owned(self) -> Event<'static> {
        let text = |text: Cow<'_, str>| text.into_owned().into();
        match self {
            Event::Start { id, model, created } => Event::Start {
                id: text(id),
                model: text(model),
                created,
            },
            Event::Open {
                choice,
                part,
                opening,
            } => Event::Open {
                choice,
                part,
                opening: match opening {
                    Opening::Text => Opening::Text,
                    Opening::Refusal => Opening::Refusal,
                    Opening::Reasoning => Opening::Reasoning,
                    Opening::Redacted(data) => Opening::Redacted(text(data)),
                    Opening::ToolCall { id, name } => Opening::ToolCall {
                        id: text(id),
                        name: text(name),
                    },
                },
            },
            Event::Delta {
                choice,
                part,
                delta,
            } => Event::Delta {
                choice,
                part,
                delta: match delta {
                    Delta::Text(more) => Delta::Text(text(more)),
                    Delta::Arguments(more) => Delta::Arguments(text(more)),
                    Delta::Signature(more) => Delta::Signature(text(more)),
                },
            },
            Event::Finish { choice, finish } => Event::Finish {
                choice,
                finish: match finish {
                    Finish::StopSequence(stop) => Finish::StopSequence(stop.map(text)),
                    Finish::Other(other) => Finish::Other(text(other)),
                    Finish::Stop => Finish::Stop,
                    Finish::Length => Finish::Length,
                    Finish::ToolCalls => Finish::ToolCalls,
                    Finish::Refusal => Finish::Refusal,
                    Finish::ContentFilter => Finish::ContentFilter,
                    Finish::Pause => Finish::Pause,
                },
            },
            Event::Close { choice, part } => Event::Close { choice, part },
            Event::Usage(usage) => Event::Usage(usage),
            Event::Tokens { choice, tokens } => Event::Tokens {
                choice,
                tokens: tokens.into_iter().map(|token| token.into_owned()).collect(),
            },
            Event::Cite {
                choice,
                part,
                citation,
            } => Event::Cite {
                choice,
                part,
                citation: citation.into_owned(),
            },
            Event::Ping => Event::Ping,
            Event::End => Event::End,
            Event::Error(error) => Event::Error(error),
        }
    }
}
