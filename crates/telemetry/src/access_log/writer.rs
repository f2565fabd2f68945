//! The thread that writes.
//!
//! At rest it is parked and the first line wakes it, so a lone line is written at once. While lines
//! come it sweeps the shards every few milliseconds instead of being woken for each, which makes the
//! cost per line under load a memory copy.

use super::{
    output::{Output, WriteFailure},
    queue::Queue,
};
use std::{sync::Arc, thread, time::Duration};

/// Pause between two sweeps while lines come.
const BATCH: Duration = Duration::from_millis(5);

/// Longest rest.
const REST: Duration = Duration::from_secs(1);

/// Sweeps between two looks at whether the file was renamed: a second under load.
const SWEEPS_PER_CHECK: u32 = 200;

/// A buffer that grew beyond this in a burst is given back.
const KEPT_CAPACITY: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Writer {
    queue: Arc<Queue>,
    sink: Sink,
    spare: Vec<u8>,
}

impl Writer {
    pub(super) fn new(queue: Arc<Queue>, output: Output) -> Self {
        Self {
            queue,
            sink: Sink::new(output),
            spare: Vec::new(),
        }
    }

    /// Write until told to close and nothing is left.
    pub(super) fn run(mut self) {
        let mut sweeps_since_check = 0;
        loop {
            // Read before the sweep: lines queued before the request to close are then written.
            let closing = self.queue.is_closing();
            let found = self.sweep();
            if closing {
                return;
            }
            sweeps_since_check += 1;
            if self.queue.take_reopen_request() {
                self.sink.reopen();
            } else if !found || sweeps_since_check >= SWEEPS_PER_CHECK {
                sweeps_since_check = 0;
                self.sink.reopen_if_moved();
            }
            if found {
                thread::sleep(BATCH)
            } else {
                thread::park_timeout(REST)
            }
        }
    }

    fn sweep(&mut self) -> bool {
        let Self { queue, sink, spare } = self;
        let found = queue.sweep(spare, |lines| queue.count_write_failed(sink.write(lines)));
        if spare.capacity() > KEPT_CAPACITY {
            *spare = Vec::new();
        }
        found
    }
}

/// The output and the state of its failure, if it fails.
#[derive(Debug)]
struct Sink {
    output: Output,
    /// Lines lost since the output began to fail; zero while it works.
    failed_lines: u64,
    /// Whether the last line was written only in part, so that the next needs a new line first.
    torn: bool,
    /// Whether opening the file again has failed, and has been said.
    stale: bool,
}

impl Sink {
    fn new(output: Output) -> Self {
        Self {
            output,
            failed_lines: 0,
            torn: false,
            stale: false,
        }
    }

    /// Write the lines; the number of those that were lost.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if self.torn {
            if self.output.write(b"\n").is_err() {
                return self.lose(lines);
            }
            self.torn = false;
        }
        match self.output.write(lines) {
            Ok(()) => {
                self.recovered();
                0
            }
            Err(failure) => self.failed(lines, &failure),
        }
    }

    fn failed(&mut self, lines: &[u8], failure: &WriteFailure) -> u64 {
        let (written, rest) = lines.split_at(failure.written.min(lines.len()));
        self.torn |= written.last().is_some_and(|byte| *byte != b'\n');
        if self.failed_lines == 0 {
            tracing::error!(
                error = %failure.error,
                "cannot write the access log: lines are dropped and counted until it works again"
            );
        }
        self.lose(rest)
    }

    fn lose(&mut self, lines: &[u8]) -> u64 {
        let lost = memchr::memchr_iter(b'\n', lines).count() as u64;
        self.failed_lines += lost;
        lost
    }

    fn recovered(&mut self) {
        if self.failed_lines > 0 {
            tracing::warn!(
                lost = self.failed_lines,
                "the access log can be written again"
            );
            self.failed_lines = 0;
        }
    }

    fn reopen_if_moved(&mut self) {
        if self.output.was_moved() {
            self.reopen();
        }
    }

    fn reopen(&mut self) {
        match self.output.reopen() {
            Ok(()) => {
                self.torn = false;
                self.stale = false;
            }
            Err(error) if !self.stale => {
                self.stale = true;
                tracing::error!(%error, "cannot open the access log again: the old file stays in use");
            }
            Err(_) => {}
        }
    }
}
