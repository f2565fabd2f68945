//! A connection that its client and the handler take for another protocol.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::Request;
use http::header::UPGRADE;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::wire::Wire;
use crate::http1::RequestHead;

/// The client's side of a connection after `101 Switching Protocols`: bytes in both directions.
/// The connection counts as open until this is dropped.
pub struct Upgraded(Arc<Wire>);

impl std::fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upgraded").finish_non_exhaustive()
    }
}

/// The wait for a connection to be switched.
#[derive(Debug)]
pub struct OnUpgrade(oneshot::Receiver<Upgraded>);

/// The handler's answer was not 101, or the client did not get it.
#[derive(Debug, thiserror::Error)]
#[error("the connection was not switched to another protocol")]
pub struct NotUpgraded;

impl OnUpgrade {
    /// Waits until 101 has been written.
    ///
    /// # Errors
    /// The answer was another one, or the connection failed.
    pub async fn upgraded(self) -> Result<Upgraded, NotUpgraded> {
        self.0.await.map_err(|_| NotUpgraded)
    }
}

/// Where a request carries its [`OnUpgrade`] until somebody takes it: extensions can be cloned.
#[derive(Clone)]
struct Offered(Arc<Mutex<Option<OnUpgrade>>>);

/// Takes the right to the connection of a request that asks for another protocol. The handler must
/// answer it with 101 and the headers that go with that. `None` for one that does not ask (only
/// HTTP/1.1 requests can), and if it has been taken already.
pub fn on_upgrade<B>(request: &mut Request<B>) -> Option<OnUpgrade> {
    let Offered(offered) = request.extensions_mut().remove()?;
    offered
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
}

/// The connection's end of an [`OnUpgrade`].
pub(super) struct Offer(oneshot::Sender<Upgraded>);

impl Offer {
    /// An offer to whoever handles `request`, if its head asks for another protocol.
    pub(super) fn make<B>(head: &RequestHead, request: &mut Request<B>) -> Option<Self> {
        if !head.modern || !head.headers.contains_key(UPGRADE) {
            return None;
        }
        let (offer, accepted) = oneshot::channel();
        let offered = Arc::new(Mutex::new(Some(OnUpgrade(accepted))));
        request.extensions_mut().insert(Offered(offered));
        Some(Self(offer))
    }

    /// Hands the connection over. It closes if nobody waits for it any more.
    pub(super) fn fulfil(self, wire: Arc<Wire>) {
        drop(self.0.send(Upgraded(wire)));
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.poll_raw_read(cx, buf)
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_raw(|stream| stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_raw(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_raw(|stream| stream.poll_shutdown(cx))
    }
}
