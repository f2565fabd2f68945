//! One recording and its readers.
//!
//! Whoever needs a byte that has not arrived yet polls the source, under the recording's lock (it
//! belongs to one request and is held for a poll). The source knows one waker only, so the others
//! that wait are woken whenever it moved, and also when a reader goes away, since that may have
//! been the one the source would have woken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::HeaderMap;
use smallvec::SmallVec;

use super::record::Record;
use super::source::{Arrival, Source};
use super::spill::{self, Pending, Spilled};
use super::{ReplayConfig, ReplayError};
use crate::budget::{BodyBudget, Exhausted, Reservation};

/// Once a body goes to a file, this many bytes are gathered for a write.
const WRITE: u64 = 256 << 10;

/// What a reader gets.
#[derive(Debug)]
pub(super) enum Piece {
    Data {
        bytes: Bytes,
        /// Known already that nothing comes after it, not even trailers.
        last: bool,
    },
    End(Option<HeaderMap>),
}

/// Where the byte a reader asks for is.
enum Place {
    Here(Bytes),
    File(Spilled),
    /// There is none: the body has ended.
    End(Option<HeaderMap>),
}

pub(super) struct Recording {
    config: Arc<ReplayConfig>,
    announced: Option<u64>,
    state: Mutex<State>,
}

struct State {
    /// `None` once it has ended or is of no more use.
    source: Option<Source>,
    end: Option<Result<Option<HeaderMap>, ReplayError>>,
    spilled: Option<Spilled>,
    writing: Option<Pending<Spilled>>,
    memory: Record,
    in_memory: Reservation,
    on_disk: Option<Reservation>,
    released: bool,
    readers: SmallVec<[Position; 2]>,
    next_reader: u64,
    waiting: SmallVec<[Waker; 1]>,
}

/// How far a reader is.
struct Position {
    reader: u64,
    at: u64,
}

impl Recording {
    pub(super) fn new<B>(source: B, budget: &BodyBudget, config: Arc<ReplayConfig>) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let source = Source::new(source, config.max_len, config.idle_timeout);
        let announced = source.announced();
        let state = State {
            source: Some(source),
            end: None,
            spilled: None,
            writing: None,
            memory: Record::default(),
            in_memory: budget.reservation(),
            on_disk: config
                .spill
                .as_ref()
                .map(|spill| spill.budget.reservation()),
            released: false,
            readers: SmallVec::new(),
            next_reader: 0,
            waiting: SmallVec::new(),
        };
        Self {
            config,
            announced,
            state: Mutex::new(state),
        }
    }

    pub(super) fn len(&self) -> Option<u64> {
        let state = self.lock();
        match state.end {
            Some(Ok(_)) => Some(state.memory.end()),
            _ => self.announced,
        }
    }

    pub(super) fn release(&self) {
        let mut state = self.lock();
        state.released = true;
        state.let_go();
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn poll_at(
        &mut self,
        position: u64,
        config: &ReplayConfig,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Place, ReplayError>> {
        loop {
            if let Some(bytes) = self.memory.read(position) {
                return Poll::Ready(Ok(Place::Here(bytes)));
            }
            if position < self.memory.start() {
                let file = self.spilled.clone().filter(|file| position < file.len());
                return Poll::Ready(file.map(Place::File).ok_or(ReplayError::Released));
            }
            if let Some(end) = &self.end {
                return Poll::Ready(end.clone().map(Place::End));
            }
            let Poll::Ready(arrived) = self.poll_more(config, cx) else {
                self.wake_when_moved(cx);
                return Poll::Pending;
            };
            self.wake_others(cx);
            if let Some(bytes) = arrived {
                return Poll::Ready(Ok(Place::Here(bytes)));
            }
        }
    }

    /// Moves the recording on by one step: ends a write or takes in what comes from the source.
    /// Gives bytes only when they pass without being recorded.
    fn poll_more(&mut self, config: &ReplayConfig, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(writing) = &mut self.writing {
            let written = ready!(writing.poll(cx));
            self.writing = None;
            match written {
                Ok(spilled) => self.spilled_to(spilled),
                Err(error) => self.finish(Err(error)),
            }
            return Poll::Ready(None);
        }
        let Some(source) = &mut self.source else {
            self.finish(Err(ReplayError::Released));
            return Poll::Ready(None);
        };
        match ready!(source.poll_arrival(cx)) {
            Ok(Arrival::Data(bytes)) if self.released && self.readers.len() == 1 => {
                self.memory.skip(bytes.len() as u64);
                return Poll::Ready(Some(bytes));
            }
            Ok(Arrival::Data(bytes)) => {
                if let Err(exhausted) = self.keep(bytes, config) {
                    self.finish(Err(ReplayError::Exhausted(exhausted)));
                }
            }
            Ok(Arrival::End(trailers)) => self.finish(Ok(trailers)),
            Err(error) => self.finish(Err(error)),
        }
        Poll::Ready(None)
    }

    fn finish(&mut self, end: Result<Option<HeaderMap>, ReplayError>) {
        self.end = Some(end);
        self.source = None;
    }

    fn keep(&mut self, bytes: Bytes, config: &ReplayConfig) -> Result<(), Exhausted> {
        let room = self.in_memory.grow(bytes.len() as u64);
        self.memory.push(bytes);
        let threshold = if self.spilled.is_some() {
            WRITE
        } else {
            config.memory_threshold
        };
        if room.is_ok() && self.memory.len() <= threshold {
            return Ok(());
        }
        // Over the threshold but inside the budget, memory serves when files do not.
        self.begin_write(config).or(room)
    }

    fn begin_write(&mut self, config: &ReplayConfig) -> Result<(), Exhausted> {
        let (Some(spill), Some(on_disk)) = (&config.spill, &mut self.on_disk) else {
            return Err(Exhausted::Own);
        };
        on_disk.grow(self.memory.len())?;
        let pieces = self.memory.pieces();
        self.writing = Some(spill::append(
            self.spilled.clone(),
            spill.directory.clone(),
            pieces,
        ));
        Ok(())
    }

    fn spilled_to(&mut self, spilled: Spilled) {
        let forgotten = self.memory.forget_before(spilled.len());
        self.in_memory.shrink(forgotten);
        self.spilled = Some(spilled);
        self.let_go();
    }

    /// Once released, forgets what every reader has behind it.
    fn let_go(&mut self) {
        if !self.released {
            return;
        }
        let needed_from = self.readers.iter().map(|reader| reader.at).min();
        if needed_from.is_none() {
            self.source = None;
        }
        let from = needed_from.unwrap_or(u64::MAX);
        let forgotten = self.memory.forget_before(from);
        self.in_memory.shrink(forgotten);
        if self.spilled.as_ref().is_some_and(|file| file.len() <= from) && self.writing.is_none() {
            self.spilled = None;
            self.on_disk = None;
        }
    }

    fn has_ended_plainly_at(&self, position: u64) -> bool {
        matches!(self.end, Some(Ok(None))) && position == self.memory.end()
    }

    fn wake_when_moved(&mut self, cx: &Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }

    fn wake_others(&mut self, cx: &Context<'_>) {
        for waker in self.waiting.drain(..) {
            if !waker.will_wake(cx.waker()) {
                waker.wake();
            }
        }
    }
}

/// Reads a recording from its beginning.
pub(super) struct Reader {
    recording: Arc<Recording>,
    id: u64,
    position: u64,
    from_file: Option<Pending<Bytes>>,
}

impl Reader {
    pub(super) fn new(recording: Arc<Recording>) -> Self {
        let id = {
            let mut state = recording.lock();
            let id = state.next_reader;
            state.next_reader += 1;
            state.readers.push(Position { reader: id, at: 0 });
            id
        };
        Self {
            recording,
            id,
            position: 0,
            from_file: None,
        }
    }

    pub(super) fn recording(&self) -> &Recording {
        &self.recording
    }

    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, ReplayError>> {
        loop {
            if let Some(reading) = &mut self.from_file {
                let bytes = ready!(reading.poll(cx));
                self.from_file = None;
                let recording = self.recording.clone();
                return Poll::Ready(bytes.map(|bytes| self.advance(bytes, &mut recording.lock())));
            }
            let recording = self.recording.clone();
            let mut state = recording.lock();
            match ready!(state.poll_at(self.position, &recording.config, cx))? {
                Place::Here(bytes) => return Poll::Ready(Ok(self.advance(bytes, &mut state))),
                Place::File(file) => self.from_file = Some(spill::read(&file, self.position)),
                Place::End(trailers) => return Poll::Ready(Ok(Piece::End(trailers))),
            }
        }
    }

    fn advance(&mut self, bytes: Bytes, state: &mut State) -> Piece {
        self.position += bytes.len() as u64;
        if let Some(own) = state
            .readers
            .iter_mut()
            .find(|other| other.reader == self.id)
        {
            own.at = self.position;
        }
        state.let_go();
        let last = state.has_ended_plainly_at(self.position);
        Piece::Data { bytes, last }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.recording.lock();
        state.readers.retain(|other| other.reader != self.id);
        state.let_go();
        state.waiting.drain(..).for_each(Waker::wake);
    }
}
