//! Attempts that failed: why, and whether another may be made.

use std::error::Error as _;
use std::sync::Arc;

use balance::{FailureKind, Outcome};
use bytes::Bytes;
use credentials::ErrorKind;
use http::StatusCode;
use llm::Dialect;
use llm::response::UpstreamError;
use llm::translate::Fault;
use net::body::BodyError;
use net::pool::{SendError, SendErrorKind, Sent};
use net::replay::ReplayError;
use telemetry::ErrorType;

use crate::failure::Failure;
use crate::route::Routed;
use crate::translation;
use crate::watchdog::Timeout;

/// An attempt that failed before its answer had begun.
pub(crate) struct Failed {
    pub(crate) reason: Reason,
    /// Whether the rule and the kind of request allow another attempt.
    pub(crate) repeatable: bool,
    /// Nothing of the request had reached the endpoint.
    pub(crate) free: bool,
    pub(crate) backend: Arc<str>,
    /// What is wrong with the client's body, if that is why.
    pub(crate) body: Option<ReplayError>,
    /// What the backend's dialect cannot say, if that is why.
    pub(crate) untranslatable: Option<Fault>,
    /// What the upstream answered, to be passed on if nobody does better.
    pub(crate) answer: Option<Box<UpstreamAnswer>>,
    /// What the system, TLS or HTTP said of it; for the operator alone.
    pub(crate) cause: Option<String>,
}

/// An upstream's own error answer.
pub(crate) struct UpstreamAnswer {
    pub(crate) head: http::response::Parts,
    pub(crate) body: Bytes,
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// No request was sent, or no answer came back.
    Send(SendErrorKind),
    /// An answer of a status that says so.
    Status(u16),
    /// A timeout struck.
    Timeout(Timeout),
    /// The answer broke off before it had begun.
    BrokeOff,
    /// The answer is not one of the API: a stream without events, a page of HTML.
    Protocol,
    /// The backend's dialect cannot say what is asked for; nothing was sent.
    Untranslatable,
    /// There is no credential for the backend; nothing was sent.
    NoCredential(ErrorKind),
}

impl UpstreamAnswer {
    /// The answer with which an upstream would have reported `error`.
    pub(crate) fn of_error(dialect: Dialect, status: StatusCode, error: &UpstreamError) -> Self {
        let status = translation::known_status(dialect, status);
        Self {
            head: translation::head(status),
            body: translation::error_body(dialect, status, error),
        }
    }
}

impl Reason {
    /// What is wrong with an answer of this status, although it is passed on.
    pub(crate) fn of_status(status: u16) -> Option<Self> {
        (status >= 400).then_some(Self::Status(status))
    }

    /// What metrics and logs call it.
    pub(crate) fn error_type(self) -> ErrorType {
        match self {
            Self::Send(kind) => send_error_type(kind),
            Self::Status(429) => ErrorType::RateLimited,
            Self::Status(503 | 529) => ErrorType::Overloaded,
            Self::Status(400..500) => ErrorType::UpstreamRejected,
            Self::Status(_) => ErrorType::UpstreamError,
            Self::Timeout(timeout) => timeout.error_type(),
            Self::BrokeOff => ErrorType::UpstreamReset,
            Self::Protocol => ErrorType::UpstreamProtocol,
            Self::Untranslatable => ErrorType::InvalidRequest,
            Self::NoCredential(_) => ErrorType::NoCredential,
        }
    }

    /// What the balancer is told of the endpoint.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Send(kind) => send_outcome(kind),
            // Neither busy (429) nor asked for what it has not is broken: ejecting every endpoint
            // that sheds load would finish the fleet.
            Self::Status(400..500) => Outcome::Neutral,
            Self::Status(status) => Outcome::Failure(FailureKind::Status(status)),
            // The caller's total says nothing about this endpoint's share in it.
            Self::Timeout(Timeout::Request) => Outcome::Neutral,
            Self::Timeout(_) => Outcome::Failure(FailureKind::Timeout),
            Self::BrokeOff => Outcome::Failure(FailureKind::Reset),
            Self::Protocol => Outcome::Failure(FailureKind::Status(502)),
            Self::Untranslatable | Self::NoCredential(_) => Outcome::Neutral,
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::Send(kind) => send_detail(kind),
            Self::Status(_) => "it answered with an error",
            Self::Timeout(_) => "no answer in time",
            Self::BrokeOff => "its answer broke off before it had begun",
            Self::Protocol => "its answer is not one of this API",
            Self::Untranslatable => "its API cannot express the request",
            Self::NoCredential(_) => "there is no credential for it",
        }
    }
}

impl Failed {
    /// The answer for a request that ends with this attempt.
    pub(crate) fn into_failure(self, routed: &Routed) -> Failure {
        if let Some(error) = self.body {
            return Failure::Body(error);
        }
        if let Some(fault) = self.untranslatable {
            return Failure::Untranslatable(fault);
        }
        match self.reason {
            Reason::Timeout(timeout) => Failure::timeout(timeout, &routed.rule.timeouts),
            Reason::Send(SendErrorKind::Request) => Failure::Unsendable,
            Reason::Send(SendErrorKind::Exhausted) => Failure::Exhausted,
            Reason::NoCredential(why) => Failure::NoCredential {
                backend: self.backend,
                why,
                cause: self.cause,
            },
            reason => Failure::Upstream {
                backend: self.backend,
                detail: reason.detail(),
                cause: self.cause,
                error: reason.error_type(),
            },
        }
    }
}

/// Whether nothing of the request had reached the endpoint.
pub(crate) fn is_free(error: &SendError) -> bool {
    error.sent == Sent::Nothing
}

/// What is wrong with the client's body, if the request failed of that.
///
/// Only HTTP/1.1 hands the cause through; over HTTP/2 it can be told merely that there was one.
pub(crate) fn body_error(error: &SendError) -> Option<ReplayError> {
    if error.kind != SendErrorKind::RequestBody {
        return None;
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(BodyError::Request(error)) = error.downcast_ref() {
            return Some(error.clone());
        }
        cause = error.source();
    }
    let cause = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    Some(ReplayError::Client(Arc::new(cause)))
}

fn send_error_type(kind: SendErrorKind) -> ErrorType {
    match kind {
        SendErrorKind::Resolve
        | SendErrorKind::Connect
        | SendErrorKind::Tls
        | SendErrorKind::Handshake => ErrorType::ConnectFailed,
        SendErrorKind::ConnectTimeout => ErrorType::ConnectTimeout,
        SendErrorKind::Exhausted => ErrorType::Overloaded,
        SendErrorKind::Request | SendErrorKind::RequestBody => ErrorType::InvalidRequest,
        SendErrorKind::Closed | SendErrorKind::Reset | SendErrorKind::Refused => {
            ErrorType::UpstreamReset
        }
        SendErrorKind::Protocol => ErrorType::UpstreamProtocol,
    }
}

fn send_outcome(kind: SendErrorKind) -> Outcome {
    match kind {
        SendErrorKind::Resolve
        | SendErrorKind::Connect
        | SendErrorKind::ConnectTimeout
        | SendErrorKind::Tls
        | SendErrorKind::Handshake => Outcome::Failure(FailureKind::Connect),
        // The client's doing, or ours.
        SendErrorKind::Exhausted | SendErrorKind::Request | SendErrorKind::RequestBody => {
            Outcome::Cancelled
        }
        SendErrorKind::Closed | SendErrorKind::Reset => Outcome::Failure(FailureKind::Reset),
        SendErrorKind::Refused => Outcome::Neutral,
        SendErrorKind::Protocol => Outcome::Failure(FailureKind::Status(502)),
    }
}

fn send_detail(kind: SendErrorKind) -> &'static str {
    match kind {
        SendErrorKind::Resolve => "its name does not resolve",
        SendErrorKind::Connect => "no connection could be made",
        SendErrorKind::ConnectTimeout => "no connection could be made in time",
        SendErrorKind::Exhausted => "the gateway has no resources left for a connection",
        SendErrorKind::Tls => "the TLS handshake failed",
        SendErrorKind::Handshake => "the HTTP/2 handshake failed",
        SendErrorKind::Request => "the request cannot be carried to it",
        SendErrorKind::RequestBody => "the request body broke off",
        SendErrorKind::Closed | SendErrorKind::Reset | SendErrorKind::Refused => {
            "it closed the connection before it answered"
        }
        SendErrorKind::Protocol => "its answer is not HTTP",
    }
}
