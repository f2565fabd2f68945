//! Which headers cross the gateway, and which stay behind.
//!
//! Two lists decide it. *Hop-by-hop* headers (RFC 9110, section 7.6.1) belong to one connection.
//! *Control* headers tell a gateway or an engine where to send a request or whom to believe; a
//! client must not set them, so they are stripped before any stage reads a header.

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
};

/// Caller-chosen or generated id of a request, echoed in the answer and sent upstream.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Where clients of Anthropic's API look for the same.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// W3C trace context; passed through untouched.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// How many times an upstream was tried for this answer.
pub(crate) const X_ATTEMPTS: HeaderName = HeaderName::from_static("x-sluicegate-attempts");
/// The endpoint that served the answer; only where the listener exposes it.
pub(crate) const X_ENDPOINT: HeaderName = HeaderName::from_static("x-sluicegate-endpoint");
/// Time spent in the gateway itself until the answer began, milliseconds with three decimals.
pub(crate) const X_OVERHEAD: HeaderName = HeaderName::from_static("x-sluicegate-overhead-ms");

/// What of an answer the gateway has estimated.
pub(crate) const X_ESTIMATED: HeaderName = HeaderName::from_static("x-sluicegate-estimated");

/// Fields of the request that its model's API could not express, where they were hints.
pub(crate) const X_DROPPED: HeaderName = HeaderName::from_static("x-sluicegate-dropped");

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const CONTROL: [&str; 2] = ["x-prefiller-host-port", "x-forwarded-client-cert"];
const CONTROL_PREFIXES: [&str; 2] = ["x-gateway-destination-", "x-sluicegate-"];

/// Room in a request's headers for what the gateway adds to a client's.
const ADDED: usize = 8;

/// Headers of one connection (RFC 9110, section 7.6.1), but for `te`, whose value decides.
/// `proxy-authorization` is for the proxy that a client talks to, which are we (section 11.7.2).
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-authorization"
            | "proxy-connection"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// What proxies before us say of a client: somebody else's API has no use for it.
pub(crate) fn is_forwarded(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "forwarded" | "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host" | "x-real-ip"
    )
}

/// Credentials that a caller presents to the gateway. They end here: an upstream that is given
/// them could use them, and a provider must only ever see its own.
pub(crate) fn is_credential(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "authorization"
            | "cookie"
            | "x-api-key"
            | "api-key"
            | "x-amz-security-token"
            | "x-amz-date"
            | "x-amz-content-sha256"
            | "x-goog-api-key"
    )
}

/// What only servers of the client's dialect understand: versions, features in trial, accounts.
pub(crate) fn is_of_dialect(name: &HeaderName) -> bool {
    let name = name.as_str();
    ["anthropic-", "openai-", "x-goog-", "x-amz", "amz-sdk-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Removes what only the gateway may say.
///
/// Names are compared with `_` as `-`: servers in the tradition of CGI cannot tell the two apart.
pub(crate) fn strip_control(headers: &mut HeaderMap) {
    remove_where(headers, |name| {
        let name = name.as_str();
        match name.starts_with('x') && name.contains('_') {
            true => is_control(&name.replace('_', "-")),
            false => is_control(name),
        }
    });
}

/// All of them begin with an `x`.
fn is_control(name: &str) -> bool {
    CONTROL.contains(&name)
        || CONTROL_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Removes hop-by-hop headers, those that `Connection` names included.
///
/// `te: trailers` survives, since gRPC servers insist on it, and so does our own id of the request.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named = named_by_connection(headers);
    remove_where(headers, is_hop_by_hop);
    strip_named(headers, &named);
}

/// Leaves of a request's trailers what adds nothing to its head that was refused there, or that
/// somebody took the head's word for: no control, hop-by-hop or framing fields, no credentials, and
/// nothing of who asked.
pub(crate) fn strip_trailers(trailers: &mut HeaderMap) {
    strip_control(trailers);
    strip_hop_by_hop(trailers);
    remove_where(trailers, |name| {
        let framing = *name == HOST || *name == CONTENT_LENGTH || *name == TE || *name == TRAILER;
        framing || is_credential(name) || is_forwarded(name) || *name == X_REQUEST_ID
    });
}

/// A copy without hop-by-hop headers and what is `unwanted` besides, with room for some more.
pub(crate) fn copy_end_to_end(
    headers: &HeaderMap,
    unwanted: impl Fn(&HeaderName) -> bool,
) -> HeaderMap {
    let mut copy = HeaderMap::with_capacity(headers.len() + ADDED);
    for (name, value) in headers {
        if !is_hop_by_hop(name) && !unwanted(name) {
            copy.append(name.clone(), value.clone());
        }
    }
    strip_named(&mut copy, &named_by_connection(headers));
    copy
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok())
        .filter(|name| *name != TE && *name != X_REQUEST_ID)
        .collect()
}

fn strip_named(headers: &mut HeaderMap, named: &[HeaderName]) {
    for name in named {
        headers.remove(name);
    }
    if headers.get_all(TE).iter().any(|te| te != "trailers") {
        headers.remove(TE);
    }
}

/// Says who asked, for upstreams of one's own.
pub(crate) fn add_forwarded(headers: &mut HeaderMap, client: &HeaderValue, tls: bool) {
    let before = joined(headers, &X_FORWARDED_FOR, ", ");
    let chain = before.and_then(|before| {
        let client = client.to_str().unwrap_or_default();
        HeaderValue::try_from(format!("{before}, {client}")).ok()
    });
    headers.insert(X_FORWARDED_FOR, chain.unwrap_or_else(|| client.clone()));
    let scheme = if tls { "https" } else { "http" };
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
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
