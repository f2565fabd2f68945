//! The snapshot: resources compiled into what the data plane reads, immutable and complete.
//!
//! Everything that can be decided before a request is decided here, so that a request allocates
//! and parses nothing of the configuration; and everything that can be wrong is found here, so
//! that what holds a snapshot checks nothing.

mod auth;
mod backend;
mod compile;
mod condition;
mod filters;
mod listener;
mod router;
mod rule;
mod syntax;
mod view;
mod violation;

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::FixedState;

pub use auth::{Auth, AwsIdentity, AwsKeys, AzureIdentity, GoogleIdentity, Identity};
pub use backend::{Backend, BackendKind, EndpointSource, EndpointTarget};
pub use condition::Mismatch;
pub use filters::{Filters, FixedResponse, HeaderChanges, PathChange, Redirect, RequestedUrl};
pub use listener::{AllowedHosts, AllowedOrigins, Listener};
pub use router::{
    Considered, Head, ListedModel, Match, Preview, Router, Unmatched, Verdict, host_without_port,
};
pub use rule::{Action, RetryPolicy, Rule, RuleKind, Target, Tier, Timeouts};
pub use syntax::HostPort;
pub use violation::{ResourceId, Violation};

use crate::resources::{Resources, Secrets};

/// A compiled configuration.
#[derive(Debug, Default)]
pub struct Snapshot {
    listeners: Vec<Arc<Listener>>,
    backends: Vec<Arc<Backend>>,
    models: HashSet<Arc<str>, FixedState>,
}

impl Snapshot {
    /// Checks and compiles `resources`.
    ///
    /// Without any listener there is one of the name `default`, as
    /// [`ListenerSpec::loopback`](crate::resources::ListenerSpec::loopback) gives it.
    ///
    /// # Errors
    /// All that is wrong, in document order by kind.
    pub fn compile(resources: &Resources, secrets: &Secrets) -> Result<Self, Vec<Violation>> {
        compile::compile(resources, secrets)
    }

    /// The listeners, in document order.
    pub fn listeners(&self) -> &[Arc<Listener>] {
        &self.listeners
    }

    /// The backends: providers, then pools, each in document order. [`Backend::index`] is the
    /// index herein.
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// The name of a model as the configuration knows it; `None` for one that it does not name,
    /// which must not become the label of a metric.
    pub fn known_model(&self, name: &str) -> Option<Arc<str>> {
        self.models.get(name).cloned()
    }

    /// What is in force, for people and tools to look at: secrets are shown as their references.
    pub fn view(&self) -> serde_json::Value {
        view::view(self)
    }
}

#[cfg(test)]
mod tests;
