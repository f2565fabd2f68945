//! An incremental lexer for one JSON object (RFC 8259) that arrives in pieces.
//!
//! It exists because the usual parsers want the whole document in one slice, and a gateway must
//! neither hold a prompt of a megabyte to learn its model nor trust it unread. The state between
//! two pieces is a few words: nesting is one bit a level, so there is no recursion and no stack to
//! grow. Strings are handed on decoded, in slices of the input wherever no escape interrupts them.
//!
//! UTF-8 is checked apart from it ([`Utf8`]), once a piece, since that is fastest in bulk.

mod escape;
mod quoted;
mod run;
mod utf8;

pub(crate) use escape::append_string;
pub(crate) use quoted::any_quoted;
use run::{plain, skim, unescape};
pub(crate) use utf8::Utf8;

/// Nesting that a lexer can follow at most, the limit of serde_json and of most engines.
pub(crate) const MAX_DEPTH: u8 = 128;

/// What a lexer reports about; `Object` and `Array` span everything up to their closing bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Key,
    String,
    Number,
    True,
    False,
    Null,
    Object,
    Array,
}

impl Token {
    pub(crate) const fn is_container(self) -> bool {
        matches!(self, Self::Object | Self::Array)
    }
}

/// Receives the tokens of a document in order.
pub(crate) trait Visitor {
    /// Why a visitor stops the lexer.
    type Error: From<SyntaxError>;

    /// A token's first byte is at offset `at` of the document.
    fn begin(&mut self, token: Token, at: u64) -> Result<(), Self::Error>;

    /// Some of the decoded bytes of a key or string, or of a number's characters. A character may
    /// be cut between two calls.
    fn text(&mut self, token: Token, piece: &[u8]) -> Result<(), Self::Error>;

    /// Whether only the length matters of what is decoded of the token that has begun. It is then
    /// told by [`skipped`](Self::skipped), as far as it can be told without decoding.
    fn skips(&self) -> bool {
        false
    }

    /// So many decoded bytes of a key or string were passed over.
    fn skipped(&mut self, bytes: usize) {
        let _ = bytes;
    }

    /// The token's last byte lies just before offset `end`.
    fn end(&mut self, token: Token, end: u64) -> Result<(), Self::Error>;
}

/// A body that is not one JSON object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid JSON at byte {offset}: {fault}")]
pub struct SyntaxError {
    /// Bytes before the fault.
    pub offset: u64,
    /// What is wrong there.
    pub fault: Fault,
}

/// What can be wrong with JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Something else stands there.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A string holds a byte below 0x20.
    #[error("a control character in a string must be escaped")]
    ControlCharacter,
    /// A backslash is followed by something that JSON does not define.
    #[error("unknown escape sequence in a string")]
    Escape,
    /// Not Unicode.
    #[error("the text is not valid UTF-8")]
    Utf8,
    /// Arrays and objects within each other beyond the limit.
    #[error("nested more than {0} levels deep")]
    Depth(u8),
    /// The body ended first.
    #[error("the document ends before it is complete")]
    Incomplete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Document,
    Value,
    FirstElement,
    FirstKey,
    Key,
    Colon,
    AfterValue,
    AfterDocument,
    Text(Token),
    Escape(Token),
    Hex { token: Token, digits: u8, unit: u16 },
    Number(Number),
    Word { token: Token, rest: &'static [u8] },
}

/// How far a number's grammar has been followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Start,
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl Number {
    /// The stage after `byte`; `None` if `byte` is not part of the number.
    const fn after(self, byte: u8) -> Option<Self> {
        use Number::*;
        Some(match (self, byte) {
            (Start, b'-') => Minus,
            (Start | Minus, b'0') => Zero,
            (Start | Minus, b'1'..=b'9') | (Integer, b'0'..=b'9') => Integer,
            (Zero | Integer, b'.') => Point,
            (Point | Fraction, b'0'..=b'9') => Fraction,
            (Zero | Integer | Fraction, b'e' | b'E') => Exponent,
            (Exponent, b'+' | b'-') => ExponentSign,
            (Exponent | ExponentSign | ExponentDigits, b'0'..=b'9') => ExponentDigits,
            _ => return None,
        })
    }

    const fn may_end(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Integer | Self::Fraction | Self::ExponentDigits
        )
    }
}

const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

/// The state of a document of which some pieces have been seen.
#[derive(Debug)]
pub(crate) struct Lexer {
    state: State,
    /// A bit for each open container, the innermost lowest; set for an object.
    objects: u128,
    depth: u8,
    max_depth: u8,
    offset: u64,
    /// The first half of a surrogate pair whose second half has not come yet.
    high_surrogate: Option<u16>,
}

impl Lexer {
    /// `max_depth` counts the outermost object and is at most [`MAX_DEPTH`].
    pub(crate) fn new(max_depth: u8) -> Self {
        Self {
            state: State::Document,
            objects: 0,
            depth: 0,
            max_depth: max_depth.min(MAX_DEPTH),
            offset: 0,
            high_surrogate: None,
        }
    }

    /// Bytes taken so far.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn push<V: Visitor>(
        &mut self,
        piece: &[u8],
        visitor: &mut V,
    ) -> Result<(), V::Error> {
        let mut rest = piece;
        while !rest.is_empty() {
            let used = self.step(rest, visitor)?;
            self.offset += used as u64;
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// Whether the document is complete.
    pub(crate) fn finish(&self) -> Result<(), SyntaxError> {
        match self.state {
            State::AfterDocument => Ok(()),
            State::Document => Err(self.expected(0, "a JSON object")),
            _ => Err(self.fault(0, Fault::Incomplete)),
        }
    }

    fn fault(&self, ahead: usize, fault: Fault) -> SyntaxError {
        SyntaxError {
            offset: self.offset + ahead as u64,
            fault,
        }
    }

    fn expected(&self, ahead: usize, what: &'static str) -> SyntaxError {
        self.fault(ahead, Fault::Expected(what))
    }

    /// Takes at least one byte of `rest` or changes the state; returns the bytes taken.
    fn step<V: Visitor>(&mut self, rest: &[u8], visitor: &mut V) -> Result<usize, V::Error> {
        match self.state {
            State::Text(token) => self.text(token, rest, visitor),
            State::Escape(token) => self.escape(token, rest, visitor),
            State::Hex {
                token,
                digits,
                unit,
            } => self.hex(token, digits, unit, rest, visitor),
            State::Number(stage) => self.number(stage, rest, visitor),
            State::Word { token, rest: word } => self.word(token, word, rest, visitor),
            _ => self.structure(rest, visitor),
        }
    }

    fn structure<V: Visitor>(&mut self, rest: &[u8], visitor: &mut V) -> Result<usize, V::Error> {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        let blank = rest.iter().take_while(|byte| is_blank(byte)).count();
        let Some(&byte) = rest.get(blank) else {
            return Ok(blank);
        };
        let at = self.offset + blank as u64;
        let in_object = self.objects & 1 == 1;
        match (self.state, byte) {
            (State::Document, b'{') | (State::Value | State::FirstElement, b'{') => {
                self.open(Token::Object, at, visitor)?;
            }
            (State::FirstKey | State::Key, b'"') => {
                visitor.begin(Token::Key, at)?;
                self.state = State::Text(Token::Key);
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::AfterValue, b',') if in_object => self.state = State::Key,
            (State::AfterValue, b',') => self.state = State::Value,
            (State::FirstKey, b'}') => self.close(at, visitor)?,
            (State::AfterValue, b'}') if in_object => self.close(at, visitor)?,
            (State::FirstElement, b']') => self.close(at, visitor)?,
            (State::AfterValue, b']') if !in_object => self.close(at, visitor)?,
            (State::Value | State::FirstElement, _) => {
                return self.value(byte, blank, visitor);
            }
            _ => return Err(self.expected(blank, self.wanted(in_object)).into()),
        }
        Ok(blank + 1)
    }

    fn wanted(&self, in_object: bool) -> &'static str {
        match self.state {
            State::Document => "a JSON object",
            State::FirstKey => "a field name or `}`",
            State::Key => "a field name",
            State::Colon => "`:`",
            State::AfterValue if in_object => "`,` or `}`",
            State::AfterValue => "`,` or `]`",
            State::AfterDocument => "nothing behind the document",
            _ => "a value",
        }
    }

    /// Begins a value other than an object at `blank` bytes ahead.
    fn value<V: Visitor>(
        &mut self,
        byte: u8,
        blank: usize,
        visitor: &mut V,
    ) -> Result<usize, V::Error> {
        let at = self.offset + blank as u64;
        let word = |token, rest| (token, State::Word { token, rest });
        let (token, state) = match byte {
            b'[' => {
                self.open(Token::Array, at, visitor)?;
                return Ok(blank + 1);
            }
            b'"' => (Token::String, State::Text(Token::String)),
            b't' => word(Token::True, b"rue"),
            b'f' => word(Token::False, b"alse"),
            b'n' => word(Token::Null, b"ull"),
            b'-' | b'0'..=b'9' => (Token::Number, State::Number(Number::Start)),
            _ => return Err(self.expected(blank, "a value").into()),
        };
        visitor.begin(token, at)?;
        self.state = state;
        Ok(if token == Token::Number {
            blank
        } else {
            blank + 1
        })
    }

    fn open<V: Visitor>(&mut self, token: Token, at: u64, visitor: &mut V) -> Result<(), V::Error> {
        if self.depth >= self.max_depth {
            let fault = Fault::Depth(self.max_depth);
            return Err(SyntaxError { offset: at, fault }.into());
        }
        visitor.begin(token, at)?;
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(token == Token::Object);
        self.state = match token {
            Token::Object => State::FirstKey,
            _ => State::FirstElement,
        };
        Ok(())
    }

    fn close<V: Visitor>(&mut self, at: u64, visitor: &mut V) -> Result<(), V::Error> {
        let token = if self.objects & 1 == 1 {
            Token::Object
        } else {
            Token::Array
        };
        self.objects >>= 1;
        self.depth -= 1;
        self.state = if self.depth == 0 {
            State::AfterDocument
        } else {
            State::AfterValue
        };
        visitor.end(token, at + 1)
    }

    /// Takes a string to its end, or to the end of what there is. An escape that the piece cuts
    /// needs a state of its own.
    fn text<V: Visitor>(
        &mut self,
        token: Token,
        rest: &[u8],
        visitor: &mut V,
    ) -> Result<usize, V::Error> {
        let skips = visitor.skips();
        let mut used = 0;
        loop {
            let tail = rest.get(used..).unwrap_or_default();
            let run = if skips { skim(tail) } else { plain(tail) };
            let (text, stop) = tail.split_at(run.len);
            if !text.is_empty() {
                self.lone_surrogate(token, visitor)?;
                if skips {
                    visitor.skipped(run.decoded);
                } else {
                    visitor.text(token, text)?;
                }
                used += run.len;
            }
            match *stop {
                [] => return Ok(used),
                [b'\\', escape, ..] if let Some(decoded) = unescape(escape) => {
                    self.lone_surrogate(token, visitor)?;
                    visitor.text(token, &[decoded])?;
                    used += 2;
                }
                [b'\\', b'u', a, b, c, d, ..] if let Some(unit) = code_unit([a, b, c, d]) => {
                    self.code_unit(token, unit, visitor)?;
                    used += 6;
                }
                [b'\\', ..] => {
                    self.state = State::Escape(token);
                    return Ok(used + 1);
                }
                [0..0x20, ..] => return Err(self.fault(used, Fault::ControlCharacter).into()),
                [_, ..] => {
                    self.lone_surrogate(token, visitor)?;
                    let key = token == Token::Key;
                    self.state = if key { State::Colon } else { State::AfterValue };
                    visitor.end(token, self.offset + used as u64 + 1)?;
                    return Ok(used + 1);
                }
            }
        }
    }

    /// Half a surrogate pair stands for no character. It is read as U+FFFD rather than refused:
    /// JSON's grammar allows it, clients that cut strings by UTF-16 units send it, and engines
    /// differ; so it must not decide whether a request passes.
    fn lone_surrogate<V: Visitor>(
        &mut self,
        token: Token,
        visitor: &mut V,
    ) -> Result<(), V::Error> {
        match self.high_surrogate.take() {
            Some(_) => visitor.text(token, REPLACEMENT),
            None => Ok(()),
        }
    }

    fn escape<V: Visitor>(
        &mut self,
        token: Token,
        rest: &[u8],
        visitor: &mut V,
    ) -> Result<usize, V::Error> {
        if rest.first() == Some(&b'u') {
            self.state = State::Hex {
                token,
                digits: 0,
                unit: 0,
            };
            return Ok(1);
        }
        let Some(decoded) = rest.first().and_then(|&byte| unescape(byte)) else {
            return Err(self.fault(0, Fault::Escape).into());
        };
        self.lone_surrogate(token, visitor)?;
        visitor.text(token, &[decoded])?;
        self.state = State::Text(token);
        Ok(1)
    }

    fn hex<V: Visitor>(
        &mut self,
        token: Token,
        digits: u8,
        unit: u16,
        rest: &[u8],
        visitor: &mut V,
    ) -> Result<usize, V::Error> {
        let digit = rest.first().and_then(|&byte| char::from(byte).to_digit(16));
        let Some(digit) = digit else {
            return Err(self.fault(0, Fault::Escape).into());
        };
        let unit = unit << 4 | digit as u16;
        if digits < 3 {
            self.state = State::Hex {
                token,
                digits: digits + 1,
                unit,
            };
        } else {
            self.state = State::Text(token);
            self.code_unit(token, unit, visitor)?;
        }
        Ok(1)
    }

    fn code_unit<V: Visitor>(
        &mut self,
        token: Token,
        unit: u16,
        visitor: &mut V,
    ) -> Result<(), V::Error> {
        let unit = u32::from(unit);
        let code = match (self.high_surrogate, unit) {
            (Some(high), 0xDC00..=0xDFFF) => {
                self.high_surrogate = None;
                0x10000 + ((u32::from(high) - 0xD800) << 10) + (unit - 0xDC00)
            }
            _ => {
                self.lone_surrogate(token, visitor)?;
                unit
            }
        };
        if let 0xD800..=0xDBFF = code {
            self.high_surrogate = Some(code as u16);
            return Ok(());
        }
        let decoded = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        visitor.text(token, decoded.encode_utf8(&mut [0; 4]).as_bytes())
    }

    fn number<V: Visitor>(
        &mut self,
        mut stage: Number,
        rest: &[u8],
        visitor: &mut V,
    ) -> Result<usize, V::Error> {
        let mut used = 0;
        while let Some(next) = rest.get(used).and_then(|&byte| stage.after(byte)) {
            stage = next;
            used += 1;
        }
        if let Some(run @ [_, ..]) = rest.get(..used) {
            visitor.text(Token::Number, run)?;
        }
        let ended = used < rest.len();
        if ended && !stage.may_end() {
            return Err(self.expected(used, "a digit").into());
        }
        self.state = State::Number(stage);
        if ended {
            self.state = State::AfterValue;
            visitor.end(Token::Number, self.offset + used as u64)?;
        }
        Ok(used)
    }

    fn word<V: Visitor>(
        &mut self,
        token: Token,
        word: &'static [u8],
        rest: &[u8],
        visitor: &mut V,
    ) -> Result<usize, V::Error> {
        match word.split_first() {
            Some((expected, after)) if rest.first() == Some(expected) => {
                self.state = State::Word { token, rest: after };
                if after.is_empty() {
                    self.state = State::AfterValue;
                    visitor.end(token, self.offset + 1)?;
                }
                Ok(1)
            }
            _ => Err(self.expected(0, "`true`, `false` or `null`").into()),
        }
    }
}

/// The number that four hexadecimal digits write.
fn code_unit(digits: [u8; 4]) -> Option<u16> {
    digits.into_iter().try_fold(0, |unit, digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(unit << 4 | digit as u16)
    })
}

/// A key or another short string, of which only as much is kept as any name that matters has.
#[derive(Debug, Default)]
pub(crate) struct Name {
    bytes: [u8; Name::CAPACITY],
    len: usize,
}

impl Name {
    /// Longer than any field name of any dialect; longer keys are cut and so match none.
    const CAPACITY: usize = 32;

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        if let Some(free) = self.bytes.get_mut(self.len..) {
            let taken = free.len().min(piece.len());
            for (to, from) in free.iter_mut().zip(piece) {
                *to = *from;
            }
            self.len += taken;
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
