//! The routes.

mod adapters;
mod inference;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use engine::{Profile, Stats};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use self::adapters::Adapters;
use crate::api::{self, ApiError, TokenizeRequest};
use crate::body::EngineBody;
use crate::fault::{FaultSpec, Faults};
use crate::replica::Command;
use crate::{template, tokenizer};

/// Bytes of a request body at most.
const MAX_BODY: usize = 256 << 20;

const LOAD_FORMAT: HeaderName = HeaderName::from_static("endpoint-load-metrics-format");
const LOAD: HeaderName = HeaderName::from_static("endpoint-load-metrics");

/// Why there is no response: the connection is to be aborted.
#[derive(Debug, thiserror::Error)]
#[error("the connection is aborted on command")]
pub(crate) struct Aborted;

/// A response, or an abort of the connection.
type Outcome = Result<Response<EngineBody>, Aborted>;

/// What handlers of one replica share.
pub(crate) struct Service {
    pub(crate) model: String,
    pub(crate) profile: Profile,
    pub(crate) natural_tokens: (u32, u32),
    pub(crate) seed: u64,
    /// Unix time, in seconds, when the replica was started.
    pub(crate) started: u64,
    pub(crate) clock: tokio::time::Instant,
    pub(crate) faults: Arc<Faults>,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    adapters: Adapters,
    tickets: AtomicU64,
}

impl Service {
    pub(crate) fn new(
        config: &crate::EngineConfig,
        started: u64,
        faults: Arc<Faults>,
        commands: mpsc::UnboundedSender<Command>,
    ) -> Self {
        let service = Self {
            model: config.model.clone(),
            profile: config.profile.clone(),
            natural_tokens: config.natural_tokens,
            seed: config.seed,
            started,
            clock: tokio::time::Instant::now(),
            faults,
            commands,
            adapters: Adapters::default(),
            tickets: AtomicU64::new(0),
        };
        config
            .adapters
            .iter()
            .for_each(|name| service.add_adapter(name, name));
        service
    }

    /// Answers one request.
    pub(crate) async fn serve(&self, request: Request<Incoming>) -> Outcome {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        match (&head.method, path) {
            (&Method::GET, "/health" | "/ping") => Ok(self.health()),
            (&Method::GET, "/version") => Ok(json_response(json!({"version": "0.11.0"}))),
            (&Method::GET, "/v1/models") => Ok(json_response(self.models())),
            (&Method::GET, "/metrics") => Ok(self.metrics().await),
            (&Method::GET, "/fault") => Ok(json_response(json!(self.faults.get()))),
            (&Method::DELETE, "/fault") => {
                self.faults.clear();
                Ok(json_response(json!(self.faults.get())))
            }
            (&Method::POST, _) => match read(&head.headers, body).await {
                Ok(body) => self.post(path, &head.headers, &body).await,
                Err(error) => Ok(error_response(&error)),
            },
            _ => Ok(plain_error(self.status_of_unrouted(path))),
        }
    }

    async fn post(&self, path: &str, headers: &HeaderMap, body: &Bytes) -> Outcome {
        let answer = match path {
            "/v1/chat/completions" => return self.chat(headers, body).await,
            "/v1/completions" => return self.completion(headers, body).await,
            "/v1/embeddings" => return self.embedding(headers, body).await,
            "/tokenize" => self.tokenize(body),
            "/v1/load_lora_adapter" => self.load_adapter(body),
            "/v1/unload_lora_adapter" => self.unload_adapter(body),
            "/fault" => self.set_faults(body),
            _ => return Ok(plain_error(self.status_of_unrouted(path))),
        };
        Ok(answer.unwrap_or_else(|error| error_response(&error)))
    }

    /// 405 for a path that another method has, else 404.
    fn status_of_unrouted(&self, path: &str) -> StatusCode {
        match path {
            "/health"
            | "/ping"
            | "/version"
            | "/v1/models"
            | "/metrics"
            | "/fault"
            | "/v1/chat/completions"
            | "/v1/completions"
            | "/v1/embeddings"
            | "/tokenize"
            | "/v1/load_lora_adapter"
            | "/v1/unload_lora_adapter" => StatusCode::METHOD_NOT_ALLOWED,
            _ => StatusCode::NOT_FOUND,
        }
    }

    fn health(&self) -> Response<EngineBody> {
        let mut response = Response::new(EngineBody::text(""));
        if self.faults.get().unhealthy {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        response
    }

    async fn metrics(&self) -> Response<EngineBody> {
        let delay = self.faults.metrics_delay();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let (reply, text) = oneshot::channel();
        drop(self.commands.send(Command::Metrics(reply)));
        match text.await {
            Ok(text) => {
                let kind = "text/plain; version=0.0.4; charset=utf-8";
                typed(StatusCode::OK, kind, text)
            }
            Err(_) => error_response(&ApiError::engine_dead()),
        }
    }

    fn set_faults(&self, body: &Bytes) -> Result<Response<EngineBody>, ApiError> {
        let spec: FaultSpec = api::parse(body)?;
        self.faults.replace(spec);
        Ok(json_response(json!(self.faults.get())))
    }

    fn tokenize(&self, body: &Bytes) -> Result<Response<EngineBody>, ApiError> {
        let (model, tokens) = match api::parse(body)? {
            TokenizeRequest::Chat {
                messages,
                model,
                tools,
            } => {
                api::check_messages(&messages, &self.model)?;
                (model, template::encode(&messages, tools.as_ref()))
            }
            TokenizeRequest::Completion { prompt, model } => {
                let mut ids = Vec::new();
                tokenizer::encode(&prompt, &mut ids);
                (model, ids)
            }
        };
        self.resolve(model.as_deref())?;
        Ok(json_response(json!({
            "count": tokens.len(),
            "max_model_len": self.profile.max_model_len,
            "tokens": tokens,
            "token_strs": null,
        })))
    }

    /// The engine's state, none if the replica is being taken down.
    async fn stats(&self) -> Option<Stats> {
        let (reply, stats) = oneshot::channel();
        drop(self.commands.send(Command::Stats(reply)));
        stats.await.ok()
    }

    /// Adds the load report that the client asked for.
    async fn report_load(&self, asked: &HeaderMap, response: &mut Response<EngineBody>) {
        let Some(format) = asked.get(LOAD_FORMAT).and_then(|value| value.to_str().ok()) else {
            return;
        };
        let Some(stats) = self.stats().await else {
            return;
        };
        let (usage, waiting) = (stats.kv_usage(), f64::from(stats.waiting));
        let report = match format.to_ascii_lowercase().as_str() {
            "text" => format!(
                "TEXT named_metrics.kv_cache_usage_perc={usage:?}, \
                 named_metrics.num_requests_waiting={waiting:?}"
            ),
            "json" => format!(
                r#"JSON {{"named_metrics": {{"kv_cache_usage_perc": {usage:?}, "num_requests_waiting": {waiting:?}}}}}"#
            ),
            _ => return,
        };
        if let Ok(value) = HeaderValue::try_from(report) {
            response.headers_mut().insert(LOAD, value);
        }
    }

    /// Unix time, in seconds.
    fn unix_time(&self) -> u64 {
        self.started + self.clock.elapsed().as_secs()
    }

    fn next_ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }
}

/// Reads a JSON request's body.
async fn read(headers: &HeaderMap, body: Incoming) -> Result<Bytes, ApiError> {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = kind.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        let message = "Unsupported Media Type: Only 'application/json' is allowed";
        return Err(ApiError::schema(message));
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(ApiError::schema(&format!(
            "There was an error parsing the body: {error}"
        ))),
    }
}

fn typed(
    status: StatusCode,
    content_type: &'static str,
    text: impl Into<Bytes>,
) -> Response<EngineBody> {
    let mut response = Response::new(EngineBody::text(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn json_response(value: serde_json::Value) -> Response<EngineBody> {
    typed(StatusCode::OK, "application/json", value.to_string())
}

fn error_response(error: &ApiError) -> Response<EngineBody> {
    let mut response = typed(error.status, "application/json", error.body());
    if let Some(seconds) = error.retry_after {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The web framework's own refusals, which do not have vLLM's shape.
fn plain_error(status: StatusCode) -> Response<EngineBody> {
    let detail = status.canonical_reason().unwrap_or_default();
    typed(
        status,
        "application/json",
        json!({"detail": detail}).to_string(),
    )
}

impl From<Aborted> for io::Error {
    fn from(aborted: Aborted) -> Self {
        Self::new(io::ErrorKind::ConnectionAborted, aborted)
    }
}
