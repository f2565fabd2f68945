use serde_json::{Value, json};

use super::form::Form;
use super::*;
use crate::response::{Ended, StreamReport};

mod citations;
mod embedding;
mod gemini;
mod matrix;
mod media;
mod proofs;
mod ranking;
mod responses;

const CHAT: Api = Api::CHAT_COMPLETIONS;
const MESSAGES: Api = Api::MESSAGES;

fn unsaid() -> Unsaid {
    Unsaid {
        id: "a1".into(),
        model: "m".into(),
        created: 7,
    }
}

fn pair(client: Api, dialect: Dialect) -> Pair {
    match Way::of(client, dialect, &Quirks::NONE) {
        Some(Way::Translated(pair)) => pair,
        other => panic!("{other:?}"),
    }
}

fn conversation(client: Form, upstream: Form) -> Pair {
    Pair {
        exchange: Exchange::Conversation(Conversation { client, upstream }),
        quirks: &Quirks::NONE,
    }
}

fn translator(pair: Pair, query: Option<&str>, usage: bool) -> StreamTranslator {
    StreamTranslator::new(pair, query, 1, usage, unsaid()).unwrap()
}

fn request(client: Api, to: Dialect, body: &Value) -> (Value, Vec<String>) {
    let between = pair(client, to);
    let body = body.to_string();
    let translated = between
        .request(Asked::default(), body.as_bytes(), Some("theirs"))
        .unwrap();
    let dropped = translated.dropped.fields().to_vec();
    (serde_json::from_slice(&translated.body).unwrap(), dropped)
}

fn refused(client: Api, to: Dialect, body: &Value) -> String {
    let between = pair(client, to);
    let body = body.to_string();
    let fault = between.request(Asked::default(), body.as_bytes(), None);
    fault.unwrap_err().field
}

#[test]
fn a_model_does_not_lead_to_other_paths() {
    for dialect in [Dialect::Gemini, Dialect::Bedrock] {
        for model in ["..", "a/../../b", "a/./b"] {
            let body = json!({"model": model, "messages": [{"role": "user", "content": "a"}]});
            assert_eq!(
                refused(CHAT, dialect, &body),
                "model",
                "{dialect:?}: {model}"
            );
        }
    }
}

#[test]
fn what_an_upstream_leaves_unsaid_is_said() {
    let body =
        json!({"model": "", "message": {"role": "assistant", "content": "Hi"}, "done": true});
    let said = answer(CHAT, Dialect::Ollama, &body);
    assert_eq!(
        (&said["id"], &said["model"], &said["created"]),
        (&json!("a1"), &json!("m"), &json!(7))
    );
    let mut translator = translator(pair(CHAT, Dialect::Ollama), None, true);
    let mut out = Vec::new();
    translator
        .feed(format!("{body}\n").into(), &mut out)
        .unwrap();
    let told = String::from_utf8(out.concat()).unwrap();
    assert!(
        told.starts_with(
            r#"data: {"id":"a1","object":"chat.completion.chunk","created":7,"model":"m""#
        ),
        "{told}"
    );
}

fn answer(client: Api, from: Dialect, body: &Value) -> Value {
    let between = pair(client, from);
    let answer = between
        .answer(body.to_string().as_bytes(), &unsaid())
        .unwrap();
    serde_json::from_slice(&answer.body).unwrap()
}

/// A stream's bytes, fed in pieces of `cut` bytes, and what it reported.
fn stream(client: Api, from: Dialect, events: &str, cut: usize) -> (String, StreamReport) {
    let between = pair(client, from);
    let mut translator = translator(between, None, true);
    let mut out = Vec::new();
    for piece in events.as_bytes().chunks(cut) {
        translator
            .feed(Bytes::copy_from_slice(piece), &mut out)
            .unwrap();
    }
    let report = translator.finish(&mut out);
    (String::from_utf8(out.concat()).unwrap(), report)
}

fn chat_request() -> Value {
    json!({
        "model": "ours", "max_tokens": 50, "temperature": 0.5, "stop": "x", "user": "eve",
        "logit_bias": {"1": 1}, "seed": 3, "parallel_tool_calls": false,
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [
                {"type": "text", "text": "what is it?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"n\": 1.50}"}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
            ]},
            {"role": "tool", "tool_call_id": "a", "content": "one"},
            {"role": "tool", "tool_call_id": "b", "content": "two"},
            {"role": "user", "content": "so?"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": "d",
            "parameters": {"type": "object", "properties": {"n": {"const": 1.50}}}}}],
        "tool_choice": "required",
    })
}

#[test]
fn a_chat_becomes_messages() {
    let (body, dropped) = request(CHAT, Dialect::Anthropic, &chat_request());
    assert_eq!(body["model"], "theirs");
    assert_eq!(body["max_tokens"], 50);
    assert_eq!(body["stop_sequences"], json!(["x"]));
    assert_eq!(body["metadata"], json!({"user_id": "eve"}));
    let choice = json!({"type": "any", "disable_parallel_tool_use": true});
    assert_eq!(body["tool_choice"], choice);
    assert_eq!(
        body["tools"][0]["input_schema"]["properties"]["n"],
        json!({"const": 1.5})
    );
    let roles: Vec<_> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    let calls = &body["messages"][1]["content"];
    assert_eq!(calls[0]["input"], json!({"n": 1.5}));
    assert_eq!(calls[1]["input"], json!({}));
    let results = &body["messages"][2]["content"];
    assert_eq!(results[0]["tool_use_id"], "a");
    assert_eq!(results[1]["tool_use_id"], "b");
    assert_eq!(results[2]["text"], "so?");
    assert_eq!(dropped, ["seed", "logit_bias"]);
}

/// Numbers keep their spelling, and fields their order: the model reads them.
#[test]
fn what_is_opaque_is_carried_over_as_it_is() {
    let between = pair(CHAT, Dialect::Anthropic);
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":
        "function","function":{"name":"f","parameters":{"type":"object","z":1.50,"a":1e3}}}]}"#;
    let translated = between
        .request(Asked::default(), body.as_bytes(), None)
        .unwrap();
    let text = String::from_utf8(translated.body.to_vec()).unwrap();
    assert!(
        text.contains(r#"{"type":"object","z":1.50,"a":1e3}"#),
        "{text}"
    );
}

#[test]
fn messages_become_a_chat() {
    let body = json!({
        "model": "ours", "max_tokens": 50, "top_k": 4, "stop_sequences": ["x"],
        "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "text", "text": "so"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"n": 1}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "bad", "is_error": true},
                {"type": "text", "text": "go on"}]},
        ],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": "f"},
    });
    let (chat, dropped) = request(MESSAGES, Dialect::OpenAi, &body);
    let roles: Vec<_> = chat["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "user"]);
    assert_eq!(
        chat["messages"][2]["tool_calls"][0]["function"]["arguments"],
        r#"{"n":1}"#
    );
    assert_eq!(
        chat["tool_choice"],
        json!({"type": "function", "function": {"name": "f"}})
    );
    assert_eq!(chat["max_tokens"], 50);
    let mut dropped = dropped;
    dropped.sort();
    assert_eq!(dropped, ["cache_control", "is_error", "top_k"]);
}

#[test]
fn what_matters_and_cannot_be_said_is_refused() {
    let with = |extra: Value| {
        let mut body = json!({"model": "m", "max_tokens": 9,
            "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        body
    };
    let to_messages = |extra| refused(CHAT, Dialect::Anthropic, &with(extra));
    assert_eq!(to_messages(json!({"n": 2})), "n");
    let any_json = json!({"response_format": {"type": "json_object"}});
    assert_eq!(to_messages(any_json), "response_format");
    let thought = json!({"messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "so"}]},
        {"role": "user", "content": "go on"}]});
    assert_eq!(
        refused(MESSAGES, Dialect::OpenAi, &with(thought)),
        "messages"
    );
}

#[test]
fn answers_are_read_as_one_and_written_as_the_other() {
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "so"},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"n": 1}}],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 2, "cache_read_input_tokens": 3,
            "cache_creation_input_tokens": 4, "output_tokens": 5},
    });
    let chat = answer(CHAT, Dialect::Anthropic, &message);
    let choice = &chat["choices"][0];
    assert_eq!(choice["message"]["content"], "so");
    assert_eq!(
        choice["message"]["tool_calls"][0]["function"]["arguments"],
        r#"{"n":1}"#
    );
    assert_eq!(choice["message"]["reasoning_details"][0]["signature"], "s");
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(chat["usage"]["prompt_tokens"], 9);
    assert_eq!(chat["usage"]["prompt_tokens_details"]["cached_tokens"], 3);
    assert_eq!(chat["created"], 7);
    // And back: what the client sends in its next turn has all that Anthropic wants to see again.
    let next = json!({"model": "m", "messages": [
        {"role": "user", "content": "hi"}, choice["message"],
        {"role": "tool", "tool_call_id": "a", "content": "done"}]});
    let (body, _) = request(CHAT, Dialect::Anthropic, &next);
    assert_eq!(body["messages"][1]["content"], message["content"]);

    let completion = json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "gpt",
        "choices": [{"index": 0, "finish_reason": "length",
            "message": {"role": "assistant", "content": "hi", "refusal": null}}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 3}},
    });
    let message = answer(MESSAGES, Dialect::OpenAi, &completion);
    assert_eq!(message["content"], json!([{"type": "text", "text": "hi"}]));
    assert_eq!(message["stop_reason"], "max_tokens");
    assert_eq!(message["usage"]["input_tokens"], 6);
    assert_eq!(message["usage"]["cache_read_input_tokens"], 3);
}

fn chunks(deltas: &[Value]) -> String {
    let chunk = |choice: &Value| {
        let chunk = json!({"id": "c", "model": "gpt", "created": 1, "choices": [choice]});
        format!("data: {chunk}\n\n")
    };
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}});
    deltas.iter().map(chunk).collect::<String>() + &format!("data: {usage}\n\ndata: [DONE]\n\n")
}

fn two_calls() -> String {
    let call = |index: u32, id: Option<&str>, arguments: &str| {
        json!({"index": 0, "delta": {"tool_calls": [{"index": index, "id": id,
            "function": {"name": id, "arguments": arguments}}]}})
    };
    chunks(&[
        json!({"index": 0, "delta": {"role": "assistant", "content": ""}}),
        json!({"index": 0, "delta": {"content": "so"}}),
        call(0, Some("a"), ""),
        call(0, None, "{\"n\":"),
        call(0, None, "1}"),
        call(1, Some("b"), "{}"),
        json!({"index": 0, "delta": {}, "finish_reason": "tool_calls"}),
    ])
}

#[test]
fn streams_are_the_same_however_they_are_cut() {
    let whole = stream(MESSAGES, Dialect::OpenAi, &two_calls(), usize::MAX);
    for cut in 1..40 {
        assert_eq!(
            stream(MESSAGES, Dialect::OpenAi, &two_calls(), cut),
            whole,
            "{cut}"
        );
    }
    let (text, report) = whole;
    assert_eq!(report.ended, Ended::Complete);
    assert_eq!(report.usage.and_then(|usage| usage.output), Some(4));
    let names: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    let expect = "message_start content_block_start content_block_delta content_block_stop \
                  content_block_start content_block_delta content_block_delta content_block_stop \
                  content_block_start content_block_delta content_block_stop message_delta \
                  message_stop";
    assert_eq!(names.join(" "), expect, "{text}");
    assert!(text.contains(r#""output_tokens":4"#), "{text}");
}

#[test]
fn a_stream_survives_there_and_back() {
    let (messages, _) = stream(MESSAGES, Dialect::OpenAi, &two_calls(), 7);
    let (chat, report) = stream(CHAT, Dialect::Anthropic, &messages, 5);
    assert_eq!(report.ended, Ended::Complete);
    let (again, _) = stream(MESSAGES, Dialect::OpenAi, &chat, 11);
    assert_eq!(again, messages);
    assert!(chat.ends_with("data: [DONE]\n\n"));
}

#[test]
fn a_stream_that_breaks_off_is_not_ended() {
    let whole = two_calls();
    let cut = whole.split_once("finish_reason").unwrap().0;
    let (text, report) = stream(MESSAGES, Dialect::OpenAi, cut, 100);
    assert_eq!(report.ended, Ended::Truncated);
    assert!(!text.contains("message_stop"), "{text}");
    let error = "data: {\"error\": {\"message\": \"broken\"}}\n\n";
    let (text, report) = stream(MESSAGES, Dialect::OpenAi, error, 100);
    assert!(matches!(report.ended, Ended::Failed(_)));
    assert!(text.contains("event: error"), "{text}");
}

/// As long as nobody says that the answer is complete, it is not.
#[test]
fn an_end_without_a_finish_is_a_cut() {
    let begun = chunks(&[json!({"index": 0, "delta": {"content": "so"}})]);
    let (text, report) = stream(MESSAGES, Dialect::OpenAi, &begun, 100);
    assert_eq!(report.ended, Ended::Truncated);
    assert!(!text.contains("message_stop"), "{text}");
}

#[test]
fn a_request_of_a_million_fields_is_refused() {
    let fields: String = (0..100_000).map(|n| format!("\"f{n}\":1,")).collect();
    let body = format!(r#"{{{fields}"model":"m","messages":[]}}"#);
    let between = pair(CHAT, Dialect::Anthropic);
    let fault = between
        .request(Asked::default(), body.as_bytes(), None)
        .unwrap_err();
    assert!(fault.message.contains("more than 4096 fields"), "{fault}");
    let fields: String = (0..200).map(|n| format!("\"f{n}\":1,")).collect();
    let body = format!(r#"{{{fields}"model":"m","messages":[{{"role":"user","content":"hi"}}]}}"#);
    let request = between
        .request(Asked::default(), body.as_bytes(), None)
        .unwrap();
    let dropped = request.dropped;
    assert_eq!((dropped.fields().len(), dropped.unnamed()), (64, 136));
}

#[test]
fn errors_without_an_object_around_them_are_read() {
    let between = pair(MESSAGES, Dialect::OpenAi);
    let bare = br#"{"object":"error","message":"too long","type":"BadRequestError","code":400}"#;
    assert_eq!(between.error(bare).unwrap().message, "too long");
}

/// Where the path may name the model, the body need not; somebody has to.
#[test]
fn a_model_is_named_somewhere() {
    let body = br#"{"messages":[{"role":"user","content":"hi"}]}"#;
    let between = pair(CHAT, Dialect::Anthropic);
    let fault = between.request(Asked::default(), body, None).unwrap_err();
    assert_eq!(fault.field, "model");
    let request = between.request(Asked::default(), body, Some("m")).unwrap();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["model"], "m");
}

/// Servers without ids of their own number the calls of each answer from 0.
#[test]
fn calls_of_one_id_get_their_own_results() {
    let call = |name: &str| {
        json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": "call_0", "type": "function", "function": {"name": name, "arguments": "{}"}},
        ]})
    };
    let result = |text: &str| json!({"role": "tool", "tool_call_id": "call_0", "content": text});
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": "hi"}, call("f"), result("1"), call("g"), result("2"),
    ]});
    let (messages, _) = request(CHAT, Dialect::Anthropic, &body);
    let ids: Vec<_> = messages["messages"].as_array().unwrap()[1..]
        .iter()
        .map(|message| {
            let block = &message["content"][0];
            block.get("id").or(block.get("tool_use_id")).unwrap()
        })
        .collect();
    assert_eq!(ids, ["call_0", "call_0", "call_0_1", "call_0_1"]);
    let (contents, _) = request(CHAT, Dialect::Gemini, &body);
    let answered = &contents["contents"][4]["parts"][0]["functionResponse"];
    assert_eq!(answered["name"], "g");
}

/// Whose proof it is, is known where OpenRouter's form tells it.
#[test]
fn proofs_of_other_providers_are_refused() {
    let body = |format: &str| {
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"},
            {"role": "assistant", "content": "yo", "reasoning_details": [
                {"type": "reasoning.text", "text": "t", "signature": "c2ln", "format": format}]},
            {"role": "user", "content": "so?"}]})
    };
    let (claude, gemini) = ("anthropic-claude-v1", "google-gemini-v1");
    for format in [claude, "unknown"] {
        let (messages, _) = request(CHAT, Dialect::Anthropic, &body(format));
        assert_eq!(messages["messages"][1]["content"][0]["signature"], "c2ln");
    }
    let _is_said = request(CHAT, Dialect::Gemini, &body(gemini));
    assert_eq!(refused(CHAT, Dialect::Anthropic, &body(gemini)), "messages");
    assert_eq!(refused(CHAT, Dialect::Gemini, &body(claude)), "messages");
    let responses = body("openai-responses-v1");
    assert_eq!(refused(CHAT, Dialect::Anthropic, &responses), "messages");
}

#[test]
fn errors_in_a_list_are_read() {
    let body = br#"[{"error": {"code": 429, "message": "later", "status": "RESOURCE_EXHAUSTED"}}]"#;
    for (client, dialect) in [(CHAT, Dialect::Gemini), (MESSAGES, Dialect::OpenAi)] {
        let error = pair(client, dialect).error(body).unwrap();
        assert_eq!(error.message, "later", "{dialect:?}");
    }
    assert_eq!(pair(CHAT, Dialect::Gemini).error(b"[]"), None);
}

fn probable(text: &str, log: f64) -> Value {
    let bytes: Vec<u8> = text.bytes().collect();
    json!({"token": text, "logprob": log, "bytes": bytes})
}

/// Two tokens with their alternatives, as OpenAI writes them.
fn log_probabilities() -> Value {
    let with = |text, log, other| {
        let mut token = probable(text, log);
        token["top_logprobs"] = json!([probable(text, log), probable(other, -2.5)]);
        token
    };
    json!([with("He", -0.5, "Hi"), with("y", -0.25, "é")])
}

/// The same, as Google does.
fn logprobs_result() -> Value {
    let one = |text: &str, log: f64| json!({"token": text, "logProbability": log});
    json!({
        "chosenCandidates": [one("He", -0.5), one("y", -0.25)],
        "topCandidates": [
            {"candidates": [one("He", -0.5), one("Hi", -2.5)]},
            {"candidates": [one("y", -0.25), one("é", -2.5)]},
        ],
    })
}

const GENERATE: Api = Api {
    dialect: Dialect::Gemini,
    operation: crate::Operation::ChatCompletions,
};

#[test]
fn log_probabilities_are_carried_over() {
    let ours = log_probabilities();
    let google = json!({"responseId": "r", "modelVersion": "g", "candidates": [{
        "index": 0, "finishReason": "STOP", "logprobsResult": logprobs_result(),
        "content": {"role": "model", "parts": [{"text": "Hey"}]},
    }]});
    let chat = answer(CHAT, Dialect::Gemini, &google);
    assert_eq!(
        chat["choices"][0]["logprobs"],
        json!({"content": ours, "refusal": null})
    );
    let response = answer(Api::RESPONSES, Dialect::Gemini, &google);
    assert_eq!(response["output"][0]["content"][0]["logprobs"], ours);
    let openai = json!({"id": "c", "model": "m", "choices": [{
        "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hey"},
        "logprobs": {"content": ours, "refusal": null},
    }]});
    let content = answer(GENERATE, Dialect::OpenAi, &openai);
    assert_eq!(
        content["candidates"][0]["logprobsResult"],
        logprobs_result()
    );
    // What is no such list is worth no failure.
    let mut broken = openai.clone();
    broken["choices"][0]["logprobs"]["content"][1]["token"] = 1.into();
    let content = answer(GENERATE, Dialect::OpenAi, &broken);
    assert!(content["candidates"][0].get("logprobsResult").is_none());
    let asked = json!({"model": "m", "input": "hi", "include": ["message.output_text.logprobs"]});
    let (contents, dropped) = request(Api::RESPONSES, Dialect::Gemini, &asked);
    assert_eq!(contents["generationConfig"]["responseLogprobs"], true);
    assert!(dropped.is_empty(), "{dropped:?}");
}

#[test]
fn log_probabilities_are_streamed() {
    let frames = |written: &str| -> Vec<Value> {
        let data = written
            .lines()
            .filter_map(|line| line.strip_prefix("data: "));
        data.filter_map(|data| serde_json::from_str(data).ok())
            .collect()
    };
    let google = json!({"responseId": "r", "candidates": [{
        "index": 0, "finishReason": "STOP", "logprobsResult": logprobs_result(),
        "content": {"role": "model", "parts": [{"text": "Hey"}]},
    }]});
    let google = format!("data: {google}\n\n");
    let (written, _) = stream(CHAT, Dialect::Gemini, &google, 7);
    let chunks = frames(&written);
    let told: Vec<_> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0].get("logprobs"))
        .collect();
    assert_eq!(
        told,
        [&json!({"content": log_probabilities(), "refusal": null})]
    );
    let (written, report) = stream(Api::RESPONSES, Dialect::Gemini, &google, 7);
    assert_eq!(report.ended, Ended::Complete);
    let events = frames(&written);
    let of = |kind: &str| {
        events
            .iter()
            .rev()
            .find(|event| event["type"] == kind)
            .unwrap()
    };
    let ours = log_probabilities();
    assert_eq!(of("response.output_text.delta")["logprobs"], ours);
    assert_eq!(of("response.output_text.done")["logprobs"], ours);
    let whole = &of("response.completed")["response"]["output"][0]["content"][0];
    assert_eq!(whole["logprobs"], ours);
    let chat = json!({"id": "c", "model": "m", "choices": [{
        "index": 0, "delta": {"content": "Hey"}, "logprobs": {"content": ours},
    }]});
    let chat = [
        chat,
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    ];
    let chat = chat.iter().map(|chunk| format!("data: {chunk}\n\n"));
    let chat = chat.collect::<String>() + "data: [DONE]\n\n";
    let mut translator = translator(pair(GENERATE, Dialect::OpenAi), Some("alt=sse"), true);
    let mut out = Vec::new();
    translator.feed(chat.into(), &mut out).unwrap();
    translator.finish(&mut out);
    let chunks = frames(&String::from_utf8(out.concat()).unwrap());
    let told = chunks
        .iter()
        .find_map(|chunk| chunk["candidates"][0].get("logprobsResult"));
    assert_eq!(told, Some(&logprobs_result()));
}
