//! One load of a source: everything or nothing.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use manifests::Problem;
use mesh::{Kind, Resources, SecretRef, Snapshot, Violation};
use xxhash_rust::xxh3::Xxh3;

use crate::defaults;
use crate::documents::{self, Documents};
use crate::environment::Environment;
use crate::references::{self, Contents};

/// Problems that one rendering of a [`LoadError`] tells at most.
const MAX_TOLD: usize = 50;

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub struct Source {
    place: Place,
    environment: Environment,
}

#[derive(Debug, Clone)]
enum Place {
    Path(PathBuf),
    Environment { port: u16 },
}

/// A configuration that is valid as a whole.
#[derive(Debug)]
pub struct Loaded {
    /// What the data plane runs on.
    pub snapshot: Arc<Snapshot>,
    /// XXH3 of the documents, without the secrets they refer to: equal on all replicas that read
    /// the same documents.
    pub hash: u64,
    /// Files the documents were read from.
    pub files: usize,
    /// When it was loaded.
    pub at: SystemTime,
}

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for LoadError {
    /// The problems, one after another, each of several lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(MAX_TOLD).enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{problem}")?;
        }
        match self.problems.len().saturating_sub(MAX_TOLD) {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more problems"),
        }
    }
}

impl std::error::Error for LoadError {}

/// A load with what must be watched to know when to repeat it.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) result: Result<Loaded, LoadError>,
    pub(crate) inputs: Inputs,
    /// What the result was made from. Of no more use, but it takes so long to free that it must not
    /// stand between a valid set and its taking effect.
    pub(crate) remains: Option<Box<manifests::Read>>,
}

/// What a load has read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inputs {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) directories: Vec<PathBuf>,
    /// Files that the documents refer to; of documents that cannot be read, those of the last that
    /// could.
    pub(crate) references: BTreeSet<String>,
    /// Changes with every byte of any of these.
    pub(crate) fingerprint: u64,
}

impl Source {
    /// A file, or a directory with all document files below it.
    pub fn open(path: impl Into<PathBuf>, environment: Environment) -> Self {
        Self {
            place: Place::Path(path.into()),
            environment,
        }
    }

    /// The providers whose API keys are in the environment, on this port of loopback.
    pub fn from_environment(environment: Environment, port: u16) -> Self {
        Self {
            place: Place::Environment { port },
            environment,
        }
    }

    /// The file or directory, unless the environment is the source.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Path(path) => Some(path),
            Place::Environment { .. } => None,
        }
    }

    /// Reads documents and secrets and compiles them. Blocks on files.
    ///
    /// # Errors
    /// Every problem of every document.
    pub fn load(&self) -> Result<Loaded, LoadError> {
        self.attempt(&BTreeSet::new()).result
    }

    /// `known` are the files that the documents of the load before referred to.
    pub(crate) fn attempt(&self, known: &BTreeSet<String>) -> Attempt {
        match &self.place {
            Place::Path(path) => self.attempt_documents(documents::read(path), known),
            Place::Environment { port } => Attempt {
                result: self.load_defaults(*port),
                inputs: Inputs::default(),
                remains: None,
            },
        }
    }

    /// What [`Inputs::fingerprint`] would be now.
    pub(crate) fn fingerprint(&self, references: &BTreeSet<String>) -> u64 {
        match &self.place {
            Place::Path(path) => fingerprint(&documents::read(path), &references::read(references)),
            Place::Environment { .. } => 0,
        }
    }

    fn attempt_documents(&self, documents: Documents, known: &BTreeSet<String>) -> Attempt {
        let read = read_documents(&documents);
        let references = match &read {
            Ok(read) => manifests::referenced_files(&read.resources),
            Err(_) => known.clone(),
        };
        let contents = references::read(&references);
        let fingerprint = fingerprint(&documents, &contents);
        let (result, remains) = match read {
            Ok(read) => {
                let origins = |violation: &Violation| read.origins.locate(violation);
                let snapshot = self.compile(&read.resources, &contents, origins);
                let files = documents.files.len();
                let result = snapshot.map(|snapshot| loaded(snapshot, hash(&documents), files));
                (result, Some(Box::new(read)))
            }
            Err(problems) => (Err(problems), None),
        };
        let Documents {
            paths: files,
            directories,
            ..
        } = documents;
        let inputs = Inputs {
            files,
            directories,
            references,
            fingerprint,
        };
        Attempt {
            result: result.map_err(|problems| LoadError { problems }),
            inputs,
            remains,
        }
    }

    fn load_defaults(&self, port: u16) -> Result<Loaded, LoadError> {
        let defaults = defaults::resources(&self.environment, port)?;
        defaults
            .notes
            .iter()
            .for_each(|note| tracing::warn!("{note}"));
        let origin = |violation: &Violation| Problem::of_file("environment", violation.to_string());
        let snapshot = self.compile(&defaults.resources, &Contents::new(), origin);
        let snapshot = snapshot.map_err(|problems| LoadError { problems })?;
        Ok(loaded(snapshot, 0, 0))
    }

    fn compile(
        &self,
        resources: &Resources,
        contents: &Contents,
        locate: impl Fn(&Violation) -> Problem,
    ) -> Result<Snapshot, Vec<Problem>> {
        let wanted = manifests::secret_refs(resources);
        let (secrets, unresolved) = references::resolve(wanted, &self.environment, contents);
        Snapshot::compile(resources, &secrets).map_err(|violations| {
            let problem = |violation: &Violation| {
                let problem = locate(violation);
                match reason(violation, resources, &unresolved) {
                    Some(reason) => problem.with_help(reason),
                    None => problem,
                }
            };
            violations.iter().map(problem).collect()
        })
    }
}

fn read_documents(documents: &Documents) -> Result<manifests::Read, Vec<Problem>> {
    let read = manifests::read(&documents.files);
    match read {
        Ok(_) if !documents.problems.is_empty() => Err(documents.problems.clone()),
        Ok(read) if is_empty(&read.resources) => Err(vec![nothing_in(documents)]),
        Ok(read) => Ok(read),
        Err(problems) => Err([documents.problems.clone(), problems].concat()),
    }
}

/// A file that is being rewritten is empty for a moment: that must never empty a running mesh.
fn is_empty(resources: &Resources) -> bool {
    let Resources {
        listeners,
        providers,
        pools,
        routes,
    } = resources;
    listeners.is_empty() && providers.is_empty() && pools.is_empty() && routes.is_empty()
}

fn nothing_in(documents: &Documents) -> Problem {
    let files: Vec<&str> = documents.files.iter().map(|file| &*file.name).collect();
    Problem::of_file(files.join(", "), "there is no resource in it")
        .with_help("begin with a provider: `providers: [{name: openai, apiKey: …}]`")
}

/// Why the secret that a violation is about could not be had, if it is about one.
fn reason(
    violation: &Violation,
    resources: &Resources,
    unresolved: &BTreeMap<SecretRef, String>,
) -> Option<String> {
    let index = violation.resource.index;
    let (api_key, auth) = match violation.resource.kind {
        Kind::Provider => {
            let provider = &resources.providers.get(index)?.spec;
            (provider.api_key(), provider.auth.as_ref())
        }
        Kind::Pool => (resources.pools.get(index)?.spec.api_key.clone(), None),
        Kind::Listener | Kind::Route => return None,
    };
    let reference = match violation.path.strip_prefix("auth.") {
        Some(path) => auth?.secret_refs().find(|(at, _)| *at == path)?.1,
        None => &api_key.filter(|_| violation.path == "apiKey")?,
    };
    unresolved.get(reference).cloned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where this crate reads the time"
)]
fn loaded(snapshot: Snapshot, hash: u64, files: usize) -> Loaded {
    Loaded {
        snapshot: Arc::new(snapshot),
        hash,
        files,
        at: SystemTime::now(),
    }
}

fn hash(documents: &Documents) -> u64 {
    let mut hasher = Xxh3::new();
    documents
        .files
        .iter()
        .for_each(|file| write(&mut hasher, file.text.as_bytes()));
    hasher.finish()
}

fn fingerprint(documents: &Documents, contents: &Contents) -> u64 {
    let mut hasher = Xxh3::new();
    for file in &documents.files {
        write(&mut hasher, file.name.as_bytes());
        write(&mut hasher, file.text.as_bytes());
    }
    for problem in &documents.problems {
        write(&mut hasher, problem.to_string().as_bytes());
    }
    for (path, content) in contents {
        write(&mut hasher, path.as_bytes());
        match content {
            Ok(bytes) => write(&mut hasher, bytes),
            Err(error) => write(&mut hasher, error.as_bytes()),
        }
    }
    hasher.finish()
}

/// With its length, so that bytes cannot move from one part to the next unseen.
fn write(hasher: &mut Xxh3, bytes: &[u8]) {
    hasher.write_usize(bytes.len());
    hasher.write(bytes);
}
