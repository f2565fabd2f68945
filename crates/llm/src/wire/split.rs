//! Where the values of an object or a list stand in its text.
//!
//! A document is checked once, as a whole. Of what is in it all that is left to find is where each value
//! ends: a string at its quote, an object or a list at its bracket. Values that are deep in a document are
//! passed once for each level above them, so this has to be quick.

use memchr::{memchr, memchr2};

/// Passes over a JSON text that is known to be one.
#[derive(Debug)]
pub(super) struct Splitter<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Splitter<'a> {
    /// Begins behind the bracket of an object or a list.
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 1 }
    }

    /// The next value, or the name of the next field; `None` at the end.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        let between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':');
        let rest = bytes.get(self.at..)?;
        let begin = self.at + rest.iter().position(|byte| !between(byte))?;
        let end = begin + end_of(bytes.get(begin..)?);
        self.at = end;
        self.text.get(begin..end).filter(|found| !found.is_empty())
    }
}

/// Where the value that begins here ends; 0 if none begins.
fn end_of(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(b'"') => end_of_string(bytes),
        Some(b'{' | b'[') => end_of_nested(bytes),
        _ => {
            let ends = |byte: &u8| {
                matches!(
                    byte,
                    b',' | b':' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r'
                )
            };
            bytes.iter().position(ends).unwrap_or(bytes.len())
        }
    }
}

/// Behind the quote that ends a string.
fn end_of_string(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(rest) = bytes.get(at..)
        && let Some(found) = memchr2(b'"', b'\\', rest)
    {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

/// Behind the bracket that ends an object or a list.
fn end_of_nested(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += end_of_string(bytes.get(at..).unwrap_or_default());
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

/// What stands between the quotes of a string, if nothing in it is escaped.
pub(super) fn plain(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    memchr(b'\\', inner.as_bytes()).is_none().then_some(inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn pieces(text: &str) -> Vec<&str> {
        let mut splitter = Splitter::new(text);
        std::iter::from_fn(|| splitter.next()).collect()
    }

    #[test]
    fn values_are_found_between_what_separates_them() {
        let check = |text: &str, expect: &[&str]| assert_eq!(pieces(text), expect, "{text}");
        check("[]", &[]);
        check("{ }", &[]);
        check(r#"[1,"a",null]"#, &["1", r#""a""#, "null"]);
        check(
            r#"{"a":{"b":[1,{"c":"]}"}]} , "d\"e" : -1.5e3}"#,
            &[r#""a""#, r#"{"b":[1,{"c":"]}"}]}"#, r#""d\"e""#, "-1.5e3"],
        );
        check("[ [ [ ] ] ,\n\"\\\\\"\t]", &["[ [ ] ]", r#""\\""#]);
        check(r#"["é\u0022","😀"]"#, &[r#""é\u0022""#, r#""😀""#]);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a\"\\\\{}\\[\\],:é\n ]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[a-c\"\\\\]{0,3}", inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_splits_into_its_values(value in json(), pretty: bool) {
            let text = match pretty {
                true => serde_json::to_string_pretty(&value).unwrap(),
                false => value.to_string(),
            };
            let parse = |piece: &str| serde_json::from_str::<Value>(piece).unwrap();
            match &value {
                Value::Array(items) => {
                    let found: Vec<_> = pieces(&text).into_iter().map(parse).collect();
                    prop_assert_eq!(&found, items);
                }
                Value::Object(fields) => {
                    let found: Vec<_> = pieces(&text).into_iter().map(parse).collect();
                    let expect: Vec<_> = fields.iter().flat_map(|(name, value)| [Value::from(name.as_str()), value.clone()]).collect();
                    prop_assert_eq!(found, expect);
                }
                Value::String(inside) => {
                    if let Some(found) = plain(&text) {
                        prop_assert_eq!(found, inside);
                    }
                }
                _ => {}
            }
        }

        #[test]
        fn what_is_no_json_ends(text in "[\\[{\"\\\\\\]},: a1é]{0,12}") {
            prop_assert!(pieces(&text).len() <= text.len());
        }
    }
}
