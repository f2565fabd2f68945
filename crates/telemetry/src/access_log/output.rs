//! The file or stream that lines are written to.

use super::{AccessLogError, LogTarget};
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// An open target.
pub(super) struct Output {
    writer: Box<dyn Write + Send>,
    file: Option<OpenFile>,
}

/// A file by name, and which file had that name when it was opened.
struct OpenFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// A failed write: how much was written before.
#[derive(Debug)]
pub(super) struct WriteFailure {
    pub(super) written: usize,
    pub(super) error: io::Error,
}

/// Permissions of a log that is created: who reads it may see client addresses.
const MODE: u32 = 0o640;

/// How long to wait for a stream that was set non-blocking by whoever shares it.
const WOULD_BLOCK_PAUSE: Duration = Duration::from_millis(1);

impl Output {
    pub(super) fn open(target: &LogTarget) -> Result<Self, AccessLogError> {
        // Standard streams are duplicated into files: the standard library's own handles buffer,
        // and would tell of a failure only when flushed.
        let opened = match target {
            LogTarget::Stdout => io::stdout()
                .as_fd()
                .try_clone_to_owned()
                .map(Self::of_stream),
            LogTarget::Stderr => io::stderr()
                .as_fd()
                .try_clone_to_owned()
                .map(Self::of_stream),
            LogTarget::File(path) => Self::open_file(path),
        };
        opened.map_err(|source| AccessLogError::Open {
            target: describe(target),
            source,
        })
    }

    fn of_stream(stream: std::os::fd::OwnedFd) -> Self {
        Self::of_writer(Box::new(File::from(stream)))
    }

    pub(super) fn of_writer(writer: Box<dyn Write + Send>) -> Self {
        Self { writer, file: None }
    }

    fn open_file(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(MODE)
            .open(path)?;
        let identity = identity(&file.metadata()?);
        let file_name = OpenFile {
            path: path.to_owned(),
            identity,
        };
        Ok(Self {
            writer: Box::new(file),
            file: Some(file_name),
        })
    }

    /// Whether the file's name now belongs to another file, or to none.
    pub(super) fn was_moved(&self) -> bool {
        self.file.as_ref().is_some_and(|file| {
            fs::metadata(&file.path).map_or(true, |metadata| identity(&metadata) != file.identity)
        })
    }

    /// Open the file again under its name. On failure the old one stays in use.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        if let Some(file) = &self.file {
            *self = Self::open_file(&file.path)?;
        }
        Ok(())
    }

    /// Write all of it, past interruptions.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), WriteFailure> {
        let mut written = 0;
        while let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) {
            match self.writer.write(rest) {
                Ok(0) => {
                    return Err(WriteFailure {
                        written,
                        error: io::ErrorKind::WriteZero.into(),
                    });
                }
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(WOULD_BLOCK_PAUSE);
                }
                Err(error) => return Err(WriteFailure { written, error }),
            }
        }
        self.writer
            .flush()
            .map_err(|error| WriteFailure { written, error })
    }
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn describe(target: &LogTarget) -> String {
    match target {
        LogTarget::Stdout => "on standard output".into(),
        LogTarget::Stderr => "on standard error".into(),
        LogTarget::File(path) => path.display().to_string(),
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("path", &self.file.as_ref().map(|f| &f.path))
            .finish()
    }
}
