//! Parts of messages, ready to be written.

use std::borrow::Cow;

use crate::canonical::ToolCall;
use crate::wire::{ListWriter, ObjectWriter};

/// What a part holds, ready to be written.
#[derive(Debug)]
pub(super) enum Piece<'r> {
    Text(Cow<'r, str>),
    Thought {
        text: &'r str,
        signature: Option<Cow<'r, str>>,
    },
    Inline(Blob<'r>),
    File {
        uri: &'r str,
        media_type: Option<&'static str>,
    },
    Call {
        id: &'r str,
        name: &'r str,
        /// A JSON object.
        args: &'r str,
        signature: Option<&'r str>,
    },
    Response {
        id: &'r str,
        name: &'r str,
        response: Answer<'r>,
        media: Vec<Blob<'r>>,
    },
}

#[derive(Debug)]
pub(super) struct Blob<'r> {
    pub(super) media_type: &'r str,
    pub(super) data: Cow<'r, str>,
}

/// What a tool answered.
#[derive(Debug)]
pub(super) enum Answer<'r> {
    /// A JSON object.
    Object(Cow<'r, str>),
    Text(Cow<'r, str>),
    Error(Cow<'r, str>),
}

impl Piece<'_> {
    pub(super) fn write(&self, list: &mut ListWriter<'_>) {
        list.object(|o| match self {
            Self::Text(text) => o.value("text", text),
            Self::Thought { text, signature } => {
                o.value("text", text);
                // A signature alone is that of what was said, not a thought.
                if !text.is_empty() {
                    o.value("thought", true);
                }
                o.maybe("thoughtSignature", signature.as_ref());
            }
            Self::Inline(blob) => blob.write(o),
            Self::File { uri, media_type } => o.object("fileData", |o| {
                o.maybe("mimeType", *media_type);
                o.value("fileUri", uri);
            }),
            Self::Call {
                id,
                name,
                args,
                signature,
            } => {
                o.object("functionCall", |o| {
                    o.value("id", id);
                    o.value("name", name);
                    o.raw("args", args);
                });
                o.maybe("thoughtSignature", *signature);
            }
            Self::Response {
                id,
                name,
                response,
                media,
            } => o.object("functionResponse", |o| {
                o.value("id", id);
                o.value("name", name);
                response.write(o);
                write_media(media, o);
            }),
        });
    }
}

fn write_media(media: &[Blob<'_>], o: &mut ObjectWriter<'_>) {
    if !media.is_empty() {
        o.list("parts", |list| {
            let media = media.iter();
            media.for_each(|medium| list.object(|o| medium.write(o)));
        });
    }
}

impl Blob<'_> {
    fn write(&self, o: &mut ObjectWriter<'_>) {
        o.object("inlineData", |o| {
            o.value("mimeType", self.media_type);
            o.value("data", &self.data);
        });
    }
}

impl Answer<'_> {
    fn write(&self, o: &mut ObjectWriter<'_>) {
        match self {
            Self::Object(raw) => o.raw("response", raw),
            Self::Text(text) => o.object("response", |o| o.value("result", text)),
            Self::Error(text) => o.object("response", |o| o.value("error", text)),
        }
    }
}

/// Whether a text is a JSON object and nothing else.
pub(super) fn is_json_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// A call as a part; `None` if its arguments are broken.
pub(super) fn piece_of_call<'r>(call: &'r ToolCall<'_>) -> Option<Piece<'r>> {
    Some(Piece::Call {
        id: &call.id,
        name: &call.name,
        args: arguments(&call.arguments)?,
        signature: call.proof(),
    })
}

/// A call's arguments as an object; `None` if they are not one. A model that writes none means an
/// empty one.
pub(super) fn arguments(text: &str) -> Option<&str> {
    if text.trim().is_empty() {
        return Some("{}");
    }
    is_json_object(text).then_some(text)
}
