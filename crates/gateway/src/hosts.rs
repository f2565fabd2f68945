//! Who may be addressed, and from which pages: the guard against DNS rebinding.
//!
//! A service on loopback is reachable by every page a browser on that machine opens: the page's
//! own name is rebound to 127.0.0.1, or the page posts across origins without asking. Two checks
//! close both ways: the request must be addressed to a host that is served here, and a browser's
//! `Origin` must be one of ours. Other clients send no `Origin` and are not concerned.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::{HOST, HeaderMap, ORIGIN};
use http::uri::{Authority, Uri};

/// The host a request is addressed to, without the port; IPv6 addresses keep their brackets.
///
/// HTTP/2 carries it in `:authority`, HTTP/1.1 in `Host`. A request target in absolute form
/// overrides `Host` (RFC 9112, section 3.2.2); the two must then agree, or intermediaries would
/// route the same bytes to different places.
pub(crate) fn addressed(uri: &Uri, headers: &HeaderMap) -> Result<String, BadHost> {
    let mut hosts = headers.get_all(HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return Err(BadHost::Repeated),
        (Some(value), None) => Some(parse(value.as_bytes())?),
        (None, _) => None,
    };
    if uri
        .authority()
        .is_some_and(|target| !is_host_and_port(target))
    {
        return Err(BadHost::Malformed);
    }
    match (uri.authority(), header) {
        (Some(target), Some(header)) if !same_authority(target, &header) => Err(BadHost::Disagree),
        (Some(target), _) => Ok(target.host().to_ascii_lowercase()),
        (None, Some(header)) => Ok(header.name.to_ascii_lowercase()),
        (None, None) => Err(BadHost::Missing),
    }
}

/// Why a request's host cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHost {
    /// Neither `Host` nor an authority.
    #[error("the request has no Host header")]
    Missing,
    /// More than one `Host`.
    #[error("the request has more than one Host header")]
    Repeated,
    /// Not `host[:port]`.
    #[error("the host of the request is not of the form host[:port]")]
    Malformed,
    /// Request target and `Host` differ.
    #[error("the request target and the Host header name different hosts")]
    Disagree,
}

/// What a `Host` header says.
struct Host<'a> {
    name: Cow<'a, str>,
    port: Option<u16>,
}

fn parse(value: &[u8]) -> Result<Host<'_>, BadHost> {
    if let Some(host) = parse_name(value) {
        return Ok(host);
    }
    let authority = Authority::try_from(value).map_err(|_| BadHost::Malformed)?;
    match is_host_and_port(&authority) {
        true => Ok(Host {
            name: Cow::Owned(authority.host().to_owned()),
            port: authority.port_u16(),
        }),
        false => Err(BadHost::Malformed),
    }
}

/// A name or an IPv4 address, perhaps with a port, which nearly every `Host` is: it needs neither a
/// copy nor the grammar of authorities.
fn parse_name(value: &[u8]) -> Option<Host<'_>> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let end = value.iter().position(|byte| !is_plain(byte));
    let (name, rest) = value.split_at(end.unwrap_or(value.len()));
    let port = match rest {
        [] | [b':'] => None,
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
            Some(std::str::from_utf8(digits).ok()?.parse().ok()?)
        }
        _ => return None,
    };
    let name = std::str::from_utf8(name).ok()?;
    (!name.is_empty()).then_some(Host {
        name: Cow::Borrowed(name),
        port,
    })
}

/// Whether it has neither a user nor a port that is no number: others might take either for part
/// of the host.
fn is_host_and_port(authority: &Authority) -> bool {
    let host = authority.host();
    let port = authority.as_str().strip_prefix(host);
    let port = port.map(|rest| rest.strip_prefix(':').unwrap_or(rest));
    // Digits alone: `parse` would take a sign.
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && (port.is_empty() || port.parse::<u16>().is_ok())
    };
    !host.is_empty() && port.is_some_and(is_port)
}

fn same_authority(one: &Authority, other: &Host<'_>) -> bool {
    one.host().eq_ignore_ascii_case(&other.name) && one.port_u16() == other.port
}

/// The `Origin` of a page on another host than `host`; `None` if no page asks, or one of ours.
///
/// An opaque origin (`null`, or one that is not `scheme://host[:port]`) is foreign.
pub(crate) fn foreign_origin<'a>(headers: &'a HeaderMap, host: &str) -> Option<&'a str> {
    let origin = headers.get(ORIGIN)?.to_str().unwrap_or("null");
    let own = origin.parse::<Uri>().is_ok_and(|uri| {
        let named = uri.authority().filter(|named| is_host_and_port(named));
        let same = named.is_some_and(|named| named.host().eq_ignore_ascii_case(host));
        same && uri.scheme().is_some()
    });
    (!own).then_some(origin)
}

/// Whether `host` names this machine's loopback interface or is the very address `bound`.
pub(crate) fn is_local(host: &str, bound: IpAddr) -> bool {
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    literal
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_loopback() || address == bound)
}

#[cfg(test)]
mod tests;
