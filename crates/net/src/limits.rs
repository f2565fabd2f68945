//! What a client may cost.
//!
//! Every way in which one connection can hold memory, a socket or a worker without doing useful
//! work has a bound here. The defaults refuse the known attacks (slow heads, slow readers, reset
//! and ping floods, header bombs) and still take a 20 MB prompt over a slow line: no bound is on
//! the whole time of a request, only on time without progress. (The bound on a request body that
//! stops arriving belongs to [`crate::replay`], which is who reads it.)

use std::num::NonZeroU64;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// What any server takes: cookies and tokens of this size are in use.
const MIN_HEADER_BYTES: usize = 8 * 1024;
/// There is room for so many in every request.
const MAX_HEADERS: usize = 256;
/// RFC 9113, section 6.9.1: the largest flow-control window.
const MAX_WINDOW: u32 = (1 << 31) - 1;
/// RFC 9113, section 6.9.2: the window before any SETTINGS; hyper cannot go below it for a
/// connection.
const MIN_WINDOW: u32 = 65_535;

/// Bounds of one listener's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From the accept, or from the first byte of a later request, until the request head is
    /// whole. It covers the TLS handshake. Default 10 s. HTTP/2 connections may be opened ahead of
    /// use (as gRPC channels are): after their preface only `idle_timeout` applies.
    pub header_timeout: Duration,
    /// How long a connection may stay without a request. Default 75 s. Behind a load balancer it
    /// must be longer than the load balancer's own (AWS 60 s; Google 600 s), or that one will
    /// send requests into connections that are just being closed.
    pub idle_timeout: Duration,
    /// How long the client may take no byte of what is ready to be sent to it. Default 60 s. A
    /// stream that has nothing to send is never stalled, however long.
    pub write_stall_timeout: Duration,
    /// How long to go on reading and discarding after an answer that was sent before the request
    /// body was read; closing at once would reset the connection and destroy the answer on its
    /// way. Default 30 s; zero closes at once.
    pub linger_timeout: Duration,
    /// Request line and headers of HTTP/1, in bytes; more is answered 431. At least 8 KiB.
    /// Default 64 KiB.
    pub max_header_bytes: usize,
    /// Header fields of an HTTP/1 request, 256 at most; more is answered 431. Default 100.
    pub max_headers: usize,
    /// Requests after which a connection is closed in an orderly way, so that clients spread over
    /// new replicas. Default: no bound.
    pub max_requests_per_connection: Option<NonZeroU64>,
    /// Open connections of the listener; more are closed as soon as they are accepted. Default
    /// 50 000. Keep it below the process's limit of open files, two for each proxied request.
    pub max_connections: usize,
    /// Open connections of one client address (IPv6: one /64, which is what one customer gets).
    /// Default: no bound, since all clients may come through one load balancer.
    pub max_connections_per_source: Option<usize>,
    /// Bounds of HTTP/2.
    pub h2: H2Limits,
}

/// Bounds of one HTTP/2 connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct H2Limits {
    /// Streams open at once. Default 256.
    pub max_concurrent_streams: u32,
    /// Size of a decoded header list as RFC 9113, section 10.5.1 counts it. Default 64 KiB.
    pub max_header_list_bytes: u32,
    /// Bytes of a request body that may be on their way before they are read, of one stream.
    /// Default 1 MiB: 10 MB/s at a round trip of 100 ms.
    pub stream_window: u32,
    /// The same of all streams together. Default 4 MiB.
    pub connection_window: u32,
    /// Response bytes buffered per stream before the body is asked for more. Default 256 KiB.
    pub max_send_buffer_bytes: usize,
    /// Streams that the client reset before they were looked at (CVE-2023-44487); more end the
    /// connection. Default 64.
    pub max_pending_reset_streams: usize,
    /// Streams that we reset because of the client's errors (CVE-2025-8671); more end the
    /// connection. Default 1024.
    pub max_local_error_reset_streams: usize,
    /// How often a ping asks whether the client is still there. Default 30 s; `None` never asks.
    pub ping_interval: Option<Duration>,
    /// How long the answer to a ping may take. Default 20 s.
    pub ping_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_stall_timeout: Duration::from_secs(60),
            linger_timeout: Duration::from_secs(30),
            max_header_bytes: 64 * 1024,
            max_headers: 100,
            max_requests_per_connection: None,
            max_connections: 50_000,
            max_connections_per_source: None,
            h2: H2Limits::default(),
        }
    }
}

impl Default for H2Limits {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 256,
            max_header_list_bytes: 64 * 1024,
            stream_window: 1024 * 1024,
            connection_window: 4 * 1024 * 1024,
            max_send_buffer_bytes: 256 * 1024,
            max_pending_reset_streams: 64,
            max_local_error_reset_streams: 1024,
            ping_interval: Some(Duration::from_secs(30)),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

/// A bound that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} {must}")]
pub struct LimitError {
    /// The field, as a path from [`Limits`].
    pub field: &'static str,
    /// What it must be.
    pub must: &'static str,
}

impl Limits {
    /// Whether every bound can be kept.
    ///
    /// # Errors
    /// The first bound that cannot.
    pub fn validate(&self) -> Result<(), LimitError> {
        let require = |holds: bool, field, must| {
            if holds {
                Ok(())
            } else {
                Err(LimitError { field, must })
            }
        };
        let window = |size| (MIN_WINDOW..=MAX_WINDOW).contains(&size);
        let positive = "must be more than zero";
        let in_range = "must be from 65535 to 2147483647 bytes";
        require(!self.header_timeout.is_zero(), "header_timeout", positive)?;
        require(!self.idle_timeout.is_zero(), "idle_timeout", positive)?;
        require(
            !self.write_stall_timeout.is_zero(),
            "write_stall_timeout",
            positive,
        )?;
        require(
            self.max_header_bytes >= MIN_HEADER_BYTES,
            "max_header_bytes",
            "must be at least 8192 bytes",
        )?;
        require(
            (1..=MAX_HEADERS).contains(&self.max_headers),
            "max_headers",
            "must be from 1 to 256",
        )?;
        require(self.max_connections > 0, "max_connections", positive)?;
        require(
            self.max_connections_per_source != Some(0),
            "max_connections_per_source",
            positive,
        )?;
        require(
            self.h2.max_concurrent_streams > 0,
            "h2.max_concurrent_streams",
            positive,
        )?;
        require(
            self.h2.max_header_list_bytes > 0,
            "h2.max_header_list_bytes",
            positive,
        )?;
        require(window(self.h2.stream_window), "h2.stream_window", in_range)?;
        require(
            window(self.h2.connection_window),
            "h2.connection_window",
            in_range,
        )?;
        require(
            (1..=u32::MAX as usize).contains(&self.h2.max_send_buffer_bytes),
            "h2.max_send_buffer_bytes",
            "must be from 1 to 4294967295 bytes",
        )?;
        let ping = self.h2.ping_interval;
        require(ping != Some(Duration::ZERO), "h2.ping_interval", positive)?;
        require(!self.h2.ping_timeout.is_zero(), "h2.ping_timeout", positive)
    }
}
