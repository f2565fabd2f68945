//! One connection, from the accepted socket to its end.
//!
//! The driver polls the connection and, beside it, one lazy timer: it is set to the earliest
//! moment at which something could be due and looks again when it fires, so that a busy connection
//! does not touch the runtime's timer wheel with every request.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use hyper::server::conn::http2;
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use rustls::ServerConfig;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::exchange::RequestService;
use super::h2_streams::StreamExecutor;
use super::http1::{self, Broken};
use super::io::{Socket, Stream};
use super::set::Counters;
use super::state::ConnState;
use super::{ConnInfo, Handler, Protocol, TlsInfo};
use crate::drain::Stage;
use crate::tcp::TcpStream;

type H2<H> = http2::Connection<TokioIo<Stream>, RequestService<H>, StreamExecutor>;

/// A connection that has just been accepted.
pub(super) struct Accepted<H> {
    pub(super) tcp: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) state: Arc<ConnState>,
    pub(super) handler: Arc<H>,
    pub(super) counters: Arc<Counters>,
}

/// Serves a connection until it ends.
pub(super) async fn serve<H: Handler>(accepted: Accepted<H>) {
    let Accepted {
        tcp,
        peer,
        state,
        handler,
        counters,
    } = accepted;
    let Ok(local) = tcp.local_addr() else { return };
    let opening = Box::pin(open(
        Socket::new(tcp, state.clone()),
        state.settings.tls.as_ref(),
    ));
    let due = state.accepted + state.settings.limits.header_timeout;
    let (protocol, stream, tls) = match timeout_at(due, opening).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => {
            counters.opening_failed();
            tracing::debug!(%peer, %error, "no TLS handshake or protocol");
            return;
        }
        Err(_) => return counters.timed_out(),
    };
    let listener = state.settings.name.clone();
    let info = Arc::new(ConnInfo {
        listener,
        peer,
        peer_ip: ConnInfo::ip_value(peer),
        local,
        protocol,
        tls,
        accepted: state.accepted,
    });
    let end = match protocol {
        Protocol::Http1 => serve_http1(stream, handler, info, &state).await,
        Protocol::H2 => Box::pin(serve_h2(stream, handler, info, &state)).await,
    };
    match end {
        End::Closed => {}
        End::TimedOut => counters.timed_out(),
        End::Failed(error) => tracing::debug!(%peer, %error, "connection failed"),
    }
}

/// Shakes hands and finds out the protocol.
async fn open(
    socket: Socket,
    tls: Option<&Arc<ServerConfig>>,
) -> io::Result<(Protocol, Stream, Option<TlsInfo>)> {
    let Some(config) = tls else {
        let (protocol, stream) = Stream::recognise(socket).await?;
        return Ok((protocol, stream, None));
    };
    let stream = TlsAcceptor::from(config.clone()).accept(socket).await?;
    let info = tls_info(&stream);
    let protocol = match info.alpn.as_deref() {
        Some(b"h2") => Protocol::H2,
        _ => Protocol::Http1,
    };
    Ok((protocol, Stream::tls(stream), Some(info)))
}

fn tls_info(stream: &TlsStream<Socket>) -> TlsInfo {
    let (_, session) = stream.get_ref();
    let certificates = session.peer_certificates().unwrap_or_default();
    TlsInfo {
        sni: session.server_name().map(Box::from),
        alpn: session.alpn_protocol().map(Box::from),
        peer_certificates: certificates
            .iter()
            .map(|one| one.clone().into_owned())
            .collect(),
        version: session.protocol_version(),
    }
}

async fn serve_http1<H: Handler>(
    stream: Stream,
    handler: Arc<H>,
    info: Arc<ConnInfo>,
    state: &Arc<ConnState>,
) -> End {
    let connection = pin!(http1::serve(stream, handler, info, state.clone()));
    drive(connection, |_| state.ask_to_close(), Protocol::Http1, state).await
}

async fn serve_h2<H: Handler>(
    stream: Stream,
    handler: Arc<H>,
    info: Arc<ConnInfo>,
    state: &Arc<ConnState>,
) -> End {
    let service = RequestService {
        handler,
        info,
        state: state.clone(),
    };
    let connection = pin!(
        state
            .settings
            .h2
            .serve_connection(TokioIo::new(stream), service)
    );
    drive(connection, H2::<H>::graceful_shutdown, Protocol::H2, state).await
}

/// How a connection ended.
enum End {
    /// In an orderly way.
    Closed,
    /// By us: no whole request head in time, or no end after the shutdown.
    TimedOut,
    /// By an error of the client or of a response body.
    Failed(Failure),
}

/// Why a connection failed, in the words of its protocol.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Http1(#[from] Broken),
    #[error(transparent)]
    H2(#[from] hyper::Error),
}

async fn drive<C, E>(
    mut connection: Pin<&mut C>,
    shut_down: impl Fn(Pin<&mut C>),
    protocol: Protocol,
    state: &ConnState,
) -> End
where
    C: Future<Output = Result<(), E>>,
    E: Into<Failure>,
{
    let mut awaited = Stage::Draining;
    let mut stage_reached = pin!(state.drain.reached(awaited));
    // Whom the stage wakes: it need not be asked again before it is there.
    let mut woken: Option<Waker> = None;
    let mut watchdog = pin!(Watchdog::new(protocol, state));
    let mut shutting_down = false;
    std::future::poll_fn(move |cx| {
        loop {
            // First, so that a request which has arrived is seen before an idle close.
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                let failed = |error: E| End::Failed(error.into());
                return Poll::Ready(ended.map_or_else(failed, |()| End::Closed));
            }
            let is_there = state.drain.stage() >= awaited;
            let will_wake = woken.as_ref().is_some_and(|it| it.will_wake(cx.waker()));
            if awaited < Stage::Deadline && (is_there || !will_wake) {
                if stage_reached.as_mut().poll(cx).is_ready() {
                    awaited = if awaited == Stage::Draining {
                        Stage::Closing
                    } else {
                        Stage::Deadline
                    };
                    stage_reached.set(state.drain.reached(awaited));
                    woken = None;
                    continue;
                }
                woken = Some(cx.waker().clone());
            }
            if !shutting_down && must_shut_down(protocol, state) {
                shutting_down = true;
                shut_down(connection.as_mut());
                continue;
            }
            match watchdog.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Due::Idle) if !shutting_down => {
                    shutting_down = true;
                    shut_down(connection.as_mut());
                }
                Poll::Ready(Due::Idle | Due::Head) => return Poll::Ready(End::TimedOut),
            }
        }
    })
    .await
}

/// Whether the connection must be ended in an orderly way, apart from being idle.
///
/// An HTTP/1 connection without a request so far is left alone: its first request may be on the
/// way, is answered with `connection: close`, and is awaited no longer than `header_timeout`. An
/// HTTP/2 client learns from GOAWAY what was not served, so it is told at its first request, or
/// when the listeners close.
fn must_shut_down(protocol: Protocol, state: &ConnState) -> bool {
    let stage = state.drain.stage();
    let served = state.requests() > 0;
    match protocol {
        Protocol::Http1 => stage >= Stage::Closing && served,
        Protocol::H2 => {
            stage >= Stage::Closing || (served && (stage >= Stage::Draining || state.is_used_up()))
        }
    }
}

/// What is due on a connection without a request in flight.
#[derive(Clone, Copy)]
enum Due {
    /// It has been idle for long enough: close it in an orderly way.
    Idle,
    /// The request head is late: close it at once.
    Head,
}

pin_project! {
    /// Tells when a connection has waited too long for a request.
    struct Watchdog<'a> {
        protocol: Protocol,
        state: &'a ConnState,
        // When the head that is being read was first seen incomplete, and how many were read before.
        head_since: Option<(u64, Instant)>,
        // When it last told that the connection is idle; what follows has as long again.
        told_idle: Option<Instant>,
        #[pin]
        timer: Sleep,
    }
}

impl<'a> Watchdog<'a> {
    fn new(protocol: Protocol, state: &'a ConnState) -> Self {
        let limits = &state.settings.limits;
        let first = match protocol {
            Protocol::Http1 => limits.header_timeout,
            Protocol::H2 => limits.idle_timeout,
        };
        let timer = sleep_until(state.accepted + first);
        Self {
            protocol,
            state,
            head_since: None,
            told_idle: None,
            timer,
        }
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Due> {
        loop {
            let due = self.as_mut().due();
            let mut this = self.as_mut().project();
            if due.is_none() && *this.protocol == Protocol::Http1 {
                // Requests end in this task, which looks here then.
                return Poll::Pending;
            }
            if let Some((when, _)) = due
                && when < this.timer.deadline()
            {
                this.timer.as_mut().reset(when);
            }
            if this.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            match due {
                Some((when, due)) if when <= now => {
                    *this.told_idle = Some(now);
                    return Poll::Ready(due);
                }
                Some((when, _)) => this.timer.reset(when),
                None => this
                    .timer
                    .reset(now + this.state.settings.limits.idle_timeout),
            }
        }
    }

    /// What happens next if nothing comes, and when.
    fn due(self: Pin<&mut Self>) -> Option<(Instant, Due)> {
        let this = self.project();
        let state = *this.state;
        let limits = &state.settings.limits;
        if !state.is_idle() || state.is_closing() {
            *this.head_since = None;
            return None;
        }
        if *this.protocol == Protocol::Http1 {
            if state.requests() == 0 {
                return Some((state.accepted + limits.header_timeout, Due::Head));
            }
            if state.head_begun() {
                let before = state.requests();
                let seen = this.head_since.filter(|(at, _)| *at == before);
                let (_, since) = *this
                    .head_since
                    .insert(seen.unwrap_or_else(|| (before, Instant::now())));
                return Some((since + limits.header_timeout, Due::Head));
            }
            *this.head_since = None;
        }
        let since = this
            .told_idle
            .map_or(state.idle_since(), |told| told.max(state.idle_since()));
        Some((since + limits.idle_timeout, Due::Idle))
    }
}
