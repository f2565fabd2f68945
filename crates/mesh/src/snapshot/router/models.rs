//! The models that a client may ask for.
//!
//! A listing comes with another method and path than the requests it is made for, so those are not
//! compared, except for a path prefix: it tells apart what is mounted below it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::snapshot::backend::Backend;
use crate::snapshot::condition::{HeaderCondition, ModelCondition, PathCondition};
use crate::snapshot::rule::{RuleKind, Target};

use super::{Entry, Head, Router, index};

/// A model that a client may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedModel {
    /// Its name, as clients give it.
    pub name: Arc<str>,
    /// Name of the pool or provider that serves it first.
    pub owner: Arc<str>,
}

impl Router {
    /// The models whose names are known, by name; those that only a pattern stands for are not
    /// among them. Takes time in proportion to the routes.
    pub fn models(&self, head: &Head<'_>) -> Vec<ListedModel> {
        let mut listed = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.is_open_to(head)) {
            entry.for_each_model(|name, owner| {
                listed
                    .entry(Arc::clone(name))
                    .or_insert_with(|| Arc::clone(&owner.name));
            });
        }
        listed
            .into_iter()
            .map(|(name, owner)| ListedModel { name, owner })
            .collect()
    }

    /// The model of this name, if a client may ask for it, be it by a pattern. Takes time in
    /// proportion to the routes.
    pub fn model(&self, head: &Head<'_>, name: &str) -> Option<ListedModel> {
        let open = self.entries.iter().filter(|entry| entry.is_open_to(head));
        let owner = { open }.find_map(|entry| entry.owner_of(name))?;
        Some(ListedModel {
            name: name.into(),
            owner: Arc::clone(&owner.name),
        })
    }
}

impl Entry {
    fn is_open_to(&self, head: &Head<'_>) -> bool {
        let path = match &self.conditions.path {
            PathCondition::Prefix(_) => self.conditions.path.fits(head.path),
            PathCondition::Exact(_) | PathCondition::Regex(_) => true,
        };
        let fits = |header: &HeaderCondition| header.fits(head.headers);
        self.rule.kind == RuleKind::Llm
            && path
            && index::host_fits(self.hostname.as_ref(), head.host)
            && self.conditions.headers.iter().all(fits)
    }

    fn for_each_model(&self, mut list: impl FnMut(&Arc<str>, &Backend)) {
        if let Some(ModelCondition::Exact(name)) = &self.conditions.model {
            if let Some(target) = self.rule.targets().next() {
                list(name, &target.backend);
            }
            return;
        }
        for target in self.rule.targets().filter(|target| target.model.is_none()) {
            let models = target.backend.models.iter();
            for model in models.filter(|model| self.conditions.fits_model(Some(model))) {
                list(model, &target.backend);
            }
        }
    }

    fn owner_of(&self, model: &str) -> Option<&Backend> {
        let serves = |target: &&Target| {
            let models = &target.backend.models;
            self.conditions.model.is_some()
                || target.model.is_some()
                || models.is_empty()
                || models.iter().any(|name| **name == *model)
        };
        let fits = self.conditions.fits_model(Some(model));
        let mut targets = self.rule.targets().filter(serves);
        if fits {
            targets.next().map(|target| &*target.backend)
        } else {
            None
        }
    }
}
