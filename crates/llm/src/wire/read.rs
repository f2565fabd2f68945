//! Reading.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::split::{Splitter, plain};
use crate::error::{ApiError, ErrorKind};

/// Why a value is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {message}")]
pub struct Fault {
    /// The path of the field, such as `messages[2].content[0].type`; empty for the whole document.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// A machine-readable reason, if clients know one.
    pub code: Option<&'static str>,
}

impl Fault {
    pub(crate) fn new(field: impl fmt::Display, message: impl Into<String>) -> Self {
        Self {
            field: cut(field.to_string(), 200),
            message: cut(message.into(), 400),
            code: None,
        }
    }

    /// Names a reason that clients know.
    pub(crate) const fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }
}

/// The text, of which the middle is left out if it has more than `most` bytes: names and values that
/// faults repeat are the client's, and may be as long as a body. What a fault says of them stands
/// before and behind.
pub(crate) fn cut(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let part = most * 2 / 5;
    let head = (0..=part).rev().find_map(|at| text.get(..at));
    let tail = (text.len() - part..=text.len()).find_map(|at| text.get(at..));
    [head.unwrap_or_default(), "…", tail.unwrap_or_default()].concat()
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        let mut error = Self::new(ErrorKind::InvalidRequest, fault.to_string());
        error.code = fault.code.map(str::to_owned);
        if fault.field.is_empty() {
            error
        } else {
            error.with_param(fault.field)
        }
    }
}

/// Fields of an object and items of a list at most: a bound of memory, far beyond any use.
const MAX_FIELDS: usize = 1 << 12;
const MAX_ITEMS: usize = 1 << 16;

/// Where a value stands. A chain of borrowed steps, which costs nothing until it is written out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Field(Path::Root, name) => f.write_str(name),
            Path::Field(parent, name) => write!(f, "{parent}.{name}"),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// How what nobody has taken is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// A request may mean something by it.
    Refused,
    /// An answer has more to say with every version of its API.
    PassedOver,
}

/// A value as it is written, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a, 'p> {
    raw: &'a str,
    path: Path<'p>,
    unknown: Unknown,
}

impl<'a> Value<'a, 'static> {
    /// The value of a whole document.
    ///
    /// # Errors
    /// If it is not one JSON document.
    pub(crate) fn document(text: &'a [u8]) -> Result<Self, Fault> {
        match serde_json::from_slice::<&RawValue>(text) {
            Ok(raw) => Ok(Self {
                raw: raw.get(),
                path: Path::Root,
                unknown: Unknown::Refused,
            }),
            Err(error) => Err(Fault::new("", format!("is not JSON: {error}"))),
        }
    }

    /// The value of a whole answer, or of an event of one: fields that are not known are passed over
    /// in all of it.
    ///
    /// # Errors
    /// If it is not one JSON document.
    pub(crate) fn answer(text: &'a [u8]) -> Result<Self, Fault> {
        Ok(Self {
            unknown: Unknown::PassedOver,
            ..Self::document(text)?
        })
    }
}

impl<'a, 'p> Value<'a, 'p> {
    /// The value as it is written.
    pub(crate) fn raw(self) -> &'a str {
        self.raw
    }

    pub(crate) fn path(&self) -> &Path<'p> {
        &self.path
    }

    pub(crate) fn is_text(self) -> bool {
        self.raw.starts_with('"')
    }

    pub(crate) fn is_list(self) -> bool {
        self.raw.starts_with('[')
    }

    pub(crate) fn is_object(self) -> bool {
        self.raw.starts_with('{')
    }

    /// A fault of this value.
    pub(crate) fn fault(self, message: impl Into<String>) -> Fault {
        Fault::new(self.path, message)
    }

    /// A fault of a value that should be something else.
    pub(crate) fn expected(self, what: &str) -> Fault {
        self.fault(format!("must be {what}, not {}", self.kind()))
    }

    fn kind(self) -> &'static str {
        match self.raw.as_bytes().first() {
            Some(b'"') => "a string",
            Some(b'[') => "a list",
            Some(b'{') => "an object",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }

    fn parse<T: Deserialize<'a>>(self, what: &str) -> Result<T, Fault> {
        serde_json::from_str(self.raw).map_err(|error| {
            let expected = self.expected(what);
            // Of the right kind, and yet not right: an escape that is no character, too many items.
            if what == self.kind() {
                self.fault(format!("cannot be read: {error}"))
            } else {
                expected
            }
        })
    }

    /// Text; borrowed unless something in it is escaped. Half of a surrogate pair, which JSON can
    /// escape and no text can hold, becomes U+FFFD: a client or an engine that cuts text in the middle
    /// of a character is served nevertheless, as it is where its bytes are passed on.
    pub(crate) fn text(self) -> Result<Cow<'a, str>, Fault> {
        if let Some(text) = plain(self.raw) {
            return Ok(Cow::Borrowed(text));
        }
        let text = self.parse::<Text<'a>>("a string").map(|text| text.0);
        text.or_else(|fault| {
            let whole = serde_json::from_str(self.raw).ok();
            whole
                .and_then(whole_characters)
                .map(Cow::Owned)
                .ok_or(fault)
        })
    }

    pub(crate) fn boolean(self) -> Result<bool, Fault> {
        self.parse("a boolean")
    }

    pub(crate) fn number(self) -> Result<f64, Fault> {
        self.parse("a number")
    }

    /// A count; a float without a fraction is one.
    pub(crate) fn count(self) -> Result<u64, Fault> {
        if let Ok(count) = serde_json::from_str(self.raw) {
            return Ok(count);
        }
        let number: f64 = self.parse("a whole number that is not negative")?;
        whole(number)
            .and_then(|number| u64::try_from(number).ok())
            .ok_or_else(|| self.fault("must be a whole number that is not negative"))
    }

    /// A whole number; a float without a fraction is one.
    pub(crate) fn integer(self) -> Result<i64, Fault> {
        if let Ok(integer) = serde_json::from_str(self.raw) {
            return Ok(integer);
        }
        let number: f64 = self.parse("a whole number")?;
        whole(number).ok_or_else(|| self.fault("must be a whole number"))
    }

    /// The text of an object, opaque.
    pub(crate) fn opaque_object(self) -> Result<Cow<'a, str>, Fault> {
        if self.is_object() {
            Ok(Cow::Borrowed(self.raw))
        } else {
            Err(self.expected("an object"))
        }
    }

    /// The fields of an object. Of a repeated field the last counts.
    pub(crate) fn object(self) -> Result<Object<'a, 'p>, Fault> {
        if !self.is_object() {
            return Err(self.expected("an object"));
        }
        let mut fields = SmallVec::new();
        let mut splitter = Splitter::new(self.raw);
        while let (Some(name), Some(value)) = (splitter.next(), splitter.next()) {
            if fields.len() >= MAX_FIELDS {
                let message = format!("cannot be read: more than {MAX_FIELDS} fields");
                return Err(self.fault(message));
            }
            fields.push((self.name(name)?, value));
        }
        Ok(Object {
            fields,
            path: self.path,
            unknown: self.unknown,
        })
    }

    /// The name of a field.
    fn name(self, raw: &'a str) -> Result<Cow<'a, str>, Fault> {
        if let Some(name) = plain(raw) {
            return Ok(Cow::Borrowed(name));
        }
        let name: Result<Text<'a>, _> = serde_json::from_str(raw);
        name.map(|name| name.0)
            .map_err(|error| self.fault(format!("cannot be read: {error}")))
    }

    /// Reads each item of a list.
    pub(crate) fn each(
        self,
        mut read: impl FnMut(Value<'a, '_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if !self.is_list() {
            return Err(self.expected("a list"));
        }
        let mut splitter = Splitter::new(self.raw);
        let mut index = 0;
        while let Some(raw) = splitter.next() {
            if index >= MAX_ITEMS {
                let message = format!("cannot be read: more than {MAX_ITEMS} items");
                return Err(self.fault(message));
            }
            read(Value {
                raw,
                path: Path::Index(&self.path, index),
                unknown: self.unknown,
            })?;
            index += 1;
        }
        Ok(())
    }

    /// The items of a list.
    pub(crate) fn list<T>(
        self,
        mut read: impl FnMut(Value<'a, '_>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let mut items = Vec::new();
        self.each(|item| {
            items.push(read(item)?);
            Ok(())
        })?;
        Ok(items)
    }
}

/// The number, if it is whole and as exact as a float can be.
fn whole(number: f64) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, and less than 2^53 from zero"
    )]
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

/// The fields of an object, of which some have been taken.
#[derive(Debug)]
pub(crate) struct Object<'a, 'p> {
    fields: SmallVec<[(Cow<'a, str>, &'a str); 8]>,
    path: Path<'p>,
    unknown: Unknown,
}

impl<'a, 'p> Object<'a, 'p> {
    /// A fault of one of its fields.
    pub(crate) fn fault(&self, name: &str, message: impl Into<String>) -> Fault {
        Fault::new(Path::Field(&self.path, name), message)
    }

    fn remove(&mut self, name: &str) -> Option<&'a str> {
        let mut found = None;
        self.fields.retain(|(key, raw)| {
            let this = key == name;
            if this {
                found = Some(*raw);
            }
            !this
        });
        found
    }

    /// Whether the field is there and not `null`, taken or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields
            .iter()
            .any(|(key, raw)| key == name && *raw != "null")
    }

    /// A field as it is written, without taking it.
    pub(crate) fn peek(&self, name: &str) -> Option<&'a str> {
        let mut fields = self.fields.iter();
        fields.find(|(key, _)| key == name).map(|(_, raw)| *raw)
    }

    /// The names of the fields that are not `null` and have not been taken.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Cow<'a, str>> {
        let fields = self.fields.iter().filter(|(_, raw)| *raw != "null");
        fields.map(|(key, _)| key)
    }

    /// Takes a field and reads it; `None` if it is absent or `null`.
    pub(crate) fn take<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value<'a, '_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let raw = self.remove(name).filter(|raw| *raw != "null");
        raw.map(|raw| {
            read(Value {
                raw,
                path: Path::Field(&self.path, name),
                unknown: self.unknown,
            })
        })
        .transpose()
    }

    /// Takes a field that must be there.
    pub(crate) fn require<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value<'a, '_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.take(name, read)?
            .ok_or_else(|| self.fault(name, "is missing"))
    }

    /// Takes a text that may be absent.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, Fault> {
        self.take(name, |value| value.text())
    }

    /// Takes a text that must be there.
    pub(crate) fn require_text(&mut self, name: &str) -> Result<Cow<'a, str>, Fault> {
        self.require(name, |value| value.text())
    }

    /// Takes a field as it is written.
    pub(crate) fn opaque(&mut self, name: &str) -> Option<&'a str> {
        self.remove(name).filter(|raw| *raw != "null")
    }

    /// Takes fields that say nothing that must be carried over.
    pub(crate) fn ignore(&mut self, names: &[&str]) {
        self.fields.retain(|(key, _)| !names.contains(&&**key));
    }

    /// What nobody has taken, other than `null`.
    pub(crate) fn rest(self) -> impl Iterator<Item = (Cow<'a, str>, &'a str)> {
        self.all().filter(|(_, raw)| *raw != "null")
    }

    /// What nobody has taken, whatever it is.
    pub(crate) fn all(self) -> impl Iterator<Item = (Cow<'a, str>, &'a str)> {
        self.fields.into_iter()
    }

    /// Refuses what nobody has taken, unless it stands in an answer.
    ///
    /// # Errors
    /// The first such field.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        if self.unknown == Unknown::PassedOver {
            return Ok(());
        }
        let path = self.path;
        match self.rest().next() {
            None => Ok(()),
            Some((name, _)) => Err(Fault::new(
                Path::Field(&path, &name),
                "has no counterpart in the API of the model that was asked for",
            )),
        }
    }
}

/// Text that is borrowed where it can be.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Text in which halves of surrogate pairs are encoded as if they were characters.
struct Halves(Vec<u8>);

impl<'de> Deserialize<'de> for Halves {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Gather;
        impl Visitor<'_> for Gather {
            type Value = Halves;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Halves(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Gather)
    }
}

/// The text with U+FFFD, which is as long, in the place of each half.
fn whole_characters(Halves(mut bytes): Halves) -> Option<String> {
    for at in 0..bytes.len() {
        if let Some([0xED, 0xA0..=0xBF, _]) = bytes.get(at..at + 3)
            && let Some(half) = bytes.get_mut(at..at + 3)
        {
            half.copy_from_slice("\u{FFFD}".as_bytes());
        }
    }
    String::from_utf8(bytes).ok()
}
