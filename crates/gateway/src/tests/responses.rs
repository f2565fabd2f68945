//! OpenAI's Responses API: passed through to backends of its dialect, translated for others.

use serde_json::{Value, json};

use super::anthropic::{
    BLOCK, BLOCK_END, DELTA, END, MESSAGE, START, STOP, ask, is_metered, named,
};
use super::fixture::*;

const RESPONSE: &str = r#"{"id":"resp_1","object":"response","status":"completed","model":"g-2026","error":null,"output":[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"hello","annotations":[]}]}],"usage":{"input_tokens":53,"input_tokens_details":{"cached_tokens":40},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":55}}"#;
const CREATED: &str = r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","status":"in_progress","model":"g-2026","error":null,"output":[],"usage":null}}"#;
const ADDED: &str = r#"{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"message","id":"msg_1","status":"in_progress","role":"assistant","content":[]}}"#;
const WORDS: &str = r#"{"type":"response.output_text.delta","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"hello"}"#;

fn body(model: &str, stream: bool) -> String {
    format!(
        r#"{{"model":"{model}","stream":{stream},"instructions":"be brief","input":"hi","max_output_tokens":8}}"#
    )
}

/// `g` is served in OpenAI's dialect, `m` in Anthropic's.
fn create(model: &str, stream: bool) -> String {
    post("/v1/responses", &body(model, stream))
}

fn completed() -> String {
    format!(r#"{{"type":"response.completed","sequence_number":3,"response":{RESPONSE}}}"#)
}

fn body_of(got: &str) -> Value {
    let (_, body) = got.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{got}"))
}

/// The events of a stream.
fn data(got: &str) -> Vec<Value> {
    let lines = got.lines().filter_map(|line| line.strip_prefix("data: "));
    lines
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn is_counted(record: &Value) {
    let count = |name: &str| record[name].as_u64();
    assert_eq!(
        (
            count("input_tokens"),
            count("cached_input_tokens"),
            count("output_tokens"),
            count("reasoning_tokens")
        ),
        (Some(53), Some(40), Some(2), Some(1)),
        "{record}"
    );
    assert_eq!(record["model_served"], "g-2026", "{record}");
    assert_eq!(record["operation"], "chat", "{record}");
    assert_eq!(record["outcome"], "completed", "{record}");
}

#[tokio::test]
async fn an_answer_passes_as_it_is_and_is_metered() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", RESPONSE)).await;
    let (got, record) = ask(&upstream, &create("g", false)).await;
    assert!(
        got.starts_with("HTTP/1.1 200") && got.ends_with(RESPONSE),
        "{got}"
    );
    is_counted(&record);
    let received = upstream.received().remove(0);
    assert!(
        received.starts_with("POST /v1/responses HTTP/1.1\r\n"),
        "{received}"
    );
    assert!(received.ends_with(&body("g", false)), "{received}");
}

/// The body is not touched to ask for usage, which comes unasked.
#[tokio::test]
async fn a_stream_passes_as_it_is_and_is_metered() {
    let stream = named(&[CREATED, ADDED, WORDS, &completed()]);
    let upstream = Upstream::answering(stream.clone()).await;
    let (got, record) = ask(&upstream, &create("g", true)).await;
    let (_, events) = stream.split_once("\r\n\r\n").unwrap();
    for event in events.split_inclusive("\n\n") {
        assert!(got.contains(event), "{event}: {got}");
    }
    assert!(!got.contains("[DONE]"), "{got}");
    is_counted(&record);
    let received = upstream.received().remove(0);
    assert!(received.ends_with(&body("g", true)), "{received}");
}

/// The error is an event like the others, and counted on from them.
#[tokio::test]
async fn a_broken_stream_ends_with_an_error_event() {
    let upstream = Upstream::answering(named(&[CREATED, ADDED, WORDS])).await;
    let (got, record) = ask(&upstream, &create("g", true)).await;
    let events = data(&got);
    let error = events.last().unwrap();
    assert!(got.contains("event: error\ndata: "), "{got}");
    assert_eq!(
        (&error["type"], &error["sequence_number"]),
        (&json!("error"), &json!(3))
    );
    assert_eq!(error["code"], "upstream_error", "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("gpt did not answer"), "{message}");
    assert_eq!(record["error"], "upstream_reset", "{record}");
    assert_eq!(record["output_tokens"], 1, "{record}");
    assert_eq!(record["tokens_estimated"], true, "{record}");
}

/// A failure before any content becomes the answer that it should have been, however much of the
/// request is repeated before.
#[tokio::test]
async fn a_failure_before_content_gets_its_status() {
    let failed = r#"{"type":"response.failed","sequence_number":1,"response":{"id":"resp_1","status":"failed","error":{"code":"rate_limit_exceeded","message":"slow down"}}}"#;
    let instructions = format!(r#""instructions":"{}","output""#, "a".repeat(50_000));
    let created = CREATED.replace(r#""output""#, &instructions);
    let upstream = Upstream::answering(named(&[&created, &created, failed])).await;
    let (got, _) = ask(&upstream, &create("g", true)).await;
    assert!(got.starts_with("HTTP/1.1 429"), "{got}");
    assert_eq!(body_of(&got)["error"]["message"], "slow down", "{got}");
}

#[tokio::test]
async fn a_request_is_answered_by_anthropics_api() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", MESSAGE)).await;
    let (got, record) = ask(&upstream, &create("m", false)).await;
    let response = body_of(&got);
    assert_eq!(response["object"], "response", "{got}");
    assert_eq!(response["output"][0]["content"][0]["text"], "hello");
    assert_eq!(response["usage"]["input_tokens"], 53);
    is_metered(&record, 2);
    assert_eq!(record["dialect"], "openai", "{record}");
    let received = upstream.received().remove(0);
    assert!(
        received.starts_with("POST /v1/messages HTTP/1.1\r\n"),
        "{received}"
    );
    let sent = body_of(&received);
    assert_eq!(sent["max_tokens"], 8);
    assert_eq!(sent["messages"][0]["role"], "user");
    assert!(sent["system"].to_string().contains("be brief"), "{sent}");
}

#[tokio::test]
async fn a_request_is_streamed_by_anthropics_api() {
    let stream = named(&[START, BLOCK, DELTA, DELTA, BLOCK_END, STOP, END]);
    let upstream = Upstream::answering(stream).await;
    let (got, record) = ask(&upstream, &create("m", true)).await;
    assert!(got.contains("content-type: text/event-stream"), "{got}");
    let events = data(&got);
    let text: String = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta")
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert_eq!(text, "hellohello", "{got}");
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed", "{got}");
    assert_eq!(last["response"]["usage"]["output_tokens"], 2);
    is_metered(&record, 2);
    assert_eq!(record["outcome"], "completed", "{record}");
}

#[tokio::test]
async fn a_translated_stream_that_breaks_off_ends_with_an_error_event() {
    let upstream = Upstream::answering(named(&[START, BLOCK, DELTA])).await;
    let (got, record) = ask(&upstream, &create("m", true)).await;
    let events = data(&got);
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{got}");
    }
    assert_eq!(events.last().unwrap()["type"], "error", "{got}");
    assert!(!got.contains("response.completed"), "{got}");
    assert_eq!(record["outcome"], "upstream_failed", "{record}");
}

#[tokio::test]
async fn what_needs_a_server_that_remembers_is_refused_in_translation_only() {
    let upstream = Upstream::answering(answer("200 OK", "application/json", RESPONSE)).await;
    let with = |model: &str| {
        let body = format!(r#"{{"model":"{model}","input":"hi","previous_response_id":"resp_0"}}"#);
        post("/v1/responses", &body)
    };
    let (got, _) = ask(&upstream, &with("m")).await;
    assert!(got.starts_with("HTTP/1.1 400"), "{got}");
    assert_eq!(body_of(&got)["error"]["param"], "previous_response_id");
    let (got, _) = ask(&upstream, &with("g")).await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    let (got, _) = ask(&upstream, &bare("GET", "/v1/responses")).await;
    assert!(got.starts_with("HTTP/1.1 405"), "{got}");
    let (got, _) = ask(&upstream, &bare("GET", "/v1/responses/resp_1")).await;
    assert!(got.starts_with("HTTP/1.1 404"), "{got}");
    assert_eq!(upstream.received().len(), 1);
}
