//! vLLM's error bodies.

use http::StatusCode;
use serde_json::json;

/// A refusal, as status and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    pub(crate) param: Option<&'static str>,
    /// Seconds for a `retry-after` header.
    pub(crate) retry_after: Option<u32>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: &str) -> Self {
        Self {
            status,
            kind,
            message: message.to_owned(),
            param: None,
            retry_after: None,
        }
    }

    /// The body does not fit the schema.
    pub(crate) fn schema(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad Request", message)
    }

    /// A value is out of bounds.
    pub(crate) fn bad_request(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequestError", message)
    }

    /// The same, with the field at fault.
    pub(crate) fn bad_field(param: &'static str, message: &str) -> Self {
        Self {
            param: Some(param),
            ..Self::bad_request(message)
        }
    }

    /// A call for adapters is wrong.
    pub(crate) fn invalid_input(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidUserInput", message)
    }

    /// Something named is not there.
    pub(crate) fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFoundError", message)
    }

    /// No model or adapter of that name.
    pub(crate) fn no_such_model(model: &str) -> Self {
        let message = format!("The model `{model}` does not exist.");
        Self {
            param: Some("model"),
            ..Self::not_found(&message)
        }
    }

    /// The replica is being taken down.
    pub(crate) fn engine_dead() -> Self {
        let message =
            "EngineCore encountered an issue. See stack trace (above) for the root cause.";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            message,
        )
    }

    /// A failure on command.
    pub(crate) fn commanded(status: StatusCode, retry_after: Option<u32>) -> Self {
        let kind = status.canonical_reason().unwrap_or("Error");
        Self {
            retry_after,
            ..Self::new(status, kind, "failing on command")
        }
    }

    /// The JSON body.
    pub(crate) fn body(&self) -> String {
        json!({"error": {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.status.as_u16(),
        }})
        .to_string()
    }
}
