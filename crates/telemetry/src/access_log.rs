//! The access log: one JSON line per finished request, written by a thread of its own.
//!
//! Logging must never slow a request or stop the process. A line is serialised straight into a
//! buffer that belongs to the calling thread's shard, so callers on different threads do not meet;
//! the writer swaps the buffers out and writes each with one system call. A channel of lines was the
//! alternative: it costs an allocation per line and a wake-up per message. The buffers are bounded
//! in bytes. When one is full because the writer is blocked (a pipe nobody reads, a stuck disk) its
//! lines are dropped and counted; when a write fails they are dropped and counted too, and the fault
//! is said once. Lines of different threads may be out of order by a few milliseconds; each carries
//! its timestamp.

use crate::RequestRecord;
use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

mod output;
mod queue;
#[cfg(test)]
mod tests;
mod writer;

use output::Output;
use queue::Queue;
use writer::Writer;

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to. It is opened again when it was renamed or removed, within a second.
    File(PathBuf),
}

/// How the access log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogConfig {
    /// Where the lines go.
    pub target: LogTarget,
    /// Most bytes that may wait to be written, shared equally by the threads that log.
    pub queue_bytes: usize,
}

impl Default for AccessLogConfig {
    fn default() -> Self {
        Self {
            target: LogTarget::Stdout,
            queue_bytes: 16 << 20,
        }
    }
}

/// Why an access log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum AccessLogError {
    /// The file or stream could not be opened.
    #[error(
        "cannot open the access log {target}: {source}; \
         check that the directory exists and may be written to"
    )]
    Open {
        /// What was to be opened.
        target: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The writer's thread could not be started.
    #[error("cannot start the thread that writes the access log: {0}")]
    Thread(io::Error),
}

/// Lines that were not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostLines {
    /// Dropped because the queue was full.
    pub queue_full: u64,
    /// Lost because writing failed.
    pub write_failed: u64,
}

/// A running access log.
#[derive(Debug)]
pub struct AccessLog {
    queue: Arc<Queue>,
    writer: thread::Thread,
    /// Disconnected when the writer has ended.
    ended: Mutex<mpsc::Receiver<()>>,
}

impl AccessLog {
    /// Open the target and start the writer.
    ///
    /// # Errors
    /// If the target cannot be opened or the thread cannot be started.
    pub fn start(config: &AccessLogConfig) -> Result<Self, AccessLogError> {
        let output = Output::open(&config.target)?;
        Self::start_output(output, config.queue_bytes)
    }

    /// Start with any writer, for a target that is not listed.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn to_writer(
        writer: impl Write + Send + 'static,
        queue_bytes: usize,
    ) -> Result<Self, AccessLogError> {
        Self::start_output(Output::of_writer(Box::new(writer)), queue_bytes)
    }

    fn start_output(output: Output, queue_bytes: usize) -> Result<Self, AccessLogError> {
        let shards = thread::available_parallelism().map_or(1, usize::from);
        let queue = Arc::new(Queue::new(shards, queue_bytes));
        let (alive, ended) = mpsc::channel();
        let writer = Writer::new(Arc::clone(&queue), output);
        let handle = thread::Builder::new()
            .name("access-log".into())
            .spawn(move || {
                let _alive: mpsc::Sender<()> = alive;
                writer.run();
            })
            .map_err(AccessLogError::Thread)?;
        Ok(Self {
            queue,
            writer: handle.thread().clone(),
            ended: Mutex::new(ended),
        })
    }

    /// Write a line for the request. Never blocks on output; drops the line when there is no room.
    pub fn log(&self, record: &RequestRecord<'_>) {
        if self.queue.push(record) {
            self.writer.unpark();
        }
    }

    /// Open the file again, for log rotation by signal. Nothing for a stream.
    pub fn reopen(&self) {
        self.queue.request_reopen();
        self.writer.unpark();
    }

    /// Lines not written so far.
    pub fn lost_lines(&self) -> LostLines {
        self.queue.lost_lines()
    }

    /// Write what is queued and end the writer. False if it took longer than `deadline`, in which
    /// case what is left is lost. Lines logged afterwards are not written.
    pub fn close(&self, deadline: Duration) -> bool {
        self.queue.request_close();
        self.writer.unpark();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.recv_timeout(deadline) == Err(mpsc::RecvTimeoutError::Disconnected)
    }
}

impl Drop for AccessLog {
    /// Tells the writer to end after what is queued, without waiting for it.
    fn drop(&mut self) {
        self.queue.request_close();
        self.writer.unpark();
    }
}
