//! Streams, and what becomes of them when somebody leaves.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use serde_json::{Value, json};

use super::client::{get, metric, open, post};
use super::*;

const CHAT: &str = "/v1/chat/completions";

fn body(fields: &Value) -> String {
    let mut body = json!({
        "model": "m", "stream": true, "max_tokens": 6,
        "messages": [{"role": "user", "content": "stream to me"}],
    });
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    body.to_string()
}

/// The text of one choice.
fn text(events: &[Value], index: u64) -> String {
    let choices = events
        .iter()
        .flat_map(|event| event["choices"].as_array().unwrap());
    choices
        .filter(|choice| choice["index"] == index)
        .filter_map(|choice| choice["delta"]["content"].as_str())
        .collect()
}

#[tokio::test]
async fn a_stream_has_the_text_of_the_whole_answer_one_event_a_token() {
    let server = start().await;
    let streamed = post(server.addr(), CHAT, &body(&json!({}))).await;
    assert_eq!(
        streamed.headers["content-type"],
        "text/event-stream; charset=utf-8"
    );
    let events = streamed.events();
    assert_eq!(events.len(), 7, "a role and six tokens: {events:?}");
    assert_eq!(
        events[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": ""})
    );
    assert_eq!(events[6]["choices"][0]["finish_reason"], "length");
    assert!(
        events
            .iter()
            .all(|event| event["object"] == "chat.completion.chunk")
    );
    assert!(events.iter().all(|event| event["id"] == events[0]["id"]));
    assert!(events.iter().all(|event| event.get("usage").is_none()));
    let whole = post(server.addr(), CHAT, &body(&json!({"stream": false})))
        .await
        .json();
    assert_eq!(whole["choices"][0]["message"]["content"], text(&events, 0));
    server.shutdown().await;
}

#[tokio::test]
async fn usage_comes_last_or_with_every_event() {
    let server = start().await;
    let options = json!({"stream_options": {"include_usage": true}});
    let events = post(server.addr(), CHAT, &body(&options)).await.events();
    assert_eq!(events.len(), 8);
    assert_eq!(events[7]["choices"], json!([]));
    assert_eq!(events[7]["usage"]["completion_tokens"], 6);
    assert!(events[..7].iter().all(|event| event.get("usage").is_none()));
    let options =
        json!({"stream_options": {"include_usage": true, "continuous_usage_stats": true}});
    let events = post(server.addr(), CHAT, &body(&options)).await.events();
    let counts: Vec<_> = events
        .iter()
        .map(|event| event["usage"]["completion_tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [0, 1, 2, 3, 4, 5, 6, 6]);
    server.shutdown().await;
}

#[tokio::test]
async fn choices_are_streamed_side_by_side() {
    let server = start().await;
    let events = post(server.addr(), CHAT, &body(&json!({"n": 3})))
        .await
        .events();
    let whole = post(
        server.addr(),
        CHAT,
        &body(&json!({"n": 3, "stream": false})),
    )
    .await
    .json();
    for index in 0..3 {
        assert_eq!(
            whole["choices"][index]["message"]["content"],
            text(&events, index as u64)
        );
    }
    assert_eq!(whole["usage"]["completion_tokens"], 18);
    let ends = events
        .iter()
        .filter(|event| event["choices"][0]["finish_reason"] == "length");
    assert_eq!(ends.count(), 3);
    server.shutdown().await;
}

#[tokio::test]
async fn a_stop_string_ends_a_stream() {
    let server = start().await;
    let plain = post(server.addr(), CHAT, &body(&json!({"max_tokens": 30})))
        .await
        .events();
    let plain = text(&plain, 0);
    let stop = &plain[30..36];
    let stopped = post(
        server.addr(),
        CHAT,
        &body(&json!({"max_tokens": 30, "stop": stop})),
    )
    .await;
    let events = stopped.events();
    assert_eq!(text(&events, 0), plain[..plain.find(stop).unwrap()]);
    let last = &events[events.len() - 1]["choices"][0];
    assert_eq!(
        (&last["finish_reason"], &last["stop_reason"]),
        (&json!("stop"), &json!(stop))
    );
    server.shutdown().await;
}

#[tokio::test]
async fn text_completions_stream_without_a_role() {
    let server = start().await;
    let ask = json!({"model": "m", "prompt": "go on", "stream": true, "max_tokens": 4, "echo": true,
                     "stream_options": {"include_usage": true}});
    let events = post(server.addr(), "/v1/completions", &ask.to_string())
        .await
        .events();
    assert_eq!(events.len(), 5);
    assert!(
        events[0]["choices"][0]["text"]
            .as_str()
            .unwrap()
            .starts_with("go on")
    );
    assert_eq!(events[3]["choices"][0]["finish_reason"], "length");
    assert_eq!(events[4]["usage"]["total_tokens"], 6);
    server.shutdown().await;
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_blocks() {
    let server = EngineServer::start(EngineConfig {
        speed: 1.0,
        ..config()
    })
    .await
    .unwrap();
    let long = body(&json!({"max_tokens": 4_000, "ignore_eos": true, "n": 2}));
    for streams in [true, false] {
        let ask = long.replace("\"stream\":true", &format!("\"stream\":{streams}"));
        let asking = open(server.addr(), Method::POST, CHAT, &[], &ask);
        if streams {
            let mut opened = asking.await.unwrap();
            opened.body.frame().await.unwrap().unwrap();
        } else {
            // Dropping the future drops its connection while the answer is being computed.
            tokio::select! {
                _ = asking => panic!("4,000 tokens in no time"),
                () = until(server.addr(), "vllm:num_requests_running", 2.0) => {}
            }
        }
        until(server.addr(), "vllm:num_requests_running", 0.0).await;
        assert_eq!(metric(server.addr(), "vllm:kv_cache_usage_perc").await, 0.0);
    }
    let page = get(server.addr(), "/metrics").await.text;
    assert!(
        page.contains(r#"finished_reason="abort",model_name="m"} 4.0"#),
        "{page}"
    );
    server.kill().await;
}

async fn until(addr: SocketAddr, name: &str, value: f64) {
    while metric(addr, name).await != value {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn http2_without_tls_is_spoken() {
    let server = start().await;
    let stream = TcpStream::connect(server.addr()).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(connection.await) });
    let mut answers = JoinSet::new();
    for _ in 0..20 {
        let mut sender = sender.clone();
        answers.spawn(async move {
            let request = Request::post("http://engine/v1/chat/completions")
                .header("content-type", "application/json")
                .body(Full::new(Bytes::from(body(&json!({})))))
                .unwrap();
            let response = sender.send_request(request).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        });
    }
    while let Some(answer) = answers.join_next().await {
        assert!(answer.unwrap().ends_with(b"data: [DONE]\n\n"));
    }
    drop(sender);
    server.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_finishes_streams_and_a_kill_does_not() {
    let slow = EngineConfig {
        speed: 5.0,
        ..config()
    };
    let server = EngineServer::start(slow.clone()).await.unwrap();
    let ask = body(&json!({"max_tokens": 40}));
    let mut opened = open(server.addr(), Method::POST, CHAT, &[], &ask)
        .await
        .unwrap();
    opened.body.frame().await.unwrap().unwrap();
    let (_, rest) = tokio::join!(server.shutdown(), opened.body.collect());
    assert!(rest.unwrap().to_bytes().ends_with(b"data: [DONE]\n\n"));

    let server = EngineServer::start(slow).await.unwrap();
    let mut opened = open(server.addr(), Method::POST, CHAT, &[], &ask)
        .await
        .unwrap();
    opened.body.frame().await.unwrap().unwrap();
    let addr = server.addr();
    server.kill().await;
    assert!(opened.body.collect().await.is_err());
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_a_shutdown() {
    let server = start().await;
    let stream = TcpStream::connect(server.addr()).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(connection.await) });
    let request = Request::get("/health")
        .header("host", "engine")
        .body(Full::<Bytes>::default())
        .unwrap();
    sender
        .send_request(request)
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(20), server.shutdown()).await;
    assert!(stopped.is_ok());
}
