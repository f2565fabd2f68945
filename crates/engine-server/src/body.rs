//! Response bodies: whole, or written token by token as the engine gets to them.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::render::{Choice, Chunks, Usage};
use crate::replica::{Command, Tick};

/// A response body. An error in it aborts the connection (HTTP/1.1) or the stream (HTTP/2).
pub(crate) enum EngineBody {
    Whole(Option<Bytes>),
    Stream(Box<TokenStream>),
}

impl EngineBody {
    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Self::Whole(Some(text.into()))
    }
}

impl Body for EngineBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(stream) => stream.poll_event(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// The sequences of one API request in the engine. Dropping it aborts those that have not ended.
pub(crate) struct InFlight {
    pub(crate) ticket: u64,
    pub(crate) ticks: mpsc::UnboundedReceiver<Tick>,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    /// Sequences that have not ended.
    pub(crate) open: usize,
}

impl InFlight {
    /// Notes what a tick says of ended sequences.
    pub(crate) fn note(&mut self, tick: Tick) {
        self.open = self.open.saturating_sub(usize::from(tick.finished));
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.open > 0 {
            drop(self.commands.send(Command::Abort(self.ticket)));
        }
    }
}

/// An answer being streamed.
pub(crate) struct TokenStream {
    in_flight: InFlight,
    chunks: Chunks,
    choices: Vec<Choice>,
    /// Tokens of each choice that have been written.
    written: Vec<u32>,
    usage: Usage,
    /// Events written but not sent.
    ready: VecDeque<String>,
    /// Tokens to send before the connection is aborted on command.
    dies_after: Option<u32>,
    /// Whether everything sent before the death has had its chance to leave.
    flushed: bool,
    done: bool,
}

impl TokenStream {
    pub(crate) fn new(
        in_flight: InFlight,
        chunks: Chunks,
        choices: Vec<Choice>,
        prompt_tokens: u32,
        dies_after: Option<u32>,
    ) -> Self {
        Self {
            written: vec![0; choices.len()],
            in_flight,
            chunks,
            choices,
            usage: Usage {
                prompt: prompt_tokens,
                ..Usage::default()
            },
            ready: VecDeque::new(),
            dies_after,
            flushed: false,
            done: false,
        }
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(event.into()))));
            }
            if self
                .dies_after
                .is_some_and(|tokens| self.usage.completion >= tokens)
            {
                return self.poll_death(context);
            }
            if self.done {
                return Poll::Ready(None);
            }
            match self.in_flight.ticks.poll_recv(context) {
                Poll::Ready(Some(tick)) => self.write(tick),
                Poll::Ready(None) => {
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Aborts the connection, one turn later: hyper flushes what it holds only when a body has
    /// nothing ready, and the client is to see the tokens before the death.
    fn poll_death(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.flushed {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
        }
        self.flushed = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes the events of one tick.
    fn write(&mut self, tick: Tick) {
        self.in_flight.note(tick);
        let index = tick.choice as usize;
        let (Some(choice), Some(written)) = (self.choices.get(index), self.written.get_mut(index))
        else {
            return;
        };
        let from = std::mem::replace(written, tick.generated);
        if from == 0 {
            self.usage.cached = self.usage.cached.max(tick.cached_tokens);
            self.ready.extend(self.chunks.role(index, self.usage));
        }
        self.usage.completion += tick.generated - from;
        let answer = &choice.answer;
        let delta = answer.delta(from, tick.generated);
        let echo = if from == 0 { choice.echo.as_str() } else { "" };
        let ended = tick.finished.then_some(answer.as_ref());
        if !(delta.is_empty() && echo.is_empty()) || ended.is_some() {
            let text = format!("{echo}{delta}");
            self.ready
                .push_back(self.chunks.text(index, &text, ended, self.usage));
        }
        if self.in_flight.open == 0 {
            self.ready.extend(self.chunks.usage(self.usage));
            self.ready.push_back(Chunks::done().to_owned());
            self.done = true;
        }
    }
}
