//! Listening sockets and the connections they accept.
//!
//! [`Listeners`] is the set of a process's listeners. It is changed as a whole by
//! [`Listeners::apply`], the same way for start and for reload: what is unchanged keeps its socket
//! and its connections, what is new is bound before anything is touched, and what has gone is
//! drained. Each accepted connection is one task (`connection`) that speaks HTTP/1.1 or HTTP/2,
//! by ALPN on TLS and by the client's preface on plain sockets, and that hands its requests to
//! one [`Handler`].
//!
//! HTTP/1.1 is served by code of our own (`http1`), HTTP/2 by hyper's connection-level API.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use tokio::time::Instant;

use crate::limits::{LimitError, Limits};

mod accept;
mod admission;
mod connection;
mod exchange;
mod h2_streams;
mod http1;
mod io;
mod request_body;
mod set;
mod state;
#[cfg(test)]
mod tests;

pub use http1::{NotUpgraded, OnUpgrade, Upgraded, on_upgrade};
pub use request_body::{RequestBody, RequestBodyError};
pub use set::{ListenerStats, Listeners};

/// Any error of a response body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One listening socket.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// Name for logs, metrics and [`ConnInfo`]; unique in the set.
    pub name: Arc<str>,
    /// Where to listen. Port 0 takes a free port; see [`Listeners::local_addr`].
    pub address: SocketAddr,
    /// Ready TLS configuration; `None` is a plain socket. Two configurations are the same if they
    /// are the same `Arc`.
    pub tls: Option<Arc<ServerConfig>>,
    /// Bounds of its connections.
    pub limits: Limits,
    /// Connections the kernel queues until they are accepted; it caps this at
    /// `net.core.somaxconn`. 1024 is a common choice.
    pub backlog: u32,
}

impl ListenerConfig {
    /// A plain listener with the default limits.
    #[must_use]
    pub fn plain(name: impl Into<Arc<str>>, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            address,
            tls: None,
            limits: Limits::default(),
            backlog: 1024,
        }
    }
}

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    H2,
}

/// What is known of a connection; shared by its requests.
#[derive(Debug)]
pub struct ConnInfo {
    /// The listener's name.
    pub listener: Arc<str>,
    /// The client's address as the socket tells it.
    pub peer: SocketAddr,
    /// The same without its port, as headers name a client.
    pub peer_ip: HeaderValue,
    /// Our address that the client connected to.
    pub local: SocketAddr,
    /// The protocol spoken.
    pub protocol: Protocol,
    /// What the TLS handshake told; `None` on a plain socket.
    pub tls: Option<TlsInfo>,
    /// When the connection was accepted.
    pub accepted: Instant,
}

impl ConnInfo {
    /// An address as headers name it.
    #[must_use]
    pub fn ip_value(address: SocketAddr) -> HeaderValue {
        let text = address.ip().to_string();
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    }
}

/// What a TLS handshake told of the client.
#[derive(Debug)]
pub struct TlsInfo {
    /// The server name it asked for.
    pub sni: Option<Box<str>>,
    /// The application protocol agreed upon.
    pub alpn: Option<Box<[u8]>>,
    /// The certificates it presented, its own first, verified by the listener's configuration.
    pub peer_certificates: Box<[CertificateDer<'static>]>,
    /// The TLS version.
    pub version: Option<rustls::ProtocolVersion>,
}

/// What answers the requests of a set of listeners.
///
/// Every `Fn(Request<RequestBody>, Arc<ConnInfo>) -> impl Future<Output = Response<B>>` is one. A
/// handler has no error: it knows best which response its failure is. Its future is dropped when
/// the client goes away.
pub trait Handler: Send + Sync + 'static {
    /// The response body. Its error ends the connection (HTTP/1) or the stream (HTTP/2).
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static;
    /// The exchange.
    type Future: Future<Output = Response<Self::Body>> + Send + 'static;

    /// Answers one request.
    fn handle(&self, request: Request<RequestBody>, connection: Arc<ConnInfo>) -> Self::Future;
}

impl<F, Fut, B> Handler for F
where
    F: Fn(Request<RequestBody>, Arc<ConnInfo>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Body = B;
    type Future = Fut;

    fn handle(&self, request: Request<RequestBody>, connection: Arc<ConnInfo>) -> Fut {
        self(request, connection)
    }
}

/// Why a set of listeners was refused. The set before it stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Two listeners have one name.
    #[error("two listeners are named {name:?}: give each its own name")]
    DuplicateName {
        /// The name.
        name: Arc<str>,
    },
    /// Two listeners have one address.
    #[error("listeners {first:?} and {second:?} both want {address}: give each its own address")]
    DuplicateAddress {
        /// The name of the first.
        first: Arc<str>,
        /// The name of the second.
        second: Arc<str>,
        /// The address of both.
        address: SocketAddr,
    },
    /// A bound that cannot be kept.
    #[error("listener {name:?}: limits.{error}")]
    Limits {
        /// The listener.
        name: Arc<str>,
        /// Which bound, and what it must be.
        error: LimitError,
    },
    /// The address cannot be listened on.
    #[error(
        "listener {name:?} cannot listen on {address}: {error}. Is another process, or a listener \
         of this one on an overlapping address, still using it?"
    )]
    Bind {
        /// The listener.
        name: Arc<str>,
        /// Its address.
        address: SocketAddr,
        /// What the operating system said.
        error: std::io::Error,
    },
}
