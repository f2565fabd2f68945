//! What watches an answer go by: for usage, for its end, for errors inside it.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use llm::response::{Ended, PlainTap, StreamOptions, StreamReport, StreamTap, Usage};
use llm::sse::FrameTooLong;
use telemetry::Tokens;

use crate::route::Routed;

/// The watcher of an answer. Its kinds are boxed: they change hands with it, and most of the time one
/// is as large as the rest of an answer together.
pub(crate) enum Tap {
    /// Nothing is known of the body: a plain route, or an answer that is not a success.
    None,
    /// One JSON document.
    Plain(Box<PlainTap>),
    /// Server-sent events.
    Stream(Box<StreamTap>),
    /// A stream that ended while it was still held back.
    Ended(StreamReport),
}

/// What an answer turned out to be.
pub(crate) struct Report {
    pub(crate) tokens: Tokens,
    pub(crate) model: Option<String>,
    /// The API's own end was there.
    pub(crate) whole: bool,
    /// It reported an error of its own.
    pub(crate) failed: bool,
}

impl Tap {
    /// The watcher for the answer with this head.
    pub(crate) fn of(routed: &Routed, head: &Parts) -> Self {
        let Some(prompt) = routed.prompt() else {
            return Self::None;
        };
        if !head.status.is_success() {
            return Self::None;
        }
        let dialect = prompt.api.dialect;
        if is_event_stream(head) {
            let options = StreamOptions {
                drop_usage: !prompt.scan.wants_usage(),
                choices: prompt.scan.choices(),
                ..StreamOptions::default()
            };
            Self::Stream(Box::new(StreamTap::new(dialect, options)))
        } else {
            Self::Plain(Box::new(PlainTap::new(dialect)))
        }
    }

    /// Looks at a chunk and appends what is to be forwarded of it.
    pub(crate) fn feed(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), FrameTooLong> {
        match self {
            Self::Stream(tap) => return tap.feed(chunk, out),
            Self::Plain(tap) => tap.feed(&chunk),
            Self::None | Self::Ended(_) => {}
        }
        out.push(chunk);
        Ok(())
    }

    /// Whether a stream's first content has gone by.
    pub(crate) fn has_begun(&self) -> bool {
        matches!(self, Self::Stream(tap) if tap.begun())
    }

    /// Looks at a chunk of a plain answer.
    pub(crate) fn feed_plain(&mut self, chunk: &Bytes) {
        if let Self::Plain(tap) = self {
            tap.feed(chunk);
        }
    }

    /// Ends the watch at the end of the bytes, good or bad; what is still to be forwarded is
    /// appended to `out`.
    pub(crate) fn finish(self, out: &mut Vec<Bytes>) -> Report {
        match self {
            Self::None => Report::plain(Tokens::default()),
            Self::Plain(tap) => {
                let plain = tap.finish();
                let tokens = plain.usage.map(tokens).unwrap_or_default();
                Report {
                    model: plain.model,
                    ..Report::plain(tokens)
                }
            }
            Self::Stream(tap) => Report::stream(tap.finish(out)),
            Self::Ended(report) => Report::stream(report),
        }
    }
}

impl Report {
    /// HTTP itself tells whether a plain answer is whole.
    fn plain(tokens: Tokens) -> Self {
        Self {
            tokens,
            model: None,
            whole: true,
            failed: false,
        }
    }

    /// A stream is whole when its end event came, however its connection ended. Where no usage
    /// came, every event with content counts as a token: that is how engines send them.
    fn stream(report: StreamReport) -> Self {
        let estimate = Tokens {
            output: Some(report.content_events),
            estimated: true,
            ..Tokens::default()
        };
        Self {
            tokens: report.usage.map_or(estimate, tokens),
            model: report.model,
            whole: report.ended == Ended::Complete,
            failed: matches!(report.ended, Ended::Failed(_)),
        }
    }
}

fn tokens(usage: Usage) -> Tokens {
    Tokens {
        input: usage.input,
        output: usage.output,
        cached_input: usage.cached_input,
        cache_creation_input: None,
        reasoning: usage.reasoning,
        estimated: false,
    }
}

fn is_event_stream(head: &Parts) -> bool {
    const TYPE: &[u8] = b"text/event-stream";
    head.headers.get(CONTENT_TYPE).is_some_and(|value| {
        value
            .as_bytes()
            .get(..TYPE.len())
            .is_some_and(|kind| kind.eq_ignore_ascii_case(TYPE))
    })
}
