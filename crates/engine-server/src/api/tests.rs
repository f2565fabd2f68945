use http::StatusCode;
use proptest::prelude::*;

use super::*;

/// What becomes of a chat request whose prompt has 10 tokens where 100 fit.
fn chat(body: &str) -> Result<crate::generate::Limits, ApiError> {
    let request: ChatRequest = parse(body.as_bytes())?;
    check_messages(&request.messages, "m")?;
    request.sampling.check()?;
    request.check_tool_choice()?;
    let max_tokens = request
        .max_completion_tokens
        .or(request.sampling.max_tokens);
    request.sampling.limits(max_tokens, 10, 100, (5, 5))
}

fn refused(fields: &str, expect: &str) {
    let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],"model":"m"{fields}}}"#);
    let error = chat(&body).expect_err(fields);
    assert_eq!(error.status, StatusCode::BAD_REQUEST, "{fields}");
    assert!(
        error.message.contains(expect),
        "{fields}: {}",
        error.message
    );
}

#[test]
fn what_vllm_refuses_is_refused() {
    refused(
        r#","max_tokens":0"#,
        "max_tokens must be at least 1, got 0.",
    );
    refused(r#","max_tokens":-5"#, "at least 1, got -5");
    refused(r#","max_tokens":"5""#, "invalid type");
    refused(r#","max_tokens":91"#, "(91 > 100 - 10)");
    refused(r#","max_tokens":9223372036854775807"#, "too large");
    refused(
        r#","max_completion_tokens":91,"max_tokens":3"#,
        "too large: 91",
    );
    refused(r#","n":0"#, "n must be at least 1, got 0.");
    refused(
        r#","n":2,"temperature":0"#,
        "n must be 1 when using greedy sampling, got 2.",
    );
    refused(
        r#","temperature":-0.5"#,
        "temperature must be non-negative, got -0.5.",
    );
    refused(r#","top_p":0"#, "top_p must be in (0, 1], got 0.");
    refused(
        r#","presence_penalty":2.5"#,
        "presence_penalty must be in [-2, 2], got 2.5.",
    );
    refused(
        r#","min_tokens":-1"#,
        "min_tokens must be greater than or equal to 0",
    );
    refused(
        r#","min_tokens":9,"max_tokens":8"#,
        "less than or equal to max_tokens=8, got 9",
    );
    refused(r#","stop":"""#, "stop cannot contain an empty string.");
    refused(r#","stop":7"#, "did not match");
    refused(r#","cache_salt":"""#, "cache_salt");
    refused(
        r#","stream_options":{"include_usage":true}"#,
        "when `stream=True`",
    );
    refused(r#","tool_choice":"required""#, "--tool-call-parser");
    refused(r#","messages":[]"#, "duplicate field");
}

#[test]
fn conversations_are_checked() {
    let check =
        |body: &str, kind: &str| assert_eq!(chat(body).expect_err(body).kind, kind, "{body}");
    check("", "Bad Request");
    check("{", "Bad Request");
    check(r#"{"model":"m"}"#, "Bad Request");
    check(r#"{"messages":"hi"}"#, "Bad Request");
    check(r#"{"messages":[{"content":"no role"}]}"#, "Bad Request");
    check(r#"{"messages":[]}"#, "BadRequestError");
    let image = r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]}"#;
    check(image, "BadRequestError");
}

#[test]
fn what_vllm_takes_is_taken() {
    let check = |body: &str, max_tokens| assert_eq!(chat(body).unwrap().max_tokens, max_tokens);
    check(r#"{"messages":[{"role":"user","content":"hi"}]}"#, 90);
    check(
        r#"{"messages":[{"role":"user","content":null}],"max_tokens":null}"#,
        90,
    );
    check(
        r#"{"messages":[{"role":"x","content":"a"}],"max_tokens":7,"unknown":{"a":[1]}}"#,
        7,
    );
    let parts = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}],
                    "max_completion_tokens":5,"max_tokens":9,"stop":["a","b"],"n":3}"#;
    check(parts, 5);
}

#[test]
fn an_error_has_vllms_shape() {
    let body: serde_json::Value =
        serde_json::from_str(&ApiError::no_such_model("x").body()).unwrap();
    let expect = serde_json::json!({"error": {
        "message": "The model `x` does not exist.",
        "type": "NotFoundError", "param": "model", "code": 404,
    }});
    assert_eq!(body, expect);
}

proptest! {
    #[test]
    fn no_body_panics(body in any::<Vec<u8>>(), text in "[\\[{\"a-z:,0-9\\]}]{0,40}") {
        let _ = parse::<ChatRequest>(&body);
        let _ = parse::<CompletionRequest>(text.as_bytes());
        let _ = parse::<TokenizeRequest>(text.as_bytes());
    }
}
