use super::*;
use crate::ErrorKind;

#[test]
fn events_tell_what_they_hold() {
    let event = r#"{"candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}],
        "usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"thoughtsTokenCount":1},
        "modelVersion":"g"}"#;
    let facts = event_facts(event.as_bytes());
    assert!(facts.content && !facts.usage_only && !facts.done);
    assert_eq!((facts.finished, facts.model.as_deref()), (1, Some("g")));
    let usage = facts.usage.unwrap();
    assert_eq!((usage.input, usage.output), (Some(3), Some(3)));
    assert!(!event_facts(br#"{"candidates":[{"content":{"parts":[{"text":""}]}}]}"#).content);
    assert_eq!(event_facts(b"nonsense").finished, 0);
    let error = br#"{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}"#;
    assert_eq!(event_facts(error).error.unwrap().status, Some(429));
}

#[test]
fn errors_are_read_as_they_are_written() {
    let body = error_body(&ApiError::new(ErrorKind::NotFound, "no such model"));
    let expect = json!({"error": {"code": 404, "message": "no such model", "status": "NOT_FOUND"}});
    let body: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(body, expect);
    let error = upstream_error(body["error"].to_string().as_bytes()).unwrap();
    assert_eq!(error.status, Some(404));
    assert_eq!(error.kind.as_deref(), Some("NOT_FOUND"));
    assert_eq!(error.message, "no such model");
    assert_eq!(upstream_error(b"\"text\""), None);
}

#[test]
fn models_are_listed_by_their_resource_names() {
    let model = Model {
        id: "m".into(),
        created: 0,
        owned_by: "g".into(),
    };
    let list: Json = serde_json::from_slice(&model_list(&[model])).unwrap();
    assert_eq!(list["models"][0]["name"], "models/m");
}
