use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub(crate) use turmoil::net::{TcpListener, TcpStream};

pub(crate) async fn lookup_host(
    (host, port): (&str, u16),
) -> io::Result<std::option::IntoIter<SocketAddr>> {
    Ok(Some(SocketAddr::from((turmoil::lookup(host), port))).into_iter())
}

pub(crate) fn configure(tcp: &TcpStream, _: Option<Duration>) -> io::Result<()> {
    tcp.set_nodelay(true)
}

pub(crate) fn listen(address: SocketAddr, _: u32) -> io::Result<TcpListener> {
    at_once(TcpListener::bind(address))
}

pub(crate) struct Queued(TcpListener);

impl Queued {
    #[expect(clippy::unnecessary_wraps, reason = "as the system's")]
    pub(crate) fn of(listener: TcpListener) -> io::Result<Self> {
        Ok(Self(listener))
    }

    pub(crate) fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        at_once(self.0.accept())
    }
}

fn at_once<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
