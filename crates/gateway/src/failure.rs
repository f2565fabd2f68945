//! Why the gateway itself answers, instead of an upstream.
//!
//! Every failure knows where it arose and what the caller can do about it; this is the one place
//! that turns it into a status and a body, in the caller's dialect or as gRPC.

use std::sync::Arc;
use std::time::Duration;

use balance::PickError;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use llm::{Api, ApiError, Dialect, ErrorKind};
use mesh::snapshot::Timeouts;
use net::replay::ReplayError;
use telemetry::ErrorType;

use crate::body::ResponseBody;
use crate::hosts::BadHost;
use crate::watchdog::Timeout;

/// How long a caller should wait before it tries a pool again that has no room, seconds.
const RETRY_SOON: u64 = 1;

/// A request that the gateway answers with an error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    BadHost(#[from] BadHost),
    #[error("this listener does not serve the host `{0}`; it is not among its allowedHosts")]
    ForeignHost(String),
    #[error(
        "pages of this origin may not call here; it is not among the listener's allowedOrigins"
    )]
    ForeignOrigin,
    #[error("the path has `.` or `..` segments: resolve them before sending")]
    DotSegments,
    #[error("{path} accepts {allow} only")]
    MethodNotAllowed { path: String, allow: &'static str },
    #[error("content-encoding `{0}` is not supported for this API: send the body as it is")]
    ContentEncoding(String),
    #[error("{0}")]
    Scan(#[from] llm::scan::ScanError),
    #[error("the request does not name a model: set the field `model`")]
    NoModel,
    #[error("the model `{0}` does not exist or is not served here")]
    UnknownModel(String),
    #[error("the model `{0}` is served by an API of another dialect")]
    ForeignDialect(String),
    #[error("the models here are served by an API of another dialect")]
    ForeignModels,
    #[error("{0}")]
    Untranslatable(llm::translate::Fault),
    #[error("no route matches {0}")]
    NoRoute(String),
    #[error("the request body could not be read: {0}")]
    Body(#[from] ReplayError),
    #[error("a request of this method or with so long a path cannot be forwarded")]
    Unsendable,
    #[error("the gateway has no resources left for another connection: try again soon")]
    Exhausted,
    #[error("{backend} cannot serve now: {reason}")]
    NoEndpoint {
        backend: Arc<str>,
        reason: PickError,
    },
    #[error("{backend} cannot be asked now: the gateway has no credential for it, since {why}")]
    NoCredential {
        backend: Arc<str>,
        why: credentials::ErrorKind,
        /// What its token endpoint said: the operator's business alone.
        cause: Option<String>,
    },
    #[error("{backend} did not answer: {detail}")]
    Upstream {
        backend: Arc<str>,
        detail: &'static str,
        /// What lies behind it: addresses and certificates are the operator's business alone.
        cause: Option<String>,
        error: ErrorType,
    },
    #[error("no answer in time: the route's timeout `{}` of {limit:?} has passed", timeout.field())]
    Timeout { timeout: Timeout, limit: Duration },
}

impl Failure {
    /// The failure of a request that one of its route's timeouts struck.
    pub(crate) fn timeout(timeout: Timeout, timeouts: &Timeouts) -> Self {
        let limit = match timeout {
            Timeout::Connect => Some(timeouts.connect),
            Timeout::FirstToken => timeouts.first_token,
            Timeout::BetweenChunks => timeouts.between_chunks,
            Timeout::BackendRequest => timeouts.backend_request,
            Timeout::Request => timeouts.request,
        };
        Self::Timeout {
            timeout,
            limit: limit.unwrap_or_default(),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::BadHost(_)
            | Self::DotSegments
            | Self::NoModel
            | Self::ForeignDialect(_)
            | Self::ForeignModels
            | Self::Untranslatable(_)
            | Self::Scan(_)
            | Self::ContentEncoding(_)
            | Self::Unsendable => ErrorKind::InvalidRequest,
            Self::ForeignHost(_) | Self::ForeignOrigin => ErrorKind::PermissionDenied,
            Self::MethodNotAllowed { .. } => ErrorKind::MethodNotAllowed,
            Self::UnknownModel(_) | Self::NoRoute(_) => ErrorKind::NotFound,
            Self::Body(error) => body_kind(error),
            Self::Exhausted | Self::NoEndpoint { .. } | Self::NoCredential { .. } => {
                ErrorKind::Unavailable
            }
            Self::Upstream { .. } => ErrorKind::Upstream,
            Self::Timeout { .. } => ErrorKind::Timeout,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::BadHost(_)
            | Self::DotSegments
            | Self::NoModel
            | Self::ForeignDialect(_)
            | Self::ForeignModels
            | Self::Untranslatable(_)
            | Self::Scan(_)
            | Self::Unsendable => StatusCode::BAD_REQUEST,
            Self::ContentEncoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::ForeignHost(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnknownModel(_) | Self::NoRoute(_) => StatusCode::NOT_FOUND,
            Self::Body(error) => body_status(error),
            Self::Exhausted | Self::NoEndpoint { .. } | Self::NoCredential { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Upstream { .. } => StatusCode::BAD_GATEWAY,
            Self::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// What metrics and logs call it.
    pub(crate) fn error_type(&self) -> ErrorType {
        match self {
            Self::ForeignHost(_) | Self::ForeignOrigin => ErrorType::PermissionDenied,
            Self::UnknownModel(_) | Self::NoRoute(_) => ErrorType::NotFound,
            Self::Body(error) => body_error_type(error),
            Self::Exhausted => ErrorType::Overloaded,
            Self::NoEndpoint { .. } => ErrorType::NoEndpoint,
            Self::NoCredential { .. } => ErrorType::NoCredential,
            Self::Upstream { error, .. } => *error,
            Self::Timeout { timeout, .. } => timeout.error_type(),
            _ => ErrorType::InvalidRequest,
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Self::UnknownModel(_) => Some("model_not_found"),
            Self::ForeignDialect(_) | Self::ForeignModels => Some("dialect_not_served"),
            Self::NoRoute(_) => Some("route_not_found"),
            Self::ForeignHost(_) => Some("host_not_allowed"),
            Self::ForeignOrigin => Some("origin_not_allowed"),
            Self::Exhausted => Some("overloaded"),
            Self::NoEndpoint { .. } => Some("no_endpoint"),
            Self::NoCredential { .. } => Some("no_credential"),
            Self::Untranslatable(fault) => fault.code,
            _ => None,
        }
    }

    fn param(&self) -> Option<String> {
        match self {
            Self::NoModel | Self::UnknownModel(_) | Self::ForeignDialect(_) => {
                Some("model".to_owned())
            }
            Self::Scan(error) => error.field().map(str::to_owned),
            Self::Untranslatable(fault) => Some(fault.field.clone()).filter(|f| !f.is_empty()),
            _ => None,
        }
    }

    /// What the operator is told: what the client is, and what lies behind it.
    pub(crate) fn log_detail(&self) -> String {
        match self {
            Self::Upstream {
                cause: Some(cause), ..
            }
            | Self::NoCredential {
                cause: Some(cause), ..
            } => format!("{self}: {cause}"),
            _ => self.to_string(),
        }
    }

    /// The error in the terms that every dialect can express.
    pub(crate) fn api_error(&self) -> ApiError {
        ApiError {
            status: self.status().as_u16(),
            kind: self.kind(),
            message: self.to_string(),
            param: self.param(),
            code: self.code().map(str::to_owned),
        }
    }

    /// The answer: in the dialect of `api`, as gRPC if the request was, else as OpenAI would.
    pub(crate) fn response(&self, api: Option<Api>, grpc: bool) -> Response<ResponseBody> {
        let mut response = if grpc { self.grpc() } else { self.http(api) };
        if let Self::Exhausted | Self::NoEndpoint { .. } | Self::NoCredential { .. } = self {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(RETRY_SOON));
        }
        if let Self::MethodNotAllowed { allow, .. } = self {
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }

    fn http(&self, api: Option<Api>) -> Response<ResponseBody> {
        let dialect = api.map_or(Dialect::OpenAi, |api| api.dialect);
        let body = llm::error::encode(dialect, &self.api_error());
        let mut response = Response::new(ResponseBody::local(body));
        *response.status_mut() = self.status();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }

    /// A trailers-only answer (gRPC over HTTP/2, "Responses").
    fn grpc(&self) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::local(Bytes::new()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from(self.grpc_code()));
        if let Ok(message) = HeaderValue::from_str(&percent_encoded(&self.to_string())) {
            headers.insert("grpc-message", message);
        }
        response
    }

    /// Codes of `google.rpc.Code`.
    fn grpc_code(&self) -> u16 {
        match self.status() {
            StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE => 3,
            StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => 4,
            StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => 7,
            StatusCode::PAYLOAD_TOO_LARGE => 8,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => 12,
            _ => 14,
        }
    }
}

impl Timeout {
    /// What metrics and logs call it.
    pub(crate) fn error_type(self) -> ErrorType {
        match self {
            Self::Connect => ErrorType::ConnectTimeout,
            Self::FirstToken => ErrorType::FirstTokenTimeout,
            Self::BetweenChunks => ErrorType::IdleTimeout,
            Self::BackendRequest | Self::Request => ErrorType::RequestTimeout,
        }
    }
}

/// Whether a request is gRPC, by its content type.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// As the gRPC specification wants `grpc-message`: printable ASCII but for `%`.
fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn body_kind(error: &ReplayError) -> ErrorKind {
    match error {
        ReplayError::TooLarge { .. } => ErrorKind::RequestTooLarge,
        ReplayError::Exhausted(_) => ErrorKind::Unavailable,
        ReplayError::IdleTimeout { .. } => ErrorKind::Timeout,
        ReplayError::Client(_) => ErrorKind::InvalidRequest,
        ReplayError::Spill(_) | ReplayError::Released => ErrorKind::Internal,
    }
}

fn body_status(error: &ReplayError) -> StatusCode {
    match error {
        ReplayError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        ReplayError::Exhausted(_) => StatusCode::SERVICE_UNAVAILABLE,
        ReplayError::IdleTimeout { .. } => StatusCode::REQUEST_TIMEOUT,
        ReplayError::Client(_) => StatusCode::BAD_REQUEST,
        ReplayError::Spill(_) | ReplayError::Released => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn body_error_type(error: &ReplayError) -> ErrorType {
    match error {
        ReplayError::TooLarge { .. } => ErrorType::RequestTooLarge,
        ReplayError::Exhausted(_) => ErrorType::Overloaded,
        ReplayError::IdleTimeout { .. } => ErrorType::RequestTimeout,
        ReplayError::Client(_) => ErrorType::ClientAborted,
        ReplayError::Spill(_) | ReplayError::Released => ErrorType::Internal,
    }
}

#[cfg(test)]
mod tests;
