//! What outlives a snapshot: registries keyed by identity, and the snapshot in force.
//!
//! A reload swaps the [`Runtime`] and touches nothing else here, so endpoint statistics, open
//! connections and budgets survive it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use balance::Time;
use foldhash::fast::FixedState;
use llm::{Api, Operation};
use mesh::resources::ConnectionPool;
use mesh::snapshot::{Backend, BackendKind};
use net::budget::BodyBudget;
use net::replay::SpillConfig;
use net::tasks::Tasks;
use telemetry::{AccessLog, Metrics};
use tokio::time::Instant;

use crate::keyring::Keyring;
use crate::media::Fetcher;
use crate::rates::Rates;
use crate::runtime::Runtime;

/// The state of a gateway.
pub(crate) struct Shared {
    /// The snapshot in force; loaded once per request.
    pub(crate) runtime: ArcSwap<Runtime>,
    pub(crate) balance: balance::Registry,
    pub(crate) connections: Connections,
    pub(crate) keyring: Keyring,
    pub(crate) metrics: Metrics,
    pub(crate) access_log: Option<Arc<AccessLog>>,
    /// Memory for request bodies.
    pub(crate) bodies: BodyBudget,
    /// Fetches media that requests name by URL.
    pub(crate) media: Arc<Fetcher>,
    /// Where request bodies go that are too long for memory.
    pub(crate) spill: Option<SpillConfig>,
    pub(crate) clock: Clock,
    pub(crate) names: Names,
    /// Bytes per token, by model.
    pub(crate) rates: Rates,
    /// Tunnels, which go on after their request.
    pub(crate) tunnels: Tasks,
}

/// The time as `balance` counts it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub(crate) fn start() -> Self {
        Self {
            epoch: Instant::now(),
        }
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Time {
        self.at(Instant::now())
    }

    /// Time from the start to `now`. Reading the clock is cheap, but a request passes many places
    /// that want to know the time, and those beside each other may as well agree on it.
    pub(crate) fn at(&self, now: Instant) -> Time {
        let nanos = now.saturating_duration_since(self.epoch).as_nanos();
        Time::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Connection pools, one for each backend, since each has bounds of its own.
pub(crate) struct Connections {
    pools: Mutex<HashMap<Arc<str>, (ConnectionPool, net::pool::Pool), FixedState>>,
    /// Carries HTTP/2 connections.
    tasks: Tasks,
    /// Carries what keeps the pools clean.
    upkeep: Tasks,
}

impl Connections {
    /// No pools yet. `tasks` carries HTTP/2 connections, `upkeep` what closes idle ones.
    pub(crate) fn new(tasks: Tasks, upkeep: Tasks) -> Self {
        Self {
            pools: Mutex::default(),
            tasks,
            upkeep,
        }
    }

    /// The pool of a backend: the one there is, unless its bounds have changed.
    pub(crate) fn pool(&self, key: &Arc<str>, backend: &Backend) -> net::pool::Pool {
        let bounds = &backend.connection_pool;
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        match pools.get(key) {
            Some((before, pool)) if before == bounds => return pool.clone(),
            Some((_, pool)) => pool.close(),
            None => {}
        }
        let pool = net::pool::Pool::new(pool_config(backend), self.tasks.group());
        let maintained = pool.clone();
        self.upkeep.spawn(
            "connection upkeep",
            async move { maintained.maintain().await },
        );
        pools.insert(Arc::clone(key), (bounds.clone(), pool.clone()));
        pool
    }

    /// Closes the pools of backends that are no more.
    pub(crate) fn retain(&self, keep: impl Fn(&str) -> bool) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|key, (_, pool)| {
            let kept = keep(key);
            if !kept {
                pool.close();
            }
            kept
        });
    }

    /// Closes all pools: connections in use end with their responses.
    pub(crate) fn close(&self) {
        self.retain(|_| false);
    }
}

/// vLLM and SGLang, served by uvicorn, close a connection that was idle for 5 s.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// Cloud load balancers close a connection that was idle for 60 s.
const PROVIDER_IDLE: Duration = Duration::from_secs(55);

fn pool_config(backend: &Backend) -> net::pool::PoolConfig {
    let bounds = &backend.connection_pool;
    let idle = match backend.kind {
        BackendKind::Pool => POOL_IDLE,
        BackendKind::Provider => PROVIDER_IDLE,
    };
    let defaults = net::pool::PoolConfig::default();
    let h2_connections = usize::try_from(bounds.http2_max_connections).unwrap_or(usize::MAX);
    net::pool::PoolConfig {
        max_idle_per_endpoint: usize::try_from(bounds.max_idle_per_endpoint).unwrap_or(usize::MAX),
        idle_timeout: bounds
            .idle_timeout
            .map_or(idle, mesh::resources::Duration::get),
        max_age: bounds
            .max_age
            .map_or(defaults.max_age, mesh::resources::Duration::get),
        h2_max_connections: h2_connections
            .try_into()
            .unwrap_or(defaults.h2_max_connections),
        ..defaults
    }
}

/// Label values that are made once.
pub(crate) struct Names {
    /// The most frequent first.
    operations: Vec<(Operation, Arc<str>)>,
    other: Arc<str>,
}

impl Default for Names {
    fn default() -> Self {
        let operations = Api::ALL.iter().map(|api| api.operation);
        Self {
            operations: operations.map(|it| (it, it.name().into())).collect(),
            other: "other".into(),
        }
    }
}

impl Names {
    /// `gen_ai.operation.name` of the OpenTelemetry semantic conventions.
    pub(crate) fn operation(&self, api: Api) -> Arc<str> {
        let mut known = self.operations.iter();
        let name = known.find(|(operation, _)| *operation == api.operation);
        Arc::clone(name.map_or(&self.other, |(_, name)| name))
    }

    /// The label of a model that the configuration does not name.
    pub(crate) fn other(&self) -> Arc<str> {
        Arc::clone(&self.other)
    }
}
