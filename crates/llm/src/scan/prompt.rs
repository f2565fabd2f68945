//! Reads what the model will read: messages, prompts and tools.
//!
//! Only the levels that have a meaning are followed (array, message, content, part, and the content
//! of a part that is a tool's result), so the places kept are a handful whatever the body nests.
//! Anything deeper is one value, hashed as a whole.

use smallvec::SmallVec;

use super::{Scan, ScanOptions, Span};
use crate::digest::{Digester, MEDIUM_BYTES};
use crate::json::{Name, Token};
use crate::tokens::BYTES_PER_TOKEN;

/// Stands between two texts of one content; a byte that no UTF-8 text has.
const SEPARATOR: &[u8] = &[0xFF];

/// The model's role in Gemini's API.
const MODEL: &[u8] = b"model";

/// Containers followed within each other: those of a part in a tool's result in a message.
const MAX_PLACES: usize = 6;

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageRole {
    /// The operator's instructions.
    System,
    /// The operator's instructions under their newer name.
    Developer,
    /// The end user.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
    /// A role that is missing or unknown here.
    Other,
}

impl MessageRole {
    fn of(name: &[u8]) -> Self {
        match name {
            b"system" => Self::System,
            b"developer" => Self::Developer,
            b"user" => Self::User,
            b"assistant" | MODEL => Self::Assistant,
            b"tool" | b"function" => Self::Tool,
            _ => Self::Other,
        }
    }
}

/// A message and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageSpan {
    /// Who speaks.
    pub role: MessageRole,
    /// The raw object, braces included, or the text that stands for it.
    pub span: Span,
}

/// The top-level fields that hold what the model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    System,
    /// The same as an object with parts.
    Instruction,
    Messages,
    /// Messages whose content is their parts.
    Contents,
    /// Items of the Responses API, or one text.
    Input,
    Prompt,
    Tools,
    /// Requests of which each has content with parts.
    Requests,
}

impl Section {
    /// Whether its parts are those of Gemini's API.
    const fn has_contents(self) -> bool {
        matches!(self, Self::Contents | Self::Instruction | Self::Requests)
    }
}

/// A container whose members have a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Messages,
    Message,
    /// An object with parts that is no message.
    Instruction,
    Parts,
    Part,
    Prompts,
    Tools,
    Requests,
    Request,
}

/// What the value that begins is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Container(Place),
    Role,
    Text,
    TokenId,
    Whole(Whole),
}

/// A value that is not looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    Tool,
    Medium,
    /// A field of a part that is neither text nor a medium, such as what a tool is called with.
    Detail,
    Extra,
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Active {
    Nothing,
    Key,
    Role,
    Text,
    TokenId,
    Whole { kind: Whole, depth: u32, bytes: u64 },
}

#[derive(Debug)]
pub(super) struct PromptReader {
    places: SmallVec<[Place; MAX_PLACES]>,
    active: Active,
    key: Name,
    role: Name,
    message_start: u64,
    /// Whether instructions are read that stand outside of the messages.
    in_system: bool,
    /// Whether a text is read that stands for a message.
    in_lone_text: bool,
    /// Whether the content being read has had a text already.
    has_text: bool,
    max_messages: usize,
    spans: Vec<MessageSpan>,
    count: u64,
    bytes: u64,
    media: u64,
    digest: Option<Box<Digester>>,
}

impl PromptReader {
    pub(super) fn new(options: ScanOptions) -> Self {
        Self {
            places: SmallVec::new(),
            active: Active::Nothing,
            key: Name::default(),
            role: Name::default(),
            message_start: 0,
            in_system: false,
            in_lone_text: false,
            has_text: false,
            max_messages: options.max_messages,
            spans: Vec::new(),
            count: 0,
            bytes: 0,
            media: 0,
            digest: options.digest.then(|| Box::new(Digester::new())),
        }
    }

    pub(super) fn finish(self, scan: &mut Scan) {
        scan.message_spans = self.spans;
        scan.message_count = self.count;
        scan.prompt_bytes = self.bytes;
        scan.media = self.media;
        scan.digest = self.digest.map(|digest| digest.finish());
    }

    pub(super) fn begin(&mut self, section: Section, token: Token, at: u64) {
        if let Active::Whole { .. } = self.active {
            self.begin_within(token);
        } else if token == Token::Key {
            self.key.clear();
            self.active = Active::Key;
        } else {
            if self.places.is_empty() {
                self.begin_section(section, token, at);
            }
            match self.meaning(section, token) {
                Meaning::Container(place) => self.enter(place, at),
                Meaning::Role => {
                    self.role.clear();
                    self.active = Active::Role;
                }
                Meaning::Text => self.begin_text(),
                Meaning::TokenId => {
                    self.separate();
                    self.active = Active::TokenId;
                }
                Meaning::Whole(kind) => {
                    self.active = Active::Whole {
                        kind,
                        depth: 0,
                        bytes: 0,
                    };
                    self.begin_within(token);
                }
            }
        }
    }

    pub(super) fn text(&mut self, piece: &[u8]) {
        match &mut self.active {
            Active::Nothing => {}
            Active::Key => self.key.push(piece),
            Active::Role => self.role.push(piece),
            Active::Text => {
                self.skipped(piece.len());
                self.digest_text(piece);
            }
            Active::TokenId => self.digest_text(piece),
            Active::Whole { kind, bytes, .. } => {
                *bytes += piece.len() as u64;
                if *kind != Whole::Ignored
                    && let Some(digest) = &mut self.digest
                {
                    digest.value.text(piece);
                }
            }
        }
    }

    /// Whether only the length of the text matters.
    pub(super) fn skips(&self) -> bool {
        match self.active {
            Active::Text => self.digest.is_none(),
            Active::Whole { kind, .. } => kind == Whole::Ignored || self.digest.is_none(),
            _ => false,
        }
    }

    pub(super) fn skipped(&mut self, length: usize) {
        match &mut self.active {
            Active::Text => self.bytes += length as u64,
            Active::Whole { bytes, .. } => *bytes += length as u64,
            _ => {}
        }
    }

    pub(super) fn end(&mut self, token: Token, end: u64) {
        match self.active {
            Active::Whole { kind, depth, bytes } => self.end_within(kind, depth, bytes, token),
            _ if token.is_container() => self.leave(end),
            Active::TokenId => {
                self.bytes += BYTES_PER_TOKEN;
                self.active = Active::Nothing;
            }
            _ => self.active = Active::Nothing,
        }
        if self.places.is_empty() {
            self.end_section(end);
        }
    }

    fn meaning(&self, section: Section, token: Token) -> Meaning {
        use Meaning::{Container, Text, TokenId, Whole as AsWhole};
        let ignored = AsWhole(Whole::Ignored);
        let Some(place) = self.places.last() else {
            return match (section, token) {
                (Section::System, Token::Array) => Container(Place::Parts),
                (Section::System, Token::String) => Text,
                (Section::Instruction, Token::Object) => Container(Place::Instruction),
                (Section::Messages | Section::Contents | Section::Input, Token::Array) => {
                    Container(Place::Messages)
                }
                (Section::Tools, Token::Array) => Container(Place::Tools),
                (Section::Requests, Token::Array) => Container(Place::Requests),
                (Section::Prompt, Token::Array) => Container(Place::Prompts),
                (Section::Prompt | Section::Input, Token::String) => Text,
                _ => ignored,
            };
        };
        match (place, token) {
            (Place::Messages, Token::Object) => Container(Place::Message),
            (Place::Message, _) if section == Section::Input => self.in_item(token),
            (Place::Message, _) if section == Section::Contents => self.in_content(token),
            (Place::Instruction, Token::Array) if self.key.as_bytes() == b"parts" => {
                Container(Place::Parts)
            }
            (Place::Message, _) => self.in_message(token),
            (Place::Requests, Token::Object) => Container(Place::Request),
            (Place::Request, Token::Object) if self.key.as_bytes() == b"content" => {
                Container(Place::Instruction)
            }
            (Place::Parts, Token::Object) => Container(Place::Part),
            (Place::Parts | Place::Prompts, Token::String) => Text,
            (Place::Part, _) if section == Section::Input => self.in_item_part(token),
            (Place::Part, _) if section.has_contents() => self.in_content_part(token),
            (Place::Part, _) => self.in_part(token),
            (Place::Tools, _) => AsWhole(Whole::Tool),
            (Place::Prompts, Token::Number) => TokenId,
            (Place::Prompts, Token::Array) if self.places.len() == 1 => Container(Place::Prompts),
            (Place::Prompts, Token::Object) => AsWhole(Whole::Medium),
            _ => ignored,
        }
    }

    fn in_message(&self, token: Token) -> Meaning {
        match (self.key.as_bytes(), token) {
            (_, Token::Null) | (b"cache_control", _) => Meaning::Whole(Whole::Ignored),
            (b"role", Token::String) => Meaning::Role,
            (b"content", Token::String) => Meaning::Text,
            (b"content", Token::Array) => Meaning::Container(Place::Parts),
            _ => Meaning::Whole(Whole::Extra),
        }
    }

    fn in_part(&self, token: Token) -> Meaning {
        match (self.key.as_bytes(), token) {
            (_, Token::Null) | (b"type" | b"cache_control", _) => Meaning::Whole(Whole::Ignored),
            // What the model does not read: where a text is from, who may call a tool, and the
            // proof that thinking is the model's own.
            (b"citations" | b"caller" | b"signature", _) => Meaning::Whole(Whole::Ignored),
            (b"text" | b"refusal" | b"content", Token::String) => Meaning::Text,
            (b"content", Token::Array) if self.places.len() < MAX_PLACES => {
                Meaning::Container(Place::Parts)
            }
            (b"source", Token::Object) => Meaning::Whole(Whole::Medium),
            (key, _) if is_detail(key) => Meaning::Whole(Whole::Detail),
            _ => Meaning::Whole(Whole::Medium),
        }
    }

    /// What an item is follows from its other fields; what it is called is its server's business.
    fn in_item(&self, token: Token) -> Meaning {
        match (self.key.as_bytes(), token) {
            (_, Token::Null) | (b"type" | b"id" | b"status" | b"phase", _) => {
                Meaning::Whole(Whole::Ignored)
            }
            (b"role", Token::String) => Meaning::Role,
            (b"content" | b"output", Token::String) => Meaning::Text,
            (b"content" | b"output", Token::Array) => Meaning::Container(Place::Parts),
            _ => Meaning::Whole(Whole::Extra),
        }
    }

    fn in_item_part(&self, token: Token) -> Meaning {
        match (self.key.as_bytes(), token) {
            (_, Token::Null) | (b"type" | b"annotations" | b"logprobs", _) => {
                Meaning::Whole(Whole::Ignored)
            }
            (b"text" | b"refusal", Token::String) => Meaning::Text,
            (b"image_url" | b"file_url" | b"file_data" | b"file_id" | b"input_audio", _) => {
                Meaning::Whole(Whole::Medium)
            }
            _ => Meaning::Whole(Whole::Detail),
        }
    }

    fn in_content(&self, token: Token) -> Meaning {
        match (self.key.as_bytes(), token) {
            (_, Token::Null) => Meaning::Whole(Whole::Ignored),
            (b"role", Token::String) => Meaning::Role,
            (b"parts", Token::Array) => Meaning::Container(Place::Parts),
            _ => Meaning::Whole(Whole::Extra),
        }
    }

    fn in_content_part(&self, token: Token) -> Meaning {
        match (self.key.as_bytes(), token) {
            (_, Token::Null) | (b"thoughtSignature" | b"thought_signature", _) => {
                Meaning::Whole(Whole::Ignored)
            }
            (b"text", Token::String) => Meaning::Text,
            (b"inlineData" | b"inline_data" | b"fileData" | b"file_data", _) => {
                Meaning::Whole(Whole::Medium)
            }
            _ => Meaning::Whole(Whole::Detail),
        }
    }

    fn begin_section(&mut self, section: Section, token: Token, at: u64) {
        match (section, token) {
            (Section::System | Section::Instruction | Section::Requests, Token::Null) => {}
            (Section::System | Section::Instruction | Section::Requests, _) => self.begin_system(),
            // One text is what a message of the user would be.
            (Section::Input, Token::String) => {
                self.enter_message(at);
                self.role.push(b"user");
                self.in_lone_text = true;
            }
            _ => {}
        }
    }

    fn end_section(&mut self, end: u64) {
        if self.in_system {
            self.end_system();
        }
        if std::mem::take(&mut self.in_lone_text) {
            self.end_message(end);
        }
    }

    /// Begins the operator's instructions: a message of their own, whatever stood before.
    fn begin_system(&mut self) {
        self.in_system = true;
        self.has_text = false;
        if let Some(digest) = &mut self.digest {
            digest.begin_system();
        }
    }

    fn end_system(&mut self) {
        self.in_system = false;
        if let Some(digest) = &mut self.digest {
            digest.end_system();
        }
    }

    fn enter(&mut self, place: Place, at: u64) {
        if place == Place::Message {
            self.enter_message(at);
        }
        if place == Place::Part
            && let Some(digest) = &mut self.digest
        {
            digest.begin_part();
        }
        self.places.push(place);
    }

    fn enter_message(&mut self, at: u64) {
        self.message_start = at;
        self.has_text = false;
        self.role.clear();
    }

    fn leave(&mut self, end: u64) {
        match (self.places.pop(), &mut self.digest) {
            (Some(Place::Message), _) => self.end_message(end),
            (Some(Place::Part), Some(digest)) => digest.end_part(),
            _ => {}
        }
    }

    fn end_message(&mut self, end: u64) {
        self.count += 1;
        if self.spans.len() < self.max_messages {
            let role = MessageRole::of(self.role.as_bytes());
            let span = Span {
                start: self.message_start,
                end,
            };
            self.spans.push(MessageSpan { role, span });
        }
        if let Some(digest) = &mut self.digest {
            digest.end_message(match self.role.as_bytes() {
                MODEL => b"assistant",
                role => role,
            });
        }
    }

    fn begin_text(&mut self) {
        self.separate();
        self.active = Active::Text;
    }

    fn separate(&mut self) {
        if self.has_text {
            self.digest_text(SEPARATOR);
        }
        self.has_text = true;
    }

    fn digest_text(&mut self, piece: &[u8]) {
        if let Some(digest) = &mut self.digest {
            digest.text(piece);
        }
    }

    fn begin_within(&mut self, token: Token) {
        let Active::Whole { kind, depth, .. } = &mut self.active else {
            return;
        };
        *depth += u32::from(token.is_container());
        if *kind != Whole::Ignored
            && let Some(digest) = &mut self.digest
        {
            digest.value.begin(token);
        }
    }

    fn end_within(&mut self, kind: Whole, depth: u32, bytes: u64, token: Token) {
        let depth = depth - u32::from(token.is_container());
        let hash = match &mut self.digest {
            Some(digest) if kind != Whole::Ignored => digest.value.end(token),
            _ => None,
        };
        let ended = depth == 0 && token != Token::Key;
        self.active = if ended {
            Active::Nothing
        } else {
            Active::Whole { kind, depth, bytes }
        };
        if ended {
            self.end_whole(kind, bytes, hash.unwrap_or_default());
        }
    }

    fn end_whole(&mut self, kind: Whole, bytes: u64, hash: u64) {
        match kind {
            Whole::Ignored => return,
            Whole::Medium => {
                self.media += 1;
                self.bytes += u64::from(MEDIUM_BYTES);
            }
            Whole::Tool | Whole::Detail | Whole::Extra => self.bytes += bytes,
        }
        let Some(digest) = &mut self.digest else {
            return;
        };
        match kind {
            Whole::Tool => digest.tool(hash, bytes),
            Whole::Medium => digest.medium(hash),
            Whole::Detail => digest.detail(self.key.as_bytes(), hash, bytes),
            Whole::Extra => digest.extra(self.key.as_bytes(), hash, bytes),
            Whole::Ignored => {}
        }
    }
}

/// Whether a field of a part says something beside text and media: what tools are called with and
/// answer, what is known of a document, thinking.
fn is_detail(key: &[u8]) -> bool {
    matches!(
        key,
        b"id"
            | b"name"
            | b"input"
            | b"tool_use_id"
            | b"is_error"
            | b"content"
            | b"thinking"
            | b"data"
            | b"source"
            | b"title"
            | b"context"
            | b"url"
            | b"page_age"
            | b"encrypted_content"
            | b"tool_name"
            | b"server_name"
            | b"file_id"
    )
}
