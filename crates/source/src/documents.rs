//! The documents of a file or of a directory and all below it.
//!
//! Hidden entries are not documents. That includes the `..data` link and the dated directories of a
//! mounted Kubernetes ConfigMap or Secret, whose files appear as links beside them; so links to
//! files and directories are followed, and a directory is entered once however many links lead to
//! it.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use manifests::Problem;

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
/// Bytes of a file; what is larger is no configuration.
const MAX_FILE: u64 = 32 << 20;
/// Files of a set.
const MAX_FILES: usize = 10_000;
/// Levels of directories.
const MAX_DEPTH: usize = 16;

/// What was read, and what could not be.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(crate) files: Vec<manifests::File>,
    /// The same files' paths, and those of files that could not be read.
    pub(crate) paths: Vec<PathBuf>,
    /// Directories that were entered.
    pub(crate) directories: Vec<PathBuf>,
    pub(crate) problems: Vec<Problem>,
}

/// Reads a file, or every document file of a directory, in the order of their paths.
pub(crate) fn read(root: &Path) -> Documents {
    let mut documents = Documents::default();
    match std::fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => {
            let mut entered = BTreeSet::new();
            documents.enter(root, 0, &mut entered);
            if documents.paths.is_empty() && documents.problems.is_empty() {
                let message = "the directory holds no *.yaml, *.yml or *.json file";
                documents.problem(root, message);
            }
        }
        Ok(_) => documents.paths.push(root.to_owned()),
        Err(error) => documents.problem(root, &format!("cannot be read: {error}")),
    }
    for path in documents.paths.clone() {
        match read_text(&path) {
            Ok(text) => documents
                .files
                .push(manifests::File::new(shown(&path), text)),
            Err(error) => documents.problem(&path, &format!("cannot be read: {error}")),
        }
    }
    documents
}

impl Documents {
    fn enter(&mut self, directory: &Path, depth: usize, entered: &mut BTreeSet<PathBuf>) {
        let entries = match entries(directory, entered) {
            Ok(Some(entries)) => entries,
            Ok(None) => return,
            Err(error) => return self.problem(directory, &format!("cannot be read: {error}")),
        };
        self.directories.push(directory.to_owned());
        for path in entries {
            // A link that leads nowhere is not a document; if it matters, its name says so.
            let kind = std::fs::metadata(&path);
            let is_document = has_extension(&path);
            match kind {
                Ok(kind) if kind.is_dir() && depth < MAX_DEPTH => {
                    self.enter(&path, depth + 1, entered);
                }
                Ok(kind) if kind.is_file() && is_document => self.add(path),
                Err(_) if is_document => self.add(path),
                _ => {}
            }
        }
    }

    fn add(&mut self, path: PathBuf) {
        match self.paths.len() {
            count if count < MAX_FILES => self.paths.push(path),
            MAX_FILES if self.problems.is_empty() => {
                self.problem(&path, &format!("there are more than {MAX_FILES} files"));
            }
            _ => {}
        }
    }

    fn problem(&mut self, path: &Path, message: &str) {
        self.problems.push(Problem::of_file(shown(path), message));
    }
}

/// What a directory shows, sorted; `None` if it was entered before.
fn entries(
    directory: &Path,
    entered: &mut BTreeSet<PathBuf>,
) -> io::Result<Option<BTreeSet<PathBuf>>> {
    if !entered.insert(directory.canonicalize()?) {
        return Ok(None);
    }
    let mut entries = BTreeSet::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            entries.insert(entry.path());
        }
    }
    Ok(Some(entries))
}

fn has_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}

fn read_text(path: &Path) -> io::Result<String> {
    // Not a pipe or a device, which would keep the reader waiting.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let mut text = String::new();
    File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        let message = format!("it is larger than {MAX_FILE} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
