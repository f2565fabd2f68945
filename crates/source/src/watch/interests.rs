//! Which paths matter to a source.
//!
//! Every path is followed link by link, and each link counts: a Kubernetes volume is updated by
//! replacing the link `..data` that the links to the files lead through, which touches none of the
//! files' own paths. Directories are told apart by their real paths, as one directory reached by
//! two names is one to inotify.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::load::{Inputs, Source};

/// Links followed for one path at most.
const MAX_LINKS: usize = 16;

/// What to watch for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Interests {
    /// Files and links, by real directory and name.
    entries: BTreeSet<PathBuf>,
    /// Real directories in which everything counts.
    directories: BTreeSet<PathBuf>,
}

impl Interests {
    /// What the inputs were read from, and what could take its place.
    pub(super) fn of(source: &Source, inputs: &Inputs) -> Self {
        let mut interests = Self::default();
        let references = inputs.references.iter().map(Path::new);
        let files = inputs.files.iter().map(PathBuf::as_path);
        let directories = inputs.directories.iter().map(PathBuf::as_path);
        for path in source
            .path()
            .into_iter()
            .chain(files)
            .chain(directories)
            .chain(references)
        {
            if let Ok(path) = std::path::absolute(path) {
                interests.follow(&path, MAX_LINKS);
            }
        }
        let real = inputs
            .directories
            .iter()
            .filter_map(|path| path.canonicalize().ok());
        interests.directories.extend(real);
        interests
    }

    /// The directories that must be watched to see all of it.
    pub(super) fn watched(&self) -> BTreeSet<PathBuf> {
        let parents = self.entries.iter().filter_map(|path| path.parent());
        parents
            .map(Path::to_owned)
            .chain(self.directories.iter().cloned())
            .collect()
    }

    /// Whether a change of this path matters.
    pub(super) fn contain(&self, path: &Path) -> bool {
        let within = |directory| self.directories.contains(directory);
        self.entries.contains(path) || within(path) || path.parent().is_some_and(within)
    }

    /// Notes the path, or its nearest ancestor that could appear, and each link on the way to it.
    fn follow(&mut self, path: &Path, links: usize) {
        let real_entry =
            |path: &Path| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
        self.entries.extend(path.ancestors().find_map(real_entry));
        let Some(links) = links.checked_sub(1) else {
            return;
        };
        for ancestor in path.ancestors() {
            let (Ok(target), Some(parent)) = (ancestor.read_link(), ancestor.parent()) else {
                continue;
            };
            self.entries.extend(real_entry(ancestor));
            let target = parent.join(target);
            // Joining nothing would add a slash, and with it the link would not be seen as one.
            let target = match path.strip_prefix(ancestor) {
                Ok(rest) if !rest.as_os_str().is_empty() => target.join(rest),
                _ => target,
            };
            return self.follow(&target, links);
        }
    }
}
