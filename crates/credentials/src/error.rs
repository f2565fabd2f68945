//! Why there is no token.

use std::fmt;
use std::path::Path;

use mesh::Secret;

/// Why a credential could not be had. It shows no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// What of it anybody may know.
    pub kind: ErrorKind,
    detail: String,
}

/// Why a credential could not be had, in general.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Nothing says who asks.
    Missing,
    /// What says who asks cannot be used.
    Unusable,
    /// The token endpoint did not answer.
    Unreachable,
    /// The token endpoint refused.
    Refused,
    /// The token endpoint answered what is no token.
    Malformed,
    /// It has not been asked for long enough.
    Pending,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "none is configured",
            Self::Unusable => "what is configured cannot be used",
            Self::Unreachable => "the token endpoint did not answer",
            Self::Refused => "the token endpoint refused it",
            Self::Malformed => "the token endpoint's answer has none",
            Self::Pending => "it is being asked for",
        })
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: impl fmt::Display) -> Self {
        Self {
            kind,
            detail: detail.to_string(),
        }
    }

    pub(crate) fn missing(detail: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Missing, detail)
    }

    pub(crate) fn unusable(detail: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unusable, detail)
    }

    pub(crate) fn malformed(detail: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Malformed, detail)
    }

    pub(crate) fn file(path: &Path, error: impl fmt::Display) -> Self {
        Self::unusable(format_args!("{} cannot be read: {error}", path.display()))
    }

    /// The same without `secrets`, which somebody else may have repeated.
    pub(crate) fn without<'a>(mut self, secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        for secret in secrets {
            // What is so short stands anywhere, and is no secret.
            if secret.expose().len() >= 4 {
                self.detail = self.detail.replace(secret.expose(), "********");
            }
        }
        self
    }
}
