//! Every interleaving of two threads that log and the one that writes: no line is left lying.

use super::*;
use crate::record::tests::bare_record;
use loom::{
    model::Builder,
    sync::Arc,
    thread::{self, Thread},
};

fn log(queue: &Queue, writer: &Thread) {
    if queue.push(&bare_record()) {
        writer.unpark();
    }
}

/// What the writer does, but that it rests until it is woken, however long.
fn write(queue: &Queue, lines: usize) {
    let (mut spare, mut written) = (Vec::new(), 0);
    while written < lines {
        let found = queue.sweep(&mut spare, |bytes| {
            written += bytes.iter().filter(|byte| **byte == b'\n').count();
        });
        if !found {
            thread::park();
        }
    }
}

#[test]
fn the_writer_is_woken_for_every_line() {
    let mut model = Builder::new();
    // Three threads meet in more ways than can be tried; faults show with far fewer switches.
    model.preemption_bound = Some(3);
    model.check(|| {
        let queue = Arc::new(Queue::new(1, 1 << 16));
        let writer = thread::spawn({
            let queue = Arc::clone(&queue);
            move || write(&queue, 2)
        });
        let other = thread::spawn({
            let (queue, writer) = (Arc::clone(&queue), writer.thread().clone());
            move || log(&queue, &writer)
        });
        log(&queue, writer.thread());
        other.join().unwrap();
        writer.join().unwrap();
        assert_eq!(queue.lost_lines(), LostLines::default());
    });
}

/// As [`Writer`](super::super::writer::Writer) does at its end.
#[test]
fn what_was_logged_before_the_close_is_written() {
    loom::model(|| {
        let queue = Arc::new(Queue::new(1, 1 << 16));
        let closer = thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                queue.push(&bare_record());
                queue.request_close();
            }
        });
        let (mut spare, mut written) = (Vec::new(), 0);
        loop {
            let closing = queue.is_closing();
            queue.sweep(&mut spare, |_| written += 1);
            if closing {
                break;
            }
            thread::yield_now();
        }
        assert_eq!(written, 1);
        closer.join().unwrap();
    });
}
