use serde_json::{Value as Json, json};

use super::*;
use crate::canonical::{
    Choice, Delta, Dropped, Effort, Event, Format, Given, Media, MediaKind, Message, Opening,
    Request, Response, Role, Source, StreamTerms, Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::response::UpstreamError;

fn given<T>(value: T) -> Option<Given<T>> {
    Some(Given {
        field: "field",
        value,
    })
}

fn message<'a>(role: Role, parts: impl Into<Vec<Content<'a>>>) -> Message<'a> {
    Message {
        role,
        name: None,
        parts: parts.into().into_iter().map(Part::new).collect(),
    }
}

fn call<'a>(id: &'a str, name: &'a str, arguments: &'a str) -> Content<'a> {
    Content::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        signature: None,
    })
}

fn text(text: &str) -> Content<'_> {
    Content::Text(text.into())
}

fn thought(text: Option<&'static str>, redacted: Option<&'static str>) -> Content<'static> {
    Content::Reasoning(Reasoning {
        text: text.map(Into::into),
        signature: None,
        redacted: redacted.map(Into::into),
    })
}

/// Conversation, and the items that it is written as if they differ from those it was read from.
#[test]
fn items_become_messages_and_back() {
    let check = |input: Json, messages: Vec<Message<'_>>, output: Json| {
        let body = json!({"model": "m", "input": input}).to_string();
        let request = decode_request(body.as_bytes()).unwrap();
        assert_eq!(request.messages, messages);
        let mut dropped = Dropped::default();
        let written = encode_request(&request, &mut dropped).unwrap();
        let written: Json = serde_json::from_slice(&written).unwrap();
        assert_eq!(written["input"], output);
        assert_eq!(dropped, Dropped::default());
        let again = written.to_string();
        let again = decode_request(again.as_bytes()).unwrap();
        assert_eq!(again.messages, messages);
    };
    let user = |content: Json| json!({"type": "message", "role": "user", "content": content});
    let assistant = |index: u32, content: Json| {
        json!({"type": "message", "id": format!("msg_{index}"), "status": "completed",
            "role": "assistant", "content": content})
    };
    let said = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let hi = json!({"type": "input_text", "text": "hi"});

    check(
        json!("hi"),
        vec![message(Role::User, [text("hi")])],
        json!([user(json!([hi]))]),
    );
    check(
        json!([
            {"role": "system", "content": "be brief"},
            {"role": "developer", "content": [{"type": "input_text", "text": "be kind"}]},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello"},
            {"type": "message", "id": "msg_x", "status": "completed", "role": "assistant",
                "phase": "final_answer", "content": [
                {"type": "output_text", "text": "well", "annotations": [],
                    "logprobs": []},
                {"type": "refusal", "refusal": "no"}]},
        ]),
        vec![
            message(Role::System, [text("be brief")]),
            message(Role::Developer, [text("be kind")]),
            message(Role::User, [text("hi")]),
            message(Role::Assistant, [text("hello")]),
            message(
                Role::Assistant,
                [text("well"), Content::Refusal("no".into())],
            ),
        ],
        json!([
            {"type": "message", "role": "system",
                "content": [{"type": "input_text", "text": "be brief"}]},
            {"type": "message", "role": "developer",
                "content": [{"type": "input_text", "text": "be kind"}]},
            user(json!([hi])),
            assistant(3, json!([said("hello")])),
            assistant(4, json!([said("well"), {"type": "refusal", "refusal": "no"}])),
        ]),
    );
    let function_call = |id: &str, name: &str, arguments: &str| {
        json!({"type": "function_call", "status": "completed", "call_id": id, "name": name,
            "arguments": arguments})
    };
    let result = |id: &'static str, parts: Vec<Part<'static>>| {
        Content::ToolResult(ToolResult {
            call: id.into(),
            parts,
            is_error: false,
        })
    };
    let image = Media {
        kind: MediaKind::Image,
        source: Source::Base64 {
            media_type: "image/png".into(),
            data: "AA==".into(),
        },
        name: None,
        detail: Some("auto".into()),
        cited: false,
    };
    let outputs = [
        json!({"type": "function_call_output", "call_id": "c1", "output": "3"}),
        json!({"type": "function_call_output", "call_id": "c2", "output": [
            {"type": "input_text", "text": "see"},
            {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AA=="}]}),
    ];
    check(
        json!([
            {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
                "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]},
            {"type": "message", "role": "assistant", "content": "let me see"},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f",
                "arguments": "{\"x\":1}"},
            {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{"},
            outputs[0], outputs[1],
            {"role": "user", "content": "and?"},
        ]),
        vec![
            message(
                Role::Assistant,
                [
                    thought(Some("a\n\nb"), None),
                    thought(None, Some("gAAA")),
                    text("let me see"),
                    call("c1", "f", "{\"x\":1}"),
                    call("c2", "g", "{"),
                ],
            ),
            message(
                Role::User,
                [
                    result("c1", vec![Part::text("3")]),
                    result(
                        "c2",
                        vec![Part::text("see"), Part::new(Content::Media(image))],
                    ),
                ],
            ),
            message(Role::User, [text("and?")]),
        ],
        json!([
            {"type": "reasoning", "encrypted_content": "gAAA",
                "summary": [{"type": "summary_text", "text": "a\n\nb"}]},
            assistant(1, json!([said("let me see")])),
            function_call("c1", "f", "{\"x\":1}"),
            function_call("c2", "g", "{"),
            outputs[0], outputs[1],
            user(json!([{"type": "input_text", "text": "and?"}])),
        ]),
    );
    // Thoughts as they are, for a server that shows them.
    check(
        json!([{"type": "reasoning", "id": "r", "summary": [],
            "content": [{"type": "reasoning_text", "text": "hm"}]}]),
        vec![message(Role::Assistant, [thought(Some("hm"), None)])],
        json!([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}]),
    );
}

#[test]
fn media_are_read_and_written() {
    let check =
        |part: Json, kind: MediaKind, source: Source<'_>, name: Option<&str>, output: Json| {
            let body = json!({"model": "m", "input": [{"role": "user", "content": [part]}]});
            let body = body.to_string();
            let request = decode_request(body.as_bytes()).unwrap();
            let Content::Media(media) = &request.messages[0].parts[0].content else {
                panic!("{request:?}")
            };
            assert_eq!(
                (media.kind, &media.source, media.name.as_deref()),
                (kind, &source, name)
            );
            let written = encode_request(&request, &mut Dropped::default()).unwrap();
            let written: Json = serde_json::from_slice(&written).unwrap();
            assert_eq!(written["input"][0]["content"][0], output);
        };
    let url = "https://example.com/a.png";
    let base64 = |media_type: &'static str| Source::Base64 {
        media_type: media_type.into(),
        data: "AA==".into(),
    };
    let part = json!({"type": "input_image", "image_url": url, "detail": "low"});
    check(
        part.clone(),
        MediaKind::Image,
        Source::Url(url.into()),
        None,
        part,
    );
    let part = json!({"type": "input_image", "image_url": "data:image/gif;base64,AA==",
        "detail": "auto"});
    check(
        part.clone(),
        MediaKind::Image,
        base64("image/gif"),
        None,
        part,
    );
    let part = json!({"type": "input_image", "file_id": "file-1", "detail": "high"});
    check(
        part.clone(),
        MediaKind::Image,
        Source::File("file-1".into()),
        None,
        part,
    );
    let part = json!({"type": "input_file", "file_id": "file-1"});
    check(
        part.clone(),
        MediaKind::Document,
        Source::File("file-1".into()),
        None,
        part,
    );
    let part = json!({"type": "input_file", "file_url": url});
    check(
        part.clone(),
        MediaKind::Document,
        Source::Url(url.into()),
        None,
        part,
    );
    let data_url = "data:application/pdf;base64,AA==";
    let part = json!({"type": "input_file", "filename": "a.pdf", "file_data": data_url});
    check(
        part.clone(),
        MediaKind::Document,
        base64("application/pdf"),
        Some("a.pdf"),
        part,
    );
    check(
        json!({"type": "input_file", "filename": "a.csv", "file_data": "AA=="}),
        MediaKind::Document,
        base64("text/csv"),
        Some("a.csv"),
        json!({"type": "input_file", "filename": "a.csv", "file_data": "data:text/csv;base64,AA=="}),
    );
    let part = json!({"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}});
    check(
        part.clone(),
        MediaKind::Audio,
        base64("audio/mpeg"),
        None,
        part,
    );
}

/// Documents of other dialects, which have a title or none, or are text.
#[test]
fn documents_get_a_file_name() {
    let check = |source: Source<'_>, name: Option<&str>, output: Json| {
        let media = Media {
            kind: MediaKind::Document,
            source,
            name: name.map(Into::into),
            detail: None,
            cited: false,
        };
        let request = Request {
            messages: vec![message(Role::User, [Content::Media(media)])],
            ..Request::default()
        };
        let written = encode_request(&request, &mut Dropped::default()).unwrap();
        let written: Json = serde_json::from_slice(&written).unwrap();
        assert_eq!(written["input"][0]["content"][0], output);
    };
    let pdf = || Source::Base64 {
        media_type: "application/pdf".into(),
        data: "AA==".into(),
    };
    let file = |name: &str| {
        let data = "data:application/pdf;base64,AA==";
        json!({"type": "input_file", "filename": name, "file_data": data})
    };
    check(pdf(), None, file("document.pdf"));
    check(pdf(), Some("Report"), file("Report.pdf"));
    check(pdf(), Some("a.pdf"), file("a.pdf"));
    check(
        Source::Text("hi".into()),
        Some("Title"),
        json!({"type": "input_text", "text": "hi"}),
    );
}

#[test]
fn options_are_read_and_written() {
    let body = json!({
        "model": "m", "input": "hi", "instructions": "be brief", "stream": true,
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"},
                "strict": true},
            {"type": "function", "name": "g", "parameters": null},
        ],
        "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": false,
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "s",
            "schema": {"a": 1.0}, "strict": true}},
        "reasoning": {"effort": "max", "summary": "auto"},
        "max_output_tokens": 9, "temperature": 0.5, "top_p": 0.25, "top_logprobs": 2, "user": "u",
        "service_tier": "flex", "metadata": {"k": "v"}, "prompt_cache_key": "p",
        "safety_identifier": "s", "store": true, "include": ["message.output_text.logprobs"],
        "truncation": "disabled", "background": false, "previous_response_id": null, "novel": 1,
    });
    let body = body.to_string();
    let request = decode_request(body.as_bytes()).unwrap();
    assert!(request.stream && request.stream_usage);
    assert_eq!(
        request.messages[0],
        message(Role::System, [text("be brief")])
    );
    assert_eq!(request.tools[0].strict, Some(true));
    assert_eq!(request.tools[1].strict, None);
    let choice = request.tool_choice.as_ref().map(|given| &given.value);
    assert_eq!(choice, Some(&ToolChoice::Named("f".into())));
    let thinking = request.thinking.map(|given| given.value);
    assert_eq!(thinking, Some(Thinking::Effort(Effort::XHigh)));
    let mut dropped = Dropped::default();
    let written = encode_request(&request, &mut dropped).unwrap();
    let mut written: Json = serde_json::from_slice(&written).unwrap();
    written.as_object_mut().unwrap().remove("input");
    let expect = json!({
        "model": "m", "stream": true, "store": false, "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "top_logprobs": 2, "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"},
                "strict": true},
            {"type": "function", "name": "g", "parameters": {"type": "object", "properties": {}},
                "strict": false},
        ],
        "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": false,
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "s",
            "schema": {"a": 1.0}, "strict": true}},
        "reasoning": {"effort": "xhigh", "summary": "auto"},
        "max_output_tokens": 9, "temperature": 0.5, "top_p": 0.25, "user": "u",
        "service_tier": "flex", "metadata": {"k": "v"}, "prompt_cache_key": "p",
        "safety_identifier": "s",
    });
    assert_eq!(written, expect);
    let mut fields = dropped.fields().to_vec();
    fields.sort_unstable();
    assert_eq!(fields, ["novel", "store"]);
}

/// What is so without being asked for is not said to be left out.
#[test]
fn what_is_granted_is_not_dropped() {
    let body = json!({"model": "m", "input": "hi", "store": false, "truncation": "disabled",
        "include": ["reasoning.encrypted_content"]});
    let body = body.to_string();
    let request = decode_request(body.as_bytes()).unwrap();
    assert!(request.rest.is_empty(), "{:?}", request.rest);
}

#[test]
fn choices_of_words_are_read() {
    let read = |name: &str, value: Json| {
        let body = json!({"model": "m", "input": "hi", name: value}).to_string();
        let request = decode_request(body.as_bytes()).unwrap();
        let choice = request
            .tool_choice
            .map(|given| format!("{:?}", given.value));
        let thinking = request.thinking.map(|given| format!("{:?}", given.value));
        let format = request.format.map(|given| format!("{:?}", given.value));
        choice.or(thinking).or(format)
    };
    let check = |name: &str, value: Json, expect: &str| {
        assert_eq!(read(name, value).as_deref(), Some(expect));
    };
    check("tool_choice", json!("auto"), "Auto");
    check("tool_choice", json!("none"), "None");
    check("tool_choice", json!("required"), "Required");
    check("reasoning", json!({"effort": "none"}), "Off");
    check("reasoning", json!({"effort": "minimal"}), "Effort(Minimal)");
    check("reasoning", json!({"effort": "high"}), "Effort(High)");
    check("text", json!({"format": {"type": "text"}}), "Text");
    check(
        "text",
        json!({"format": {"type": "json_object"}}),
        "JsonObject",
    );
    assert_eq!(read("reasoning", json!({"summary": "auto"})), None);
    assert_eq!(read("text", json!({})), None);
}

#[test]
fn efforts_and_formats_have_names() {
    let write = |request: Request<'_>| -> Json {
        let written = encode_request(&request, &mut Dropped::default()).unwrap();
        serde_json::from_slice(&written).unwrap()
    };
    let check = |thinking: Thinking, effort: Json, include: Json| {
        let written = write(Request {
            thinking: given(thinking),
            ..Request::default()
        });
        assert_eq!(
            (&written["reasoning"]["effort"], &written["include"]),
            (&effort, &include)
        );
    };
    let encrypted = json!(["reasoning.encrypted_content"]);
    check(Thinking::Off, json!("none"), Json::Null);
    check(Thinking::Adaptive, Json::Null, encrypted.clone());
    check(Thinking::Budget(1024), json!("low"), encrypted.clone());
    check(Thinking::Budget(10_000), json!("medium"), encrypted.clone());
    check(Thinking::Budget(100_000), json!("high"), encrypted);
    let format = Format::Schema {
        name: None,
        description: None,
        schema: "{}".into(),
        strict: None,
    };
    let tool = Tool {
        name: "f".into(),
        description: None,
        schema: None,
        strict: None,
        cache: None,
    };
    let written = write(Request {
        format: given(format),
        tools: vec![tool],
        tool_choice: given(ToolChoice::Required),
        rest: vec![("verbosity".into(), "\"high\"")],
        ..Request::default()
    });
    let format = json!({"type": "json_schema", "name": "answer", "schema": {}});
    assert_eq!(
        written["text"],
        json!({"format": format, "verbosity": "high"})
    );
    assert_eq!(written["tool_choice"], "required");
    assert_eq!(written.get("stream"), None);
}

mod answers;
mod refusals;
mod streams;
