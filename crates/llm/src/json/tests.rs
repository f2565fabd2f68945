use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::*;
use crate::testing::{cuts, pieces, value, write};

/// Builds the tree that the lexer describes.
#[derive(Default)]
struct Tree {
    open: Vec<(Token, u64, Vec<Value>, Vec<String>)>,
    text: Vec<u8>,
    spans: Vec<(u64, u64)>,
    starts: Vec<u64>,
    root: Option<Value>,
}

impl Tree {
    fn close(&mut self) -> Value {
        let (token, _, values, keys) = self.open.pop().expect("an open container");
        match token {
            Token::Object => Value::Object(keys.into_iter().zip(values).collect::<Map<_, _>>()),
            _ => Value::Array(values),
        }
    }
}

impl Visitor for Tree {
    type Error = SyntaxError;

    fn begin(&mut self, token: Token, at: u64) -> Result<(), SyntaxError> {
        self.text.clear();
        self.starts.push(at);
        if token.is_container() {
            self.open.push((token, at, Vec::new(), Vec::new()));
        }
        Ok(())
    }

    fn text(&mut self, _: Token, piece: &[u8]) -> Result<(), SyntaxError> {
        self.text.extend_from_slice(piece);
        Ok(())
    }

    fn end(&mut self, token: Token, end: u64) -> Result<(), SyntaxError> {
        let start = self.starts.pop().expect("a begun token");
        self.spans.push((start, end));
        let text = String::from_utf8(self.text.clone());
        let value = match token {
            Token::Key => {
                let keys = &mut self.open.last_mut().expect("an object").3;
                keys.push(text.expect("UTF-8"));
                return Ok(());
            }
            Token::String => text.expect("UTF-8").into(),
            Token::Number => serde_json::from_slice(&self.text).expect("a number"),
            Token::True => true.into(),
            Token::False => false.into(),
            Token::Null => Value::Null,
            Token::Object | Token::Array => self.close(),
        };
        match self.open.last_mut() {
            Some((_, _, values, _)) => values.push(value),
            None => self.root = Some(value),
        }
        Ok(())
    }
}

/// Accepts everything and remembers nothing.
struct Nothing;

impl Visitor for Nothing {
    type Error = SyntaxError;

    fn begin(&mut self, _: Token, _: u64) -> Result<(), SyntaxError> {
        Ok(())
    }

    fn text(&mut self, _: Token, _: &[u8]) -> Result<(), SyntaxError> {
        Ok(())
    }

    fn end(&mut self, _: Token, _: u64) -> Result<(), SyntaxError> {
        Ok(())
    }
}

fn lex<V: Visitor<Error = SyntaxError>>(
    pieces: &[&[u8]],
    visitor: &mut V,
) -> Result<(), SyntaxError> {
    let mut utf8 = Utf8::default();
    let mut lexer = Lexer::new(MAX_DEPTH);
    for piece in pieces {
        utf8.push(piece).map_err(|at| SyntaxError {
            offset: at as u64,
            fault: Fault::Utf8,
        })?;
        lexer.push(piece, visitor)?;
    }
    lexer.finish()?;
    assert!(utf8.is_complete(), "a complete document ends with a brace");
    Ok(())
}

#[track_caller]
fn agrees(bytes: &[u8], cuts: &[usize]) {
    let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
    let expect = is_object
        && std::str::from_utf8(bytes).is_ok()
        && serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    let found = lex(&pieces(bytes, cuts), &mut Nothing);
    assert_eq!(
        found.is_ok(),
        expect,
        "{found:?} in {}",
        String::from_utf8_lossy(bytes)
    );
}

#[test]
fn grammar_is_as_serde_json_has_it() {
    for text in [
        "{}",
        " {\n} ",
        "{\"a\":1}",
        "{\"a\":[]}",
        "{\"a\":[1,-0,0.5,1e9,1E+2,2e-3]}",
        "",
        " ",
        "[]",
        "1",
        "null",
        "\"a\"",
        "{",
        "}",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":1.}",
        "{\"a\":.1}",
        "{\"a\":1e}",
        "{\"a\":1e+}",
        "{\"a\":+1}",
        "{\"a\":--1}",
        "{\"a\":0x1}",
        "{\"a\":NaN}",
        "{\"a\":tru}",
        "{\"a\":trueX}",
        "{\"a\":nul1}",
        "{} {}",
        "{}x",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\" 1}",
        "{\"a\"::1}",
        "{\"a\":[1 2]}",
        "{\"a\":[1}",
        "{\"a\":{]}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\u12G4\"}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\",
        "{\"a\":\"b",
        "{\"\\u0061\":\"/\\/\"}",
        "\u{FEFF}{}",
        "{\"a\":\"\u{7f}\"}",
        "{\u{a0}}",
        "{\"a\":1\u{c}}",
    ] {
        agrees(text.as_bytes(), &[]);
        let every: Vec<usize> = (0..text.len()).collect();
        agrees(text.as_bytes(), &every);
    }
}

#[track_caller]
fn decodes(escaped: &str, expect: &str) {
    let body = format!("{{\"a\":\"{escaped}\"}}");
    for cuts in [vec![], (0..body.len()).collect()] {
        let mut tree = Tree::default();
        lex(&pieces(body.as_bytes(), &cuts), &mut tree).expect("JSON");
        assert_eq!(
            tree.root,
            Some(serde_json::json!({ "a": expect })),
            "{escaped}"
        );
    }
}

#[test]
fn half_surrogates_become_replacements() {
    decodes(r"\ud83d\ude00", "😀");
    decodes(r"\ud83d", "\u{FFFD}");
    decodes(r"\ud83dx", "\u{FFFD}x");
    decodes(r"\ud83d\n", "\u{FFFD}\n");
    decodes(r"\ud83d\ud83d\ude00", "\u{FFFD}😀");
    decodes(r"\ude00\ud83d", "\u{FFFD}\u{FFFD}");
    decodes(r"\ud83d\u0041", "\u{FFFD}A");
    decodes(r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t");
}

#[track_caller]
fn fails(body: &[u8], offset: u64, fault: Fault) {
    let found = lex(&[body], &mut Nothing);
    assert_eq!(
        found,
        Err(SyntaxError { offset, fault }),
        "{}",
        String::from_utf8_lossy(body)
    );
}

#[test]
fn errors_tell_where_and_what() {
    fails(b"[]", 0, Fault::Expected("a JSON object"));
    fails(b"{\"a\" 1}", 5, Fault::Expected("`:`"));
    fails(b"{\"a\":1.x}", 7, Fault::Expected("a digit"));
    fails(b"{\"a\":[1}", 7, Fault::Expected("`,` or `]`"));
    fails(b"{\"a\":1", 6, Fault::Incomplete);
    fails(b"{\"a\":\"b\nc\"}", 7, Fault::ControlCharacter);
    fails(b"{\"a\":\"01234567\x1F\"}", 14, Fault::ControlCharacter);
    fails(b"{\"a\":\"\\q\"}", 7, Fault::Escape);
    fails(b"{\"a\":\"b\xFF\"}", 7, Fault::Utf8);
    fails(b"{} 1", 3, Fault::Expected("nothing behind the document"));
}

#[test]
fn nesting_is_bounded() {
    let nested =
        |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth)).into_bytes();
    assert_eq!(lex(&[&nested(128)], &mut Nothing), Ok(()));
    fails(&nested(129), 128 * 5, Fault::Depth(128));
    let mut shallow = Lexer::new(2);
    let found = shallow.push(b"{\"a\":[{}]}", &mut Nothing);
    assert_eq!(
        found,
        Err(SyntaxError {
            offset: 6,
            fault: Fault::Depth(2)
        })
    );
}

proptest! {
    #[test]
    fn any_writing_and_any_split_means_the_same(
        value in value(), seed: u64, cuts in cuts()
    ) {
        let body = serde_json::json!({ "a": value, "b": [] });
        let bytes = write(&body, seed);
        let mut tree = Tree::default();
        lex(&pieces(&bytes, &cuts), &mut tree).expect("JSON");
        prop_assert_eq!(tree.root, Some(body));
        let mut whole = Tree::default();
        lex(&[&bytes], &mut whole).expect("JSON");
        prop_assert_eq!(&tree.spans, &whole.spans);
        for (start, end) in tree.spans {
            let raw = &bytes[start as usize..end as usize];
            prop_assert!(serde_json::from_slice::<IgnoredAny>(raw).is_ok());
        }
    }

    #[test]
    fn arbitrary_bytes_are_judged_as_serde_json_judges(
        bytes in prop::collection::vec(prop_oneof![
            prop::sample::select(b"{}[]\",:\\u019.eE+-truefalsn \n\x01\xC3\xA9\xF0".to_vec()),
            any::<u8>(),
        ], 0..24),
        cuts in cuts()
    ) {
        agrees(&bytes, &cuts);
        agrees(&[b"{\"a\":", &bytes[..], b"}"].concat(), &cuts);
        agrees(&[b"{\"a\":\"", &bytes[..], b"\"}"].concat(), &cuts);
    }

    #[test]
    fn damaged_json_is_judged_as_serde_json_judges(
        value in value(), seed: u64, cuts in cuts(),
        damage in prop::collection::vec((any::<usize>(), any::<u8>(), 0..3u8), 1..3)
    ) {
        let mut bytes = write(&serde_json::json!({ "a": value }), seed);
        for (at, byte, kind) in damage {
            let at = at % bytes.len();
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b"{}[]\",:\\0-"[usize::from(byte) % 10]),
                _ => drop(bytes.remove(at)),
            }
        }
        agrees(&bytes, &cuts);
    }
}
