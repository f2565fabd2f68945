//! Who asks, and whether it may ask here at all: what the head alone can tell.
//!
//! Everything refused here costs the client a round trip and us no byte of body.

use std::borrow::Cow;
use std::sync::Arc;

use http::Request;
use http::request::Parts;
use llm::Api;
use net::listener::RequestBody;

use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::headers::{X_REQUEST_ID, strip_control};
use crate::hosts;
use crate::runtime::{Entry, Runtime};

/// A request whose head was found in order.
pub(crate) struct Identified {
    pub(crate) head: Parts,
    pub(crate) body: RequestBody,
    /// The host it is addressed to, lower case, without port.
    pub(crate) host: String,
    /// The LLM API that lives at its path, if one does.
    pub(crate) api: Option<Api>,
    /// The listener it came to.
    pub(crate) entry: Arc<Entry>,
}

/// Checks the head and strips what a client may not say.
pub(crate) fn identify(
    runtime: &Runtime,
    exchange: &mut Exchange,
    request: Request<RequestBody>,
) -> Result<Identified, Failure> {
    let (mut head, body) = request.into_parts();
    let api = asked(&head);
    exchange.api = api;
    let entry = runtime
        .entry(&exchange.connection.listener)
        .ok_or_else(|| Failure::NoRoute(head.uri.path().to_owned()))?;
    exchange.in_flight = Some(entry.in_flight.enter());
    check_path(head.uri.path())?;
    let host = hosts::addressed(&head.uri, &head.headers)?;
    check_origin(entry, &host, &head)?;
    strip_control(&mut head.headers);
    head.headers
        .insert(X_REQUEST_ID, exchange.request_id.clone());
    Ok(Identified {
        head,
        body,
        host,
        api,
        entry: Arc::clone(entry),
    })
}

/// The API that a request asks, if it asks one.
fn asked(head: &Parts) -> Option<Api> {
    Api::asked(head.uri.path(), |name| head.headers.contains_key(name))
}

fn check_origin(entry: &Entry, host: &str, head: &Parts) -> Result<(), Failure> {
    let listener = &entry.listener;
    if !listener.allowed_hosts.allows(host) {
        return Err(Failure::ForeignHost(host.to_owned()));
    }
    match hosts::foreign_origin(&head.headers, host) {
        Some(origin) if !listener.allowed_origins.allows(origin) => Err(Failure::ForeignOrigin),
        _ => Ok(()),
    }
}

/// A path that an upstream would resolve to another one (`/public/../admin`) was matched as what
/// it is not. Clients resolve such paths before they send them; who does not is refused.
///
/// Servers differ in what they take for such a path: some decode `%2f` before they resolve, some
/// take `\` for a slash, some drop what follows a `;`. What any of them would resolve is refused.
fn check_path(path: &str) -> Result<(), Failure> {
    if !path.contains('.') && !path.contains('%') {
        return Ok(());
    }
    let plain = unescaped(path);
    let is_dots = |segment: &str| {
        let name = segment.split_once(';').map_or(segment, |(name, _)| name);
        name == "." || name == ".."
    };
    match plain.split(['/', '\\']).any(is_dots) {
        true => Err(Failure::DotSegments),
        false => Ok(()),
    }
}

/// The path with the escapes undone that hide dots and slashes.
fn unescaped(path: &str) -> Cow<'_, str> {
    const ESCAPES: [(&str, &str); 4] = [("%2e", "."), ("%2f", "/"), ("%5c", "\\"), ("%3b", ";")];
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let lower = path.to_ascii_lowercase();
    Cow::Owned(
        ESCAPES
            .iter()
            .fold(lower, |path, (from, to)| path.replace(from, to)),
    )
}

#[cfg(test)]
mod tests;
