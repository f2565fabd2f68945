//! Planted secrets, looked for wherever something is said.
//!
//! That successful requests tell nothing is tested with the other accounts; here everything goes
//! wrong, since it is errors that quote.

use std::process::Command;

use http::Request;
use http_body_util::Full;
use serde_json::Value;

use super::{CHAT, Scene, chat_about, exchange, prompt};
use crate::client::{Client, get, once};
use crate::process::{BINARY, Gateway, eventually, run_with};
use crate::upstream::{Received, Step, Upstream, answer, completion, piece, stream_head};

const KEY: &str = "sk-provider-5f3a9c";
const CALLER: &str = "sk-caller-8d21e7";
const PROMPT: &str = "my-diagnosis-b6c04f";
const PLANTED: [&str; 3] = [KEY, CALLER, PROMPT];

fn assert_tells_nothing(place: &str, text: &str) {
    for secret in PLANTED {
        let at = text.find(secret);
        let shown = at.map(|at| text.get(at.saturating_sub(300)..at + secret.len()));
        assert_eq!(shown, None, "{place} tells {secret}");
    }
}

/// Providers whose key is planted: one that is well, one that nobody hears, and one that does
/// `script`.
fn providers(
    directory: &std::path::Path,
    good: &Upstream,
    bad: &Upstream,
    protocol: &str,
) -> String {
    let key = directory.join("key");
    std::fs::write(&key, KEY).unwrap();
    let key = key.display();
    let provider = |name: &str, address: &str, protocol: &str| {
        format!(
            "  - name: {name}\n    baseUrl: http://{address}/v1\n    models: [{name}]\n    \
             protocol: {protocol}\n    apiKey: ${{file:{key}}}\n    \
             headers: [{{ name: x-org, value: \"${{file:{key}}}\" }}]\n"
        )
    };
    format!(
        "listeners:\n  - name: main\n    address: LISTEN\n    limits: {{ maxBodyBytes: 8Ki }}\n\
         providers:\n{}{}{}",
        provider("m", &good.address.to_string(), "auto"),
        provider("x", &bad.address.to_string(), protocol),
        provider("gone", "127.0.0.1:1", "auto"),
    )
}

fn asked(path: &str, body: &str) -> Request<Full<bytes::Bytes>> {
    let mut asked = prompt(body);
    *asked.uri_mut() = path.parse().unwrap();
    for name in [
        "authorization",
        "x-api-key",
        "cookie",
        "proxy-authorization",
        "x-custom-token",
    ] {
        let value = format!("Bearer {CALLER}");
        asked.headers_mut().insert(name, value.parse().unwrap());
    }
    asked
}

fn body(model: &str, stream: bool) -> String {
    chat_about(PROMPT).replace("\"x\"", &format!("\"{model}\",\"stream\":{stream}"))
}

/// Requests that fail in every stage.
fn failing() -> Vec<Request<Full<bytes::Bytes>>> {
    let whole = body("x", false);
    vec![
        asked(CHAT, &body("gone", false)),
        asked(CHAT, &body("gone", true)),
        asked(CHAT, &body("nobody", false)),
        asked(CHAT, &body("x", true)),
        asked(CHAT, &whole),
        asked(CHAT, &whole[..whole.len() - 3]),
        asked(CHAT, &whole.replace(PROMPT, &format!("{PROMPT}\u{1}"))),
        asked(
            CHAT,
            &whole.replace("\"x\"", &format!("{{\"{PROMPT}\":\"{PROMPT}\"}}")),
        ),
        asked(
            CHAT,
            &whole.replace("\"stream\":false", &format!("\"stream\":\"{PROMPT}\"")),
        ),
        asked(CHAT, &whole.replace(PROMPT, &PROMPT.repeat(1000))),
        asked(CHAT, PROMPT),
        asked(&format!("{CHAT}?key={CALLER}"), &body("gone", false)),
        asked(&format!("/nothing?key={CALLER}&q={PROMPT}"), &whole),
    ]
}

async fn check_failures(
    protocol: &str,
    script: impl Fn(&Received) -> Vec<Step> + Send + Sync + 'static,
) {
    let (good, bad) = (
        Upstream::always(completion("m")).await,
        Upstream::start(script).await,
    );
    let directory = tempfile::tempdir().unwrap();
    let config = providers(directory.path(), &good, &bad, protocol);
    let gateway = Gateway::start_with(&config, &["--log", "trace"]).await;
    for request in failing() {
        let got = once_lenient(&gateway, request).await;
        assert_tells_nothing("an answer", &got);
    }
    // What no library would send, and what breaks off.
    for bytes in [
        format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization : {CALLER}\r\n\r\n"),
        format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nx: {CALLER}\0\r\n\r\n"),
        format!("{CALLER} {PROMPT}\r\n\r\n"),
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{PROMPT}\r\n"
        ),
    ] {
        assert_tells_nothing("an answer", &exchange(gateway.address, bytes).await);
    }
    assert_accounts_tell_nothing(&gateway).await;
}

/// The whole answer as text, as far as it comes.
async fn once_lenient(gateway: &Gateway, request: Request<Full<bytes::Bytes>>) -> String {
    match Client::new(gateway.address).send(request).await {
        Ok(answer) => format!("{:?}{}", answer.headers, answer.text()),
        Err(error) => error.to_string(),
    }
}

async fn assert_accounts_tell_nothing(gateway: &Gateway) {
    eventually("logged", || async {
        gateway.access_log().len() >= failing().len()
    })
    .await;
    let lines: Vec<Value> = gateway.access_log();
    let log: String = lines.iter().map(Value::to_string).collect();
    assert!(gateway.log().contains("DEBUG"), "nothing is traced");
    assert_tells_nothing("the access log", &log);
    assert_tells_nothing("standard error", &gateway.log());
    for path in ["/", "/snapshot", "/endpoints", "/metrics", "/readyz"] {
        let shown = once(gateway.admin, get(path)).await;
        assert_tells_nothing(path, &format!("{:?}{}", shown.headers, shown.text()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_tell_no_secret() {
    check_failures("auto", |_| vec![Step::Close]).await;
    check_failures("auto", |_| {
        vec![Step::Send(b"nonsense\r\n\r\n".into()), Step::Close]
    })
    .await;
    check_failures("auto", |_| {
        answer("500 Internal Server Error", "text/html", "<h1>no</h1>")
    })
    .await;
    check_failures("auto", |_| {
        let text = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n";
        vec![stream_head(), piece(text), Step::Close]
    })
    .await;
    check_failures("h2", |_| vec![Step::Close]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_tells_no_secret_when_everything_is_traced() {
    let scene = Scene::start_with("", "", &["--log", "trace"], |_| completion("x")).await;
    let stream = tokio::net::TcpStream::connect(scene.address())
        .await
        .unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    let url = format!("http://localhost{CHAT}?key={CALLER}");
    let mut request = asked(&url, &body("x", false));
    request.headers_mut().remove(http::header::HOST);
    let got = sender.send_request(request).await.unwrap();
    assert_eq!(got.status(), 200);
    eventually("traced", || async { scene.gateway.log().contains("h2") }).await;
    assert_tells_nothing("standard error", &scene.gateway.log());
    scene.unharmed(32).await;
}

#[test]
fn the_commands_tell_no_secret() {
    let variables = [("OPENAI_API_KEY", KEY), ("SECRET", KEY), ("HOME", "/")];
    for command in ["", "demo", "run", "check", "explain", "schema", "engine"] {
        let arguments: Vec<&str> = [command, "--help"]
            .into_iter()
            .filter(|one| !one.is_empty())
            .collect();
        let (out, err, _) = run_with(&arguments, &variables);
        assert!(!format!("{out}{err}").is_empty());
        assert_tells_nothing(command, &format!("{out}{err}"));
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sluicegate.yaml");
    let whole = "providers:\n  - { name: p, baseUrl: http://localhost:1/v1, models: [m], apiKey: \"${env:SECRET}\" }\n\
        listeners:\n  - { name: main, address: 127.0.0.1:0 }\n";
    let broken = [
        whole.replace("${env:SECRET}", KEY),
        whole.replace("${env:SECRET}", &format!("{KEY}\", typo: \"{KEY}")),
        whole.replace("${env:SECRET}", &format!("[{KEY}]")),
        whole
            .replace("models: [m]", "modles: [m]")
            .replace("${env:SECRET}", KEY),
        whole.replace(
            "http://localhost:1",
            &format!("http://user:{KEY}@localhost:1"),
        ),
        whole.to_owned(),
    ];
    for text in &broken {
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let header = format!("authorization: Bearer {CALLER}");
        let asked = chat_about(PROMPT).replace("\"x\"", "\"m\"");
        for arguments in [
            vec!["check", "-c", file],
            vec!["explain", "-c", file, "-H", &header, "-d", &asked, CHAT],
            vec![
                "explain", "-c", file, "-H", &header, "-d", &asked, "--format", "json", CHAT,
            ],
        ] {
            let (out, err, _) = run_with(&arguments, &variables);
            assert!(!format!("{out}{err}").is_empty(), "{arguments:?}");
            assert_tells_nothing(
                &format!("{} of {text}", arguments[0]),
                &format!("{out}{err}"),
            );
        }
    }
}

#[test]
fn a_start_that_fails_tells_no_secret() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = taken.local_addr().unwrap().to_string();
    let output = Command::new(BINARY)
        .args(["run", "--log", "trace", "--admin", &admin])
        .env_clear()
        .envs([
            ("OPENAI_API_KEY", KEY),
            ("OPENAI_BASE_URL", "not a url"),
            ("RUST_BACKTRACE", "full"),
        ])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = [output.stdout, output.stderr].concat();
    assert_tells_nothing("a failed start", &String::from_utf8_lossy(&said));
}
