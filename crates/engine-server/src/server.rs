//! A running replica: its listener, its connections and its engine.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::{Engine, ProfileError};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::config::{ConfigError, EngineConfig};
use crate::fault::Faults;
use crate::metrics::Metrics;
use crate::replica::Replica;
use crate::service::Service;

/// Why a replica did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The profile contradicts itself.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl From<StartError> for io::Error {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Listen { source, .. } => source,
            StartError::Config(_) | StartError::Profile(_) => {
                Self::new(io::ErrorKind::InvalidInput, error)
            }
        }
    }
}

/// A running replica. Dropping it is like [`EngineServer::kill`].
#[derive(Debug)]
pub struct EngineServer {
    addr: SocketAddr,
    faults: Arc<Faults>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl EngineServer {
    /// Starts a replica; it listens when this returns.
    ///
    /// # Errors
    /// The configuration is invalid or its address is taken.
    pub async fn start(config: EngineConfig) -> Result<Self, StartError> {
        config.validate()?;
        let engine = Engine::new(config.profile.clone())?;
        let refused = |source| StartError::Listen {
            addr: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(refused)?;
        let addr = listener.local_addr().map_err(refused)?;

        let started = unix_time();
        let faults = Arc::new(Faults::new(config.faults.clone(), config.seed));
        let (commands, received) = mpsc::unbounded_channel();
        let metrics = Metrics::new(&config.profile, &config.model, started.as_secs_f64());
        let replica = Replica::new(engine, config.speed, metrics, Arc::clone(&faults), received);
        let service = Service::new(&config, started.as_secs(), Arc::clone(&faults), commands);
        let (stop, stopped) = watch::channel(false);
        let front = Front {
            addr,
            service: Arc::new(service),
            stopped,
        };

        let mut tasks = JoinSet::new();
        tasks.spawn(replica.run());
        tasks.spawn(front.run(listener));
        Ok(Self {
            addr,
            faults,
            stop,
            tasks,
        })
    }

    /// Where the replica listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The replica's faults, which can be changed at any time.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Ends the replica at once, as a killed process ends: its sockets die in the middle of
    /// whatever they were sending.
    pub async fn kill(mut self) {
        self.tasks.shutdown().await;
    }

    /// Stops listening, finishes what was begun, and ends.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// The network side of a replica.
struct Front {
    addr: SocketAddr,
    service: Arc<Service>,
    stopped: watch::Receiver<bool>,
}

/// Why accepting ended.
enum Closed {
    /// The replica stops.
    Stopped,
    /// Connections are refused for some time.
    Refusing(Duration),
}

impl Front {
    /// Accepts connections until the replica is stopped; then lets them finish.
    async fn run(mut self, mut listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let graceful = GracefulShutdown::new();
            let closed = self.accept(listener, &graceful, &mut connections).await;
            match closed {
                Closed::Stopped => {
                    graceful.shutdown().await;
                    while connections.join_next().await.is_some() {}
                    return;
                }
                Closed::Refusing(time) => {
                    // The connections that were open go on by themselves until they are idle.
                    connections.spawn(graceful.shutdown());
                    tokio::select! {
                        () = tokio::time::sleep(time) => {}
                        () = self.stopped() => {}
                    }
                }
            }
            listener = match TcpListener::bind(self.addr).await {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::error!(%error, addr = %self.addr, "cannot listen again");
                    return;
                }
            };
        }
    }

    /// Waits until the replica is stopped.
    async fn stopped(&mut self) {
        drop(self.stopped.wait_for(|stopped| *stopped).await);
    }

    /// Accepts connections until the listener is to be closed, and closes it.
    async fn accept(
        &mut self,
        listener: TcpListener,
        graceful: &GracefulShutdown,
        connections: &mut JoinSet<()>,
    ) -> Closed {
        let mut spec = self.service.faults.subscribe();
        loop {
            let refuse = spec.borrow_and_update().refuse_ms;
            if let Some(millis) = refuse {
                self.service.faults.stop_refusing();
                return Closed::Refusing(Duration::from_millis(millis));
            }
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, Arc::clone(&self.service), graceful));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept");
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                _ = spec.changed() => {}
                () = self.stopped() => return Closed::Stopped,
            }
        }
    }
}

/// Serves one connection, HTTP/1.1 or HTTP/2 by its first bytes.
fn connection(
    stream: TcpStream,
    service: Arc<Service>,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<> {
    drop(stream.set_nodelay(true));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(4_096);
    let respond = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { service.serve(request).await }
    });
    let served = builder
        .serve_connection(TokioIo::new(stream), respond)
        .into_owned();
    let watched = graceful.watch(served);
    async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection ended");
        }
    }
}

/// The wall clock, as the time since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "responses and metrics carry Unix time; it is read once, at the start"
)]
fn unix_time() -> Duration {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
