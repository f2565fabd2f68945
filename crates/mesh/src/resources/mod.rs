//! The resources: what an operator writes, as plain values.
//!
//! The same types serve local files, Kubernetes custom resources and our own control protocol, so
//! they keep to what a structural CRD schema can say: one-ofs are optional fields with a rule that
//! exactly one is set, never a Rust enum with content. Their doc comments are the field reference
//! of the manual. What a type cannot rule out is found by [`crate::Snapshot::compile`].

mod auth;
mod backend;
mod filter;
mod listener;
mod pool;
mod preset;
mod provider;
mod route;
mod secret;
mod units;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use auth::{AwsAuth, AzureAuth, GoogleAuth, ProviderAuth};
pub use backend::{ConnectionPool, OutlierDetection, Protocol, RetryBudget, UpstreamTls};
pub use filter::{
    DirectResponse, Filter, Header, HeaderModifier, PathModifier, PathModifierType,
    RequestRedirect, UrlRewrite,
};
pub use listener::{Certificate, ListenerLimits, ListenerSpec, ListenerTimeouts, ListenerTls};
pub use pool::{
    Dns, Endpoint, HealthCheck, LoadBalancer, LoadBalancerPolicy, PoolDialect, PoolSpec,
};
pub use preset::Preset;
pub use provider::{ProviderDialect, ProviderSpec};
pub use route::{
    BackendRef, Backoff, HeaderMatch, Method, ModelMatch, ModelMatchType, PathMatch, PathMatchType,
    QueryParamMatch, Retry, RouteMatch, RouteSpec, RouteTimeouts, RuleSpec, StringMatchType,
    Translation,
};
pub use secret::{NotASecretRef, Secret, SecretRef, Secrets};
pub use units::{ByteSize, ByteSizeError, Duration, DurationError};

/// The API group and version of the resources in Kubernetes style documents.
pub const API_VERSION: &str = "sluicegate.dev/v1alpha1";

/// The namespace of a resource that names none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Everything a snapshot is compiled from, each list in document order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    /// Where clients connect.
    pub listeners: Vec<Resource<ListenerSpec>>,
    /// LLM APIs of others.
    pub providers: Vec<Resource<ProviderSpec>>,
    /// Sets of endpoints of one's own.
    pub pools: Vec<Resource<PoolSpec>>,
    /// Which requests go where.
    pub routes: Vec<Resource<RouteSpec>>,
}

/// A named resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resource<S> {
    /// Its name and history.
    pub meta: Meta,
    /// What it says.
    pub spec: S,
}

/// Name and history of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Meta {
    /// Namespace; absent means [`DEFAULT_NAMESPACE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name, unique for its kind within the namespace: an RFC 1123 subdomain.
    pub name: String,
    /// How often the specification was changed, as counted by Kubernetes; 0 where nobody counts.
    #[serde(default)]
    pub generation: u64,
    /// Creation time in seconds since the Unix epoch, where known. Older routes take precedence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<u64>,
}

impl Meta {
    /// A resource of this name in the default namespace, of unknown age.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// The namespace, defaulted.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
    }
}

/// The kinds of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// [`ListenerSpec`]
    Listener,
    /// [`ProviderSpec`]
    Provider,
    /// [`PoolSpec`]
    Pool,
    /// [`RouteSpec`]
    Route,
}

impl Kind {
    /// All kinds, in the order of the fields of [`Resources`].
    pub const ALL: [Self; 4] = [Self::Listener, Self::Provider, Self::Pool, Self::Route];

    /// The kind as documents spell it, such as `Pool`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listener => "Listener",
            Self::Provider => "Provider",
            Self::Pool => "Pool",
            Self::Route => "Route",
        }
    }

    /// The plural as sections of a file and CRDs spell it, such as `pools`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Listener => "listeners",
            Self::Provider => "providers",
            Self::Pool => "pools",
            Self::Route => "routes",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
