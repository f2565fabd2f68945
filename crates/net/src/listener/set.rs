//! The set of listeners and its changes.
//!
//! A socket is identified by its address, not by the listener's name: two listeners may swap their
//! names, limits or certificates without a connection being refused. With port 0 the name is part
//! of the identity.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use hyper::server::conn::http2;
use hyper_util::rt::TokioTimer;
use rustls::ServerConfig;
use tokio::sync::Mutex;

use super::accept::Acceptor;
use super::admission::{Admission, Refused};
use super::h2_streams::StreamExecutor;
use super::{Handler, ListenError, ListenerConfig};
use crate::drain::{Stage, Trigger, Watch};
use crate::limits::Limits;
use crate::tasks::Tasks;
use crate::tcp::{TcpListener, listen};

/// The listeners of a process (or of one of its runtimes) and one handler for all of them.
///
/// Dropping the set closes its sockets; open connections are drained.
pub struct Listeners<H> {
    handler: Arc<H>,
    drain: Watch,
    connections: Tasks,
    running: ArcSwap<Vec<Arc<Running>>>,
    changing: Mutex<()>,
}

impl<H: Handler> Listeners<H> {
    /// An empty set. Connections are tasks of `connections`, and end as `drain` says.
    pub fn new(handler: H, drain: Watch, connections: Tasks) -> Self {
        Self {
            handler: Arc::new(handler),
            drain,
            connections,
            running: ArcSwap::default(),
            changing: Mutex::new(()),
        }
    }

    /// Makes the set what `configs` says. Listeners on an address that is new are bound first; if
    /// one cannot be, nothing changes. Those on the same address keep their socket, and new
    /// connections get the new limits and certificates. Those that have gone are closed and
    /// their connections drained, for as long as their streams take.
    ///
    /// # Errors
    /// A bound that cannot be kept, a name or address that is there twice, or an address that
    /// cannot be bound.
    pub async fn apply(&self, configs: Vec<ListenerConfig>) -> Result<(), ListenError> {
        validate(&configs)?;
        let _changing = self.changing.lock().await;
        let before = self.running.load_full();
        let mut planned = Vec::with_capacity(configs.len());
        for config in configs {
            let same = before
                .iter()
                .find(|running| running.identity == Identity::of(&config));
            let bound = match same {
                Some(running) => Bound::Before(running.clone()),
                None => Bound::New(bind(&config)?),
            };
            planned.push((config, bound));
        }
        let after = planned
            .into_iter()
            .map(|(config, bound)| self.start(config, bound))
            .collect();
        self.running.store(Arc::new(after));
        self.close_gone(&before).await;
        Ok(())
    }

    fn start(&self, config: ListenerConfig, bound: Bound) -> Arc<Running> {
        let identity = Identity::of(&config);
        let settings = Arc::new(Settings::new(config, &self.connections));
        let (socket, local_addr) = match bound {
            Bound::Before(running) => {
                running.settings.store(settings);
                return running;
            }
            Bound::New(bound) => bound,
        };
        let (closing, drain) = self.drain.child();
        let running = Running {
            identity,
            local_addr,
            settings: Arc::new(ArcSwap::new(settings)),
            admission: Arc::default(),
            counters: Arc::default(),
            accepting: self.connections.group(),
            closing,
        };
        let acceptor = Acceptor {
            settings: running.settings.clone(),
            admission: running.admission.clone(),
            counters: running.counters.clone(),
            drain,
            handler: self.handler.clone(),
            connections: self.connections.clone(),
        };
        running.accepting.spawn("listener", acceptor.run(socket));
        tracing::info!(listener = &*running.settings.load().name, %local_addr, "listening");
        Arc::new(running)
    }

    /// Closes the listeners that are no longer in the set, and waits until their sockets are
    /// closed, so that the next change can bind their addresses.
    async fn close_gone(&self, before: &[Arc<Running>]) {
        let after = self.running.load_full();
        let gone = |old: &&Arc<Running>| !after.iter().any(|new| Arc::ptr_eq(old, new));
        for running in before.iter().filter(gone) {
            running.closing.advance(Stage::Closing);
            running.accepting.wait().await;
            let listener = &*running.settings.load().name;
            tracing::info!(listener, local_addr = %running.local_addr, "closed");
        }
    }

    /// The address that the listener of this name is bound to.
    #[must_use]
    pub fn local_addr(&self, name: &str) -> Option<SocketAddr> {
        let running = self.running.load();
        running
            .iter()
            .find(|one| &*one.settings.load().name == name)
            .map(|one| one.local_addr)
    }

    /// What each listener has done since it was bound.
    #[must_use]
    pub fn stats(&self) -> Vec<ListenerStats> {
        self.running
            .load()
            .iter()
            .map(|running| running.stats())
            .collect()
    }
}

/// What a listener has done since it was bound, and what it holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerStats {
    /// Its name.
    pub name: Arc<str>,
    /// The address it is bound to.
    pub local_addr: SocketAddr,
    /// Connections open now.
    pub active: usize,
    /// Connections accepted, those refused included.
    pub accepted: u64,
    /// Connections closed at once because of `max_connections`.
    pub refused_by_total: u64,
    /// Connections closed at once because of `max_connections_per_source`.
    pub refused_by_source: u64,
    /// Connections that ended before a protocol was agreed upon, mostly failed TLS handshakes.
    pub opening_failed: u64,
    /// Connections closed because the client sent no whole request head in time, or did not end
    /// after it was asked to.
    pub timed_out: u64,
    /// Errors of accept(2).
    pub accept_errors: u64,
}

/// A bound listener whose accept loop runs.
struct Running {
    identity: Identity,
    local_addr: SocketAddr,
    settings: Arc<ArcSwap<Settings>>,
    admission: Arc<Admission>,
    counters: Arc<Counters>,
    accepting: Tasks,
    closing: Trigger,
}

impl Running {
    fn stats(&self) -> ListenerStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ListenerStats {
            name: self.settings.load().name.clone(),
            local_addr: self.local_addr,
            active: self.admission.active(),
            accepted: count(&self.counters.accepted),
            refused_by_total: count(&self.counters.refused_by_total),
            refused_by_source: count(&self.counters.refused_by_source),
            opening_failed: count(&self.counters.opening_failed),
            timed_out: count(&self.counters.timed_out),
            accept_errors: count(&self.counters.accept_errors),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.closing.advance(Stage::Closing);
    }
}

enum Bound {
    Before(Arc<Running>),
    New((TcpListener, SocketAddr)),
}

#[derive(PartialEq, Eq)]
struct Identity {
    address: SocketAddr,
    name_of_free_port: Option<Arc<str>>,
}

impl Identity {
    fn of(config: &ListenerConfig) -> Self {
        let name_of_free_port = (config.address.port() == 0).then(|| config.name.clone());
        Self {
            address: config.address,
            name_of_free_port,
        }
    }
}

/// What the connections of one listener are made with; replaced as a whole by a reload.
pub(super) struct Settings {
    pub(super) name: Arc<str>,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) limits: Limits,
    pub(super) h2: http2::Builder<StreamExecutor>,
}

impl Settings {
    pub(super) fn new(config: ListenerConfig, streams: &Tasks) -> Self {
        let ListenerConfig {
            name, tls, limits, ..
        } = config;
        let h2 = h2_builder(&limits, streams);
        Self {
            name,
            tls,
            limits,
            h2,
        }
    }
}

fn h2_builder(limits: &Limits, streams: &Tasks) -> http2::Builder<StreamExecutor> {
    let executor = StreamExecutor {
        tasks: streams.clone(),
        stall_timeout: limits.write_stall_timeout,
    };
    let h2 = &limits.h2;
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(h2.max_concurrent_streams)
        .max_header_list_size(h2.max_header_list_bytes)
        .initial_stream_window_size(h2.stream_window)
        .initial_connection_window_size(h2.connection_window)
        .max_send_buf_size(h2.max_send_buffer_bytes)
        .max_pending_accept_reset_streams(h2.max_pending_reset_streams)
        .max_local_error_reset_streams(h2.max_local_error_reset_streams)
        .keep_alive_interval(h2.ping_interval)
        .keep_alive_timeout(h2.ping_timeout);
    builder
}

#[derive(Default)]
pub(super) struct Counters {
    accepted: AtomicU64,
    refused_by_total: AtomicU64,
    refused_by_source: AtomicU64,
    opening_failed: AtomicU64,
    timed_out: AtomicU64,
    accept_errors: AtomicU64,
}

impl Counters {
    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, by: Refused) {
        let counter = match by {
            Refused::Listener => &self.refused_by_total,
            Refused::Source => &self.refused_by_source,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn opening_failed(&self) {
        self.opening_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn timed_out(&self) {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn accept_failed(&self) {
        self.accept_errors.fetch_add(1, Ordering::Relaxed);
    }
}

fn validate(configs: &[ListenerConfig]) -> Result<(), ListenError> {
    for (index, config) in configs.iter().enumerate() {
        let name = config.name.clone();
        config
            .limits
            .validate()
            .map_err(|error| ListenError::Limits { name, error })?;
        for other in configs.iter().take(index) {
            if other.name == config.name {
                return Err(ListenError::DuplicateName {
                    name: config.name.clone(),
                });
            }
            if Identity::of(other) == Identity::of(config) {
                return Err(ListenError::DuplicateAddress {
                    first: other.name.clone(),
                    second: config.name.clone(),
                    address: config.address,
                });
            }
        }
    }
    Ok(())
}

fn bind(config: &ListenerConfig) -> Result<(TcpListener, SocketAddr), ListenError> {
    let bound = listen(config.address, config.backlog)
        .and_then(|listener| listener.local_addr().map(|address| (listener, address)));
    bound.map_err(|error| ListenError::Bind {
        name: config.name.clone(),
        address: config.address,
        error,
    })
}
