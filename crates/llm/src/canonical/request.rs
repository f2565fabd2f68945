//! What a client asks for.

use std::borrow::Cow;

use super::Citation;
use crate::wire::Fault;

/// A request to continue a conversation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Request<'a> {
    pub(crate) model: Cow<'a, str>,
    pub(crate) stream: bool,
    /// The client wants to see the usage of a stream, in dialects where it has to ask for that.
    pub(crate) stream_usage: bool,
    pub(crate) messages: Vec<Message<'a>>,
    pub(crate) tools: Vec<Tool<'a>>,
    pub(crate) tool_choice: Option<Given<ToolChoice<'a>>>,
    /// Whether an answer may have several tool calls.
    pub(crate) parallel_tools: Option<Given<bool>>,
    pub(crate) format: Option<Given<Format<'a>>>,
    pub(crate) thinking: Option<Given<Thinking>>,
    /// Tokens that the answer may have at most, reasoning included.
    pub(crate) max_output: Option<Given<u64>>,
    pub(crate) temperature: Option<Given<f64>>,
    pub(crate) top_p: Option<Given<f64>>,
    pub(crate) top_k: Option<Given<u64>>,
    pub(crate) frequency_penalty: Option<Given<f64>>,
    pub(crate) presence_penalty: Option<Given<f64>>,
    pub(crate) seed: Option<Given<i64>>,
    pub(crate) stop: Option<Given<Vec<Cow<'a, str>>>>,
    /// How many answers are wanted.
    pub(crate) choices: Option<Given<u64>>,
    /// Log probabilities are wanted: of how many alternatives, 0 for those of the answer alone.
    pub(crate) log_probabilities: Option<Given<u64>>,
    pub(crate) service_tier: Option<Given<Cow<'a, str>>>,
    /// Pairs of texts, as an object.
    pub(crate) metadata: Option<Given<Cow<'a, str>>>,
    /// The end user, as the client names it.
    pub(crate) user: Option<Given<Cow<'a, str>>>,
    /// What the proofs among the messages are said to be, such as `anthropic-claude-v1`: OpenRouter's
    /// `format` of `reasoning_details`.
    pub(crate) signers: Vec<Cow<'a, str>>,
    /// Fields that this model does not know. They are hints: an answer can do without.
    pub(crate) rest: Vec<(Cow<'a, str>, &'a str)>,
}

/// A value with the name of the field that it was given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Given<T> {
    pub(crate) field: &'static str,
    pub(crate) value: T,
}

impl<T> Given<T> {
    /// A value, if it was given in this field.
    pub(crate) fn maybe(field: &'static str, value: Option<T>) -> Option<Self> {
        value.map(|value| Self { field, value })
    }

    /// The refusal of a field that the target's API cannot express.
    pub(crate) fn refuse(&self, why: impl Into<String>) -> Fault {
        Fault::new(self.field, why)
    }
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    System,
    Developer,
    User,
    Assistant,
}

/// A turn of the conversation. Results of tools are parts of what the user says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message<'a> {
    pub(crate) role: Role,
    /// Who of several users or assistants says it.
    pub(crate) name: Option<Cow<'a, str>>,
    pub(crate) parts: Vec<Part<'a>>,
}

/// A part of a message: whether the prompt up to its end is to be cached, and what it cites.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part<'a> {
    pub(crate) content: Content<'a>,
    pub(crate) cache: Option<Cache<'a>>,
    /// Where the words of an answer come from.
    pub(crate) citations: Vec<Citation<'a>>,
}

impl<'a> Part<'a> {
    pub(crate) fn new(content: Content<'a>) -> Self {
        Self {
            content,
            cache: None,
            citations: Vec::new(),
        }
    }

    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Content::Text(text.into()))
    }
}

/// A mark that says: cache the prompt up to here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cache<'a> {
    /// For how long, such as `5m`.
    pub(crate) ttl: Option<Cow<'a, str>>,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content<'a> {
    Text(Cow<'a, str>),
    Media(Media<'a>),
    ToolCall(ToolCall<'a>),
    ToolResult(ToolResult<'a>),
    Reasoning(Reasoning<'a>),
    /// The model declined, in these words.
    Refusal(Cow<'a, str>),
}

/// What is not text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Media<'a> {
    pub(crate) kind: MediaKind,
    pub(crate) source: Source<'a>,
    /// File name or title.
    pub(crate) name: Option<Cow<'a, str>>,
    /// How closely to look at an image.
    pub(crate) detail: Option<Cow<'a, str>>,
    /// The answer shall cite the document.
    pub(crate) cited: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum MediaKind {
    Image,
    Audio,
    Video,
    Document,
}

impl MediaKind {
    /// What a person calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Image => "an image",
            Self::Audio => "audio",
            Self::Video => "a video",
            Self::Document => "a document",
        }
    }
}

/// Where a medium is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source<'a> {
    Url(Cow<'a, str>),
    /// In the request.
    Base64 {
        /// Such as `image/png`.
        media_type: Cow<'a, str>,
        data: Cow<'a, str>,
    },
    /// A document that is plain text.
    Text(Cow<'a, str>),
    /// Uploaded to the provider before. Means nothing to any other.
    File(Cow<'a, str>),
}

impl<'a> Source<'a> {
    /// What a URL points to, which with `data:` is in the request itself (RFC 2397).
    pub(crate) fn of_url(url: Cow<'a, str>) -> Self {
        match url {
            Cow::Borrowed(url) => match inline(url) {
                Some((media_type, data)) => Self::Base64 {
                    media_type: media_type.into(),
                    data: data.into(),
                },
                None => Self::Url(url.into()),
            },
            Cow::Owned(url) => match inline(&url) {
                Some((media_type, data)) => Self::Base64 {
                    media_type: media_type.to_owned().into(),
                    data: data.to_owned().into(),
                },
                None => Self::Url(url.into()),
            },
        }
    }

    /// The URL of it, which holds the medium itself if the request does.
    pub(crate) fn url(&self) -> Cow<'_, str> {
        match self {
            Self::Url(url) => Cow::Borrowed(&**url),
            Self::Base64 { media_type, data } => {
                Cow::Owned(["data:", &**media_type, ";base64,", &**data].concat())
            }
            Self::Text(text) | Self::File(text) => Cow::Borrowed(&**text),
        }
    }
}

/// Media type and base64 of a `data:` URL.
fn inline(url: &str) -> Option<(&str, &str)> {
    let scheme = url.get(..5)?;
    let rest = url
        .get(5..)
        .filter(|_| scheme.eq_ignore_ascii_case("data:"))?;
    let (kind, data) = rest.split_once(',')?;
    let kind = kind.strip_suffix(";base64")?;
    let media_type = kind.split(';').next().unwrap_or_default();
    Some((media_type, data))
}

/// A call that the model wants made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolCall<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) name: Cow<'a, str>,
    /// JSON, an object; as the model wrote it, which may be broken.
    pub(crate) arguments: Cow<'a, str>,
    /// The provider's proof of the reasoning that led to it.
    pub(crate) signature: Option<Cow<'a, str>>,
}

impl ToolCall<'_> {
    /// The proof. An empty one is none.
    pub(crate) fn proof(&self) -> Option<&str> {
        self.signature.as_deref().filter(|proof| !proof.is_empty())
    }
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolResult<'a> {
    pub(crate) call: Cow<'a, str>,
    pub(crate) parts: Vec<Part<'a>>,
    pub(crate) is_error: bool,
}

/// What the model thought before it answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reasoning<'a> {
    pub(crate) text: Option<Cow<'a, str>>,
    /// The provider's proof that the text is its own: without it the next turn is refused.
    pub(crate) signature: Option<Cow<'a, str>>,
    /// The thoughts, readable for the provider alone.
    pub(crate) redacted: Option<Cow<'a, str>>,
}

impl Reasoning<'_> {
    /// The proof. An empty one is none: encoders write that where they have no proof.
    pub(crate) fn proof(&self) -> Option<&str> {
        self.signature.as_deref().filter(|proof| !proof.is_empty())
    }
}

/// Something that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tool<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) description: Option<Cow<'a, str>>,
    /// JSON Schema of the arguments.
    pub(crate) schema: Option<Cow<'a, str>>,
    /// Arguments must keep to the schema.
    pub(crate) strict: Option<bool>,
    pub(crate) cache: Option<Cache<'a>>,
}

impl Tool<'_> {
    /// The schema of its arguments, where the API wants one of every tool: without one, there are none.
    /// It says that it is of an object, even if that has no fields.
    pub(crate) fn parameters(&self) -> &str {
        let is_empty = |schema: &str| schema.bytes().all(|b| b"{} \t\r\n".contains(&b));
        let none = match self.strict {
            Some(true) => r#"{"type":"object","properties":{},"additionalProperties":false}"#,
            _ => r#"{"type":"object","properties":{}}"#,
        };
        let schema = self.schema.as_deref();
        schema.filter(|schema| !is_empty(schema)).unwrap_or(none)
    }
}

/// Which tool is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToolChoice<'a> {
    Auto,
    None,
    /// Any, but one.
    Required,
    Named(Cow<'a, str>),
}

/// What form the answer's text shall have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Format<'a> {
    Text,
    /// A JSON object of any shape.
    JsonObject,
    Schema {
        name: Option<Cow<'a, str>>,
        description: Option<Cow<'a, str>>,
        schema: Cow<'a, str>,
        strict: Option<bool>,
    },
}

/// How much the model shall think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thinking {
    Off,
    /// As much as it finds right.
    Adaptive,
    Effort(Effort),
    /// Tokens at most.
    Budget(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
}
