//! What is told of requests afterwards, metrics and access log, and what is told to nobody: secrets.

use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::client::{Client, chat, get, once, request};
use crate::process::{Gateway, engine, eventually, fleet, pool_of, sum};
use crate::upstream::{Upstream, completion};

/// The exposition without its samples' values.
fn series(text: &str) -> Vec<&str> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .filter_map(|line| line.rsplit_once(' ').map(|(series, _)| series))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_clients_make_up_never_become_series() {
    let engines = fleet(1, 1000.0).await;
    let any = "  - name: any\n    endpoints: [{ address: \"ADDRESS\" }]\n";
    let any = any.replace("ADDRESS", &engines[0].addr().to_string());
    let gateway = Gateway::start(&format!("{}{any}", pool_of(&engines, ""))).await;
    let mut client = Client::new(gateway.address);
    let mut ask = async |model: &str| client.send(chat(model, false, 1)).await.unwrap().status;
    assert_eq!(ask("m").await, 200);
    assert_eq!(ask("made-up-0").await, 404, "the engine's answer");
    let before = gateway.metrics().await;
    for number in 1..50 {
        assert_eq!(ask(&format!("made-up-{number}")).await, 404);
    }
    let after = gateway.metrics().await;
    assert_eq!(series(&before), series(&after));
    assert!(!after.contains("made-up"));
    let labelled = |model: &str| {
        let label = format!("gen_ai_request_model=\"{model}\"");
        let counts = after.lines().filter(|line| line.contains(&label));
        counts
            .map(|line| sum(line, "gen_ai_server_request_duration_seconds_count"))
            .sum::<f64>()
    };
    assert_eq!((labelled("m"), labelled("other")), (1.0, 50.0));
    let named = |line: &Value| line["model_requested"] == "made-up-7";
    assert!(
        gateway.logged(51).await.iter().any(named),
        "a log line may name it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_counted_once() {
    let engines = fleet(1, 1000.0).await;
    let gateway = Gateway::start(&pool_of(&engines, "")).await;
    let mut client = Client::new(gateway.address);
    for stream in [true, false, true] {
        let got = client.send(chat("m", stream, 8)).await.unwrap();
        let overhead: f64 = got.header("x-sluicegate-overhead-ms").parse().unwrap();
        assert!(overhead > 0.0 && overhead < 1000.0, "{overhead} ms");
    }
    client.send(get("/nothing")).await.unwrap();
    gateway.logged(4).await;
    let metrics = gateway.metrics().await;
    assert!(metrics.ends_with("# EOF\n"));
    for (name, expected) in [
        ("sluicegate_requests_total", 4.0),
        ("sluicegate_request_overhead_seconds_count", 4.0),
        ("sluicegate_request_duration_seconds_count", 4.0),
        ("sluicegate_attempts_total", 3.0),
        ("gen_ai_server_request_duration_seconds_count", 3.0),
        ("gen_ai_server_time_to_first_token_seconds_count", 2.0),
        ("gen_ai_server_time_per_output_token_seconds_count", 2.0),
        ("sluicegate_requests_in_flight", 0.0),
        ("sluicegate_endpoint_requests_in_flight", 0.0),
        ("sluicegate_endpoint_healthy", 1.0),
        ("sluicegate_snapshot_generation", 1.0),
        ("sluicegate_task_panics_total", 0.0),
        ("sluicegate_metrics_overflow_total", 0.0),
    ] {
        assert_eq!(sum(&metrics, name), expected, "{name}");
    }
    let output = metrics
        .lines()
        .filter(|line| line.contains("gen_ai_token_type=\"output\""));
    let tokens: f64 = output
        .map(|line| sum(line, "gen_ai_client_token_usage_sum"))
        .sum();
    assert_eq!(tokens, 24.0);
    let overhead = sum(&metrics, "sluicegate_request_overhead_seconds_sum");
    let duration = sum(&metrics, "sluicegate_request_duration_seconds_sum");
    assert!(
        overhead > 0.0 && overhead < duration,
        "{overhead} of {duration}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_says_what_happened() {
    let engine = engine("m", 1000.0).await;
    let routes = "routes:\n  - name: chats\n    rules:\n      - name: alias\n        \
                  matches: [{ model: { value: nick } }]\n        \
                  backendRefs: [{ pool: fleet, model: m }]\n";
    let config = format!("{}{routes}", pool_of(std::slice::from_ref(&engine), ""));
    let gateway = Gateway::start(&config).await;
    let mut asked = chat("nick", true, 6);
    *asked.uri_mut() = "/v1/chat/completions?api-key=secret".parse().unwrap();
    asked
        .headers_mut()
        .insert(header::USER_AGENT, "sdk/1".parse().unwrap());
    let length = http_body_util::BodyExt::collect(asked.body().clone())
        .await
        .unwrap()
        .to_bytes()
        .len();
    let got = once(gateway.address, asked).await;
    let mut line = gateway.logged(1).await.remove(0);
    let took = |line: &mut Value, name: &str| {
        let value = line.as_object_mut().unwrap().remove(name);
        value
            .and_then(|value| value.as_f64())
            .unwrap_or_else(|| panic!("{name} in {line}"))
    };
    let duration = took(&mut line, "duration_ms");
    let first = took(&mut line, "time_to_first_token_ms");
    assert!(first > 0.0 && first <= duration, "{first} of {duration}");
    assert!(took(&mut line, "overhead_ms") <= duration);
    assert!(took(&mut line, "time_per_output_token_ms") > 0.0);
    assert!(took(&mut line, "input_tokens") > 0.0);
    let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
    assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
    drop(line.as_object_mut().unwrap().remove("cached_input_tokens"));
    let expected = json!({
        "request_id": got.header("x-request-id"), "listener": "main", "route": "chats",
        "rule": "alias", "method": "POST", "path": "/v1/chat/completions", "status": 200,
        "outcome": "completed", "dialect": "openai", "operation": "chat",
        "model_requested": "nick", "model_served": "m", "backend": "fleet", "endpoint": "e0", "attempts": 1,
        "stream": true, "output_tokens": 6, "bytes_received": length,
        "bytes_sent": got.body.len(), "client_ip": "127.0.0.1", "user_agent": "sdk/1",
    });
    assert_eq!(line, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_told_to_nobody() {
    const SECRET: &str = "sk-planted-0123456789";
    let upstream = Upstream::always(completion("m")).await;
    let config = format!(
        "listeners:\n  - name: main\n    address: LISTEN\nproviders:\n  - name: vendor\n    \
         baseUrl: http://{}/v1\n    models: [m]\n    apiKey: ${{file:key.txt}}\n",
        upstream.address
    );
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key.txt");
    std::fs::write(&key, SECRET).unwrap();
    let config = config.replace("key.txt", key.to_str().unwrap());
    let gateway = Gateway::start_with(&config, &["--log", "trace"]).await;
    let mut client = Client::new(gateway.address);
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": SECRET }] });
    for path in [
        "/v1/chat/completions",
        "/v1/chat/completions?key=sk-planted-0123456789",
        "/x?k=sk-planted-0123456789",
    ] {
        let mut asked = request(Method::POST, path, &body.to_string());
        for name in ["authorization", "x-api-key", "cookie"] {
            asked.headers_mut().insert(name, SECRET.parse().unwrap());
        }
        client.send(asked).await.unwrap();
    }
    let sent = upstream.requests().pop().unwrap();
    assert_eq!(
        sent.header("authorization"),
        Some(format!("Bearer {SECRET}"))
    );
    gateway.reconfigure(&config.replace("models: [m]", "models: [m, n]\n    typo: 1"));
    let refused = || async { gateway.log().contains("typo") };
    eventually(&format!("refused by process {}", gateway.pid()), refused).await;
    let shown = |path: &'static str| {
        let admin = gateway.admin;
        async move { once(admin, get(path)).await.text() }
    };
    let snapshot = shown("/snapshot").await;
    assert!(
        snapshot.contains("${file:") && snapshot.contains("key.txt"),
        "{snapshot}"
    );
    let log: String = gateway
        .logged(3)
        .await
        .iter()
        .map(Value::to_string)
        .collect();
    let told = [
        ("snapshot", snapshot),
        ("endpoints", shown("/endpoints").await),
        ("metrics", shown("/metrics").await),
        ("stderr", gateway.log()),
        ("access log", log),
    ];
    for (place, text) in told {
        assert!(!text.is_empty(), "{place}");
        let at = text
            .find(SECRET)
            .map(|at| &text[at.saturating_sub(200)..at]);
        assert_eq!(at, None, "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_endpoint_answers_those_on_this_machine() {
    let engines = fleet(1, 1000.0).await;
    let gateway = Gateway::start(&pool_of(&engines, "")).await;
    let own = gateway.admin.to_string();
    let check = async |method: Method, host: &str, path: &str, status: u16| {
        let asked = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::HOST, host);
        let got = once(gateway.admin, asked.body(Default::default()).unwrap()).await;
        assert_eq!(
            got.status,
            status,
            "{method} {path} of {host}: {}",
            got.text()
        );
    };
    for path in [
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/snapshot",
        "/endpoints",
    ] {
        check(Method::GET, &own, path, 200).await;
        check(Method::GET, "localhost", path, 200).await;
        check(Method::GET, "rebound.example.com", path, 421).await;
        check(Method::GET, "rebound.example.com:9901", path, 421).await;
        check(Method::POST, &own, path, 405).await;
    }
    check(Method::GET, &own, "/nothing", 404).await;
}
