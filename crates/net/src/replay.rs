//! A request body that can be sent again, whatever its size.
//!
//! Retries, fallbacks and hedges all need the body a second time. Buffering it first would delay
//! the first attempt and rule out requests that stream while their response does; capping the
//! buffer (64 KiB in common retry layers) would make long prompts, the expensive ones, the only
//! requests that are not retried. So a [`Replay`] records what passes: an attempt's
//! [`ReplayBody`] reads the record from its beginning and then goes on with the source, and any
//! number of them may do so, one after the other or at the same time.
//!
//! What is recorded counts against a [`BodyBudget`]. Above a threshold, or when the budget has no
//! room, the record moves to an unlinked temporary file, read and written on the blocking pool.
//! Once the response has begun, [`Replay::release`] lets go of everything that the attempt in
//! progress has read.

mod body;
mod record;
mod source;
mod spill;
mod state;

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

pub use self::body::ReplayBody;
use self::state::{Piece, Reader, Recording};
use crate::budget::{BodyBudget, Exhausted, Reservation};

/// How request bodies are kept.
#[derive(Clone, Debug)]
pub struct ReplayConfig {
    /// Bytes kept in memory; a longer body moves to a file.
    pub memory_threshold: u64,
    /// Bytes a body may have.
    pub max_len: u64,
    /// How long the client may pause between two pieces of the body.
    pub idle_timeout: Duration,
    /// Where long bodies go; `None`: memory is all there is.
    pub spill: Option<SpillConfig>,
}

/// Where bodies go that are too long for memory.
#[derive(Clone, Debug)]
pub struct SpillConfig {
    /// Directory of the temporary files, which never have a name in it. Should not be a `tmpfs`:
    /// that is memory again.
    pub directory: PathBuf,
    /// Bytes that all files together may have.
    pub budget: BodyBudget,
}

impl Default for ReplayConfig {
    fn default() -> Self {
        Self {
            memory_threshold: 2 << 20,
            max_len: 64 << 20,
            idle_timeout: Duration::from_secs(30),
            spill: Some(SpillConfig {
                directory: std::env::temp_dir(),
                budget: BodyBudget::new(4 << 30),
            }),
        }
    }
}

/// Why a request body could not be read or kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReplayError {
    /// It is longer than [`ReplayConfig::max_len`].
    #[error("the request body is longer than the {limit} bytes allowed here")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// There is no room for it, neither in memory nor in files.
    #[error("no room for the request body: {}", match .0 {
        Exhausted::Own => "this caller's other requests take all that one caller may hold",
        Exhausted::Shared => "the requests in progress take all that may be held",
    })]
    Exhausted(Exhausted),
    /// The client paused for longer than [`ReplayConfig::idle_timeout`].
    #[error("no more of the request body came for {after:?}")]
    IdleTimeout {
        /// The pause allowed.
        after: Duration,
    },
    /// The client's connection failed, or what it sent is not a valid body.
    #[error("the client broke off the request body: {0}")]
    Client(#[source] Arc<dyn Error + Send + Sync>),
    /// The temporary file could not be written or read.
    #[error("the request body could not be kept in a temporary file: {0}")]
    Spill(#[source] Arc<io::Error>),
    /// An attempt began after [`Replay::release`].
    #[error("the request body has been released and cannot be sent again")]
    Released,
}

/// Why [`Replay::collect`] ended early.
#[derive(Debug, thiserror::Error)]
pub enum CollectError<E> {
    /// The body could not be read or kept.
    #[error(transparent)]
    Body(#[from] ReplayError),
    /// The observer had seen enough.
    #[error("{0}")]
    Observer(E),
}

/// Changes a body on its way out, the same way at each attempt.
pub trait Patch: Send {
    /// Takes the next piece of the original and adds what can be sent now to `out`.
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>);
    /// Called once, after the last piece.
    fn finish(&mut self, out: &mut Vec<Bytes>);
    /// Bytes by which the result is longer than the original (shorter if negative), known
    /// beforehand, because the request's `content-length` follows from it.
    fn len_delta(&self) -> i64;
}

/// A request body being recorded. Dropping it is [`Replay::release`].
pub struct Replay {
    recording: Arc<Recording>,
}

impl Replay {
    /// Takes over `source`; nothing is read of it before somebody asks. Memory is taken from
    /// `budget`. A length that `source` announces (its exact size hint) is announced to upstreams
    /// too, and refused at once if it is over the limit.
    pub fn new<B>(source: B, budget: &BodyBudget, config: Arc<ReplayConfig>) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        Self {
            recording: Arc::new(Recording::new(source, budget, config)),
        }
    }

    /// Reads the whole body, showing each piece to `observe` as it arrives.
    ///
    /// # Errors
    /// What kept the body from being read, or the first error of `observe`. The record is
    /// complete only without an error.
    pub async fn collect<E>(
        &self,
        mut observe: impl FnMut(&Bytes) -> Result<(), E>,
    ) -> Result<(), CollectError<E>> {
        let mut reader = Reader::new(self.recording.clone());
        loop {
            match poll_fn(|cx| reader.poll_piece(cx)).await? {
                Piece::Data { bytes, .. } => observe(&bytes).map_err(CollectError::Observer)?,
                Piece::End(_) => return Ok(()),
            }
        }
    }

    /// The whole body in one piece, without a copy if it arrived in one; a copy is counted in
    /// `room`, which is to live as long.
    ///
    /// # Errors
    /// What kept the body from being read, or that there is no room for a copy.
    pub async fn to_bytes(&self, room: &mut Reservation) -> Result<Bytes, ReplayError> {
        let mut reader = Reader::new(self.recording.clone());
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        loop {
            match poll_fn(|cx| reader.poll_piece(cx)).await? {
                Piece::Data { bytes, .. } if first.is_empty() && all.is_empty() => first = bytes,
                Piece::Data { bytes, .. } => {
                    if all.is_empty() {
                        all = self.copy_of(&std::mem::take(&mut first), room)?;
                    }
                    let has_room = all.capacity() - all.len() >= bytes.len();
                    if !has_room {
                        take(room, bytes.len())?;
                    }
                    all.extend_from_slice(&bytes);
                }
                Piece::End(_) if all.is_empty() => return Ok(first),
                Piece::End(_) => return Ok(all.freeze()),
            }
        }
    }

    /// A copy of the first piece, with room for all others if it is known how many bytes they have.
    fn copy_of(&self, first: &[u8], room: &mut Reservation) -> Result<BytesMut, ReplayError> {
        let known = self.len().and_then(|len| usize::try_from(len).ok());
        let len = known.unwrap_or_default().max(first.len());
        take(room, len)?;
        let mut copy = BytesMut::with_capacity(len);
        copy.extend_from_slice(first);
        Ok(copy)
    }

    /// The body from its beginning, for one attempt, as it is or changed by `patch`.
    #[must_use]
    pub fn body(&self, patch: Option<Box<dyn Patch>>) -> ReplayBody {
        ReplayBody::new(Reader::new(self.recording.clone()), patch)
    }

    /// No more attempts: what is recorded is let go as soon as the attempts in progress have read
    /// it, and what is yet to come is passed on without being recorded.
    pub fn release(&self) {
        self.recording.release();
    }

    /// Bytes of the body: all of them once it has ended, before that what was announced.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        self.recording.len()
    }

    /// Whether the body is known to have no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

fn take(room: &mut Reservation, bytes: usize) -> Result<(), ReplayError> {
    room.grow(bytes as u64).map_err(ReplayError::Exhausted)
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.release();
    }
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay").field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests;
