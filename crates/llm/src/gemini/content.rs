//! Gemini's `generateContent` and `streamGenerateContent`, between their JSON and the
//! [canonical](crate::canonical) model.
//!
//! The model and whether to stream stand in the path, not in the body. The JSON is that of protocol
//! buffers: a field may be spelt `camelCase` or `snake_case`, a list of one may be written without
//! its brackets, and bytes may come in either alphabet of base64. All of that is read; `camelCase`,
//! lists and the standard alphabet are written.
//!
//! Three things that other dialects have are not in this one, and are made up here:
//! * Calls of functions need no id. One without is given `call_<n>`, by its place in the
//!   conversation, and a response without an id belongs to the first call of its name that has
//!   none. In an answer the id of the answer is a part of it, lest the calls of two turns have one.
//! * A stream has no event that says it is complete: its end does. So a decoder must be told of it
//!   ([`StreamDecoder::end`]).
//! * Reasoning that only its provider can read goes to a client as a signature with a mark
//!   ([`Proof`]), and is known by that when it comes back.

mod decode_request;
mod decode_response;
mod decode_stream;
mod encode_request;
mod encode_response;
mod encode_stream;
mod grounding;
mod piece;
mod schema;
mod token;
mod turns;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use memchr::memchr2;

use crate::base64;

use crate::canonical::{MediaKind, Reasoning};
use crate::wire::{Fault, Object, Value};

pub(crate) use decode_request::{decode_counted, decode_request};
pub(crate) use decode_response::{decode_response, usage};
pub(crate) use decode_stream::{StreamDecoder, error};
pub(crate) use encode_request::{encode_request, takes_url};
pub(crate) use encode_response::encode_response;
pub(crate) use encode_stream::{Framing, StreamEncoder};

/// An object whose fields are asked for in `camelCase` and found in either spelling.
#[derive(Debug)]
pub(super) struct Proto<'a, 'p>(pub(super) Object<'a, 'p>);

impl<'a, 'p> Proto<'a, 'p> {
    pub(super) fn read(value: Value<'a, 'p>) -> Result<Self, Fault> {
        value.object().map(Self)
    }

    /// The field's name as the client spells it.
    pub(super) fn spelt(&self, name: &str) -> Option<Cow<'a, str>> {
        self.0.names().find(|key| is_spelling(key, name)).cloned()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.names().any(|key| is_spelling(key, name))
    }

    pub(super) fn fault(&self, name: &str, message: impl Into<String>) -> Fault {
        match self.spelt(name) {
            Some(name) => self.0.fault(&name, message),
            None => self.0.fault(name, message),
        }
    }

    pub(super) fn take<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value<'a, '_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        match self.spelt(name) {
            Some(name) => self.0.take(&name, read),
            None => Ok(None),
        }
    }

    pub(super) fn require<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value<'a, '_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.take(name, read)?
            .ok_or_else(|| self.0.fault(name, "is missing"))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, Fault> {
        self.take(name, |value| value.text())
    }

    pub(super) fn require_text(&mut self, name: &str) -> Result<Cow<'a, str>, Fault> {
        self.require(name, |value| value.text())
    }

    pub(super) fn ignore(&mut self, names: &[&str]) {
        let spelt: Vec<_> = names.iter().filter_map(|name| self.spelt(name)).collect();
        spelt.iter().for_each(|name| self.0.ignore(&[name]));
    }

    pub(super) fn finish(self) -> Result<(), Fault> {
        self.0.finish()
    }
}

/// Whether `key` is `name`, which is in `camelCase`, in one of its spellings.
fn is_spelling(key: &str, name: &str) -> bool {
    if key == name {
        return true;
    }
    let mut bytes = key.bytes();
    let mut follows = |byte| bytes.next() == Some(byte);
    let is_snake = name.bytes().all(|byte| match byte {
        b'A'..=b'Z' => follows(b'_') && follows(byte.to_ascii_lowercase()),
        _ => follows(byte),
    });
    is_snake && bytes.next().is_none()
}

/// Reads each item of a list, or the one that stands in its place.
fn items<'a>(
    value: Value<'a, '_>,
    mut read: impl FnMut(Value<'a, '_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    if value.is_object() {
        read(value)
    } else {
        value.each(read)
    }
}

/// What a `thoughtSignature` holds: a signature, or thoughts that are readable for their provider
/// alone.
///
/// A client hands back the signature with the next turn, decoded and encoded anew perhaps. So the
/// mark and what follows it are base64, and the mark tells the alphabet.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Proof<'a> {
    Signature(Cow<'a, str>),
    Redacted(Cow<'a, str>),
}

const REDACTED: &str = "redacted";
const REDACTED_URL_SAFE: &str = "redactedUrlSafe0";

impl<'a> Proof<'a> {
    fn read(signature: Cow<'a, str>) -> Self {
        let signature = base64::standard(signature);
        if let Some(data) = signature.strip_prefix(REDACTED_URL_SAFE) {
            return Self::Redacted(Cow::Owned(data.replace('+', "-").replace('/', "_")));
        }
        match signature.strip_prefix(REDACTED) {
            Some(data) => Self::Redacted(Cow::Owned(data.to_owned())),
            None => Self::Signature(signature),
        }
    }

    /// The signature of redacted thoughts.
    fn redacted(data: &str) -> String {
        let is_url_safe = memchr2(b'-', b'_', data.as_bytes()).is_some();
        let mark = if is_url_safe {
            REDACTED_URL_SAFE
        } else {
            REDACTED
        };
        format!("{mark}{data}")
    }

    fn into_reasoning(self) -> Reasoning<'a> {
        match self {
            Self::Signature(signature) => Reasoning {
                signature: Some(signature),
                ..Reasoning::default()
            },
            Self::Redacted(data) => Reasoning {
                redacted: Some(data),
                ..Reasoning::default()
            },
        }
    }
}

/// The kind of medium that a media type stands for.
fn kind_of(media_type: &str) -> MediaKind {
    match media_type.split('/').next() {
        Some("image") => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        _ => MediaKind::Document,
    }
}

/// Whether a URI means a file that was uploaded to the provider.
fn is_uploaded(uri: &str) -> bool {
    uri.starts_with("https://generativelanguage.googleapis.com/") || uri.starts_with("gs://")
}

/// Whether a URI is a video whose type the provider knows.
fn is_known_video(uri: &str) -> bool {
    let host = uri.strip_prefix("https://").unwrap_or(uri);
    let host = host.strip_prefix("www.").unwrap_or(host);
    host.starts_with("youtube.com/") || host.starts_with("youtu.be/")
}

/// The media type that the extension of a URI stands for.
fn media_type_of(uri: &str) -> Option<&'static str> {
    let path = uri.split(['?', '#']).next()?;
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "bmp" => "image/bmp",
        "svg" => "image/svg+xml",
        "wav" => "audio/wav",
        "mp3" => "audio/mp3",
        "aac" => "audio/aac",
        "aiff" => "audio/aiff",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "m4a" => "audio/mp4",
        "mp4" => "video/mp4",
        "mpeg" | "mpg" => "video/mpeg",
        "mov" => "video/mov",
        "avi" => "video/avi",
        "webm" => "video/webm",
        "wmv" => "video/wmv",
        "flv" => "video/x-flv",
        "3gp" => "video/3gpp",
        "pdf" => "application/pdf",
        "json" => "application/json",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "html" | "htm" => "text/html",
        "css" => "text/css",
        "csv" => "text/csv",
        "xml" => "text/xml",
        "rtf" => "text/rtf",
        _ => return None,
    })
}
