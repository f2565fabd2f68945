//! Changes to a request: what is rewritten says what it should and is left alone by the next
//! rewrite, everything else stays, and edits come out alike however the body comes in.

use super::scan::scan;
use crate::split::{random, splits};
use bytes::Bytes;
use llm::Operation;
use llm::scan::{Scan, Span};
use llm::splice::{Edit, Edits, Rewrite};
use serde_json::{Value, json};

const REWRITE: Rewrite<'static> = Rewrite {
    model: Some("an\"other\\\u{1F600}"),
    include_usage: true,
    clear_stream_options: false,
};

pub(crate) fn run(data: &[u8]) {
    if let Ok(scan) = scan(Operation::ChatCompletions, &[data]) {
        rewrite(data, &scan);
    }
    any_edits(data);
}

fn rewrite(body: &[u8], scan: &Scan) {
    let edits = Edits::rewrite(scan, &REWRITE);
    let changed = apply(&edits, body);
    assert_eq!(changed.len() as i64, body.len() as i64 + edits.delta());
    let again = self::scan(Operation::ChatCompletions, &[&changed]).expect("still a request");
    let model = again.model.as_ref().map(|field| field.value.as_str());
    assert_eq!(model, REWRITE.model);
    assert_eq!(scan.wants_stream(), again.wants_stream());
    assert!(again.wants_usage() || !again.wants_stream());
    assert!(
        Edits::rewrite(&again, &REWRITE).is_empty(),
        "nothing is left to do"
    );
    if let Ok(before) = serde_json::from_slice::<Value>(body) {
        let after: Value = serde_json::from_slice(&changed).expect("serde_json reads it still");
        assert_eq!(after, expected(before));
    }
}

/// The rewrite as one would do it on a tree.
fn expected(mut body: Value) -> Value {
    body["model"] = json!(REWRITE.model);
    if body["stream"] == json!(true) {
        if !body["stream_options"].is_object() {
            body["stream_options"] = json!({});
        }
        body["stream_options"]["include_usage"] = json!(true);
    }
    body
}

/// The body with the edits made, however it is cut.
fn apply(edits: &Edits, body: &[u8]) -> Vec<u8> {
    let whole = apply_pieces(edits, &[body]);
    for pieces in splits(body) {
        assert_eq!(apply_pieces(edits, &pieces), whole);
    }
    whole
}

fn apply_pieces(edits: &Edits, pieces: &[&[u8]]) -> Vec<u8> {
    let (mut splicer, mut out) = (edits.splicer(), Vec::new());
    for piece in pieces {
        splicer.push(Bytes::copy_from_slice(piece), &mut out);
    }
    splicer.finish(&mut out);
    assert!(
        out.iter().all(|bytes| !bytes.is_empty()),
        "an empty piece would end a body"
    );
    out.concat()
}

/// Edits anywhere in any bytes, against replacing them from the last to the first.
fn any_edits(data: &[u8]) {
    const MAX_EDITS: usize = 4;
    let mut random = random(data);
    let mut wanted: Vec<Edit> = (0..random.usize(..=MAX_EDITS))
        .map(|number| {
            let ends = [random.usize(..=data.len()), random.usize(..=data.len())];
            let [start, end] = ends.map(|end| end as u64);
            let span = Span {
                start: start.min(end),
                end: start.max(end),
            };
            let replacement = Bytes::from(b"<>".repeat(number));
            Edit { span, replacement }
        })
        .collect();
    let edits = Edits::new(wanted.clone());
    wanted.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let overlap = wanted
        .windows(2)
        .any(|pair| matches!(pair, [one, other] if one.span.end > other.span.start));
    assert_eq!(edits.is_err(), overlap);
    let Ok(edits) = edits else { return };
    let mut expected = data.to_vec();
    for edit in wanted.iter().rev() {
        let range = edit.span.start as usize..edit.span.end as usize;
        expected.splice(range, edit.replacement.iter().copied());
    }
    assert_eq!(apply(&edits, data), expected);
}
