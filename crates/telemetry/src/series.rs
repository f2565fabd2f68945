//! Resolved series: what a request writes its numbers to.

use crate::{
    ErrorType, Outcome, RequestRecord, Tokens,
    error_type::PerErrorType,
    histogram::{
        Buckets, Histogram, OVERHEAD, REQUEST_DURATION, TIME_PER_OUTPUT_TOKEN, TIME_TO_FIRST_TOKEN,
        TOKEN_USAGE,
    },
    status_codes::StatusCodes,
};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

/// Handles to the series of one label set. Cloning is three reference counts; keep one per (rule,
/// backend, model) to skip the look-up. Recording takes no lock and allocates nothing once a series
/// has seen an event of the kind.
#[derive(Clone, Debug)]
pub struct Series {
    pub(crate) route: Arc<RouteSeries>,
    pub(crate) backend: Arc<BackendSeries>,
    pub(crate) gen_ai: Option<Arc<GenAiSeries>>,
}

impl Series {
    /// Count a finished request. To be called once per request, with the labels of its last attempt.
    pub fn record(&self, record: &RequestRecord<'_>) {
        self.route.duration.observe_duration(record.duration);
        self.route.overhead.observe_duration(record.overhead);
        self.backend.codes.increment(record.status);
        self.backend.outcomes[record.outcome as usize].fetch_add(1, Relaxed);
        if let Some(gen_ai) = &self.gen_ai {
            gen_ai.record(record);
        }
    }

    /// Count a retry at the same backend, after an attempt that failed for `reason`.
    pub fn retry(&self, reason: ErrorType) {
        self.backend.retries.get(reason).fetch_add(1, Relaxed);
    }

    /// Count that this backend was left for another one after it failed for `reason`.
    pub fn fallback(&self, reason: ErrorType) {
        self.backend.fallbacks.get(reason).fetch_add(1, Relaxed);
    }
}

/// Series by route.
#[derive(Debug)]
pub(crate) struct RouteSeries {
    pub(crate) duration: Histogram,
    pub(crate) overhead: Histogram,
}

impl Default for RouteSeries {
    fn default() -> Self {
        Self {
            duration: Histogram::new(&REQUEST_DURATION),
            overhead: Histogram::new(&OVERHEAD),
        }
    }
}

/// Series by route and backend.
#[derive(Debug, Default)]
pub(crate) struct BackendSeries {
    pub(crate) codes: StatusCodes,
    pub(crate) outcomes: [AtomicU64; Outcome::ALL.len()],
    pub(crate) attempts: AtomicU64,
    pub(crate) dropped_fields: AtomicU64,
    pub(crate) retries: PerErrorType<AtomicU64>,
    pub(crate) fallbacks: PerErrorType<AtomicU64>,
}

/// A histogram that takes no memory until it is used: most combinations of an outcome and a model
/// never occur.
#[derive(Debug, Default)]
pub(crate) struct LazyHistogram(OnceLock<Box<Histogram>>);

impl LazyHistogram {
    fn get_or_new(&self, buckets: &'static Buckets) -> &Histogram {
        self.0.get_or_init(|| Box::new(Histogram::new(buckets)))
    }

    pub(crate) fn get(&self) -> Option<&Histogram> {
        self.0.get().map(|histogram| &**histogram)
    }
}

/// Series by the attributes of the GenAI conventions.
#[derive(Debug, Default)]
pub(crate) struct GenAiSeries {
    pub(crate) duration: LazyHistogram,
    pub(crate) failed_duration: PerErrorType<LazyHistogram>,
    pub(crate) time_to_first_token: LazyHistogram,
    pub(crate) time_per_output_token: LazyHistogram,
    pub(crate) input: LazyHistogram,
    pub(crate) output: LazyHistogram,
    pub(crate) cached_input: LazyHistogram,
    pub(crate) cache_creation_input: LazyHistogram,
    pub(crate) cache_creation_hour_input: LazyHistogram,
    pub(crate) input_audio: LazyHistogram,
    pub(crate) input_image: LazyHistogram,
    pub(crate) reasoning: LazyHistogram,
    pub(crate) output_audio: LazyHistogram,
    pub(crate) output_image: LazyHistogram,
}

impl GenAiSeries {
    fn record(&self, record: &RequestRecord<'_>) {
        let duration = match record.error {
            None => &self.duration,
            Some(error) => self.failed_duration.get(error),
        };
        duration
            .get_or_new(&REQUEST_DURATION)
            .observe_duration(record.duration);
        if let Some(time) = record.time_to_first_token {
            self.time_to_first_token
                .get_or_new(&TIME_TO_FIRST_TOKEN)
                .observe_duration(time);
        }
        if let Some(time) = record.time_per_output_token {
            self.time_per_output_token
                .get_or_new(&TIME_PER_OUTPUT_TOKEN)
                .observe_duration(time);
        }
        self.record_tokens(&record.tokens);
    }

    fn record_tokens(&self, tokens: &Tokens) {
        let classes = [
            (&self.input, tokens.input),
            (&self.output, tokens.output),
            (&self.cached_input, tokens.cached_input),
            (&self.cache_creation_input, tokens.cache_creation_input),
            (
                &self.cache_creation_hour_input,
                tokens.cache_creation_hour_input,
            ),
            (&self.input_audio, tokens.input_audio),
            (&self.input_image, tokens.input_image),
            (&self.reasoning, tokens.reasoning),
            (&self.output_audio, tokens.output_audio),
            (&self.output_image, tokens.output_image),
        ];
        for (histogram, count) in classes {
            if let Some(count) = count {
                histogram.get_or_new(&TOKEN_USAGE).observe_count(count);
            }
        }
    }

    /// Token histograms that are in use, by `gen_ai.token.type`.
    pub(crate) fn token_types(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        [
            ("input", &self.input),
            ("output", &self.output),
            ("cached_input", &self.cached_input),
            ("cache_creation_input", &self.cache_creation_input),
            ("cache_creation_hour_input", &self.cache_creation_hour_input),
            ("input_audio", &self.input_audio),
            ("input_image", &self.input_image),
            ("reasoning", &self.reasoning),
            ("output_audio", &self.output_audio),
            ("output_image", &self.output_image),
        ]
        .into_iter()
        .filter_map(|(token_type, histogram)| Some((token_type, histogram.get()?)))
    }
}

/// The number of requests in flight at a listener.
#[derive(Debug, Default)]
pub struct InFlightGauge(AtomicI64);

impl InFlightGauge {
    /// Count a request in until the guard is dropped. The guard belongs to the response's body, so
    /// that a stream is in flight until its end.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.0.fetch_add(1, Relaxed);
        InFlight(Arc::clone(self))
    }

    pub(crate) fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A request in flight.
#[derive(Debug)]
#[must_use = "the request is in flight until this is dropped"]
pub struct InFlight(Arc<InFlightGauge>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}
