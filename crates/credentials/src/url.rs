//! Addresses of token endpoints, and which of them may be told a secret.

use std::net::IpAddr;

use http::uri::{PathAndQuery, Uri};
use http::{HeaderValue, uri};

use crate::error::Error;

/// Where a token is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) tls: bool,
    /// A name, or an IP address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) resource: PathAndQuery,
    /// As `Host` wants it.
    pub(crate) authority: HeaderValue,
}

/// Whom a URL without TLS may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    /// This machine, and addresses of its link alone, which clouds give their metadata services.
    Local,
    /// These, and the names that metadata services have there: what they answer is a secret.
    Metadata,
}

impl Plain {
    fn may_name(self, host: &str) -> bool {
        is_local(host) || self == Self::Metadata && METADATA.contains(&host)
    }
}

/// What Google calls its metadata service, on every machine of its own.
const METADATA: [&str; 3] = ["metadata.google.internal", "metadata.goog", "metadata"];

impl Url {
    /// Parses `text`, which `what` gave. The message does not repeat it: it may hold a password.
    pub(crate) fn parse(what: &str, text: &str, plain: Plain) -> Result<Self, Error> {
        let shape = || Error::unusable(format_args!("{what} is not an https URL"));
        let uri: Uri = text.parse().map_err(|_| shape())?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == uri::Scheme::HTTPS => true,
            Some(scheme) if *scheme == uri::Scheme::HTTP => false,
            _ => return Err(shape()),
        };
        let authority = uri.authority().ok_or_else(shape)?;
        let host = authority.host().trim_start_matches('[');
        let host = host.trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() || authority.as_str().contains('@') {
            return Err(shape());
        }
        let own_port = if tls { 443 } else { 80 };
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None => own_port,
        };
        if !tls && !plain.may_name(&host) {
            return Err(Error::unusable(format_args!(
                "{what} is not an https URL, and {host} is not on this machine or its link"
            )));
        }
        Ok(Self {
            tls,
            host,
            port,
            resource: uri
                .path_and_query()
                .cloned()
                .unwrap_or_else(|| PathAndQuery::from_static("/")),
            authority: HeaderValue::try_from(authority.as_str()).map_err(|_| shape())?,
        })
    }

    /// The same server, asked for another path, which may have a query.
    pub(crate) fn at(&self, resource: &str) -> Result<Self, Error> {
        let resource = PathAndQuery::try_from(resource)
            .map_err(|_| Error::unusable("the path of a token endpoint cannot be sent"))?;
        Ok(Self {
            resource,
            ..self.clone()
        })
    }

    /// The path as it was given, without a slash at its end.
    pub(crate) fn base_path(&self) -> &str {
        self.resource.path().trim_end_matches('/')
    }
}

/// Whether a host is this machine, or on its link alone.
fn is_local(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unicast_link_local() || is_metadata(ip),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// The addresses of AWS's services for instances and pods.
fn is_metadata(ip: std::net::Ipv6Addr) -> bool {
    matches!(ip.segments(), [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23 | 0x254])
}

#[cfg(test)]
mod tests {
    use super::{Plain, Url};

    fn host(text: &str, plain: Plain) -> Option<String> {
        let url = Url::parse("it", text, plain).ok()?;
        Some(format!("{}:{}{}", url.host, url.port, url.resource))
    }

    #[test]
    fn a_secret_goes_over_tls_or_stays_on_the_link() {
        for (text, expected) in [
            (
                "https://a.example/token?x=1",
                Some("a.example:443/token?x=1"),
            ),
            ("https://a.example:8443", Some("a.example:8443/")),
            ("http://127.0.0.1:81/t", Some("127.0.0.1:81/t")),
            ("http://[::1]:81/t", Some("::1:81/t")),
            ("http://localhost/t", Some("localhost:80/t")),
            ("http://169.254.170.2/t", Some("169.254.170.2:80/t")),
            ("http://[fd00:ec2::23]/t", Some("fd00:ec2::23:80/t")),
            ("http://a.example/t", None),
            ("http://10.0.0.1/t", None),
            ("http://127.0.0.1.example/t", None),
            ("https://user:pw@a.example/t", None),
            ("ftp://a.example/t", None),
            ("a.example/t", None),
            ("", None),
        ] {
            assert_eq!(host(text, Plain::Local).as_deref(), expected, "{text}");
        }
        let named = "http://metadata.google.internal/t";
        assert_eq!(host(named, Plain::Local), None);
        let metadata = host(named, Plain::Metadata);
        assert_eq!(metadata.as_deref(), Some("metadata.google.internal:80/t"));
        assert_eq!(host("http://metadata.example/t", Plain::Metadata), None);
        assert_eq!(host("http://10.0.0.1/t", Plain::Metadata), None);
    }
}
