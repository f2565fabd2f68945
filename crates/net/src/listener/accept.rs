//! The accept loop of one listener.
//!
//! It does nothing per connection but count it, check the bounds and start its task, so no client
//! can slow it down. It never ends because of an error: when the process is out of descriptors it
//! waits while connections queue in the kernel, says so once, and goes on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::sleep;

use super::Handler;
use super::admission::Admission;
use super::connection::{Accepted, serve};
use super::set::{Counters, Settings};
use super::state::ConnState;
use crate::drain::{Stage, Watch};
use crate::tasks::Tasks;
use crate::tcp::{Queued, TcpListener, TcpStream};

const FIRST_BACKOFF: Duration = Duration::from_millis(10);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// What the accept loop of one listener works with.
pub(super) struct Acceptor<H> {
    pub(super) settings: Arc<ArcSwap<Settings>>,
    pub(super) admission: Arc<Admission>,
    pub(super) counters: Arc<Counters>,
    pub(super) drain: Watch,
    pub(super) handler: Arc<H>,
    pub(super) connections: Tasks,
}

impl<H: Handler> Acceptor<H> {
    /// Accepts until the drain closes the listeners; then takes what the kernel has already
    /// queued, since closing the socket would reset it.
    pub(super) async fn run(self, socket: TcpListener) {
        tokio::select! {
            () = self.accept_all(&socket) => {}
            () = self.drain.reached(Stage::Closing) => {}
        }
        if let Err(error) = self.take_queued(socket) {
            tracing::debug!(%error, "connections in the kernel's queue are lost");
        }
    }

    fn take_queued(&self, socket: TcpListener) -> io::Result<()> {
        let queued = Queued::of(socket)?;
        loop {
            match queued.accept() {
                Ok((tcp, peer)) => self.start(tcp, peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn accept_all(&self, socket: &TcpListener) {
        let mut backoff = FIRST_BACKOFF;
        loop {
            match socket.accept().await {
                Ok((tcp, peer)) => {
                    backoff = FIRST_BACKOFF;
                    self.start(tcp, peer);
                }
                Err(error) => {
                    self.counters.accept_failed();
                    if !is_of_one_connection(&error) {
                        self.wait_for_resources(&error, backoff).await;
                        backoff = (backoff * 2).min(LONGEST_BACKOFF);
                    }
                }
            }
        }
    }

    async fn wait_for_resources(&self, error: &io::Error, backoff: Duration) {
        if backoff == FIRST_BACKOFF {
            let listener = &*self.settings.load().name;
            tracing::error!(
                listener,
                %error,
                "cannot accept connections; they queue until it goes on. If files are exhausted, \
                 raise the process's limit of open files or lower max_connections"
            );
        }
        sleep(backoff).await;
    }

    fn start(&self, tcp: TcpStream, peer: SocketAddr) {
        let settings = self.settings.load_full();
        self.counters.accepted();
        let permit = match self.admission.admit(peer.ip(), &settings.limits) {
            Ok(permit) => permit,
            Err(refused) => {
                self.counters.refused(refused);
                tracing::debug!(listener = &*settings.name, %peer, ?refused, "connection refused");
                return;
            }
        };
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%peer, %error, "the client has gone already");
            return;
        }
        self.connections.spawn(
            "connection",
            serve(Accepted {
                tcp,
                peer,
                state: Arc::new(ConnState::new(settings, self.drain.clone(), permit)),
                handler: self.handler.clone(),
                counters: self.counters.clone(),
            }),
        );
    }
}

/// Whether an error concerns only the connection that would have been accepted (accept(2) passes
/// on errors that were already pending on it).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        NetworkDown, NetworkUnreachable, PermissionDenied, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | PermissionDenied
            | TimedOut
    )
}
