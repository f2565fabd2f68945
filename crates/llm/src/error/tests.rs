use serde_json::{Value, json};

use super::*;

#[track_caller]
fn check(error: &ApiError, status: u16, expect: Value) {
    let body = encode(Dialect::OpenAi, error);
    assert_eq!(
        serde_json::from_slice::<Value>(&body).expect("JSON"),
        json!({ "error": expect })
    );
    assert_eq!(error.status, status);
}

#[test]
fn openai_has_its_own_words() {
    check(
        &ApiError::model_not_found("a\"b"),
        404,
        json!({
            "message": "The model `a\"b` does not exist or you do not have access to it.",
            "type": "invalid_request_error", "param": "model", "code": "model_not_found",
        }),
    );
    check(
        &ApiError::new(ErrorKind::Authentication, "who?"),
        401,
        json!({
            "message": "who?", "type": "invalid_request_error", "param": null,
            "code": "invalid_api_key",
        }),
    );
    check(
        &ApiError::new(ErrorKind::RateLimited, "wait").with_code("tokens"),
        429,
        json!({"message": "wait", "type": "requests", "param": null, "code": "tokens"}),
    );
    check(
        &ApiError::new(ErrorKind::Internal, "oh"),
        500,
        json!({"message": "oh", "type": "server_error", "param": null, "code": null}),
    );
}

#[test]
fn a_refused_body_names_its_field() {
    let error = crate::scan::ScanError::Repeated { field: "model" };
    let error = ApiError::from(error);
    assert_eq!((error.status, error.param.as_deref()), (400, Some("model")));
    assert_eq!(
        error.to_string(),
        "`model` is given more than once; give it once"
    );
}

#[test]
fn an_error_event_of_the_responses_api_is_numbered() {
    let error = ApiError::new(ErrorKind::Timeout, "late").with_param("input");
    let event = stream_event(Api::RESPONSES, &error, 7);
    let text = std::str::from_utf8(&event).expect("UTF-8");
    let data = text.strip_prefix("event: error\ndata: ").expect("named");
    let data: Value = serde_json::from_str(data).expect("JSON");
    let expect = json!({"type": "error", "code": "timeout", "message": "late",
        "param": "input", "sequence_number": 7, "error": {"type": "server_error",
            "code": "timeout", "message": "late", "param": "input"}});
    assert_eq!(data, expect);
}

#[test]
fn in_a_stream_the_body_is_an_event() {
    let error = ApiError::new(ErrorKind::Upstream, "two\nlines");
    let event = stream_event(Api::CHAT_COMPLETIONS, &error, 0);
    let body = encode(Dialect::OpenAi, &error);
    assert_eq!(event, [b"data: ", &body[..], b"\n\n"].concat());
}
