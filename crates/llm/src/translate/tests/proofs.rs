//! Proofs of reasoning that are none.

use serde_json::json;

use super::*;

/// Encoders write an empty one where they have none.
#[test]
fn an_empty_proof_is_none() {
    let detail = json!({"type": "reasoning.text", "text": "hm", "signature": "", "index": 0,
        "format": "other-provider-v1"});
    let call = json!({"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": ""}}});
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "reasoning_details": [detail], "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "c"},
    ], "tools": [{"type": "function", "function": {"name": "f"}}]});
    for dialect in Dialect::ALL {
        let written = match dialect {
            Dialect::OpenAi => again(&body),
            _ => request(CHAT, dialect, &body).0.to_string(),
        };
        assert!(
            !written.contains("ignature\":\"\""),
            "{dialect:?}: {written}"
        );
    }
}

/// The same request, written anew.
fn again(body: &Value) -> String {
    let body = body.to_string();
    let request = openai::chat::decode_request(body.as_bytes()).unwrap();
    let dropped = &mut Dropped::default();
    let written = openai::chat::encode_request(&request, &Quirks::NONE, dropped);
    String::from_utf8(written.unwrap()).unwrap()
}
