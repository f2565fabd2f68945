//! Requests of other dialects, written.

use serde_json::{Value as Json, json};

use super::{given, parse};
use crate::anthropic::messages::encode_request;
use crate::canonical::{
    Content, Dropped, Effort, Format, Media, MediaKind, Message, Part, Reasoning, Request, Role,
    Source, Thinking, Tool, ToolCall, ToolChoice, ToolResult,
};

fn says(role: Role, content: Content<'static>) -> Message<'static> {
    let parts = vec![Part::new(content)];
    Message {
        role,
        name: None,
        parts,
    }
}

fn text(text: &'static str) -> Content<'static> {
    Content::Text(text.into())
}

fn tool() -> Tool<'static> {
    Tool {
        name: "look".into(),
        description: None,
        schema: None,
        strict: None,
        cache: None,
    }
}

fn call(id: &'static str, arguments: &'static str) -> Content<'static> {
    Content::ToolCall(ToolCall {
        id: id.into(),
        name: "look".into(),
        arguments: arguments.into(),
        signature: None,
    })
}

fn result(id: &'static str) -> Content<'static> {
    Content::ToolResult(ToolResult {
        call: id.into(),
        parts: vec![Part::text("7"), Part::text("")],
        is_error: false,
    })
}

/// A request of another dialect.
fn request(change: impl FnOnce(&mut Request<'static>)) -> Request<'static> {
    let mut request = Request {
        model: "claude".into(),
        messages: vec![says(Role::User, text("Hi"))],
        ..Request::default()
    };
    change(&mut request);
    request
}

/// Some fields of what is written for a request of another dialect.
#[track_caller]
fn check_written(change: impl FnOnce(&mut Request<'static>), expect: Json, fields: &[&str]) {
    let mut dropped = Dropped::default();
    let written = encode_request(&request(change), &mut dropped).expect("a request");
    let written = parse(&written);
    for (name, value) in expect.as_object().expect("fields") {
        assert_eq!(
            written.get(name).unwrap_or(&Json::Null),
            value,
            "{name}: {written:#}"
        );
    }
    assert_eq!(dropped.fields(), fields);
}

#[track_caller]
fn check_unwritten(change: impl FnOnce(&mut Request<'static>), field: &str, word: &str) {
    let fault = encode_request(&request(change), &mut Dropped::default()).expect_err(field);
    assert_eq!(fault.field, field, "{fault}");
    assert!(fault.message.contains(word), "{fault}");
}

#[test]
fn messages_of_one_role_are_one_turn() {
    let messages = vec![
        says(Role::System, text("Be")),
        says(Role::Developer, text("kind")),
        says(Role::User, text("Hi")),
        says(Role::User, text(" \n")),
        says(Role::User, text("there")),
        says(Role::Assistant, Content::Refusal("No.".into())),
        says(Role::Assistant, call("functions.look:0", "")),
        says(Role::Assistant, call("b", "{\"at\": ")),
        says(Role::User, text("And?")),
        says(Role::User, result("functions.look:0")),
        says(Role::User, result("b")),
    ];
    let text = |text: &str| json!({"type": "text", "text": text});
    let result =
        |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": [text("7")]});
    let call = |id: &str, input: Json| json!({"type": "tool_use", "id": id, "name": "look", "input": input});
    let expect = json!({
        "system": [text("Be"), text("kind")],
        "messages": [
            {"role": "user", "content": [text("Hi"), text("there")]},
            {"role": "assistant", "content": [
                text("No."),
                call("functions_look_0", json!({})),
                call("b", json!({"INVALID_JSON": "{\"at\":"})),
            ]},
            {"role": "user", "content": [result("functions_look_0"), result("b"), text("And?")]},
        ],
    });
    check_written(|request| request.messages = messages, expect, &[]);
}

fn media(kind: MediaKind, source: Source<'static>) -> Content<'static> {
    Content::Media(Media {
        kind,
        source,
        name: Some("a".into()),
        detail: Some("high".into()),
        cited: false,
    })
}

fn base64(media_type: &'static str) -> Source<'static> {
    Source::Base64 {
        media_type: media_type.into(),
        data: "aGk=".into(),
    }
}

#[test]
fn hints_of_a_conversation_are_dropped() {
    let mut named = says(Role::User, media(MediaKind::Image, base64("image/jpg")));
    named.name = Some("Ann".into());
    let thoughts = Content::Reasoning(Reasoning {
        text: Some("Hm.".into()),
        signature: Some("".into()),
        redacted: Some("b3BhcXVl".into()),
    });
    let thoughts = says(Role::Assistant, thoughts);
    let source = json!({"type": "base64", "media_type": "image/jpeg", "data": "aGk="});
    let expect = json!({"messages": [
        {"role": "user", "content": [{"type": "image", "source": source}]},
        {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "b3BhcXVl"}]},
    ]});
    let fields = [
        "messages.name",
        "messages.detail",
        "messages.filename",
        "messages.reasoning",
    ];
    check_written(
        |request| request.messages = vec![named, thoughts],
        expect,
        &fields,
    );
}

#[test]
fn what_a_conversation_cannot_hold_is_refused() {
    let check = |role: Role, content: Content<'static>, word: &str| {
        let change = |request: &mut Request<'static>| request.messages.push(says(role, content));
        check_unwritten(change, "messages", word);
    };
    let url = || Source::Url("https://example.com/a".into());
    check(
        Role::User,
        media(MediaKind::Audio, base64("audio/wav")),
        "audio (audio/wav)",
    );
    check(Role::User, media(MediaKind::Video, url()), "a video");
    check(
        Role::User,
        media(MediaKind::Document, base64("text/csv")),
        "text/csv",
    );
    check(
        Role::Assistant,
        media(MediaKind::Image, url()),
        "the assistant",
    );
    check(Role::User, call("a", "{}"), "the call of a tool");
    check(Role::Assistant, result("a"), "the result of a tool");
    check(Role::System, text("Be kind"), "behind the first turn");
    let nested = Content::ToolResult(ToolResult {
        call: "a".into(),
        parts: vec![Part::new(media(MediaKind::Audio, base64("audio/wav")))],
        is_error: false,
    });
    check(Role::User, nested, "audio");
    let proven = Content::ToolCall(ToolCall {
        id: "a".into(),
        name: "look".into(),
        arguments: "{}".into(),
        signature: Some("c2ln".into()),
    });
    check(Role::Assistant, proven, "proof");
    let first = |content| {
        vec![
            says(Role::System, text("Be")),
            says(Role::Assistant, content),
        ]
    };
    let answer = |request: &mut Request<'static>| request.messages = first(text("Hi"));
    check_unwritten(answer, "messages", "begin with what the user says");
    check_unwritten(
        |request| request.messages = first(text("")),
        "messages",
        "says nothing",
    );
}

#[test]
fn max_tokens_leave_room_for_thinking() {
    let check = |bound: Option<u64>, budget: u64, max: u64, expect: Json, dropped: &[&str]| {
        let change = |request: &mut Request<'static>| {
            request.max_output = bound.and_then(|bound| given("max_completion_tokens", bound));
            request.thinking = given("thinking_budget", Thinking::Budget(budget));
        };
        check_written(
            change,
            json!({"max_tokens": max, "thinking": expect}),
            dropped,
        );
    };
    let enabled = |budget: u64| json!({"type": "enabled", "budget_tokens": budget});
    check_written(|_| {}, json!({"max_tokens": 4096, "thinking": null}), &[]);
    check(None, 0, 4096, json!({"type": "disabled"}), &[]);
    check(None, 10, 5120, enabled(1024), &[]);
    check(None, 10000, 14096, enabled(10000), &[]);
    check(Some(3000), 2000, 3000, enabled(2000), &[]);
    check(Some(3000), 3000, 3000, enabled(2999), &[]);
    check(Some(1024), 2000, 1024, Json::Null, &["thinking_budget"]);
}

#[test]
fn a_forced_call_goes_without_thinking() {
    let check = |thinking: Thinking, expect: Json, dropped: &[&str]| {
        let change = |request: &mut Request<'static>| {
            request.tools = vec![tool()];
            request.tool_choice = given("tool_choice", ToolChoice::Required);
            request.thinking = given("reasoning_effort", thinking);
        };
        check_written(change, expect, dropped);
    };
    let effort = json!({"thinking": null, "output_config": {"effort": "low"}});
    check(Thinking::Effort(Effort::Minimal), effort, &[]);
    let none = || json!({"thinking": null, "output_config": null});
    check(Thinking::Adaptive, none(), &["reasoning_effort"]);
    check(Thinking::Budget(2000), none(), &["reasoning_effort"]);
}

#[test]
fn sampling_is_kept_within_what_models_take() {
    let check = |thinks: bool, given_: [Option<f64>; 2], expect: Json, dropped: &[&str]| {
        let change = |request: &mut Request<'static>| {
            let [temperature, top_p] = given_;
            request.temperature = temperature.and_then(|value| given("temperature", value));
            request.top_p = top_p.and_then(|value| given("top_p", value));
            request.top_k = given("top_k", 3);
            request.thinking = thinks
                .then_some(given("thinking", Thinking::Adaptive))
                .flatten();
        };
        check_written(change, expect, dropped);
    };
    let expect = |temperature: Json, top_p: Json, top_k: Json| json!({"temperature": temperature, "top_p": top_p, "top_k": top_k});
    let none = Json::Null;
    let clamped = expect(json!(1.0), none.clone(), json!(3));
    check(false, [Some(1.5), Some(1.0)], clamped, &["temperature"]);
    let cold = expect(json!(0.5), none.clone(), json!(3));
    check(false, [Some(0.5), Some(0.9)], cold, &["top_p"]);
    let narrow = expect(none.clone(), json!(0.9), json!(3));
    check(false, [Some(1.0), Some(0.9)], narrow, &[]);
    let thoughtful = expect(none.clone(), none.clone(), none.clone());
    check(
        true,
        [Some(0.5), Some(0.9)],
        thoughtful,
        &["temperature", "top_p", "top_k"],
    );
    let open = expect(none.clone(), json!(0.95), none.clone());
    check(true, [Some(1.0), Some(0.95)], open, &["top_k"]);
}

#[test]
fn hints_of_other_dialects_are_dropped() {
    let change = |request: &mut Request<'static>| {
        request.frequency_penalty = given("frequency_penalty", 1.0);
        request.presence_penalty = given("presence_penalty", 1.0);
        request.seed = given("seed", 7);
        request.choices = given("n", 1);
        request.log_probabilities = given("logprobs", 0);
        request.metadata = given("metadata", "{}".into());
        request.service_tier = given("service_tier", "flex".into());
        request.rest = vec![("logit_bias".into(), "{}")];
        // Without tools these say nothing.
        request.tool_choice = given("tool_choice", ToolChoice::Auto);
        request.parallel_tools = given("parallel_tool_calls", false);
        request.format = given("response_format", Format::Text);
    };
    let expect = json!({
        "service_tier": null, "metadata": null, "tool_choice": null, "output_config": null,
    });
    let fields = [
        "service_tier",
        "frequency_penalty",
        "presence_penalty",
        "seed",
        "logprobs",
        "metadata",
        "logit_bias",
    ];
    check_written(change, expect, &fields);
}

#[test]
fn fields_of_other_dialects_are_translated() {
    let change = |request: &mut Request<'static>| {
        request.tools = vec![tool()];
        request.parallel_tools = given("parallel_tool_calls", false);
        request.user = given("user", "u-1".into());
        request.service_tier = given("service_tier", "default".into());
        let format = Format::Schema {
            name: Some("answer".into()),
            description: Some("An answer.".into()),
            schema: r#"{"type": "object"}"#.into(),
            strict: None,
        };
        request.format = given("response_format", format);
    };
    let schema = json!({"type": "object", "properties": {}});
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    let expect = json!({
        "tools": [{"name": "look", "input_schema": schema}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "metadata": {"user_id": "u-1"},
        "service_tier": "standard_only",
        "output_config": {"format": format},
    });
    check_written(change, expect, &["response_format.description"]);
}

#[test]
fn fields_that_cannot_be_told_are_refused_by_name() {
    let none = |request: &mut Request<'static>| request.choices = given("n", 2);
    check_unwritten(none, "n", "one answer");
    let json = |request: &mut Request<'static>| {
        request.format = given("response_format", Format::JsonObject);
    };
    check_unwritten(json, "response_format", "schema");
    let stop = |request: &mut Request<'static>| {
        request.stop = given("stop", vec!["END".into(), "\n".into()]);
    };
    check_unwritten(stop, "stop", "blank");
    let forced = |request: &mut Request<'static>| {
        request.tool_choice = given("tool_choice", ToolChoice::Named("look".into()));
    };
    check_unwritten(forced, "tool_choice", "no `tools`");
}

/// What a model is told of its thinking must be what its generation knows.
#[test]
fn thinking_is_asked_for_as_the_model_knows_it() {
    let check =
        |model: &'static str, thinking, bound: Option<u64>, expect: Json, dropped: &[&str]| {
            let change = |request: &mut Request<'static>| {
                request.model = model.into();
                request.thinking = given("reasoning_effort", thinking);
                request.max_output = bound.and_then(|bound| given("max_completion_tokens", bound));
            };
            check_written(change, expect, dropped);
        };
    let (high, low) = (
        Thinking::Effort(Effort::High),
        Thinking::Effort(Effort::Low),
    );
    let budget = |tokens: u64, max: u64| {
        json!({"thinking": {"type": "enabled", "budget_tokens": tokens}, "max_tokens": max,
            "output_config": null})
    };
    for model in [
        "claude-3-7-sonnet-20250219",
        "claude-opus-4-1",
        "claude-haiku-4-5",
    ] {
        check(model, high, None, budget(24_576, 28_672), &[]);
        check(model, low, Some(20_000), budget(4096, 20_000), &[]);
        check(model, low, Some(4000), budget(2000, 4000), &[]);
        check(model, Thinking::Adaptive, None, budget(16_384, 20_480), &[]);
        check(
            model,
            low,
            Some(500),
            json!({"thinking": null}),
            &["reasoning_effort"],
        );
    }
    let adaptive = |effort: &str| json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}});
    let most = Thinking::Effort(Effort::XHigh);
    check("claude-opus-4-6", high, None, adaptive("high"), &[]);
    check("claude-opus-4-6", most, None, adaptive("max"), &[]);
    check(
        "claude-sonnet-4-6",
        Thinking::Budget(2000),
        None,
        budget(2000, 6096),
        &[],
    );
    let shown = |effort: &str| {
        json!({"thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": effort}})
    };
    check("claude-opus-4-7", most, None, shown("xhigh"), &[]);
    check(
        "claude-sonnet-5",
        Thinking::Budget(2000),
        None,
        shown("low"),
        &[],
    );
    check(
        "claude-sonnet-5",
        Thinking::Budget(30_000),
        None,
        shown("high"),
        &[],
    );
    let none = || json!({"thinking": null, "output_config": null});
    check(
        "claude-3-5-haiku-latest",
        high,
        None,
        none(),
        &["reasoning_effort"],
    );
    check("claude-3-5-haiku-latest", Thinking::Off, None, none(), &[]);
}

/// Of a turn that goes on, thoughts must come back where the model has to think.
#[test]
fn no_budget_for_thoughts_goes_with_calls_that_have_lost_theirs() {
    let proven = || {
        Content::Reasoning(Reasoning {
            text: Some("Hm.".into()),
            signature: Some("s".into()),
            redacted: None,
        })
    };
    let check = |model: &'static str, said: Vec<Vec<Content<'static>>>, thinks: bool| {
        let change = |request: &mut Request<'static>| {
            request.model = model.into();
            request.thinking = given("reasoning_effort", Thinking::Effort(Effort::Low));
            request.tools = vec![tool()];
            for (at, contents) in said.into_iter().enumerate() {
                let role = [Role::Assistant, Role::User][at % 2];
                request.messages.push(Message {
                    role,
                    name: None,
                    parts: contents.into_iter().map(Part::new).collect(),
                });
            }
        };
        let mut dropped = Dropped::default();
        let written = parse(&encode_request(&request(change), &mut dropped).unwrap());
        assert_eq!(written.get("thinking").is_some(), thinks, "{written:#}");
        assert_eq!(dropped.fields().is_empty(), thinks, "{written:#}");
    };
    let (budgeted, adaptive) = ("claude-sonnet-4-5", "claude-opus-4-8");
    let lost = || vec![vec![call("a", "{}")], vec![result("a")]];
    check(budgeted, lost(), false);
    check(adaptive, lost(), true);
    let mut asked = lost();
    asked[1].push(text("And?"));
    check(budgeted, asked, false);
    let kept = || vec![vec![proven(), call("a", "{}")], vec![result("a")]];
    check(budgeted, kept(), true);
    // It does not think before each call.
    let more = || vec![vec![call("b", "{}")], vec![result("b")]];
    check(budgeted, [kept(), more()].concat(), true);
    let ended = || vec![vec![text("It is.")], vec![text("Thanks")]];
    check(budgeted, [lost(), ended()].concat(), true);
    check(budgeted, [kept(), ended(), more()].concat(), false);
}

#[test]
fn newer_models_take_no_sampling() {
    let change = |request: &mut Request<'static>| {
        request.model = "claude-opus-4-7".into();
        request.temperature = given("temperature", 0.5);
        request.top_p = given("top_p", 0.9);
        request.top_k = given("top_k", 3);
    };
    let none = json!({"temperature": null, "top_p": null, "top_k": null});
    check_written(change, none.clone(), &["temperature", "top_p", "top_k"]);
    let change = |request: &mut Request<'static>| {
        request.model = "claude-opus-4-7".into();
        request.temperature = given("temperature", 1.0);
    };
    check_written(change, none, &[]);
}

/// Blank text is refused, and says nothing; but an end that says nothing would change who goes on.
#[test]
fn blank_text_is_left_out() {
    let blank = |role| says(role, text(" \n"));
    let said = |words: &[(&str, &str)]| {
        let turns = words.iter().map(
            |(role, words)| json!({"role": role, "content": [{"type": "text", "text": words}]}),
        );
        json!({"messages": turns.collect::<Vec<_>>()})
    };
    check_written(
        |request| {
            let beginning = [
                blank(Role::System),
                blank(Role::User),
                blank(Role::Assistant),
            ];
            request.messages.splice(0..0, beginning);
            request.messages.push(blank(Role::Assistant));
        },
        said(&[("user", "Hi")]),
        &[],
    );
    check_written(
        |request| {
            let mut marked = blank(Role::User);
            marked.parts[0].cache = Some(crate::canonical::Cache { ttl: None });
            request.messages.insert(0, marked);
        },
        said(&[("user", "Hi")]),
        &["cache_control"],
    );
    check_unwritten(
        |request| {
            request.messages.push(says(Role::Assistant, text("Hello")));
            request.messages.push(blank(Role::User));
        },
        "messages[2].content",
        "blank",
    );
}
