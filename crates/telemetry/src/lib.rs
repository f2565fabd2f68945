//! Metric families and the access log.
//!
//! This room observes and never decides: it is told what happened, in plain values, and knows
//! neither HTTP types nor LLM dialects. A finished request is described once, as a
//! [`RequestRecord`], from which both the metrics and the access log line are made, so the two
//! cannot disagree.
//!
//! Metrics are built from an injected [`Registry`]; nothing here is global. The families follow the
//! OpenTelemetry GenAI semantic conventions where those have a name (dots become underscores and
//! the unit is a suffix, as OpenTelemetry's Prometheus compatibility rules say) and are called
//! `sluicegate_*` otherwise.
//!
//! Recording is made for the hot path: a [`Series`] is resolved once and may be kept; writing to it
//! is a handful of relaxed atomic additions and takes no lock. Label values are bounded three
//! times: by the caller, who names only what is configured; by [`Metrics::label`], which knows a
//! limited number of strings; and by each family, which folds what exceeds its cap into the label
//! `overflow`.
//!
//! Families and access log fields are listed for operators in `docs/operations.md`, which a test
//! holds against a real scrape and real lines.

mod access_log;
mod error_type;
mod exposition;
mod family;
mod format;
mod histogram;
mod labels;
mod metrics;
mod process;
mod record;
mod series;
mod sources;
mod status_codes;
mod upstream_time;

pub use access_log::{AccessLog, AccessLogConfig, AccessLogError, LogTarget, LostLines};
pub use error_type::ErrorType;
pub use exposition::{CONTENT_TYPE, encode};
pub use labels::{GenAiLabels, Labels};
pub use metrics::{Metrics, MetricsConfig};
pub use process::{register_build_info, register_process};
pub use prometheus_client::registry::Registry;
pub use record::{Outcome, RequestRecord, Tokens};
pub use series::{InFlight, InFlightGauge, Series};
pub use sources::{
    CredentialSample, EndpointSample, ListenerSample, register_access_log, register_counter,
    register_credentials, register_endpoints, register_listeners,
};
pub use upstream_time::UpstreamTime;

use std::time::SystemTime;

/// The wall-clock time: the only place outside the pure rooms that reads it for telemetry.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where this crate and its users read the wall clock"
)]
pub fn wall_clock() -> SystemTime {
    SystemTime::now()
}
