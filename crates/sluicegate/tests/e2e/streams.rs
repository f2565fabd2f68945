//! Streamed answers: the bytes that pass, the moment until which all may be repeated, and their end.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::client::{Client, chat, events, once, post};
use crate::process::{Gateway, eventually};
use crate::raw::Raw;
use crate::upstream::{Gate, Step, Upstream, answer, completion, last_piece, piece, stream};
use crate::upstream::{Received, stream_head};

const ROLE: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const TEXT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
const FINISH: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\
    \"total_tokens\":9,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const ERROR: &str =
    "data: {\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\"}}\n\n";

fn whole() -> Vec<Step> {
    stream(&[ROLE, TEXT, FINISH, USAGE, DONE])
}

/// The model `m`, served by `first` and, if that cannot, by `second`; `rule` is added to its rule.
pub fn with_fallback(first: SocketAddr, second: SocketAddr, rule: &str) -> String {
    let pool = |name: &str, address: SocketAddr| {
        format!(
            "  - name: {name}\n    endpoints: [{{ address: \"{address}\" }}]\n    \
             outlierDetection: {{ consecutiveErrors: 0 }}\n"
        )
    };
    format!(
        "listeners:\n  - name: main\n    address: LISTEN\npools:\n{}{}\
         routes:\n  - name: r\n    rules:\n      - matches: [{{ model: {{ value: m }} }}]\n        \
         backendRefs: [{{ pool: first }}, {{ pool: second, priority: 1 }}]\n{rule}",
        pool("first", first),
        pool("second", second)
    )
}

const ONCE_EACH: &str = "        retry: { attempts: 0 }\n";

async fn served_by(upstream: &Upstream) -> Gateway {
    Gateway::start(&with_fallback(
        upstream.address,
        upstream.address,
        ONCE_EACH,
    ))
    .await
}

fn ask() -> Request<Full<Bytes>> {
    chat("m", true, 10)
}

async fn assert_nothing_in_flight(gateway: &Gateway) {
    eventually("nothing in flight", || async {
        gateway
            .endpoints()
            .await
            .iter()
            .all(|one| one["inFlight"] == 0)
    })
    .await;
    assert_eq!(gateway.metric("sluicegate_requests_in_flight").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_pass_as_they_are_but_for_the_usage_that_only_we_asked_for() {
    let before = [
        "\u{feff}: comment\r\n\r\n",
        "event: message\r\nid: 7\r\nretry: 10\r\ndata:{\"choices\" : [ {\"index\":0,\r\n\
         data: \"delta\":{\"content\":\"h\u{e9}\u{1f600}\"},\"unknown\":1.0e0} ] }\r\n\r\n",
        ": ping\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\\"usage\\\":{}\"}}],\
         \"usage\":null}\n\n",
        FINISH,
    ]
    .concat();
    let after = ": bye\n\ndata: [DONE]\r\n\r\n";
    let text = [&before, USAGE, after].concat();
    let (hidden, shown) = ([&before, after].concat(), text.clone());
    for size in [1, 7, 64, usize::MAX] {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size.min(text.len())).collect();
        let upstream = Upstream::always(stream(&pieces)).await;
        let gateway = served_by(&upstream).await;
        let mut client = Client::new(gateway.address);
        let got = client.send(ask()).await.unwrap();
        assert_eq!(got.status, 200);
        assert_eq!(
            got.header("content-type"),
            "text/event-stream; charset=utf-8"
        );
        assert_eq!(got.text(), hidden, "in pieces of {size}");
        let body = json!({ "model": "m", "stream": true, "messages": [],
            "stream_options": { "include_usage": true } });
        let got = client
            .send(post("/v1/chat/completions", &body))
            .await
            .unwrap();
        assert_eq!(got.text(), shown, "in pieces of {size}");
        for line in gateway.logged(2).await {
            let fields = ["input_tokens", "output_tokens", "cached_input_tokens"];
            assert_eq!(
                fields.map(|field| line[field].as_u64()),
                [Some(7), Some(2), Some(4)]
            );
            assert_eq!(line["outcome"], "completed", "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_always_asked_for_and_nothing_else_is_touched() {
    let upstream = Upstream::always(whole()).await;
    let gateway = served_by(&upstream).await;
    let check = async |sent: &str, arrived: &str, shown: bool| {
        let request = crate::client::request(http::Method::POST, "/v1/chat/completions", sent);
        let got = once(gateway.address, request).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert_eq!(got.text().contains("prompt_tokens"), shown, "{sent}");
        let last = upstream.requests().pop().unwrap();
        assert_eq!(last.text(), arrived);
        assert_eq!(
            last.header("content-length"),
            Some(arrived.len().to_string())
        );
    };
    check(
        "{ \"model\" :\"m\",\n\"stream\": true, \"x\":1.00, \"x\":2, \"messages\":[] }",
        "{\"stream_options\":{\"include_usage\":true}, \"model\" :\"m\",\n\"stream\": true, \
         \"x\":1.00, \"x\":2, \"messages\":[] }",
        false,
    )
    .await;
    check(
        "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":false , \"o\":1}}",
        "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true , \"o\":1}}",
        false,
    )
    .await;
    let own = "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}";
    check(own, own, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_arrive_one_by_one_from_the_first_on() {
    let gate = Gate::closed();
    let steps = [
        vec![
            stream_head(),
            piece(ROLE),
            piece(TEXT),
            Step::Wait(gate.clone()),
        ],
        vec![piece(FINISH), piece(DONE), last_piece()],
    ];
    let upstream = Upstream::always(steps.concat()).await;
    let gateway = served_by(&upstream).await;
    let mut client = Raw::open(gateway.address).await;
    let body = json!({ "model": "m", "stream": true }).to_string();
    let length = body.len();
    client
        .send(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await;
    let begun = client.until("\"hi\"").await;
    assert!(
        begun.contains("assistant"),
        "the prelude comes with the first token: {begun}"
    );
    gate.open();
    client.until("0\r\n\r\n").await;
}

/// What `first` does is mended by `second`, and by nobody else.
async fn check_mended(first: Vec<Step>, rule: &str, attempts: &str) {
    let first = Upstream::always(first).await;
    let second = Upstream::always(whole()).await;
    let config = with_fallback(first.address, second.address, rule);
    let gateway = Gateway::start(&config).await;
    let got = once(gateway.address, ask()).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.text(), [ROLE, TEXT, FINISH, DONE].concat());
    assert_eq!(got.header("x-sluicegate-attempts"), attempts);
    assert_eq!(second.count(), 1);
    assert_eq!(gateway.metric("sluicegate_fallbacks_total").await, 1.0);
    assert_nothing_in_flight(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_before_the_first_token_is_mended_elsewhere() {
    let html = answer("200 OK", "text/html", "<h1>Login</h1>");
    check_mended(html, ONCE_EACH, "2").await;
    check_mended(stream(&[ROLE, ERROR, DONE]), ONCE_EACH, "2").await;
    check_mended(
        vec![stream_head(), piece(ROLE), Step::Close],
        ONCE_EACH,
        "2",
    )
    .await;
    check_mended(stream(&[ROLE]), ONCE_EACH, "2").await;
    check_mended(vec![Step::Close], ONCE_EACH, "2").await;
    check_mended(
        vec![Step::Send("SSH-2.0\r\n".into()), Step::Hang],
        ONCE_EACH,
        "2",
    )
    .await;
    let busy = answer("503 Service Unavailable", "application/json", "{}");
    check_mended(busy.clone(), ONCE_EACH, "2").await;
    check_mended(
        busy,
        "        retry: { attempts: 2, backoff: { base: 1ms } }\n",
        "2",
    )
    .await;
    let hasty = "        retry: { attempts: 0 }\n        timeouts: { firstToken: 200ms }\n";
    check_mended(vec![stream_head(), piece(ROLE), Step::Hang], hasty, "2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_repeated_once_a_token_has_passed() {
    for (rest, last) in [(ERROR, "out of memory"), ("", "broke off")] {
        let steps = [
            vec![stream_head(), piece(ROLE), piece(TEXT), piece(rest)],
            vec![Step::Close],
        ];
        let steps = steps
            .concat()
            .into_iter()
            .filter(|step| !is_end(step))
            .collect();
        let first = Upstream::always(steps).await;
        let second = Upstream::always(whole()).await;
        let config = with_fallback(first.address, second.address, ONCE_EACH);
        let gateway = Gateway::start(&config).await;
        let got = once(gateway.address, ask()).await;
        let text = got.text();
        assert!(text.starts_with(&[ROLE, TEXT].concat()), "{text}");
        let all = events(&text);
        assert_eq!(all.len(), 3, "{text}");
        let error: Value = serde_json::from_str(all[2]).unwrap();
        assert_eq!(error["error"]["type"], "server_error", "{text}");
        assert!(
            error["error"]["message"].as_str().unwrap().contains(last),
            "{text}"
        );
        assert_eq!(second.count(), 0);
        let line = gateway.logged(1).await.remove(0);
        assert_eq!(line["outcome"], "upstream_failed", "{line}");
    }
}

/// A piece of no bytes would end the body.
fn is_end(step: &Step) -> bool {
    matches!(step, Step::Send(bytes) if bytes.starts_with(b"0\r\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_first_token_the_client_is_told_in_its_dialect() {
    let upstream = Upstream::always(vec![stream_head(), piece(ROLE), Step::Hang]).await;
    let rule = "        retry: { attempts: 1, backoff: { base: 1ms } }\n        \
                timeouts: { firstToken: 200ms }\n";
    let config = with_fallback(upstream.address, upstream.address, rule);
    let gateway = Gateway::start(&config).await;
    let got = once(gateway.address, ask()).await;
    assert_eq!(got.status, 504);
    let error = got.json();
    assert_eq!(error["error"]["type"], "server_error", "{error}");
    assert_eq!(error["error"]["code"], "timeout", "{error}");
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("firstToken"),
        "{error}"
    );
    assert!(
        got.header("x-sluicegate-attempts")
            .parse::<usize>()
            .unwrap()
            >= 2
    );
    assert_eq!(
        got.header("x-sluicegate-attempts"),
        upstream.count().to_string()
    );
    upstream.until_left(upstream.count()).await;
    let line = gateway.logged(1).await.remove(0);
    assert_eq!(line["error"], "first_token_timeout", "{line}");
    assert_nothing_in_flight(&gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_falls_silent_ends_with_an_error_that_says_so() {
    let upstream = Upstream::always(vec![stream_head(), piece(TEXT), Step::Hang]).await;
    for (timeouts, name, error_type) in [
        ("betweenChunks: 200ms", "betweenChunks", "idle_timeout"),
        ("request: 300ms", "request", "request_timeout"),
    ] {
        let rule = format!("        timeouts: {{ {timeouts} }}\n");
        let config = with_fallback(upstream.address, upstream.address, &rule);
        let gateway = Gateway::start(&config).await;
        let before = upstream.count();
        let got = once(gateway.address, ask()).await;
        assert_eq!(got.status, 200);
        let text = got.text();
        let last: Value = serde_json::from_str(events(&text).last().unwrap().trim()).unwrap();
        let message = last["error"]["message"].as_str().unwrap();
        assert!(message.contains(&format!("`{name}`")), "{message}");
        assert_eq!(upstream.count(), before + 1);
        upstream.until_left(upstream.count()).await;
        let line = gateway.logged(1).await.remove(0);
        assert_eq!(
            (&line["error"], &line["output_tokens"]),
            (&error_type.into(), &1.into()),
            "{line}"
        );
        assert_nothing_in_flight(&gateway).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_chunk_gives_a_stream_its_time_anew() {
    let paced = [Step::Pause(Duration::from_millis(300)), piece(TEXT)];
    let steps = [
        vec![stream_head(), piece(TEXT)],
        vec![paced; 5].concat(),
        vec![Step::Hang],
    ];
    let upstream = Upstream::always(steps.concat()).await;
    let rule = "        timeouts: { betweenChunks: 1s }\n";
    let config = with_fallback(upstream.address, upstream.address, rule);
    let gateway = Gateway::start(&config).await;
    let text = once(gateway.address, ask()).await.text();
    let shown = TEXT.repeat(6);
    assert!(text.starts_with(&shown), "{text}");
    assert!(text[shown.len()..].contains("`betweenChunks`"), "{text}");
    let line = gateway.logged(1).await.remove(0);
    assert_eq!(line["output_tokens"], 6, "{line}");
    assert!(line["duration_ms"].as_f64().unwrap() >= 2500.0, "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_takes_its_request_along() {
    for (steps, status) in [
        (vec![stream_head(), piece(TEXT), Step::Hang], 200),
        (vec![stream_head(), piece(ROLE), Step::Hang], 499),
        (vec![Step::Hang], 499),
    ] {
        let upstream = Upstream::always(steps).await;
        let gateway = served_by(&upstream).await;
        let mut client = Client::new(gateway.address);
        if status == 200 {
            let response = client.start(ask()).await.unwrap();
            assert_eq!(response.status(), 200);
        } else {
            let asked = tokio::spawn(async move { client.start(ask()).await.is_ok() });
            upstream
                .until("asked", |all: &[Received]| all.iter().any(|one| one.whole))
                .await;
            asked.abort();
        }
        upstream.until_left(1).await;
        let line = gateway.logged(1).await.remove(0);
        assert_eq!(line["outcome"], "client_aborted", "{line}");
        assert_eq!(line["error"], "client_aborted", "{line}");
        assert_eq!(line["status"], status, "{line}");
        assert_eq!(upstream.count(), 1, "who left is not tried for again");
        assert_nothing_in_flight(&gateway).await;
        let endpoints = gateway.endpoints().await;
        assert!(
            endpoints.iter().all(|one| one["failures"] == 0),
            "no fault of theirs: {endpoints:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_slows_its_upstream_down() {
    let text = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
        "x".repeat(60_000)
    );
    let gate = Gate::closed();
    let sent = Gate::closed();
    let mut steps = vec![stream_head()];
    steps.extend((0..1000).map(|_| piece(&text)));
    steps.extend([
        Step::Open(sent.clone()),
        Step::Wait(gate.clone()),
        piece(DONE),
        last_piece(),
    ]);
    let upstream = Upstream::always(steps).await;
    let gateway = served_by(&upstream).await;
    let mut client = Client::new(gateway.address);
    let response = client.start(ask()).await.unwrap();
    let before = gateway.metric("process_resident_memory_bytes").await;
    // 60 MB wait to be sent, of which kernel buffers on loopback take a few.
    let mut last = 0;
    eventually("the upstream stands still", || {
        let now = upstream.sent();
        let still = now == last && now > 0;
        last = now;
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            still
        }
    })
    .await;
    assert!(
        !sent.is_open(),
        "everything was taken, {} bytes",
        upstream.sent()
    );
    let after = gateway.metric("process_resident_memory_bytes").await;
    assert!(
        after - before < 8e6,
        "{} bytes more for one slow client",
        after - before
    );
    gate.open();
    let body = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap()
        .to_bytes();
    assert!(body.ends_with(DONE.as_bytes()));
    assert_eq!(body.len(), 1000 * text.len() + DONE.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_answer_that_breaks_off_is_repeated() {
    let cut =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"id\":";
    let first = Upstream::always(vec![Step::Send(cut.into()), Step::Close]).await;
    let second = Upstream::always(completion("m")).await;
    let config = with_fallback(first.address, second.address, ONCE_EACH);
    let gateway = Gateway::start(&config).await;
    let got = once(gateway.address, chat("m", false, 10)).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.json()["usage"]["total_tokens"], 8);
    assert_eq!(got.header("x-sluicegate-attempts"), "2");
}
