//! Filters made ready to be applied: what can be parsed is parsed, so that a request only copies.

pub(super) mod compile;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};

/// What a rule changes in what it forwards.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    /// Changes to the headers of the request.
    pub request_headers: HeaderChanges,
    /// Changes to the headers of the response.
    pub response_headers: HeaderChanges,
    /// Value of `Host` in the place of the endpoint's.
    pub host: Option<HeaderValue>,
    /// Change of the path; only in plain rules.
    pub path: Option<PathChange>,
}

/// Changes to headers; no name occurs in two of the lists.
#[derive(Clone, Debug, Default)]
pub struct HeaderChanges {
    pub(super) remove: Vec<HeaderName>,
    pub(super) set: Vec<(HeaderName, HeaderValue)>,
    pub(super) add: Vec<(HeaderName, HeaderValue)>,
}

impl HeaderChanges {
    /// Makes the changes.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }
}

/// A change of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathChange {
    /// This path in the place of the whole.
    Full(Box<str>),
    /// This path in the place of the prefix that matched; without a slash at its end.
    Prefix(Box<str>),
}

impl PathChange {
    /// The new path. `prefix_len` is that of the [`Match`](super::Match). The query stays.
    pub fn apply(&self, path: &str, prefix_len: usize) -> String {
        match self {
            Self::Full(full) => full.to_string(),
            Self::Prefix(prefix) => {
                let rest = path.get(prefix_len..).unwrap_or_default();
                match prefix.is_empty() && rest.is_empty() {
                    true => "/".to_owned(),
                    false => format!("{prefix}{rest}"),
                }
            }
        }
    }
}

/// A redirect; what is `None` stays as in the request.
#[derive(Clone, Debug)]
pub struct Redirect {
    pub(super) https: Option<bool>,
    pub(super) host: Option<Box<str>>,
    pub(super) port: Option<u16>,
    pub(super) path: Option<PathChange>,
    /// Status of the answer.
    pub status: StatusCode,
}

/// Where a request was sent, as far as a redirect may repeat it.
#[derive(Clone, Copy, Debug)]
pub struct RequestedUrl<'a> {
    /// Whether it came over TLS.
    pub https: bool,
    /// Its host, without port.
    pub host: &'a str,
    /// Port of the listener it came to.
    pub port: u16,
    /// Its path.
    pub path: &'a str,
    /// Its query.
    pub query: Option<&'a str>,
}

impl Redirect {
    /// Value of `Location`. `prefix_len` is that of the [`Match`](super::Match). `None` if the
    /// request's own host or path cannot stand in a URL.
    ///
    /// The port is, as Gateway API prescribes, the redirect's own; else the well-known one if the
    /// redirect sets the scheme; else the listener's. One that is well known is left out.
    pub fn location(&self, url: &RequestedUrl<'_>, prefix_len: usize) -> Option<HeaderValue> {
        let https = self.https.unwrap_or(url.https);
        let well_known = if https { 443 } else { 80 };
        let inherited = if self.https.is_some() {
            well_known
        } else {
            url.port
        };
        let port = self.port.unwrap_or(inherited);
        let host = self.host.as_deref().unwrap_or(url.host);
        let scheme = if https { "https" } else { "http" };
        let mut location = format!("{scheme}://{host}");
        if port != well_known {
            location.push_str(&format!(":{port}"));
        }
        match &self.path {
            Some(change) => location.push_str(&change.apply(url.path, prefix_len)),
            None => location.push_str(url.path),
        }
        if let Some(query) = url.query {
            location.push('?');
            location.push_str(query);
        }
        location.parse::<Uri>().ok()?;
        HeaderValue::from_str(&location).ok()
    }
}

/// An answer that needs no backend.
#[derive(Clone, Debug)]
pub struct FixedResponse {
    /// Status.
    pub status: StatusCode,
    /// `Content-Type`, where there is a body.
    pub content_type: Option<HeaderValue>,
    /// Body; cloning it copies nothing.
    pub body: Bytes,
}

#[cfg(test)]
mod tests;
