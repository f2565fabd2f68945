use serde_json::{Value as Json, json};

use super::*;
use crate::Quirks;
use crate::canonical::{
    Cache, Content, Delta, Dropped, Effort, Event, Finish, Format, Media, MediaKind, Opening, Role,
    Source, StreamTerms, Thinking, ToolChoice,
};

mod fields;
mod mistral;
mod quirks;

fn reencoded(request: &Json) -> (Json, Vec<String>) {
    let body = request.to_string();
    let mut dropped = Dropped::default();
    let decoded = decode_request(body.as_bytes()).unwrap();
    let encoded = encode_request(&decoded, &Quirks::NONE, &mut dropped).unwrap();
    (
        serde_json::from_slice(&encoded).unwrap(),
        dropped.fields().to_vec(),
    )
}

/// A request that says in this dialect all that there is to say comes back as it was.
#[track_caller]
fn survives(request: Json) {
    assert_eq!(reencoded(&request), (request, vec![]));
}

fn ask(extra: Json) -> Json {
    let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    request
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    request
}

#[test]
fn requests_survive() {
    survives(ask(json!({})));
    survives(ask(json!({
        "max_completion_tokens": 5, "temperature": 0.5, "top_p": 0.25, "frequency_penalty": 1.0,
        "presence_penalty": -1.0, "seed": -7, "stop": ["a", "b"], "n": 2, "logprobs": true,
        "top_logprobs": 3, "service_tier": "flex", "metadata": {"a": "b"}, "user": "u",
        "reasoning_effort": "high", "parallel_tool_calls": false, "tool_choice": "required",
    })));
    survives(ask(
        json!({"stream": true, "stream_options": {"include_usage": true}}),
    ));
    survives(ask(json!({
        "tools": [{"type": "function", "function": {
            "name": "f", "description": "d", "strict": true,
            "parameters": {"type": "object", "properties": {"z": {"const": 1}, "a": {}}},
        }}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "n", "description": "d", "schema": {"type": "object"}, "strict": true,
        }},
    })));
    survives(json!({"model": "gpt-5", "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "developer", "content": "be kind"},
        {"role": "user", "name": "eve", "content": [
            {"type": "text", "text": "what is it?"},
            {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "wav"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,CCCC"}},
        ]},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1.50}"}},
            {"id": "2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "1", "content": "one"},
        {"role": "tool", "tool_call_id": "2", "content": [
            {"type": "text", "text": "two"}, {"type": "text", "text": "three"},
        ]},
        {"role": "assistant", "content": "so", "refusal": "no"},
        {"role": "user", "content": "why?"},
    ]}));
}

#[test]
fn spellings_of_other_times_and_servers_are_read() {
    let (request, dropped) = reencoded(&ask(json!({
        "max_tokens": 9, "stop": "x", "top_k": 4, "logit_bias": {"1": 2}, "verbosity": "low",
        "modalities": ["text"], "reasoning_effort": "none", "seed": null,
    })));
    assert_eq!(request, ask(json!({"max_tokens": 9, "stop": ["x"]})));
    assert_eq!(
        dropped,
        ["top_k", "reasoning_effort", "logit_bias", "verbosity"]
    );
}

#[test]
fn what_is_read_is_what_was_meant() {
    let body = json!({"model": "m", "reasoning_effort": "max", "tool_choice": "none",
    "response_format": {"type": "json_object"},
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a",
            "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        {"role": "assistant", "content": "b", "reasoning_details": [
            {"type": "reasoning.text", "text": "t", "signature": "s"},
            {"type": "reasoning.encrypted", "data": "d"}]},
        {"role": "assistant", "reasoning_content": "two", "reasoning_details": [
            {"type": "reasoning.text", "text": "t", "index": 0},
            {"type": "reasoning.text", "text": "wo", "index": 0},
            {"type": "reasoning.text", "signature": "s", "index": 0},
            {"type": "reasoning.text", "text": "three", "index": 1},
            {"type": "reasoning.encrypted", "data": "d", "index": 1}]},
    ]})
    .to_string();
    let request = decode_request(body.as_bytes()).unwrap();
    let thinking = request.thinking.unwrap().value;
    assert_eq!(thinking, Thinking::Effort(Effort::XHigh));
    assert_eq!(request.tool_choice.unwrap().value, ToolChoice::None);
    assert_eq!(request.format.unwrap().value, Format::JsonObject);
    let [user, assistant, pieces] = &*request.messages else {
        panic!("{:?}", request.messages)
    };
    let mark = Cache {
        ttl: Some("1h".into()),
    };
    assert_eq!((user.role, &user.parts[0].cache), (Role::User, &Some(mark)));
    let [thought, secret, text] = &*assistant.parts else {
        panic!("{:?}", assistant.parts)
    };
    let Content::Reasoning(thought) = &thought.content else {
        panic!("{thought:?}")
    };
    let proof = (thought.text.as_deref(), thought.signature.as_deref());
    assert_eq!(proof, (Some("t"), Some("s")));
    assert!(matches!(&secret.content, Content::Reasoning(r) if r.redacted.as_deref() == Some("d")));
    assert!(matches!(&text.content, Content::Text(text) if text == "b"));
    let pieces = pieces.parts.iter().map(|part| match &part.content {
        Content::Reasoning(r) => [&r.text, &r.signature, &r.redacted].map(Option::as_deref),
        other => panic!("{other:?}"),
    });
    let pieces: Vec<_> = pieces.collect();
    let expect = [
        [Some("two"), Some("s"), None],
        [Some("three"), None, None],
        [None, None, Some("d")],
    ];
    assert_eq!(pieces, expect);
}

#[test]
fn faults_of_requests_name_the_field() {
    let check = |request: Json, field: &str| {
        let body = request.to_string();
        let fault = decode_request(body.as_bytes()).map(drop).unwrap_err();
        assert_eq!(fault.field, field, "{request}: {fault}");
    };
    let say = |message: Json| json!({"model": "m", "messages": [message]});
    check(json!({"model": "m"}), "messages");
    check(ask(json!({"n": "two"})), "n");
    check(ask(json!({"functions": []})), "functions");
    check(ask(json!({"web_search_options": {}})), "web_search_options");
    check(
        ask(json!({"modalities": ["text", "audio"]})),
        "modalities[1]",
    );
    check(ask(json!({"tools": [{"type": "custom"}]})), "tools[0].type");
    check(
        ask(json!({"tools": [{"type": "function", "function": {"name": "f", "new": 1}}]})),
        "tools[0].function.new",
    );
    check(ask(json!({"tool_choice": "perhaps"})), "tool_choice");
    check(
        ask(json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}})),
        "response_format.json_schema.schema",
    );
    check(
        say(json!({"role": "robot", "content": ""})),
        "messages[0].role",
    );
    check(say(json!({"role": "user"})), "messages[0].content");
    check(
        say(json!({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "smell"}]})),
        "messages[0].content[1].type",
    );
    check(
        say(json!({"role": "tool", "content": "x"})),
        "messages[0].tool_call_id",
    );
    check(
        say(json!({"role": "assistant", "content": "x", "audio": {"id": "a"}})),
        "messages[0].audio",
    );
}

#[test]
fn what_this_api_cannot_say_is_refused() {
    let check = |content: Content<'static>, role: Role, expect: &str| {
        let mut request = decode_request(br#"{"model":"m","messages":[]}"#).unwrap();
        request.messages.push(crate::canonical::Message {
            role,
            name: None,
            parts: vec![crate::canonical::Part::new(content)],
        });
        let fault = encode_request(&request, &Quirks::NONE, &mut Dropped::default()).unwrap_err();
        assert_eq!(fault.field, "messages");
        assert!(fault.message.contains(expect), "{fault}");
    };
    let media = |kind, source| {
        Content::Media(Media {
            kind,
            source,
            name: None,
            detail: None,
            cited: false,
        })
    };
    let url = || Source::Url("https://x.test/a".into());
    check(media(MediaKind::Video, url()), Role::User, "a video");
    check(media(MediaKind::Document, url()), Role::User, "by its URL");
    check(
        media(MediaKind::Image, Source::File("f".into())),
        Role::User,
        "another provider",
    );
    check(
        Content::Reasoning(crate::canonical::Reasoning {
            text: Some("t".into()),
            signature: Some("s".into()),
            redacted: None,
        }),
        Role::Assistant,
        "signed by another provider",
    );
}

#[test]
fn answers_survive() {
    let check = |answer: Json| {
        let body = answer.to_string();
        let decoded = decode_response(body.as_bytes()).unwrap();
        let encoded: Json = serde_json::from_slice(&encode_response(&decoded, 0)).unwrap();
        assert_eq!(encoded, answer);
    };
    let choice = |index: u32, message: Json, reason: &str| json!({"index": index, "message": message, "logprobs": null, "finish_reason": reason});
    check(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 5, "model": "m",
        "choices": [
            choice(0, json!({"role": "assistant", "content": "hi", "refusal": null}), "stop"),
            choice(1, json!({"role": "assistant", "content": null, "refusal": "no"}), "content_filter"),
            choice(2, json!({"role": "assistant", "content": "t", "refusal": null,
                "reasoning_content": "hm", "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"},
                     "extra_content": {"google": {"thought_signature": "s"}}}]}), "tool_calls"),
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 2}},
        "service_tier": "default",
    }));
    let error = br#"{"error": {"message": "no"}}"#;
    assert_eq!(decode_response(error).unwrap_err().field, "choices");
}

fn events(chunks: &[Json]) -> Vec<Event<'static>> {
    let mut decoder = StreamDecoder::default();
    let mut events = Vec::new();
    let mut feed = |data: &[u8]| {
        decoder
            .event(None, data, &mut |event| events.push(event.into_owned()))
            .unwrap();
    };
    for chunk in chunks {
        feed(chunk.to_string().as_bytes());
    }
    feed(b"[DONE]");
    events
}

/// An event in a word or two.
fn short(event: &Event<'_>) -> String {
    match event {
        Event::Start { id, .. } => format!("start {id}"),
        Event::Open { part, opening, .. } => match opening {
            Opening::Text => format!("{part} text"),
            Opening::Refusal => format!("{part} refusal"),
            Opening::Reasoning => format!("{part} reasoning"),
            Opening::Redacted(data) => format!("{part} redacted {data}"),
            Opening::ToolCall { id, name } => format!("{part} call {id} {name}"),
        },
        Event::Delta { part, delta, .. } => match delta {
            Delta::Text(text) => format!("{part} +{text}"),
            Delta::Arguments(text) => format!("{part} +{text}"),
            Delta::Signature(text) => format!("{part} signed {text}"),
        },
        Event::Close { part, .. } => format!("{part} end"),
        Event::Finish { choice, finish } => format!("finish {choice} {finish:?}"),
        Event::Usage(usage) => format!("usage {:?} {:?}", usage.input, usage.output),
        Event::Tokens { tokens, .. } => {
            let texts: String = tokens.iter().map(|token| &*token.text).collect();
            format!("tokens {texts}")
        }
        Event::Cite { part, citation, .. } => format!("cite {part} {:?}", citation.span),
        Event::Ping => "ping".to_owned(),
        Event::End => "end".to_owned(),
        Event::Error(error) => format!("error {}", error.message),
    }
}

fn chunk(delta: Json) -> Json {
    json!({"id": "c", "model": "m", "created": 1, "choices": [{"index": 0, "delta": delta}]})
}

fn call(index: u32, id: &str, name: &str, arguments: &str) -> Json {
    chunk(
        json!({"tool_calls": [{"index": index, "id": id, "type": "function",
        "function": {"name": name, "arguments": arguments}}]}),
    )
}

fn more(index: u32, arguments: &str) -> Json {
    chunk(json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}))
}

fn finish(reason: &str) -> Json {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

#[test]
fn streams_are_read_part_by_part() {
    let check = |chunks: &[Json], expect: &[&str]| {
        let seen: Vec<String> = events(chunks).iter().map(short).collect();
        assert_eq!(seen, expect);
    };
    check(
        &[
            chunk(json!({"role": "assistant", "content": ""})),
            chunk(json!({"reasoning_content": "hm"})),
            chunk(json!({"reasoning_content": "m", "tool_calls": []})),
            chunk(json!({"content": "a"})),
            chunk(json!({"content": "b"})),
            finish("stop"),
            json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
        ],
        &[
            "start c",
            "0 reasoning",
            "0 +hm",
            "0 +m",
            "0 end",
            "1 text",
            "1 +a",
            "1 +b",
            "1 end",
            "finish 0 Stop",
            "usage Some(1) Some(2)",
            "end",
        ],
    );
    // One after another, as models write them.
    check(
        &[
            chunk(json!({"content": "so"})),
            call(0, "x", "f", ""),
            more(0, "{\"a\":"),
            more(0, "\"}\"}"),
            call(1, "y", "g", "{}"),
            finish("tool_calls"),
        ],
        &[
            "start c",
            "0 text",
            "0 +so",
            "0 end",
            "1 call x f",
            "1 +{\"a\":",
            "1 +\"}\"}",
            "1 end",
            "2 call y g",
            "2 +{}",
            "2 end",
            "finish 0 ToolCalls",
            "end",
        ],
    );
    // Interleaved.
    check(
        &[
            call(0, "x", "f", "{\"a\":"),
            call(1, "y", "g", "{\"b\":"),
            more(0, "1}"),
            more(1, "2}"),
            finish("tool_calls"),
        ],
        &[
            "start c",
            "0 call x f",
            "0 +{\"a\":",
            "1 call y g",
            "1 +{\"b\":",
            "0 +1}",
            "1 +2}",
            "0 end",
            "1 end",
            "finish 0 ToolCalls",
            "end",
        ],
    );
    // The name behind the id, behind the arguments even, and the id behind the name.
    let named = |index: u32, function: Json| {
        chunk(json!({"tool_calls": [{"index": index, "function": function}]}))
    };
    check(
        &[
            call(0, "x", "", ""),
            named(0, json!({"name": "f"})),
            more(0, "{}"),
            call(1, "y", "", "{"),
            named(1, json!({"name": "g"})),
            more(1, "}"),
            named(2, json!({"name": "h"})),
            call(2, "z", "", ""),
            more(2, "{}"),
            call(3, "never", "", "{}"),
            finish("tool_calls"),
        ],
        &[
            "start c",
            "0 call x f",
            "0 +{}",
            "0 end",
            "1 call y g",
            "1 +{",
            "1 +}",
            "1 end",
            "2 call z h",
            "2 +{}",
            "2 end",
            "3 call never ",
            "3 +{}",
            "3 end",
            "finish 0 ToolCalls",
            "end",
        ],
    );
    // All numbered 0, told apart by their ids, without an id, and with the id in each chunk.
    check(
        &[
            call(0, "x", "f", "{}"),
            call(0, "y", "g", "{"),
            call(0, "y", "", "}"),
            finish("stop"),
        ],
        &[
            "start c",
            "0 call x f",
            "0 +{}",
            "0 end",
            "1 call y g",
            "1 +{",
            "1 +}",
            "1 end",
            "finish 0 Stop",
            "end",
        ],
    );
    check(
        &[
            json!({"error": {"message": "broken", "type": "server_error"}}),
            finish("stop"),
        ],
        &["error broken"],
    );
}

#[test]
fn streams_are_written_as_their_clients_read_them() {
    let chunks = [
        chunk(json!({"reasoning_content": "hm"})),
        chunk(json!({"reasoning_details": [{"type": "reasoning.text", "signature": "s"}]})),
        chunk(json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "d"}]})),
        chunk(json!({"content": "a"})),
        call(0, "x", "f", ""),
        call(1, "y", "g", "{\"b\":"),
        more(1, "2}"),
        finish("tool_calls"),
        json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
    ];
    let once = events(&chunks);
    let mut encoder = StreamEncoder::new(StreamTerms {
        usage: true,
        now: 9,
    });
    let mut out = Vec::new();
    once.iter().for_each(|event| encoder.event(event, &mut out));
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let written: Vec<Json> = text
        .split("\n\n")
        .filter_map(|frame| serde_json::from_str(frame.strip_prefix("data: ")?).ok())
        .collect();
    assert_eq!(written[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(written[0]["created"], 1);
    // A call that never had arguments gets some that can be parsed.
    let mut expect: Vec<String> = once.iter().map(short).collect();
    let call_ends = expect.iter().position(|event| event == "3 end").unwrap();
    expect.insert(call_ends, "3 +{}".to_owned());
    let again: Vec<String> = events(&written).iter().map(short).collect();
    let sorted = |mut events: Vec<String>| {
        events.sort();
        events
    };
    assert_eq!(sorted(again), sorted(expect));
}

#[test]
fn usage_is_shown_to_those_who_ask() {
    let chunks = [
        finish("stop"),
        json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
    ];
    for usage in [true, false] {
        let mut encoder = StreamEncoder::new(StreamTerms { usage, now: 9 });
        let mut out = Vec::new();
        for event in events(&chunks) {
            encoder.event(&event, &mut out);
        }
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.contains("\"total_tokens\":3"), usage, "{text}");
    }
}
