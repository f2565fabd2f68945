//! Tells the top-level fields of a request apart and collects what they say.

use smallvec::SmallVec;

use super::prompt::{PromptReader, Section};
use super::{
    Field, FieldSpec, Inner, MAX_MODEL_BYTES, Role, Scan, ScanError, ScanOptions, Schema, Span,
    StreamOptions,
};
use crate::json::{Name, Token, Visitor};

/// Names of the model beside that in the path that are remembered. No server takes a batch of more
/// requests.
const MAX_NAMED_AGAIN: usize = 1024;

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
    /// Bits of the roles seen so far, and of the fields within objects.
    seen: u32,
    seen_inner: u32,
    start: u64,
    /// The decoded text of the field, as far as it is short.
    text: SmallVec<[u8; 64]>,
    too_long: bool,
    /// A field that is read of an object, such as `stream_options.include_usage`, and where it
    /// begins, while it is read.
    inner: Option<(Inner, u64)>,
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
            seen_inner: 0,
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
        self.field = self.schema.find(self.key.as_bytes());
        if let Some(spec) = self.field {
            let bit = 1 << spec.role as u32;
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
            Role::Named | Role::Wrapped | Role::Batch => MAX_MODEL_BYTES,
            _ => MAX_DIGITS,
        };
        if self.text.len() + piece.len() <= limit {
            self.text.extend_from_slice(piece);
            return Ok(());
        }
        self.too_long = true;
        match spec.role {
            Role::User | Role::Metadata => Ok(()),
            Role::Named | Role::Wrapped | Role::Batch => Ok(()),
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
            Role::Model => self.note_model(span, present.is_some()),
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
            Role::Named => self.name_again(token, span),
            role => self.note_prompt(role, present),
        }
        Ok(())
    }

    fn note_model(&mut self, span: Span, is_present: bool) {
        if is_present {
            let value = decode(&self.text);
            self.scan.model = Some(Field { span, value });
        } else {
            self.scan.model_null = Some(span);
        }
    }

    /// Notes where something stands that the model reads.
    fn note_prompt(&mut self, role: Role, present: Option<Span>) {
        let scan = &mut self.scan;
        match role {
            Role::System | Role::Instruction => scan.system = present,
            Role::Messages | Role::Contents | Role::Input => scan.messages = present,
            Role::Prompt => scan.prompt = present,
            Role::Tools => scan.tools = present,
            _ => {}
        }
    }

    /// Notes a name of the model beside that in the path.
    fn name_again(&mut self, token: Token, span: Span) {
        let names = &mut self.scan.named_again;
        if token == Token::String && !self.too_long && names.len() < MAX_NAMED_AGAIN {
            names.push(Field {
                span,
                value: decode(&self.text).into_boxed_str(),
            });
        }
    }

    /// A token right inside an object of which fields are read.
    fn begin_inner(&mut self, token: Token, at: u64) -> Result<(), ScanError> {
        let Some(spec) = self.field else {
            return Ok(());
        };
        if let (Role::StreamOptions, Some(options)) = (spec.role, &mut self.scan.stream_options) {
            options.empty = false;
        }
        if token == Token::Key {
            self.key.clear();
        } else if let Some(inner) = spec.role.inner(self.key.as_bytes()) {
            self.check_inner(inner, token)?;
            self.text.clear();
            self.too_long = false;
            self.inner = Some((inner, at));
        }
        Ok(())
    }

    fn check_inner(&mut self, inner: Inner, token: Token) -> Result<(), ScanError> {
        if !inner.accepts(token) {
            return Err(wrong_inner(inner));
        }
        let bit = 1 << inner as u32;
        if inner.is_unique() && self.seen_inner & bit != 0 {
            return Err(ScanError::Repeated {
                field: inner.name(),
            });
        }
        self.seen_inner |= bit;
        Ok(())
    }

    fn end_inner(&mut self, token: Token, end: u64) -> Result<(), ScanError> {
        let Some((inner, start)) = self.inner.take() else {
            return Ok(());
        };
        let span = Span { start, end };
        let scan = &mut self.scan;
        match inner {
            Inner::Named => self.name_again(token, span),
            Inner::IncludeUsage => {
                if let Some(options) = &mut scan.stream_options {
                    let value = (token != Token::Null).then_some(token == Token::True);
                    options.include_usage = Some(Field { span, value });
                }
            }
            Inner::UserId => {
                let keep = token == Token::String && !self.too_long;
                scan.user = keep.then(|| decode(&self.text));
            }
            // A negative number bounds nothing.
            Inner::NumPredict => scan.max_completion_tokens = number(&self.text),
            Inner::MaxOutputTokens | Inner::CandidateCount | Inner::MaxTokens => {
                let count = match token {
                    Token::Null => None,
                    _ => Some(number(&self.text).ok_or_else(|| wrong_inner(inner))?),
                };
                match inner {
                    Inner::CandidateCount => scan.n = count,
                    _ => scan.max_completion_tokens = count,
                }
            }
        }
        Ok(())
    }

    fn section(&self) -> Option<Section> {
        match self.field?.role {
            Role::System => Some(Section::System),
            Role::Instruction => Some(Section::Instruction),
            Role::Messages => Some(Section::Messages),
            Role::Contents => Some(Section::Contents),
            Role::Input => Some(Section::Input),
            Role::Prompt => Some(Section::Prompt),
            Role::Tools => Some(Section::Tools),
            Role::Batch => Some(Section::Requests),
            _ => None,
        }
    }

    /// How many containers are open where fields are read of the field being read.
    fn inner_depth(&self) -> Option<u32> {
        self.field.and_then(|spec| spec.role.inner_depth())
    }

    /// Whether what is right inside the containers that are open is read.
    fn in_object(&self) -> bool {
        self.inner_depth() == Some(self.depth)
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
            _ if self.in_object() => self.begin_inner(token, at)?,
            // An item of a list, in which nothing has been named yet.
            (2, _) => self.key.clear(),
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
            if !self.in_object() {
                return Ok(());
            }
        }
        match (self.depth, token) {
            (1, Token::Key) => self.key.push(piece),
            (1, _) => self.keep_text(piece)?,
            (_, Token::Key) if self.in_object() => self.key.push(piece),
            _ if self.in_object() && self.inner.is_some() => self.keep_text(piece)?,
            _ => {}
        }
        Ok(())
    }

    fn skips(&self) -> bool {
        if self.section().is_some() {
            return self.prompt.skips() && !self.in_object();
        }
        self.depth > self.inner_depth().unwrap_or(1)
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
            (_, token) if token != Token::Key && self.in_object() => self.end_inner(token, end),
            _ => Ok(()),
        }
    }
}

const fn wrong_inner(inner: Inner) -> ScanError {
    ScanError::WrongType {
        field: inner.name(),
        expected: inner.expected(),
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
    number(digits).map(Some).ok_or_else(|| wrong_type(spec))
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The scanner has validated the text before.
fn decode(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
