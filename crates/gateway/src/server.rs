//! A gateway as a whole: started, given snapshots, drained.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use credentials::Variables;
use mesh::snapshot::Snapshot;
use net::budget::BodyBudget;
use net::drain::{self, Drain, DrainConfig, Trigger};
use net::listener::{ListenError, Listeners};
use net::replay::ReplayConfig;
use net::tasks::Tasks;
use net::tls::TlsError;
use telemetry::{AccessLog, Metrics, MetricsConfig, Registry};

use crate::admin::{self, Admin};
use crate::discover::Discovery;
use crate::inbound::Certificates;
use crate::keyring::Keyring;
use crate::media::Fetcher;
use crate::pipeline::Pipeline;
use crate::probe::Probing;
use crate::rates::Rates;
use crate::runtime::{Prepared, Runtime, RuntimeError};
use crate::shared::{Clock, Connections, Names, Shared};

/// What a gateway is started with, beside its configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Carries traffic.
    pub data: tokio::runtime::Handle,
    /// Carries admin requests, probes, name resolution and reloads, so that they work while
    /// traffic takes all it can get. May be the same.
    pub control: tokio::runtime::Handle,
    /// Where the admin endpoint listens; `None` has none.
    pub admin: Option<SocketAddr>,
    /// How a drain goes.
    pub drain: DrainConfig,
    /// Bytes of memory for request bodies that are kept for another attempt.
    pub body_memory: u64,
    /// Where access log lines go.
    pub access_log: Option<Arc<AccessLog>>,
    /// The environment in which identities of providers find what their configuration leaves out.
    pub variables: Variables,
    /// From which addresses media are fetched that requests name by URL: [`is_public`](crate::is_public),
    /// but in tests.
    pub fetches_from: fn(IpAddr) -> bool,
    /// The version shown in metrics, and the revision it was built from.
    pub version: (&'static str, &'static str),
}

/// Why a gateway does not start, or does not take a snapshot. What ran before goes on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A backend cannot be served.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A listener's certificates cannot be used.
    #[error("listener {listener}: {error}")]
    Certificates {
        /// The listener.
        listener: Arc<str>,
        /// What is wrong.
        error: TlsError,
    },
    /// Whoever hands out credentials cannot be asked over TLS.
    #[error("token endpoints cannot be asked: {0}")]
    TokenEndpoints(TlsError),
    /// Media cannot be fetched over TLS.
    #[error("media cannot be fetched: {0}")]
    Media(TlsError),
    /// A socket cannot be bound.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The admin endpoint cannot be bound.
    #[error("admin endpoint: {0}")]
    Admin(ListenError),
}

/// A running gateway.
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
    listeners: Arc<Listeners<Pipeline>>,
    certificates: Certificates,
    background: Background,
    admin: Option<Admin>,
    trigger: Trigger,
    drain: DrainConfig,
    /// Client connections and tunnels: what a drain waits for.
    in_flight: [Tasks; 2],
    /// What runs for ever.
    upkeep: Tasks,
    /// One change at a time.
    changing: tokio::sync::Mutex<u64>,
}

impl Gateway {
    /// Starts serving `snapshot`. When it returns, every listener is bound.
    ///
    /// # Errors
    /// What the snapshot asks for and this machine cannot give.
    pub async fn start(config: Config, snapshot: Arc<Snapshot>) -> Result<Self, StartError> {
        let (trigger, watch) = Drain::new();
        let upkeep = Tasks::on(config.control.clone());
        let connections = Tasks::on(config.data.clone());
        let tunnels = connections.group();
        let mut registry = Registry::default();
        let keyring = Keyring::new(config.variables.clone(), upkeep.clone());
        let media = Fetcher::new(&upkeep, config.fetches_from);
        let shared = Arc::new(Shared {
            runtime: ArcSwap::from_pointee(Runtime::empty()),
            balance: balance::Registry::new(),
            connections: Connections::new(connections.group(), upkeep.clone()),
            keyring: keyring.map_err(StartError::TokenEndpoints)?,
            metrics: Metrics::new(&mut registry, MetricsConfig::default()),
            access_log: config.access_log.clone(),
            bodies: BodyBudget::new(config.body_memory),
            media: Arc::new(media.map_err(StartError::Media)?),
            spill: ReplayConfig::default().spill,
            clock: Clock::start(),
            names: Names::default(),
            rates: Rates::default(),
            tunnels: tunnels.clone(),
        });
        let pipeline = Pipeline::new(Arc::clone(&shared));
        let listeners = Arc::new(Listeners::new(pipeline, watch.clone(), connections.clone()));
        admin::register(&mut registry, &config, &shared, &listeners, &connections);
        let mut gateway = Self {
            background: Background::new(upkeep.clone()),
            certificates: Certificates::new(upkeep.clone()),
            admin: None,
            trigger,
            drain: config.drain,
            in_flight: [connections, tunnels],
            upkeep,
            changing: tokio::sync::Mutex::new(0),
            shared,
            listeners,
        };
        gateway.apply(snapshot).await?;
        if let Some(address) = config.admin {
            let view = admin::View::new(Arc::clone(&gateway.shared), watch, registry);
            let tasks = Tasks::on(config.control);
            gateway.admin = Some(
                Admin::start(address, view, tasks)
                    .await
                    .map_err(StartError::Admin)?,
            );
        }
        Ok(gateway)
    }

    /// Serves `snapshot` from now on. Requests under way finish by the one they began with.
    ///
    /// # Errors
    /// What the snapshot asks for and this machine cannot give; then nothing has changed.
    pub async fn apply(&self, snapshot: Arc<Snapshot>) -> Result<(), StartError> {
        let mut generation = self.changing.lock().await;
        let applied = self.try_apply(&snapshot).await;
        match &applied {
            Ok(()) => {
                *generation += 1;
                self.shared
                    .metrics
                    .snapshot_applied(*generation, telemetry::wall_clock());
            }
            Err(_) => self.shared.metrics.snapshot_refused(),
        }
        applied
    }

    async fn try_apply(&self, snapshot: &Arc<Snapshot>) -> Result<(), StartError> {
        let prepared = Prepared::new(snapshot, &self.shared.keyring)?;
        let listeners = self.certificates.listeners(snapshot)?;
        let before = self.shared.runtime.load_full();
        let runtime = Arc::new(prepared.build(&self.shared));
        let resolved = self.background.resolve_new(&runtime);
        tokio::join!(resolved, self.shared.keyring.tried(&runtime));
        self.shared.runtime.store(Arc::clone(&runtime));
        if let Err(error) = self.listeners.apply(listeners).await {
            let before_again = Arc::new(before.again(&self.shared));
            self.shared.keyring.retain(&before_again);
            self.shared.runtime.store(before_again);
            self.background.restore(&before).await;
            return Err(error.into());
        }
        self.background.follow(&runtime, &self.shared);
        self.certificates.retain(snapshot);
        self.shared.keyring.retain(&runtime);
        let keys = runtime.keys();
        self.shared.balance.retain(|key| keys.contains(key));
        self.shared.connections.retain(|key| keys.contains(key));
        Ok(())
    }

    /// Counts a configuration that was refused before it got here.
    pub fn refused(&self) {
        self.shared.metrics.snapshot_refused();
    }

    /// The address that the listener of this name is bound to.
    #[must_use]
    pub fn local_addr(&self, listener: &str) -> Option<SocketAddr> {
        self.listeners.local_addr(listener)
    }

    /// The address of the admin endpoint.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(Admin::local_addr)
    }

    /// Drains and ends: unready at once, listeners closed after the delay, streams finished or,
    /// at the deadline, cut.
    pub async fn drain(self) -> drain::Outcome {
        let outcome = drain::run(self.trigger, self.drain, &self.in_flight).await;
        self.shared.connections.close();
        self.upkeep.abort_all();
        if let Some(admin) = self.admin {
            admin.close();
        }
        outcome
    }
}

/// The tasks that keep a runtime's endpoints true.
struct Background {
    discovery: Discovery,
    probing: Probing,
}

impl Background {
    fn new(tasks: Tasks) -> Self {
        Self {
            discovery: Discovery::new(tasks.clone()),
            probing: Probing::new(tasks),
        }
    }

    /// Resolves names that nobody follows yet, so that the first request finds endpoints.
    async fn resolve_new(&self, runtime: &Runtime) {
        self.discovery.resolve_new(runtime).await;
    }

    /// Resolves the names of a runtime that another one has taken the place of, and failed.
    async fn restore(&self, runtime: &Runtime) {
        self.discovery.resolve_all(runtime).await;
    }

    fn follow(&self, runtime: &Runtime, shared: &Arc<Shared>) {
        self.discovery.follow(runtime, shared);
        self.probing.follow(runtime, shared);
    }
}
