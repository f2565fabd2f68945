//! Why a request or an attempt failed, as a closed set.
//!
//! It is closed so that it can be a metric label (`error_type`, `reason`) without a cardinality
//! risk, and so that a series can hold one counter per value in an array instead of a map.

/// Why a request, or one attempt at it, failed. Also the reason of a retry or a fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorType {
    /// The client's request is malformed or asks for something that cannot be expressed.
    InvalidRequest,
    /// No credential, or one that is not valid.
    Unauthenticated,
    /// The caller is known but may not do this.
    PermissionDenied,
    /// No such route, model or resource.
    NotFound,
    /// The request exceeds a size bound.
    RequestTooLarge,
    /// A rate limit or budget, ours or the upstream's (429).
    RateLimited,
    /// No capacity: the admission queue is full, or the upstream says 503 or 529.
    Overloaded,
    /// The circuit breaker of the backend is open.
    CircuitOpen,
    /// The pool has no endpoint that could be chosen.
    NoEndpoint,
    /// There is no credential by which the upstream could be asked.
    NoCredential,
    /// The connection to the upstream could not be made (refused, unreachable, DNS, TLS).
    ConnectFailed,
    /// The connection to the upstream was not made in time.
    ConnectTimeout,
    /// The first token did not come in time.
    FirstTokenTimeout,
    /// The upstream paused for too long between two chunks.
    IdleTimeout,
    /// The request as a whole took too long.
    RequestTimeout,
    /// The upstream closed or reset the connection before its answer was complete.
    UpstreamReset,
    /// The upstream's answer breaks its protocol.
    UpstreamProtocol,
    /// The upstream answered with another 5xx, or with an error event in its stream.
    UpstreamError,
    /// The upstream refused the request as such (4xx other than 429).
    UpstreamRejected,
    /// A guard blocked the request or the response.
    Blocked,
    /// The client left before the response was complete.
    ClientAborted,
    /// A fault of the gateway itself.
    Internal,
}

impl ErrorType {
    /// Every value, in the order of declaration.
    pub const ALL: [Self; 22] = [
        Self::InvalidRequest,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::NotFound,
        Self::RequestTooLarge,
        Self::RateLimited,
        Self::Overloaded,
        Self::CircuitOpen,
        Self::NoEndpoint,
        Self::NoCredential,
        Self::ConnectFailed,
        Self::ConnectTimeout,
        Self::FirstTokenTimeout,
        Self::IdleTimeout,
        Self::RequestTimeout,
        Self::UpstreamReset,
        Self::UpstreamProtocol,
        Self::UpstreamError,
        Self::UpstreamRejected,
        Self::Blocked,
        Self::ClientAborted,
        Self::Internal,
    ];

    /// The label value: the name in snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::RequestTooLarge => "request_too_large",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::CircuitOpen => "circuit_open",
            Self::NoEndpoint => "no_endpoint",
            Self::NoCredential => "no_credential",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::FirstTokenTimeout => "first_token_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::RequestTimeout => "request_timeout",
            Self::UpstreamReset => "upstream_reset",
            Self::UpstreamProtocol => "upstream_protocol",
            Self::UpstreamError => "upstream_error",
            Self::UpstreamRejected => "upstream_rejected",
            Self::Blocked => "blocked",
            Self::ClientAborted => "client_aborted",
            Self::Internal => "internal",
        }
    }
}

/// One value of `T` for each [`ErrorType`].
#[derive(Debug, Default)]
pub(crate) struct PerErrorType<T>([T; ErrorType::ALL.len()]);

impl<T> PerErrorType<T> {
    pub(crate) fn get(&self, error: ErrorType) -> &T {
        &self.0[error as usize]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ErrorType, &T)> {
        ErrorType::ALL.into_iter().zip(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorType;

    #[test]
    fn all_lists_every_value_at_its_own_index() {
        for (index, error) in ErrorType::ALL.into_iter().enumerate() {
            assert_eq!(error as usize, index, "{}", error.as_str());
        }
        assert_eq!(ErrorType::Internal as usize + 1, ErrorType::ALL.len());
    }
}
