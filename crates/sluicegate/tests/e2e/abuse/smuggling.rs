//! Requests that two parsers might read differently.
//!
//! Each is either refused, and nothing of it reaches the upstream, or it reaches the upstream once,
//! with the one framing that the gateway gave it. The upstream reads strictly and takes what follows
//! a body for the next request, so whatever got through would show as a request to `/smuggled`.

use super::{CHAT, SHORT, Scene, status};
use crate::upstream::{Received, Step, answer};

const SMUGGLED: &str = "GET /files/smuggled HTTP/1.1\r\nhost: x\r\n\r\n";

async fn scene() -> Scene {
    Scene::start(SHORT, "", echo).await
}

fn echo(request: &Received) -> Vec<Step> {
    answer("200 OK", "text/plain", &request.text())
}

/// What an upstream may be told of a request: one framing at most, one host, and its whole body.
fn assert_unambiguous(request: &Received, sent: &str) {
    let count = |name: &str| {
        request
            .headers
            .iter()
            .filter(|(other, _)| other == name)
            .count()
    };
    let framings = count("content-length") + count("transfer-encoding");
    assert!(framings <= 1, "{sent:?}: {request:?}");
    assert_eq!(count("host"), 1, "{sent:?}: {request:?}");
    assert!(request.whole, "{sent:?}: {request:?}");
    for (name, value) in &request.headers {
        let clean = |text: &str| text.chars().all(|c| !c.is_control() || c == '\t');
        assert!(clean(name) && clean(value), "{sent:?}: {name}: {value:?}");
        assert!(!name.contains([' ', '\t']), "{sent:?}: {name:?}");
    }
}

impl Scene {
    /// The requests that reached the upstream because of these bytes, and the answer.
    async fn reached(&self, sent: &str) -> (Vec<Received>, String) {
        let before = self.target.count();
        let got = self.exchange(sent).await;
        let reached = self.target.requests().split_off(before);
        for request in &reached {
            assert_unambiguous(request, sent);
        }
        (reached, got)
    }

    /// The bytes are refused, once, and the connection is given up with what follows on it.
    async fn refuses(&self, sent: &str) {
        let (reached, got) = self.reached(sent).await;
        assert!(reached.is_empty(), "{sent:?}: {reached:?}");
        let refused = matches!(status(&got), 0 | 400..=499 | 501 | 505);
        assert!(refused, "{sent:?}: {got}");
        assert!(got.matches("HTTP/1.1 ").count() <= 1, "{sent:?}: {got}");
    }

    /// The bytes are one request with this body; if there is anything behind it, it is not served.
    async fn reads_once(&self, sent: &str, body: &str) {
        let (reached, got) = self.reached(sent).await;
        assert_eq!(status(&got), 200, "{sent:?}: {got}");
        assert_eq!(reached.len(), 1, "{sent:?}: {reached:?}");
        assert_eq!(reached[0].text(), body, "{sent:?}");
        assert_eq!(got.matches("HTTP/1.1 ").count(), 1, "{sent:?}: {got}");
    }
}

fn post(head: &str, rest: &str) -> String {
    format!("POST /files HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n{rest}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_with_two_framings_is_read_by_one_and_the_connection_ends() {
    let scene = scene().await;
    let end = "0\r\n\r\n";
    for head in [
        "content-length: 4\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 4",
        "Content-Length: 4\r\nTransfer-Encoding: Chunked",
    ] {
        scene
            .reads_once(&post(head, &format!("3\r\nabc\r\n{end}{SMUGGLED}")), "abc")
            .await;
    }
    for head in [
        "content-length: 4\r\ncontent-length: 40",
        "content-length: 4, 40",
        "content-length: +4",
        "content-length: 0x4",
        "content-length: 4 4",
        "content-length: -1",
        "content-length: ",
        "content-length: 99999999999999999999",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding: identity, chunked, identity",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: identity",
        "transfer-encoding: gzip",
        "transfer-encoding: xchunked",
        "transfer-encoding: \"chunked\"",
        "transfer-encoding: chunked;q=1",
        "transfer-encoding:\u{b}chunked",
        "transfer-encoding : chunked",
        "content-length : 4",
        "transfer-encoding\t: chunked",
    ] {
        scene
            .refuses(&post(head, &format!("{end}{SMUGGLED}")))
            .await;
        let llm = post(head, &format!("{end}{SMUGGLED}"))
            .replace("/files HTTP", "/v1/chat/completions HTTP");
        assert!(llm.contains(CHAT));
        scene.refuses(&llm).await;
    }
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_length_twice_is_one_length() {
    let scene = scene().await;
    let sent = post("content-length: 3\r\ncontent-length: 3", "abc");
    scene.reads_once(&sent, "abc").await;
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folded_lines_bare_returns_and_control_bytes_are_refused() {
    let scene = scene().await;
    for head in [
        "x-a: 1\r\n content-length: 3",
        "x-a: 1\r\n\tfolded",
        "transfer-encoding:\r\n chunked",
        "content-length:\r\n 3",
        " x-a: 1",
        "x-a: 1\rtransfer-encoding: chunked",
        "x-a: 1\r\r\ntransfer-encoding: chunked",
        "x-a: \0",
        "x\0a: 1",
        "x a: 1",
        ": 1",
        "x-a",
        "x-a: \u{7f}",
        "x(a): 1",
    ] {
        scene.refuses(&post(head, SMUGGLED)).await;
    }
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bare_line_feeds_mean_one_thing_at_both_sides() {
    let scene = scene().await;
    // RFC 9112, section 2.2, lets a recipient take a single LF for the end of a line. The upstream
    // gets what was understood, written properly.
    let (reached, got) = scene
        .reached("POST /files HTTP/1.1\nhost: x\nx-a: 1\ntransfer-encoding: chunked\n\n3\r\nabc\r\n0\r\n\r\n")
        .await;
    if status(&got) == 200 {
        assert_eq!(reached.len(), 1);
        assert_eq!(reached[0].text(), "abc");
    } else {
        assert!(
            reached.is_empty() && (400..500).contains(&status(&got)),
            "{got}"
        );
    }
    for body in [
        format!("3\nabc\n0\n\n{SMUGGLED}"),
        format!("3;x\nabc\r\n0\r\n\r\n{SMUGGLED}"),
        format!("3\r\nabc\n0\r\n\r\n{SMUGGLED}"),
        format!("3\r\nabcd\r\n0\r\n\r\n{SMUGGLED}"),
        format!("0x3\r\nabc\r\n0\r\n\r\n{SMUGGLED}"),
        format!("+3\r\nabc\r\n0\r\n\r\n{SMUGGLED}"),
        format!("-3\r\nabc\r\n0\r\n\r\n{SMUGGLED}"),
        format!("\r\nabc\r\n0\r\n\r\n{SMUGGLED}"),
        format!("10000000000000003\r\nabc\r\n0\r\n\r\n{SMUGGLED}"),
        format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(100_000)),
    ] {
        let before = scene.target.count();
        let sent = post("transfer-encoding: chunked", &body);
        let got = scene.exchange(&sent).await;
        assert_ne!(status(&got), 200, "{:?}: {got}", &body[..20]);
        assert_eq!(
            got.matches("HTTP/1.1 ").count(),
            1,
            "{:?}: {got}",
            &body[..20]
        );
        // A plain body is on its way when it turns out to be wrong: its request never ends.
        for request in scene.target.requests().split_off(before) {
            assert!(
                !request.whole && request.line.starts_with("POST /files "),
                "{request:?}"
            );
        }
    }
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_never_taken_for_a_request_nor_cut_into_one() {
    let scene = scene().await;
    let length = SMUGGLED.len();
    for (line, head) in [
        ("GET /files", format!("content-length: {length}")),
        ("POST /files", format!("content-length: {length}")),
        (
            "POST /files",
            format!("connection: content-length\r\ncontent-length: {length}"),
        ),
        (
            "POST /files",
            format!("connection: host, x-a\r\nx-a: 1\r\ncontent-length: {length}"),
        ),
        (
            "DELETE /files",
            format!("keep-alive: 1\r\ncontent-length: {length}"),
        ),
        (
            "POST /files",
            format!(
                "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\n\
            http2-settings: AAMAAABkAAQAAP__\r\ncontent-length: {length}"
            ),
        ),
    ] {
        let sent = format!("{line} HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n{SMUGGLED}");
        scene.reads_once(&sent, SMUGGLED).await;
    }
    // Chunked, with a body that looks like an end, and trailers that look like headers.
    let inside = "0\r\n\r\n";
    let body = format!(
        "5\r\n{inside}\r\n0\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\
        host: evil\r\n\r\n"
    );
    scene
        .reads_once(&post("transfer-encoding: chunked", &body), inside)
        .await;
    let sent = post(
        "connection: transfer-encoding\r\ntransfer-encoding: chunked",
        &body,
    );
    scene.reads_once(&sent, inside).await;
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_takes_its_upstream_connection_along() {
    let scene = scene().await;
    for framing in [
        "content-length: 100\r\n\r\nabc",
        "transfer-encoding: chunked\r\n\r\n64\r\nabc",
    ] {
        let before = scene.target.count();
        let sent = format!("POST /files HTTP/1.1\r\nhost: x\r\n{framing}");
        let stream = tokio::net::TcpStream::connect(scene.address())
            .await
            .unwrap();
        let mut client = stream;
        tokio::io::AsyncWriteExt::write_all(&mut client, sent.as_bytes())
            .await
            .unwrap();
        scene
            .target
            .until("arrived", |seen| {
                seen.len() > before && seen[before].body == b"abc"
            })
            .await;
        drop(client);
        // What would complete the body on a connection that was used again is a request of its own.
        let (reached, _) = scene
            .reached(&post("content-length: 97", &"y".repeat(97)))
            .await;
        assert_eq!(reached[0].text(), "y".repeat(97));
        assert!(!scene.target.requests()[before].whole);
    }
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_and_hosts_that_can_be_read_twice_are_refused() {
    let scene = scene().await;
    for head in [
        "GET http://evil/files HTTP/1.1\r\nhost: x",
        "GET http://x@evil/files HTTP/1.1\r\nhost: x",
        "GET http://evil/files HTTP/1.1\r\nhost: evil\r\nhost: x",
        "GET http:///files HTTP/1.1\r\nhost: x",
        "GET http://x:0x50/files HTTP/1.1\r\nhost: x",
        "GET files HTTP/1.1\r\nhost: x",
        "GET  /files HTTP/1.1\r\nhost: x",
        "GET /files  HTTP/1.1\r\nhost: x",
        "GET /files /smuggled HTTP/1.1\r\nhost: x",
        "GET\t/files\tHTTP/1.1\r\nhost: x",
        "GET /files HTTP/1.1 \r\nhost: x",
        "GET /files HTTP/1.2\r\nhost: x",
        "GET /files HTTP/2.0\r\nhost: x",
        "GET /files http/1.1\r\nhost: x",
        "GET /files\r\nhost: x",
        "GET * HTTP/1.1\r\nhost: x",
        "OPTIONS * HTTP/1.1\r\nhost: x",
        "CONNECT evil:443 HTTP/1.1\r\nhost: evil:443",
        "CONNECT evil:443 HTTP/1.1\r\nhost: x",
        "GET /files HTTP/1.1\r\nhost: x\r\nHost: x",
        "GET /files HTTP/1.1\r\nhost : x",
        "GET /files HTTP/1.1\r\nhost: x, y",
        "GET /files HTTP/1.1\r\nhost: x y",
        "GET /files HTTP/1.1\r\nhost: x/y",
        "GET /files HTTP/1.1\r\nhost: x?y",
        "GET /files HTTP/1.1\r\nhost: x#y",
        "GET /files HTTP/1.1\r\nhost: x:80:80",
        "GET /files HTTP/1.1\r\nhost: x:99999",
        "GET /files HTTP/1.1\r\nhost: x:http",
        "GET /files HTTP/1.1\r\nhost: y@x",
        "GET /files HTTP/1.1\r\nhost: http://x",
        "GET /files HTTP/1.1\r\nhost: [::1",
        "GET /files HTTP/1.1\r\nhost:",
        "GET /files HTTP/1.1\r\nx-a: 1",
        "GET /files HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked",
        "POST /files/../v1/chat/completions HTTP/1.1\r\nhost: x",
        "POST /files/%2e%2e/admin HTTP/1.1\r\nhost: x",
        "POST /files/..%2fadmin HTTP/1.1\r\nhost: x",
        "POST /files/..;/admin HTTP/1.1\r\nhost: x",
        "POST /files/..\\admin HTTP/1.1\r\nhost: x",
    ] {
        scene.refuses(&format!("{head}\r\n\r\n")).await;
    }
    let agree = "GET http://x/files/a HTTP/1.1\r\nhost: x\r\n\r\n";
    scene.reads_once(agree, "").await;
    let seen = scene.target.requests().pop().unwrap();
    assert_eq!(seen.line, "GET /files/a HTTP/1.1");
    scene.unharmed(16).await;
}

/// What a head may not say, what follows a body may not say either.
#[tokio::test(flavor = "multi_thread")]
async fn trailers_say_no_more_than_was_announced_and_a_head_may() {
    let scene = scene().await;
    let trailers = "x-sum: 7\r\nX-Sluicegate-Endpoint: a\r\nx_forwarded_client_cert: b\r\n\
                    x-late: 1\r\ncontent-length: 9\r\n";
    let sent = post(
        "transfer-encoding: chunked\r\n\
         trailer: x-sum, x-sluicegate-endpoint, x_forwarded_client_cert, content-length",
        &format!("2\r\nhi\r\n0\r\n{trailers}\r\n"),
    );
    let (reached, got) = scene.reached(&sent).await;
    assert_eq!(status(&got), 200, "{got}");
    assert_eq!(reached[0].text(), "hi");
    assert_eq!(reached[0].trailers, ["x-sum: 7"]);
    scene.unharmed(8).await;
}
