//! Requests of other dialects.

use super::*;
use crate::canonical::{
    Cache, Content, Effort, Format, Given, Media, MediaKind, Message, Part, Reasoning, Role,
    Source, Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};

fn user(parts: Vec<Part<'_>>) -> Message<'_> {
    Message {
        role: Role::User,
        name: None,
        parts,
    }
}

fn model(parts: Vec<Part<'_>>) -> Message<'_> {
    Message {
        role: Role::Assistant,
        name: None,
        parts,
    }
}

fn call<'a>(id: &'a str, name: &'a str, arguments: &'a str) -> Part<'a> {
    Part::new(Content::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        signature: None,
    }))
}

fn result<'a>(call: &'a str, parts: Vec<Part<'a>>, is_error: bool) -> Part<'a> {
    Part::new(Content::ToolResult(ToolResult {
        call: call.into(),
        parts,
        is_error,
    }))
}

fn medium(kind: MediaKind, source: Source<'_>) -> Part<'_> {
    Part::new(Content::Media(Media {
        kind,
        source,
        name: None,
        detail: None,
        cited: false,
    }))
}

#[test]
fn what_other_dialects_say() {
    let mut cached = Part::text("x");
    cached.cache = Some(Cache { ttl: None });
    let document = medium(MediaKind::Document, Source::Text("foo".into()));
    let request = Request {
        model: "gemini-3-pro".into(),
        messages: vec![
            Message {
                role: Role::Developer,
                ..user(vec![Part::text("Be brief.")])
            },
            Message {
                name: Some("ann".into()),
                ..user(vec![cached, document])
            },
            model(vec![
                Part::text(""),
                call("1", "f", ""),
                call("2", "g", "{\n\"a\": 1}"),
            ]),
            user(vec![result("1", vec![Part::text("[1]")], false)]),
            user(vec![result(
                "2",
                vec![Part::text("a"), Part::text("b")],
                true,
            )]),
            user(vec![Part::text("and?")]),
            model(vec![Part::new(Content::Refusal("No.".into()))]),
            model(vec![Part::new(Content::Reasoning(Reasoning::default()))]),
        ],
        ..Request::default()
    };
    let (written, dropped) = write(&request);
    let expect = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "x"},
                {"inlineData": {"mimeType": "text/plain", "data": "Zm9v"}}]},
            {"role": "model", "parts": [
                {"functionCall": {"id": "1", "name": "f", "args": {}},
                 "thoughtSignature": "skip_thought_signature_validator"},
                {"functionCall": {"id": "2", "name": "g", "args": {"a": 1}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "1", "name": "f", "response": {"result": "[1]"}}},
                {"functionResponse": {"id": "2", "name": "g", "response": {"error": "a\nb"}}},
            ]},
            {"role": "user", "parts": [{"text": "and?"}]},
            {"role": "model", "parts": [{"text": "No."}]},
        ],
    });
    assert_eq!(written, expect);
    assert_eq!(dropped, ["name", "cache_control"]);
    let older = Request {
        model: "gemini-2.5-pro".into(),
        ..request
    };
    assert_eq!(
        write(&older).0["contents"][1]["parts"][0]["thoughtSignature"],
        Json::Null
    );
}

#[test]
fn hints_are_dropped_by_name() {
    let request = Request {
        messages: vec![user(vec![Part::text("hi")])],
        service_tier: Some(Given {
            field: "service_tier",
            value: "flex".into(),
        }),
        user: Some(Given {
            field: "safety_identifier",
            value: "u".into(),
        }),
        metadata: Some(Given {
            field: "metadata",
            value: "{}".into(),
        }),
        seed: Some(Given {
            field: "seed",
            value: i64::MAX,
        }),
        parallel_tools: Some(Given {
            field: "parallel_tool_calls",
            value: false,
        }),
        format: Some(Given {
            field: "response_format",
            value: Format::Schema {
                name: Some("n".into()),
                description: Some("d".into()),
                schema: "{}".into(),
                strict: Some(true),
            },
        }),
        rest: vec![("prompt_cache_key".into(), "1")],
        ..Request::default()
    };
    let (written, dropped) = write(&request);
    let config = json!({"responseMimeType": "application/json", "responseJsonSchema": {}});
    assert_eq!(written["generationConfig"], config);
    assert_eq!(
        dropped,
        [
            "service_tier",
            "metadata",
            "safety_identifier",
            "seed",
            "response_format.description",
            "prompt_cache_key",
        ]
    );
}

#[test]
fn strict_tools_are_validated() {
    let check = |strict, choice: Option<ToolChoice<'static>>, expect: Json| {
        let request = Request {
            messages: vec![user(vec![Part::text("hi")])],
            tools: vec![Tool {
                name: "f".into(),
                description: None,
                schema: None,
                strict,
                cache: None,
            }],
            tool_choice: choice.map(|value| Given {
                field: "tool_choice",
                value,
            }),
            ..Request::default()
        };
        assert_eq!(
            write(&request).0["toolConfig"]["functionCallingConfig"]["mode"],
            expect
        );
    };
    check(Some(true), None, json!("VALIDATED"));
    check(Some(true), Some(ToolChoice::Auto), json!("VALIDATED"));
    check(Some(true), Some(ToolChoice::Required), json!("ANY"));
    check(Some(false), None, Json::Null);
}

#[test]
fn what_cannot_be_expressed_is_refused_by_name() {
    let check = |messages: Vec<Message<'_>>, field: &str| {
        let request = Request {
            messages,
            ..Request::default()
        };
        let fault = encode_request(&request, &mut Dropped::default()).unwrap_err();
        assert_eq!(fault.field, field, "{}", fault.message);
    };
    let first = "messages[0].content[0]";
    let system = || Message {
        role: Role::System,
        ..user(vec![Part::text("x")])
    };
    check(
        vec![system(), user(vec![Part::text("x")]), system()],
        "messages[2].role",
    );
    check(vec![user(vec![result("1", vec![], false)])], first);
    check(vec![model(vec![call("1", "f", "{\"a\":")])], first);
    check(vec![model(vec![call("1", "f", "[]")])], first);
    let redacted = Reasoning {
        redacted: Some("x".into()),
        ..Reasoning::default()
    };
    check(
        vec![model(vec![Part::new(Content::Reasoning(redacted))])],
        first,
    );
    let image = |source| medium(MediaKind::Image, source);
    check(
        vec![user(vec![image(Source::Url("https://a.example/x".into()))])],
        first,
    );
    check(
        vec![user(vec![image(Source::File("file-1".into()))])],
        first,
    );
    let by_url = image(Source::Url("https://a.example/x.png".into()));
    let messages = vec![
        model(vec![call("1", "f", "{}")]),
        user(vec![Part::text("x"), result("1", vec![by_url], false)]),
    ];
    check(messages, "messages[1].content[1]");

    let tool = Tool {
        name: "f".into(),
        description: None,
        schema: None,
        strict: None,
        cache: None,
    };
    let request = Request {
        tools: vec![tool],
        parallel_tools: Some(Given {
            field: "parallel_tool_calls",
            value: false,
        }),
        ..Request::default()
    };
    let fault = encode_request(&request, &mut Dropped::default()).unwrap_err();
    assert_eq!(fault.field, "parallel_tool_calls");
}

#[test]
fn older_models_have_budgets_for_levels() {
    let check = |model: &str, effort, expect: Json| {
        let request = Request {
            model: model.to_owned().into(),
            messages: vec![user(vec![Part::text("hi")])],
            thinking: Some(Given {
                field: "reasoning_effort",
                value: Thinking::Effort(effort),
            }),
            ..Request::default()
        };
        let (mut written, dropped) = write(&request);
        let config = written["generationConfig"]["thinkingConfig"].take();
        assert_eq!(config, expect, "{model}");
        let clamped: &[&str] = if effort == Effort::XHigh {
            &["reasoning_effort"]
        } else {
            &[]
        };
        assert_eq!(dropped, clamped);
    };
    let level = |level: &str| json!({"thinkingLevel": level, "includeThoughts": true});
    let budget = |tokens: u64| json!({"thinkingBudget": tokens, "includeThoughts": true});
    check("gemini-2.5-flash", Effort::Medium, budget(8192));
    check("gemini-2.5-pro", Effort::XHigh, budget(24_576));
    check("gemini-3-pro-preview", Effort::Medium, level("MEDIUM"));
    check("models/gemini-3.1-pro", Effort::XHigh, level("HIGH"));
    check("gemini-flash-latest", Effort::Low, level("LOW"));
}

#[test]
fn a_model_that_always_thinks_thinks_as_little_as_it_can() {
    let check = |model: &'static str, expect: Json, named: &[&str]| {
        let request = Request {
            model: model.into(),
            messages: vec![user(vec![Part::text("hi")])],
            thinking: Some(Given {
                field: "reasoning_effort",
                value: Thinking::Off,
            }),
            ..Request::default()
        };
        let (mut written, dropped) = write(&request);
        let config = written["generationConfig"]["thinkingConfig"].take();
        assert_eq!(config, expect, "{model}");
        assert_eq!(dropped, named, "{model}");
    };
    let off = json!({"thinkingBudget": 0});
    check("gemini-2.5-flash", off, &[]);
    let named = &["reasoning_effort"];
    check("gemini-2.5-pro", json!({"thinkingBudget": 128}), named);
    check("gemini-3-pro", json!({"thinkingLevel": "LOW"}), named);
}
