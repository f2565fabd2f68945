//! From documents to mesh resources, with errors that point at the line.
//!
//! Pure: it is given texts and gives back resources, or every problem of every file at once, so
//! that one run of a check mends a whole directory. The steps are one module each: `tree` reads
//! YAML into nodes with positions, `front` knows which documents there are, `de` turns nodes into
//! `mesh` types. The nodes are kept in [`Origins`], so that what `mesh` finds later points at a
//! line too.

mod de;
mod front;
mod mask;
mod origins;
mod problem;
mod references;
mod suggest;
#[cfg(test)]
mod tests;
mod text;
mod tree;

use std::sync::Arc;

use mesh::Resources;

pub use origins::Origins;
pub use problem::{Place, Problem, Related};
pub use references::{referenced_files, secret_refs};

/// A file with any number of YAML (or JSON) documents.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// What the operator calls it.
    pub name: Arc<str>,
    /// Its content.
    pub text: Arc<str>,
}

/// Without the content, which may have secrets in it.
impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File")
            .field("name", &self.name)
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

impl File {
    /// A file of this name and content.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }
}

/// What a set of files says.
#[derive(Debug)]
pub struct Read {
    /// The resources, in the order of files and documents.
    pub resources: Resources,
    /// Where each of them is written.
    pub origins: Origins,
}

/// Reads all documents of all files.
///
/// # Errors
/// Every problem found, in the order of the text. Resources are not checked against each other:
/// that is `mesh::Snapshot::compile`'s part.
pub fn read(files: &[File]) -> Result<Read, Vec<Problem>> {
    let mut reader = front::Reader::default();
    let mut problems = Vec::new();
    for file in files {
        let text = file
            .text
            .strip_prefix('\u{feff}')
            .map_or_else(|| file.text.clone(), Arc::from);
        let parsed = tree::parse(&text);
        let mut faults = parsed.faults;
        reader.begin(text::Text::new(file.name.clone(), text));
        for document in parsed.documents {
            reader.document(document, &mut faults);
        }
        faults.sort_by_key(|fault| fault.span.map(|span| span.start));
        problems.extend(faults.into_iter().map(|fault| reader.problem(fault)));
    }
    if problems.is_empty() {
        Ok(reader.finish())
    } else {
        Err(problems)
    }
}
