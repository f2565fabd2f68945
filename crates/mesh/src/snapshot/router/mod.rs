//! From a request to its rule, by Gateway API's precedence.
//!
//! Every match of every rule is an *entry*; entries are sorted by precedence once, so that "the
//! more specific one wins" is a comparison of two indices. To find the first entry that fits
//! without trying all, they are filed by host, then path, then exact model or header value (see
//! [`index`]); inside such a file the entries are tried one by one. Alternatives: a decision tree
//! over all conditions is faster still for few requests, but grows with the product of the
//! conditions; a regular expression set tells what fits, but not quickly what fits first.
//!
//! A regular expression on the path ranks below every prefix but `/`, since a rule for everything
//! would shadow it otherwise; Gateway API leaves that place open.

mod index;
mod models;
mod precedence;

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, Method};

use super::condition::{Conditions, Mismatch, PathCondition};
use super::rule::{Rule, RuleKind};
use super::syntax::Hostname;

use index::Index;
use precedence::Precedence;

pub use models::ListedModel;

/// What a request is routed by, without its body.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Host it is for, of whatever case, without port.
    pub host: &'a str,
    /// Its method.
    pub method: &'a Method,
    /// Its path, as it will be forwarded: what an upstream would resolve (`..`) is resolved.
    pub path: &'a str,
    /// Its query, without the question mark.
    pub query: Option<&'a str>,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Whether the path is one of an LLM dialect; rules with LLM backends take no other.
    pub llm: bool,
}

/// Host of a `Host` header or `:authority`, its port taken off.
pub fn host_without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !is_bare_ipv6(host) => {
            host
        }
        _ => authority,
    }
}

/// Whether this is what stands before the last colon of an IPv6 address without brackets.
fn is_bare_ipv6(host: &str) -> bool {
    host.contains(':') && !host.ends_with(']')
}

/// One match of a rule, for one host name.
#[derive(Debug)]
struct Entry {
    hostname: Option<Hostname>,
    conditions: Arc<Conditions>,
    rule: Arc<Rule>,
}

impl Entry {
    /// Whether `head` fits, the model and what entries are filed by (host, and path unless it is a
    /// regular expression) aside.
    fn fits_details(&self, head: &Head<'_>) -> bool {
        let path = match &self.conditions.path {
            PathCondition::Regex(pattern) => pattern.fits(head.path),
            PathCondition::Exact(_) | PathCondition::Prefix(_) => true,
        };
        let kind = head.llm || self.rule.kind == RuleKind::Plain;
        kind && path && self.conditions.mismatch(head).is_none()
    }

    fn mismatch(&self, head: &Head<'_>, model: Option<&str>) -> Option<Mismatch> {
        if !index::host_fits(self.hostname.as_ref(), head.host) {
            return Some(Mismatch::Host);
        }
        if !head.llm && self.rule.kind == RuleKind::Llm {
            return Some(Mismatch::NotLlm);
        }
        if !self.conditions.path.fits(head.path) {
            return Some(Mismatch::Path);
        }
        let detail = self.conditions.mismatch(head);
        detail.or_else(|| (!self.conditions.fits_model(model)).then_some(Mismatch::Model))
    }

    fn found(&self, head: &Head<'_>) -> Match {
        let prefix_len = self.conditions.path.prefix_len(head.path);
        Match {
            rule: Arc::clone(&self.rule),
            prefix_len,
        }
    }
}

/// Where requests go, for the routes of one or more listeners.
#[derive(Debug)]
pub struct Router {
    /// By precedence, highest first.
    entries: Vec<Entry>,
    index: Index,
}

/// The rule for a request.
#[derive(Clone, Debug)]
pub struct Match {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Length of the path prefix that matched, for [`PathChange::apply`](super::PathChange::apply)
    /// and [`Redirect::location`](super::Redirect::location).
    pub prefix_len: usize,
}

/// What can be told of a request before its body is read.
#[derive(Clone, Debug)]
pub enum Preview {
    /// The rule, whatever the model.
    Decided(Match),
    /// It depends on the model.
    NeedsModel,
    /// Nothing will match.
    None,
}

/// Why a request has no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmatched {
    /// No rule is for such requests, whatever their model.
    #[error("no route matches the request")]
    NoRoute,
    /// Rules are for such requests, but none for this model.
    #[error("no route serves the model")]
    UnknownModel,
}

/// A match of a rule, and what a request made of it.
#[derive(Clone, Debug)]
pub struct Considered {
    /// The rule.
    pub rule: Arc<Rule>,
    /// What the match asks for.
    pub conditions: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// What a request made of a match.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Its rule is the one.
    Chosen,
    /// The request fits, but another match takes precedence.
    Shadowed {
        /// The rule of the other match.
        by: Arc<Rule>,
    },
    /// The request does not fit.
    PassedOver(Mismatch),
}

impl Router {
    pub(super) fn build(candidates: Vec<Candidate>) -> Self {
        let mut candidates = candidates;
        candidates.sort_by(|a, b| a.precedence().cmp(&b.precedence()));
        let entries: Vec<_> = candidates
            .into_iter()
            .map(|candidate| candidate.entry)
            .collect();
        let index = Index::build(&entries);
        Self { entries, index }
    }

    /// What can be told without the body.
    pub fn preview(&self, head: &Head<'_>) -> Preview {
        let found = self.index.search(head, |bucket| {
            let decided = bucket.best_for_any_model(&self.entries, head);
            let modelled = bucket.best_for_some_model(&self.entries, head);
            match (decided, modelled) {
                (None, None) => None,
                (Some(rank), None) => Some(Some(rank)),
                (Some(rank), Some(other)) if rank < other => Some(Some(rank)),
                (_, Some(_)) => Some(None),
            }
        });
        match found {
            Some(Some(rank)) => match self.entries.get(rank as usize) {
                Some(entry) => Preview::Decided(entry.found(head)),
                None => Preview::None,
            },
            Some(None) => Preview::NeedsModel,
            None => Preview::None,
        }
    }

    /// The rule for a request that asks for `model`, or names none.
    pub fn route(&self, head: &Head<'_>, model: Option<&str>) -> Result<Match, Unmatched> {
        let best = self
            .index
            .search(head, |bucket| bucket.best(&self.entries, head, model));
        let entry = best.and_then(|rank| self.entries.get(rank as usize));
        entry
            .map(|entry| entry.found(head))
            .ok_or_else(|| match self.preview(head) {
                Preview::None => Unmatched::NoRoute,
                Preview::NeedsModel | Preview::Decided(_) => Unmatched::UnknownModel,
            })
    }

    /// What [`Router::route`] makes of every match, in order of precedence. Tries them one by one:
    /// for people, not for requests.
    pub fn explain(&self, head: &Head<'_>, model: Option<&str>) -> Vec<Considered> {
        let mut chosen: Option<&Arc<Rule>> = None;
        let consider = |entry: &'_ Entry, chosen: Option<&Arc<Rule>>| match (
            entry.mismatch(head, model),
            chosen,
        ) {
            (Some(mismatch), _) => Verdict::PassedOver(mismatch),
            (None, Some(by)) => Verdict::Shadowed { by: Arc::clone(by) },
            (None, None) => Verdict::Chosen,
        };
        let mut considered = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let verdict = consider(entry, chosen);
            if matches!(verdict, Verdict::Chosen) {
                chosen = Some(&entry.rule);
            }
            let conditions = entry.to_string();
            considered.push(Considered {
                rule: Arc::clone(&entry.rule),
                conditions,
                verdict,
            });
        }
        considered
    }

    /// Every match with its rule, in order of precedence.
    pub fn matches(&self) -> impl Iterator<Item = (String, &Arc<Rule>)> {
        self.entries
            .iter()
            .map(|entry| (entry.to_string(), &entry.rule))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hostname {
            Some(Hostname::Exact(host)) => write!(f, "host {host}, ")?,
            Some(Hostname::Wildcard(domain)) => write!(f, "host *.{domain}, ")?,
            None => {}
        }
        self.conditions.fmt(f)
    }
}

/// An entry with what it is ranked by besides its conditions.
pub(super) struct Candidate {
    entry: Entry,
    /// Whether nobody wrote it: the route of a backend that none refers to.
    implicit: bool,
    created: Option<u64>,
    /// Index of the rule in its route, and of the match in its rule.
    position: (usize, usize),
}

impl Candidate {
    fn precedence(&self) -> Precedence<'_> {
        Precedence::of(self)
    }
}

/// A rule with what its entries are made from.
pub(super) struct Source<'a> {
    pub(super) rule: &'a Arc<Rule>,
    pub(super) index: usize,
    pub(super) hostnames: &'a [Hostname],
    pub(super) conditions: &'a [Arc<Conditions>],
    pub(super) created: Option<u64>,
    pub(super) implicit: bool,
}

/// The entries of a rule: one for each of its matches and host names.
pub(super) fn candidates(source: Source<'_>) -> impl Iterator<Item = Candidate> {
    let any = source.hostnames.is_empty().then_some(None);
    let hostnames = source.hostnames.iter().map(Some).chain(any);
    hostnames.flat_map(move |hostname| {
        source
            .conditions
            .iter()
            .enumerate()
            .map(move |(position, conditions)| Candidate {
                entry: Entry {
                    hostname: hostname.cloned(),
                    conditions: Arc::clone(conditions),
                    rule: Arc::clone(source.rule),
                },
                implicit: source.implicit,
                created: source.created,
                position: (source.index, position),
            })
    })
}

#[cfg(test)]
mod tests;
