//! Which of two matches is the more specific.

use std::cmp::Reverse;

use crate::snapshot::condition::{ModelCondition, PathCondition};
use crate::snapshot::syntax::Hostname;

use super::Candidate;

/// What entries are sorted by, the highest precedence least. The fields are in the order of Gateway
/// API's rules; the derived comparison takes them in turn.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Precedence<'a> {
    host: HostRank,
    path: PathRank,
    any_method: bool,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    model: ModelRank,
    implicit: bool,
    /// Unknown ages rank as young: `u64::MAX`.
    created: u64,
    route: &'a str,
    position: (usize, usize),
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum HostRank {
    Exact,
    Wildcard(Reverse<usize>),
    Any,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum PathRank {
    Exact,
    Prefix(Reverse<usize>),
    Regex,
    Any,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum ModelRank {
    Exact,
    Prefix(Reverse<usize>),
    Glob,
    Regex,
    Any,
}

impl<'a> Precedence<'a> {
    pub(super) fn of(candidate: &'a Candidate) -> Self {
        let conditions = &candidate.entry.conditions;
        Self {
            host: HostRank::of(candidate.entry.hostname.as_ref()),
            path: PathRank::of(&conditions.path),
            any_method: conditions.method.is_none(),
            headers: Reverse(conditions.headers.len()),
            query: Reverse(conditions.query.len()),
            model: ModelRank::of(conditions.model.as_ref()),
            implicit: candidate.implicit,
            created: candidate.created.unwrap_or(u64::MAX),
            route: &candidate.entry.rule.route,
            position: candidate.position,
        }
    }
}

impl HostRank {
    fn of(hostname: Option<&Hostname>) -> Self {
        match hostname {
            Some(Hostname::Exact(_)) => Self::Exact,
            Some(Hostname::Wildcard(domain)) => Self::Wildcard(Reverse(domain.len())),
            None => Self::Any,
        }
    }
}

impl PathRank {
    fn of(path: &PathCondition) -> Self {
        match path {
            PathCondition::Exact(_) => Self::Exact,
            PathCondition::Prefix(prefix) if prefix.is_empty() => Self::Any,
            PathCondition::Prefix(prefix) => Self::Prefix(Reverse(prefix.len())),
            PathCondition::Regex(_) => Self::Regex,
        }
    }
}

impl ModelRank {
    fn of(model: Option<&ModelCondition>) -> Self {
        match model {
            Some(ModelCondition::Exact(_)) => Self::Exact,
            Some(ModelCondition::Prefix(prefix)) => Self::Prefix(Reverse(prefix.len())),
            Some(ModelCondition::Glob(_)) => Self::Glob,
            Some(ModelCondition::Regex(_)) => Self::Regex,
            None => Self::Any,
        }
    }
}
