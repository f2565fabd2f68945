//! Which headers cross the gateway, and which stay behind.
//!
//! Two lists decide it. *Hop-by-hop* headers (RFC 9110, section 7.6.1) belong to one connection.
//! *Control* headers tell a gateway or an engine where to send a request or whom to believe; a
//! client must not set them, so they are stripped before any stage reads a header.

use http::header::{CONNECTION, COOKIE, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
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

const CONTROL: [&str; 2] = ["x-prefiller-host-port", "x-forwarded-client-cert"];
const CONTROL_PREFIXES: [&str; 2] = ["x-gateway-destination-", "x-sluicegate-"];

/// What proxies before us say of a client.
const FORWARDED: [HeaderName; 5] = [
    http::header::FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

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
///
/// Names are compared with `_` as `-`: servers in the tradition of CGI cannot tell the two apart.
pub(crate) fn strip_control(headers: &mut HeaderMap) {
    remove_where(headers, |name| {
        let name = name.as_str();
        match name.contains('_') {
            true => is_control(&name.replace('_', "-")),
            false => is_control(name),
        }
    });
}

fn is_control(name: &str) -> bool {
    CONTROL.contains(&name)
        || CONTROL_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
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
    let chain = match joined(headers, &X_FORWARDED_FOR, ", ") {
        Some(before) => format!("{before}, {client}"),
        None => client,
    };
    if let Ok(value) = HeaderValue::from_str(&chain) {
        headers.insert(X_FORWARDED_FOR, value);
    }
    let scheme = if tls { "https" } else { "http" };
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
}

/// Removes what other proxies said of the client: somebody else's API has no use for it.
pub(crate) fn strip_forwarded(headers: &mut HeaderMap) {
    for name in &FORWARDED {
        headers.remove(name);
    }
}

/// Makes one header of cookies that HTTP/2 brought in several (RFC 9113, section 8.2.3): an
/// HTTP/1.1 server expects one.
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    if let Some(cookies) = joined(headers, &COOKIE, "; ")
        && let Ok(value) = HeaderValue::try_from(cookies)
    {
        headers.insert(COOKIE, value);
    }
}

/// All values of a header in their order; `None` if there is none that is text.
fn joined(headers: &HeaderMap, name: &HeaderName, separator: &str) -> Option<String> {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .map(str::to_owned)
        .reduce(|all, value| all + separator + &value)
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
