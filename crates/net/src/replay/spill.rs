//! The part of a body that is kept in a file.
//!
//! All file I/O runs on the blocking pool. The file is created unlinked, so nothing is left behind
//! however the process ends.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use super::ReplayError;

/// Bytes read from the file at once.
const READ: u64 = 128 << 10;

/// The beginning of a body in a file, `[0, len)`.
#[derive(Clone, Debug)]
pub(super) struct Spilled {
    file: Arc<File>,
    len: u64,
}

impl Spilled {
    pub(super) fn len(&self) -> u64 {
        self.len
    }
}

/// File I/O in progress.
pub(super) struct Pending<T>(JoinHandle<io::Result<T>>);

impl<T> Pending<T> {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, ReplayError>> {
        Pin::new(&mut self.0).poll(cx).map(|joined| {
            joined
                .unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
                .map_err(|error| ReplayError::Spill(Arc::new(error)))
        })
    }
}

/// Appends `pieces` to `spilled`, or begins a new file in `directory` with them.
pub(super) fn append(
    spilled: Option<Spilled>,
    directory: PathBuf,
    pieces: Vec<Bytes>,
) -> Pending<Spilled> {
    Pending(spawn_blocking(move || {
        let (file, mut len) = match spilled {
            Some(Spilled { file, len }) => (file, len),
            None => (Arc::new(tempfile::tempfile_in(directory)?), 0),
        };
        for piece in pieces {
            (&*file).write_all(&piece)?;
            len += piece.len() as u64;
        }
        Ok(Spilled { file, len })
    }))
}

/// Reads from `position`, which must be before the end.
pub(super) fn read(spilled: &Spilled, position: u64) -> Pending<Bytes> {
    let Spilled { file, len } = spilled.clone();
    Pending(spawn_blocking(move || {
        let size = usize::try_from(READ.min(len - position)).map_err(io::Error::other)?;
        let mut buffer = vec![0; size];
        file.read_exact_at(&mut buffer, position)?;
        Ok(buffer.into())
    }))
}
