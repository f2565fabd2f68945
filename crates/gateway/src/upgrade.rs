//! Protocol upgrades (WebSocket) on plain routes.
//!
//! The handshake is an ordinary attempt: picked, retried and timed like any other. Once both sides
//! have switched, bytes are copied until either side is done, as a task of its own that a drain
//! waits for. The place at the endpoint and the books belong to that task, so a tunnel counts for
//! as long as it lasts.

use http::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};
use net::listener::{self, OnUpgrade, on_upgrade};
use net::pool::Upgraded;
use telemetry::{ErrorType, Outcome};

use crate::answer::upstream_headers;
use crate::attempt::Begun;
use crate::body::ResponseBody;
use crate::exchange::Exchange;
use crate::route::Routed;

/// The client's side of an upgrade that it asked for.
pub(crate) struct Tunnel {
    client: OnUpgrade,
}

/// The protocol that a request asks to switch to, if it asks properly (RFC 9110, section 7.8).
pub(crate) fn requested(headers: &HeaderMap) -> Option<HeaderValue> {
    let named = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    let protocol = headers.get(UPGRADE).filter(|_| named)?;
    // Switching to h2c inside a gateway would carry requests past every check (CVE class "h2c
    // smuggling").
    let is_h2c = protocol
        .as_bytes()
        .get(..3)
        .is_some_and(|p| p.eq_ignore_ascii_case(b"h2c"));
    (!is_h2c).then(|| protocol.clone())
}

impl Tunnel {
    /// The client's side of `request`'s connection, if it asks for another protocol. One that cannot
    /// be switched does not ask for it any more.
    pub(crate) fn wanted<B>(request: &mut Request<B>) -> Option<Self> {
        requested(request.headers())?;
        let client = on_upgrade(request);
        if client.is_none() {
            request.headers_mut().remove(UPGRADE);
        }
        client.map(|client| Self { client })
    }

    /// Answers 101 and carries bytes once the client has switched.
    pub(crate) fn open(
        self,
        mut exchange: Box<Exchange>,
        begun: Begun,
        routed: &Routed,
    ) -> Response<ResponseBody> {
        let Begun {
            mut head,
            held,
            place,
            ..
        } = begun;
        let protocol = head.headers.get(UPGRADE).cloned();
        upstream_headers(&mut exchange, &mut head, routed);
        let mut response = Response::new(ResponseBody::local(bytes::Bytes::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = head.headers.clone();
        if let Some(protocol) = protocol {
            response.headers_mut().insert(UPGRADE, protocol);
        }
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("upgrade"));
        let tunnels = exchange.shared.tunnels.clone();
        tunnels.spawn("tunnel", async move {
            let Some(body) = held.rest else { return };
            let upstream = net::pool::upgrade(Response::from_parts(head, body));
            let client = self.client.upgraded().await;
            let (outcome, error) = match (upstream, client) {
                (Ok(upstream), Ok(client)) => carry(&mut exchange, upstream, client).await,
                (Err(_), _) => (Outcome::UpstreamFailed, Some(ErrorType::UpstreamReset)),
                (_, Err(_)) => (Outcome::ClientAborted, Some(ErrorType::ClientAborted)),
            };
            exchange.attempt_ends();
            place.release(match outcome {
                Outcome::Completed => balance::Outcome::Success {
                    first_token: None,
                    output_tokens: 0,
                },
                // Who of the two broke a tunnel cannot be told.
                _ => balance::Outcome::Neutral,
            });
            exchange.settle(outcome, error, None);
        });
        response
    }
}

/// Copies both ways until both are done.
async fn carry(
    exchange: &mut Exchange,
    mut upstream: Upgraded,
    mut client: listener::Upgraded,
) -> (Outcome, Option<ErrorType>) {
    match tokio::io::copy_bidirectional(&mut client, &mut upstream).await {
        Ok((received, sent)) => {
            exchange.received.add(received);
            exchange.bytes_sent = sent;
            (Outcome::Completed, None)
        }
        Err(_) => (Outcome::UpstreamFailed, Some(ErrorType::UpstreamReset)),
    }
}
