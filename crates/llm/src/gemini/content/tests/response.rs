use super::*;
use crate::canonical::{Choice, Content, Finish, Part, Reasoning, Response, ToolCall};
use crate::response::Usage;

#[track_caller]
fn same_as(answer: &Json, expect: &Json) {
    let text = body(answer);
    let written = encode_response(&decode_response(&text).unwrap(), 7);
    let written: Json = serde_json::from_slice(&written).unwrap();
    assert_eq!(&written, expect);
}

fn finish(answer: &Json) -> Option<Finish<'static>> {
    let text = body(answer);
    let answer = decode_response(&text).unwrap();
    match answer.choices.first()?.finish.clone()? {
        Finish::Other(reason) => Some(Finish::Other(reason.into_owned().into())),
        Finish::Stop => Some(Finish::Stop),
        Finish::ToolCalls => Some(Finish::ToolCalls),
        Finish::Length => Some(Finish::Length),
        Finish::ContentFilter => Some(Finish::ContentFilter),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_comes_out_as_it_went_in() {
    let answer = json!({
        "candidates": [
            {"content": {"parts": [
                {"text": "Hm", "thought": true, "thoughtSignature": "c2ln"},
                {"text": "Yes"},
                {"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}, "thoughtSignature": "dHdv"},
                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            ], "role": "model"}, "finishReason": "STOP", "index": 0},
            {"content": {"parts": [], "role": "model"}, "finishReason": "MAX_TOKENS", "index": 1},
        ],
        "usageMetadata": {"promptTokenCount": 10, "cachedContentTokenCount": 4,
            "candidatesTokenCount": 5, "thoughtsTokenCount": 3, "totalTokenCount": 18},
        "modelVersion": "gemini-3-pro",
        "responseId": "r",
    });
    same_as(&answer, &answer);
    let text = body(&answer);
    let read = decode_response(&text).unwrap();
    assert_eq!((&*read.id, &*read.model), ("r", "gemini-3-pro"));
    assert_eq!(read.choices[0].finish, Some(Finish::ToolCalls));
    assert_eq!(
        read.choices[0].parts[2].content,
        Content::ToolCall(ToolCall {
            id: "a".into(),
            name: "f".into(),
            arguments: r#"{"x":1}"#.into(),
            signature: Some("dHdv".into()),
        })
    );
}

#[test]
fn figures_contain_each_other() {
    let text = body(&json!({"candidates": [], "usageMetadata": {
        "promptTokenCount": 10, "toolUsePromptTokenCount": 2, "cachedContentTokenCount": 4,
        "candidatesTokenCount": 5, "thoughtsTokenCount": 3, "totalTokenCount": 20,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
    }}));
    let usage = decode_response(&text).unwrap().usage.unwrap();
    assert_eq!(
        usage,
        Usage {
            input: Some(12),
            cached_input: Some(4),
            output: Some(8),
            reasoning: Some(3),
            ..Usage::default()
        }
    );
}

#[test]
fn calls_without_ids_get_them_from_the_answer() {
    let call = json!({"functionCall": {"name": "f"}});
    let check = |id: Json, expect: [&str; 2]| {
        let content = json!({"parts": [call, call]});
        let text = body(&json!({"responseId": id, "candidates": [{"content": content}]}));
        let answer = decode_response(&text).unwrap();
        let ids: Vec<_> = answer.choices[0]
            .parts
            .iter()
            .map(|part| match &part.content {
                Content::ToolCall(call) => (&*call.id, &*call.arguments),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ids, expect.map(|id| (id, "{}")));
    };
    check(json!("xyz"), ["call_xyz_0", "call_xyz_1"]);
    check(Json::Null, ["call_0", "call_1"]);
}

#[test]
fn why_a_model_stops() {
    let check = |reason: &str, expect: Option<Finish<'static>>| {
        let content = json!({"parts": [{"text": "a"}]});
        let answer = json!({"candidates": [{"content": content, "finishReason": reason}]});
        assert_eq!(finish(&answer), expect, "{reason}");
    };
    check("STOP", Some(Finish::Stop));
    check("MAX_TOKENS", Some(Finish::Length));
    for reason in [
        "SAFETY",
        "PROHIBITED_CONTENT",
        "BLOCKLIST",
        "SPII",
        "RECITATION",
    ] {
        check(reason, Some(Finish::ContentFilter));
    }
    check("LANGUAGE", Some(Finish::Other("LANGUAGE".into())));
    check("FINISH_REASON_UNSPECIFIED", None);
    let call = json!({"candidates": [{"finishReason": "STOP",
        "content": {"parts": [{"functionCall": {"name": "f"}}]}}]});
    assert_eq!(finish(&call), Some(Finish::ToolCalls));
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
    assert_eq!(finish(&blocked), Some(Finish::ContentFilter));
}

#[test]
fn what_is_unknown_is_passed_over_but_not_what_is_missing() {
    same_as(
        &json!({"createTime": "x", "candidates": [{"content": {"role": "model", "parts": [
            {"executableCode": {"code": "1"}}, {"text": "a", "new": 1}, {},
        ]}, "finishReason": "STOP", "avgLogprobs": -1.5, "groundingMetadata": {}}]}),
        &json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "a"}]},
            "finishReason": "STOP", "index": 0}], "modelVersion": "", "responseId": ""}),
    );
    let check = |answer: &str, field: &str| {
        let fault = decode_response(answer.as_bytes()).unwrap_err();
        assert_eq!(fault.field, field, "{}", fault.message);
    };
    check("{}", "candidates");
    check(r#"{"promptFeedback": {}}"#, "candidates");
    check(
        r#"{"candidates": [{"content": {"parts": [{"functionCall": {}}]}}]}"#,
        "candidates[0].content.parts[0].functionCall.name",
    );
    check("[", "");
}

#[test]
fn what_other_dialects_answer() {
    let call = |arguments: &'static str| {
        Part::new(Content::ToolCall(ToolCall {
            id: "1".into(),
            name: "f".into(),
            arguments: arguments.into(),
            signature: None,
        }))
    };
    let check = |parts: Vec<Part<'static>>, finish, expect: Json, reason: &str| {
        let choice = Choice {
            parts,
            finish: Some(finish),
            ..Choice::default()
        };
        let response = Response {
            choices: vec![choice],
            ..Response::default()
        };
        let mut written: Json = serde_json::from_slice(&encode_response(&response, 0)).unwrap();
        let candidate = &mut written["candidates"][0];
        assert_eq!(candidate["content"]["parts"].take(), expect);
        assert_eq!(candidate["finishReason"], reason);
    };
    let refusal = Part::new(Content::Refusal("No.".into()));
    check(
        vec![refusal],
        Finish::Refusal,
        json!([{"text": "No."}]),
        "SAFETY",
    );
    let stop = Finish::StopSequence(Some(".".into()));
    check(vec![Part::text("a")], stop, json!([{"text": "a"}]), "STOP");
    let redacted = Reasoning {
        redacted: Some("AAAA".into()),
        ..Reasoning::default()
    };
    let redacted = Part::new(Content::Reasoning(redacted));
    let expect = json!([{"text": "", "thoughtSignature": "redactedAAAA"}]);
    check(vec![redacted], Finish::Pause, expect, "OTHER");
    let expect = json!([{"functionCall": {"id": "1", "name": "f", "args": {}}}]);
    check(vec![call("")], Finish::ToolCalls, expect, "STOP");
    check(
        vec![call("{\"a")],
        Finish::ToolCalls,
        json!([]),
        "MALFORMED_FUNCTION_CALL",
    );
    check(vec![], Finish::Other("new".into()), json!([]), "OTHER");
    check(
        vec![],
        Finish::Other("LANGUAGE".into()),
        json!([]),
        "LANGUAGE",
    );
}
