mod answers;
mod foreign;
mod requests;
mod streams;

use serde_json::Value as Json;

use crate::canonical::Given;

fn parse(text: &[u8]) -> Json {
    match serde_json::from_slice(text) {
        Ok(json) => json,
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(text)),
    }
}

#[track_caller]
fn assert_json(found: &[u8], expect: &Json) {
    let found = parse(found);
    assert_eq!(&found, expect, "found {found:#}\nexpected {expect:#}");
}

fn given<T>(field: &'static str, value: T) -> Option<Given<T>> {
    Some(Given { field, value })
}
