use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
pub(crate) use tokio::net::{TcpListener, TcpStream, lookup_host};

/// Lets small writes go at once, and the peer be probed when it has been silent for so long.
pub(crate) fn configure(tcp: &TcpStream, keepalive: Option<Duration>) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    if let Some(silence) = keepalive {
        let probes = TcpKeepalive::new()
            .with_time(silence)
            .with_interval(silence);
        SockRef::from(tcp).set_tcp_keepalive(&probes)?;
    }
    Ok(())
}

/// SO_REUSEADDR lets a restart bind at once. SO_REUSEPORT is not set: with it a second process
/// started by mistake would silently share the port.
pub(crate) fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

/// What the kernel has queued of a listener whose end has come.
///
/// The kernel itself is asked: tokio learns of a connection only when it next polls for events.
pub(crate) struct Queued(std::net::TcpListener);

impl Queued {
    pub(crate) fn of(listener: TcpListener) -> io::Result<Self> {
        listener.into_std().map(Self)
    }

    /// The next connection; [`io::ErrorKind::WouldBlock`] if there is none.
    pub(crate) fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (tcp, peer) = self.0.accept()?;
        tcp.set_nonblocking(true)?;
        Ok((TcpStream::from_std(tcp)?, peer))
    }
}
