//! Listeners made ready.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::resources::{Certificate, ListenerLimits, ListenerSpec, ListenerTimeouts};

use super::router::Router;
use super::syntax::{self, Hostname};
use super::violation::Faults;

/// A socket to serve, with the router of its requests.
#[derive(Debug)]
pub struct Listener {
    /// Name, with the namespace in front (`namespace/name`) unless it is the default one.
    pub name: Arc<str>,
    /// Address to bind.
    pub address: SocketAddr,
    /// Certificates; empty for plain HTTP.
    pub certificates: Vec<Certificate>,
    /// What a request's `Host` must be.
    pub allowed_hosts: AllowedHosts,
    /// What a request's `Origin` must be.
    pub allowed_origins: AllowedOrigins,
    /// Whether clients are told which endpoint answered.
    pub expose_endpoint: bool,
    /// Bounds on what clients may take.
    pub limits: ListenerLimits,
    /// Bounds on how long clients may take.
    pub timeouts: ListenerTimeouts,
    /// Where its requests go; shared by listeners with the same routes.
    pub router: Arc<Router>,
}

/// The host names that a listener answers to.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts(Vec<Hostname>);

impl AllowedHosts {
    /// Whether a request for `host` (without port, of whatever case) is answered.
    pub fn allows(&self, host: &str) -> bool {
        let is_subdomain = |domain: &str| {
            host.len()
                .checked_sub(domain.len() + 1)
                .and_then(|at| host.split_at_checked(at))
                .and_then(|(label, rest)| Some((label, rest.strip_prefix('.')?)))
                .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(domain))
        };
        let fits = |allowed: &Hostname| match allowed {
            Hostname::Exact(name) => host.eq_ignore_ascii_case(name),
            Hostname::Wildcard(domain) => is_subdomain(domain),
        };
        self.0.is_empty() || self.0.iter().any(fits)
    }
}

/// The web origins whose pages may call a listener.
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins {
    any: bool,
    origins: Vec<Box<str>>,
}

impl AllowedOrigins {
    /// Whether a request with this `Origin` header is answered.
    pub fn allows(&self, origin: &str) -> bool {
        self.any
            || self
                .origins
                .iter()
                .any(|allowed| origin.eq_ignore_ascii_case(allowed))
    }
}

/// A listener without its router, which depends on the routes.
pub(super) struct Draft {
    pub(super) name: Arc<str>,
    pub(super) address: SocketAddr,
    spec: ListenerSpec,
    allowed_hosts: AllowedHosts,
    allowed_origins: AllowedOrigins,
}

impl Draft {
    pub(super) fn finish(self, router: Arc<Router>) -> Listener {
        Listener {
            name: self.name,
            address: self.address,
            certificates: self
                .spec
                .tls
                .map(|tls| tls.certificates)
                .unwrap_or_default(),
            allowed_hosts: self.allowed_hosts,
            allowed_origins: self.allowed_origins,
            expose_endpoint: self.spec.expose_endpoint,
            limits: self.spec.limits,
            timeouts: self.spec.timeouts,
            router,
        }
    }
}

pub(super) fn compile(
    faults: &mut Faults<'_>,
    name: Arc<str>,
    spec: &ListenerSpec,
) -> Option<Draft> {
    check_tls(faults, spec);
    check_limits(faults, &spec.limits);
    check_timeouts(faults, &spec.timeouts);
    let allowed_hosts = spec
        .allowed_hosts
        .iter()
        .enumerate()
        .filter_map(|(i, host)| {
            faults.take(format_args!("allowedHosts[{i}]"), syntax::hostname(host))
        });
    let allowed_hosts = AllowedHosts(allowed_hosts.collect());
    let allowed_origins = allowed_origins(faults, &spec.allowed_origins);
    let address = faults.take("address", syntax::socket_address(&spec.address))?;
    Some(Draft {
        name,
        address,
        spec: spec.clone(),
        allowed_hosts,
        allowed_origins,
    })
}

fn allowed_origins(faults: &mut Faults<'_>, texts: &[String]) -> AllowedOrigins {
    let any = texts.iter().any(|text| text == "*");
    let explicit = texts.iter().enumerate().filter(|(_, text)| *text != "*");
    let origins = explicit.filter_map(|(i, text)| {
        faults.take(format_args!("allowedOrigins[{i}]"), syntax::origin(text))
    });
    AllowedOrigins {
        any,
        origins: origins.collect(),
    }
}

fn check_tls(faults: &mut Faults<'_>, spec: &ListenerSpec) {
    let Some(tls) = &spec.tls else { return };
    faults.require(
        !tls.certificates.is_empty(),
        "tls.certificates",
        "is empty: give at least one certificate, or leave out `tls` for plain HTTP",
    );
    for (i, certificate) in tls.certificates.iter().enumerate() {
        let files = [
            ("certFile", &certificate.cert_file),
            ("keyFile", &certificate.key_file),
        ];
        for (field, file) in files {
            let path = format_args!("tls.certificates[{i}].{field}");
            faults.require(
                !file.is_empty(),
                path,
                "is empty: give the path of a PEM file",
            );
        }
    }
}

fn check_limits(faults: &mut Faults<'_>, limits: &ListenerLimits) {
    let counts = [
        ("maxConnections", Some(limits.max_connections)),
        ("maxConnectionsPerSource", limits.max_connections_per_source),
        (
            "http2MaxConcurrentStreams",
            Some(limits.http2_max_concurrent_streams),
        ),
    ];
    for (field, count) in counts {
        let path = format_args!("limits.{field}");
        faults.require(
            count != Some(0),
            path,
            "is 0, which would serve nobody: at least 1",
        );
    }
    faults.require(
        (8 << 10..=1 << 20).contains(&limits.max_header_bytes.get()),
        "limits.maxHeaderBytes",
        format_args!("is {}: give 8Ki to 1Mi", limits.max_header_bytes),
    );
    faults.require(
        limits.max_body_bytes.get() > 0,
        "limits.maxBodyBytes",
        "is 0, which would refuse every prompt: at least 1",
    );
}

fn check_timeouts(faults: &mut Faults<'_>, timeouts: &ListenerTimeouts) {
    let all = [
        ("header", timeouts.header),
        ("idle", timeouts.idle),
        ("bodyIdle", timeouts.body_idle),
        ("write", timeouts.write),
    ];
    for (field, timeout) in all {
        let path = format_args!("timeouts.{field}");
        faults.require(
            !timeout.is_zero(),
            path,
            "is 0s: clients need a bound above that",
        );
    }
}

#[cfg(test)]
mod tests;
