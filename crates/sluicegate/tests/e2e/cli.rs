//! The commands beside `run -c`: what they print, what they refuse, and with which status they end.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use http::{Method, Request, header};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{chat, events, get, once};
use crate::process::{BINARY, Gateway, engine, free_address, run, run_with};

const CANARY: &str = "\
listeners:
  - name: main
    address: 127.0.0.1:0
    allowedHosts: [localhost]
pools:
  - name: stable
    models: [llama]
    endpoints: [{ address: 127.0.0.1:8100 }]
  - name: canary
    endpoints: [{ address: 127.0.0.1:8101 }]
  - name: files
    dialect: none
    endpoints: [{ address: 127.0.0.1:8102 }]
routes:
  - name: chat
    rules:
      - name: testers
        matches: [{ model: { value: chat }, headers: [{ name: x-canary, value: \"true\" }] }]
        backendRefs: [{ pool: canary, model: llama }]
      - name: everyone
        matches: [{ model: { value: chat } }]
        backendRefs:
          - { pool: stable, weight: 90, model: llama }
          - { pool: canary, weight: 10, model: llama }
          - { pool: stable, priority: 1, model: llama }
  - name: files
    rules:
      - name: all
        matches: [{ path: { value: /files }, method: GET }]
        backendRefs: [{ pool: files }]
";

fn written(config: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sluicegate.yaml");
    std::fs::write(&file, config).unwrap();
    (directory, file)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn check_accepts_what_is_valid() {
    let (_directory, file) = written(CANARY);
    let (out, err, status) = run(&["check", "-c", text(&file)]);
    assert!(status.success(), "{err}");
    assert_eq!(
        out,
        format!(
            "{} is valid: 1 listeners, 3 backends, 3 rules\n",
            text(&file)
        )
    );
    assert_eq!(err, "");
}

/// The place of a text, as messages write it.
fn place(config: &str, text: &str) -> String {
    let found = config
        .lines()
        .enumerate()
        .find_map(|(line, content)| Some((line, content.find(text)?)));
    let (line, column) = found.unwrap();
    format!("sluicegate.yaml:{}:{}", line + 1, column + 1)
}

#[test]
fn check_says_where_what_and_how_to_mend_it() {
    let wrong = CANARY
        .replace("weight: 90", "wieght: 90")
        .replace("pool: files }", "pool: fles }")
        .replace("name: x-canary", "name: \"x canary\"");
    let (_directory, file) = written(&wrong);
    let (out, err, status) = run(&["check", "-c", text(&file)]);
    assert_eq!((status.code(), out.as_str()), (Some(1), ""));
    assert!(err.contains(&place(&wrong, "wieght")), "{err}");
    assert!(err.contains("did you mean `weight`?"), "{err}");
    assert!(
        err.contains("          - { pool: stable, wieght: 90, model: llama }"),
        "the excerpt: {err}"
    );
}

#[test]
fn check_finds_dangling_references_and_missing_secrets() {
    let dangling = CANARY.replace("pool: files }", "pool: fles }");
    let (_directory, file) = written(&dangling);
    let (_, err, status) = run(&["check", "-c", text(&file)]);
    assert_eq!(status.code(), Some(1));
    assert!(err.contains(&place(&dangling, "fles")), "{err}");
    assert!(err.contains("`fles`") && err.contains("`files`"), "{err}");

    let keyed = CANARY.replace(
        "models: [llama]",
        "models: [llama]\n    apiKey: ${env:NO_KEY}",
    );
    let (_directory, file) = written(&keyed);
    let (_, err, status) = run(&["check", "-c", text(&file)]);
    assert_eq!(status.code(), Some(1));
    assert!(
        err.contains("NO_KEY") && err.contains("sluicegate.yaml:"),
        "{err}"
    );
    let (_, err, status) = run_with(&["check", "-c", text(&file)], &[("NO_KEY", "sk-1")]);
    assert!(status.success() && !err.contains("sk-1"), "{err}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    for command in ["check", "run"] {
        let (_, err, status) = run(&[command, "-c", "/nonexistent/gateway.yaml"]);
        assert_eq!(status.code(), Some(1), "{command}");
        assert!(err.contains("/nonexistent/gateway.yaml"), "{err}");
    }
}

fn explained(arguments: &[&str]) -> String {
    let (_directory, file) = written(CANARY);
    let (out, err, status) = run(&[&["explain", "-c", text(&file)], arguments].concat());
    assert!(status.success(), "{err}");
    out
}

#[test]
fn explain_tells_targets_weights_and_why_not_the_others() {
    let out = explained(&[
        "/v1/chat/completions",
        "-d",
        "{\"model\":\"chat\",\"messages\":[]}",
    ]);
    for line in [
        "API    openai chat",
        "model  chat",
        "route  chat, rule everyone",
        "to     pool stable as llama: weight 90 (90.0%), priority 0",
        "to     pool canary as llama: weight 10 (10.0%), priority 0",
        "to     pool stable as llama: weight 1 (100.0%), priority 1",
    ] {
        assert!(out.lines().any(|one| one == line), "{line:?} in\n{out}");
    }
    let verdict = |rule: &str| {
        let name = format!("rule {rule} (");
        let line = out
            .lines()
            .find(|line| line.contains(&name))
            .unwrap_or_default();
        line.rsplit_once("): ").unwrap_or_default().1.to_owned()
    };
    assert_eq!(verdict("everyone"), "chosen");
    assert!(verdict("testers").contains("x-canary"), "{out}");
}

#[test]
fn explain_speaks_json_and_reads_it() {
    let flags = explained(&[
        "http://localhost/v1/chat/completions",
        "-H",
        "x-canary: true",
        "-d",
        "{\"model\":\"chat\"}",
        "--format",
        "json",
    ]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("request.json");
    let request = json!({ "url": "http://localhost/v1/chat/completions",
        "headers": { "x-canary": "true" }, "body": { "model": "chat" } });
    std::fs::write(&file, request.to_string()).unwrap();
    let from_file = explained(&["--json", text(&file), "--format", "json"]);
    assert_eq!(flags, from_file);
    let told: Value = serde_json::from_str(&flags).unwrap();
    assert_eq!(
        (&told["route"], &told["rule"]),
        (&"chat".into(), &"testers".into())
    );
    let target = json!([{ "kind": "pool", "backend": "canary", "weight": 1, "priority": 0, "model": "llama" }]);
    assert_eq!(told["targets"], target);
    let considered = told["considered"].as_array().unwrap();
    let of = |rule: &str| considered.iter().find(|one| one["rule"] == rule).unwrap();
    assert_eq!(of("testers")["verdict"], "chosen");
    let verdict = of("everyone")["verdict"].as_str().unwrap();
    assert!(verdict.contains("goes before"), "{verdict}");
}

#[test]
fn explain_tells_of_plain_requests_and_of_refusals() {
    let out = explained(&["/files/a?b=1"]);
    assert!(out.contains("API    none: a plain request\n"), "{out}");
    assert!(out.contains("route  files, rule all\n"), "{out}");
    let out = explained(&["-X", "POST", "/files/a"]);
    assert!(out.contains("route  none: it is answered 404\n"), "{out}");
    let (_directory, file) = written(CANARY);
    for (arguments, reason) in [
        (&["/v1/chat/completions"][..], "405"),
        (
            &[
                "/v1/chat/completions",
                "-d",
                "{\"model\":\"a\",\"model\":\"b\"}",
            ],
            "400",
        ),
        (&["http://rebound.example.com/v1/models"], "421"),
        (&["/", "--listener", "mian"], "main"),
        (&["/", "-H", "novalue"], "name: value"),
    ] {
        let (_, err, status) = run(&[&["explain", "-c", text(&file)], arguments].concat());
        assert_eq!(status.code(), Some(1), "{arguments:?}");
        assert!(err.contains(reason), "{arguments:?}: {err}");
    }
}

#[test]
fn schema_prints_json_schema_crds_and_the_reference() {
    let (out, _, status) = run(&["schema"]);
    assert!(status.success());
    let schema: Value = serde_json::from_str(&out).unwrap();
    for section in ["listeners", "providers", "pools", "routes"] {
        assert!(
            schema["else"]["properties"][section].is_object(),
            "{section}"
        );
    }
    let (out, _, status) = run(&["schema", "--crd"]);
    assert!(status.success());
    let crds: Vec<Value> = out
        .split("---\n")
        .filter(|text| !text.is_empty())
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
    let mut kinds: Vec<&str> = crds
        .iter()
        .map(|crd| crd["spec"]["names"]["kind"].as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["Listener", "Pool", "Provider", "Route"]);
    for crd in &crds {
        assert_eq!(crd["kind"], "CustomResourceDefinition");
        assert_eq!(crd["spec"]["group"], "sluicegate.dev");
    }
    let (out, _, status) = run(&["schema", "--reference"]);
    assert!(status.success());
    assert!(out.contains("| `maxBodyBytes` |"));
    let (_, err, status) = run(&["schema", "--reference", "--crd"]);
    assert_eq!(status.code(), Some(2), "{err}");
}

#[test]
fn engine_profiles_are_listed_with_their_sources() {
    let (out, _, status) = run(&["engine", "--profile", "list"]);
    assert!(status.success());
    for name in engine::Profile::NAMES {
        let profile = engine::Profile::named(name).unwrap();
        let begins = |line: &str| line == name;
        assert!(
            out.lines().any(begins) && out.contains(profile.source),
            "{name} in\n{out}"
        );
    }
    let (_, err, status) = run(&["engine", "--profile", "gpt-9"]);
    assert_eq!(status.code(), Some(1));
    assert!(
        err.contains("`gpt-9`") && err.contains(engine::Profile::NAMES[0]),
        "{err}"
    );
}

#[test]
fn help_mentions_every_command() {
    let (out, _, status) = run(&["--help"]);
    assert!(status.success());
    let commands = ["demo", "run", "check", "explain", "schema", "engine"];
    for command in commands {
        let begins = format!("  {command} ");
        assert!(
            out.lines().any(|line| line.starts_with(&begins)),
            "{command} in\n{out}"
        );
        let (own, _, status) = run(&[command, "--help"]);
        assert!(
            status.success() && own.contains(&format!("sluicegate {command}")),
            "{own}"
        );
    }
    let (out, _, status) = run(&["--version"]);
    assert!(status.success());
    assert_eq!(out, format!("sluicegate {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(&["frobnicate"]).2.code(), Some(2));
}

#[test]
fn run_without_anything_to_serve_says_what_to_give_it() {
    let admin = free_address().to_string();
    let (_, err, status) = run(&["run", "--admin", &admin]);
    assert_eq!(status.code(), Some(1));
    assert!(err.contains("no configuration is given"), "{err}");
    assert!(
        err.contains("`-c`") && err.contains("OPENAI_API_KEY"),
        "{err}"
    );
}

#[test]
fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (_directory, file) = written(&CANARY.replace("127.0.0.1:0", &taken));
    let admin = free_address().to_string();
    let (_, err, status) = run(&["run", "-c", text(&file), "--admin", &admin]);
    assert_eq!(status.code(), Some(1));
    assert!(err.contains(&taken), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_environment_is_enough_and_safe() {
    let engine = engine("m", 1000.0).await;
    let url = format!("http://{}/v1", engine.addr());
    let variables = [
        ("OPENAI_API_KEY", "sk-planted-42"),
        ("OPENAI_BASE_URL", url.as_str()),
    ];
    let gateway = Gateway::start_from_environment(&variables).await;
    for stream in [false, true] {
        let got = once(gateway.address, chat("m", stream, 3)).await;
        assert_eq!(got.status, 200, "{}", got.text());
    }
    let check = async |host: &str, origin: Option<&str>, status: u16, code: &str| {
        let asked = Request::builder().method(Method::GET).uri("/v1/models");
        let asked = asked.header(header::HOST, host);
        let asked = match origin {
            Some(origin) => asked.header(header::ORIGIN, origin),
            None => asked,
        };
        let got = once(gateway.address, asked.body(Default::default()).unwrap()).await;
        assert_eq!(got.status, status, "{host} {origin:?}: {}", got.text());
        if status != 200 {
            assert_eq!(got.json()["error"]["code"], code);
        }
    };
    check("localhost:8080", None, 200, "").await;
    check("127.0.0.1:8080", None, 200, "").await;
    check("[::1]:8080", None, 200, "").await;
    check("rebound.example.com", None, 421, "host_not_allowed").await;
    check("localhost.example.com:8080", None, 421, "host_not_allowed").await;
    check(
        "localhost:8080",
        Some("https://evil.example.com"),
        403,
        "origin_not_allowed",
    )
    .await;
    check("localhost:8080", Some("null"), 403, "origin_not_allowed").await;
    check("localhost:8080", Some("http://localhost:8080"), 200, "").await;
    let snapshot = once(gateway.admin, get("/snapshot")).await.text();
    assert!(snapshot.contains("${env:OPENAI_API_KEY}"), "{snapshot}");
    assert!(!format!("{snapshot}{}", gateway.log()).contains("sk-planted-42"));
}

#[test]
fn the_demo_shows_a_stream_and_ends() {
    let (listen, admin) = (free_address().to_string(), free_address().to_string());
    let arguments = [
        "demo",
        "--once",
        "--listen",
        &listen,
        "--admin",
        &admin,
        "--replicas",
        "2",
    ];
    let (out, err, status) = run(&arguments);
    assert!(status.success(), "{err}");
    assert!(out.contains(&format!("http://{listen}")) && out.contains(&format!("http://{admin}")));
    assert!(
        out.contains("curl -N ") && out.contains("from openai import OpenAI"),
        "{out}"
    );
    let answered = out.split("Asking through the gateway").nth(1).unwrap();
    let text = answered.lines().nth(2).unwrap().trim();
    assert!(text.split(' ').count() > 10, "{answered}");
    assert!(
        answered.contains("x-sluicegate-endpoint: gpu-"),
        "{answered}"
    );
    assert!(
        answered.contains("x-sluicegate-attempts: 1\n"),
        "{answered}"
    );
    assert_eq!(err, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_alone_serves_until_it_is_asked_to_end() {
    let mut engine = Command::new(BINARY)
        .args([
            "engine",
            "--port",
            "0",
            "--replicas",
            "2",
            "--model",
            "mine",
            "--speed",
            "1000",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(engine.stdout.take().unwrap()));
    for _ in 0..2 {
        let line = lines.next().unwrap().unwrap();
        let address = line
            .strip_prefix("http://")
            .and_then(|line| line.strip_suffix(" serves mine"));
        let got = once(address.unwrap().parse().unwrap(), chat("mine", true, 3)).await;
        assert_eq!(events(&got.text()).last(), Some(&"[DONE]"));
    }
    let pid = engine.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(engine.wait().unwrap().success());
}

#[test]
fn a_request_to_explain_may_come_by_standard_input() {
    let (_directory, file) = written(CANARY);
    let mut explain = Command::new(BINARY)
        .args([
            "explain",
            "-c",
            text(&file),
            "--json",
            "-",
            "--format",
            "json",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    explain
        .stdin
        .take()
        .unwrap()
        .write_all(b"{\"url\":\"/files/x\",\"method\":\"GET\"}")
        .unwrap();
    let output = explain.wait_with_output().unwrap();
    assert!(output.status.success());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&told["dialect"], &told["route"]),
        (&Value::Null, &"files".into())
    );
}

#[test]
fn a_drain_that_cannot_go_as_asked_is_refused_at_start() {
    let times = ["--drain-delay", "30s", "--drain-deadline", "1s"];
    let (_, err, status) = run(&[&["run"], &times[..]].concat());
    assert_eq!(status.code(), Some(1));
    assert!(
        err.contains("--drain-deadline") && err.contains("30s"),
        "{err}"
    );
}
