//! The text that a scrape answers, and helpers to write families into it.

use crate::{Registry, histogram::Histogram};
use prometheus_client::{
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
    },
    metrics::{MetricType, exemplar::Exemplar},
};
use std::fmt;

/// The content type of [`encode`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything registered, as OpenMetrics text.
pub fn encode(registry: &Registry) -> Result<String, fmt::Error> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    Ok(text)
}

/// Labels of one series as it is exported.
pub(crate) type LabelPairs<'a> = Vec<(&'static str, &'a str)>;

/// A family while it is being written.
pub(crate) struct FamilyEncoder<'a>(MetricEncoder<'a>);

impl<'a> FamilyEncoder<'a> {
    /// Begin a family; `name` includes the unit but not `_total`.
    pub(crate) fn begin(
        encoder: &'a mut DescriptorEncoder<'_>,
        name: &'a str,
        help: &str,
        metric_type: MetricType,
    ) -> Result<Self, fmt::Error> {
        encoder
            .encode_descriptor(name, help, None, metric_type)
            .map(Self)
    }

    pub(crate) fn counter(
        &mut self,
        labels: LabelPairs<'_>,
        value: impl EncodeCounterValue,
    ) -> fmt::Result {
        const NO_EXEMPLAR: Option<&Exemplar<NoLabelSet, u64>> = None;
        if labels.is_empty() {
            return self.0.encode_counter(&value, NO_EXEMPLAR);
        }
        self.0
            .encode_family(&labels)?
            .encode_counter(&value, NO_EXEMPLAR)
    }

    pub(crate) fn gauge(
        &mut self,
        labels: LabelPairs<'_>,
        value: impl EncodeGaugeValue,
    ) -> fmt::Result {
        if labels.is_empty() {
            return self.0.encode_gauge(&value);
        }
        self.0.encode_family(&labels)?.encode_gauge(&value)
    }

    pub(crate) fn histogram(
        &mut self,
        labels: LabelPairs<'_>,
        histogram: &Histogram,
    ) -> fmt::Result {
        let snapshot = histogram.snapshot();
        self.0
            .encode_family(&labels)?
            .encode_histogram::<NoLabelSet>(snapshot.sum, snapshot.count, &snapshot.buckets, None)
    }
}
