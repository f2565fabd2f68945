//! Pools and providers made ready: one form for both, so that nothing behind asks which it was.
//!
//! A provider becomes one endpoint that keeps its host name and is resolved when a connection is
//! opened (what Envoy calls logical DNS): the addresses of a large API change from answer to
//! answer, and statistics per address would mean nothing. A pool's `dns` lists replicas instead.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use llm::{Dialect, KeyHeader, Quirks};

use crate::resources::{
    ConnectionPool, Dns, Header, HealthCheck, LoadBalancer, OutlierDetection, PoolDialect,
    PoolSpec, Preset, Protocol, ProviderDialect, ProviderSpec, RetryBudget, Secret, SecretRef,
    Secrets, UpstreamTls,
};

use super::auth::{self, Auth};
use super::syntax::{self, HostPort};
use super::violation::Faults;

/// Somewhere requests are sent to.
#[derive(Debug)]
pub struct Backend {
    /// Its index in [`Snapshot::backends`](super::Snapshot::backends).
    pub index: usize,
    /// Name, with the namespace in front (`namespace/name`) unless it is the default one. Unique
    /// among the backends of its kind.
    pub name: Arc<str>,
    /// What it was configured as.
    pub kind: BackendKind,
    /// API it speaks; `None` for a plain service.
    pub dialect: Option<Dialect>,
    /// Where it differs from others of its dialect.
    pub quirks: &'static Quirks,
    /// Path in front of the dialect's own, without a slash at its end.
    pub base_path: Box<str>,
    /// Value of `Host`; `None` means the endpoint's address.
    pub host: Option<HeaderValue>,
    /// Header that carries the key, its value marked as sensitive; `None` sends none.
    pub credential: Option<(HeaderName, HeaderValue)>,
    /// Where the key came from, for display.
    pub api_key: Option<SecretRef>,
    /// Identity whose credential is sent instead, and renewed; never beside a key.
    pub auth: Option<Auth>,
    /// Headers to set on each request that has none of the name.
    pub default_headers: Vec<(HeaderName, HeaderValue)>,
    /// Headers to set on each request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Models it serves; empty: any.
    pub models: Vec<Arc<str>>,
    /// Where its endpoints are.
    pub endpoints: EndpointSource,
    /// HTTP version to speak.
    pub protocol: Protocol,
    /// TLS to connect with; `None` for plain sockets.
    pub tls: Option<UpstreamTls>,
    /// How an endpoint is chosen.
    pub load_balancer: LoadBalancer,
    /// How endpoints are probed.
    pub health_check: Option<HealthCheck>,
    /// When an endpoint is left out.
    pub outlier_detection: OutlierDetection,
    /// How connections are kept.
    pub connection_pool: ConnectionPool,
    /// How many retries may be made.
    pub retry_budget: RetryBudget,
}

/// What a backend was configured as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackendKind {
    /// A pool.
    Pool,
    /// A provider.
    Provider,
}

impl BackendKind {
    /// The field that refers to it, such as `pool`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Provider => "provider",
        }
    }
}

/// Where the endpoints of a backend are.
#[derive(Clone, Debug)]
pub enum EndpointSource {
    /// These.
    Static(Vec<EndpointTarget>),
    /// Every address of a name.
    Dns(Dns),
}

/// A configured endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointTarget {
    /// Name by which statistics are kept.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: HostPort,
    /// Share of the requests relative to the others.
    pub weight: u32,
}

/// What a backend is compiled with besides its own specification.
pub(super) struct Place<'a> {
    pub(super) index: usize,
    pub(super) name: Arc<str>,
    pub(super) secrets: &'a Secrets,
}

pub(super) fn compile_provider(
    faults: &mut Faults<'_>,
    place: Place<'_>,
    spec: &ProviderSpec,
) -> Option<Backend> {
    let dialect = match spec.dialect() {
        ProviderDialect::Openai => Dialect::OpenAi,
        ProviderDialect::Anthropic => Dialect::Anthropic,
        ProviderDialect::Gemini => Dialect::Gemini,
        ProviderDialect::Ollama => Dialect::Ollama,
        ProviderDialect::Bedrock => Dialect::Bedrock,
        ProviderDialect::Cohere => Dialect::Cohere,
    };
    check_preset(faults, spec);
    let quirks = quirks_of(spec, dialect);
    let key = quirks.key_header.unwrap_or(dialect.key_header());
    let api_key = spec.api_key();
    let credential = credential(faults, key, api_key.as_ref(), place.secrets);
    let auth = spec
        .auth
        .as_ref()
        .and_then(|auth| auth::compile(faults, auth, spec.api_key.as_ref(), place.secrets));
    let headers = extra_headers(faults, key, &spec.headers);
    let models = models(faults, &spec.models);
    check_shared(
        faults,
        &spec.connection_pool,
        &spec.outlier_detection,
        &spec.retry_budget,
    );
    let url = match spec.base_url() {
        Some(url) => syntax::base_url(&url),
        None => Err(missing_url(spec)),
    };
    let url = faults.take("baseUrl", url)?;
    let tls = tls(faults, spec.tls.as_ref());
    faults.require(
        url.tls || spec.tls.is_none(),
        "tls",
        "is set but the base URL is `http`: make it `https`, or leave out `tls`",
    );
    let address = url.address;
    let endpoint = EndpointTarget {
        name: address.to_string().into(),
        address,
        weight: 1,
    };
    Some(Backend {
        index: place.index,
        name: place.name,
        kind: BackendKind::Provider,
        dialect: Some(dialect),
        quirks,
        base_path: url.path,
        host: Some(url.authority),
        credential,
        api_key,
        auth,
        default_headers: default_headers(dialect),
        headers,
        models,
        endpoints: EndpointSource::Static(vec![endpoint]),
        protocol: spec.protocol,
        tls: url.tls.then(|| tls.unwrap_or_default()),
        load_balancer: LoadBalancer::default(),
        health_check: None,
        outlier_detection: spec.outlier_detection.clone(),
        connection_pool: spec.connection_pool.clone(),
        retry_budget: spec.retry_budget.clone(),
    })
}

pub(super) fn compile_pool(
    faults: &mut Faults<'_>,
    place: Place<'_>,
    spec: &PoolSpec,
) -> Option<Backend> {
    let dialect = dialect_of(spec);
    let key = dialect.map_or(KeyHeader::BEARER, Dialect::key_header);
    let credential = credential(faults, key, spec.api_key.as_ref(), place.secrets);
    let models = models(faults, &spec.models);
    check_shared(
        faults,
        &spec.connection_pool,
        &spec.outlier_detection,
        &spec.retry_budget,
    );
    check_balancing(faults, spec);
    let tls = tls(faults, spec.tls.as_ref());
    let base_path = base_path(faults, spec);
    let endpoints = endpoint_source(faults, spec)?;
    Some(Backend {
        index: place.index,
        name: place.name,
        kind: BackendKind::Pool,
        dialect,
        quirks: &Quirks::NONE,
        base_path,
        host: None,
        credential,
        api_key: spec.api_key.clone(),
        auth: None,
        default_headers: dialect.map(default_headers).unwrap_or_default(),
        headers: Vec::new(),
        models,
        endpoints,
        protocol: spec.protocol,
        tls,
        load_balancer: spec.load_balancer.clone(),
        health_check: spec.health_check.clone(),
        outlier_detection: spec.outlier_detection.clone(),
        connection_pool: spec.connection_pool.clone(),
        retry_budget: spec.retry_budget.clone(),
    })
}

fn missing_url(spec: &ProviderSpec) -> &'static str {
    match (spec.dialect(), spec.preset) {
        (_, Some(Preset::VertexAnthropic)) => {
            "`baseUrl` is missing: give that of your project, such as \
             `https://europe-west1-aiplatform.googleapis.com/v1/projects/PROJECT/locations/europe-west1`"
        }
        (ProviderDialect::Bedrock, _) | (_, Some(Preset::BedrockAnthropic)) => {
            "`baseUrl` is missing: give that of your region, such as \
             `https://bedrock-runtime.eu-west-1.amazonaws.com`, or the region in `auth.aws.region`"
        }
        _ => {
            "`baseUrl` is missing: give the URL of your own resource, such as \
             `https://NAME.openai.azure.com/openai/v1`"
        }
    }
}

fn check_preset(faults: &mut Faults<'_>, spec: &ProviderSpec) {
    let Some((preset, dialect)) = spec.preset.zip(spec.dialect) else {
        return;
    };
    faults.require(
        dialect == preset.dialect(),
        "dialect",
        format_args!(
            "is not that of the preset `{}`: leave one of the two out",
            preset.name()
        ),
    );
}

/// Those of the preset, wherever it is reached, else of the host.
fn quirks_of(spec: &ProviderSpec, dialect: Dialect) -> &'static Quirks {
    match spec.preset {
        Some(preset) => preset.quirks(),
        None => Quirks::of_url(dialect, &spec.base_url().unwrap_or_default()),
    }
}

/// What a pool speaks; `None` if it is plain.
const fn dialect_of(spec: &PoolSpec) -> Option<Dialect> {
    match spec.dialect {
        PoolDialect::Openai => Some(Dialect::OpenAi),
        PoolDialect::Anthropic => Some(Dialect::Anthropic),
        PoolDialect::Ollama => Some(Dialect::Ollama),
        PoolDialect::None => None,
    }
}

/// The path in front of the dialect's own.
fn base_path(faults: &mut Faults<'_>, spec: &PoolSpec) -> Box<str> {
    let usual = match spec.dialect {
        PoolDialect::Openai | PoolDialect::Anthropic => "/v1",
        PoolDialect::Ollama => "",
        PoolDialect::None => {
            let plain = "does not apply to a plain pool (`dialect: none`): leave it out";
            faults.require(spec.base_path.is_none(), "basePath", plain);
            faults.require(spec.models.is_empty(), "models", plain);
            return "".into();
        }
    };
    let path = spec.base_path.as_deref().unwrap_or(usual);
    if !path.is_empty() {
        faults.take("basePath", syntax::path(path));
    }
    path.trim_end_matches('/').into()
}

fn endpoint_source(faults: &mut Faults<'_>, spec: &PoolSpec) -> Option<EndpointSource> {
    match (&spec.dns, spec.endpoints.is_empty()) {
        (Some(dns), true) => {
            check_dns(faults, dns);
            Some(EndpointSource::Dns(dns.clone()))
        }
        (None, false) => Some(EndpointSource::Static(endpoints(faults, spec))),
        (None, true) => {
            faults.add(
                "endpoints",
                "is empty: give at least one endpoint, or `dns`",
            );
            None
        }
        (Some(_), false) => {
            faults.add("dns", "is set beside `endpoints`: give one of the two");
            None
        }
    }
}

fn endpoints(faults: &mut Faults<'_>, spec: &PoolSpec) -> Vec<EndpointTarget> {
    let mut names = BTreeSet::new();
    let mut targets = Vec::with_capacity(spec.endpoints.len());
    for (i, endpoint) in spec.endpoints.iter().enumerate() {
        faults.require(
            (1..=1_000_000).contains(&endpoint.weight),
            format_args!("endpoints[{i}].weight"),
            format_args!("is {}: give 1 to 1000000", endpoint.weight),
        );
        let name = endpoint.name.as_deref().unwrap_or(&endpoint.address);
        let field = if endpoint.name.is_some() {
            "name"
        } else {
            "address"
        };
        let path = format_args!("endpoints[{i}].{field}");
        faults.require(
            !name.is_empty(),
            path,
            "is empty: give a name, or leave it out",
        );
        let unique = names.insert(name);
        faults.require(
            unique,
            path,
            format_args!("repeats `{name}`: names are unique"),
        );
        let path = format_args!("endpoints[{i}].address");
        if let Some(address) = faults.take(path, syntax::host_port(&endpoint.address)) {
            targets.push(EndpointTarget {
                name: name.into(),
                address,
                weight: endpoint.weight,
            });
        }
    }
    targets
}

fn check_dns(faults: &mut Faults<'_>, dns: &Dns) {
    faults.require(
        syntax::upstream_host(&dns.host).is_some(),
        "dns.host",
        "is not a host name: write one such as `vllm.models.svc`",
    );
    faults.require(dns.port > 0, "dns.port", "is 0: give 1 to 65535");
    faults.require(
        dns.refresh.get().as_millis() >= 100,
        "dns.refresh",
        format_args!("is {}: give at least 100ms", dns.refresh),
    );
}

fn check_balancing(faults: &mut Faults<'_>, spec: &PoolSpec) {
    faults.require(
        (2..=16).contains(&spec.load_balancer.choices),
        "loadBalancer.choices",
        format_args!("is {}: give 2 to 16", spec.load_balancer.choices),
    );
    faults.require(
        spec.load_balancer.cache_tokens > 0,
        "loadBalancer.cacheTokens",
        format_args!("is 0: give at least 1"),
    );
    let Some(check) = &spec.health_check else {
        return;
    };
    faults.take("healthCheck.path", syntax::path(&check.path));
    faults.require(
        check.interval.get().as_millis() >= 100,
        "healthCheck.interval",
        format_args!("is {}: give at least 100ms", check.interval),
    );
    faults.require(
        !check.timeout.is_zero(),
        "healthCheck.timeout",
        "is 0s: no probe could pass",
    );
    let thresholds = [
        ("healthyThreshold", check.healthy_threshold),
        ("unhealthyThreshold", check.unhealthy_threshold),
    ];
    for (field, threshold) in thresholds {
        faults.require(
            threshold > 0,
            format_args!("healthCheck.{field}"),
            "is 0: at least 1",
        );
    }
}

fn check_shared(
    faults: &mut Faults<'_>,
    connections: &ConnectionPool,
    outliers: &OutlierDetection,
    retries: &RetryBudget,
) {
    check_connections(faults, connections);
    check_outliers(faults, outliers);
    check_percent(faults, "retryBudget.percent", retries.percent);
}

fn check_percent(faults: &mut Faults<'_>, path: &str, percent: u8) {
    faults.require(
        percent <= 100,
        path,
        format_args!("is {percent}: give 0 to 100"),
    );
}

fn check_connections(faults: &mut Faults<'_>, connections: &ConnectionPool) {
    faults.require(
        connections.max_requests_per_endpoint != Some(0),
        "connectionPool.maxRequestsPerEndpoint",
        "is 0, which would send nothing: at least 1",
    );
    faults.require(
        connections.http2_max_connections > 0,
        "connectionPool.http2MaxConnections",
        "is 0, which would send nothing: at least 1",
    );
    faults.require(
        connections
            .idle_timeout
            .is_none_or(|timeout| !timeout.is_zero()),
        "connectionPool.idleTimeout",
        "is 0s: to keep no idle connection set `maxIdlePerEndpoint: 0`",
    );
    faults.require(
        connections.max_age.is_none_or(|age| !age.is_zero()),
        "connectionPool.maxAge",
        "is 0s: leave it out for no limit",
    );
}

fn check_outliers(faults: &mut Faults<'_>, outliers: &OutlierDetection) {
    faults.require(
        !outliers.base_ejection_time.is_zero(),
        "outlierDetection.baseEjectionTime",
        "is 0s: to eject nothing set `consecutiveErrors: 0`",
    );
    faults.require(
        outliers.max_ejection_time >= outliers.base_ejection_time,
        "outlierDetection.maxEjectionTime",
        format_args!(
            "is less than baseEjectionTime ({})",
            outliers.base_ejection_time
        ),
    );
    let max = outliers.max_ejection_percent;
    check_percent(faults, "outlierDetection.maxEjectionPercent", max);
    check_percent(
        faults,
        "outlierDetection.minHealthPercent",
        outliers.min_health_percent,
    );
}

fn tls(faults: &mut Faults<'_>, spec: Option<&UpstreamTls>) -> Option<UpstreamTls> {
    let spec = spec?;
    faults.require(
        spec.ca_file.as_deref() != Some(""),
        "tls.caFile",
        "is empty: give the path of a PEM file, or leave it out",
    );
    if let Some(name) = &spec.server_name {
        faults.require(
            syntax::upstream_host(name).is_some(),
            "tls.serverName",
            "is not a host name: write one such as `api.example.com`",
        );
    }
    Some(spec.clone())
}

fn models(faults: &mut Faults<'_>, names: &[String]) -> Vec<Arc<str>> {
    let mut seen = BTreeSet::new();
    for (i, name) in names.iter().enumerate() {
        let path = format_args!("models[{i}]");
        faults.require(!name.is_empty(), path, "is empty: give the name of a model");
        faults.require(seen.insert(name), path, format_args!("repeats `{name}`"));
    }
    names.iter().map(|name| name.as_str().into()).collect()
}

/// The headers that the dialect's requests must have.
fn default_headers(dialect: Dialect) -> Vec<(HeaderName, HeaderValue)> {
    let headers = dialect.default_headers().iter();
    headers
        .map(|&(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

fn extra_headers(
    faults: &mut Faults<'_>,
    key: KeyHeader,
    headers: &[Header],
) -> Vec<(HeaderName, HeaderValue)> {
    let mut compiled = Vec::with_capacity(headers.len());
    for (i, header) in headers.iter().enumerate() {
        let name = syntax::mutable_header_name(&header.name);
        let name = faults.take(format_args!("headers[{i}].name"), name);
        let value = syntax::header_value(&header.value);
        let value = faults.take(format_args!("headers[{i}].value"), value);
        let Some((name, value)) = name.zip(value) else {
            continue;
        };
        let repeated = compiled.iter().any(|(other, _)| *other == name);
        let path = format_args!("headers[{i}].name");
        faults.require(!repeated, path, format_args!("repeats `{name}`"));
        let reserved = name == http::header::AUTHORIZATION || name == key.name;
        faults.require(
            !reserved,
            path,
            format_args!("is `{name}`, which `apiKey` is for, by reference"),
        );
        compiled.push((name, value));
    }
    compiled
}

fn credential(
    faults: &mut Faults<'_>,
    key: KeyHeader,
    reference: Option<&SecretRef>,
    secrets: &Secrets,
) -> Option<(HeaderName, HeaderValue)> {
    let reference = reference?;
    let secret = resolve(faults, "apiKey", reference, secrets)?.expose();
    let value = HeaderValue::from_str(&[key.prefix, secret].concat());
    let message = format_args!("the value of `{reference}` cannot stand in a header");
    let mut value = faults.take("apiKey", value.map_err(|_| message))?;
    value.set_sensitive(true);
    Some((HeaderName::from_static(key.name), value))
}

/// The value of the secret that the field at `path` refers to.
pub(super) fn resolve<'a>(
    faults: &mut Faults<'_>,
    path: &str,
    reference: &SecretRef,
    secrets: &'a Secrets,
) -> Option<&'a Secret> {
    let secret = secrets.get(reference);
    let secret = secret.filter(|secret| !secret.expose().is_empty());
    if secret.is_none() {
        let message = match reference {
            SecretRef::Env(name) => format!("the environment variable `{name}` is not set"),
            SecretRef::File(path) => format!("the file `{path}` cannot be read, or is empty"),
        };
        faults.report(path, message, None);
    }
    secret
}
