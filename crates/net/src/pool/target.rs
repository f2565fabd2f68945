//! Where a request is sent: the pool's key, hashed once.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use rustls_pki_types::ServerName;

/// The address of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An address to connect to as it is.
    Socket(SocketAddr),
    /// A name, resolved by the system's resolver each time a connection is opened.
    Host {
        /// The name, without brackets or port.
        host: Arc<str>,
        /// The port.
        port: u16,
    },
}

/// The text is not `address:port` or `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an upstream address; write `host:port`, `1.2.3.4:port` or `[v6]:port`")]
pub struct BadAddress(String);

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Socket(address)
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Socket(address));
        }
        let bad = || BadAddress(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().map_err(|_| bad())?;
        // Whatever is a URI authority's host is taken here; that a name exists shows at connect.
        let is_name = !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if is_name {
            Ok(Self::Host {
                host: host.into(),
                port,
            })
        } else {
            Err(bad())
        }
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

/// Which HTTP an endpoint speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: by ALPN over TLS, by prior knowledge without.
    H2,
    /// What ALPN chooses over TLS; HTTP/1.1 without.
    #[default]
    Auto,
}

/// How to prove who both sides are, for connections over TLS.
#[derive(Clone)]
pub struct TlsIdentity {
    config: Arc<rustls::ClientConfig>,
    server_name: ServerName<'static>,
    id: u64,
}

impl TlsIdentity {
    /// `server_name` is sent as SNI and is what the server's certificate must be valid for.
    ///
    /// `id` stands for `config` in the pool's key: a connection is shared between targets of the
    /// same address, name and id, so two configurations may have the same id only if whoever may
    /// use the one may use the other. (The address of the `Arc` would not do: a configuration
    /// rebuilt unchanged by a reload must find its open connections again.)
    #[must_use]
    pub fn new(
        config: Arc<rustls::ClientConfig>,
        server_name: ServerName<'static>,
        id: u64,
    ) -> Self {
        Self {
            config,
            server_name,
            id,
        }
    }

    fn offering(mut self, protocol: Protocol) -> Self {
        let alpn: &[&[u8]] = match protocol {
            Protocol::Http1 => &[b"http/1.1"],
            Protocol::H2 => &[b"h2"],
            Protocol::Auto => &[b"h2", b"http/1.1"],
        };
        if self.config.alpn_protocols != alpn {
            Arc::make_mut(&mut self.config).alpn_protocols =
                alpn.iter().map(|name| name.to_vec()).collect();
        }
        self
    }

    pub(super) fn config(&self) -> &Arc<rustls::ClientConfig> {
        &self.config
    }

    pub(super) fn server_name(&self) -> &ServerName<'static> {
        &self.server_name
    }
}

/// Where a request is sent. Cheap to clone; make it once per endpoint, not per request.
#[derive(Clone)]
pub struct Target(Arc<Inner>);

struct Inner {
    hash: u64,
    address: Address,
    protocol: Protocol,
    tls: Option<TlsIdentity>,
}

impl Target {
    /// The ALPN names offered over TLS follow from `protocol`; those in the configuration of
    /// `tls` are replaced.
    #[must_use]
    pub fn new(address: Address, protocol: Protocol, tls: Option<TlsIdentity>) -> Self {
        let tls = tls.map(|tls| tls.offering(protocol));
        let identity = tls.as_ref().map(|tls| (tls.id, &tls.server_name));
        let hash = foldhash::fast::FixedState::default().hash_one((&address, protocol, identity));
        Self(Arc::new(Inner {
            hash,
            address,
            protocol,
            tls,
        }))
    }

    /// The address connections are opened to.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// The protocol asked for.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// The TLS identity, if connections are encrypted.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsIdentity> {
        self.0.tls.as_ref()
    }

    /// The name requests are for unless they say otherwise: the TLS name, else the address.
    pub(super) fn authority(&self) -> String {
        match (&self.0.tls, &self.0.address) {
            (
                Some(TlsIdentity {
                    server_name: ServerName::DnsName(name),
                    ..
                }),
                address,
            ) => {
                let port = address.port();
                if port == 443 {
                    name.as_ref().to_owned()
                } else {
                    format!("{}:{port}", name.as_ref())
                }
            }
            (_, address) => address.to_string(),
        }
    }
}

impl Address {
    fn port(&self) -> u16 {
        match self {
            Self::Socket(address) => address.port(),
            Self::Host { port, .. } => *port,
        }
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&*self.0, &*other.0);
        let same_tls = || match (&a.tls, &b.tls) {
            (None, None) => true,
            (Some(a), Some(b)) => a.id == b.id && a.server_name == b.server_name,
            _ => false,
        };
        Arc::ptr_eq(&self.0, &other.0)
            || (a.hash == b.hash
                && a.address == b.address
                && a.protocol == b.protocol
                && same_tls())
    }
}

impl Eq for Target {}

impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("address", &self.0.address)
            .field("protocol", &self.0.protocol)
            .field("tls", &self.0.tls.as_ref().map(|tls| &tls.server_name))
            .finish()
    }
}
