//! Who an endpoint is, and where.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// The identity of an endpoint: its pod UID or its configured name. Cheap to clone.
///
/// Statistics, ejections and requests in flight belong to the identity; the address may change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(Arc<str>);

impl EndpointId {
    /// The identity as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for EndpointId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for EndpointId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Arc<str>> for EndpointId {
    fn from(text: Arc<str>) -> Self {
        Self(text)
    }
}

impl AsRef<str> for EndpointId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an endpoint is reached. Opaque to balancing, which never resolves a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and port.
    Socket(SocketAddr),
    /// A host name, to be resolved by whoever connects.
    Host {
        /// The name, without a port.
        host: Arc<str>,
        /// The TCP port.
        port: u16,
    },
}

impl Address {
    /// The address of `host`, which may be a name or an IP address in text.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        match bare.parse::<IpAddr>() {
            Ok(ip) => Self::Socket(SocketAddr::new(ip, port)),
            Err(_) => Self::Host {
                host: host.into(),
                port,
            },
        }
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Socket(address) => address.port(),
            Self::Host { port, .. } => *port,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Socket(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// Why a text is not an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an endpoint address; write host:port, 10.0.0.1:8000 or [::1]:8000")]
pub struct AddressError {
    text: String,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Socket(address));
        }
        let named = text.rsplit_once(':').and_then(|(host, port)| {
            let is_name = !host.is_empty() && !host.contains(['[', ']', ':', '/', '@', ' ']);
            let port = port
                .bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| port.parse().ok())??;
            is_name.then(|| Self::Host {
                host: host.into(),
                port,
            })
        });
        named.ok_or_else(|| AddressError {
            text: text.to_owned(),
        })
    }
}
