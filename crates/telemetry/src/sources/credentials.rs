//! Credentials that are renewed.

use super::register;
use crate::{Registry, exposition::FamilyEncoder};
use prometheus_client::{encoding::DescriptorEncoder, metrics::MetricType};
use std::{fmt, sync::Arc, time::SystemTime};

/// The state of a credential at a scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialSample {
    /// Name of the provider that it is for.
    pub backend: Arc<str>,
    /// When the one in use expires, if there is one that does.
    pub expires: Option<SystemTime>,
    /// How often a new one was asked for and had.
    pub succeeded: u64,
    /// How often a new one was asked for in vain.
    pub failed: u64,
}

/// Register `sluicegate_credential_*`.
pub fn register_credentials(
    registry: &mut Registry,
    samples: impl Fn() -> Vec<CredentialSample> + Send + Sync + 'static,
) {
    register(registry, "credentials", move |encoder| {
        encode(encoder, &samples())
    });
}

fn encode(encoder: &mut DescriptorEncoder<'_>, samples: &[CredentialSample]) -> fmt::Result {
    let mut family = FamilyEncoder::begin(
        encoder,
        "sluicegate_credential_expiry_timestamp_seconds",
        "When the credential in use expires.",
        MetricType::Gauge,
    )?;
    for sample in samples {
        let since_epoch = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).ok();
        if let Some(expires) = sample.expires.and_then(since_epoch) {
            family.gauge(vec![("backend", &sample.backend)], expires.as_secs_f64())?;
        }
    }
    let mut family = FamilyEncoder::begin(
        encoder,
        "sluicegate_credential_refreshes",
        "New credentials asked for.",
        MetricType::Counter,
    )?;
    for sample in samples {
        for (result, count) in [("succeeded", sample.succeeded), ("failed", sample.failed)] {
            let labels = vec![("backend", &*sample.backend), ("result", result)];
            family.counter(labels, count)?;
        }
    }
    Ok(())
}
