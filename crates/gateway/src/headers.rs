//! Which headers cross the gateway, and which stay behind.
//!
//! Two lists decide it. *Hop-by-hop* headers (RFC 9110, section 7.6.1) belong to one connection.
//! *Control* headers tell a gateway or an engine where to send a request or whom to believe; a
//! client must not set them, so they are stripped before any stage reads a header.

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use http::header::{TE, TRANSFER_ENCODING, UPGRADE};

/// Caller-chosen or generated id of a request, echoed in the answer and sent upstream.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// W3C trace context; passed through untouched.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// How many times an upstream was tried for this answer.
pub(crate) const X_ATTEMPTS: HeaderName = HeaderName::from_static("x-sluicegate-attempts");
/// The endpoint that served the answer; only where the listener exposes it.
pub(crate) const X_ENDPOINT: HeaderName = HeaderName::from_static("x-sluicegate-endpoint");
/// Time spent in the gateway itself until the answer began, milliseconds with three decimals.
pub(crate) const X_OVERHEAD: HeaderName = HeaderName::from_static("x-sluicegate-overhead-ms");

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

const CONTROL: [HeaderName; 3] = [
    HeaderName::from_static("x-gateway-destination-endpoint"),
    HeaderName::from_static("x-prefiller-host-port"),
    HeaderName::from_static("x-forwarded-client-cert"),
];
const CONTROL_PREFIXES: [&str; 2] = ["x-gateway-destination-", "x-sluicegate-"];

/// Credentials that a caller presents to the gateway. They end here: an upstream that is given
/// them could use them, and a provider must only ever see its own.
const CREDENTIALS: [HeaderName; 5] = [
    http::header::AUTHORIZATION,
    http::header::COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// Removes what only the gateway may say.
pub(crate) fn strip_control(headers: &mut HeaderMap) {
    for name in &CONTROL {
        headers.remove(name);
    }
    remove_where(headers, |name| {
        CONTROL_PREFIXES
            .iter()
            .any(|prefix| name.as_str().starts_with(prefix))
    });
}

/// Removes hop-by-hop headers, those that `Connection` names included.
///
/// `te: trailers` survives, since gRPC servers insist on it. `proxy-authorization` is for the proxy
/// that a client talks to, which are we (RFC 9110, section 11.7.2).
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        strip_named_by_connection(headers);
    }
    for name in [
        KEEP_ALIVE,
        PROXY_AUTHORIZATION,
        PROXY_CONNECTION,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
    if headers.get(TE).is_some_and(|te| te != "trailers") {
        headers.remove(TE);
    }
}

fn strip_named_by_connection(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok())
        .filter(|name| name != TE)
        .collect();
    for name in named {
        headers.remove(name);
    }
    headers.remove(CONNECTION);
}

/// Removes the caller's credentials.
pub(crate) fn strip_credentials(headers: &mut HeaderMap) {
    for name in &CREDENTIALS {
        headers.remove(name);
    }
}

/// Says who asked, for upstreams of one's own.
pub(crate) fn add_forwarded(headers: &mut HeaderMap, client: std::net::IpAddr, tls: bool) {
    let client = client.to_string();
    let chain = match headers
        .get(&X_FORWARDED_FOR)
        .and_then(|value| value.to_str().ok())
    {
        Some(before) => format!("{before}, {client}"),
        None => client,
    };
    if let Ok(value) = HeaderValue::from_str(&chain) {
        headers.insert(X_FORWARDED_FOR, value);
    }
    let scheme = if tls { "https" } else { "http" };
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
}

fn remove_where(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    if !headers.keys().any(&unwanted) {
        return;
    }
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| unwanted(name))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
