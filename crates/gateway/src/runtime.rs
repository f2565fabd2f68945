//! A snapshot with what is needed to serve by it.
//!
//! Built anew for each snapshot and never changed; what has to survive a reload is taken from
//! [`Shared`]'s registries.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use balance::{Address, EndpointSpec, Percent, Policy, PoolConfig, Rule};
use credentials::{Credential, Source};
use foldhash::fast::FixedState;
use http::HeaderValue;
use http::request::Parts;
use mesh::resources::{LoadBalancerPolicy, Protocol, RetryBudget};
use mesh::snapshot::{
    Backend, BackendKind, EndpointSource, Head, ListedModel, Listener, Match, Preview, Snapshot,
    Unmatched,
};
use net::pool::{Target, TlsIdentity};
use net::replay::ReplayConfig;
use net::tls::{Alpn, ClientTls, Roots, TlsError};
use rustls_pki_types::ServerName;

use crate::chain;
use crate::keyring::Keyring;
use crate::shared::Shared;

/// Everything that requests read of a configuration.
pub(crate) struct Runtime {
    pub(crate) snapshot: Arc<Snapshot>,
    upstreams: Vec<Arc<Upstream>>,
    entries: HashMap<Arc<str>, Arc<Entry>, FixedState>,
    /// A backend wants to know what prompts have in common.
    knows_prefixes: bool,
}

/// Why a valid configuration cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The TLS material for a backend cannot be used.
    #[error("{backend}: {error}")]
    Tls {
        /// The pool or provider.
        backend: Arc<str>,
        /// What is wrong.
        error: TlsError,
    },
    /// The name that a backend's certificate must have cannot be one.
    #[error("{backend}: `{name}` cannot be the name in a certificate; set tls.serverName")]
    ServerName {
        /// The pool or provider.
        backend: Arc<str>,
        /// The name.
        name: String,
    },
    /// A provider's identity cannot be used.
    #[error("{backend}: {error}")]
    Identity {
        /// The provider.
        backend: Arc<str>,
        /// What is wrong.
        error: credentials::Error,
    },
}

impl Runtime {
    /// A runtime that serves nothing: what there is before the first configuration.
    pub(crate) fn empty() -> Self {
        Self {
            snapshot: Arc::new(Snapshot::default()),
            upstreams: Vec::new(),
            entries: HashMap::default(),
            knows_prefixes: false,
        }
    }

    /// Whether prompts are to be hashed.
    pub(crate) const fn knows_prefixes(&self) -> bool {
        self.knows_prefixes
    }

    /// The upstream of a backend of this runtime's snapshot.
    pub(crate) fn upstream(&self, backend: &Backend) -> Option<&Arc<Upstream>> {
        self.upstreams.get(backend.index)
    }

    /// All upstreams.
    pub(crate) fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// What is behind the listener of this name.
    pub(crate) fn entry(&self, listener: &str) -> Option<&Arc<Entry>> {
        self.entries.get(listener)
    }

    /// The credentials of the upstreams that have one which is renewed.
    pub(crate) fn credentials(&self) -> impl Iterator<Item = &Arc<Credential>> {
        let upstreams = self.upstreams.iter();
        upstreams.filter_map(|upstream| upstream.credential.as_ref())
    }

    /// The keys of all upstreams.
    pub(crate) fn keys(&self) -> HashSet<&str, FixedState> {
        self.upstreams
            .iter()
            .map(|upstream| &*upstream.key)
            .collect()
    }

    /// A model's name as a label: a known one, or `other`.
    pub(crate) fn model_label(&self, shared: &Shared, model: &str) -> Arc<str> {
        self.snapshot
            .known_model(model)
            .unwrap_or_else(|| shared.names.other())
    }
}

impl Runtime {
    /// The same once more, after another runtime took effect on `shared`'s registries.
    pub(crate) fn again(&self, shared: &Shared) -> Self {
        let of = |upstream: &Arc<Upstream>| PreparedBackend {
            backend: Arc::clone(&upstream.backend),
            tls: upstream.tls.clone(),
            source: upstream.credential.as_ref().map(|it| it.source().clone()),
        };
        let backends = self.upstreams.iter().map(of).collect();
        Prepared {
            snapshot: Arc::clone(&self.snapshot),
            backends,
        }
        .build(shared)
    }
}

/// A snapshot that can be served: all that may fail has succeeded, and nothing has changed yet.
pub(crate) struct Prepared {
    snapshot: Arc<Snapshot>,
    backends: Vec<PreparedBackend>,
}

struct PreparedBackend {
    backend: Arc<Backend>,
    tls: Option<Tls>,
    /// Where its credentials come from.
    source: Option<Source>,
}

impl PreparedBackend {
    fn new(backend: &Arc<Backend>, keyring: &Keyring) -> Result<Self, RuntimeError> {
        let source = keyring.source(backend);
        Ok(Self {
            backend: Arc::clone(backend),
            tls: tls(backend)?,
            source: source.map_err(|error| RuntimeError::Identity {
                backend: Arc::clone(&backend.name),
                error,
            })?,
        })
    }
}

impl Prepared {
    /// Makes what the snapshot's backends need. Reads CA files.
    pub(crate) fn new(snapshot: &Arc<Snapshot>, keyring: &Keyring) -> Result<Self, RuntimeError> {
        let prepare = |backend| PreparedBackend::new(backend, keyring);
        let backends = snapshot
            .backends()
            .iter()
            .map(prepare)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            snapshot: Arc::clone(snapshot),
            backends,
        })
    }

    /// Takes effect on `shared`'s registries; what exists already there goes on.
    pub(crate) fn build(self, shared: &Shared) -> Runtime {
        let upstreams: Vec<Arc<Upstream>> = self
            .backends
            .into_iter()
            .map(|prepared| Arc::new(Upstream::build(prepared, shared)))
            .collect();
        let entries = self
            .snapshot
            .listeners()
            .iter()
            .map(|listener| {
                (
                    Arc::clone(&listener.name),
                    Arc::new(Entry::new(listener, shared)),
                )
            })
            .collect();
        Runtime {
            knows_prefixes: upstreams.iter().any(|one| knows_prefixes(&one.backend)),
            snapshot: self.snapshot,
            upstreams,
            entries,
        }
    }
}

/// What is behind a listener.
pub(crate) struct Entry {
    pub(crate) listener: Arc<Listener>,
    pub(crate) replay: Arc<ReplayConfig>,
    pub(crate) in_flight: Arc<telemetry::InFlightGauge>,
    /// The port that clients connect to.
    pub(crate) port: u16,
}

impl Entry {
    fn new(listener: &Arc<Listener>, shared: &Shared) -> Self {
        let replay = ReplayConfig {
            max_len: listener.limits.max_body_bytes.get(),
            idle_timeout: listener.timeouts.body_idle.get(),
            spill: shared.spill.clone(),
            ..ReplayConfig::default()
        };
        Self {
            listener: Arc::clone(listener),
            replay: Arc::new(replay),
            in_flight: shared.metrics.in_flight(&listener.name),
            port: listener.address.port(),
        }
    }

    /// What can be told of a request without its body.
    pub(crate) fn preview(&self, host: &str, head: &Parts, llm: bool) -> Preview {
        self.listener.router.preview(&routed_by(host, head, llm))
    }

    /// The rule for an LLM request.
    pub(crate) fn route(
        &self,
        host: &str,
        head: &Parts,
        model: Option<&str>,
    ) -> Result<Match, Unmatched> {
        self.listener
            .router
            .route(&routed_by(host, head, true), model)
    }

    /// The models that may be asked for.
    pub(crate) fn models(&self, host: &str, head: &Parts) -> Vec<ListedModel> {
        self.listener.router.models(&routed_by(host, head, true))
    }
}

fn routed_by<'a>(host: &'a str, head: &'a Parts, llm: bool) -> Head<'a> {
    Head {
        host,
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query(),
        headers: &head.headers,
        llm,
    }
}

/// A backend with its endpoints' state and its connections.
pub(crate) struct Upstream {
    pub(crate) backend: Arc<Backend>,
    pub(crate) pool: Arc<balance::Pool>,
    pub(crate) connections: net::pool::Pool,
    /// Identity across reloads, see [`key`].
    pub(crate) key: Arc<str>,
    /// What its requests are authorised by, where that is renewed.
    pub(crate) credential: Option<Arc<Credential>>,
    tls: Option<Tls>,
    dialled: ArcSwap<HashMap<Address, Dialled, FixedState>>,
}

/// How to connect to an endpoint; made once for each address.
#[derive(Clone)]
pub(crate) struct Dialled {
    pub(crate) target: Target,
    /// Its address as `Host` wants it.
    pub(crate) host: HeaderValue,
}

/// TLS to connect with. Whose certificate is expected follows from the endpoint, unless configured.
#[derive(Clone)]
struct Tls {
    config: Arc<rustls::ClientConfig>,
    id: u64,
    server_name: Option<ServerName<'static>>,
}

impl Upstream {
    fn build(prepared: PreparedBackend, shared: &Shared) -> Self {
        let PreparedBackend {
            backend,
            tls,
            source,
        } = prepared;
        let key = key(&backend);
        let pool = shared.balance.upsert(&key, pool_config(&backend));
        if let EndpointSource::Static(targets) = &backend.endpoints {
            pool.set_endpoints(targets.iter().map(endpoint_spec).collect());
        }
        let connections = shared.connections.pool(&key, &backend);
        let credential = backend.auth.as_ref().zip(source);
        let credential = credential
            .map(|(auth, source)| shared.keyring.credential(&key, &backend, auth, source));
        Self {
            credential,
            backend,
            pool,
            connections,
            key,
            tls,
            dialled: ArcSwap::default(),
        }
    }

    /// How to connect to an endpoint at `address`.
    pub(crate) fn dial(&self, address: &Address) -> Dialled {
        if let Some(dialled) = self.dialled.load().get(address) {
            return dialled.clone();
        }
        self.learn(address)
    }

    /// Adds an address, and forgets those of endpoints that are gone.
    fn learn(&self, address: &Address) -> Dialled {
        let made = self.make(address);
        let current = self.pool.endpoints();
        self.dialled.rcu(|before| {
            let mut after: HashMap<Address, Dialled, FixedState> = before
                .iter()
                .filter(|(known, _)| current.iter().any(|status| status.address == **known))
                .map(|(known, dialled)| (known.clone(), dialled.clone()))
                .collect();
            after.insert(address.clone(), made.clone());
            after
        });
        made
    }

    fn make(&self, address: &Address) -> Dialled {
        let (to, name) = match address {
            Address::Socket(socket) => (
                net::pool::Address::Socket(*socket),
                ServerName::IpAddress(socket.ip().into()),
            ),
            Address::Host { host, port } => {
                let to = net::pool::Address::Host {
                    host: Arc::clone(host),
                    port: *port,
                };
                (to, server_name(host).unwrap_or_else(unspecified))
            }
        };
        let identity = self.tls.as_ref().map(|tls| {
            let name = tls.server_name.clone().unwrap_or(name);
            TlsIdentity::new(Arc::clone(&tls.config), name, tls.id)
        });
        let protocol = match self.backend.protocol {
            Protocol::Auto => net::pool::Protocol::Auto,
            Protocol::Http1 => net::pool::Protocol::Http1,
            Protocol::H2 => net::pool::Protocol::H2,
        };
        let host = HeaderValue::try_from(address.to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("localhost"));
        Dialled {
            target: Target::new(to, protocol, identity),
            host,
        }
    }
}

/// What a backend is known by across reloads: kind and name, and of a provider its address as well.
/// It has a credential that is meant for that host, so a request that began before a reload must
/// not find the endpoints of another host in its place.
fn key(backend: &Backend) -> Arc<str> {
    let (kind, name) = (backend.kind.name(), &backend.name);
    match (backend.kind, &backend.endpoints) {
        (BackendKind::Provider, EndpointSource::Static(targets)) => {
            let hosts: Vec<String> = targets
                .iter()
                .map(|target| target.address.to_string())
                .collect();
            format!("{kind}/{name}@{}", hosts.join(",")).into()
        }
        _ => format!("{kind}/{name}").into(),
    }
}

fn server_name(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).ok()
}

/// A name that no certificate is valid for.
fn unspecified() -> ServerName<'static> {
    ServerName::IpAddress(std::net::IpAddr::from([0, 0, 0, 0]).into())
}

fn endpoint_spec(target: &mesh::snapshot::EndpointTarget) -> EndpointSpec {
    EndpointSpec {
        id: Arc::clone(&target.name).into(),
        address: Address::new(&target.address.host, target.address.port),
        weight: target.weight,
    }
}

fn tls(backend: &Backend) -> Result<Option<Tls>, RuntimeError> {
    let Some(spec) = &backend.tls else {
        return Ok(None);
    };
    let roots = match &spec.ca_file {
        Some(file) => Roots::File(PathBuf::from(file)),
        None => Roots::Public,
    };
    let error = |error| RuntimeError::Tls {
        backend: Arc::clone(&backend.name),
        error,
    };
    let id = identity(&roots).map_err(error)?;
    let client = ClientTls {
        roots,
        identity: None,
        alpn: Alpn::H2OrHttp1,
    };
    let config = net::tls::client_config(&client).map_err(error)?;
    let name = |name: &String| {
        server_name(name).ok_or_else(|| RuntimeError::ServerName {
            backend: Arc::clone(&backend.name),
            name: name.clone(),
        })
    };
    let server_name = spec.server_name.as_ref().map(name).transpose()?;
    Ok(Some(Tls {
        config,
        id,
        server_name,
    }))
}

/// What stands for a TLS configuration in the keys of connections: whom it trusts.
fn identity(roots: &Roots) -> Result<u64, TlsError> {
    let hash = |bytes: &[u8]| FixedState::default().hash_one(bytes);
    match roots {
        Roots::Public => Ok(0),
        Roots::File(file) | Roots::PublicAndFile(file) => {
            let read = |path: &Path| std::fs::read(path);
            let bytes = read(file).map_err(|error| TlsError::Read {
                path: file.clone(),
                error,
            })?;
            Ok(hash(&bytes))
        }
    }
}

fn pool_config(backend: &Backend) -> PoolConfig {
    let choices = u32::from(backend.load_balancer.choices);
    let policy = match backend.load_balancer.policy {
        LoadBalancerPolicy::RoundRobin => Policy::RoundRobin,
        LoadBalancerPolicy::WeightedRoundRobin => Policy::WeightedRoundRobin,
        LoadBalancerPolicy::Random => Policy::Random,
        LoadBalancerPolicy::LeastRequest => Policy::LeastRequest {
            choices: NonZeroU32::new(choices).unwrap_or(NonZeroU32::MIN),
        },
        LoadBalancerPolicy::PredictedLatency => Policy::PREDICTED_LATENCY,
        LoadBalancerPolicy::LeastPendingWork => Policy::Cost(Rule::LeastPendingWork),
        LoadBalancerPolicy::LMetric => Policy::Cost(Rule::LMetric),
        LoadBalancerPolicy::Dynamo => Policy::Cost(Rule::Dynamo { scale: 1.0 }),
        LoadBalancerPolicy::Sglang => Policy::Cost(Rule::Sglang),
        LoadBalancerPolicy::LlmD => Policy::Cost(Rule::LlmD),
        LoadBalancerPolicy::AiBrix => Policy::Cost(Rule::AiBrix),
    };
    let outlier = &backend.outlier_detection;
    PoolConfig {
        policy,
        outlier: (outlier.consecutive_errors > 0).then(|| balance::OutlierDetection {
            consecutive_errors: outlier.consecutive_errors,
            base_ejection: outlier.base_ejection_time.get(),
            max_ejection: outlier.max_ejection_time.get(),
            max_ejection_percent: Percent::new(u32::from(outlier.max_ejection_percent)),
            ..balance::OutlierDetection::default()
        }),
        health: backend
            .health_check
            .as_ref()
            .map(|check| balance::HealthThresholds {
                unhealthy: NonZeroU32::new(check.unhealthy_threshold).unwrap_or(NonZeroU32::MIN),
                healthy: NonZeroU32::new(check.healthy_threshold).unwrap_or(NonZeroU32::MIN),
            }),
        max_in_flight_per_endpoint: backend.connection_pool.max_requests_per_endpoint,
        panic_threshold: Percent::new(u32::from(outlier.min_health_percent)),
        retry_budget: retry_budget(&backend.retry_budget),
        prefix_caches: knows_prefixes(backend).then_some(balance::PrefixCaches {
            block_tokens: chain::BLOCK_TOKENS,
            capacity_tokens: backend.load_balancer.cache_tokens,
        }),
    }
}

fn knows_prefixes(backend: &Backend) -> bool {
    backend.load_balancer.policy.knows_prefixes()
}

/// Ten seconds' worth can be saved up. A share alone needs room to be saved in, too: without any,
/// it would never make a whole retry.
fn retry_budget(budget: &RetryBudget) -> balance::RetryBudgetConfig {
    let floor = if budget.percent == 0 { 0 } else { 10 };
    balance::RetryBudgetConfig {
        ratio: Percent::new(u32::from(budget.percent)),
        min_per_second: budget.min_retries_per_second,
        reserve: budget.min_retries_per_second.saturating_mul(10).max(floor),
    }
}
