//! Which requests go where.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filter::Filter;
use super::units::Duration;

/// Rules for the requests of some listeners and host names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteSpec {
    /// Listeners it belongs to, by name; `namespace/name` for one of another namespace. Empty: all
    /// listeners.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<String>,
    /// Host names it is for; `*.example.com` stands for any subdomain, however deep. Empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<String>,
    /// The rules. At least one.
    #[schemars(length(min = 1))]
    pub rules: Vec<RuleSpec>,
}

/// What becomes of the requests that match.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RuleSpec {
    /// Name, unique in the route, for metrics and explanations. Default: the rule's index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Requests the rule is for: those that fit one of these. Empty: all of the route. When a
    /// request fits several rules, the most specific match wins: exact host, longest wildcard;
    /// then exact path, longest prefix, regular expression, any path (`/`); then method, number
    /// of headers, number of query parameters, model (exact, longest prefix, glob, regular
    /// expression); then the older route, its name, and the order of its rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RouteMatch>,
    /// Changes to request and response, or an answer to it; each kind once at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// Where the requests go. Empty only with a requestRedirect or directResponse.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backend_refs: Vec<BackendRef>,
    /// Bounds on time.
    pub timeouts: RouteTimeouts,
    /// When a failed attempt is repeated.
    pub retry: Retry,
    /// What becomes of a request that a backend of another dialect cannot express in full.
    /// Default: lenient.
    pub translation: Translation,
    /// Whether the gateway fetches media that a request names by `http` or `https` URL and that its
    /// backend, of another dialect, takes only within the request; else such a request is refused.
    /// Servers are asked that are on the public internet alone. Default: false.
    pub fetch_media: bool,
}

/// What becomes of a request that a backend of another dialect cannot express in full. Messages,
/// tools and formats of answers that it cannot express are refused in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Translation {
    /// Hints, such as a seed, are left out; the response header `x-sluicegate-dropped` names them.
    #[default]
    Lenient,
    /// It is refused, naming the field.
    Strict,
}

/// Conditions that a request must all fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteMatch {
    /// Its path. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,
    /// Its method. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Its headers, all of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderMatch>,
    /// Its query parameters, all of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query_params: Vec<QueryParamMatch>,
    /// The model it asks for. Absent: any. Only where the backends are of an LLM dialect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelMatch>,
}

/// A condition on the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PathMatch {
    /// How `value` is meant. Default: PathPrefix.
    #[serde(rename = "type")]
    pub kind: PathMatchType,
    /// The path, prefix or expression; the first two begin with `/`. Default: `/`.
    pub value: String,
}

impl Default for PathMatch {
    fn default() -> Self {
        Self {
            kind: PathMatchType::default(),
            value: "/".to_owned(),
        }
    }
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PathMatchType {
    /// It is exactly this one.
    Exact,
    /// It begins with these path elements: `/foo` fits `/foo` and `/foo/bar`, not `/foobar`.
    #[default]
    PathPrefix,
    /// The regular expression (RE2 syntax) fits the whole path.
    RegularExpression,
}

/// HTTP methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are those of RFC 9110 and RFC 5789")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
}

/// A condition on a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderMatch {
    /// How `value` is meant. Default: Exact.
    #[serde(default, rename = "type")]
    pub kind: StringMatchType,
    /// Name of the header, of whatever case.
    pub name: String,
    /// The value or expression. The values of a repeated header are joined with commas.
    pub value: String,
}

/// A condition on a query parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueryParamMatch {
    /// How `value` is meant. Default: Exact.
    #[serde(default, rename = "type")]
    pub kind: StringMatchType,
    /// Name of the parameter, exactly.
    pub name: String,
    /// The value or expression. Of a repeated parameter only the first counts.
    pub value: String,
}

/// How text is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum StringMatchType {
    /// It is exactly this one.
    #[default]
    Exact,
    /// The regular expression (RE2 syntax) fits all of it.
    RegularExpression,
}

/// A condition on the model that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelMatch {
    /// How `value` is meant. Default: Exact.
    #[serde(default, rename = "type")]
    pub kind: ModelMatchType,
    /// The name, prefix, glob or expression.
    pub value: String,
}

/// How a model's name is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ModelMatchType {
    /// It is exactly this one.
    #[default]
    Exact,
    /// It begins with this text.
    Prefix,
    /// The glob fits all of it: `*` any text, `?` any character, `[ab]` one of these, `{a,b}`
    /// either.
    Glob,
    /// The regular expression (RE2 syntax) fits all of it.
    RegularExpression,
}

/// A place where requests go. Exactly one of `pool` and `provider` is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BackendRef {
    /// Name of a pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Name of a provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Namespace of the pool or provider. Default: the route's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Share of the requests relative to the others of its priority. 0 to 1000000; 0 takes none.
    /// Default: 1.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: u32,
    /// Order of trial: one of a higher number is tried only when those of lower numbers cannot
    /// serve. 0 to 255. Default: 0.
    pub priority: u8,
    /// Name of the model that is asked for there in the place of the client's. Only where the
    /// backend is of an LLM dialect. Default: the client's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Default for BackendRef {
    fn default() -> Self {
        Self {
            pool: None,
            provider: None,
            namespace: None,
            weight: 1,
            priority: 0,
            model: None,
        }
    }
}

/// Bounds on the time a request takes. `0s` is no bound, except for `connect`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteTimeouts {
    /// To open a connection, TLS handshake included. More than 0s. Default: 5s.
    pub connect: Duration,
    /// From sending an attempt to the first token of its response, where a stream was asked for.
    /// Default: 5m.
    pub first_token: Duration,
    /// Longest pause between two pieces of a stream that has begun. Default: 2m.
    pub between_chunks: Duration,
    /// From the request's head to the end of the response, retries included. Default: 1h.
    pub request: Duration,
    /// One attempt of a request that asks for no stream, from sending it to the end of the
    /// response (for a plain service, to its head). Absent: only `request` bounds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_request: Option<Duration>,
}

impl Default for RouteTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_token: Duration::from_secs(300),
            between_chunks: Duration::from_secs(120),
            request: Duration::from_secs(3600),
            backend_request: None,
        }
    }
}

/// When a failed attempt is repeated: only as long as nothing of a response has reached the
/// client, and within the backend's retry budget. What never reached an endpoint (a connection
/// that failed) costs nothing of that budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Retry {
    /// Repetitions at most among the backends of one priority, after the first attempt. 0 to 16;
    /// 0 repeats nothing. Default: 2.
    #[schemars(range(min = 0, max = 16))]
    pub attempts: u8,
    /// Statuses that are repeated, 400 to 599. 529 is Anthropic's for an overload. Default: 429, 500,
    /// 502, 503, 504, 529.
    pub codes: Vec<u16>,
    /// Pause before a repetition.
    pub backoff: Backoff,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 2,
            codes: vec![429, 500, 502, 503, 504, 529],
            backoff: Backoff::default(),
        }
    }
}

/// Pauses that double from one repetition to the next, with jitter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Backoff {
    /// The first pause at most. Default: 25ms.
    pub base: Duration,
    /// Any pause at most. At least `base`. Default: 1s.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(25),
            max: Duration::from_secs(1),
        }
    }
}
