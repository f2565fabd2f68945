mod foreign;
mod request;
mod response;
mod stream;
mod turns;

use serde_json::{Value as Json, json};

use super::*;
use crate::canonical::{Dropped, Request};

fn body(json: &Json) -> Vec<u8> {
    json.to_string().into_bytes()
}

/// Reads a request for a model of the third generation.
#[track_caller]
fn read(body: &[u8]) -> Request<'_> {
    decode_request(body, "gemini-3-pro".into(), false).unwrap()
}

/// Writes a request; with the fields that were dropped.
#[track_caller]
fn write(request: &Request<'_>) -> (Json, Vec<String>) {
    let mut dropped = Dropped::default();
    let written = encode_request(request, &mut dropped).unwrap();
    let json = serde_json::from_slice(&written).unwrap();
    (json, dropped.fields().to_vec())
}

#[test]
fn names_are_found_in_both_spellings() {
    let check = |key, name, expect| assert_eq!(is_spelling(key, name), expect, "{key} {name}");
    check("topK", "topK", true);
    check("top_k", "topK", true);
    check("topk", "topK", false);
    check("top_K", "topK", false);
    check("top_k_", "topK", false);
    check("top_", "topK", false);
    check("text", "text", true);
    check("parameters_json_schema", "parametersJsonSchema", true);
}

#[test]
fn redacted_thoughts_survive_as_signatures() {
    // Clients decode and encode a signature, in either alphabet and with or without padding.
    for data in ["EmwK+/AB", "EmwK+/A=", "gAAA-_AB", "gAAAAAAB"] {
        let signature = Proof::redacted(data);
        let back = Proof::read(signature.clone().into());
        assert_eq!(back, Proof::Redacted(data.into()));
        let echoed = signature.replace('+', "-").replace('/', "_");
        let echoed = echoed.trim_end_matches('=').to_owned();
        assert_eq!(Proof::read(echoed.into()), Proof::Redacted(data.into()));
    }
    let signature = Proof::read("c2ln".into());
    assert_eq!(signature, Proof::Signature("c2ln".into()));
}

#[test]
fn types_are_guessed_by_extensions() {
    let check = |uri, expect| assert_eq!(media_type_of(uri), expect, "{uri}");
    check("https://a.example/x.PNG?size=1.5#y", Some("image/png"));
    check("gs://bucket/a.b/report.pdf", Some("application/pdf"));
    check("https://a.example/x", None);
    check("https://a.example", None);
    check("https://a.jpg/x", None);
}
