//! Where documents come from: files, directories, the environment.
//!
//! A [`Source`] is loaded as a whole or refused as a whole: documents are read, secrets resolved,
//! and a snapshot compiled, so that whoever receives one has nothing left to check. [`watch()`] keeps
//! a source loaded while its files change. What the documents mean is not known here.

mod defaults;
mod documents;
mod environment;
mod load;
mod references;
mod watch;

pub use environment::Environment;
pub use load::{LoadError, Loaded, Source};
pub use watch::{State, Watcher, watch};
