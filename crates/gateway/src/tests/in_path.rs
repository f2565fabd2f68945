//! Clients whose dialect names the model in the path: Gemini's, Vertex's, Azure's.

use serde_json::{Value, json};

use super::fixture::*;

const BACKENDS: &str = "
providers:
  - name: other
    dialect: DIALECT
    baseUrl: http://ADDRESS/v1
    models: [m]
routes:
  - name: r
    rules:
      - matches: [{ model: { value: m } }]
        backendRefs: [{ provider: other }]
      - matches: [{ model: { value: alias } }]
        backendRefs: [{ provider: other, model: org/served }]
";

const CONTENT_REQUEST: &str =
    r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"unknown" : 1.0}"#;
const GEMINI_ANSWER: &str = r#"{"candidates":[{"content":{"parts":[{"text":"hello"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5},"modelVersion":"g-1"}"#;

/// Asks a backend of a dialect; gives what the client got, what the backend got and the record.
async fn ask(dialect: &str, answer: &str, request: &str) -> (String, Vec<String>, Value) {
    let upstream = Upstream::answering(answer).await;
    let address = upstream.address.to_string();
    let config = BACKENDS
        .replace("ADDRESS", &address)
        .replace("DIALECT", dialect);
    let fixture = Fixture::start(&config).await;
    let got = fixture.ask(request).await;
    fixture.idle().await;
    (got, upstream.received(), fixture.records().remove(0))
}

fn body_of(text: &str) -> Value {
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{text}"))
}

fn without_known_fields(body: &str) -> String {
    body.replace(r#","unknown" : 1.0"#, "")
}

#[tokio::test]
async fn a_request_for_content_is_translated() {
    for path in [
        "/v1beta/models/alias:generateContent",
        "/v1/models/alias:generateContent",
        "/v1beta1/projects/p/locations/l/publishers/google/models/alias:generateContent",
    ] {
        let request = post(path, &without_known_fields(CONTENT_REQUEST));
        let completion = answer("200 OK", "application/json", COMPLETION);
        let (got, received, record) = ask("openai", &completion, &request).await;
        let content = &body_of(&got)["candidates"][0];
        assert_eq!(content["content"]["parts"], json!([{"text": "hello"}]));
        assert_eq!(content["finishReason"], "STOP");
        let asked = &received[0];
        assert!(
            asked.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
            "{asked}"
        );
        assert_eq!(body_of(asked)["model"], "org/served");
        assert_eq!(
            body_of(asked)["messages"],
            json!([{"role": "user", "content": "hi"}])
        );
        assert_eq!(
            (
                &record["model_requested"],
                &record["input_tokens"],
                &record["dialect"]
            ),
            (&json!("alias"), &json!(3), &json!("gemini")),
            "{record}"
        );
    }
}

#[tokio::test]
async fn a_stream_of_content_is_translated_as_the_client_asks() {
    let stream = events(&[CONTENT, FINISH, USAGE, "[DONE]"]);
    let path = "/v1beta/models/m:streamGenerateContent";
    let body = without_known_fields(CONTENT_REQUEST);
    let request = post(&format!("{path}?alt=sse"), &body);
    let (got, received, record) = ask("openai", &stream, &request).await;
    assert!(got.contains("content-type: text/event-stream\r\n"), "{got}");
    assert!(
        got.contains("data: {") && got.contains("\"text\":\"hello\""),
        "{got}"
    );
    assert_eq!(body_of(&received[0])["stream"], true);
    assert_eq!(
        body_of(&received[0])["stream_options"],
        json!({"include_usage": true})
    );
    assert_eq!(
        (&record["stream"], &record["output_tokens"]),
        (&json!(true), &json!(2))
    );

    let (got, _, record) = ask("openai", &stream, &post(path, &body)).await;
    assert!(got.contains("content-type: application/json\r\n"), "{got}");
    let pieces: Vec<Value> =
        serde_json::from_str(&unchunked(&got)).unwrap_or_else(|_| panic!("{got}"));
    let text = &pieces[0]["candidates"][0]["content"]["parts"][0]["text"];
    assert_eq!(text, "hello");
    assert_eq!(record["outcome"], "completed", "{record}");
}

/// An array has no place for an error behind what has been said: the connection tells.
#[tokio::test]
async fn an_array_that_breaks_off_does_not_end() {
    let stream = events(&[CONTENT]);
    let path = "/v1beta/models/m:streamGenerateContent";
    let request = post(path, &without_known_fields(CONTENT_REQUEST));
    let (got, _, record) = ask("openai", &stream, &request).await;
    assert!(
        got.contains("hello") && !got.ends_with("0\r\n\r\n"),
        "{got}"
    );
    assert_eq!(record["outcome"], "upstream_failed", "{record}");
}

fn unchunked(text: &str) -> String {
    let (head, mut rest) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    let mut body = String::new();
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        body.push_str(&tail[..size]);
        rest = &tail[size + 2..];
    }
    body
}

/// Only the name of the model changes, and the client's key ends here.
#[tokio::test]
async fn content_is_passed_on_to_its_own_dialect() {
    let path = "/v1beta/models/alias:generateContent?key=theirs&%24alt=json";
    let answered = answer("200 OK", "application/json", GEMINI_ANSWER);
    let (got, received, record) = ask("gemini", &answered, &post(path, CONTENT_REQUEST)).await;
    assert!(got.ends_with(GEMINI_ANSWER), "{got}");
    let asked = &received[0];
    let line = "POST /v1/models/org%2Fserved:generateContent?%24alt=json HTTP/1.1\r\n";
    assert!(asked.starts_with(line), "{asked}");
    assert!(asked.ends_with(CONTENT_REQUEST), "{asked}");
    assert!(!asked.contains("theirs"), "{asked}");
    assert_eq!(
        (&record["input_tokens"], &record["output_tokens"]),
        (&json!(3), &json!(2)),
        "{record}"
    );
}

#[tokio::test]
async fn passed_on_streams_are_metered_in_either_framing() {
    let path = "/v1beta/models/m:streamGenerateContent";
    let array = format!("[{GEMINI_ANSWER}\r\n,\r\n{GEMINI_ANSWER}]");
    for (query, answer) in [
        ("?alt=sse", events(&[GEMINI_ANSWER])),
        ("", answer("200 OK", "application/json", &array)),
    ] {
        let request = post(&format!("{path}{query}"), CONTENT_REQUEST);
        let (got, received, record) = ask("gemini", &answer, &request).await;
        assert!(got.contains(GEMINI_ANSWER), "{got}");
        let line = format!("POST /v1/models/m:streamGenerateContent{query} HTTP/1.1\r\n");
        assert!(received[0].starts_with(&line), "{}", received[0]);
        assert_eq!(
            (&record["output_tokens"], &record["outcome"]),
            (&json!(2), &json!("completed")),
            "{record}"
        );
    }
}

#[tokio::test]
async fn errors_are_googles() {
    let path = "/v1beta/models/other:generateContent";
    let (got, _, _) = ask("gemini", "", &post(path, CONTENT_REQUEST)).await;
    assert!(got.starts_with("HTTP/1.1 404"), "{got}");
    assert_eq!(body_of(&got)["error"]["status"], "NOT_FOUND");
    for body in [
        r#"{"contents":"hi"}"#,
        r#"{"contents":[],"generationConfig":{"maxOutputTokens":1,"max_output_tokens":9}}"#,
        r#"{"contents":[],"generation_config":{},"generationConfig":{}}"#,
        r#"{"generationConfig":{"candidateCount":"two"}}"#,
    ] {
        let path = "/v1beta/models/m:generateContent";
        let (got, received, _) = ask("gemini", "", &post(path, body)).await;
        assert!(got.starts_with("HTTP/1.1 400"), "{got}");
        assert_eq!(body_of(&got)["error"]["status"], "INVALID_ARGUMENT");
        assert!(received.is_empty());
    }
}

/// Who asks for models is told by what its SDK always sends.
#[tokio::test]
async fn models_are_listed_in_the_dialect_of_the_client() {
    for (path, header, field) in [
        ("/v1/models", "", "object"),
        (
            "/v1/models",
            "anthropic-version: 2023-06-01\r\n",
            "has_more",
        ),
        ("/v1/models", "x-goog-api-key: k\r\n", "models"),
        ("/v1beta/models", "", "models"),
    ] {
        let request = bare("GET", path).replace("\r\n\r\n", &format!("\r\n{header}\r\n"));
        let (got, _, _) = ask("openai", "", &request).await;
        assert!(body_of(&got).get(field).is_some(), "{path} {header}: {got}");
    }
    let (got, _, _) = ask("openai", "", &bare("GET", "/v1beta/models/m")).await;
    assert_eq!(body_of(&got)["name"], "models/m");
}

/// Azure's clients name a deployment, and may leave out the model.
#[tokio::test]
async fn a_deployment_is_a_model() {
    let completion = answer("200 OK", "application/json", COMPLETION);
    for (path, model, expect) in [
        (
            "/openai/deployments/m/chat/completions",
            r#""model" : "x","#,
            "m",
        ),
        ("/openai/deployments/m/chat/completions", "", "m"),
        (
            "/openai/deployments/alias/chat/completions",
            r#""model" : "alias","#,
            "org/served",
        ),
        ("/openai/v1/chat/completions", r#""model" : "m","#, "m"),
    ] {
        let body = format!(r#"{{{model}"messages":[{{"role":"user","content":"hi"}}]}}"#);
        let request = post(&format!("{path}?api-version=2024-10-21"), &body);
        let (got, received, _) = ask("openai", &completion, &request).await;
        assert!(got.ends_with(COMPLETION), "{got}");
        let asked = &received[0];
        assert!(
            asked.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
            "{asked}"
        );
        assert_eq!(body_of(asked)["model"], expect, "{asked}");
        let (got, received, _) = ask(
            "gemini",
            &answer("200 OK", "application/json", GEMINI_ANSWER),
            &request,
        )
        .await;
        assert_eq!(body_of(&got)["choices"][0]["message"]["content"], "hello");
        let name = expect.replace('/', "%2F");
        let line = format!("POST /v1/models/{name}:generateContent HTTP/1.1\r\n");
        assert!(received[0].starts_with(&line), "{}", received[0]);
    }
}
