//! Where clients connect.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{ByteSize, Duration};

/// A socket on which clients are served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerSpec {
    /// IP address and port to bind, such as `127.0.0.1:8080` or `[::]:8443`. Port 0 takes any free
    /// port. Two listeners cannot share an address.
    pub address: String,
    /// Serve TLS with these certificates. Absent: plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
    /// Host names (without port; `*.example.com` for any subdomain) that a request's `Host` must
    /// be one of, else it is answered 421. Empty: any. Loopback listeners set it against DNS
    /// rebinding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_hosts: Vec<String>,
    /// Web origins (`https://chat.example.com`; `*` for any) whose pages may call this listener. A
    /// request with another `Origin` header is answered 403. Requests without that header, which
    /// is all that do not come from a browser, are not concerned. This only refuses: no CORS headers
    /// are added, so pages of another origin need a proxy on their own. Empty: no other origin than
    /// the listener's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_origins: Vec<String>,
    /// Tell clients in the response header `x-sluicegate-endpoint` which endpoint answered.
    /// Default: false.
    #[serde(default)]
    pub expose_endpoint: bool,
    /// Bounds on what clients may take.
    #[serde(default)]
    pub limits: ListenerLimits,
    /// Bounds on how long clients may take.
    #[serde(default)]
    pub timeouts: ListenerTimeouts,
}

impl ListenerSpec {
    /// The port where nobody says which.
    pub const DEFAULT_PORT: u16 = 8080;

    /// A plain HTTP listener with the defaults of every other field.
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            tls: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            expose_endpoint: false,
            limits: ListenerLimits::default(),
            timeouts: ListenerTimeouts::default(),
        }
    }

    /// A plain HTTP listener for this machine only, at `127.0.0.1`. Web pages cannot call it:
    /// it answers to local host names only, which defeats DNS rebinding, and to no origin.
    pub fn loopback(port: u16) -> Self {
        let local = ["localhost", "127.0.0.1", "[::1]"];
        Self {
            allowed_hosts: local.map(str::to_owned).to_vec(),
            ..Self::at(format!("127.0.0.1:{port}"))
        }
    }
}

/// The server side of TLS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerTls {
    /// One or more certificates, chosen by the client's server name (SNI); the first one is used
    /// when none fits.
    #[schemars(length(min = 1))]
    pub certificates: Vec<Certificate>,
}

/// A certificate and its key, in files that are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// Path of the certificate chain in PEM, leaf first.
    pub cert_file: String,
    /// Path of the private key in PEM.
    pub key_file: String,
}

/// Bounds on what a listener's clients may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListenerLimits {
    /// Open connections at most; more are closed as soon as they are accepted. At least 1.
    /// Default: 65536.
    #[schemars(range(min = 1))]
    pub max_connections: u32,
    /// Open connections at most from one IP address. At least 1. Absent: no such limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_connections_per_source: Option<u32>,
    /// Size of a request's head at most; a larger one is answered 431. 8Ki to 1Mi. Default: 64Ki.
    pub max_header_bytes: ByteSize,
    /// Size of a request's body at most; a larger one is answered 413. Default: 64Mi.
    pub max_body_bytes: ByteSize,
    /// Concurrent streams at most on one HTTP/2 connection. At least 1. Default: 256.
    #[schemars(range(min = 1))]
    pub http2_max_concurrent_streams: u32,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            max_connections: 65_536,
            max_connections_per_source: None,
            max_header_bytes: ByteSize::from_kib(64),
            max_body_bytes: ByteSize::from_mib(64),
            http2_max_concurrent_streams: 256,
        }
    }
}

/// Bounds on how long a listener's clients may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListenerTimeouts {
    /// From the opening of a connection (or the first byte of a request) to the end of the
    /// request's head, TLS handshake included. More than 0s. Default: 10s.
    pub header: Duration,
    /// How long a connection without a request is kept. More than 0s. Default: 1m15s.
    pub idle: Duration,
    /// Longest pause between two pieces of a request's body. More than 0s. Default: 30s.
    pub body_idle: Duration,
    /// Longest time that a client may take none of the bytes that wait for it. More than 0s.
    /// Default: 1m.
    pub write: Duration,
}

impl Default for ListenerTimeouts {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body_idle: Duration::from_secs(30),
            write: Duration::from_secs(60),
        }
    }
}
