//! The assertion by which a service account asks for a token (RFC 7523): a JWT signed with its key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::file::Account;
use crate::error::Error;

/// As long as Google allows.
const LIFETIME: Duration = Duration::from_secs(3600);

/// The assertion for `scope`, made at `now`.
pub(super) fn sign(account: &Account, scope: &str, now: SystemTime) -> Result<String, Error> {
    let issued = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut header = json!({ "alg": "RS256", "typ": "JWT" });
    if let Some(id) = &account.key_id {
        header["kid"] = json!(id);
    }
    let claims = json!({
        "iss": account.email,
        "scope": scope,
        "aud": account.audience,
        "iat": issued.as_secs(),
        "exp": (issued + LIFETIME).as_secs(),
    });
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = signature(&account.key, signed.as_bytes())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn signature(key: &[u8], message: &[u8]) -> Result<Vec<u8>, Error> {
    let unusable =
        || Error::unusable("the service account's `private_key` is not an RSA key that can sign");
    let key = RsaKeyPair::from_pkcs8(key).map_err(|_| unusable())?;
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message,
        &mut signature,
    )
    .map_err(|_| unusable())?;
    Ok(signature)
}
