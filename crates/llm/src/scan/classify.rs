//! Tells the top-level fields of a request apart and collects what they say.

use smallvec::SmallVec;

use super::prompt::{PromptReader, Section};
use super::{
    Field, FieldSpec, MAX_MODEL_BYTES, Role, Scan, ScanError, ScanOptions, Schema, Span,
    StreamOptions,
};
use crate::json::{Name, Token, Visitor};

const INCLUDE_USAGE: &str = "stream_options.include_usage";

/// Digits of the largest `u64`.
const MAX_DIGITS: usize = 20;

#[derive(Debug)]
pub(super) struct Classifier {
    schema: &'static Schema,
    scan: Scan,
    /// Containers open, the body's object included.
    depth: u32,
    key: Name,
    /// The top-level field being read, if it matters.
    field: Option<&'static FieldSpec>,
    /// Bits of the schema's fields seen so far.
    seen: u32,
    start: u64,
    /// The decoded text of the field, as far as it is short.
    text: SmallVec<[u8; 64]>,
    too_long: bool,
    /// Where the one field begins that is read of an object, such as
    /// `stream_options.include_usage`, while it is read.
    inner: Option<u64>,
    prompt: PromptReader,
}

impl Classifier {
    pub(super) fn new(schema: &'static Schema, options: ScanOptions) -> Self {
        Self {
            schema,
            scan: Scan {
                empty: true,
                asks_for_usage: schema.asks_for_usage(),
                ..Scan::default()
            },
            depth: 0,
            key: Name::default(),
            field: None,
            seen: 0,
            start: 0,
            text: SmallVec::new(),
            too_long: false,
            inner: None,
            prompt: PromptReader::new(options),
        }
    }

    pub(super) fn finish(mut self, body_len: u64) -> Scan {
        self.scan.body_len = body_len;
        self.prompt.finish(&mut self.scan);
        self.scan
    }

    fn name_field(&mut self) -> Result<(), ScanError> {
        let found = self.schema.find(self.key.as_bytes());
        self.field = found.map(|(_, spec)| spec);
        if let Some((bit, spec)) = found {
            if spec.role.is_unique() && self.seen & bit != 0 {
                return Err(ScanError::Repeated { field: spec.name });
            }
            self.seen |= bit;
        }
        Ok(())
    }

    fn begin_field(&mut self, token: Token, at: u64) -> Result<(), ScanError> {
        self.start = at;
        let Some(spec) = self.field else {
            return Ok(());
        };
        if !spec.role.accepts(token) {
            return Err(wrong_type(spec));
        }
        self.text.clear();
        self.too_long = false;
        if spec.role == Role::StreamOptions {
            let span = Span { start: at, end: at };
            let options = StreamOptions {
                span,
                empty: true,
                include_usage: None,
            };
            self.scan.stream_options = Some(options);
        }
        Ok(())
    }

    fn keep_text(&mut self, piece: &[u8]) -> Result<(), ScanError> {
        let Some(spec) = self.field else {
            return Ok(());
        };
        let limit = match spec.role {
            Role::Model | Role::User | Role::Metadata => MAX_MODEL_BYTES,
            _ => MAX_DIGITS,
        };
        if self.text.len() + piece.len() <= limit {
            self.text.extend_from_slice(piece);
            return Ok(());
        }
        self.too_long = true;
        match spec.role {
            Role::User | Role::Metadata => Ok(()),
            Role::Model => Err(ScanError::TooLong {
                field: spec.name,
                limit,
            }),
            _ => Err(wrong_type(spec)),
        }
    }

    fn end_field(&mut self, token: Token, end: u64) -> Result<(), ScanError> {
        let Some(spec) = self.field.take() else {
            return Ok(());
        };
        let span = Span {
            start: self.start,
            end,
        };
        let present = (token != Token::Null).then_some(span);
        let scan = &mut self.scan;
        match spec.role {
            Role::Model if present.is_none() => scan.model_null = Some(span),
            Role::Model => {
                scan.model = Some(Field {
                    span,
                    value: decode(&self.text),
                })
            }
            Role::Stream => {
                scan.stream = present.map(|span| Field {
                    span,
                    value: token == Token::True,
                });
            }
            Role::StreamOptions => {
                if let Some(options) = &mut scan.stream_options {
                    options.span = span;
                }
            }
            Role::User => {
                let keep = token == Token::String && !self.too_long;
                scan.user = keep.then(|| decode(&self.text));
            }
            Role::MaxTokens => scan.max_tokens = count(spec, present, &self.text)?,
            Role::MaxCompletionTokens => {
                scan.max_completion_tokens = count(spec, present, &self.text)?;
            }
            Role::Choices => scan.n = count(spec, present, &self.text)?,
            Role::Metadata => {}
            Role::System => scan.system = present,
            Role::Messages | Role::Input => scan.messages = present,
            Role::Prompt => scan.prompt = present,
            Role::Tools => scan.tools = present,
        }
        Ok(())
    }

    /// A token right inside an object of which one field is read.
    fn begin_inner(&mut self, token: Token, at: u64) -> Result<(), ScanError> {
        let Some(spec) = self.field else {
            return Ok(());
        };
        if let (Role::StreamOptions, Some(options)) = (spec.role, &mut self.scan.stream_options) {
            options.empty = false;
        }
        if token == Token::Key {
            self.key.clear();
        } else if spec.role.inner().map(str::as_bytes) == Some(self.key.as_bytes()) {
            if spec.role == Role::StreamOptions {
                self.check_include_usage(token)?;
            }
            self.text.clear();
            self.too_long = false;
            self.inner = Some(at);
        }
        Ok(())
    }

    fn check_include_usage(&self, token: Token) -> Result<(), ScanError> {
        if !matches!(token, Token::True | Token::False | Token::Null) {
            let expected = "a boolean";
            return Err(ScanError::WrongType {
                field: INCLUDE_USAGE,
                expected,
            });
        }
        let options = self.scan.stream_options.as_ref();
        match options.is_some_and(|options| options.include_usage.is_some()) {
            true => Err(ScanError::Repeated {
                field: INCLUDE_USAGE,
            }),
            false => Ok(()),
        }
    }

    fn end_inner(&mut self, token: Token, end: u64) {
        let (Some(start), Some(spec)) = (self.inner.take(), self.field) else {
            return;
        };
        match (spec.role, &mut self.scan.stream_options) {
            (Role::StreamOptions, Some(options)) => {
                let value = (token != Token::Null).then_some(token == Token::True);
                options.include_usage = Some(Field {
                    span: Span { start, end },
                    value,
                });
            }
            (Role::Metadata, _) => {
                let keep = token == Token::String && !self.too_long;
                self.scan.user = keep.then(|| decode(&self.text));
            }
            _ => {}
        }
    }

    fn section(&self) -> Option<Section> {
        match self.field?.role {
            Role::System => Some(Section::System),
            Role::Messages => Some(Section::Messages),
            Role::Input => Some(Section::Input),
            Role::Prompt => Some(Section::Prompt),
            Role::Tools => Some(Section::Tools),
            _ => None,
        }
    }

    /// Whether the field being read is an object of which one field is read.
    fn in_object(&self) -> bool {
        self.field.is_some_and(|spec| spec.role.inner().is_some())
    }
}

impl Visitor for Classifier {
    type Error = ScanError;

    fn begin(&mut self, token: Token, at: u64) -> Result<(), ScanError> {
        match (self.depth, token) {
            (0, _) => self.scan.first_field = at + 1,
            (1, Token::Key) => {
                self.scan.empty = false;
                self.field = None;
                self.key.clear();
            }
            (1, _) => self.begin_field(token, at)?,
            (2, _) if self.in_object() => self.begin_inner(token, at)?,
            _ => {}
        }
        if let Some(section) = self.section() {
            self.prompt.begin(section, token, at);
        }
        self.depth += u32::from(token.is_container());
        Ok(())
    }

    fn text(&mut self, token: Token, piece: &[u8]) -> Result<(), ScanError> {
        if self.section().is_some() {
            self.prompt.text(piece);
            return Ok(());
        }
        match (self.depth, token) {
            (1, Token::Key) => self.key.push(piece),
            (2, Token::Key) if self.in_object() => self.key.push(piece),
            (1, _) => self.keep_text(piece)?,
            (2, _) if self.inner.is_some() => self.keep_text(piece)?,
            _ => {}
        }
        Ok(())
    }

    fn skips(&self) -> bool {
        if self.section().is_some() {
            return self.prompt.skips();
        }
        let read = if self.in_object() { 2 } else { 1 };
        self.depth > read
    }

    fn skipped(&mut self, bytes: usize) {
        if self.section().is_some() {
            self.prompt.skipped(bytes);
        }
    }

    fn end(&mut self, token: Token, end: u64) -> Result<(), ScanError> {
        self.depth -= u32::from(token.is_container());
        if self.section().is_some() {
            self.prompt.end(token, end);
        }
        match (self.depth, token) {
            (1, Token::Key) => self.name_field(),
            (1, _) => self.end_field(token, end),
            (2, token) if token != Token::Key && self.in_object() => {
                self.end_inner(token, end);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

const fn wrong_type(spec: &FieldSpec) -> ScanError {
    ScanError::WrongType {
        field: spec.name,
        expected: spec.role.expected(),
    }
}

fn count(spec: &FieldSpec, present: Option<Span>, digits: &[u8]) -> Result<Option<u64>, ScanError> {
    if present.is_none() {
        return Ok(None);
    }
    let number = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok());
    number.map(Some).ok_or_else(|| wrong_type(spec))
}

/// The scanner has validated the text before.
fn decode(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
