//! The kernel's notifications, reduced to "look again" and "wait, it is still being written".

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::interests::Interests;

/// Quiet time after which a change is complete: editors and `kubectl` do several steps at once.
const QUIET: Duration = Duration::from_millis(25);
/// The same while a file is open for writing; its closing ends it.
const WRITING: Duration = Duration::from_millis(500);
/// Time after which a change is looked at although it does not come to rest.
pub(super) const LONGEST: Duration = Duration::from_secs(2);
/// Notifications that may wait; one alone makes the whole set be read, so more may be lost.
const CAPACITY: usize = 1024;

/// What one notification is about.
#[derive(Debug)]
struct Change {
    paths: Vec<PathBuf>,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Content changes and the file is still open.
    Writing,
    /// A change is complete.
    Done,
}

/// A stream of relevant changes.
#[derive(Debug)]
pub(super) struct Events {
    /// `None` where the system has no notifications to give; then only polling is left.
    watcher: Option<RecommendedWatcher>,
    changes: mpsc::Receiver<Change>,
    interests: Interests,
    watched: BTreeSet<PathBuf>,
    writing: BTreeSet<PathBuf>,
}

impl Events {
    pub(super) fn new() -> Self {
        let (sender, changes) = mpsc::channel(CAPACITY);
        let forward = move |event: notify::Result<Event>| {
            let change = event.map_or_else(|_| Some(anything()), change);
            // A full channel holds enough reasons to look again.
            change.map(|change| sender.try_send(change).ok());
        };
        let watcher = notify::recommended_watcher(forward)
            .inspect_err(|error| tracing::warn!(%error, "no notifications of file changes"))
            .ok();
        let (interests, watched, writing) = Default::default();
        Self {
            watcher,
            changes,
            interests,
            watched,
            writing,
        }
    }

    /// Watches for these from now on. Whether that took anything new to be watched.
    pub(super) fn watch(&mut self, interests: &Interests) -> bool {
        let wanted = interests.watched();
        let grown = !wanted.is_subset(&self.watched);
        if let Some(watcher) = &mut self.watcher {
            for gone in self.watched.difference(&wanted) {
                // It may be gone from the disk, and its watch with it.
                let _ = watcher.unwatch(gone);
            }
            // Those that are watched too: a directory may have been replaced by another.
            for path in &wanted {
                if let Err(error) = watcher.watch(path, RecursiveMode::NonRecursive) {
                    tracing::debug!(path = %path.display(), %error, "directory not watched");
                }
            }
        }
        self.interests = interests.clone();
        self.watched = wanted;
        grown
    }

    /// Waits for a change that matters. Can be cancelled without losing one.
    pub(super) async fn next(&mut self) {
        while let Some(change) = self.changes.recv().await {
            if self.note(change) {
                return;
            }
        }
        // Nobody notifies: only the poll is left.
        std::future::pending().await
    }

    /// Waits until nothing that matters has changed for a moment.
    pub(super) async fn settle(&mut self) {
        let latest = Instant::now() + LONGEST;
        let mut until = self.rest().min(latest);
        // A notification that waits already goes before a deadline that has passed, and there may
        // be no end of them: a log in the same directory is enough.
        while Instant::now() < until
            && let Ok(Some(change)) = timeout_at(until, self.changes.recv()).await
        {
            if self.note(change) {
                until = self.rest().min(latest);
            }
        }
        self.writing.clear();
    }

    /// When the change will have come to rest, if nothing more happens.
    fn rest(&self) -> Instant {
        Instant::now()
            + if self.writing.is_empty() {
                QUIET
            } else {
                WRITING
            }
    }

    /// Keeps account of the files being written. Whether the change matters.
    fn note(&mut self, change: Change) -> bool {
        let Change { paths, step } = change;
        let matters = paths.is_empty() || paths.iter().any(|path| self.interests.contain(path));
        for path in paths.into_iter().filter(|_| matters) {
            match step {
                Step::Writing => self.writing.insert(path),
                Step::Done => self.writing.remove(&path),
            };
        }
        matters
    }
}

/// A change of who knows what: notifications were lost.
fn anything() -> Change {
    Change {
        paths: Vec::new(),
        step: Step::Done,
    }
}

/// `None` for notifications of mere reading, which loading itself causes.
fn change(event: Event) -> Option<Change> {
    let step = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Step::Done,
        EventKind::Access(_) => return None,
        // Only Linux tells when the writer closes the file.
        EventKind::Modify(ModifyKind::Data(_)) if cfg!(target_os = "linux") => Step::Writing,
        _ => Step::Done,
    };
    Some(Change {
        paths: event.paths,
        step,
    })
}
