//! TCP as the system has it, or as the simulation of a network does, which has neither names that
//! need a resolver nor options of sockets.

use std::io;
use std::time::Duration;

#[cfg(not(turmoil))]
pub(super) use tokio::net::{TcpStream, lookup_host};
#[cfg(turmoil)]
pub(super) use {simulated::lookup_host, turmoil::net::TcpStream};

/// Lets small writes go at once, and the peer be probed when it has been silent for so long.
#[cfg(not(turmoil))]
pub(super) fn configure(tcp: &TcpStream, keepalive: Option<Duration>) -> io::Result<()> {
    use socket2::{SockRef, TcpKeepalive};
    tcp.set_nodelay(true)?;
    if let Some(silence) = keepalive {
        let probes = TcpKeepalive::new()
            .with_time(silence)
            .with_interval(silence);
        SockRef::from(tcp).set_tcp_keepalive(&probes)?;
    }
    Ok(())
}

#[cfg(turmoil)]
pub(super) fn configure(tcp: &TcpStream, _: Option<Duration>) -> io::Result<()> {
    tcp.set_nodelay(true)
}

#[cfg(turmoil)]
mod simulated {
    use std::io;
    use std::net::SocketAddr;

    pub(in crate::pool) async fn lookup_host(
        (host, port): (&str, u16),
    ) -> io::Result<std::option::IntoIter<SocketAddr>> {
        Ok(Some(SocketAddr::from((turmoil::lookup(host), port))).into_iter())
    }
}
