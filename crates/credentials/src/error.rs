//! Why there is no token.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use mesh::Secret;

/// How much of what a server says of an error is shown.
const SHOWN: usize = 300;

/// What stands in the place of a secret.
const MASK: &str = "********";

/// Why a credential could not be had. It shows no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}{}", Excerpt(said))]
pub struct Error {
    /// What of it anybody may know.
    pub kind: ErrorKind,
    detail: String,
    /// What the server says of it, whole: a secret that it repeats can be found in that alone.
    said: Arc<str>,
}

/// What is shown of a server's words: the beginning, in one line.
struct Excerpt<'s>(&'s str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |c: char| if c.is_control() { ' ' } else { c };
        let shown: String = self.0.chars().map(line).take(SHOWN).collect();
        match shown.trim_end() {
            "" => Ok(()),
            shown => write!(f, ": {shown}"),
        }
    }
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
            said: Arc::default(),
        }
    }

    /// The same, of which a server has `said` more.
    pub(crate) fn saying(self, said: &str) -> Self {
        let said = said.into();
        Self { said, ..self }
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
                self.detail = self.detail.replace(secret.expose(), MASK);
                self.said = self.said.replace(secret.expose(), MASK).into();
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use mesh::Secret;

    use super::{Error, ErrorKind, SHOWN};

    fn refused(said: &str, secret: &str) -> String {
        let error = Error::new(ErrorKind::Refused, "no").saying(said);
        error.without([&Secret::from(secret)]).to_string()
    }

    #[test]
    fn what_is_shown_is_cut_from_what_is_masked() {
        let secret = "s".repeat(2 * SHOWN);
        assert_eq!(
            refused(&format!("bad {secret}!"), &secret),
            "no: bad ********!"
        );
        assert_eq!(refused("bad a\nb!", "bad a\nb"), "no: ********!");
        let shown = refused(&"long ".repeat(SHOWN), "secret");
        assert_eq!(shown.len(), "no: ".len() + SHOWN - 1, "{shown}");
        assert_eq!(refused(" \n", "secret"), "no");
    }
}
