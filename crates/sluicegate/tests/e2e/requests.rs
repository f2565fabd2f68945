//! LLM requests on their way in: what is refused and how, what is changed, and where they go.

use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::client::{Answer, Client, chat, get, once, post, request};
use crate::process::{Gateway, fleet, pool_of};
use crate::raw::Raw;
use crate::streams::with_fallback;
use crate::upstream::{Received, Step, Upstream, answer, completion};

const CHAT: &str = "/v1/chat/completions";
const TWO_MEGABYTES: usize = 2 << 20;

fn model_pool(name: &str, models: &str, upstream: &Upstream) -> String {
    let address = upstream.address;
    format!(
        "  - name: {name}\n    models: [{models}]\n    endpoints: [{{ address: \"{address}\" }}]\n"
    )
}

fn serving(upstream: &Upstream) -> String {
    let pool = model_pool("fleet", "m", upstream);
    format!("listeners:\n  - name: main\n    address: LISTEN\npools:\n{pool}")
}

/// The fields of an error that SDKs read.
fn error(answer: &Answer) -> [Value; 3] {
    let body = answer.json();
    assert!(body["error"]["message"].is_string(), "{body}");
    ["type", "code", "param"].map(|field| body["error"][field].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_said_in_its_dialect() {
    let upstream = Upstream::always(completion("m")).await;
    let gateway = Gateway::start(&serving(&upstream)).await;
    let mut client = Client::new(gateway.address);
    let mut check = async |body: &str, status: u16, code: Value, param: Value| {
        let got = client
            .send(request(Method::POST, CHAT, body))
            .await
            .unwrap();
        assert_eq!(got.status, status, "{body}: {}", got.text());
        assert_eq!(
            error(&got),
            [json!("invalid_request_error"), code, param],
            "{body}"
        );
        assert_eq!(got.header("content-type"), "application/json");
    };
    let none = Value::Null;
    let unknown = "{\"model\":\"gpt-99\",\"messages\":[]}";
    check(unknown, 404, json!("model_not_found"), json!("model")).await;
    check("{\"messages\":[]}", 400, none.clone(), json!("model")).await;
    check(
        "{\"model\":\"m\",\"model\":\"n\"}",
        400,
        none.clone(),
        json!("model"),
    )
    .await;
    check(
        "{\"model\":\"m\",\"m\\u006fdel\":\"n\"}",
        400,
        none.clone(),
        json!("model"),
    )
    .await;
    check(
        "{\"model\":\"m\",\"stream\":true,\"stream\":false}",
        400,
        none.clone(),
        json!("stream"),
    )
    .await;
    check("{\"model\":7}", 400, none.clone(), json!("model")).await;
    check(
        "{\"model\":\"m\",\"stream\":\"yes\"}",
        400,
        none.clone(),
        json!("stream"),
    )
    .await;
    for malformed in [
        "{\"model\":\"m\"",
        "{\"model\":\"m\"}}",
        "[]",
        "{'model':'m'}",
        "{\"model\":\"\u{1}\"}",
    ] {
        check(malformed, 400, none.clone(), none.clone()).await;
    }
    check("", 400, none.clone(), none.clone()).await;
    assert_eq!(upstream.count(), 0);
    let lines = gateway.logged(13).await;
    assert!(
        lines
            .iter()
            .all(|line| line["outcome"] == "rejected" && line["attempts"] == 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_paths_and_codings_that_no_api_has_are_refused() {
    let upstream = Upstream::always(completion("m")).await;
    let gateway = Gateway::start(&serving(&upstream)).await;
    let wrong = once(gateway.address, get(CHAT)).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.header("allow")),
        (405, "POST")
    );
    assert_eq!(error(&wrong)[1], "method_not_supported");
    let wrong = once(gateway.address, post("/v1/models", &json!({}))).await;
    assert_eq!((wrong.status.as_u16(), wrong.header("allow")), (405, "GET"));
    let head = once(gateway.address, request(Method::HEAD, "/v1/models", "")).await;
    assert_eq!((head.status.as_u16(), head.text()), (200, String::new()));
    for path in [
        "/v1/load_lora_adapter",
        "/metrics",
        "/tokenize",
        "/v1/../metrics",
        "/v1/files",
    ] {
        let got = once(gateway.address, post(path, &json!({ "model": "m" }))).await;
        assert!(
            [400, 404].contains(&got.status.as_u16()),
            "{path}: {}",
            got.status
        );
        assert_eq!(error(&got)[0], "invalid_request_error", "{path}");
    }
    let mut packed = chat("m", false, 1);
    packed
        .headers_mut()
        .insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    assert_eq!(once(gateway.address, packed).await.status, 415);
    assert_eq!(upstream.count(), 0, "none of these is an engine's business");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_one_host() {
    let upstream = Upstream::always(completion("m")).await;
    let gateway = Gateway::start(&serving(&upstream)).await;
    for heads in ["host: a\r\nhost: b\r\n", "", "host: a@b\r\n"] {
        let mut client = Raw::open(gateway.address).await;
        client
            .send(format!("GET /v1/models HTTP/1.1\r\n{heads}\r\n"))
            .await;
        let head = client.until("\r\n").await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{heads:?}: {head}");
    }
    let mut client = Raw::open(gateway.address).await;
    client
        .send("GET http://b/v1/models HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    assert!(client.until("\r\n").await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn framing_that_others_may_read_otherwise_is_refused() {
    let upstream = Upstream::always(completion("m")).await;
    let gateway = Gateway::start(&serving(&upstream)).await;
    for framing in [
        "content-length: 4\r\ncontent-length: 5\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "content-length: +4\r\n",
    ] {
        let mut client = Raw::open(gateway.address).await;
        client
            .send(format!(
                "POST {CHAT} HTTP/1.1\r\nhost: x\r\n{framing}\r\n4\r\n{{}}\r\n0\r\n\r\n"
            ))
            .await;
        let got = client.rest().await;
        assert!(got.starts_with("HTTP/1.1 400 "), "{framing:?}: {got}");
        assert_eq!(got.matches("HTTP/1.1 ").count(), 1, "{framing:?}: {got}");
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_however_it_comes() {
    let upstream = Upstream::always(completion("m")).await;
    let limit = "address: LISTEN\n    limits: { maxBodyBytes: 1Ki }\n";
    let gateway = Gateway::start(&serving(&upstream).replace("address: LISTEN\n", limit)).await;
    let body = json!({ "model": "m", "messages": [], "pad": "x".repeat(1024) }).to_string();
    let got = once(gateway.address, request(Method::POST, CHAT, &body)).await;
    assert_eq!(got.status, 413, "{}", got.text());
    assert_eq!(error(&got)[1], "request_too_large");
    let mut client = Raw::open(gateway.address).await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    client
        .send(format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))
        .await;
    assert!(client.until("\r\n").await.starts_with("HTTP/1.1 413 "));
    let body = json!({ "model": "m", "messages": [], "pad": "x".repeat(900) }).to_string();
    assert_eq!(
        once(gateway.address, request(Method::POST, CHAT, &body))
            .await
            .status,
        200
    );
    assert_eq!(upstream.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_of_20_mb_passes_and_is_sent_again_where_it_must() {
    let first = Upstream::always(answer("503 Service Unavailable", "text/plain", "full")).await;
    let second = Upstream::always(completion("m")).await;
    let gateway = Gateway::start(&with_fallback(first.address, second.address, "")).await;
    let text: String = (0..2_500_000)
        .map(|number| format!("{number:07} "))
        .collect();
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": text }] });
    let body = body.to_string();
    assert!(body.len() > 20_000_000);
    let got = once(gateway.address, request(Method::POST, CHAT, &body)).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.header("x-sluicegate-attempts"), "2");
    for upstream in [&first, &second] {
        let sent = upstream.request();
        assert_eq!(sent.header("content-length"), Some(body.len().to_string()));
        assert!(
            sent.body == body.as_bytes(),
            "{} bytes arrived otherwise",
            sent.body.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_renamed_and_every_other_byte_is_kept() {
    let upstream = Upstream::always(completion("served")).await;
    let routes = "routes:\n  - name: r\n    rules:\n      \
        - matches: [{ model: { type: Glob, value: \"alias-*\" } }]\n        \
        backendRefs: [{ pool: fleet, model: 'org/served \"x\"' }]\n";
    let config =
        serving(&upstream).replace("    endpoints", "    basePath: /api/v3\n    endpoints");
    let gateway = Gateway::start(&format!("{config}{routes}")).await;
    let filler = "\u{e9}\u{1f600} \\u00e9\\ud83d\\ude00\\\"model\\\":\\\"alias-1\\\"".repeat(2000);
    for (head, tail) in [
        (
            "{ \"seed\":1.0e0,\"seed\":1 ,\"model\" :\t",
            ",\"x\":{\"model\":\"m\",\"model\":\"m\"} }",
        ),
        (
            "{\"messages\":[{\"content\":\"FILLER\"}],\"model\":",
            ",\"max_tokens\":1}\n",
        ),
        (
            "{\"mo\\u0064el\":",
            ",\"messages\":[{\"content\":\"FILLER\"}]}",
        ),
    ] {
        let body = |model: &str| format!("{head}{model}{tail}").replace("FILLER", &filler);
        let sent = body("\"alias-\\u0031\"");
        let got = once(gateway.address, request(Method::POST, CHAT, &sent)).await;
        assert_eq!(got.status, 200, "{}", got.text());
        let arrived = upstream.requests().pop().unwrap();
        let expected = body("\"org/served \\\"x\\\"\"");
        assert!(
            arrived.body == expected.as_bytes(),
            "{} {}",
            arrived.text(),
            expected
        );
        assert_eq!(
            arrived.header("content-length"),
            Some(expected.len().to_string())
        );
        assert_eq!(arrived.line, "POST /api/v3/chat/completions HTTP/1.1");
    }
    for line in gateway.logged(3).await {
        assert_eq!(line["model_requested"], "alias-1");
        assert_eq!(line["model_served"], "served");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_prompt_is_renamed_too() {
    let upstream = Upstream::always(completion("m")).await;
    let routes = "routes:\n  - name: r\n    rules:\n      - matches: [{ model: { value: a } }]\n        \
                  backendRefs: [{ pool: fleet, model: m }]\n";
    let gateway = Gateway::start(&format!("{}{routes}", serving(&upstream))).await;
    let mut client = Raw::open(gateway.address).await;
    client
        .send(format!(
            "POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        ))
        .await;
    for byte in "{\"model\":\"a\",\"messages\":[]}".chars() {
        client.send(format!("1\r\n{byte}\r\n")).await;
    }
    client.send("0\r\n\r\n").await;
    client.until("\"usage\"").await;
    assert_eq!(
        upstream.request().text(),
        "{\"model\":\"m\",\"messages\":[]}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_credentials_end_here_and_the_providers_go_out() {
    let upstream = Upstream::always(completion("m")).await;
    let port = upstream.address.port();
    let config = format!(
        "listeners:\n  - name: main\n    address: LISTEN\nproviders:\n  - name: vendor\n    \
         baseUrl: http://localhost:{port}/api/v1\n    models: [m]\n    \
         apiKey: ${{file:KEY_FILE}}\n    headers: [{{ name: OpenAI-Organization, value: org-1 }}]\n"
    );
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, "sk-of-the-provider\n").unwrap();
    let gateway = Gateway::start(&config.replace("KEY_FILE", key.to_str().unwrap())).await;
    let mut request = chat("m", false, 1);
    let own = [
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
        "proxy-authorization",
    ];
    for name in own {
        request
            .headers_mut()
            .insert(name, "Bearer of-the-client".parse().unwrap());
    }
    let kept = [
        ("user-agent", "sdk/1"),
        ("x-stainless-lang", "js"),
        ("accept", "application/json"),
    ];
    for (name, value) in kept {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    assert_eq!(once(gateway.address, request).await.status, 200);
    let sent = upstream.request();
    assert_eq!(sent.line, "POST /api/v1/chat/completions HTTP/1.1");
    assert_eq!(sent.header("host"), Some(format!("localhost:{port}")));
    assert_eq!(
        sent.header("authorization").as_deref(),
        Some("Bearer sk-of-the-provider")
    );
    assert_eq!(sent.header("openai-organization").as_deref(), Some("org-1"));
    for (name, value) in kept {
        assert_eq!(sent.header(name).as_deref(), Some(value));
    }
    for (name, value) in &sent.headers {
        assert!(!value.contains("of-the-client"), "{name}: {value}");
        assert!(
            !name.starts_with("x-forwarded"),
            "a vendor is not told who asked: {name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_llm_pool_of_ones_own_gets_no_credentials_either() {
    let upstream = Upstream::always(completion("m")).await;
    let gateway = Gateway::start(&serving(&upstream)).await;
    let mut request = chat("m", false, 1);
    request
        .headers_mut()
        .insert("authorization", "Bearer of-the-client".parse().unwrap());
    assert_eq!(once(gateway.address, request).await.status, 200);
    let sent = upstream.request();
    assert_eq!(sent.header("authorization"), None);
    assert_eq!(sent.header("host"), Some(upstream.address.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_listed_and_found() {
    let upstream = Upstream::always(completion("m")).await;
    let config = serving(&upstream).replace("models: [m]", "models: [m, org/big]");
    let routed = model_pool("routed", "only-by-its-alias", &upstream);
    let routes = "routes:\n  - name: r\n    rules:\n      - matches: [{ model: { value: alias } }]\n        \
                  backendRefs: [{ pool: routed, model: m }]\n";
    let gateway = Gateway::start(&format!("{config}{routed}{routes}")).await;
    let list = once(gateway.address, get("/v1/models")).await.json();
    assert_eq!(list["object"], "list");
    let mut names: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["alias", "m", "org/big"]);
    for (path, id) in [
        ("m", "m"),
        ("org/big", "org/big"),
        ("org%2Fbig", "org/big"),
        ("alias", "alias"),
    ] {
        let one = once(gateway.address, get(&format!("/v1/models/{path}"))).await;
        assert_eq!(one.status, 200, "{path}: {}", one.text());
        assert_eq!(
            (&one.json()["id"], &one.json()["object"]),
            (&id.into(), &"model".into())
        );
    }
    let none = once(gateway.address, get("/v1/models/none")).await;
    assert_eq!(none.status, 404);
    assert_eq!(error(&none)[1], "model_not_found");
    assert_eq!(upstream.count(), 0, "the configuration knows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_serves_whatever_it_has_is_asked_for_its_models() {
    let engines = fleet(1, 1000.0).await;
    let gateway = Gateway::start(&pool_of(&engines, "").replace("    models: [m]\n", "")).await;
    let list = once(gateway.address, get("/v1/models")).await;
    assert_eq!(list.status, 200, "{}", list.text());
    assert_eq!(list.json()["data"][0]["id"], "m");
    assert_eq!(once(gateway.address, chat("m", false, 1)).await.status, 200);
    let unknown = once(gateway.address, chat("n", false, 1)).await;
    assert_eq!(
        unknown.status,
        404,
        "the engine's own answer passes: {}",
        unknown.text()
    );
    assert_eq!(unknown.header("x-sluicegate-attempts"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_gets_its_share() {
    let (stable, canary) = (
        Upstream::always(completion("m")).await,
        Upstream::always(completion("m")).await,
    );
    let config = format!(
        "listeners:\n  - name: main\n    address: LISTEN\npools:\n{}{}routes:\n  - name: r\n    rules:\n      \
         - name: testers\n        matches:\n          - model: {{ value: chat }}\n            \
         headers: [{{ name: x-canary, value: \"true\" }}]\n        \
         backendRefs: [{{ pool: canary, model: m }}]\n      \
         - matches: [{{ model: {{ value: chat }} }}]\n        \
         backendRefs: [{{ pool: stable, weight: 80, model: m }}, {{ pool: canary, weight: 20, model: m }}]\n",
        model_pool("stable", "m", &stable),
        model_pool("canary", "m", &canary)
    );
    let gateway = Gateway::start(&config).await;
    let mut client = Client::new(gateway.address);
    for _ in 0..400 {
        assert_eq!(
            client.send(chat("chat", false, 1)).await.unwrap().status,
            200
        );
    }
    // Binomial: 80 expected, standard deviation 8; five of them are one failure in 1.7 million.
    let share = canary.count();
    assert!((40..=120).contains(&share), "{share} of 400");
    assert_eq!(stable.count() + share, 400);
    let mut tester = chat("chat", false, 1);
    tester
        .headers_mut()
        .insert("x-canary", "true".parse().unwrap());
    assert_eq!(client.send(tester).await.unwrap().status, 200);
    assert_eq!(canary.count(), share + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_takes_over_from_a_provider_that_is_down_busy_or_out_of_quota() {
    for script in [
        vec![Step::Close],
        answer(
            "429 Too Many Requests",
            "application/json",
            "{\"error\":{\"code\":\"insufficient_quota\"}}",
        ),
        answer("500 Internal Server Error", "text/html", "<h1>oops</h1>"),
    ] {
        let provider = Upstream::always(script).await;
        let engines = Upstream::start(|request: &Received| {
            completion(request.json()["model"].as_str().unwrap())
        })
        .await;
        let config = format!(
            "listeners:\n  - name: main\n    address: LISTEN\nproviders:\n  - name: vendor\n    \
             baseUrl: http://{}/v1\npools:\n{}routes:\n  - name: r\n    rules:\n      \
             - matches: [{{ model: {{ value: assistant }} }}]\n        backendRefs:\n          \
             - {{ provider: vendor, model: gpt }}\n          - {{ pool: fleet, priority: 1, model: m }}\n        \
             retry: {{ attempts: 0 }}\n",
            provider.address,
            model_pool("fleet", "m", &engines)
        );
        let gateway = Gateway::start(&config).await;
        let got = once(gateway.address, chat("assistant", false, 1)).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert_eq!(got.json()["model"], "m");
        assert_eq!(provider.request().json()["model"], "gpt");
        assert_eq!(got.header("x-sluicegate-attempts"), "2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_over_http_2_is_served_and_spilled_like_any_other() {
    let upstream = Upstream::always(completion("m")).await;
    let gateway = Gateway::start(&serving(&upstream)).await;
    let stream = tokio::net::TcpStream::connect(gateway.address)
        .await
        .unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    let text = "x".repeat(2 * TWO_MEGABYTES);
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": text }] });
    let request = Request::post(format!("http://{}{CHAT}", gateway.address))
        .body(http_body_util::Full::new(bytes::Bytes::from(
            body.to_string(),
        )))
        .unwrap();
    let got = sender.send_request(request).await.unwrap();
    assert_eq!(got.status(), 200);
    assert!(upstream.request().body == body.to_string().as_bytes());
}
