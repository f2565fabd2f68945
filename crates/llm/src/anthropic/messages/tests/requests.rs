//! Requests read, and read and written again.

use serde_json::{Value as Json, json};

use super::{assert_json, given};
use crate::anthropic::messages::{decode_request, encode_request};
use crate::canonical::{Dropped, Effort, Format, Part, Role, Thinking, ToolChoice};

/// A request with these fields besides those that it must have.
fn body(fields: Json) -> Json {
    let mut body = json!({
        "model": "claude", "max_tokens": 100,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    });
    for (name, value) in fields.as_object().expect("fields") {
        body[name] = value.clone();
    }
    body
}

fn conversation(messages: Json) -> Json {
    body(json!({"messages": messages}))
}

/// Reads a request and writes it again.
#[track_caller]
fn check_dropping(input: &Json, expect: &Json, fields: &[&str]) {
    let text = input.to_string();
    let request = decode_request(text.as_bytes()).expect("a request");
    let mut dropped = Dropped::default();
    let written = encode_request(&request, &mut dropped).expect("an Anthropic request");
    assert_json(&written, expect);
    assert_eq!(dropped.fields(), fields);
}

#[track_caller]
fn check(input: &Json, expect: &Json) {
    check_dropping(input, expect, &[]);
}

#[track_caller]
fn check_same(input: &Json) {
    check(input, input);
}

#[track_caller]
fn check_refused(input: &Json, field: &str, word: &str) {
    let fault = decode_request(input.to_string().as_bytes()).expect_err(field);
    assert_eq!(fault.field, field, "{fault}");
    assert!(fault.message.contains(word), "{fault}");
}

#[test]
fn requests_keep_what_they_say() {
    let tools = json!([
        {"name": "look", "description": "Looks.", "input_schema": {"type": "object"},
         "strict": true, "cache_control": {"type": "ephemeral"}},
        {"name": "go", "input_schema": {"type": "object", "properties": {"x": {"const": 1.50}}}},
    ]);
    let forced = json!({"type": "tool", "name": "go", "disable_parallel_tool_use": true});
    let schema = json!({"type": "json_schema", "schema": {"type": "object", "properties": {}}});
    for fields in [
        json!({}),
        json!({"system": [
            {"type": "text", "text": "Be"},
            {"type": "text", "text": "kind", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        ]}),
        json!({"stream": true, "temperature": 0.25, "top_k": 5}),
        json!({"top_p": 0.5, "stop_sequences": ["END", "###"]}),
        json!({"metadata": {"user_id": "u-1"}, "service_tier": "standard_only"}),
        json!({"service_tier": "auto"}),
        json!({"tools": tools}),
        json!({"tools": tools, "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}),
        json!({"tools": tools, "tool_choice": {"type": "any"}}),
        json!({"tools": tools, "tool_choice": {"type": "none"}}),
        json!({"tools": tools, "tool_choice": forced}),
        json!({"output_config": {"format": schema}}),
        json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        json!({"thinking": {"type": "adaptive"},
               "output_config": {"effort": "xhigh", "format": schema}}),
        json!({"thinking": {"type": "adaptive"}}),
        json!({"thinking": {"type": "disabled"}}),
        json!({"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000}),
    ] {
        check_same(&body(fields));
    }
}

#[test]
fn conversations_keep_what_they_say() {
    let base64 = json!({"type": "base64", "media_type": "image/png", "data": "aGk="});
    let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "aGk="});
    let plain = json!({"type": "text", "media_type": "text/plain", "data": "Once"});
    let url = json!({"type": "url", "url": "https://example.com/a"});
    check_same(&conversation(json!([
        {"role": "user", "content": [
            {"type": "text", "text": "See", "cache_control": {"type": "ephemeral"}},
            {"type": "image", "source": base64, "cache_control": {"type": "ephemeral"}},
            {"type": "image", "source": url},
            {"type": "document", "source": pdf, "title": "A"},
            {"type": "document", "source": plain},
            {"type": "document", "source": url},
        ]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "b3BhcXVl"},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "a", "name": "look", "input": {"at": [1.50, "\n"]}},
            {"type": "tool_use", "id": "b", "name": "look", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "is_error": true,
             "content": [{"type": "text", "text": "No."}]},
            {"type": "tool_result", "tool_use_id": "b", "cache_control": {"type": "ephemeral"},
             "content": [{"type": "image", "source": base64}, {"type": "text", "text": "This"}]},
            {"type": "tool_result", "tool_use_id": "c"},
            {"type": "text", "text": "So?"},
        ]},
        {"role": "assistant", "content": [{"type": "text", "text": "Well,"}]},
    ])));
}

#[test]
fn short_forms_are_read() {
    let input = body(json!({
        "system": "Be kind",
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [
                {"type": "text", "text": "Ho", "citations": []},
                {"type": "tool_use", "id": "a", "name": "look", "input": {},
                 "caller": {"type": "direct"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "7", "is_error": false}]},
        ],
        "tools": [{"type": "custom", "name": "look", "input_schema": {}, "strict": false,
                   "eager_input_streaming": true, "defer_loading": false,
                   "allowed_callers": ["direct"]}],
        "output_format": {"type": "json_schema", "schema": {"type": "object"}},
        "stop_sequences": [], "top_p": 1, "stream": false, "metadata": null,
    }));
    let text = |text: &str| json!([{"type": "text", "text": text}]);
    let mut expect = body(json!({
        "system": text("Be kind"),
        "messages": [
            {"role": "user", "content": text("Hi")},
            {"role": "assistant", "content": [
                {"type": "text", "text": "Ho"},
                {"type": "tool_use", "id": "a", "name": "look", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": text("7")}]},
        ],
        "tools": [{"name": "look", "input_schema": {"type": "object", "properties": {}}}],
    }));
    let schema = json!({"type": "json_schema", "schema": {"type": "object"}});
    expect["output_config"] = json!({"format": schema});
    check(&input, &expect);
}

#[test]
fn fields_have_their_names() {
    let input = body(json!({
        "stream": true, "system": "Be kind", "stop_sequences": ["END"],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "output_config": {"effort": "max", "format": {"type": "json_schema", "schema": {}}},
        "metadata": {"user_id": "u-1"},
    }))
    .to_string();
    let request = decode_request(input.as_bytes()).expect("a request");
    assert!(request.stream && request.stream_usage);
    assert_eq!(request.messages[0].role, Role::System);
    assert_eq!(request.messages[0].parts, [Part::text("Be kind")]);
    assert_eq!(request.max_output, given("max_tokens", 100));
    assert_eq!(request.stop, given("stop_sequences", vec!["END".into()]));
    assert_eq!(
        request.tool_choice,
        given("tool_choice", ToolChoice::Required)
    );
    let field = "tool_choice.disable_parallel_tool_use";
    assert_eq!(request.parallel_tools, given(field, false));
    let effort = Thinking::Effort(Effort::XHigh);
    assert_eq!(request.thinking, given("output_config.effort", effort));
    let format = Format::Schema {
        name: None,
        description: None,
        schema: "{}".into(),
        strict: Some(true),
    };
    assert_eq!(request.format, given("output_config.format", format));
    assert_eq!(request.user, given("metadata.user_id", "u-1".into()));
}

#[test]
fn hints_are_set_aside() {
    let input = body(json!({
        "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
        "max_tokens": 2000,
        "output_config": {"effort": "low", "task_budget": {"total": 5}},
        "metadata": {"user_id": "u-1", "team": "x"},
        "cache_control": {"type": "ephemeral"},
        "inference_geo": "eu", "mcp_servers": [],
    }));
    let expect = body(json!({
        "thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000,
        "metadata": {"user_id": "u-1"},
    }));
    let dropped = [
        "thinking.display",
        "output_config.task_budget",
        "output_config.effort",
        "metadata.team",
        "cache_control",
        "inference_geo",
    ];
    check_dropping(&input, &expect, &dropped);
}

#[test]
fn what_others_cannot_be_told_is_refused() {
    let user = |block: Json| conversation(json!([{"role": "user", "content": [block]}]));
    let document = |fields: Json| {
        let mut block = json!({"type": "document", "source": {"type": "url", "url": "u"}});
        block
            .as_object_mut()
            .expect("fields")
            .extend(fields.as_object().expect("fields").clone());
        user(block)
    };
    let block = "messages[0].content[0]";
    let check_block = |input: Json, field: &str, word: &str| {
        check_refused(&input, &format!("{block}{field}"), word);
    };
    check_block(
        user(json!({"type": "search_result", "title": "x"})),
        ".type",
        "search_result",
    );
    check_block(
        user(json!({"type": "tool_use", "id": "a"})),
        ".type",
        "message of the user",
    );
    check_block(
        user(json!({"type": "text", "text": "x", "new": 1})),
        ".new",
        "counterpart",
    );
    check_block(document(json!({"context": "x"})), ".context", "counterpart");
    let source = json!({"source": {"type": "content", "content": []}});
    check_block(document(source), ".source.type", "content");
    let image = json!({"type": "image", "source": {"type": "text", "data": "x"}});
    check_block(user(image), ".source.type", "an image");
    let nested = json!({"type": "tool_result", "tool_use_id": "a",
        "content": [{"type": "tool_reference", "tool_name": "x"}]});
    check_block(user(nested), ".content[0].type", "tool_reference");
    let called = json!({"type": "tool_use", "id": "a", "name": "x", "input": {},
        "caller": {"type": "code_execution_20250825", "tool_id": "t"}});
    let called = conversation(json!([{"role": "assistant", "content": [called]}]));
    check_block(called, ".caller.type", "code_execution_20250825");
    let role = conversation(json!([{"role": "tool", "content": "x"}]));
    check_refused(&role, "messages[0].role", "tool");
    check_refused(&conversation(json!([])), "messages", "at least one");
    let system = json!({"system": [{"type": "image", "source": {}}]});
    check_refused(&body(system), "system[0].type", "instructions");
    let tool = |tool: Json| body(json!({"tools": [tool]}));
    let server = json!({"type": "web_search_20250305", "name": "web_search"});
    check_refused(&tool(server), "tools[0].type", "web_search_20250305");
    let deferred = json!({"name": "x", "input_schema": {}, "defer_loading": true});
    check_refused(&tool(deferred), "tools[0].defer_loading", "wanted");
    check_refused(
        &tool(json!({"name": "x"})),
        "tools[0].input_schema",
        "missing",
    );
    let choice = json!({"tool_choice": {"type": "some"}});
    check_refused(&body(choice), "tool_choice.type", "some");
    let servers = json!({"mcp_servers": [{"url": "x"}]});
    check_refused(&body(servers), "mcp_servers[0]", "reached");
    let compaction = json!({"compaction": {"type": "auto"}});
    check_refused(&body(compaction), "compaction", "wanted");
    // Clients go on without a thread if they are told in their words.
    let thread = body(json!({"thread": {"type": "create"}}));
    check_refused(&thread, "thread", "whole conversation");
    let fault = decode_request(thread.to_string().as_bytes()).expect_err("a thread");
    assert_eq!(fault.code, Some("thread_unsupported_request"));
    check_refused(&body(json!({"max_tokens": null})), "max_tokens", "missing");
    let effort = json!({"output_config": {"effort": "huge"}});
    check_refused(&body(effort), "output_config.effort", "huge");
    let format = json!({"output_format": {"type": "regex"}});
    check_refused(&body(format), "output_format.type", "regex");
    let thinking = json!({"thinking": {"type": "enabled"}});
    check_refused(&body(thinking), "thinking.budget_tokens", "missing");
}
