use serde_json::{Value, json};

use super::*;
use crate::Client;
use crate::response::Usage;
use crate::{Dialect, error, models};

fn parse(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

#[test]
fn errors_have_the_words_of_their_kind() {
    use ErrorKind::*;
    for (kind, expect, status) in [
        (InvalidRequest, "invalid_request_error", 400),
        (Authentication, "authentication_error", 401),
        (PermissionDenied, "permission_error", 403),
        (NotFound, "not_found_error", 404),
        (MethodNotAllowed, "invalid_request_error", 405),
        (RequestTooLarge, "request_too_large", 413),
        (RateLimited, "rate_limit_error", 429),
        (Internal, "api_error", 500),
        (Upstream, "api_error", 502),
        (Unavailable, "overloaded_error", 503),
        (Timeout, "timeout_error", 504),
    ] {
        let error = ApiError::new(kind, "m\"")
            .with_param("model")
            .with_code("c");
        let body = parse(&error::encode(Dialect::Anthropic, &error));
        let expect = json!({
            "type": "error",
            "error": {"type": expect, "message": "m\"", "details": {"error_code": "c"}},
            "request_id": null,
        });
        assert_eq!((body, error.status), (expect, status), "{kind:?}");
    }
}

#[test]
fn in_a_stream_an_error_is_a_named_event() {
    let error = ApiError::new(ErrorKind::Timeout, "late");
    let event = error::stream_event(crate::Api::MESSAGES, &error, 0);
    let body = error::encode(Dialect::Anthropic, &error);
    assert_eq!(
        event,
        [b"event: error\ndata: ", &body[..], b"\n\n"].concat()
    );
}

/// What an upstream reports in a stream and we answer in its place says the same.
#[test]
fn an_upstreams_error_keeps_type_and_status() {
    for (kind, status) in STATUSES {
        let raw = json!({"type": kind, "message": "m"}).to_string();
        let read = upstream_error(raw.as_bytes()).expect("an error");
        assert_eq!(
            (read.status, read.kind.as_deref(), read.message.as_str()),
            (Some(status), Some(kind), "m")
        );
        let again = ApiError {
            status,
            kind: ErrorKind::of_status(status),
            message: read.message,
            param: None,
            code: None,
        };
        let body = parse(&error_body(&again));
        let expect = if status == 409 {
            "invalid_request_error"
        } else {
            kind
        };
        assert_eq!(body["error"]["type"], expect);
    }
    let other = upstream_error(br#"{"type":"new_error","message":"m"}"#).expect("an error");
    assert_eq!(
        (other.status, other.kind.as_deref()),
        (None, Some("new_error"))
    );
    assert_eq!(upstream_error(b"\"m\"").expect("an error").message, "m");
    assert_eq!(upstream_error(b"null"), None);
}

#[test]
fn models_are_described_as_anthropic_does() {
    let model = |id: &str, created| Model {
        id: id.into(),
        created,
        owned_by: "o".into(),
    };
    let value = |id: &str, created: &str| json!({"type": "model", "id": id, "display_name": id, "created_at": created});
    let one = models::encode_model(Dialect::Anthropic, Client::Any, &model("a/b", 0));
    assert_eq!(parse(&one), value("a/b", "1970-01-01T00:00:00Z"));
    let list = [model("x", 951_782_400), model("y", 1_740_000_001)];
    assert_eq!(
        parse(&models::encode_list(Dialect::Anthropic, Client::Any, &list)),
        json!({
            "data": [value("x", "2000-02-29T00:00:00Z"), value("y", "2025-02-19T21:20:01Z")],
            "has_more": false, "first_id": "x", "last_id": "y",
        })
    );
    assert_eq!(
        parse(&models::encode_list(Dialect::Anthropic, Client::Any, &[])),
        json!({"data": [], "has_more": false, "first_id": null, "last_id": null})
    );
}

#[test]
fn dates_are_those_of_the_calendar() {
    let check = |seconds, expect: &str| assert_eq!(timestamp(seconds), expect);
    check(86_399, "1970-01-01T23:59:59Z");
    check(68_169_600, "1972-02-29T00:00:00Z");
    check(68_256_000, "1972-03-01T00:00:00Z");
    check(946_684_799, "1999-12-31T23:59:59Z");
    check(4_107_542_400, "2100-03-01T00:00:00Z");
}

#[test]
fn classes_of_usage_contain_each_other() {
    let check =
        |raw: &str, expect: Option<Usage>| assert_eq!(usage(raw.as_bytes()), expect, "{raw}");
    check(
        r#"{"input_tokens":3,"cache_read_input_tokens":40,"cache_creation_input_tokens":10,
            "cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":6},
            "output_tokens":9,"output_tokens_details":{"thinking_tokens":5},
            "server_tool_use":{"web_search_requests":1},"service_tier":"standard"}"#,
        Some(Usage {
            input: Some(53),
            cached_input: Some(40),
            cache_write: Some(10),
            cache_write_hour: Some(6),
            output: Some(9),
            reasoning: Some(5),
            ..Usage::default()
        }),
    );
    check(
        r#"{"input_tokens":3,"output_tokens":9,"cache_read_input_tokens":null}"#,
        Some(Usage {
            input: Some(3),
            output: Some(9),
            ..Usage::default()
        }),
    );
    check(
        r#"{"input_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":6}}"#,
        Some(Usage {
            input: Some(11),
            cache_write: Some(10),
            cache_write_hour: Some(6),
            ..Usage::default()
        }),
    );
    check(
        r#"{"input_tokens":"3","output_tokens":-1}"#,
        Some(Usage::default()),
    );
    check(
        r#"{"input_tokens":18446744073709551615,"cache_read_input_tokens":1}"#,
        Some(Usage {
            cached_input: Some(1),
            ..Usage::default()
        }),
    );
    check("null", None);
}

#[test]
fn later_usage_is_joined_class_by_class() {
    let start = Usage {
        input: Some(53),
        cached_input: Some(40),
        cache_write: Some(10),
        cache_write_hour: Some(6),
        ..Usage::default()
    };
    let check = |now: &str, expect: Usage| {
        assert_eq!(
            joined(start, usage(now.as_bytes()).expect("usage")),
            expect,
            "{now}"
        );
    };
    let output = Some(9);
    check(r#"{"output_tokens":9}"#, Usage { output, ..start });
    check(
        r#"{"input_tokens":5,"output_tokens":9}"#,
        Usage {
            input: Some(55),
            output,
            ..start
        },
    );
    check(
        r#"{"input_tokens":5,"cache_read_input_tokens":100,"cache_creation_input_tokens":10,"output_tokens":9}"#,
        Usage {
            input: Some(115),
            cached_input: Some(100),
            output,
            ..start
        },
    );
    check(
        r#"{"input_tokens":0,"cache_read_input_tokens":0,"output_tokens":9}"#,
        Usage { output, ..start },
    );
}

#[test]
fn only_deltas_are_not_remarkable() {
    let check = |data: &str, expect| assert_eq!(is_remarkable(data.as_bytes()), expect, "{data}");
    check(
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\"message_stop\""}}"#,
        false,
    );
    check(r#" { "type" : "content_block_delta" , "index":0}"#, false);
    check(
        r#"{"type":"message_delta","delta":{"stop_sequence":"content_block_delta"},"usage":{"output_tokens":1}}"#,
        true,
    );
    check(r#"{"delta":{},"type":"content_block_delta"}"#, true);
    check(r#"{"type":"message_stop"}"#, true);
    check("", true);
}
