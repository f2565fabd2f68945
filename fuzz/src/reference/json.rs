//! What serde_json makes of a body.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Whether `body` is one JSON object in at most `max_depth` levels. It need not be Unicode.
pub(crate) fn is_object(body: &[u8], max_depth: usize) -> bool {
    body.trim_ascii_start().starts_with(b"{")
        && serde_json::from_slice::<IgnoredAny>(body).is_ok()
        && depth(body) <= max_depth
}

/// How deep arrays and objects of a valid document lie in each other.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest): (usize, usize) = (0, 0);
    for token in tokens(body) {
        match token {
            [b'{' | b'['] => depth += 1,
            [b'}' | b']'] => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// A valid document's strings, and all bytes between them one by one.
fn tokens(body: &[u8]) -> Vec<&[u8]> {
    let mut tokens = Vec::new();
    let mut rest = body;
    while let Some(first) = rest.first() {
        let len = if *first == b'"' { string_len(rest) } else { 1 };
        let (token, after) = rest.split_at(len);
        tokens.push(token);
        rest = after;
    }
    tokens
}

/// Bytes of the string that `text` begins with, its quotes included.
fn string_len(text: &[u8]) -> usize {
    let mut escaped = false;
    let inner = text.iter().skip(1).take_while(|byte| {
        let ends = **byte == b'"' && !escaped;
        escaped = **byte == b'\\' && !escaped;
        !ends
    });
    (inner.count() + 2).min(text.len())
}

/// The same document in other words: no white space, and every character of a string escaped.
/// `None` if a string holds half a surrogate pair, for which there are no other words.
pub(crate) fn respelled(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for token in tokens(body) {
        match token {
            [b'"', ..] => {
                let text: String = serde_json::from_slice(token).ok()?;
                out.push(b'"');
                for unit in text.encode_utf16() {
                    out.extend(format!("\\u{unit:04x}").bytes());
                }
                out.push(b'"');
            }
            [byte] if byte.is_ascii_whitespace() => {}
            other => out.extend(other),
        }
    }
    Some(out)
}

/// The fields of an object in their order, repeated ones too. `None` if a name holds half a
/// surrogate pair.
pub(crate) fn fields(object: &[u8]) -> Option<Vec<(String, &RawValue)>> {
    Some(serde_json::from_slice::<Fields<'_>>(object).ok()?.0)
}

struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
