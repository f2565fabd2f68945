//! What cannot be said here, or cannot be passed on.

use super::*;

#[test]
fn what_needs_state_or_is_unknown_is_refused_by_name() {
    let check = |name: &str, value: Json, field: &str| {
        let mut body = json!({"model": "m", "input": "hi"});
        body[name] = value;
        let body = body.to_string();
        let fault = decode_request(body.as_bytes()).unwrap_err();
        assert_eq!(fault.field, field, "{fault}");
    };
    check("model", json!(null), "model");
    check("input", json!(null), "input");
    check("input", json!(1), "input");
    check(
        "previous_response_id",
        json!("resp_1"),
        "previous_response_id",
    );
    check("conversation", json!("conv_1"), "conversation");
    check("prompt", json!({"id": "pmpt_1"}), "prompt");
    check("background", json!(true), "background");
    check("truncation", json!("auto"), "truncation");
    check(
        "input",
        json!([{"type": "item_reference", "id": "x"}]),
        "input[0].type",
    );
    check("input", json!([{"id": "x"}]), "input[0].type");
    check(
        "input",
        json!([{"type": "web_search_call", "id": "x"}]),
        "input[0].type",
    );
    check(
        "input",
        json!([{"role": "tool", "content": "x"}]),
        "input[0].role",
    );
    check(
        "input",
        json!([{"role": "user", "content": [{"type": "x"}]}]),
        "input[0].content[0].type",
    );
    check(
        "input",
        json!([{"role": "user", "content": "x", "odd": 1}]),
        "input[0].odd",
    );
    let image = json!([{"role": "user", "content": [{"type": "input_image"}]}]);
    check("input", image, "input[0].content[0].image_url");
    let call = json!([{"type": "function_call", "name": "f", "arguments": "{}"}]);
    check("input", call, "input[0].call_id");
    for kind in [
        "web_search",
        "file_search",
        "computer",
        "code_interpreter",
        "mcp",
        "custom",
    ] {
        check(
            "tools",
            json!([{"type": kind, "name": "x"}]),
            "tools[0].type",
        );
    }
    check(
        "tool_choice",
        json!({"type": "allowed_tools", "mode": "auto"}),
        "tool_choice.type",
    );
    check("tool_choice", json!("any"), "tool_choice");
    check("reasoning", json!({"effort": "great"}), "reasoning.effort");
    check(
        "text",
        json!({"format": {"type": "grammar"}}),
        "text.format.type",
    );
}

#[test]
fn what_this_api_lacks_is_refused_or_dropped() {
    let check = |request: Request<'_>, expect: Result<&[&str], &str>| {
        let mut dropped = Dropped::default();
        match (encode_request(&request, &mut dropped), expect) {
            (Ok(_), Ok(names)) => assert_eq!(dropped.fields(), names),
            (Err(fault), Err(field)) => assert_eq!(fault.field, field, "{fault}"),
            (result, expect) => panic!("{result:?} is not {expect:?}"),
        }
    };
    let of = |role, content: Content<'static>| Request {
        messages: vec![message(role, [content])],
        ..Request::default()
    };
    check(
        Request {
            stop: given(vec!["x".into()]),
            ..Request::default()
        },
        Err("field"),
    );
    check(
        Request {
            stop: given(vec![]),
            ..Request::default()
        },
        Ok(&[]),
    );
    check(
        Request {
            choices: given(2),
            ..Request::default()
        },
        Err("field"),
    );
    check(
        Request {
            choices: given(1),
            ..Request::default()
        },
        Ok(&[]),
    );
    check(
        Request {
            top_k: given(2),
            ..Request::default()
        },
        Ok(&["field"]),
    );
    check(
        Request {
            seed: given(2),
            ..Request::default()
        },
        Ok(&["field"]),
    );
    check(
        Request {
            frequency_penalty: given(0.5),
            ..Request::default()
        },
        Ok(&["field"]),
    );
    check(
        Request {
            presence_penalty: given(0.5),
            ..Request::default()
        },
        Ok(&["field"]),
    );
    check(
        Request {
            thinking: given(Thinking::Budget(4096)),
            ..Request::default()
        },
        Ok(&["field"]),
    );
    check(
        Request {
            service_tier: given("standard_only".into()),
            ..Request::default()
        },
        Ok(&["field"]),
    );
    let signed = Reasoning {
        text: Some("x".into()),
        signature: Some("s".into()),
        redacted: None,
    };
    check(
        of(Role::Assistant, Content::Reasoning(signed)),
        Err("messages"),
    );
    let media = |kind, source| {
        Content::Media(Media {
            kind,
            source,
            name: None,
            detail: None,
            cited: false,
        })
    };
    let url = || Source::Url("https://example.com".into());
    check(
        of(Role::User, media(MediaKind::Video, url())),
        Err("messages"),
    );
    check(
        of(Role::User, media(MediaKind::Audio, url())),
        Err("messages"),
    );
    check(
        of(Role::Assistant, media(MediaKind::Image, url())),
        Err("messages"),
    );
    check(of(Role::User, call("c", "f", "{}")), Err("messages"));
    let failed = ToolResult {
        call: "c".into(),
        parts: vec![Part::text("boom")],
        is_error: true,
    };
    check(
        of(Role::User, Content::ToolResult(failed)),
        Ok(&["is_error"]),
    );
}
