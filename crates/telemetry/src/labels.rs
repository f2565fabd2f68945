//! Label sets of the metric families.
//!
//! Values are `Arc<str>`: the caller holds them in its snapshot, so that a look-up clones nothing.
//! They must come from a bounded set, configured names or [`Metrics::label`](crate::Metrics::label),
//! never straight from a client. An empty value means "not applicable", which is what Prometheus
//! takes an empty label for.

use std::sync::Arc;

/// What a request is accounted to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels {
    /// Name of the route; empty when none matched.
    pub route: Arc<str>,
    /// Name of the provider or pool that served it; empty when the request got to none.
    pub backend: Arc<str>,
    /// Present for the requests of an LLM dialect.
    pub gen_ai: Option<GenAiLabels>,
}

/// The attributes of the OpenTelemetry GenAI metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenAiLabels {
    /// `gen_ai.operation.name`: `chat`, `text_completion`, `embeddings` …
    pub operation: Arc<str>,
    /// `gen_ai.provider.name`: `openai`, `anthropic`, `aws.bedrock`, or the pool's name.
    pub provider: Arc<str>,
    /// `gen_ai.request.model`: the model asked for, or `other` when it is not a known one.
    pub request_model: Arc<str>,
    /// `gen_ai.response.model`: the model that the upstream says it used.
    pub response_model: Arc<str>,
}

/// The value that stands for everything beyond a family's cap.
const OVERFLOW: &str = "overflow";

/// A label set that a family can fold what exceeds its cap into.
pub(crate) trait Overflow {
    /// The label set of the overflow series.
    fn overflow() -> Self;
}

/// The label of a family by route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RouteLabel(pub(crate) Arc<str>);

/// The labels of a family by route and backend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BackendLabels {
    pub(crate) route: Arc<str>,
    pub(crate) backend: Arc<str>,
}

/// The label of a family by listener.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ListenerLabel(pub(crate) Arc<str>);

impl Overflow for RouteLabel {
    fn overflow() -> Self {
        Self(OVERFLOW.into())
    }
}

impl Overflow for ListenerLabel {
    fn overflow() -> Self {
        Self(OVERFLOW.into())
    }
}

impl Overflow for BackendLabels {
    fn overflow() -> Self {
        Self {
            route: OVERFLOW.into(),
            backend: OVERFLOW.into(),
        }
    }
}

impl Overflow for GenAiLabels {
    fn overflow() -> Self {
        Self {
            operation: OVERFLOW.into(),
            provider: OVERFLOW.into(),
            request_model: OVERFLOW.into(),
            response_model: OVERFLOW.into(),
        }
    }
}
