use super::{AccessLog, AccessLogConfig, LogTarget, LostLines, queue::Queue};
use crate::record::tests::{bare_record, full_record, line};
use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// A writer into shared memory, which fails while `broken`.
#[derive(Clone, Default)]
struct Memory {
    bytes: Arc<Mutex<Vec<u8>>>,
    broken: Arc<AtomicBool>,
    /// Bytes taken by a write before it fails.
    torn_at: usize,
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = self.bytes.lock().unwrap();
        if self.broken.load(SeqCst) {
            if self.torn_at == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let part = &bytes[..self.torn_at];
            self.torn_at = 0;
            taken.extend_from_slice(part);
            return Ok(part.len());
        }
        taken.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Memory {
    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }
}

/// A writer that blocks in its first write until released.
struct Blocked {
    entered: mpsc::Sender<()>,
    release: mpsc::Receiver<()>,
}

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.entered.send(());
        let _ = self.release.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Wait until `condition` holds.
fn eventually(condition: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if condition() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("did not come to pass");
}

#[test]
fn every_line_of_every_thread_is_written_whole() {
    let memory = Memory::default();
    let log = Arc::new(AccessLog::to_writer(memory.clone(), 64 << 20).unwrap());
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let log = Arc::clone(&log);
            thread::spawn(move || (0..500).for_each(|_| log.log(&full_record())))
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert!(log.close(DEADLINE));
    let expected = line(&full_record());
    let text = memory.text();
    assert_eq!(text.lines().count(), 2_000);
    assert!(text.lines().all(|line| line == expected));
    assert_eq!(log.lost_lines(), LostLines::default());
}

#[test]
fn only_the_first_line_after_a_sweep_wakes_the_writer() {
    let queue = Queue::new(1, 1 << 20);
    let mut spare = Vec::new();
    let mut lines = 0;
    for _ in 0..2 {
        assert!(queue.push(&bare_record()));
        assert!(!queue.push(&bare_record()));
        assert!(queue.sweep(&mut spare, |text| lines +=
            text.iter().filter(|b| **b == b'\n').count()));
    }
    assert!(!queue.sweep(&mut spare, |_| unreachable!()));
    assert_eq!(lines, 4);
}

#[test]
fn what_does_not_fit_leaves_whole_lines() {
    let line = line(&bare_record()) + "\n";
    let queue = Queue::new(1, 3 * line.len() - 1);
    for _ in 0..5 {
        queue.push(&bare_record());
    }
    let mut text = Vec::new();
    queue.sweep(&mut Vec::new(), |lines| text.extend_from_slice(lines));
    assert_eq!(String::from_utf8(text).unwrap(), line.repeat(2));
    assert_eq!(
        queue.lost_lines(),
        LostLines {
            queue_full: 3,
            write_failed: 0
        }
    );
}

#[test]
fn a_lone_line_is_written_without_another() {
    let memory = Memory::default();
    let log = AccessLog::to_writer(memory.clone(), 1 << 20).unwrap();
    log.log(&bare_record());
    eventually(|| memory.text().ends_with('\n'));
}

#[test]
fn a_blocked_writer_blocks_nobody_and_drops_are_counted() {
    let (entered, has_entered) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let log = AccessLog::to_writer(
        Blocked {
            entered,
            release: released,
        },
        1 << 20,
    )
    .unwrap();
    log.log(&bare_record());
    has_entered.recv().unwrap();

    let line = line(&bare_record()).len() as u64 + 1;
    let shards = thread::available_parallelism().unwrap().get() as u64;
    let room = (1 << 20) / shards / line;
    (0..room + 10).for_each(|_| log.log(&bare_record()));
    assert_eq!(
        log.lost_lines(),
        LostLines {
            queue_full: 10,
            write_failed: 0
        }
    );
    assert!(!log.close(Duration::from_millis(1)));

    drop(release);
    assert!(log.close(DEADLINE));
}

#[test]
fn a_full_disk_is_counted_and_survived() {
    let memory = Memory {
        torn_at: 10,
        ..Memory::default()
    };
    memory.broken.store(true, SeqCst);
    let log = AccessLog::to_writer(memory.clone(), 1 << 20).unwrap();
    log.log(&bare_record());
    eventually(|| log.lost_lines().write_failed == 1);
    log.log(&bare_record());
    eventually(|| log.lost_lines().write_failed == 2);

    memory.broken.store(false, SeqCst);
    log.log(&bare_record());
    assert!(log.close(DEADLINE));
    let line = line(&bare_record());
    assert_eq!(memory.text(), format!("{}\n{line}\n", &line[..10]));
    assert_eq!(
        log.lost_lines(),
        LostLines {
            queue_full: 0,
            write_failed: 2
        }
    );
}

#[test]
fn a_broken_pipe_is_counted_and_survived() {
    let (mut reader, writer) = io::pipe().unwrap();
    let log = AccessLog::to_writer(writer, 1 << 20).unwrap();
    log.log(&bare_record());
    reader.read_exact(&mut [0; 10]).unwrap();
    drop(reader);
    log.log(&bare_record());
    eventually(|| log.lost_lines().write_failed == 1);
    assert!(log.close(DEADLINE));
}

fn file_log(path: &Path) -> AccessLog {
    let target = LogTarget::File(path.to_owned());
    AccessLog::start(&AccessLogConfig {
        target,
        queue_bytes: 1 << 20,
    })
    .unwrap()
}

fn line_count(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

#[test]
fn a_file_is_appended_to() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    for lines in [1, 2] {
        let log = file_log(&path);
        log.log(&bare_record());
        assert!(log.close(DEADLINE));
        assert_eq!(line_count(&path), lines);
    }
}

#[test]
fn a_renamed_file_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let (path, old) = (
        directory.path().join("access.log"),
        directory.path().join("old"),
    );
    let log = file_log(&path);
    log.log(&bare_record());
    eventually(|| line_count(&path) == 1);
    fs::rename(&path, &old).unwrap();
    log.reopen();
    eventually(|| path.exists());
    log.log(&bare_record());
    eventually(|| line_count(&path) == 1);
    assert_eq!(line_count(&old), 1);
}

#[test]
fn a_removed_or_replaced_file_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let (path, new) = (
        directory.path().join("access.log"),
        directory.path().join("new"),
    );
    let log = file_log(&path);
    fs::remove_file(&path).unwrap();
    eventually(|| path.exists());
    fs::write(&new, "").unwrap();
    fs::rename(&new, &path).unwrap();
    eventually(|| {
        log.log(&bare_record());
        line_count(&path) > 0
    });
}

#[test]
fn a_target_that_cannot_be_opened_is_an_error_with_its_name() {
    let target = LogTarget::File("/nonexistent/access.log".into());
    let error = AccessLog::start(&AccessLogConfig {
        target,
        queue_bytes: 1,
    })
    .unwrap_err();
    assert!(
        error.to_string().contains("/nonexistent/access.log"),
        "{error}"
    );
}
