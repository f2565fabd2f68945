//! The books of one request: opened when its head is in, settled exactly once.
//!
//! Whatever a stage learns that metrics, the access log or response headers will want is noted
//! here. The exchange travels with the request through the stages and then with the body of the
//! answer; whoever holds it last closes it by [`Exchange::settle`]. If it is dropped before, the
//! client has left, since the listener drops the work it was waiting for, and that is what is recorded.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Request;
use http::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use llm::{Api, Dialect};
use mesh::snapshot::Rule;
use net::listener::ConnInfo;
use telemetry::{
    ErrorType, GenAiLabels, InFlight, Labels, Outcome, RequestRecord, Tokens, UpstreamTime,
};
use tokio::time::Instant;

use crate::counted::Received;
use crate::headers::{REQUEST_ID, TRACEPARENT, X_ATTEMPTS, X_ENDPOINT, X_OVERHEAD, X_REQUEST_ID};
use crate::rates::Lesson;
use crate::shared::Shared;

/// The status recorded for a client that left before there was one; nginx's.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// What is known of a request so far. In a box from the beginning, since it changes hands often.
pub(crate) struct Exchange {
    pub(crate) shared: Arc<Shared>,
    pub(crate) connection: Arc<ConnInfo>,
    pub(crate) request_id: HeaderValue,
    pub(crate) started: Instant,
    timestamp: SystemTime,
    method: http::Method,
    path: Box<str>,
    user_agent: Option<Box<str>>,
    traceparent: Option<Box<str>>,
    /// Counts as in flight at its listener until the books are closed.
    pub(crate) in_flight: Option<InFlight>,
    settled: bool,

    pub(crate) api: Option<Api>,
    pub(crate) rule: Option<Arc<Rule>>,
    /// The model asked for, as the client wrote it.
    pub(crate) model: Option<Box<str>>,
    /// The same as a label: known to the configuration, or `other`.
    pub(crate) model_label: Option<Arc<str>>,
    pub(crate) model_served: Option<Box<str>>,
    pub(crate) stream: bool,
    /// Bytes of the request's body, counted as they come.
    pub(crate) received: Received,
    pub(crate) bytes_sent: u64,

    pub(crate) attempts: u32,
    pub(crate) backend: Option<Arc<str>>,
    pub(crate) endpoint: Option<balance::EndpointId>,
    upstream: UpstreamTime,
    /// Time in which the gateway waited for the client to send its body.
    waited_for_client: Duration,
    pub(crate) status: u16,
    pub(crate) first_token: Option<Duration>,
    pub(crate) tokens: Tokens,
    /// What is learned from the tokens of the prompt.
    pub(crate) lesson: Option<Lesson>,
}

impl Exchange {
    /// Opens the books on a request whose head is in.
    pub(crate) fn open<B>(
        shared: &Arc<Shared>,
        connection: Arc<ConnInfo>,
        request: &Request<B>,
    ) -> Box<Self> {
        let headers = request.headers();
        Box::new(Self {
            shared: Arc::clone(shared),
            connection,
            request_id: crate::ids::request_id(headers),
            started: Instant::now(),
            timestamp: telemetry::wall_clock(),
            method: request.method().clone(),
            path: request.uri().path().into(),
            user_agent: text(headers, USER_AGENT),
            traceparent: text(headers, TRACEPARENT),
            in_flight: None,
            settled: false,
            api: None,
            rule: None,
            model: None,
            model_label: None,
            model_served: None,
            stream: false,
            received: Received::default(),
            bytes_sent: 0,
            attempts: 0,
            backend: None,
            endpoint: None,
            upstream: UpstreamTime::default(),
            waited_for_client: Duration::ZERO,
            status: CLIENT_CLOSED_REQUEST,
            first_token: None,
            tokens: Tokens::default(),
            lesson: None,
        })
    }

    /// The client's body came in, which took `waited`.
    pub(crate) fn waited_for_body(&mut self, waited: Duration) {
        self.waited_for_client += waited;
    }

    /// An attempt at an upstream begins.
    pub(crate) fn attempt_begins(
        &mut self,
        backend: &Arc<str>,
        endpoint: &balance::EndpointId,
        now: Instant,
    ) {
        self.attempts += 1;
        self.backend = Some(Arc::clone(backend));
        self.endpoint = Some(endpoint.clone());
        self.upstream
            .begin(now.saturating_duration_since(self.started));
    }

    /// The upstream call under way has ended, well or not.
    pub(crate) fn attempt_ends(&mut self) {
        let now = self.started.elapsed();
        self.upstream.end(now);
    }

    /// The first token reached the gateway.
    pub(crate) fn first_token_at(&mut self, now: Instant) {
        if self.first_token.is_none() {
            self.first_token = Some(now.saturating_duration_since(self.started));
        }
    }

    /// Time the gateway itself has cost until now: all of it but the waiting for upstreams and
    /// for the client's body.
    pub(crate) fn overhead(&self) -> Duration {
        self.upstream
            .overhead(self.started.elapsed())
            .saturating_sub(self.waited_for_client)
    }

    /// Adds the headers that tell a caller about its request, once the status is decided.
    pub(crate) fn mark(
        &mut self,
        status: http::StatusCode,
        headers: &mut HeaderMap,
        endpoint: bool,
    ) {
        self.status = status.as_u16();
        headers.insert(X_REQUEST_ID, self.request_id.clone());
        if self
            .api
            .is_some_and(|api| api.dialect == Dialect::Anthropic)
        {
            // Where the provider has given its own, that is the one to ask it about.
            let given = headers.entry(REQUEST_ID);
            given.or_insert_with(|| self.request_id.clone());
        }
        headers.insert(X_ATTEMPTS, HeaderValue::from(self.attempts));
        let micros = self.overhead().as_micros();
        let overhead = format!("{}.{:03}", micros / 1000, micros % 1000);
        if let Ok(overhead) = HeaderValue::try_from(overhead) {
            headers.insert(X_OVERHEAD, overhead);
        }
        if let (true, Some(id)) = (endpoint, &self.endpoint)
            && let Ok(id) = HeaderValue::from_str(id.as_str())
        {
            headers.insert(X_ENDPOINT, id);
        }
    }

    /// Closes the books.
    pub(crate) fn settle(
        mut self: Box<Self>,
        outcome: Outcome,
        error: Option<ErrorType>,
        detail: Option<&str>,
    ) {
        self.close(outcome, error, detail);
    }

    /// The labels of this request's series.
    pub(crate) fn labels(&self) -> Labels {
        Labels {
            route: self
                .rule
                .as_ref()
                .map(|rule| Arc::clone(&rule.route))
                .unwrap_or_default(),
            backend: self.backend.clone().unwrap_or_default(),
            gen_ai: self
                .api
                .filter(|api| api.has_body())
                .map(|api| self.gen_ai_labels(api)),
        }
    }

    fn gen_ai_labels(&self, api: Api) -> GenAiLabels {
        let model = self.model_label.clone().unwrap_or_default();
        GenAiLabels {
            operation: self.shared.names.operation(api),
            provider: self.backend.clone().unwrap_or_default(),
            request_model: model,
            response_model: self.response_label(),
        }
    }

    /// The served model as a label, if the configuration knows it.
    fn response_label(&self) -> Arc<str> {
        let runtime = self.shared.runtime.load();
        match &self.model_served {
            Some(model) => runtime.model_label(&self.shared, model),
            None => Arc::default(),
        }
    }

    fn close(&mut self, outcome: Outcome, error: Option<ErrorType>, detail: Option<&str>) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        if let Some((lesson, tokens)) = self.lesson.as_ref().zip(self.tokens.input) {
            lesson.learn(tokens);
        }
        let duration = self.started.elapsed();
        let record = RequestRecord {
            timestamp: self.timestamp,
            request_id: self.request_id.to_str().unwrap_or_default(),
            listener: &self.connection.listener,
            route: self.rule.as_ref().map(|rule| &*rule.route),
            rule: self.rule.as_ref().map(|rule| &*rule.name),
            method: self.method.as_str(),
            path: &self.path,
            status: self.status,
            outcome,
            error,
            error_detail: detail,
            dialect: self.api.map(|api| api.dialect.name()),
            operation: self.api.map(|api| api.operation.name()),
            model_requested: self.model.as_deref(),
            model_served: self.model_served.as_deref(),
            backend: self.backend.as_deref(),
            endpoint: self.endpoint.as_ref().map(balance::EndpointId::as_str),
            attempts: self.attempts,
            stream: self.stream,
            tokens: self.tokens,
            duration,
            time_to_first_token: self.first_token,
            time_per_output_token: self.time_per_output_token(duration),
            overhead: self
                .upstream
                .overhead(duration)
                .saturating_sub(self.waited_for_client),
            bytes_received: self.received.bytes(),
            bytes_sent: self.bytes_sent,
            caller: None,
            client_ip: Some(self.connection.peer.ip()),
            traceparent: self.traceparent.as_deref(),
            user_agent: self.user_agent.as_deref(),
        };
        self.shared.metrics.series(&self.labels()).record(&record);
        if let Some(log) = &self.shared.access_log {
            log.log(&record);
        }
    }

    /// Mean time per output token after the first, for streams whose tokens are known.
    fn time_per_output_token(&self, duration: Duration) -> Option<Duration> {
        let after_first = self
            .tokens
            .output?
            .checked_sub(1)
            .filter(|tokens| *tokens > 0)?;
        let generating = duration.checked_sub(self.first_token?)?;
        self.stream.then(|| generating.div_f64(after_first as f64))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.close(Outcome::ClientAborted, Some(ErrorType::ClientAborted), None);
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<Box<str>> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(Into::into)
}
