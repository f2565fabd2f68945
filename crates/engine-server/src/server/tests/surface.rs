//! vLLM's API surface.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{get, metric, post, send};
use super::*;

const CHAT: &str = "/v1/chat/completions";

fn chat(prompt: &str, max_tokens: u32) -> String {
    json!({"model": "m", "messages": [{"role": "user", "content": prompt}],
           "max_tokens": max_tokens})
    .to_string()
}

#[tokio::test]
async fn a_chat_is_answered_and_its_prefix_cached() {
    let server = start().await;
    let prompt = "a prompt that is long enough to fill some blocks of the cache ".repeat(8);
    let first = post(server.addr(), CHAT, &chat(&prompt, 20)).await;
    assert_eq!(first.status, StatusCode::OK);
    let first = first.json();
    assert_eq!(first["object"], "chat.completion");
    assert_eq!(first["choices"][0]["finish_reason"], "length");
    assert_eq!(first["usage"]["completion_tokens"], 20);
    assert_eq!(first["usage"]["prompt_tokens_details"], Value::Null);
    let second = post(server.addr(), CHAT, &chat(&prompt, 20)).await.json();
    let prompt_tokens = second["usage"]["prompt_tokens"].as_u64().unwrap();
    let cached = second["usage"]["prompt_tokens_details"]["cached_tokens"]
        .as_u64()
        .unwrap();
    assert_eq!(cached, (prompt_tokens - 1) / 16 * 16);
    assert_eq!(first["choices"], second["choices"]);
    assert_eq!(
        metric(server.addr(), "vllm:prefix_cache_hits_total").await,
        cached as f64
    );
    let salted = chat(&prompt, 20).replace("\"max_tokens\"", "\"cache_salt\":\"s\",\"max_tokens\"");
    let salted = post(server.addr(), CHAT, &salted).await.json();
    assert_eq!(
        salted["usage"]["prompt_tokens_details"],
        Value::Null,
        "a salt keeps apart"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn the_next_turn_hits_what_was_generated() {
    let server = start().await;
    let first = post(server.addr(), CHAT, &chat("Tell me of the sea", 300))
        .await
        .json();
    assert_eq!(
        first["choices"][0]["finish_reason"], "stop",
        "the model's own end"
    );
    let answer = first["choices"][0]["message"]["content"].as_str().unwrap();
    let body = json!({"model": "m", "messages": [
        {"role": "user", "content": "Tell me of the sea"},
        {"role": "assistant", "content": answer},
        {"role": "user", "content": "More"},
    ], "max_tokens": 1});
    let second = post(server.addr(), CHAT, &body.to_string()).await.json();
    let total = first["usage"]["total_tokens"].as_u64().unwrap();
    let cached = second["usage"]["prompt_tokens_details"]["cached_tokens"]
        .as_u64()
        .unwrap();
    assert_eq!(cached, (total - 1) / 16 * 16);
    server.shutdown().await;
}

#[tokio::test]
async fn tokenize_agrees_with_usage() {
    let server = start().await;
    let messages = json!([{"role": "user", "content": "Grüße, how many tokens are these?"}]);
    let counted = post(
        server.addr(),
        "/tokenize",
        &json!({"model": "m", "messages": messages}).to_string(),
    )
    .await
    .json();
    let body = json!({"model": "m", "messages": messages, "max_tokens": 1}).to_string();
    let answered = post(server.addr(), CHAT, &body).await.json();
    assert_eq!(counted["count"], answered["usage"]["prompt_tokens"]);
    assert_eq!(
        counted["tokens"].as_array().unwrap().len() as u64,
        counted["count"]
    );
    assert_eq!(counted["max_model_len"], 4_096);
    server.shutdown().await;
}

#[tokio::test]
async fn text_completions_take_all_kinds_of_prompts() {
    let server = start().await;
    let check = async |prompt: Value, choices: usize, prompt_tokens: u64| {
        let body = json!({"model": "m", "prompt": prompt, "n": 2, "max_tokens": 3}).to_string();
        let answer = post(server.addr(), "/v1/completions", &body).await.json();
        assert_eq!(
            answer["choices"].as_array().unwrap().len(),
            choices,
            "{answer}"
        );
        assert_eq!(answer["usage"]["prompt_tokens"], prompt_tokens, "{answer}");
        assert_eq!(answer["usage"]["completion_tokens"], 3 * choices);
        assert_ne!(answer["choices"][0]["text"], answer["choices"][1]["text"]);
    };
    check(json!("one two three"), 2, 3).await;
    check(json!(["one", "two three"]), 4, 3).await;
    check(json!([1, 2, 3, 4]), 2, 4).await;
    check(json!([[1, 2], [3]]), 4, 3).await;
    let body = json!({"model": "m", "prompt": "Echo me", "echo": true}).to_string();
    let answer = post(server.addr(), "/v1/completions", &body).await.json();
    assert!(
        answer["choices"][0]["text"]
            .as_str()
            .unwrap()
            .starts_with("Echo me")
    );
    assert_eq!(answer["usage"]["completion_tokens"], 16, "OpenAI's default");
    server.shutdown().await;
}

#[tokio::test]
async fn embeddings_are_floats_or_base64() {
    let server = start().await;
    let ask = async |body: Value| post(server.addr(), "/v1/embeddings", &body.to_string()).await;
    let floats = ask(json!({"model": "m", "input": ["a", "b"]})).await.json();
    assert_eq!(floats["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        floats["data"][1]["embedding"].as_array().unwrap().len(),
        1_024
    );
    assert_eq!(floats["usage"]["total_tokens"], 2);
    let base64 = ask(json!({"model": "m", "input": "a", "encoding_format": "base64"}))
        .await
        .json();
    assert_eq!(
        base64["data"][0]["embedding"].as_str().unwrap().len(),
        5_464
    );
    for wrong in [
        json!({"model": "m", "input": "a", "encoding_format": "int8"}),
        json!({"model": "m", "input": "a", "dimensions": 8}),
        json!({"model": "m", "input": ""}),
        json!({"model": "m", "input": vec![1; 4_097]}),
        json!({"model": "m"}),
    ] {
        assert_eq!(ask(wrong).await.status, StatusCode::BAD_REQUEST);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn wrong_requests_are_refused_as_vllm_does() {
    let server = start().await;
    let check = async |path: &str, body: &str, status: u16, kind: &str| {
        let answer = post(server.addr(), path, body).await;
        assert_eq!(answer.status, status, "{path} {body}");
        assert_eq!(answer.json()["error"]["type"], kind, "{path} {body}");
        assert_eq!(answer.json()["error"]["code"], status);
    };
    check(
        CHAT,
        &chat("hi", 1).replace("\"m\"", "\"x\""),
        404,
        "NotFoundError",
    )
    .await;
    check(CHAT, "{]", 400, "Bad Request").await;
    check(CHAT, r#"{"model":"m"}"#, 400, "Bad Request").await;
    check(CHAT, &chat("hi", 0), 400, "BadRequestError").await;
    check(CHAT, &chat("hi", 5_000), 400, "BadRequestError").await;
    check(
        CHAT,
        &chat(&"word ".repeat(5_000), 1),
        400,
        "BadRequestError",
    )
    .await;
    check(
        "/v1/completions",
        r#"{"model":"m","prompt":""}"#,
        400,
        "BadRequestError",
    )
    .await;
    check(
        "/tokenize",
        r#"{"model":"x","prompt":"a"}"#,
        404,
        "NotFoundError",
    )
    .await;

    let text = &[("content-type", "text/plain")];
    let answer = send(server.addr(), Method::POST, CHAT, text, &chat("hi", 1))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        get(server.addr(), CHAT).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    let nowhere = get(server.addr(), "/v1/nowhere").await;
    assert_eq!(
        (nowhere.status, nowhere.json()),
        (StatusCode::NOT_FOUND, json!({"detail": "Not Found"}))
    );
    server.shutdown().await;
}

#[tokio::test]
async fn adapters_come_and_go() {
    let server = start().await;
    let load = "/v1/load_lora_adapter";
    let unload = "/v1/unload_lora_adapter";
    let adapter = r#"{"lora_name":"sql","lora_path":"/adapters/sql"}"#;
    let ask = chat("hi", 2).replace("\"m\"", "\"sql\"");
    assert_eq!(
        post(server.addr(), CHAT, &ask).await.status,
        StatusCode::NOT_FOUND
    );
    let loaded = post(server.addr(), load, adapter).await;
    assert_eq!(
        loaded.text,
        "Success: LoRA adapter 'sql' added successfully."
    );
    assert_eq!(
        post(server.addr(), load, adapter).await.status,
        StatusCode::BAD_REQUEST
    );
    let answer = post(server.addr(), CHAT, &ask).await;
    assert_eq!(
        (answer.status, &answer.json()["model"]),
        (StatusCode::OK, &json!("sql"))
    );
    let models = get(server.addr(), "/v1/models").await.json();
    assert_eq!(
        (
            &models["data"][0]["id"],
            &models["data"][0]["max_model_len"]
        ),
        (&json!("m"), &json!(4_096))
    );
    assert_eq!(
        (&models["data"][1]["id"], &models["data"][1]["parent"]),
        (&json!("sql"), &json!("m"))
    );
    let page = get(server.addr(), "/metrics").await.text;
    let series = r#"vllm:lora_requests_info{max_lora="4",running_lora_adapters="sql",waiting_lora_adapters=""}"#;
    assert!(page.contains(series), "{page}");
    assert_eq!(
        post(server.addr(), unload, adapter).await.status,
        StatusCode::OK
    );
    assert_eq!(
        post(server.addr(), unload, adapter).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        post(server.addr(), CHAT, &ask).await.status,
        StatusCode::NOT_FOUND
    );
    server.shutdown().await;
}

#[tokio::test]
async fn every_line_of_the_metrics_parses() {
    let server = start().await;
    post(server.addr(), CHAT, &chat("hi", 5)).await;
    let answer = get(server.addr(), "/metrics").await;
    assert_eq!(
        answer.headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let mut types = std::collections::BTreeSet::new();
    for line in answer.text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert!(
                types.insert(kind.split(' ').next().unwrap().to_owned()),
                "{line} twice"
            );
        } else if !line.starts_with("# HELP ") {
            let (name, rest) = line.split_once('{').expect(line);
            let (_, value) = rest.rsplit_once("} ").expect(line);
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let family = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix))
                .filter(|family| types.contains(*family))
                .unwrap_or(name);
            assert!(types.contains(family), "{line} before its type");
        }
    }
    for (name, expect) in [
        ("vllm:generation_tokens_total", 5.0),
        ("vllm:time_to_first_token_seconds_count", 1.0),
        ("vllm:inter_token_latency_seconds_count", 4.0),
        ("vllm:e2e_request_latency_seconds_count", 1.0),
        ("vllm:num_requests_running", 0.0),
        ("vllm:kv_cache_usage_perc", 0.0),
    ] {
        assert_eq!(metric(server.addr(), name).await, expect, "{name}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn load_is_reported_when_asked_for() {
    let server = start().await;
    let check = async |format: &str, expect: Option<&str>| {
        let asked = [
            ("endpoint-load-metrics-format", format),
            ("x-request-id", "abc"),
        ];
        let answer = send(server.addr(), Method::POST, CHAT, &asked, &chat("hi", 1))
            .await
            .unwrap();
        let report = answer.headers.get("endpoint-load-metrics");
        assert_eq!(report.map(|value| value.to_str().unwrap()), expect);
        assert_eq!(answer.json()["id"], "chatcmpl-abc");
    };
    let text = "TEXT named_metrics.kv_cache_usage_perc=0.0, named_metrics.num_requests_waiting=0.0";
    check("TEXT", Some(text)).await;
    let json =
        r#"JSON {"named_metrics": {"kv_cache_usage_perc": 0.0, "num_requests_waiting": 0.0}}"#;
    check("json", Some(json)).await;
    check("BIN", None).await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_contradictory_configuration_is_refused() {
    let check = async |config: EngineConfig, expect: &str| {
        let error = EngineServer::start(config).await.unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    };
    check(
        EngineConfig {
            speed: 0.0,
            ..config()
        },
        "speed is 0",
    )
    .await;
    check(
        EngineConfig {
            natural_tokens: (9, 8),
            ..config()
        },
        "natural_tokens is (9, 8)",
    )
    .await;
    let small = Profile {
        kv_tokens: 100,
        ..config().profile
    };
    check(
        EngineConfig {
            profile: small,
            ..config()
        },
        "lower max_model_len",
    )
    .await;
    let server = start().await;
    check(
        EngineConfig {
            listen: server.addr(),
            ..config()
        },
        "cannot listen on",
    )
    .await;
}
