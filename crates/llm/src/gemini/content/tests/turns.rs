use super::*;
use crate::canonical::Role;

#[test]
fn what_a_model_says_in_a_row_is_one_message() {
    let text = body(&json!({"contents": [
        {"role": "user", "parts": [{"text": "weather?"}]},
        {"role": "model", "parts": [{"text": "I will "}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f"}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "g"}}]},
        {"role": "model", "parts": [{"text": ""}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": 1}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "g", "response": {"result": 2}}}]},
    ]}));
    let request = read(&text);
    let turns: Vec<_> = request
        .messages
        .iter()
        .map(|message| (message.role, message.parts.len()))
        .collect();
    let (user, model) = (Role::User, Role::Assistant);
    assert_eq!(turns, [(user, 1), (model, 3), (user, 1), (user, 1)]);
}

/// So a chat has it that was streamed. The proof is of the whole thought.
#[test]
fn a_turn_in_pieces_is_whole_again() {
    let pieces = json!([
        {"text": "Let ", "thought": true},
        {"text": "me see", "thought": true},
        {"text": "", "thought": true, "thoughtSignature": "c2ln"},
        {"text": "Another", "thought": true},
        {"text": "A"},
        {"text": "\n\n"},
        {"text": "B"},
        {"text": "", "thoughtSignature": "dGV4dA=="},
        {"text": "C"},
    ]);
    let in_one = json!({"contents": [{"role": "model", "parts": pieces}]});
    let content = |part: &Json| json!({"role": "model", "parts": [part]});
    let in_many: Vec<_> = pieces.as_array().unwrap().iter().map(content).collect();
    for request in [in_one, json!({ "contents": in_many })] {
        let text = body(&request);
        let expect = json!([
            {"text": "Let me see", "thought": true, "thoughtSignature": "c2ln"},
            {"text": "Another", "thought": true},
            {"text": "A\n\nB"},
            {"text": "", "thoughtSignature": "dGV4dA=="},
            {"text": "C"},
        ]);
        let contents = &write(&read(&text)).0["contents"];
        assert_eq!(contents[0]["parts"], expect);
    }
}
