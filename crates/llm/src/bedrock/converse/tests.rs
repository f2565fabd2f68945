mod additional;
mod streams;

use std::borrow::Cow;

use serde_json::{Value as Json, json};

use super::*;
use crate::canonical::{Content, Dropped, Effort, Given, Media, Part, Request, Source, Thinking};

const NOVA: &str = "us.amazon.nova-2-lite-v1:0";
const CLAUDE: &str = "us.anthropic.claude-3-7-sonnet-20250219-v1:0";

fn reencoded(model: &str, request: &Json) -> (Json, Vec<String>) {
    let body = request.to_string();
    let mut dropped = Dropped::default();
    let decoded = decode_request(body.as_bytes(), model.into(), false).unwrap();
    let encoded = encode_request(&decoded, &mut dropped).unwrap();
    (
        serde_json::from_slice(&encoded).unwrap(),
        dropped.fields().to_vec(),
    )
}

/// A request that says in this dialect all that there is to say comes back as it was.
#[track_caller]
fn survives(model: &str, request: Json) {
    assert_eq!(reencoded(model, &request), (request, vec![]));
}

fn ask(extra: Json) -> Json {
    let mut request = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]});
    let fields = extra.as_object().unwrap().clone();
    request.as_object_mut().unwrap().extend(fields);
    request
}

fn refused(request: &Json) -> String {
    let body = request.to_string();
    let decoded = decode_request(body.as_bytes(), CLAUDE.into(), false);
    let written = decoded.and_then(|decoded| encode_request(&decoded, &mut Dropped::default()));
    written.unwrap_err().field
}

#[test]
fn requests_survive() {
    survives(CLAUDE, ask(json!({})));
    survives(
        CLAUDE,
        ask(json!({
            "system": [{"text": "be brief"}, {"cachePoint": {"type": "default"}}],
            "inferenceConfig": {"maxTokens": 9000, "stopSequences": ["a"]},
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            "serviceTier": {"type": "priority"},
            "requestMetadata": {"team": "a/b"},
            "toolConfig": {
                "tools": [
                    {"toolSpec": {"name": "f", "description": "d", "strict": true,
                        "inputSchema": {"json": {"type": "object", "properties": {"z": {"const": 1}}}}}},
                    {"cachePoint": {"type": "default", "ttl": "1h"}},
                ],
                "toolChoice": {"auto": {}},
            },
        })),
    );
    survives(
        CLAUDE,
        json!({"messages": [
            {"role": "user", "content": [
                {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
                {"document": {"format": "csv", "name": "figures", "source": {"bytes": "BBBB"}}},
                {"video": {"format": "three_gp", "source": {"s3Location": {"uri": "s3://b/a.3gp"}}}},
                {"text": "what is it?"},
                {"cachePoint": {"type": "default"}},
            ]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": "eA=="}},
                {"text": "so"},
                {"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1.50}}},
            ]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "1", "content": [
                    {"text": "one"}, {"image": {"format": "png", "source": {"bytes": "CCCC"}}},
                ], "status": "error"}},
            ]},
        ], "toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}}),
    );
    survives(
        "us.amazon.nova-pro-v1:0",
        ask(
            json!({"inferenceConfig": {"temperature": 0.5, "topP": 0.25},
            "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema":
                {"schema": "{\"type\":\"object\"}", "name": "n", "description": "d"}}}}}),
        ),
    );
}

#[test]
fn what_is_not_understood_is_named_or_refused() {
    let (_, dropped) = reencoded(
        CLAUDE,
        &ask(json!({
            "performanceConfig": {"latency": "optimized"},
            "inferenceConfig": {"x": 1},
            "additionalModelRequestFields": {"anthropic_beta": ["y"]},
            "additionalModelResponseFieldPaths": ["/stop_sequence"],
        })),
    );
    let expect = [
        "inferenceConfig.x",
        "additionalModelRequestFields.anthropic_beta",
        "performanceConfig",
        "additionalModelResponseFieldPaths",
    ];
    assert_eq!(dropped, expect);
    let say = |content: Json| json!({"messages": [{"role": "user", "content": [content]}]});
    let check = |request: Json, field: &str| assert_eq!(refused(&request), field, "{request}");
    check(
        ask(json!({"guardrailConfig": {"guardrailIdentifier": "g"}})),
        "guardrailConfig",
    );
    check(
        ask(json!({"promptVariables": {"a": {"text": "b"}}})),
        "promptVariables",
    );
    check(
        say(json!({"guardContent": {"text": {"text": "x"}}})),
        "messages[0].content[0].guardContent",
    );
    check(
        say(json!({"text": "a", "image": {}})),
        "messages[0].content[0].image",
    );
    check(say(json!({})), "messages[0].content[0].text");
    check(
        say(json!({"cachePoint": {"type": "default"}})),
        "messages[0].content[0].cachePoint",
    );
    check(
        say(json!({"image": {"format": "bmp", "source": {"bytes": "AA"}}})),
        "messages[0].content[0].image.format",
    );
    check(
        ask(json!({"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}})),
        "toolConfig.tools[0].toolSpec",
    );
}

/// A request as others ask.
fn foreign(
    model: &str,
    change: impl FnOnce(&mut Request<'static>),
) -> Result<(Json, Vec<String>), Fault> {
    let body = br#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;
    let mut request = decode_request(body, Cow::Owned(model.to_owned()), false).unwrap();
    change(&mut request);
    let mut dropped = Dropped::default();
    let written = encode_request(&request, &mut dropped)?;
    let written = serde_json::from_slice(&written).unwrap();
    Ok((written, dropped.fields().to_vec()))
}

fn given<T>(value: T) -> Option<Given<T>> {
    Some(Given { field: "f", value })
}

#[test]
fn each_maker_is_told_in_its_own_way_how_to_think() {
    let check = |model: &str, thinking, written: Json, dropped: &[&str]| {
        let (body, left) = foreign(model, |request| request.thinking = given(thinking)).unwrap();
        let extra = body.get("additionalModelRequestFields").cloned();
        assert_eq!(extra.unwrap_or(Json::Null), written, "{model}");
        assert_eq!(left, dropped, "{model}");
    };
    let budget = Thinking::Budget(5000);
    let enabled = json!({"thinking": {"type": "enabled", "budget_tokens": 5000}});
    check(CLAUDE, budget, enabled, &[]);
    let nova = json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}});
    check(NOVA, budget, nova, &[]);
    check(
        "openai.gpt-oss-20b-1:0",
        budget,
        json!({"reasoning_effort": "medium"}),
        &[],
    );
    check("meta.llama3-1-8b-instruct-v1:0", budget, Json::Null, &["f"]);
    // Whether it thinks then is not known; that Nova does not is.
    check("deepseek.v3-v1:0", Thinking::Off, Json::Null, &["f"]);
    check("openai.gpt-oss-20b-1:0", Thinking::Off, Json::Null, &["f"]);
    check(NOVA, Thinking::Off, Json::Null, &[]);
    check("us.amazon.nova-pro-v1:0", budget, Json::Null, &["f"]);
    check("us.amazon.nova-pro-v1:0", Thinking::Off, Json::Null, &[]);
}

/// At its highest effort Nova takes no bound and no sampling.
#[test]
fn nova_keeps_a_bound_rather_than_its_highest_effort() {
    let model = NOVA;
    let high = given(Thinking::Effort(Effort::High));
    let config = |effort: &str| json!({"type": "enabled", "maxReasoningEffort": effort});
    let sampled = |request: &mut Request<'_>| {
        request.thinking = high;
        request.temperature = Some(Given {
            field: "temperature",
            value: 0.5,
        });
        request.top_k = Some(Given {
            field: "top_k",
            value: 3,
        });
    };
    let (body, dropped) = foreign(model, sampled).unwrap();
    let extra = json!({"reasoningConfig": config("high")});
    assert_eq!(body["additionalModelRequestFields"], extra);
    assert_eq!(body.get("inferenceConfig"), None);
    assert_eq!(dropped, ["temperature", "top_k"]);
    let bounded = |request: &mut Request<'_>| {
        sampled(request);
        request.max_output = given(99);
    };
    let (body, dropped) = foreign(model, bounded).unwrap();
    let extra = json!({"reasoningConfig": config("medium"), "inferenceConfig": {"topK": 3}});
    assert_eq!(body["additionalModelRequestFields"], extra);
    let inference = json!({"maxTokens": 99, "temperature": 0.5});
    assert_eq!(body["inferenceConfig"], inference);
    assert_eq!(dropped, ["f"]);
}

#[test]
fn a_budget_of_thoughts_leaves_room_for_the_answer() {
    let budget = |request: &mut Request<'_>| request.thinking = given(Thinking::Budget(5000));
    let (body, _) = foreign(CLAUDE, budget).unwrap();
    assert_eq!(body["inferenceConfig"]["maxTokens"], 9096);
}

#[test]
fn marks_for_a_cache_go_only_where_there_is_one() {
    let request = ask(json!({"system": [{"text": "x"}, {"cachePoint": {"type": "default"}}]}));
    let (written, dropped) = reencoded("meta.llama3-1-8b-instruct-v1:0", &request);
    assert_eq!(written["system"], json!([{"text": "x"}]));
    assert_eq!(dropped, ["cache_control"]);
}

#[test]
fn ids_fit_and_still_link() {
    let long = "x".repeat(70);
    for id in ["functions/look:0", &long] {
        let call = json!({"role": "assistant", "content": [
            {"toolUse": {"toolUseId": id, "name": "f", "input": {}}}]});
        let result = json!({"role": "user", "content": [
            {"toolResult": {"toolUseId": id, "content": []}}]});
        let mut request = ask(json!({"toolConfig": {"tools":
            [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}}));
        request["messages"]
            .as_array_mut()
            .unwrap()
            .extend([call, result]);
        let (written, _) = reencoded(CLAUDE, &request);
        let at = |pointer| {
            written
                .pointer(pointer)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        };
        let sent = at("/messages/1/content/0/toolUse/toolUseId");
        assert!(sent.len() <= 64, "{sent}");
        assert!(
            sent.chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-.:".contains(c)),
            "{sent}"
        );
        assert_eq!(sent, at("/messages/2/content/0/toolResult/toolUseId"));
    }
}

#[test]
fn ids_that_differ_stay_apart() {
    let calls = |request: &mut Request<'static>| {
        let ids = ["functions.look:0", "a|b", "a/b"];
        request.tools = vec![tool()];
        request.messages.push(crate::canonical::Message {
            role: crate::canonical::Role::Assistant,
            name: None,
            parts: ids.map(call).to_vec(),
        });
    };
    let call_ids = foreign(CLAUDE, calls).unwrap().0;
    let content = call_ids["messages"][1]["content"].as_array().unwrap();
    let id = |at: usize| content[at]["toolUse"]["toolUseId"].as_str().unwrap();
    assert_eq!(id(0), "functions.look:0");
    assert!(id(1).starts_with("a_b_") && id(2).starts_with("a_b_"));
    assert_ne!(id(1), id(2));
}

fn tool() -> crate::canonical::Tool<'static> {
    crate::canonical::Tool {
        name: "f".into(),
        description: None,
        schema: None,
        strict: None,
        cache: None,
    }
}

fn call(id: &'static str) -> Part<'static> {
    Part::new(Content::ToolCall(crate::canonical::ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: "{}".into(),
        signature: None,
    }))
}

#[test]
fn documents_have_plain_names_and_none_twice() {
    let document = |name: Option<&str>| Part {
        content: Content::Media(Media {
            kind: MediaKind::Document,
            source: Source::Text("words".into()),
            name: name.map(|name| name.to_owned().into()),
            detail: None,
            cited: false,
        }),
        citations: Vec::new(),
        cache: None,
    };
    let names = [Some("a/b.pdf"), Some("a b pdf"), None, Some("…")];
    let (body, _) = foreign(CLAUDE, |request| {
        request.messages[0].parts.extend(names.map(document));
    })
    .unwrap();
    let content = body["messages"][0]["content"].as_array().unwrap();
    let written: Vec<_> = content[1..]
        .iter()
        .map(|part| &part["document"]["name"])
        .collect();
    assert_eq!(
        written,
        ["a b pdf", "a b pdf (2)", "document", "document (2)"]
    );
    assert_eq!(content[1]["document"]["source"]["bytes"], "d29yZHM=");
}

#[test]
fn notes_that_do_not_fit_are_dropped() {
    let check = |metadata: &'static str, fits: bool| {
        let note = |request: &mut Request<'_>| request.metadata = given(metadata.into());
        let (body, dropped) = foreign(CLAUDE, note).unwrap();
        assert_eq!(body.get("requestMetadata").is_some(), fits, "{metadata}");
        assert_eq!(dropped.is_empty(), fits, "{metadata}");
    };
    check(r#"{"team":"a b"}"#, true);
    check(r#"{"team":"schön"}"#, false);
    check(r#"{"team":1}"#, false);
    check(r#"{"":"a"}"#, false);
    let none = |request: &mut Request<'_>| request.metadata = given("{}".into());
    let (body, dropped) = foreign(CLAUDE, none).unwrap();
    assert_eq!((body.get("requestMetadata"), dropped.len()), (None, 0));
}

#[test]
fn tools_that_were_called_must_be_told() {
    let request = json!({"messages": [
        {"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "f", "input": {}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "1", "content": [{"json": {"a": 1}}]}}]},
    ]});
    assert_eq!(refused(&request), "tools");
    let mut with_tools = request;
    with_tools["toolConfig"] = json!({"tools":
        [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]});
    let (written, _) = reencoded(CLAUDE, &with_tools);
    let result = &written["messages"][2]["content"][0]["toolResult"];
    assert_eq!(result["content"], json!([{"text": "{\"a\":1}"}]));
}

#[test]
fn one_call_at_a_time_is_told_to_anthropics_models_alone() {
    let one = |request: &mut Request<'_>| {
        request.parallel_tools = given(false);
        request.tools = vec![tool()];
    };
    let (body, _) = foreign(CLAUDE, one).unwrap();
    let choice = json!({"type": "auto", "disable_parallel_tool_use": true});
    assert_eq!(body["additionalModelRequestFields"]["tool_choice"], choice);
    assert_eq!(
        foreign("us.amazon.nova-pro-v1:0", one).unwrap_err().field,
        "f"
    );
}

#[test]
fn answers_are_read_past_what_is_not_known() {
    let body = json!({"output": {"message": {"role": "assistant", "content": [
        {"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": []}},
        {"toolUse": {"toolUseId": "s", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
        {"image": {"format": "png", "source": {"bytes": "AA=="}}},
        {"text": "c"},
        {"reasoningContent": {"reasoningText": {"text": "d", "later": 1}, "later": 1}},
        {"toolUse": {"toolUseId": "1", "name": "f", "input": {"e": 1}, "later": 1}},
    ]}}, "stopReason": "guardrail_intervened", "usage": {}, "serviceTier": {"type": "flex"}});
    let body = body.to_string();
    let response = decode_response(body.as_bytes()).unwrap();
    let choice = &response.choices[0];
    let [cited, said, thought, call] = &choice.parts[..] else {
        panic!("{choice:?}");
    };
    assert_eq!([cited, said], [&Part::text("ab"), &Part::text("c")]);
    assert!(matches!(&thought.content, Content::Reasoning(it) if it.text.as_deref() == Some("d")));
    assert!(matches!(&call.content, Content::ToolCall(it) if it.arguments == r#"{"e":1}"#));
    assert_eq!(choice.finish, Some(Finish::ContentFilter));
    assert_eq!(response.service_tier.as_deref(), Some("flex"));
}

#[test]
fn audio_that_a_tool_gives_is_refused() {
    let sound = |place: &str| {
        let audio = json!({"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}});
        match place {
            "user" => audio,
            _ => json!({"toolResult": {"toolUseId": "1", "content": [audio]}}),
        }
    };
    let say = |place| json!({"messages": [{"role": "user", "content": [sound(place)]}]});
    survives(NOVA, say("user"));
    assert_eq!(refused(&say("result")), "messages");
}

#[test]
fn documents_of_text_are_text_to_others() {
    let document = |bytes: &str| {
        let source = json!({"bytes": bytes});
        json!({"messages": [{"role": "user", "content": [
            {"document": {"format": "txt", "name": "notes", "source": source}}]}]})
    };
    survives(CLAUDE, document("w6k="));
    let source = |bytes: &str| {
        let body = document(bytes).to_string();
        let request = decode_request(body.as_bytes(), CLAUDE.into(), false).unwrap();
        match &request.messages[0].parts[0].content {
            Content::Media(media) => format!("{:?}", media.source),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(source("w6k="), "Text(\"é\")");
    // What is no UTF-8 stays as it is.
    assert!(source("/w==").starts_with("Base64"));
}
