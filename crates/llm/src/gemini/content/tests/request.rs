use super::*;
use crate::canonical::{
    Content, Effort, Media, MediaKind, Part, Reasoning, Role, Source, Thinking, ToolChoice,
};

/// A request that says `hi`, with these fields.
fn with(fields: Json) -> Json {
    let mut request = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
    let object = request.as_object_mut().unwrap();
    object.extend(fields.as_object().unwrap().clone());
    request
}

/// Whether a request comes out as it went in.
#[track_caller]
fn same(request: &Json) {
    same_as(request, request);
}

#[track_caller]
fn same_as(request: &Json, expect: &Json) {
    let text = body(request);
    let (written, dropped) = write(&read(&text));
    assert_eq!(&written, expect);
    assert!(dropped.is_empty(), "{dropped:?}");
    // What was written means what was read.
    let again = body(&written);
    assert_eq!(write(&read(&again)).0, written);
}

#[track_caller]
fn refused(request: &Json, field: &str) {
    let text = body(request);
    let fault = decode_request(&text, "gemini-3-pro".into(), false).unwrap_err();
    assert_eq!(fault.field, field, "{}", fault.message);
}

#[test]
fn a_conversation_with_a_system_instruction() {
    let request = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [{"text": "Hello"}]},
            {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        ],
    });
    same(&request);
    let text = body(&request);
    let read = decode_request(&text, "gemini-2.5-flash".into(), true).unwrap();
    assert_eq!(
        (&*read.model, read.stream, read.stream_usage),
        ("gemini-2.5-flash", true, true)
    );
    let roles: Vec<_> = read.messages.iter().map(|message| message.role).collect();
    assert_eq!(
        roles,
        [Role::System, Role::User, Role::Assistant, Role::User]
    );
    assert_eq!(
        read.messages[0].parts,
        [Part::text("Be brief."), Part::text("Be kind.")]
    );
}

#[test]
fn snake_case_and_single_items_are_read() {
    let request = json!({
        "system_instruction": {"parts": {"text": "Be brief."}},
        "contents": {"parts": [
            {"inline_data": {"mime_type": "image/png", "data": "-_8"}},
            {"file_data": {"mime_type": "image/png", "file_uri": "https://a.example/x.png"}},
        ]},
        "generation_config": {"max_output_tokens": 9, "top_k": 4, "stop_sequences": ["."],
            "thinking_config": {"thinking_level": "low", "include_thoughts": true}},
        "tools": {"function_declarations": {"name": "f", "parameters_json_schema": {}}},
        "tool_config": {"function_calling_config": {"mode": "any"}},
    });
    let expect = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [
            {"inlineData": {"mimeType": "image/png", "data": "+/8="}},
            {"fileData": {"mimeType": "image/png", "fileUri": "https://a.example/x.png"}},
        ]}],
        "generationConfig": {"maxOutputTokens": 9, "topK": 4, "stopSequences": ["."],
            "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": true}},
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    });
    same_as(&request, &expect);
}

#[test]
fn media_have_their_places() {
    let text = body(&json!({"contents": [{"parts": [
        {"inlineData": {"mimeType": "audio/wav", "data": "AAAA", "displayName": "a"}},
        {"fileData": {"fileUri": "https://youtu.be/x"}},
        {"fileData": {"fileUri": "gs://b/x.pdf"}},
        {"inlineData": {"mimeType": "text/plain", "data": "w78="}},
        {"inlineData": {"mimeType": "text/plain", "data": "_w=="}},
    ]}]}));
    let request = read(&text);
    let media: Vec<_> = request.messages[0]
        .parts
        .iter()
        .map(|p| &p.content)
        .collect();
    let expect = |kind, source, name: Option<&'static str>| {
        Content::Media(Media {
            kind,
            source,
            name: name.map(Into::into),
            detail: None,
            cited: false,
        })
    };
    let audio = Source::Base64 {
        media_type: "audio/wav".into(),
        data: "AAAA".into(),
    };
    // It is no UTF-8.
    let latin = Source::Base64 {
        media_type: "text/plain".into(),
        data: "/w==".into(),
    };
    assert_eq!(
        media,
        [
            &expect(MediaKind::Audio, audio, Some("a")),
            &expect(
                MediaKind::Video,
                Source::Url("https://youtu.be/x".into()),
                None
            ),
            &expect(
                MediaKind::Document,
                Source::File("gs://b/x.pdf".into()),
                None
            ),
            &expect(MediaKind::Document, Source::Text("ÿ".into()), None),
            &expect(MediaKind::Document, latin, None),
        ]
    );
    let (written, dropped) = write(&request);
    assert_eq!(
        written["contents"][0]["parts"],
        json!([
            {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
            {"fileData": {"fileUri": "https://youtu.be/x"}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/x.pdf"}},
            {"inlineData": {"mimeType": "text/plain", "data": "w78="}},
            {"inlineData": {"mimeType": "text/plain", "data": "/w=="}},
        ])
    );
    assert_eq!(dropped, ["filename"]);
}

#[test]
fn calls_with_and_without_ids() {
    let request = json!({"contents": [
        {"role": "user", "parts": [{"text": "weather?"}]},
        {"role": "model", "parts": [
            {"functionCall": {"name": "f", "args": {"at": "a"}}, "thoughtSignature": "c2ln"},
            {"functionCall": {"name": "g"}},
            {"functionCall": {"name": "f", "args": {"at": "b"}}},
            {"functionCall": {"id": "own", "name": "f", "args": {}}},
        ]},
        {"role": "function", "parts": [
            {"functionResponse": {"name": "f", "response": {"result": "1"}}},
            {"functionResponse": {"id": "own", "name": "f", "response": {"error": "4"}}},
            {"functionResponse": {"name": "f", "response": {"degrees": 3}}},
            {"functionResponse": {"name": "g", "response": {"output": "2"}}},
        ]},
    ]});
    let expect = json!({"contents": [
        {"role": "user", "parts": [{"text": "weather?"}]},
        {"role": "model", "parts": [
            {"functionCall": {"id": "call_0", "name": "f", "args": {"at": "a"}},
             "thoughtSignature": "c2ln"},
            {"functionCall": {"id": "call_1", "name": "g", "args": {}}},
            {"functionCall": {"id": "call_2", "name": "f", "args": {"at": "b"}}},
            {"functionCall": {"id": "own", "name": "f", "args": {}}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"id": "call_0", "name": "f", "response": {"result": "1"}}},
            {"functionResponse": {"id": "own", "name": "f", "response": {"error": "4"}}},
            {"functionResponse": {"id": "call_2", "name": "f", "response": {"degrees": 3}}},
            {"functionResponse": {"id": "call_1", "name": "g", "response": {"result": "2"}}},
        ]},
    ]});
    same_as(&request, &expect);
    let text = body(&request);
    let request = read(&text);
    let Content::ToolResult(error) = &request.messages[2].parts[1].content else {
        panic!()
    };
    assert!(error.is_error && error.parts == [Part::text("4")]);
}

/// As clients have it that follow the first examples of the API.
#[test]
fn a_response_that_repeats_the_name_of_its_function() {
    let of = |response: Json| {
        json!({"contents": [
            {"role": "model", "parts": [
                {"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": "c2ln"}]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "1", "name": "f", "response": response}}]},
        ]})
    };
    let text = json!({"name": "f", "content": "21 °C"});
    same_as(&of(text), &of(json!({"result": "21 °C"})));
    let object = json!({"name": "f", "content": {"degrees": 21}});
    same_as(&of(object), &of(json!({"degrees": 21})));
    for said in [
        json!({"name": "g", "content": "21 °C"}),
        json!({"name": 1, "content": "21 °C"}),
        json!({"name": "f", "content": "21 °C", "unit": "C"}),
        json!({"name": "f", "result": "21 °C"}),
        json!({"content": "21 °C"}),
    ] {
        same(&of(said));
    }
}

/// Chats of Google's SDKs keep what was streamed as one content for each event.
#[test]
fn a_result_may_have_an_image() {
    same_as(
        &json!({"contents": [
            {"role": "model", "parts": [
                {"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": "c2ln"}]},
            {"role": "user", "parts": [{"functionResponse": {"id": "1", "name": "f",
                "response": {}, "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}}]},
        ]}),
        &json!({"contents": [
            {"role": "model", "parts": [
                {"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": "c2ln"}]},
            {"role": "user", "parts": [{"functionResponse": {"id": "1", "name": "f",
                "response": {}, "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}}]},
        ]}),
    );
}

#[test]
fn thoughts_keep_their_signatures() {
    same(&json!({"contents": [{"role": "model", "parts": [
        {"text": "Hm", "thought": true, "thoughtSignature": "c2ln"},
        {"text": "Well", "thought": true},
        {"text": "Yes"},
        {"text": "", "thoughtSignature": "c2ln"},
    ]}]}));
    // The signature of a text stands behind it, that of a thought belongs to it.
    same_as(
        &json!({"contents": [{"role": "model", "parts": [
            {"text": "Hm", "thought": true},
            {"text": "", "thoughtSignature": "c2ln"},
            {"text": "Yes", "thoughtSignature": "dHdv"},
        ]}]}),
        &json!({"contents": [{"role": "model", "parts": [
            {"text": "Hm", "thought": true, "thoughtSignature": "c2ln"},
            {"text": "Yes"},
            {"text": "", "thoughtSignature": "dHdv"},
        ]}]}),
    );
    let signature = Proof::redacted("AAAA");
    let text = body(&json!({"contents": [{"role": "model", "parts": [
        {"text": "", "thoughtSignature": signature}, {"text": "Yes"}]}]}));
    let redacted = Reasoning {
        redacted: Some("AAAA".into()),
        ..Reasoning::default()
    };
    assert_eq!(
        read(&text).messages[0].parts[0].content,
        Content::Reasoning(redacted)
    );
}

#[test]
fn tools_with_json_schema_or_the_subset() {
    same_as(
        &with(json!({"tools": [{"functionDeclarations": [
            {"name": "f", "description": "d", "parameters": {
                "type": "OBJECT",
                "required": ["b"],
                "property_ordering": ["b", "a"],
                "properties": {
                    "a": {"type": "STRING", "nullable": true, "format": "enum", "enum": ["x"]},
                    "b": {"type": "ARRAY", "minItems": "1", "items": {"type": "NUMBER", "example": 1.5}},
                    "c": {"anyOf": [{"type": "INTEGER"}], "nullable": true},
                },
            }},
        ]}, {"functionDeclarations": [{"name": "g"}]}]})),
        &with(json!({"tools": [{"functionDeclarations": [
            {"name": "f", "description": "d", "parametersJsonSchema": {
                "type": "object",
                "required": ["b"],
                "properties": {
                    "b": {"type": "array", "minItems": 1, "items": {"type": "number", "examples": [1.5]}},
                    "a": {"type": ["string", "null"], "enum": ["x", null]},
                    "c": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                },
            }},
            {"name": "g"},
        ]}]})),
    );
    let text = body(&with(
        json!({"tools": [{"functionDeclarations": [{"name": "f", "parameters":
        {"properties": {"a": {}, "b": {}, "c": {}}, "propertyOrdering": ["c", "z", "c", "a"]}}]}]}),
    ));
    let schema = read(&text).tools[0].schema.clone().unwrap();
    assert_eq!(schema, r#"{"properties":{"c":{},"a":{},"b":{}}}"#);
}

#[test]
fn schemas_are_refused_by_the_name_of_the_field() {
    let check = |schema: Json, field: &str| {
        let tool = json!({"functionDeclarations": [{"name": "f", "parameters": schema}]});
        let field = format!("tools[0].functionDeclarations[0].parameters{field}");
        refused(&with(json!({"tools": [tool]})), &field);
    };
    check(
        json!({"properties": {"a": {"type": 1}}}),
        ".properties.a.type",
    );
    check(json!({"anyOf": [{}, {"oneOf": []}]}), ".anyOf[1].oneOf");
    check(json!({"items": {"maxItems": "many"}}), ".items.maxItems");
    let mut deep = json!({});
    for _ in 0..200 {
        deep = json!({"items": deep});
    }
    check(deep, "");
}

#[test]
fn which_tool_is_to_be_called() {
    let check = |config: Json, choice: Option<ToolChoice<'_>>, written: Json| {
        let tools = json!([{"functionDeclarations": [{"name": "f"}]}]);
        let config = json!({"functionCallingConfig": config});
        let text = body(&with(json!({"tools": tools, "toolConfig": config})));
        let request = read(&text);
        assert_eq!(request.tool_choice.clone().map(|given| given.value), choice);
        let config = write(&request).0["toolConfig"]["functionCallingConfig"].clone();
        assert_eq!(config, written);
    };
    check(json!({}), None, Json::Null);
    check(
        json!({"mode": "AUTO"}),
        Some(ToolChoice::Auto),
        json!({"mode": "AUTO"}),
    );
    check(
        json!({"mode": "VALIDATED"}),
        Some(ToolChoice::Auto),
        json!({"mode": "AUTO"}),
    );
    check(
        json!({"mode": "NONE"}),
        Some(ToolChoice::None),
        json!({"mode": "NONE"}),
    );
    check(
        json!({"mode": "ANY"}),
        Some(ToolChoice::Required),
        json!({"mode": "ANY"}),
    );
    check(
        json!({"mode": "ANY", "allowedFunctionNames": ["f"]}),
        Some(ToolChoice::Named("f".into())),
        json!({"mode": "ANY", "allowedFunctionNames": ["f"]}),
    );
}

#[test]
fn the_form_of_the_answer() {
    let check = |config: Json, expect: Json| {
        let request = with(json!({"generationConfig": config}));
        same_as(&request, &with(json!({"generationConfig": expect})));
    };
    let schema = json!({"type": "object"});
    let json_schema = json!({"responseMimeType": "application/json", "responseJsonSchema": schema});
    check(json_schema.clone(), json_schema.clone());
    check(json!({"responseSchema": {"type": "OBJECT"}}), json_schema);
    let object = json!({"responseMimeType": "application/json"});
    check(object.clone(), object);
    let text = json!({"responseMimeType": "text/plain", "candidateCount": 2});
    check(text.clone(), text);
}

#[test]
fn sampling() {
    same(&with(json!({"generationConfig": {
        "maxOutputTokens": 5, "temperature": 0.5, "topP": 0.25, "topK": 3, "seed": -1,
        "stopSequences": ["a", "b"], "candidateCount": 1, "presencePenalty": 0.5,
        "frequencyPenalty": -0.5, "responseLogprobs": true, "logprobs": 4,
    }})));
    same_as(
        &with(json!({"generationConfig": {"responseLogprobs": false, "stopSequences": []}})),
        &with(json!({})),
    );
}

#[test]
fn how_much_to_think() {
    let check = |config: Json, expect: Option<Thinking>, written: Json| {
        let text = body(&with(
            json!({"generationConfig": {"thinkingConfig": config}}),
        ));
        let request = read(&text);
        assert_eq!(request.thinking.map(|given| given.value), expect);
        assert_eq!(
            write(&request).0["generationConfig"]["thinkingConfig"],
            written
        );
    };
    check(
        json!({"thinkingBudget": 0}),
        Some(Thinking::Off),
        // That of a model which always thinks.
        json!({"thinkingLevel": "LOW"}),
    );
    let adaptive = json!({"thinkingBudget": -1, "includeThoughts": true});
    check(
        json!({"thinkingBudget": -1}),
        Some(Thinking::Adaptive),
        adaptive.clone(),
    );
    check(
        json!({"includeThoughts": true}),
        Some(Thinking::Adaptive),
        adaptive,
    );
    check(json!({"includeThoughts": false}), None, Json::Null);
    let budget = json!({"thinkingBudget": 99, "includeThoughts": true});
    check(
        json!({"thinkingBudget": 99}),
        Some(Thinking::Budget(99)),
        budget,
    );
    let level = json!({"thinkingLevel": "MINIMAL", "includeThoughts": true});
    let minimal = Some(Thinking::Effort(Effort::Minimal));
    check(json!({"thinkingLevel": "minimal"}), minimal, level);
}

#[test]
fn what_no_other_dialect_has_is_refused_by_name() {
    let check = |fields: Json, field| refused(&with(fields), field);
    check(json!({"contents": null}), "contents");
    check(
        json!({"cachedContent": "cachedContents/x"}),
        "cachedContent",
    );
    let safety = |threshold: Json| {
        json!({"safetySettings": [
            {"category": "A", "threshold": "OFF"}, {"category": "B", "threshold": threshold}]})
    };
    for threshold in [json!("BLOCK_ONLY_HIGH"), Json::Null] {
        check(safety(threshold), "safetySettings[1].threshold");
    }
    check(
        json!({"tools": [{"googleSearch": {}}]}),
        "tools[0].googleSearch",
    );
    check(
        json!({"tools": [{"code_execution": {}}]}),
        "tools[0].code_execution",
    );
    let config = |config: Json| json!({"toolConfig": {"functionCallingConfig": config}});
    let at = "toolConfig.functionCallingConfig";
    check(
        config(json!({"mode": "ANY", "allowedFunctionNames": ["a", "b"]})),
        at,
    );
    check(
        config(json!({"mode": "AUTO", "allowedFunctionNames": ["a"]})),
        at,
    );
    check(
        config(json!({"mode": "SOME"})),
        "toolConfig.functionCallingConfig.mode",
    );
    let generation = |config: Json| json!({"generationConfig": config});
    check(
        generation(json!({"speechConfig": {}})),
        "generationConfig.speechConfig",
    );
    let modalities = json!({"responseModalities": ["TEXT", "IMAGE"]});
    check(
        generation(modalities),
        "generationConfig.responseModalities[1]",
    );
    let choice = json!({"responseMimeType": "text/x.enum"});
    check(generation(choice), "generationConfig.responseMimeType");
    let both = json!({"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}});
    check(generation(both), "generationConfig.thinkingConfig");
    check(generation(json!({"topK": "x"})), "generationConfig.topK");
}

#[test]
fn parts_that_are_unknown_are_refused_by_name() {
    let check = |part: Json, field: &str| {
        let field = if field.is_empty() {
            ""
        } else {
            &format!(".{field}")
        };
        let content = json!({"role": "model", "parts": [{"text": "a"}, part]});
        refused(
            &with(json!({"contents": [content]})),
            &format!("contents[0].parts[1]{field}"),
        );
    };
    check(json!({"executableCode": {"code": "1"}}), "executableCode");
    check(
        json!({"text": "a", "videoMetadata": {"fps": 1}}),
        "videoMetadata",
    );
    check(json!({}), "");
    check(
        json!({"fileData": {"fileUri": "https://a.example/x"}}),
        "fileData.mimeType",
    );
    let answer = json!({"functionResponse": {"name": "f", "response": {}}});
    check(answer, "functionResponse.name");
    check(
        json!({"functionCall": {"name": "f", "args": 1}}),
        "functionCall.args",
    );
    refused(
        &json!({"contents": [{"role": "system", "parts": []}]}),
        "contents[0].role",
    );
}

#[test]
fn hints_that_are_not_known_are_left_for_others_to_drop() {
    let text = body(&with(json!({
        "store": true,
        "labels": {"a": "b"},
        "model": "models/x",
        "safetySettings": [],
        "tools": [{"functionDeclarations": [{"name": "f", "response_json_schema": {}}]}],
        "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
    })));
    let request = read(&text);
    assert_eq!(
        request.metadata.as_ref().map(|given| &*given.value),
        Some(r#"{"a":"b"}"#)
    );
    let (written, dropped) = write(&request);
    let tools = json!([{"functionDeclarations": [{"name": "f"}]}]);
    assert_eq!(written, with(json!({ "tools": tools })));
    assert_eq!(
        dropped,
        [
            "labels",
            "functionDeclarations.responseJsonSchema",
            "generationConfig.mediaResolution",
            "store"
        ]
    );
}

#[test]
fn that_nothing_is_to_be_filtered_is_a_hint() {
    let settings = json!([
        {"category": "A", "threshold": "OFF"}, {"category": "B", "threshold": "BLOCK_NONE"}]);
    for name in ["safetySettings", "safety_settings"] {
        let text = body(&with(json!({ name: settings })));
        let (written, dropped) = write(&read(&text));
        assert_eq!(written, with(json!({})));
        assert_eq!(dropped, [name]);
    }
}

#[test]
fn of_two_schemas_that_in_json_schema_counts() {
    let json_schema = json!({"type": "object", "additionalProperties": false});
    let config = |fields: Json| with(json!({ "generationConfig": fields }));
    let text = body(&config(json!({
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT"},
        "response_json_schema": json_schema,
    })));
    let (written, dropped) = write(&read(&text));
    let expect = json!({
        "responseMimeType": "application/json",
        "responseJsonSchema": json_schema,
    });
    assert_eq!(written, config(expect));
    assert_eq!(dropped, ["generationConfig.responseSchema"]);
}
