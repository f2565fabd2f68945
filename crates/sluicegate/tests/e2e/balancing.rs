//! Where requests go by what engines know, and which policy a simulated fleet is served best by.

use serde_json::{Value, json};

use crate::client::{once, post};
use crate::process::{Gateway, fleet, run};

/// A turn of one of several conversations that have nothing in common.
fn turn(conversation: usize, turns: usize) -> Value {
    let said = |turn: usize| {
        let text = format!("Conversation {conversation}, turn {turn}. ").repeat(120);
        json!({"role": if turn.is_multiple_of(2) { "user" } else { "assistant" }, "content": text})
    };
    let messages: Vec<Value> = (0..turns).map(said).collect();
    json!({"model": "m", "max_tokens": 2, "messages": messages})
}

/// The share of prompt tokens that engines had in their caches, over three turns of conversations.
async fn hit_ratio(policy: &str) -> f64 {
    let engines = fleet(4, 1000.0).await;
    let endpoints: Vec<String> = engines
        .iter()
        .map(|engine| format!("{{ address: \"{}\" }}", engine.addr()))
        .collect();
    let config = format!(
        "listeners:\n  - {{ name: main, address: LISTEN }}\npools:\n  - name: fleet\n    models: [m]\n    \
         loadBalancer: {{ policy: {policy} }}\n    endpoints: [{}]\n",
        endpoints.join(", ")
    );
    let gateway = Gateway::start(&config).await;
    let (mut prompt, mut cached) = (0, 0);
    for turns in [1, 3, 5] {
        for conversation in 0..9 {
            let request = post("/v1/chat/completions", &turn(conversation, turns));
            let answer = once(gateway.address, request).await;
            assert_eq!(answer.status, 200, "{:?}", answer.body);
            let usage = answer.json()["usage"].take();
            let cached_tokens = &usage["prompt_tokens_details"]["cached_tokens"];
            prompt += usage["prompt_tokens"].as_u64().unwrap();
            cached += cached_tokens.as_u64().unwrap_or(0);
        }
    }
    cached as f64 / prompt as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_go_back_to_the_engine_that_has_them_in_its_cache() {
    // Of turns of 1, 3 and 5 messages, all but what is new could be cached: 4 of 9 messages.
    for policy in ["PredictedLatency", "LMetric", "LeastPendingWork"] {
        let hits = hit_ratio(policy).await;
        assert!(hits > 0.4, "{policy}: {hits}");
    }
    let blind = hit_ratio("Random").await;
    assert!(blind < 0.35, "{blind}");
}

/// A trace of a minute: conversations of 1,500 tokens, of which every fifth goes on.
fn trace() -> String {
    let line = |number: u64| {
        let conversation = number % 5 * 100 + number / 25;
        let hashes: Vec<u64> = (0..3).map(|block| conversation * 10 + block).collect();
        let asked = json!({"timestamp": number * 300, "input_length": 1500, "output_length": 40,
            "hash_ids": hashes});
        format!("{asked}\n")
    };
    (0..200).map(line).collect()
}

#[test]
fn a_trace_is_replayed_before_every_policy() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("trace.jsonl");
    std::fs::write(&file, trace()).unwrap();
    let file = file.to_str().unwrap();
    let command = ["simulate", "--trace", file, "--replicas", "2"];
    let asked = [&command[..], &["--seeds", "2"]].concat();
    let (table, errors, status) = run(&asked);
    assert!(status.success(), "{errors}");
    for policy in ["round-robin", "lmetric", "llm-d", "predicted-latency"] {
        assert!(table.contains(&format!("\n{policy} ")), "{table}");
    }
    assert!(table.starts_with("200 requests, 3.3"), "{table}");
    let chosen = ["--policy", "dynamo:32", "--policy", "random"];
    let chosen = [&chosen[..], &["--format", "json"]].concat();
    let (first, _, _) = run(&[&asked[..], &chosen].concat());
    let (again, _, _) = run(&[&asked[..], &chosen].concat());
    assert_eq!(first, again);
    let rows: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(rows[0]["policy"], "dynamo:32");
    assert!(rows[1]["figures"]["attained"]["mean"].as_f64().unwrap() > 0.9);
    let searched = ["--policy", "random", "--find-capacity", "--format", "csv"];
    let (capacity, _, _) = run(&[&asked[..7], &searched].concat());
    let (head, row) = capacity.split_once('\n').unwrap();
    assert_eq!(head, "policy,figure,mean,margin");
    let rate = row
        .strip_prefix("random,\"capacity, requests/s\",")
        .unwrap();
    let (rate, _) = rate.split_once(',').unwrap();
    assert!(rate.parse::<f64>().unwrap() > 3.3, "{capacity}");
}

#[test]
fn what_cannot_be_simulated_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("trace.jsonl");
    std::fs::write(&file, trace() + "{}\n").unwrap();
    let file = file.to_str().unwrap();
    let told = |arguments: &[&str]| {
        let (_, errors, status) = run(&[&["simulate"], arguments].concat());
        assert!(!status.success());
        errors
    };
    let wrong = told(&["--trace", file]);
    assert!(wrong.contains("trace.jsonl cannot be replayed"), "{wrong}");
    assert!(
        wrong.contains("line 201 is no request of a Mooncake trace: missing field"),
        "{wrong}"
    );
    std::fs::write(file, trace()).unwrap();
    let wrong = told(&["--trace", file, "--policy", "fastest"]);
    assert!(
        wrong.contains("no policy is called fastest; there are:\n  round-robin\n"),
        "{wrong}"
    );
    let wrong = told(&["--trace", file, "--profile", "tpu"]);
    assert!(
        wrong.contains("no profile is called tpu: there are qwen3-32b-h100-tp2"),
        "{wrong}"
    );
    let wrong = told(&["--trace", file, "--slow-replicas", "9"]);
    assert!(
        wrong.contains("--slow-replicas cannot be more than --replicas"),
        "{wrong}"
    );
    let wrong = told(&["--trace", file, "--rate", "0"]);
    assert!(wrong.contains("a rate must be above zero"), "{wrong}");
    std::fs::write(file, trace().lines().take(3).collect::<Vec<_>>().join("\n")).unwrap();
    let wrong = told(&[
        "--trace",
        file,
        "--policy",
        "random",
        "--find-capacity",
        "--seeds",
        "1",
    ]);
    assert!(
        wrong.contains("the trace is too short or the fleet too large"),
        "{wrong}"
    );
    assert!(told(&["--trace", "/nowhere"]).contains("cannot read /nowhere"));
}
