//! Errors that the gateway itself answers with, in the caller's dialect.
//!
//! An SDK maps status and body to its own exceptions and decides by them whether to try again, so an
//! error must look as if the dialect's own service had sent it.

use bytes::Bytes;

use crate::{Api, Dialect, Operation, anthropic, bedrock, cohere, gemini, ollama, openai};

/// What went wrong, as far as dialects tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is at fault.
    InvalidRequest,
    /// Nobody we know asks.
    Authentication,
    /// The caller may not do this.
    PermissionDenied,
    /// There is no such model or path.
    NotFound,
    /// The path exists for another method.
    MethodNotAllowed,
    /// The body is larger than allowed.
    RequestTooLarge,
    /// The caller asks too often or for too much; may be tried again later.
    RateLimited,
    /// Nothing can serve this now; may be tried again.
    Unavailable,
    /// No answer came in time; may be tried again.
    Timeout,
    /// The model's server failed or answered nonsense.
    Upstream,
    /// The gateway failed.
    Internal,
}

impl ErrorKind {
    /// What an error answer of this status most likely means.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 => Self::Timeout,
            413 => Self::RequestTooLarge,
            // What the server rests on has failed, as Bedrock says it of its models.
            424 => Self::Upstream,
            429 => Self::RateLimited,
            400..=499 => Self::InvalidRequest,
            503 | 529 => Self::Unavailable,
            504 => Self::Timeout,
            _ => Self::Upstream,
        }
    }

    /// The HTTP status that dialects send with it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Authentication => 401,
            Self::PermissionDenied => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTooLarge => 413,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::Upstream => 502,
            Self::Unavailable => 503,
            Self::Timeout => 504,
        }
    }
}

/// An error answer before it has a dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// What went wrong.
    pub kind: ErrorKind,
    /// What went wrong and how to mend it, for a person; goes to the caller.
    pub message: String,
    /// The request's field at fault.
    pub param: Option<String>,
    /// A machine-readable reason; `None` for the dialect's own for this kind.
    pub code: Option<String>,
}

impl ApiError {
    /// An error with its kind's usual status.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            status: kind.status(),
            kind,
            message: message.into(),
            param: None,
            code: None,
        }
    }

    /// Names the field at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Names a reason of its own.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The answer to a model name that nothing serves.
    #[must_use]
    pub fn model_not_found(model: &str) -> Self {
        let message =
            format!("The model `{model}` does not exist or you do not have access to it.");
        Self::new(ErrorKind::NotFound, message)
            .with_param("model")
            .with_code("model_not_found")
    }
}

impl From<crate::scan::ScanError> for ApiError {
    fn from(error: crate::scan::ScanError) -> Self {
        let answer = Self::new(ErrorKind::InvalidRequest, error.to_string());
        match error.field() {
            Some(field) => answer.with_param(field),
            None => answer,
        }
    }
}

/// The JSON body of an error answer.
#[must_use]
pub fn encode(dialect: Dialect, error: &ApiError) -> Bytes {
    match dialect {
        Dialect::OpenAi => openai::error_body(error),
        Dialect::Anthropic => anthropic::error_body(error),
        Dialect::Gemini => gemini::error_body(error),
        Dialect::Ollama => ollama::error_body(error),
        Dialect::Bedrock => bedrock::error_body(error),
        Dialect::Cohere => cohere::error_body(error),
    }
}

/// The event that ends a stream which fails after it has begun; the dialect's SDK raises on it, or
/// hands it on where errors are events like others. `number` is the event's, where the API counts
/// them.
///
/// Nothing may follow it, not even the event that ends a good stream.
#[must_use]
pub fn stream_event(api: Api, error: &ApiError, number: u64) -> Bytes {
    match (api.dialect, api.operation) {
        (Dialect::OpenAi, Operation::Responses) => {
            crate::sse::encode(Some("error"), &openai::numbered_error(error, number))
        }
        (Dialect::OpenAi, _) => crate::sse::encode(None, &openai::error_body(error)),
        (Dialect::Anthropic, _) => crate::sse::encode(Some("error"), &anthropic::error_body(error)),
        (Dialect::Gemini, _) => crate::sse::encode(None, &gemini::error_body(error)),
        (Dialect::Ollama, _) => ollama::error_line(error),
        (Dialect::Bedrock, _) => bedrock::error_message(error),
        (Dialect::Cohere, _) => cohere::error_event(error),
    }
}

#[cfg(test)]
mod tests;
