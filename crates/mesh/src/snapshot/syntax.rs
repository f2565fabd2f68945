//! Text fields of resources parsed into what they denote: names, hosts, addresses, URLs, headers.
//!
//! Each function gives the value or a message that says what is wrong with the text and what is
//! expected.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderName, HeaderValue, Uri};

/// Checks a resource's name or namespace: an RFC 1123 subdomain, as Kubernetes demands, so that a
/// resource can move there.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match name.len() <= 253 && name.split('.').all(label) {
        true => Ok(()),
        false => Err(format!(
            "`{name}` is not a name: use at most 253 lower case letters, digits, `-` and `.`, \
             beginning and ending with a letter or digit"
        )),
    }
}

/// A host name as routes and listeners give it, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Hostname {
    /// This name or IP address (an IPv6 address in brackets).
    Exact(Box<str>),
    /// Any subdomain of this domain, however deep.
    Wildcard(Box<str>),
}

pub(super) fn hostname(text: &str) -> Result<Hostname, String> {
    let lower = text.to_ascii_lowercase();
    match lower.strip_prefix("*.") {
        Some(domain) if is_dns_name(domain) => Ok(Hostname::Wildcard(domain.into())),
        None if is_dns_name(&lower) || is_ip(&lower) => Ok(Hostname::Exact(lower.into())),
        _ => Err(format!(
            "`{text}` is not a host name: write a name such as `api.example.com`, \
             `*.example.com` or an IP address, without scheme and port"
        )),
    }
}

fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn is_ip(host: &str) -> bool {
    match host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

/// The address of a listener.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "`{text}` is not an IP address with a port: write one such as `127.0.0.1:8080`, or \
             `0.0.0.0:8080` for every interface"
        )
    })
}

/// A host, a name or an IP address without brackets, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Name or IP address, the latter without brackets.
    pub host: Box<str>,
    /// Port, at least 1.
    pub port: u16,
}

impl HostPort {
    /// As an IP socket address, if the host is an IP address and needs no resolution.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host.parse().ok()?, self.port))
    }
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

pub(super) fn host_port(text: &str) -> Result<HostPort, String> {
    let split = text.rsplit_once(':').and_then(|(host, port)| {
        let port = port.parse().ok().filter(|port| *port > 0)?;
        Some(HostPort {
            host: upstream_host(host)?,
            port,
        })
    });
    split.ok_or_else(|| {
        format!("`{text}` is not a host with a port: write one such as `10.0.0.7:8000`")
    })
}

/// A host to connect to: a name or an IP address, the brackets of an IPv6 address taken off.
pub(super) fn upstream_host(text: &str) -> Option<Box<str>> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match bare {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(|_| inner.into()),
        None => is_dns_name(text).then(|| text.to_ascii_lowercase().into()),
    }
}

/// A provider's base URL, taken apart.
#[derive(Debug, PartialEq)]
pub(super) struct BaseUrl {
    pub(super) tls: bool,
    pub(super) address: HostPort,
    pub(super) path: Box<str>,
    /// Value of `Host`: without the port where it is the scheme's own.
    pub(super) authority: HeaderValue,
}

/// Parses a base URL. The messages do not repeat it: it may hold a password.
pub(super) fn base_url(text: &str) -> Result<BaseUrl, &'static str> {
    const SHAPE: &str =
        "this is not an http or https URL: write one such as `https://api.openai.com/v1`";
    let uri: Uri = text.parse().map_err(|_| SHAPE)?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(SHAPE),
    };
    let authority = uri.authority().ok_or(SHAPE)?;
    if authority.as_str().contains('@') {
        return Err("this URL has a user or password: give the key in `apiKey`, by reference");
    }
    if uri.query().is_some() || text.contains('#') {
        return Err("this URL has a query or fragment: a base URL ends with its path");
    }
    let own_port = if tls { 443 } else { 80 };
    let port = match authority.port() {
        Some(port) => port
            .as_str()
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or(SHAPE)?,
        None => own_port,
    };
    let host = upstream_host(authority.host()).ok_or(SHAPE)?;
    let value = match port == own_port {
        true => HeaderValue::from_str(authority.host()),
        false => HeaderValue::from_str(authority.as_str()),
    };
    Ok(BaseUrl {
        tls,
        address: HostPort { host, port },
        path: uri.path().trim_end_matches('/').into(),
        authority: value.map_err(|_| SHAPE)?,
    })
}

/// A web origin in lower case, as browsers send it.
pub(super) fn origin(text: &str) -> Result<Box<str>, String> {
    let uri: Option<Uri> = text.parse().ok();
    let scheme_and_authority = uri
        .as_ref()
        .and_then(|uri| Some((uri.scheme()?, uri.authority()?)));
    match scheme_and_authority {
        Some((scheme, authority))
            if text.eq_ignore_ascii_case(&format!("{scheme}://{authority}")) =>
        {
            Ok(text.to_ascii_lowercase().into())
        }
        _ => Err(format!(
            "`{text}` is not a web origin: write scheme and host, with the port if it is not the \
             scheme's own, such as `https://chat.example.com`, or `*` for any"
        )),
    }
}

/// Headers that belong to the connection or to the message's framing: a resource that could set
/// them could desynchronise a connection.
const FRAMING: [HeaderName; 7] = [
    http::header::CONNECTION,
    http::header::CONTENT_LENGTH,
    http::header::TE,
    http::header::TRAILER,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
    http::header::HOST,
];

pub(super) fn header_name(text: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| format!("`{text}` is not a header name: use letters, digits and `-`"))
}

/// The name of a header that a resource may change.
pub(super) fn mutable_header_name(text: &str) -> Result<HeaderName, String> {
    let name = header_name(text)?;
    match FRAMING.contains(&name) {
        true if name == http::header::HOST => Err("`Host` is not changed as a header: use \
             urlRewrite.hostname"
            .to_owned()),
        true => Err(format!(
            "`{name}` belongs to the connection and cannot be changed"
        )),
        false => Ok(name),
    }
}

/// The value of a header. The message does not repeat it: it may be a secret.
pub(super) fn header_value(text: &str) -> Result<HeaderValue, &'static str> {
    HeaderValue::from_str(text)
        .map_err(|_| "this is not a header value: use visible ASCII and spaces")
}

/// A path as it stands in a request line: begins with `/`, no query, no fragment.
pub(super) fn path(text: &str) -> Result<(), String> {
    let fits = text.starts_with('/')
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#');
    match fits {
        true => Ok(()),
        false => Err(format!(
            "`{text}` is not a path: begin with `/`, percent-encode what is not visible ASCII, \
             and give no query or fragment"
        )),
    }
}

/// Whether two listeners could not both be bound: `[::]` also takes every IPv4 address.
pub(super) fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let covers =
        |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    let (ip_a, ip_b) = (a.ip(), b.ip());
    a.port() == b.port()
        && a.port() != 0
        && (ip_a == ip_b || covers(ip_a, ip_b) || covers(ip_b, ip_a))
}

#[cfg(test)]
mod tests;
