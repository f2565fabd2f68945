//! The form a request has on the wire, which differs between the protocols and is known only once
//! a connection is.

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Uri, Version, header};
use http_body::Body as _;

use super::error::SendErrorKind;
use super::target::Target;
use crate::body::Body;

/// Gives a request the `Host` that HTTP/1.1 wants. Its path and framing are seen to by
/// [`http1`](crate::http1).
pub(super) fn to_http1(request: &mut Request<Body>, target: &Target) -> Result<(), SendErrorKind> {
    if request.method() == Method::CONNECT {
        return Err(SendErrorKind::Request);
    }
    if !request.headers().contains_key(header::HOST) {
        let host = match request.uri().authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()),
            None => HeaderValue::from_str(&target.authority()),
        };
        let host = host.map_err(|_| SendErrorKind::Request)?;
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

/// Puts a request into the form HTTP/2 has: scheme and authority in the URI, no `Host`.
pub(super) fn to_h2(request: &mut Request<Body>, target: &Target) -> Result<(), SendErrorKind> {
    *request.version_mut() = Version::HTTP_2;
    frame(request);
    let host = request.headers_mut().remove(header::HOST);
    if request.uri().authority().is_some() && request.uri().scheme().is_some() {
        return Ok(());
    }
    let authority = match &host {
        Some(host) => Authority::try_from(host.as_bytes()),
        None => Authority::try_from(target.authority()),
    };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(if target.tls().is_some() {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    });
    if parts.authority.is_none() {
        parts.authority = Some(authority.map_err(|_| SendErrorKind::Request)?);
    }
    parts
        .path_and_query
        .get_or_insert_with(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| SendErrorKind::Request)?;
    Ok(())
}

/// Makes the headers tell the truth about the body: where its end is must never be read from a
/// header that was written for another body (a patched one, say), or the rest of it becomes the
/// next request on the connection.
fn frame(request: &mut Request<Body>) {
    let len = request.body().size_hint().exact();
    let headers = request.headers_mut();
    headers.remove(header::TRANSFER_ENCODING);
    if headers.remove(header::CONTENT_LENGTH).is_some()
        && let Some(len) = len
    {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    }
}
