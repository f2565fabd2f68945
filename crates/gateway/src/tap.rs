//! What watches an answer go by: for usage, for its end, for errors inside it.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use llm::frames::Framing;
use llm::response::{
    Ended, Plain, PlainTap, StreamOptions, StreamReport, StreamTap, UpstreamError, Usage,
};
use llm::translate::{BadStream, Pair, StreamTranslator};
use telemetry::Tokens;

use crate::route::{Prompt, Routed};
use crate::translation;

/// The watcher of an answer. Its kinds are boxed: they change hands with it, and most of the time one
/// is as large as the rest of an answer together.
pub(crate) enum Tap {
    /// Nothing is known of the body: a plain route, or an answer that is not a success.
    None,
    /// One JSON document.
    Plain(Box<PlainTap>),
    /// A stream of events.
    Stream(Box<StreamTap>),
    /// A stream of another dialect.
    Translated(Box<StreamTranslator>),
    /// A stream that ended while it was still held back.
    Ended(Box<StreamReport>),
    /// A plain answer of another dialect, whose body has been written anew.
    Answered(Box<Plain>),
}

/// What an answer turned out to be.
pub(crate) struct Report {
    pub(crate) tokens: Tokens,
    pub(crate) model: Option<String>,
    /// The API's own end was there.
    pub(crate) whole: bool,
    /// It reported an error of its own.
    pub(crate) failed: bool,
    /// The number of the next event, where the API counts them.
    pub(crate) events: u64,
}

impl Tap {
    /// The watcher for the answer with this head.
    ///
    /// `pair` are the dialects, if the answer is to be translated.
    pub(crate) fn of(routed: &Routed, pair: Option<Pair>, head: &Parts) -> Self {
        let Some(prompt) = routed.prompt() else {
            return Self::None;
        };
        if !head.status.is_success() {
            return Self::None;
        }
        let api = pair.map_or(prompt.api, Pair::upstream);
        let framing = pair.map_or(api.dialect.framing(), Pair::framing);
        let is_stream = is_stream(head, framing);
        let is_file = api.answers_files() && !is_of_kind(head, llm::CONTENT_TYPE_JSON);
        match pair {
            None if is_file && !is_stream => Self::None,
            Some(pair) if is_stream && pair.is_streamed() => {
                match translation::stream(pair, routed) {
                    Some(translator) => Self::Translated(Box::new(translator)),
                    None => Self::Stream(Box::new(watch(prompt, Some(framing)))),
                }
            }
            None if is_stream => Self::Stream(Box::new(watch(prompt, None))),
            _ => Self::Plain(Box::new(PlainTap::new(api))),
        }
    }

    /// Looks at a chunk and appends what is to be forwarded of it.
    pub(crate) fn feed(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), BadStream> {
        match self {
            Self::Stream(tap) => return Ok(tap.feed(chunk, out)?),
            Self::Translated(tap) => return tap.feed(chunk, out),
            Self::Plain(tap) => tap.feed(&chunk),
            Self::None | Self::Ended(_) | Self::Answered(_) => {}
        }
        out.push(chunk);
        Ok(())
    }

    /// Whether a stream's first content has gone by.
    pub(crate) fn has_begun(&self) -> bool {
        match self {
            Self::Stream(tap) => tap.begun(),
            Self::Translated(tap) => tap.begun(),
            Self::None | Self::Plain(_) | Self::Ended(_) | Self::Answered(_) => false,
        }
    }

    /// The error that a stream has reported.
    pub(crate) fn error(&self) -> Option<&UpstreamError> {
        match self {
            Self::Stream(tap) => tap.error(),
            Self::Translated(tap) => tap.error(),
            Self::None | Self::Plain(_) | Self::Ended(_) | Self::Answered(_) => None,
        }
    }

    /// Whether it watches a stream.
    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_) | Self::Translated(_))
    }

    /// Whether what is forwarded are events, to which one can be added.
    pub(crate) fn writes_events(&self) -> bool {
        match self {
            Self::Translated(tap) => tap.content_type() != llm::CONTENT_TYPE_JSON,
            tap => tap.is_stream(),
        }
    }

    /// Whether the body may be of another length than the upstream's.
    pub(crate) const fn changes_length(&self) -> bool {
        !matches!(self, Self::None | Self::Plain(_))
    }

    /// Ends the watch over a stream at the end of its bytes; `None` if it is none.
    pub(crate) fn end_stream(self, out: &mut Vec<Bytes>) -> Option<StreamReport> {
        match self {
            Self::Stream(tap) => Some(tap.finish(out)),
            Self::Translated(tap) => Some(tap.finish(out)),
            Self::Ended(report) => Some(*report),
            Self::None | Self::Plain(_) | Self::Answered(_) => None,
        }
    }

    /// Looks at a chunk of a plain answer.
    pub(crate) fn feed_plain(&mut self, chunk: &Bytes) {
        if let Self::Plain(tap) = self {
            tap.feed(chunk);
        }
    }

    /// Ends the watch where the bytes broke off; what is still to be forwarded is appended to `out`.
    pub(crate) fn break_off(self, out: &mut Vec<Bytes>) -> Report {
        match self {
            Self::Translated(tap) => Report::stream(tap.break_off(out)),
            // Others know their end by what they have read.
            tap => tap.finish(out),
        }
    }

    /// Ends the watch at the end of the bytes; what is still to be forwarded is appended to `out`.
    pub(crate) fn finish(self, out: &mut Vec<Bytes>) -> Report {
        match self {
            Self::None => Report::plain(Tokens::default()),
            Self::Plain(tap) => Report::answered(tap.finish()),
            Self::Answered(plain) => Report::answered(*plain),
            Self::Stream(tap) => Report::stream(tap.finish(out)),
            Self::Translated(tap) => Report::stream(tap.finish(out)),
            Self::Ended(report) => Report::stream(*report),
        }
    }
}

impl Report {
    fn answered(plain: Plain) -> Self {
        Self {
            model: plain.model,
            ..Self::plain(plain.usage.map(tokens).unwrap_or_default())
        }
    }

    /// HTTP itself tells whether a plain answer is whole.
    fn plain(tokens: Tokens) -> Self {
        Self {
            tokens,
            model: None,
            whole: true,
            failed: false,
            events: 0,
        }
    }

    /// A stream is whole when its end event came, however its connection ended. Where no count of
    /// what was written came, every event with content counts as a token: that is how engines send
    /// them.
    fn stream(report: StreamReport) -> Self {
        let mut tokens = report.usage.map(tokens).unwrap_or_default();
        if tokens.output.is_none() {
            tokens.output = Some(report.content_events);
            tokens.estimated = true;
        }
        Self {
            tokens,
            model: report.model,
            whole: report.ended == Ended::Complete,
            failed: matches!(report.ended, Ended::Failed(_)),
            events: report.events,
        }
    }
}

fn tokens(usage: Usage) -> Tokens {
    Tokens {
        input: usage.input,
        output: usage.output,
        cached_input: usage.cached_input,
        cache_creation_input: usage.cache_write,
        cache_creation_hour_input: usage.cache_write_hour,
        input_audio: usage.input_audio,
        input_image: usage.input_image,
        reasoning: usage.reasoning,
        output_audio: usage.output_audio,
        output_image: usage.output_image,
        estimated: false,
    }
}

/// The watcher of a stream that is passed on, event by event if they come in messages of `framing`.
fn watch(prompt: &Prompt, framing: Option<Framing>) -> StreamTap {
    let options = StreamOptions {
        drop_usage: !prompt.scan.wants_usage(),
        choices: prompt.scan.choices(),
        framing,
        ..StreamOptions::default()
    };
    StreamTap::new(prompt.api, options)
}

fn is_stream(head: &Parts, framing: Framing) -> bool {
    is_of_kind(head, framing.content_type())
}

fn is_of_kind(head: &Parts, kind: &str) -> bool {
    let kind = kind.as_bytes();
    head.headers.get(CONTENT_TYPE).is_some_and(|value| {
        value
            .as_bytes()
            .get(..kind.len())
            .is_some_and(|value| value.eq_ignore_ascii_case(kind))
    })
}
