//! Conditions of a match, compiled.
//!
//! Regular expressions and globs fit as a whole; equal ones are compiled once per snapshot, since
//! compiling costs thousands of times what a match does.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;
use globset::{GlobBuilder, GlobMatcher};
use http::{HeaderMap, HeaderName, Method};
use regex::{Regex, RegexBuilder};

use super::Head;

pub(super) type HashMap<K, V> = std::collections::HashMap<K, V, FixedState>;

/// What a request must fit, its host aside.
#[derive(Debug)]
pub(super) struct Conditions {
    pub(super) path: PathCondition,
    pub(super) method: Option<Method>,
    pub(super) headers: Vec<HeaderCondition>,
    pub(super) query: Vec<QueryCondition>,
    pub(super) model: Option<ModelCondition>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum PathCondition {
    Exact(Box<str>),
    /// Without a slash at its end, thus empty for any path.
    Prefix(Box<str>),
    Regex(Pattern),
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Text {
    Exact(Box<str>),
    Regex(Pattern),
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct HeaderCondition {
    pub(super) name: HeaderName,
    pub(super) value: Text,
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct QueryCondition {
    pub(super) name: Box<str>,
    pub(super) value: Text,
}

#[derive(Debug)]
pub(super) enum ModelCondition {
    Exact(Arc<str>),
    Prefix(Box<str>),
    Glob(Arc<GlobMatcher>),
    Regex(Pattern),
}

/// A regular expression that must fit the whole text.
#[derive(Clone)]
pub(super) struct Pattern {
    source: Box<str>,
    whole: Arc<Regex>,
}

impl Pattern {
    pub(super) fn fits(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Text {
    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => text == &**exact,
            Self::Regex(pattern) => pattern.fits(text),
        }
    }
}

impl PathCondition {
    pub(super) fn fits(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == &**exact,
            Self::Prefix(prefix) => has_path_prefix(path, prefix),
            Self::Regex(pattern) => pattern.fits(path),
        }
    }

    /// The length of what `ReplacePrefixMatch` replaces in a path that fits.
    pub(super) fn prefix_len(&self, path: &str) -> usize {
        match self {
            Self::Prefix(prefix) => prefix.len(),
            Self::Exact(_) | Self::Regex(_) => path.len(),
        }
    }
}

/// Whether `path` begins with the elements of `prefix`, which has no slash at its end: so the root's
/// is empty, and fits the path of `OPTIONS *` too.
fn has_path_prefix(path: &str, prefix: &str) -> bool {
    let rest = path.strip_prefix(prefix);
    prefix.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl HeaderCondition {
    pub(super) fn fits(&self, headers: &HeaderMap) -> bool {
        joined_header(headers, &self.name).is_some_and(|value| self.value.fits(&value))
    }
}

/// The value of a header, a repeated one's values joined with commas (RFC 9110, section 5.3).
/// `None` if it is absent or not text.
pub(super) fn joined_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.try_fold(Cow::Borrowed(first), |joined, value| {
        Some(Cow::Owned(format!("{joined},{}", value.to_str().ok()?)))
    })
}

impl QueryCondition {
    pub(super) fn fits(&self, query: Option<&str>) -> bool {
        query
            .unwrap_or_default()
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(name, _)| decoded(name) == *self.name)
            .is_some_and(|(_, value)| self.value.fits(&decoded(value)))
    }
}

/// Text of a query as its reader will understand it (`+` is a space, `%41` is `A`): a condition
/// that compared the raw text could be evaded by another spelling.
fn decoded(raw: &str) -> Cow<'_, str> {
    if !raw.contains(['%', '+']) {
        return Cow::Borrowed(raw);
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            _ => bytes.push(*first),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

impl ModelCondition {
    pub(super) fn fits(&self, model: &str) -> bool {
        match self {
            Self::Exact(exact) => model == &**exact,
            Self::Prefix(prefix) => model.starts_with(&**prefix),
            Self::Glob(glob) => glob.is_match(model),
            Self::Regex(pattern) => pattern.fits(model),
        }
    }
}

/// The first condition that a request does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The host is another.
    Host,
    /// The rule is for LLM requests, and the path is none of an LLM API.
    NotLlm,
    /// The path is another.
    Path,
    /// The method is another.
    Method,
    /// This header is absent or another.
    Header(HeaderName),
    /// This query parameter is absent or another.
    QueryParam(Box<str>),
    /// The model is another, or unknown as yet.
    Model,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("the host is another"),
            Self::NotLlm => f.write_str("the path is none of an LLM API"),
            Self::Path => f.write_str("the path is another"),
            Self::Method => f.write_str("the method is another"),
            Self::Header(name) => write!(f, "the header `{name}` is absent or another"),
            Self::QueryParam(name) => {
                write!(f, "the query parameter `{name}` is absent or another")
            }
            Self::Model => f.write_str("the model is another"),
        }
    }
}

impl Conditions {
    /// The first condition besides path and model that `head` does not fit.
    pub(super) fn mismatch(&self, head: &Head<'_>) -> Option<Mismatch> {
        if self
            .method
            .as_ref()
            .is_some_and(|method| method != head.method)
        {
            return Some(Mismatch::Method);
        }
        if let Some(header) = self
            .headers
            .iter()
            .find(|header| !header.fits(head.headers))
        {
            return Some(Mismatch::Header(header.name.clone()));
        }
        let parameter = self
            .query
            .iter()
            .find(|parameter| !parameter.fits(head.query))?;
        Some(Mismatch::QueryParam(parameter.name.clone()))
    }

    /// Whether `model` is the one asked for here; an unknown one fits where any does.
    pub(super) fn fits_model(&self, model: Option<&str>) -> bool {
        match (&self.model, model) {
            (None, _) => true,
            (Some(condition), Some(model)) => condition.fits(model),
            (Some(_), None) => false,
        }
    }
}

/// As people read it, such as `path /v1/*, method POST, model gpt-5`.
impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            PathCondition::Exact(path) => write!(f, "path {path}")?,
            PathCondition::Prefix(prefix) => write!(f, "path {prefix}/*")?,
            PathCondition::Regex(pattern) => write!(f, "path {pattern}")?,
        }
        if let Some(method) = &self.method {
            write!(f, ", method {method}")?;
        }
        for HeaderCondition { name, value } in &self.headers {
            write!(f, ", header {name} {value}")?;
        }
        for QueryCondition { name, value } in &self.query {
            write!(f, ", query parameter {name} {value}")?;
        }
        match &self.model {
            Some(model) => write!(f, ", model {model}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "~ /{}/", self.source)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => f.write_str(text),
            Self::Regex(pattern) => pattern.fmt(f),
        }
    }
}

impl fmt::Display for ModelCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(model) => f.write_str(model),
            Self::Prefix(prefix) => write!(f, "{prefix}…"),
            Self::Glob(glob) => write!(f, "{} (glob)", glob.glob()),
            Self::Regex(pattern) => pattern.fmt(f),
        }
    }
}

/// Expressions compiled so far.
#[derive(Default)]
pub(super) struct Patterns {
    regexes: HashMap<Box<str>, Result<Pattern, String>>,
    globs: HashMap<Box<str>, Result<Arc<GlobMatcher>, String>>,
}

/// Bound on one compiled expression, in bytes; the library's default of 10 MiB would let a few
/// dozen fill the memory.
const REGEX_SIZE_LIMIT: usize = 1 << 20;

impl Patterns {
    pub(super) fn regex(&mut self, source: &str) -> Result<Pattern, String> {
        let compile = || {
            // Parsed alone first: between anchors `a)|(b` would compile, and mean something else.
            regex_syntax::parse(source).map_err(|error| regex_error(source, &error.to_string()))?;
            let whole = RegexBuilder::new(&format!("^(?:{source})$"))
                .size_limit(REGEX_SIZE_LIMIT)
                .build()
                .map_err(|error| regex_error(source, &error.to_string()))?;
            Ok(Pattern {
                source: source.into(),
                whole: Arc::new(whole),
            })
        };
        self.regexes
            .entry(source.into())
            .or_insert_with(compile)
            .clone()
    }

    pub(super) fn glob(&mut self, source: &str) -> Result<Arc<GlobMatcher>, String> {
        let compile = || {
            let glob = GlobBuilder::new(source)
                .literal_separator(false)
                .backslash_escape(true)
                .build()
                .map_err(|error| format!("`{source}` is not a glob: {}", error.kind()))?;
            Ok(Arc::new(glob.compile_matcher()))
        };
        self.globs
            .entry(source.into())
            .or_insert_with(compile)
            .clone()
    }
}

/// The library's message without its drawing of the expression over several lines.
fn regex_error(source: &str, message: &str) -> String {
    let last = message.lines().last().unwrap_or_default();
    format!(
        "`{source}` is not a regular expression: {}",
        last.trim_start_matches("error: ")
    )
}

#[cfg(test)]
mod tests;
