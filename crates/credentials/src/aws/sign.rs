//! Signatures of AWS ("Signature Version 4"): a request is authorised by a keyed hash of what it says.
//!
//! What intermediaries may change is not signed: of the headers `host`, `content-type` and those that
//! are AWS's own. The body always is, by its hash: services other than S3 refuse requests whose body
//! is not.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256, digest};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use mesh::Secret;
use percent_encoding::{percent_decode_str, percent_encode, utf8_percent_encode};
use time::OffsetDateTime;

use crate::client::RESERVED;
use crate::error::Error;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// AWS access keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    /// Names the keys.
    pub(crate) id: String,
    pub(crate) secret: Secret,
    /// Of temporary keys.
    pub(crate) session: Option<Secret>,
}

/// What signs requests to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    pub(crate) keys: Keys,
    pub(crate) region: String,
    /// The name that the service has in signatures.
    pub(crate) service: String,
}

/// The hash of a request's body, taken piece by piece.
#[derive(Clone)]
pub struct PayloadHash(Context);

impl Default for PayloadHash {
    /// That of no bytes.
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl PayloadHash {
    /// The hash of a whole body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        let mut hash = Self::default();
        hash.update(body);
        hash
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    fn finish(self) -> String {
        hex(self.0.finish().as_ref())
    }
}

impl std::fmt::Debug for PayloadHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PayloadHash")
    }
}

impl Signer {
    /// Signs a request at `now`. It must have its `Host`, and be sent as it is.
    ///
    /// # Errors
    /// The keys cannot stand in headers.
    pub fn sign(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
        payload: PayloadHash,
        now: SystemTime,
    ) -> Result<(), Error> {
        let time = timestamp(now);
        for name in [AUTHORIZATION, SECURITY_TOKEN, CONTENT_SHA256] {
            headers.remove(name);
        }
        headers.insert(DATE, value(&time)?);
        if let Some(session) = &self.keys.session {
            headers.insert(SECURITY_TOKEN, sensitive(session.expose())?);
        }
        let names = signed_names(headers);
        let request = canonical(method, uri, headers, &names, &payload.finish());
        let scope = self.scope(&time);
        let hash = hex(digest(&SHA256, request.as_bytes()).as_ref());
        let signature = self.signature(&time, &format!("{ALGORITHM}\n{time}\n{scope}\n{hash}"));
        let (id, names) = (&self.keys.id, names.join(";"));
        let authorization = format!(
            "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
        );
        headers.insert(AUTHORIZATION, sensitive(&authorization)?);
        Ok(())
    }

    fn scope(&self, time: &str) -> String {
        let date = date(time);
        format!("{date}/{}/{}/aws4_request", self.region, self.service)
    }

    fn signature(&self, time: &str, text: &str) -> String {
        let secret = format!("AWS4{}", self.keys.secret.expose());
        let mut key = keyed(secret.as_bytes(), date(time));
        for part in [&*self.region, &*self.service, "aws4_request", text] {
            key = keyed(key.as_ref(), part);
        }
        hex(key.as_ref())
    }
}

fn keyed(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text.as_bytes())
}

/// The names of the headers that are signed, in their order.
fn signed_names(headers: &HeaderMap) -> Vec<&str> {
    let signed = |name: &&HeaderName| {
        **name == HOST || **name == CONTENT_TYPE || name.as_str().starts_with("x-amz-")
    };
    let names = headers.keys().filter(signed);
    let mut names: Vec<&str> = names.map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

/// The request as both sides write it down to hash it.
fn canonical(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    names: &[&str],
    payload: &str,
) -> String {
    let (path, query) = (canonical_path(uri.path()), uri.query().unwrap_or_default());
    let mut text = format!("{method}\n{path}\n{}\n", canonical_query(query));
    for name in names {
        let values = headers.get_all(*name).iter().map(canonical_value);
        let values = values.collect::<Vec<_>>().join(",");
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name}:{values}");
    }
    let _ = write!(text, "\n{}\n{payload}", names.join(";"));
    text
}

/// The path as it is sent, its dots resolved, and encoded once more.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let mut canonical = String::with_capacity(path.len() + 8);
    for segment in &segments {
        canonical.push('/');
        canonical.extend(utf8_percent_encode(segment, RESERVED));
    }
    if path.ends_with('/') || canonical.is_empty() {
        canonical.push('/');
    }
    canonical
}

/// The query in order, encoded in the one way there is.
fn canonical_query(query: &str) -> String {
    let encoded = |text| {
        let decoded: Vec<u8> = percent_decode_str(text).collect();
        percent_encode(&decoded, RESERVED).to_string()
    };
    let fields = query.split('&').filter(|field| !field.is_empty());
    let mut fields: Vec<(String, String)> = fields
        .map(|field| field.split_once('=').unwrap_or((field, "")))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    fields.sort_unstable();
    let fields = fields.iter().map(|(name, value)| format!("{name}={value}"));
    fields.collect::<Vec<_>>().join("&")
}

/// A header's value with no more white space than it needs.
fn canonical_value(value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text)
        .map_err(|_| Error::unusable("the AWS access keys cannot stand in a header"))
}

fn sensitive(text: &str) -> Result<HeaderValue, Error> {
    let mut value = value(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// As ISO 8601 has it in short, to the second.
fn timestamp(now: SystemTime) -> String {
    let now = OffsetDateTime::from(now);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        now.year(),
        u8::from(now.month()),
        now.day(),
        now.hour(),
        now.minute(),
        now.second()
    )
}

/// The day of a timestamp.
fn date(time: &str) -> &str {
    time.get(..8).unwrap_or(time)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
