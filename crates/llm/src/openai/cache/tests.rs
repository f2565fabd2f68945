use serde_json::json;

use crate::canonical::Request;
use crate::openai::{chat, responses};
use crate::wire::Fault;

fn marks(request: &Request<'_>) -> Vec<Option<Option<String>>> {
    let parts = request.messages.iter().flat_map(|message| &message.parts);
    let marks = parts.map(|part| part.cache.as_ref());
    let ttl = marks.map(|mark| mark.map(|mark| mark.ttl.as_ref().map(ToString::to_string)));
    ttl.collect()
}

/// The same marks in both APIs: of the default time, of each that OpenAI has, and none.
#[test]
fn marks_are_read_with_the_time_that_others_have() {
    let parts = |kind: &str| {
        let text = |mark| json!({"type": kind, "text": "a", "prompt_cache_breakpoint": mark});
        json!([{"role": "user", "content": [
            text(json!({"mode": "explicit"})),
            text(json!({"mode": "explicit", "ttl": "30m"})),
            text(json!({"mode": "explicit", "ttl": "12h"})),
            text(json!(null)),
        ]}])
    };
    let expect = [Some(None), Some(None), Some(Some("1h".to_owned())), None];
    let body = json!({"model": "m", "input": parts("input_text")}).to_string();
    let request = responses::decode_request(body.as_bytes()).unwrap();
    assert_eq!(marks(&request), expect);
    let body = json!({"model": "m", "messages": parts("text")}).to_string();
    let request = chat::decode_request(body.as_bytes()).unwrap();
    assert_eq!(marks(&request), expect);
}

#[test]
fn what_else_a_mark_says_is_refused() {
    let mark = json!({"mode": "explicit", "depth": 3});
    let part = json!({"type": "input_text", "text": "a", "prompt_cache_breakpoint": mark});
    let body = json!({"model": "m", "input": [{"role": "user", "content": [part]}]}).to_string();
    let fault: Fault = responses::decode_request(body.as_bytes()).unwrap_err();
    assert!(format!("{fault:?}").contains("prompt_cache_breakpoint.depth"));
}
