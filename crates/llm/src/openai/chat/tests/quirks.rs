//! What is said otherwise to some servers.

use super::*;

fn said_to(quirks: &Quirks, request: &Json) -> (Json, Vec<String>) {
    let body = request.to_string();
    let mut dropped = Dropped::default();
    let decoded = decode_request(body.as_bytes()).unwrap();
    let encoded = encode_request(&decoded, quirks, &mut dropped).unwrap();
    (
        serde_json::from_slice(&encoded).unwrap(),
        dropped.fields().to_vec(),
    )
}

#[test]
fn developers_speak_as_the_system_where_their_role_is_not_known() {
    let check = |model: &str, quirks, role: &str| {
        let request = json!({"model": model, "messages": [{"role": "developer", "content": "x"}]});
        assert_eq!(
            said_to(quirks, &request).0["messages"][0]["role"],
            role,
            "{model}"
        );
    };
    check("llama", &Quirks::NONE, "system");
    check("openai/gpt-5", &Quirks::NONE, "developer");
    check("my-deployment", &Quirks::AZURE, "developer");
    check("mistral-large", &Quirks::MISTRAL, "system");
}

#[test]
fn a_function_without_parameters_says_that_it_has_none() {
    let mut request = ask(json!({}));
    request["tools"] = json!([{"type": "function", "function": {"name": "now"}}]);
    let function = json!({"name": "now", "parameters": {"type": "object", "properties": {}}});
    let said = said_to(&Quirks::MISTRAL, &request).0;
    assert_eq!(said["tools"][0]["function"], function);
}

#[test]
fn the_bound_of_the_answer_has_the_name_that_the_server_knows() {
    let check = |field: &str, quirks, expect: &str| {
        let mut request = ask(json!({}));
        request[field] = 5.into();
        let said = said_to(quirks, &request).0;
        let names = ["max_tokens", "max_completion_tokens"];
        let names: Vec<_> = names
            .iter()
            .filter(|name| said.get(name).is_some())
            .collect();
        assert_eq!(names, [&expect], "{field}");
    };
    check("max_tokens", &Quirks::NONE, "max_tokens");
    check(
        "max_completion_tokens",
        &Quirks::NONE,
        "max_completion_tokens",
    );
    check("max_tokens", &Quirks::AZURE, "max_completion_tokens");
    check("max_completion_tokens", &Quirks::MISTRAL, "max_tokens");
}

#[test]
fn mistral_gets_nothing_that_it_refuses() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let request = json!({
        "model": "mistral-large", "stream": true, "seed": 7, "user": "u", "logprobs": true,
        "service_tier": "flex", "metadata": {"a": "b"},
        "messages": [
            {"role": "user", "content": "hi", "name": "ada"},
            {"role": "assistant", "content": null, "tool_calls": [call("call_abcdef"), call("D681PevKs")]},
            {"role": "tool", "tool_call_id": "call_abcdef", "content": "1"},
            {"role": "tool", "tool_call_id": "D681PevKs", "content": "2"},
        ],
    });
    let (said, dropped) = said_to(&Quirks::MISTRAL, &request);
    let fields: Vec<_> = said.as_object().unwrap().keys().collect();
    let known = [
        "model",
        "messages",
        "random_seed",
        "logprobs",
        "metadata",
        "stream",
    ];
    assert!(
        fields.iter().all(|field| known.contains(&field.as_str())),
        "{fields:?}"
    );
    assert_eq!(fields.len(), known.len());
    assert_eq!(dropped, ["messages.name", "service_tier", "user"]);
    assert_eq!(said["messages"][0].get("name"), None);
    let id = said["messages"][1]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(
        id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()),
        "{id}"
    );
    assert_eq!(said["messages"][2]["tool_call_id"], id);
    assert_eq!(said["messages"][1]["tool_calls"][1]["id"], "D681PevKs");
    assert_eq!(said["messages"][3]["tool_call_id"], "D681PevKs");
}

#[test]
fn mistral_s_model_replies_to_results_before_the_user_speaks() {
    let call = json!({"id": "D681PevKs", "type": "function",
        "function": {"name": "f", "arguments": "{}"}});
    let result = json!({"role": "tool", "tool_call_id": "D681PevKs", "content": "1"});
    let called = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let roles = |quirks, last: &[Json]| {
        let mut messages = vec![json!({"role": "user", "content": "a"}), called.clone()];
        messages.push(result.clone());
        messages.extend(last.iter().cloned());
        let said = said_to(quirks, &json!({"model": "m", "messages": messages})).0;
        let messages = said["messages"].as_array().unwrap().iter().skip(2);
        let roles: Vec<_> = messages
            .map(|message| message["role"].as_str().unwrap().to_owned())
            .collect();
        roles.join(" ")
    };
    let user = json!({"role": "user", "content": "b"});
    let system = json!({"role": "system", "content": "c"});
    let assistant = json!({"role": "assistant", "content": "d"});
    let quirks = &Quirks::MISTRAL;
    assert_eq!(roles(quirks, &[]), "tool");
    assert_eq!(
        roles(quirks, std::slice::from_ref(&user)),
        "tool assistant user"
    );
    assert_eq!(roles(quirks, &[system]), "tool assistant system");
    assert_eq!(
        roles(quirks, &[assistant, user.clone()]),
        "tool assistant user"
    );
    assert_eq!(
        roles(quirks, &[user.clone(), user.clone()]),
        "tool assistant user user"
    );
    assert_eq!(roles(&Quirks::NONE, &[user]), "tool user");
}

#[test]
fn groq_gets_nothing_that_it_refuses() {
    let mut request = json!({
        "model": "llama", "logprobs": true, "top_logprobs": 3, "logit_bias": {"1": 2}, "n": 1,
        "max_completion_tokens": 5,
        "messages": [
            {"role": "user", "content": "hi", "name": "ada"},
            {"role": "assistant", "content": "hi", "name": "bob"},
        ],
    });
    let (said, dropped) = said_to(&Quirks::GROQ, &request);
    let messages =
        json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hi"}]);
    let expect =
        json!({"model": "llama", "n": 1, "messages": messages, "max_completion_tokens": 5});
    assert_eq!(said, expect);
    assert_eq!(dropped, ["messages.name", "logprobs", "logit_bias"]);
    request["n"] = json!(2);
    let body = request.to_string();
    let decoded = decode_request(body.as_bytes()).unwrap();
    let fault = encode_request(&decoded, &Quirks::GROQ, &mut Dropped::default()).unwrap_err();
    assert_eq!(fault.field, "n");
}
