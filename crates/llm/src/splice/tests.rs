use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::scan::{ScanOptions, Scanner, Schema};
use crate::testing::{chat_request, cuts, pieces, write};
use crate::{Api, Dialect, Operation};

fn scan(body: &[u8]) -> Scan {
    let api = Api {
        dialect: Dialect::OpenAi,
        operation: Operation::ChatCompletions,
    };
    let schema = Schema::of(api).expect("a body");
    let mut scanner = Scanner::new(schema, ScanOptions::default());
    scanner.push(body).expect("valid");
    scanner.finish().expect("valid")
}

/// A scan of what is asked of Gemini's `embedder`.
fn scan_gemini(body: &[u8], method: &str) -> Scan {
    let path = format!("/v1beta/models/embedder:{method}");
    let api = Api {
        dialect: Dialect::Gemini,
        operation: gemini::path::operation(&path).expect("an operation"),
    };
    let schema = Schema::of(api).expect("a body");
    let mut scanner = Scanner::new(schema, ScanOptions::default());
    for byte in body.chunks(1) {
        scanner.push(byte).expect("valid");
    }
    let mut scan = scanner.finish().expect("valid");
    scan.read_path(api, &path);
    scan
}

fn apply(edits: &Edits, pieces: &[&[u8]]) -> Vec<u8> {
    let (mut splicer, mut out) = (edits.splicer(), Vec::new());
    for piece in pieces {
        splicer.push(Bytes::copy_from_slice(piece), &mut out);
    }
    splicer.finish(&mut out);
    assert!(out.iter().all(|bytes| !bytes.is_empty()));
    out.concat()
}

#[track_caller]
fn check(body: &str, rewrite: Rewrite<'_>, expect: &str) {
    let edits = Edits::rewrite(&scan(body.as_bytes()), &rewrite);
    let whole = apply(&edits, &[body.as_bytes()]);
    assert_eq!(String::from_utf8_lossy(&whole), expect);
    let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
    assert_eq!(apply(&edits, &bytes), whole);
    assert_eq!(body.len() as i64 + edits.delta(), expect.len() as i64);
    assert_eq!(edits.is_empty(), body == expect);
}

const USAGE: Rewrite<'static> = Rewrite {
    model: None,
    include_usage: true,
    clear_stream_options: false,
};

#[test]
fn the_model_is_replaced() {
    let model = |model| Rewrite {
        model: Some(model),
        include_usage: false,
        clear_stream_options: false,
    };
    check(
        r#"{ "model" : "a", "x":1}"#,
        model("b"),
        r#"{ "model" : "b", "x":1}"#,
    );
    check(
        r#"{"model":"a"}"#,
        model("q\"\\\n"),
        r#"{"model":"q\"\\\n"}"#,
    );
    check(
        r#"{"x":1,"model":null}"#,
        model("b"),
        r#"{"x":1,"model":"b"}"#,
    );
    check(r#"{"x":1}"#, model("b"), r#"{"model":"b","x":1}"#);
    check("{}", model("b"), r#"{"model":"b"}"#);
    check(r#"{"model":"\u0061"}"#, model("a"), r#"{"model":"\u0061"}"#);
}

#[test]
fn the_options_of_a_stream_are_emptied() {
    let check = |body: &str, expect: &str| {
        let rewrite = Rewrite {
            clear_stream_options: true,
            ..Rewrite::default()
        };
        check(body, rewrite, expect);
    };
    check(
        r#"{"stream":true,"stream_options":{"include_usage": true, "x":[1]},"model":"m"}"#,
        r#"{"stream":true,"stream_options":{},"model":"m"}"#,
    );
    for body in [
        r#"{"stream_options":{},"model":"m"}"#,
        r#"{"stream_options":null,"model":"m"}"#,
        r#"{"stream":true,"model":"m"}"#,
    ] {
        check(body, body);
    }
}

#[test]
fn usage_is_not_asked_for_where_it_comes_unasked() {
    let api = Api {
        dialect: Dialect::Anthropic,
        operation: Operation::ChatCompletions,
    };
    let schema = Schema::of(api).expect("a body");
    let mut scanner = Scanner::new(schema, ScanOptions::default());
    scanner
        .push(br#"{"stream":true,"model":"a"}"#)
        .expect("valid");
    let scan = scanner.finish().expect("valid");
    assert!(scan.wants_stream() && Edits::rewrite(&scan, &USAGE).is_empty());
    let rewrite = Rewrite {
        model: Some("b"),
        ..USAGE
    };
    assert_eq!(Edits::rewrite(&scan, &rewrite).iter().count(), 1);
}

#[test]
fn usage_is_asked_for() {
    check(
        r#"{"stream":true}"#,
        USAGE,
        r#"{"stream_options":{"include_usage":true},"stream":true}"#,
    );
    for options in ["null", "{}", "{ }", r#"{"include_usage":true}"#] {
        let body = format!(r#"{{"stream_options":{options},"stream":true}}"#);
        check(
            &body,
            USAGE,
            r#"{"stream_options":{"include_usage":true},"stream":true}"#,
        );
    }
    for value in ["false", "null"] {
        let body =
            format!(r#"{{"stream":true,"stream_options":{{"a":[1],"include_usage": {value}}}}}"#);
        let expect = r#"{"stream":true,"stream_options":{"a":[1],"include_usage": true}}"#;
        check(&body, USAGE, expect);
    }
    check(
        r#"{"stream":true,"stream_options":{"a":1}}"#,
        USAGE,
        r#"{"stream":true,"stream_options":{"include_usage":true,"a":1}}"#,
    );
}

#[test]
fn usage_is_not_asked_for_without_a_stream() {
    for body in [
        r#"{"stream":false}"#,
        "{}",
        r#"{"stream":null,"stream_options":null}"#,
    ] {
        check(body, USAGE, body);
    }
}

#[test]
fn both_are_done_at_once() {
    let rewrite = Rewrite {
        model: Some("long-name"),
        include_usage: true,
        clear_stream_options: false,
    };
    check(
        r#"{"stream":true}"#,
        rewrite,
        r#"{"model":"long-name","stream_options":{"include_usage":true},"stream":true}"#,
    );
    check(
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":false}}"#,
        rewrite,
        r#"{"model":"long-name","stream":true,"stream_options":{"include_usage":true}}"#,
    );
}

#[test]
fn untouched_bytes_are_not_copied() {
    let body = Bytes::from_static(br#"{"model":"a","x":"0123456789"}"#);
    let edits = Edits::rewrite(
        &scan(&body),
        &Rewrite {
            model: Some("b"),
            ..Rewrite::default()
        },
    );
    let (mut splicer, mut out) = (edits.splicer(), Vec::new());
    splicer.push(body.clone(), &mut out);
    splicer.finish(&mut out);
    assert_eq!(out.len(), 3);
    assert_eq!(out[0].as_ptr(), body.as_ptr());
    assert_eq!(out[2].as_ptr(), body[12..].as_ptr());
}

fn edit(start: u64, end: u64, text: &'static str) -> Edit {
    Edit {
        span: Span { start, end },
        replacement: Bytes::from_static(text.as_bytes()),
    }
}

#[test]
fn edits_may_touch_but_not_overlap() {
    let touching = Edits::new([edit(2, 4, "B"), edit(0, 2, "A"), edit(4, 4, "C")]);
    let touching = touching.expect("no overlap");
    assert_eq!(apply(&touching, &[b"0123", b"45"]), b"ABC45");
    assert_eq!(
        Edits::new([edit(0, 3, ""), edit(2, 4, "")]),
        Err(OverlapError { at: 2 })
    );
    assert_eq!(
        Edits::new([edit(1, 4, ""), edit(2, 2, "x")]),
        Err(OverlapError { at: 2 })
    );
}

#[test]
fn insertions_at_the_ends_are_made() {
    let edits = Edits::new([edit(0, 0, "<"), edit(3, 3, ">"), edit(3, 3, "!")]).expect("ordered");
    for pieces in [&[&b"abc"[..]][..], &[b"a", b"bc"], &[b"", b"abc", b""]] {
        assert_eq!(apply(&edits, pieces), b"<abc>!");
    }
    assert_eq!(
        apply(&Edits::new([edit(0, 0, "x")]).expect("one"), &[]),
        b"x"
    );
}

fn with_usage(body: &Value) -> Value {
    let mut body = body.clone();
    if body["stream"] == json!(true) {
        if !body["stream_options"].is_object() {
            body["stream_options"] = json!({});
        }
        body["stream_options"]["include_usage"] = json!(true);
    }
    body
}

proptest! {
    #[test]
    fn a_rewrite_changes_what_it_says_and_nothing_else(
        body in chat_request(), model in ".{0,12}", seed: u64, cuts in cuts()
    ) {
        let bytes = write(&body, seed);
        let rewrite = Rewrite { model: Some(&model), ..USAGE };
        let edits = Edits::rewrite(&scan(&bytes), &rewrite);
        let changed = apply(&edits, &pieces(&bytes, &cuts));
        prop_assert_eq!(changed.len() as i64, bytes.len() as i64 + edits.delta());

        let mut expect = with_usage(&body);
        expect["model"] = json!(model);
        prop_assert_eq!(serde_json::from_slice::<Value>(&changed).expect("JSON"), expect);

        let again = scan(&changed);
        prop_assert_eq!(again.model.as_ref().map(|field| &field.value), Some(&model));
        prop_assert!(again.wants_usage() || !again.wants_stream());
        prop_assert!(Edits::rewrite(&again, &rewrite).is_empty());
    }

    #[test]
    fn any_split_gives_the_same(
        body in "[a-z]{0,40}", ends in prop::collection::vec((0..5u64, 0..5u64), 0..6), cuts in cuts()
    ) {
        let (mut at, mut edits, mut expect) = (0, Vec::new(), String::new());
        for (gap, len) in ends {
            let (start, end) = (at + gap, at + gap + len);
            if end > body.len() as u64 {
                break;
            }
            edits.push(edit(start, end, "<>"));
            expect += &body[at as usize..start as usize];
            expect += "<>";
            at = end;
        }
        expect += &body[at as usize..];
        let edits = Edits::new(edits).expect("in order");
        let spliced = apply(&edits, &pieces(body.as_bytes(), &cuts));
        prop_assert_eq!(String::from_utf8_lossy(&spliced), expect);
    }
}

#[test]
fn a_model_that_the_path_names_too_is_renamed_with_it() {
    let check = |method: &str, body: &str, expect: &str| {
        let scan = scan_gemini(body.as_bytes(), method);
        let rewrite = |model| Rewrite {
            model,
            include_usage: true,
            clear_stream_options: false,
        };
        let edits = Edits::rewrite(&scan, &rewrite(Some("real")));
        let whole = apply(&edits, &[body.as_bytes()]);
        assert_eq!(String::from_utf8_lossy(&whole), expect, "{method}");
        assert_eq!(body.len() as i64 + edits.delta(), expect.len() as i64);
        for same in [None, Some("embedder")] {
            assert!(Edits::rewrite(&scan, &rewrite(same)).is_empty(), "{method}");
        }
    };
    check(
        "batchEmbedContents",
        r#"{"requests":[{"model": "models/embedder","content":{"model":"models/embedder"}},
            {"model":"embedder"},{"model":"models/other"},["model","embedder"],{"model":7}]}"#,
        r#"{"requests":[{"model": "models/real","content":{"model":"models/embedder"}},
            {"model":"real"},{"model":"models/other"},["model","embedder"],{"model":7}]}"#,
    );
    check(
        "embedContent",
        r#"{"content":{"parts":[{"text":"hi"}]},"model":"models\/embedder"}"#,
        r#"{"content":{"parts":[{"text":"hi"}]},"model":"models/real"}"#,
    );
    check(
        "countTokens",
        r#"{"generateContentRequest":{"contents":[],"model":"models/embedder"}}"#,
        r#"{"generateContentRequest":{"contents":[],"model":"models/real"}}"#,
    );
    check(
        "streamGenerateContent",
        r#"{"model":"models/embedder","contents":[{"parts":[{"text":"models/embedder"}]}]}"#,
        r#"{"model":"models/real","contents":[{"parts":[{"text":"models/embedder"}]}]}"#,
    );
}
