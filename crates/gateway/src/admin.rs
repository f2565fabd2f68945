//! The admin endpoint: is it alive, is it ready, what does it measure, what does it serve.
//!
//! It has no authentication, so it is kept to those on the machine: it answers only when addressed
//! by a loopback name or by the very address it is bound to, which keeps pages with rebound names
//! out, and to no page of another host; and it changes nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use net::drain::{Drain, Stage, Trigger, Watch};
use net::listener::{ConnInfo, Handler, ListenError, ListenerConfig, Listeners, RequestBody};
use net::tasks::Tasks;
use serde_json::{Value, json};
use telemetry::{EndpointSample, ListenerSample, Registry};

use crate::hosts;
use crate::pipeline::Pipeline;
use crate::server::Config;
use crate::shared::Shared;

const NAME: &str = "admin";

const INDEX: &str = "Sluicegate admin\n\n\
    /healthz    200 while the process works\n\
    /readyz     200 while it takes requests, 503 while it drains\n\
    /metrics    OpenMetrics\n\
    /snapshot   the configuration in force, secrets as references\n\
    /endpoints  every endpoint with its health and load\n";

/// The running admin endpoint.
pub(crate) struct Admin {
    listeners: Listeners<View>,
    trigger: Trigger,
    tasks: Tasks,
}

impl Admin {
    /// Binds `address` and answers from `view`.
    pub(crate) async fn start(
        address: SocketAddr,
        view: View,
        tasks: Tasks,
    ) -> Result<Self, ListenError> {
        // A drain of its own: it must answer while the gateway drains.
        let (trigger, watch) = Drain::new();
        let listeners = Listeners::new(view, watch, tasks.clone());
        listeners
            .apply(vec![ListenerConfig::plain(NAME, address)])
            .await?;
        Ok(Self {
            listeners,
            trigger,
            tasks,
        })
    }

    /// Where it is bound.
    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        self.listeners.local_addr(NAME)
    }

    /// Ends it at once.
    pub(crate) fn close(self) {
        self.trigger.advance(Stage::Deadline);
        self.tasks.abort_all();
    }
}

/// What the admin endpoint shows.
pub(crate) struct View {
    shared: Arc<Shared>,
    drain: Watch,
    registry: Registry,
}

impl View {
    /// A view of `shared`, ready as long as `drain` says so.
    pub(crate) fn new(shared: Arc<Shared>, drain: Watch, registry: Registry) -> Self {
        Self {
            shared,
            drain,
            registry,
        }
    }

    fn answer(&self, request: &Request<RequestBody>, bound: SocketAddr) -> Response<Full<Bytes>> {
        let host = hosts::addressed(request.uri(), request.headers())
            .ok()
            .filter(|host| hosts::is_local(host, bound.ip()));
        let Some(host) = host else {
            let text = "address the admin endpoint as localhost or by its own address\n";
            return text_answer(StatusCode::MISDIRECTED_REQUEST, text);
        };
        if hosts::foreign_origin(request.headers(), &host).is_some() {
            let text = "pages of other hosts may not call the admin endpoint\n";
            return text_answer(StatusCode::FORBIDDEN, text);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text_answer(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
        }
        match request.uri().path() {
            "/" => text_answer(StatusCode::OK, INDEX),
            "/healthz" => text_answer(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready(),
            "/metrics" => self.metrics(),
            "/snapshot" => json_answer(&self.shared.runtime.load().snapshot.view()),
            "/endpoints" => json_answer(&self.endpoints()),
            _ => text_answer(StatusCode::NOT_FOUND, INDEX),
        }
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        match self.drain.is_draining() {
            false => text_answer(StatusCode::OK, "ready\n"),
            true => text_answer(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        match telemetry::encode(&self.registry) {
            Ok(text) => answer(StatusCode::OK, telemetry::CONTENT_TYPE, text),
            Err(error) => text_answer(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    fn endpoints(&self) -> Value {
        let runtime = self.shared.runtime.load();
        let now = self.shared.clock.now();
        let backends: Vec<Value> = runtime
            .upstreams()
            .iter()
            .map(|upstream| {
                let endpoints: Vec<Value> = upstream
                    .pool
                    .endpoints()
                    .iter()
                    .map(|one| endpoint(one, now))
                    .collect();
                json!({
                    "backend": *upstream.backend.name,
                    "kind": upstream.backend.kind.name(),
                    "endpoints": endpoints,
                })
            })
            .collect();
        json!({ "backends": backends })
    }
}

fn endpoint(status: &balance::EndpointStatus, now: balance::Time) -> Value {
    let (health, back_in_ms) = match status.health {
        balance::Health::Healthy => ("healthy", None),
        balance::Health::Unprobed => ("unprobed", None),
        balance::Health::Unhealthy => ("unhealthy", None),
        balance::Health::Ejected { until } => (
            "ejected",
            Some(until.saturating_duration_since(now).as_millis()),
        ),
    };
    json!({
        "name": status.id.as_str(),
        "address": status.address.to_string(),
        "weight": status.weight,
        "health": health,
        "backInMs": back_in_ms,
        "inFlight": status.in_flight,
        "inFlightPromptTokens": status.in_flight_prompt_tokens,
        "requests": status.requests,
        "successes": status.successes,
        "failures": status.failures,
        "cancelled": status.cancelled,
        "ejections": status.ejections,
    })
}

impl Handler for View {
    type Body = Full<Bytes>;
    type Future = std::future::Ready<Response<Full<Bytes>>>;

    fn handle(&self, request: Request<RequestBody>, connection: Arc<ConnInfo>) -> Self::Future {
        std::future::ready(self.answer(&request, connection.local))
    }
}

fn text_answer(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", text.to_owned())
}

fn json_answer(value: &Value) -> Response<Full<Bytes>> {
    answer(StatusCode::OK, "application/json", format!("{value:#}\n"))
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Registers what is read at a scrape, and kept elsewhere.
pub(crate) fn register(
    registry: &mut Registry,
    config: &Config,
    shared: &Arc<Shared>,
    listeners: &Arc<Listeners<Pipeline>>,
    tasks: &Tasks,
) {
    let (version, revision) = config.version;
    telemetry::register_build_info(registry, version, revision);
    telemetry::register_process(registry);
    if let Some(log) = &config.access_log {
        telemetry::register_access_log(registry, Arc::clone(log));
    }
    let of = Arc::clone(shared);
    telemetry::register_endpoints(registry, move || endpoint_samples(&of));
    let of = Arc::clone(listeners);
    telemetry::register_listeners(registry, move || listener_samples(&of));
    let of = Arc::clone(shared);
    telemetry::register_credentials(registry, move || of.keyring.samples());
    let of = tasks.clone();
    telemetry::register_counter(
        registry,
        "sluicegate_task_panics",
        "Tasks that panicked; each is a fault of the gateway.",
        move || of.panicked(),
    );
}

fn endpoint_samples(shared: &Shared) -> Vec<EndpointSample> {
    let runtime = shared.runtime.load();
    let mut samples = Vec::new();
    for upstream in runtime.upstreams() {
        samples.extend(
            upstream
                .pool
                .endpoints()
                .into_iter()
                .map(|status| EndpointSample {
                    backend: Arc::clone(&upstream.backend.name),
                    endpoint: status.id.as_str().into(),
                    in_flight: u64::from(status.in_flight),
                    healthy: status.health == balance::Health::Healthy,
                    waiting: None,
                    kv_cache_usage: None,
                }),
        );
    }
    samples
}

fn listener_samples(listeners: &Listeners<Pipeline>) -> Vec<ListenerSample> {
    listeners
        .stats()
        .into_iter()
        .map(|stats| ListenerSample {
            listener: stats.name,
            open: u64::try_from(stats.active).unwrap_or(u64::MAX),
            accepted: stats.accepted,
            refused: stats.refused_by_total + stats.refused_by_source,
        })
        .collect()
}
