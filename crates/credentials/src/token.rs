//! What a source hands out.

use std::time::{Duration, SystemTime};

use http::HeaderValue;

use crate::aws::sign::Signer;
use crate::error::Error;

/// What a request is authorised by, for as long as it is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What is sent.
    pub material: Material,
    /// When it is good no longer; `None`: it stays good.
    pub expires: Option<SystemTime>,
    /// The value of `x-goog-user-project`: whom the use is counted to, where that is not told by the
    /// token.
    pub project: Option<HeaderValue>,
}

/// What is sent with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Material {
    /// This value of `authorization`, marked as sensitive.
    Bearer(HeaderValue),
    /// A signature of the whole request.
    Signature(Box<Signer>),
}

impl Token {
    /// A bearer token (RFC 6750).
    pub(crate) fn bearer(token: &str, expires: Option<SystemTime>) -> Result<Self, Error> {
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let mut value =
            value.map_err(|_| Error::malformed("the token cannot stand in a header"))?;
        value.set_sensitive(true);
        Ok(Self {
            material: Material::Bearer(value),
            expires,
            project: None,
        })
    }

    /// Whether it is good at `now`.
    pub(crate) fn is_good(&self, now: SystemTime) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// For how long it is good from `now`.
    pub(crate) fn good_for(&self, now: SystemTime) -> Option<Duration> {
        let expires = self.expires?;
        Some(expires.duration_since(now).unwrap_or_default())
    }
}
