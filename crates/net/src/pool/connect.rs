//! Opening a connection: name, TCP, TLS.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::error::{SendError, SendErrorKind};
use super::io::Stream;
use super::target::{Address, Target, TlsIdentity};
use crate::tcp::{TcpStream, configure, lookup_host};

/// Connects to `target`, giving up at `deadline`. `keepalive` is how long a connection may be
/// silent before TCP probes it.
pub(super) async fn connect(
    target: &Target,
    keepalive: Option<Duration>,
    deadline: Instant,
) -> Result<Stream, SendError> {
    let addresses = resolve(target, deadline).await?;
    let tcp = connect_any(target, &addresses, deadline).await?;
    configure(&tcp, keepalive)
        .map_err(|error| SendError::new(SendErrorKind::Connect, target, Some(Box::new(error))))?;
    match target.tls() {
        None => Ok(Stream::Plain(tcp)),
        Some(identity) => handshake(target, identity, tcp, deadline).await,
    }
}

async fn resolve(target: &Target, deadline: Instant) -> Result<Vec<SocketAddr>, SendError> {
    let (host, port) = match target.address() {
        Address::Socket(address) => return Ok(vec![*address]),
        Address::Host { host, port } => (&**host, *port),
    };
    match timeout_at(deadline, lookup_host((host, port))).await {
        Err(_) => Err(SendError::new(SendErrorKind::ConnectTimeout, target, None)),
        Ok(Err(error)) => Err(SendError::connecting(SendErrorKind::Resolve, target, error)),
        Ok(Ok(addresses)) => {
            let addresses: Vec<_> = addresses.collect();
            if addresses.is_empty() {
                return Err(SendError::new(SendErrorKind::Resolve, target, None));
            }
            Ok(addresses)
        }
    }
}

/// Tries one address after the other, each with its share of what time is left, so that a first
/// address that swallows packets does not take the second one's chance.
async fn connect_any(
    target: &Target,
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<TcpStream, SendError> {
    let mut last = SendError::new(SendErrorKind::Connect, target, None);
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        last = match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => SendError::connecting(SendErrorKind::Connect, target, error),
            Err(_) => SendError::new(SendErrorKind::ConnectTimeout, target, None),
        };
    }
    Err(last)
}

async fn handshake(
    target: &Target,
    identity: &TlsIdentity,
    tcp: TcpStream,
    deadline: Instant,
) -> Result<Stream, SendError> {
    let connector = TlsConnector::from(identity.config().clone());
    let connecting = connector.connect(identity.server_name().clone(), tcp);
    match timeout_at(deadline, connecting).await {
        Err(_) => Err(SendError::new(SendErrorKind::ConnectTimeout, target, None)),
        Ok(Err(error)) => Err(SendError::new(
            SendErrorKind::Tls,
            target,
            Some(Box::new(error)),
        )),
        Ok(Ok(tls)) => Ok(Stream::Tls(Box::new(tls))),
    }
}
