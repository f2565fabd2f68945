//! Upstreams that lie, and what their clients are told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Scene;
use crate::client::{Answer, Client, chat, events, get};
use crate::process::eventually;
use crate::upstream::{
    Gate, Received, Step, answer, completion, last_piece, piece, stream, stream_head,
};

const TEXT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n";
const SHORT_WAITS: &str =
    "        timeouts: { firstToken: 1s, betweenChunks: 1s, backendRequest: 1s, request: 4s }\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
    transfer-encoding: chunked\r\n\r\n";

fn send(text: impl AsRef<[u8]>) -> Step {
    Step::Send(text.as_ref().to_vec())
}

async fn scene(steps: Vec<Step>) -> Scene {
    Scene::start("", SHORT_WAITS, move |_| steps.clone()).await
}

/// What the upstream of a scene does, from now on and until told otherwise.
#[derive(Clone, Default)]
struct Part(Arc<Mutex<Vec<Step>>>);

impl Part {
    async fn scene(&self) -> Scene {
        let part = self.clone();
        Scene::start("", SHORT_WAITS, move |_| part.0.lock().unwrap().clone()).await
    }

    fn play(&self, steps: Vec<Step>) {
        *self.0.lock().unwrap() = steps;
    }
}

/// These bytes over and over: 12 MB of them, more than anything of an answer may take.
fn endless(unit: &str) -> Vec<Step> {
    let block = unit.repeat((256 << 10) / unit.len());
    vec![send(block); 48]
}

fn assert_error(got: &Answer, status: u16, case: &str) {
    assert_eq!(got.status, status, "{case}: {}", got.text());
    let body = got.json();
    assert!(body["error"]["message"].is_string(), "{case}: {body}");
    assert!(body["error"]["type"].is_string(), "{case}: {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_is_a_502_in_the_dialect() {
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let events = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    let page = "<html><body>Welcome to our captive portal</body></html>";
    let cases: Vec<(&str, Vec<Step>)> = vec![
        ("garbage", vec![send("SSH-2.0-OpenSSH_9.2\r\n"), Step::Hang]),
        ("HTTP/0.9", vec![send("hello\n"), Step::Close]),
        ("no status", vec![send("HTTP/1.1 \r\n\r\n"), Step::Close]),
        (
            "status of four digits",
            vec![send("HTTP/1.1 2000 OK\r\n\r\n"), Step::Close],
        ),
        (
            "two lengths",
            vec![
                send(format!(
                    "{json}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}}}"
                )),
                Step::Close,
            ],
        ),
        (
            "length that is none",
            vec![
                send(format!("{json}content-length: two\r\n\r\n{{}}")),
                Step::Close,
            ],
        ),
        (
            "too short",
            vec![
                send(format!("{json}content-length: 100\r\n\r\n{{}}")),
                Step::Close,
            ],
        ),
        (
            "a chunk size that is none",
            vec![send(format!("{CHUNKED}xyz\r\n")), Step::Close],
        ),
        (
            "cut in a chunk",
            vec![send(format!("{CHUNKED}ff\r\n{{\"id\":")), Step::Close],
        ),
        (
            "cut between chunks",
            vec![send(CHUNKED), piece("{\"id\":1"), Step::Close],
        ),
        (
            "header with a control byte",
            vec![
                send(format!("{json}x-a: \x01\r\ncontent-length: 2\r\n\r\n{{}}")),
                Step::Close,
            ],
        ),
        (
            "an upgrade nobody asked for",
            vec![
                send(
                    "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
                ),
                Step::Hang,
            ],
        ),
        ("a page", answer("200 OK", "text/html", page)),
        (
            "a page as a stream of events",
            answer("200 OK", "text/event-stream", page),
        ),
        (
            "no content type",
            vec![send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")],
        ),
        (
            "a stream of nothing",
            answer("200 OK", "text/event-stream", ""),
        ),
        (
            "a stream of comments",
            answer("200 OK", "text/event-stream", ": ping\n\n: ping\n\n"),
        ),
        (
            "events that are no JSON",
            answer(
                "200 OK",
                "text/event-stream",
                "data: {nonsense\n\ndata: \u{fffd}\n\n",
            ),
        ),
        (
            "events that are no text",
            vec![
                send(events),
                send("content-length: 8\r\n\r\n"),
                send(b"\xff\xfe\0\x01\n\n\x80\n"),
            ],
        ),
        (
            "a gzipped stream",
            vec![
                send(format!("{events}content-encoding: gzip\r\n\r\n")),
                send([b"\x1f\x8b\x08\0\n\n\r\n\n".as_slice(), &[0x55; 200_000]].concat()),
                Step::Close,
            ],
        ),
        (
            "a gzipped answer",
            vec![
                send(format!(
                    "{json}content-encoding: gzip\r\ncontent-length: 6\r\n\r\n"
                )),
                send(b"\x1f\x8b\x08\0\0\0"),
            ],
        ),
    ];
    let part = Part::default();
    let scene = part.scene().await;
    for (case, steps) in cases {
        part.play(steps);
        for stream in [false, true] {
            let got = scene.ask(stream).await;
            assert_error(&got, 502, case);
            assert!(!got.text().contains("captive"), "{case}: {}", got.text());
        }
    }
    scene.unharmed(24).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_ends_is_cut_off() {
    let head = "HTTP/1.1 200 OK\r\n";
    let streamed = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let with = |start: &str, rest: Vec<Step>| [vec![send(start)], rest, vec![Step::Hang]].concat();
    let cases = [
        (
            "one header",
            502,
            with(&format!("{head}x-large: "), endless("x")),
        ),
        ("headers", 502, with(head, endless("x-some: header\r\n"))),
        ("a reason", 502, with("HTTP/1.1 200 ", endless("OK "))),
        (
            "a chunk's extension",
            502,
            with(&format!("{CHUNKED}2;"), endless("x")),
        ),
        (
            "trailers",
            502,
            with(
                &format!("{CHUNKED}2\r\n{{}}\r\n0\r\n"),
                endless("x-some: trailer\r\n"),
            ),
        ),
        (
            "one event",
            502,
            with(&format!("{streamed}data: "), endless("x")),
        ),
        ("comments", 200, with(streamed, endless(": ping\n\n"))),
        (
            "interim answers",
            504,
            with("", endless("HTTP/1.1 103 Early Hints\r\nx: 1\r\n\r\n")),
        ),
    ];
    let part = Part::default();
    let scene = part.scene().await;
    for (case, status, steps) in cases {
        part.play(steps);
        let got = scene.ask(true).await;
        if status == 200 {
            // So much has been held back that the answer counts as begun, although it says nothing.
            let text = got.text();
            assert!(
                events(&text).last().unwrap().contains("\"error\""),
                "{case}"
            );
        } else {
            assert_error(&got, status, case);
        }
        // Of a plain service nothing is known that its client could not find out, so it gets what
        // comes, until it leaves.
        let mut client = Client::new(scene.address());
        let plain = client.send(get("/files"));
        drop(tokio::time::timeout(Duration::from_millis(300), plain).await);
    }
    scene.unharmed(24).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interim_answers_are_passed_over() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(100);
    let steps = [vec![send(hints)], completion("x")].concat();
    let scene = scene(steps).await;
    assert_eq!(scene.ask(false).await.status, 200);
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_behind_an_answer_never_answer_the_next_request() {
    let poison = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\npoison";
    let whole = |request: &Received| answer("200 OK", "text/plain", &request.line);
    for late in [false, true] {
        let scene = Scene::start("", "", move |request| {
            let mut steps = whole(request);
            if late {
                // Once the answer has been read, as a second one that nobody asked for.
                let gate = Gate::closed();
                let opened = gate.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    opened.open();
                });
                steps.push(Step::Wait(gate));
            }
            steps.push(send(poison));
            steps
        })
        .await;
        let mut client = Client::new(scene.address());
        for index in 0..10 {
            let path = format!("/files/{index}");
            let got = client.send(get(&path)).await.unwrap();
            assert_eq!(got.text(), format!("GET {path} HTTP/1.1"));
            tokio::time::sleep(Duration::from_millis(if late { 100 } else { 0 })).await;
        }
        scene.unharmed(16).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_two_framings_never_answers_the_next_request() {
    let poison = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
    let part = Part::default();
    let scene = part.scene().await;
    for head in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "content-length: 4\r\ncontent-length: 5",
        "transfer-encoding: identity",
        "transfer-encoding: chunked, gzip",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n0\r\n\r\n{poison}");
        part.play(vec![send(&text), Step::Hang]);
        let mut client = Client::new(scene.address());
        for _ in 0..3 {
            let asked = client.send(get("/files"));
            if let Ok(Ok(got)) = tokio::time::timeout(Duration::from_millis(300), asked).await {
                assert_ne!(got.text(), "poison", "{head}");
            }
        }
    }
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_once_begun_ends_with_an_error_event() {
    let cases: Vec<(&str, Vec<Step>)> = vec![
        ("closed", vec![Step::Close]),
        (
            "closed in a chunk",
            vec![send("ff\r\ndata: {"), Step::Close],
        ),
        ("chunk size that is none", vec![send("xyz\r\n"), Step::Hang]),
        ("ended without its end", vec![last_piece()]),
        ("silence", vec![Step::Hang]),
        (
            "one event without end",
            [
                vec![send("7fffffff\r\ndata: ")],
                endless("x"),
                vec![Step::Hang],
            ]
            .concat(),
        ),
        (
            "bytes after its end",
            vec![last_piece(), send("HTTP/1.1 200 OK\r\n\r\n")],
        ),
    ];
    let part = Part::default();
    let scene = part.scene().await;
    for (case, end) in cases {
        part.play([vec![stream_head(), piece(TEXT)], end].concat());
        let got = scene.ask(true).await;
        assert_eq!(got.status, 200, "{case}");
        let text = got.text();
        let last = *events(&text).last().unwrap();
        assert!(
            text.starts_with("data: {\"choices\""),
            "{case}: {text:.500}"
        );
        assert!(last.contains("\"error\""), "{case}: {text:.500}");
        assert!(!text.contains("[DONE]"), "{case}");
    }
    scene.unharmed(24).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_kept_alive_by_comments_ends_with_the_requests_time() {
    let drip = |before: Vec<Step>| {
        move |_: &Received| {
            let mut steps = before.clone();
            for _ in 0..100 {
                let gate = Gate::closed();
                let opened = gate.clone();
                let at = steps.len() as u64;
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(100 * at)).await;
                    opened.open();
                });
                steps.extend([Step::Wait(gate), piece(":")]);
            }
            steps
        }
    };
    // A byte now and then is no token: the first one's timeout strikes.
    let scene = Scene::start("", SHORT_WAITS, drip(vec![stream_head()])).await;
    assert_error(&scene.ask(true).await, 504, "before the first token");
    scene.unharmed(16).await;
    // Behind one, bytes are a sign of life, but not for ever.
    let scene = Scene::start("", SHORT_WAITS, drip(vec![stream_head(), piece(TEXT)])).await;
    let got = scene.ask(true).await;
    let text = got.text();
    assert!(events(&text).last().unwrap().contains("request"), "{text}");
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_plain_answer_is_passed_on_and_not_kept() {
    let steps = [
        vec![send(CHUNKED), send("7fffffff\r\n")],
        vec![endless("[1,2,3],"); 3].concat(),
        vec![Step::Close],
    ]
    .concat();
    let scene = scene(steps).await;
    let mut client = Client::new(scene.address());
    let mut body = client.start(chat("x", false, 1)).await.unwrap().into_body();
    let mut bytes = 0;
    let broke = loop {
        match http_body_util::BodyExt::frame(&mut body).await {
            Some(Ok(frame)) => bytes += frame.into_data().unwrap().len(),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(broke, "{bytes} bytes ended as if they were whole");
    assert!(bytes > 30 << 20, "{bytes}");
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_liars_are_called_in_log_and_metrics() {
    let scene = scene(stream(&["<html>"])).await;
    assert_eq!(scene.ask(true).await.status, 502);
    eventually("logged", || async {
        scene
            .gateway
            .access_log()
            .iter()
            .any(|line| line["error"] == "upstream_protocol" || line["error"] == "upstream_reset")
    })
    .await;
    scene.unharmed(16).await;
}
