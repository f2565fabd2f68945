//! What of a document must not be shown: literal secrets.
//!
//! A literal where a reference belongs is itself an error, and the excerpt of that very line goes
//! to logs and terminals; so excerpts are cut from a masked text. Two recognisers, since either
//! alone misses cases: by the tree (aliases, block scalars, a header's value beside its name) and
//! by the looks of a line (text after a fault of syntax never becomes a tree). Both would rather
//! mask too much. The user and password of a URL are hidden wherever one stands. The masked text has
//! the same length in bytes, so positions stay true.

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::text::Span;
use crate::tree::{self, Node, Value};

/// Endings of keys and header names whose value is secret, with case and punctuation removed.
/// Endings, so that `maxTokens` and `keyFile` stay readable.
const SECRET_ENDINGS: [&str; 12] = [
    "apikey",
    "accesskey",
    "authorization",
    "cookie",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "token",
];

/// The text with `secrets`, and what looks like one, replaced byte by byte with `*`.
pub(crate) fn mask(text: &str, secrets: impl Iterator<Item = Range<usize>>) -> String {
    let hidden = secrets.chain(by_looks(text)).chain(users(text));
    let hidden: Vec<Range<usize>> = hidden.collect();
    let mut bytes = text.as_bytes().to_vec();
    for range in hidden {
        let range = range.start..range.end.min(bytes.len());
        for byte in bytes.get_mut(range).unwrap_or_default() {
            if !byte.is_ascii_whitespace() {
                *byte = b'*';
            }
        }
    }
    // A range that cut a character in two would leave invalid UTF-8: then show nothing.
    String::from_utf8(bytes).unwrap_or_else(|_| "*".repeat(text.len()))
}

/// The spans of secret values in a text, as far as its syntax can be read.
pub(crate) fn secrets(text: &str) -> Vec<Span> {
    let mut secrets = Vec::new();
    for document in &tree::parse(text).documents {
        collect(document, &mut secrets);
    }
    secrets
}

/// Adds the spans of secret values below `node`.
fn collect(node: &Node, secrets: &mut Vec<Span>) {
    if let Value::Sequence(items) = &node.value {
        items.iter().for_each(|item| collect(item, secrets));
    }
    let secret_pair = names_secret_header(node);
    for entry in node.entries() {
        if is_secret(&entry.key) || (secret_pair && &*entry.key == "value") {
            collect_literals(&entry.value, secrets);
        } else {
            collect(&entry.value, secrets);
        }
    }
}

fn collect_literals(node: &Node, secrets: &mut Vec<Span>) {
    match &node.value {
        Value::Scalar { text, .. } if is_reference(text) || text.is_empty() => {}
        Value::Scalar { .. } => secrets.push(node.span),
        Value::Sequence(items) => items
            .iter()
            .for_each(|item| collect_literals(item, secrets)),
        Value::Mapping(entries) => {
            entries
                .iter()
                .for_each(|entry| collect_literals(&entry.value, secrets));
        }
    }
}

/// `{name: authorization, value: …}`.
fn names_secret_header(node: &Node) -> bool {
    let name = node.entry("name").map(|entry| &entry.value.value);
    matches!(name, Some(Value::Scalar { text, .. }) if is_secret(text))
}

fn is_secret(key: &str) -> bool {
    SECRET_ENDINGS.iter().any(|ending| {
        let mut letters = key.chars().rev().filter(|c| c.is_alphanumeric());
        let mut letter = || letters.next().map(|c| c.to_ascii_lowercase());
        ending.chars().rev().all(|wanted| letter() == Some(wanted))
    })
}

fn is_reference(text: &str) -> bool {
    text.strip_prefix("${")
        .and_then(|rest| rest.split_once('}'))
        .is_some_and(|(_, rest)| rest.is_empty())
}

/// Values after what looks like a secret key, to the end of the line and on through the lines that
/// are indented deeper than the key.
fn by_looks(text: &str) -> Vec<Range<usize>> {
    let lines = lines(text);
    let mut hidden = Vec::new();
    let mut key_column = None;
    for (index, &(start, line)) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if key_column.is_some_and(|column| line.trim().is_empty() || indent > column) {
            hidden.push(start..start + line.len());
            continue;
        }
        let beside = lines.get(index.saturating_sub(1)..(index + 2).min(lines.len()));
        let header = beside
            .unwrap_or_default()
            .iter()
            .any(|(_, line)| has_secret_name(line));
        let found = secret_value(line, header);
        key_column = found.map(|(column, _)| column);
        hidden.extend(found.map(|(_, value)| start + value..start + line.len()));
    }
    hidden
}

/// What stands in URLs before `@`. A URL ends at a blank, or at the quote that it stands in; other
/// quotes may be part of a password.
fn users(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices("://").filter_map(|(at, slashes)| {
        let start = at + slashes.len();
        let rest = text.get(start..)?;
        let scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let before = text.get(..at)?.trim_end_matches(scheme).chars().next_back();
        let quote = before.filter(|c| "\"'".contains(*c));
        let url = rest.split(|c: char| c.is_whitespace() || Some(c) == quote);
        let user = url.into_iter().next()?.rfind('@')?;
        Some(start..start + user)
    })
}

/// The lines with the byte offset at which each begins.
fn lines(text: &str) -> Vec<(usize, &str)> {
    let mut start = 0;
    let numbered = text.split_inclusive(['\n', '\r']).map(|line: &str| {
        start += line.len();
        (start - line.len(), line)
    });
    numbered.collect()
}

/// Where in the line the first key of a secret stands and where its value begins.
fn secret_value(line: &str, beside_secret_name: bool) -> Option<(usize, usize)> {
    line.match_indices(':')
        .map(|(colon, _)| colon)
        .find_map(|colon| {
            let before = line.get(..colon)?;
            let key = key_before(before);
            let secret = is_secret(key) || (beside_secret_name && key == "value");
            let column = before
                .rfind(key)?
                .saturating_sub(usize::from(before.ends_with(['"', '\''])));
            let value = line.get(colon + 1..)?;
            (secret && !starts_with_reference(value)).then_some((column, colon + 1))
        })
}

fn has_secret_name(line: &str) -> bool {
    line.match_indices(':').any(|(colon, _)| {
        let (before, after) = line.split_at(colon);
        let name = after.trim_start_matches([':', ' ', '"', '\'']);
        let name = name
            .split([' ', '"', '\'', ',', '}', '\n', '\r'])
            .next()
            .unwrap_or_default();
        key_before(before) == "name" && is_secret(name)
    })
}

fn key_before(text: &str) -> &str {
    let text = text.trim_end().trim_end_matches(['"', '\'']);
    let begin = text.rfind(|c: char| !c.is_alphanumeric() && !"-_.".contains(c));
    text.get(begin.map_or(0, |at| at + 1)..).unwrap_or(text)
}

/// `${…}`, quoted or not, and nothing glued to it.
fn starts_with_reference(value: &str) -> bool {
    let value = value.trim_start().trim_start_matches(['"', '\'']);
    let rest = value
        .strip_prefix("${")
        .and_then(|rest| rest.split_once('}'))
        .map(|(_, rest)| rest);
    let rest = rest.map(|rest| rest.trim_start_matches(['"', '\'']));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([',', '}', ']', ' ', '\n', '\r']))
}
