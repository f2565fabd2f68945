//! How entries are filed: by host, then path, then exact model, then the value of one header.
//!
//! A request looks into at most one file per way its host and path can match, the more specific
//! first, so the first file with a fit has the answer. Files hold *ranks*: indices into the
//! entries, which are sorted by precedence. What no file separates (prefixes, globs and regular
//! expressions of models and headers, query parameters) is tried one by one.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::FixedState;
use http::{HeaderName, Method};

use crate::snapshot::condition::{
    Conditions, HashMap, HeaderCondition, ModelCondition, PathCondition, QueryCondition, Text,
    joined_header,
};
use crate::snapshot::rule::RuleKind;
use crate::snapshot::syntax::Hostname;

use super::{Entry, Head};

/// Index of an entry: less is of higher precedence.
type Rank = u32;

#[derive(Debug, Default)]
pub(super) struct Index {
    exact: HashMap<Box<str>, Paths>,
    wildcards: HashMap<Box<str>, Paths>,
    any: Paths,
}

/// All that an entry asks for besides the model.
#[derive(PartialEq, Eq, Hash)]
struct Gate<'a> {
    hostname: Option<&'a Hostname>,
    path: &'a PathCondition,
    method: Option<&'a Method>,
    headers: &'a [HeaderCondition],
    query: &'a [QueryCondition],
    kind: RuleKind,
}

impl<'a> Gate<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            hostname: entry.hostname.as_ref(),
            path: &entry.conditions.path,
            method: entry.conditions.method.as_ref(),
            headers: &entry.conditions.headers,
            query: &entry.conditions.query,
            kind: entry.rule.kind,
        }
    }
}

/// Longest host name there is (RFC 1035); a longer one is looked up under "any" only.
const MAX_HOST: usize = 253;

impl Index {
    #[expect(
        clippy::mutable_key_type,
        reason = "a pattern is compared and hashed by its source"
    )]
    pub(super) fn build(entries: &[Entry]) -> Self {
        let mut index = Self::default();
        let mut gates = HashSet::with_hasher(FixedState::default());
        for (rank, entry) in (0..).zip(entries) {
            let is_gate = entry.conditions.model.is_some() && gates.insert(Gate::of(entry));
            let paths = match &entry.hostname {
                Some(Hostname::Exact(host)) => index.exact.entry(host.clone()).or_default(),
                Some(Hostname::Wildcard(domain)) => {
                    index.wildcards.entry(domain.clone()).or_default()
                }
                None => &mut index.any,
            };
            paths.insert(rank, entry, is_gate);
        }
        index
    }

    /// The first answer of `probe` over the files that fit the host and path of `head`, the most
    /// specific first.
    pub(super) fn search<T>(
        &self,
        head: &Head<'_>,
        mut probe: impl FnMut(&Bucket) -> Option<T>,
    ) -> Option<T> {
        let host = normalised_host(head.host);
        if (self.exact.is_empty() && self.wildcards.is_empty()) || host.len() > MAX_HOST {
            return self.any.search(head.path, &mut probe);
        }
        let exact = self
            .exact
            .get(&*host)
            .and_then(|paths| paths.search(head.path, &mut probe));
        exact
            .or_else(|| {
                let domains = parent_domains(&host).filter_map(|domain| self.wildcards.get(domain));
                domains
                    .into_iter()
                    .find_map(|paths| paths.search(head.path, &mut probe))
            })
            .or_else(|| self.any.search(head.path, &mut probe))
    }
}

/// In lower case, without the dot that a fully qualified name may end with.
fn normalised_host(host: &str) -> Cow<'_, str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    match host.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => Cow::Borrowed(host),
    }
}

/// The domains that `host` is a subdomain of, the longest first.
fn parent_domains(host: &str) -> impl Iterator<Item = &str> {
    memchr::memchr_iter(b'.', host.as_bytes())
        .filter(|at| *at > 0)
        .filter_map(|at| host.get(at + 1..))
}

/// Whether a request for `host` is one for `hostname`.
pub(super) fn host_fits(hostname: Option<&Hostname>, host: &str) -> bool {
    let host = normalised_host(host);
    match hostname {
        None => true,
        Some(_) if host.len() > MAX_HOST => false,
        Some(Hostname::Exact(exact)) => *host == **exact,
        Some(Hostname::Wildcard(domain)) => parent_domains(&host).any(|of| *of == **domain),
    }
}

/// Entries by path.
#[derive(Debug, Default)]
struct Paths {
    exact: HashMap<Box<str>, Bucket>,
    prefixes: HashMap<Box<str>, Bucket>,
    longest_prefix: usize,
    regexes: Bucket,
    any: Bucket,
}

impl Paths {
    fn insert(&mut self, rank: Rank, entry: &Entry, is_gate: bool) {
        let bucket = match &entry.conditions.path {
            PathCondition::Exact(path) => self.exact.entry(path.clone()).or_default(),
            PathCondition::Prefix(prefix) if prefix.is_empty() => &mut self.any,
            PathCondition::Prefix(prefix) => {
                self.longest_prefix = self.longest_prefix.max(prefix.len());
                self.prefixes.entry(prefix.clone()).or_default()
            }
            PathCondition::Regex(_) => &mut self.regexes,
        };
        bucket.insert(rank, &entry.conditions, is_gate);
    }

    fn search<T>(&self, path: &str, probe: &mut impl FnMut(&Bucket) -> Option<T>) -> Option<T> {
        if let Some(found) = self.exact.get(path).and_then(&mut *probe) {
            return Some(found);
        }
        for prefix in path_prefixes(path, self.longest_prefix) {
            if let Some(found) = self.prefixes.get(prefix).and_then(&mut *probe) {
                return Some(found);
            }
        }
        probe(&self.regexes).or_else(|| probe(&self.any))
    }
}

/// The prefixes of `path` that end where one of its elements does, of at most `longest` bytes, the
/// longest first; none is empty.
fn path_prefixes(path: &str, longest: usize) -> impl Iterator<Item = &str> {
    let whole = (path.len() <= longest).then_some(path);
    // An element ends before a slash: a slash at `longest` still ends a prefix of that length.
    let window = path
        .as_bytes()
        .get(..path.len().min(longest + 1))
        .unwrap_or_default();
    let shorter = memchr::memrchr_iter(b'/', window).filter_map(|end| path.get(..end));
    whole
        .into_iter()
        .chain(shorter)
        .filter(|prefix| !prefix.is_empty())
}

/// Entries that host and path do not tell apart.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    by_model: HashMap<Arc<str>, ByHeader>,
    /// Entries for any model.
    any_model: ByHeader,
    /// Entries for models by prefix, glob or regular expression.
    some_models: ByHeader,
    /// Of the entries that ask for a model, the first of each set of other conditions: enough to
    /// tell whether the model matters.
    gates: ByHeader,
}

impl Bucket {
    fn insert(&mut self, rank: Rank, conditions: &Conditions, is_gate: bool) {
        let file = match &conditions.model {
            None => &mut self.any_model,
            Some(ModelCondition::Exact(model)) => {
                self.by_model.entry(Arc::clone(model)).or_default()
            }
            Some(_) => &mut self.some_models,
        };
        file.insert(rank, conditions);
        if is_gate {
            self.gates.insert(rank, conditions);
        }
    }

    /// The first entry that a request for `model` fits.
    pub(super) fn best(
        &self,
        entries: &[Entry],
        head: &Head<'_>,
        model: Option<&str>,
    ) -> Option<Rank> {
        let Some(model) = model else {
            return self.best_for_any_model(entries, head);
        };
        let fits = |entry: &Entry| entry.fits_details(head);
        let fits_model =
            |entry: &Entry| entry.conditions.fits_model(Some(model)) && entry.fits_details(head);
        let exact = self
            .by_model
            .get(model)
            .and_then(|file| file.first(entries, head, None, fits));
        let some = self.some_models.first(entries, head, exact, fits_model);
        self.any_model.first(entries, head, some, fits)
    }

    /// The first entry that a request fits whatever its model.
    pub(super) fn best_for_any_model(&self, entries: &[Entry], head: &Head<'_>) -> Option<Rank> {
        self.any_model
            .first(entries, head, None, |entry| entry.fits_details(head))
    }

    /// The first entry that a request fits if it asks for the right model.
    pub(super) fn best_for_some_model(&self, entries: &[Entry], head: &Head<'_>) -> Option<Rank> {
        self.gates
            .first(entries, head, None, |entry| entry.fits_details(head))
    }
}

type ByValue = HashMap<Box<str>, Vec<Rank>>;

/// Entries by the exact value of one of the headers they ask for.
#[derive(Debug, Default)]
struct ByHeader {
    headers: Vec<(HeaderName, ByValue)>,
    others: Vec<Rank>,
}

impl ByHeader {
    /// Ranks must come in ascending order.
    fn insert(&mut self, rank: Rank, conditions: &Conditions) {
        let exact = |header: &'_ _| match header {
            HeaderCondition {
                name,
                value: Text::Exact(value),
            } => Some((name.clone(), value.clone())),
            HeaderCondition {
                value: Text::Regex(_),
                ..
            } => None,
        };
        match conditions.headers.iter().find_map(exact) {
            Some((name, value)) => self.values_of(name).entry(value).or_default().push(rank),
            None => self.others.push(rank),
        }
    }

    fn values_of(&mut self, name: HeaderName) -> &mut ByValue {
        let known = self.headers.iter().position(|(other, _)| *other == name);
        let index = known.unwrap_or_else(|| {
            self.headers.push((name, HashMap::default()));
            self.headers.len() - 1
        });
        &mut self.headers[index].1
    }

    /// The first entry that `fits`, or `bound` if that comes first.
    fn first(
        &self,
        entries: &[Entry],
        head: &Head<'_>,
        bound: Option<Rank>,
        fits: impl Fn(&Entry) -> bool,
    ) -> Option<Rank> {
        let fits = |rank: &Rank| entries.get(*rank as usize).is_some_and(&fits);
        let first = |best: Option<Rank>, ranks: &[Rank]| {
            let before = ranks
                .iter()
                .copied()
                .take_while(|rank| best.is_none_or(|best| *rank < best));
            { before }.find(fits).or(best)
        };
        let best = self.headers.iter().fold(bound, |best, (name, values)| {
            let value = joined_header(head.headers, name);
            match value.and_then(|value| values.get(&*value)) {
                Some(ranks) => first(best, ranks),
                None => best,
            }
        });
        first(best, &self.others)
    }
}
