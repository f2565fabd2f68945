//! What policy must know of a request, found in one pass over its body as the body arrives.
//!
//! The pass proves that the body is one JSON object in UTF-8 and remembers where the few fields of
//! the operation's [`Schema`] stand, so that [`splice`](crate::splice) can change them. The body
//! itself is not kept and no tree is made of it: memory is a few words, a word for each message
//! remembered, and the small values (a model's name).
//!
//! It is strict exactly where a difference of opinion with the engine behind would be a hole: a
//! policy field of the wrong type or given twice (however its name is escaped) is refused, since a
//! limit could be checked on one and spent on the other. Everything else passes as it is.
//!
//! `null` counts as absent, as it does for OpenAI.

use crate::digest::PromptDigest;
use crate::json::{Fault, Lexer, MAX_DEPTH, SyntaxError, Utf8};
use crate::{Api, Dialect, decoded};

mod classify;
mod form;
mod prompt;
mod schema;

use classify::Classifier;
pub use form::{FormError, FormScanner};
pub use prompt::{MessageRole, MessageSpan};
pub use schema::Schema;
pub(crate) use schema::{FieldSpec, Inner, Role, field};

/// Longest model name in decoded bytes; the longest in use (fine-tuned models, ARNs) are below 256.
pub const MAX_MODEL_BYTES: usize = 512;

/// A range of bytes of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset behind the last byte.
    pub end: u64,
}

impl Span {
    /// Length in bytes.
    #[must_use]
    pub const fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether it holds no byte.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<T> {
    /// The raw value, quotes included.
    pub span: Span,
    /// The decoded value.
    pub value: T,
}

/// The `stream_options` of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOptions {
    /// The raw value, braces included.
    pub span: Span,
    /// Whether it is `null` or has no field.
    pub empty: bool,
    /// `include_usage`; the value is `None` if it is `null`.
    pub include_usage: Option<Field<Option<bool>>>,
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The model asked for. Its span is empty if only the path names it.
    pub model: Option<Field<String>>,
    /// Whether the body is a form.
    pub(crate) is_form: bool,
    /// Whether a body of this API never names the model: the path does.
    pub(crate) unnamed: bool,
    /// Whether the body has to name the model, which the client has named in the path.
    pub(crate) to_be_named: bool,
    /// Whether the usage of a stream is reported only where it is asked for.
    pub(crate) asks_for_usage: bool,
    /// Where `"model": null` stands, so that naming a model replaces it.
    pub(crate) model_null: Option<Span>,
    /// The model as the body names it beside the path.
    pub(crate) named_again: Vec<Field<Box<str>>>,
    /// Whether the answer shall be streamed; see [`Scan::wants_stream`].
    pub stream: Option<Field<bool>>,
    /// Options of a streamed answer; `null` is kept for its span.
    pub stream_options: Option<StreamOptions>,
    /// Bound of output tokens under its old name.
    pub max_tokens: Option<u64>,
    /// Bound of output tokens, reasoning included.
    pub max_completion_tokens: Option<u64>,
    /// How many answers are asked for; see [`Scan::choices`].
    pub n: Option<u64>,
    /// The operator's instructions, where they have a field of their own.
    pub system: Option<Span>,
    /// The array of messages, or the text that stands for one.
    pub messages: Option<Span>,
    /// How many messages there are.
    pub message_count: u64,
    /// The first [`ScanOptions::max_messages`] messages.
    pub message_spans: Vec<MessageSpan>,
    /// The `prompt` of a completion, the `input` of an embedding.
    pub prompt: Option<Span>,
    /// The array of tools.
    pub tools: Option<Span>,
    /// The end user as the client names it; `None` as well if it is not a string or longer than
    /// [`MAX_MODEL_BYTES`].
    pub user: Option<String>,
    /// Decoded bytes of everything the model reads: text, tools, calls; a token id given as a number
    /// counts as [`BYTES_PER_TOKEN`](crate::tokens::BYTES_PER_TOKEN), a medium as
    /// [`MEDIUM_BYTES`](crate::digest::MEDIUM_BYTES).
    pub prompt_bytes: u64,
    /// Images, sounds and files in the messages.
    pub media: u64,
    /// Bytes of the body.
    pub body_len: u64,
    /// Offset behind the opening brace, where a field can be put in.
    pub first_field: u64,
    /// Whether the object has no field, so that one put in needs no comma.
    pub empty: bool,
    /// The prompt's digest, if [`ScanOptions::digest`] was set.
    pub digest: Option<PromptDigest>,
}

impl Scan {
    /// Takes what the path says of a request to `api`, which goes before what the body says.
    pub fn read_path(&mut self, api: Api, path: &str) {
        if self.stream.is_none() && api.streams_unasked() {
            let span = Span { start: 0, end: 0 };
            self.stream = Some(Field { span, value: true });
        }
        if let (None, Some(model)) = (&self.model, api.default_model()) {
            self.name_model(model.to_owned());
        }
        let Some(name) = api.model_in_path(path) else {
            return;
        };
        let in_body = self.model.take();
        let name = decoded(name).into_owned();
        self.unnamed = api.dialect != Dialect::OpenAi;
        self.to_be_named =
            !self.unnamed && in_body.as_ref().is_none_or(|field| field.value != name);
        let nowhere = Span { start: 0, end: 0 };
        let span = in_body.map_or(nowhere, |field| field.span);
        if let Some(value) = api.stream_in_path(path) {
            let span = nowhere;
            self.stream = Some(Field { span, value });
        }
        self.model = Some(Field { span, value: name });
    }

    /// The model is this one, which the body does not say and is to.
    fn name_model(&mut self, value: String) {
        let span = Span { start: 0, end: 0 };
        self.model = Some(Field { span, value });
        self.to_be_named = true;
    }

    /// Whether the client asked for a stream.
    #[must_use]
    pub fn wants_stream(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.value)
    }

    /// Whether the client asked for a usage chunk in its stream.
    #[must_use]
    pub fn wants_usage(&self) -> bool {
        let asked = self
            .stream_options
            .as_ref()
            .and_then(|options| options.include_usage.as_ref());
        asked.is_some_and(|field| field.value == Some(true))
    }

    /// Tokens that each answer may have at most, where the request bounds them. The newer field
    /// goes before the older, as in OpenAI's API and in vLLM.
    #[must_use]
    pub fn output_bound(&self) -> Option<u64> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    /// How many answers are asked for, 1 unless `n` says otherwise.
    #[must_use]
    pub fn choices(&self) -> u64 {
        self.n.unwrap_or(1)
    }
}

/// What a scan shall do beyond the necessary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanOptions {
    /// Hash the prompt ([`Scan::digest`]). Default false.
    pub digest: bool,
    /// Nesting allowed, the body's object included, 1 to 128 (more counts as 128). Default 128.
    pub max_depth: u8,
    /// Messages whose spans are kept. Default 256.
    pub max_messages: usize,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            digest: false,
            max_depth: MAX_DEPTH,
            max_messages: 256,
        }
    }
}

/// Why a body is refused. Every variant is the client's fault (400).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Not one JSON object.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// Not a form.
    #[error("the body is no form: {0}")]
    Form(#[from] FormError),
    /// A policy field has a value of the wrong type or out of range.
    #[error("`{field}` must be {expected}")]
    WrongType {
        /// The field's path.
        field: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// A policy field is longer than any sensible value.
    #[error("`{field}` is longer than {limit} bytes")]
    TooLong {
        /// The field's path.
        field: &'static str,
        /// The most bytes it may have.
        limit: usize,
    },
    /// A policy field is given twice.
    #[error("`{field}` is given more than once; give it once")]
    Repeated {
        /// The field's path.
        field: &'static str,
    },
}

impl ScanError {
    /// The field at fault, for the `param` of an API error.
    #[must_use]
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::Syntax(_) | Self::Form(_) => None,
            Self::WrongType { field, .. }
            | Self::TooLong { field, .. }
            | Self::Repeated { field } => Some(field),
        }
    }
}

/// A scan of a body of which some pieces have been seen.
///
/// After an error the scan is over; what later calls return means nothing.
#[derive(Debug)]
pub struct Scanner {
    utf8: Utf8,
    lexer: Lexer,
    classifier: Classifier,
}

impl Scanner {
    /// Begins a scan for the fields of `schema`.
    #[must_use]
    pub fn new(schema: &'static Schema, options: ScanOptions) -> Self {
        Self {
            utf8: Utf8::default(),
            lexer: Lexer::new(options.max_depth),
            classifier: Classifier::new(schema, options),
        }
    }

    /// Takes the next piece of the body, of any length.
    ///
    /// # Errors
    /// As soon as the pieces so far cannot begin an acceptable body.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), ScanError> {
        self.utf8.push(piece).map_err(|ahead| SyntaxError {
            offset: self.lexer.offset() + ahead as u64,
            fault: Fault::Utf8,
        })?;
        self.lexer.push(piece, &mut self.classifier)
    }

    /// Ends the scan at the end of the body.
    ///
    /// # Errors
    /// If the body is not complete.
    pub fn finish(self) -> Result<Scan, ScanError> {
        self.lexer.finish()?;
        if !self.utf8.is_complete() {
            return Err(SyntaxError {
                offset: self.lexer.offset(),
                fault: Fault::Utf8,
            }
            .into());
        }
        Ok(self.classifier.finish(self.lexer.offset()))
    }
}

#[cfg(test)]
mod tests;
