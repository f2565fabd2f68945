//! Requests that are wrong, too large, or made to cost more than they should.

use bytes::Bytes;
use http::header;
use http_body_util::Full;

use super::{CHAT, SHORT, Scene, chat_about, prompt, status};
use crate::client::{Client, chat, once, post};
use crate::upstream::completion;

async fn scene() -> Scene {
    Scene::start(SHORT, "", |_| completion("x")).await
}

fn nested(depth: usize, open: &str, close: &str) -> String {
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_levels_of_nesting_are_refused() {
    let scene = scene().await;
    let mut client = Client::new(scene.address());
    for depth in [129, 10_000, 1_000_000] {
        for value in [
            nested(depth, "[", "]"),
            nested(depth, "{\"a\":", "}"),
            "[".repeat(depth),
        ] {
            for body in [
                format!("{{\"model\":\"x\",\"messages\":[],\"pad\":{value}}}"),
                format!(
                    "{{\"messages\":[{{\"role\":\"user\",\"content\":{value}}}],\"model\":\"x\"}}"
                ),
                value.clone(),
            ] {
                let got = client.send(prompt(&body)).await.unwrap();
                assert_eq!(got.status, 400, "{depth}: {}", got.text());
                assert_eq!(got.json()["error"]["type"], "invalid_request_error");
                assert!(got.body.len() < 1000, "{}", got.text());
            }
        }
    }
    assert_eq!(scene.target.count(), 0);
    scene.unharmed(48).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_not_utf_8_is_refused() {
    let scene = scene().await;
    let invalid: [&[u8]; 6] = [
        b"\xff",
        b"\xc3",             // cut short
        b"\xc0\xaf",         // an overlong slash
        b"\xed\xa0\x80",     // half a surrogate pair
        b"\xf4\x90\x80\x80", // beyond the last character
        b"\xc3\x28",
    ];
    for bytes in invalid {
        for (before, after) in [
            ("{\"model\":\"", "\",\"messages\":[]}"),
            ("{\"model\":\"x\",\"messages\":[{\"content\":\"", "\"}]}"),
            ("{\"", "\":1,\"model\":\"x\",\"messages\":[]}"),
        ] {
            let body = [before.as_bytes(), bytes, after.as_bytes()].concat();
            let mut asked = prompt("{}");
            *asked.body_mut() = Full::from(Bytes::from(body));
            let got = once(scene.address(), asked).await;
            assert_eq!(got.status, 400, "{bytes:x?}: {}", got.text());
            assert_eq!(got.json()["error"]["type"], "invalid_request_error");
        }
    }
    for half in ["\\ud800", "\\udc00", "\\ud800\\u0041"] {
        let body = format!("{{\"mod\\u0065l\":\"x{half}\",\"messages\":[]}}");
        let got = once(scene.address(), prompt(&body)).await;
        assert!(got.status.is_client_error(), "{half}: {}", got.text());
    }
    for target in [&b"/files/\xff"[..], b"/v1/chat/\xc3\x28"] {
        let head = [b"GET ", target, b" HTTP/1.1\r\nhost: x\r\n\r\n"].concat();
        let got = scene.exchange(head).await;
        assert!((400..500).contains(&status(&got)), "{got}");
    }
    assert_eq!(scene.target.count(), 0);
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_field_that_stands_twice_is_refused_whichever_it_is() {
    let scene = scene().await;
    let mut client = Client::new(scene.address());
    for (field, first, second) in [
        ("model", "\"x\"", "\"m\""),
        ("stream", "true", "false"),
        ("stream_options", "{}", "{\"include_usage\":true}"),
        ("max_tokens", "1", "1000000"),
        ("max_completion_tokens", "1", "1000000"),
        ("n", "1", "100"),
        ("messages", "[]", "[{\"role\":\"user\",\"content\":\"x\"}]"),
        ("tools", "[]", "[{}]"),
    ] {
        let escaped = format!("\\u{:04x}{}", u32::from(field.as_bytes()[0]), &field[1..]);
        for again in [field, &escaped] {
            let model = if field == "model" {
                ""
            } else {
                "\"model\":\"x\","
            };
            let body = format!("{{{model}\"{field}\":{first},\"{again}\":{second}}}");
            let got = client.send(prompt(&body)).await.unwrap();
            assert_eq!(got.status, 400, "{body}: {}", got.text());
            assert_eq!(got.json()["error"]["param"], field, "{}", got.text());
        }
    }
    assert_eq!(scene.target.count(), 0);
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_prompts_are_refused_unread() {
    let scene = scene().await;
    for coding in [
        "gzip",
        "br",
        "zstd",
        "deflate",
        "identity, gzip",
        "x-unknown",
    ] {
        // A bomb is announced and not sent: nobody may wait for it.
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-encoding: {coding}\r\n\
             content-length: 1000000\r\n\r\n"
        );
        let got = scene.exchange(head).await;
        assert_eq!(status(&got), 415, "{coding}: {got}");
        assert!(got.contains("\"error\""), "{got}");
    }
    assert_eq!(scene.target.count(), 0);
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_megabyte_of_header_is_refused_in_any_shape() {
    let scene = scene().await;
    let large = "x".repeat(1 << 20);
    let many: String = (0..20_000)
        .map(|number| format!("x-{number}: {}\r\n", "y".repeat(40)))
        .collect();
    let cookies = "cookie: a=b\r\n".repeat(80_000);
    for head in [
        format!("GET /files HTTP/1.1\r\nhost: x\r\nx-large: {large}\r\n\r\n"),
        format!("GET /files HTTP/1.1\r\nhost: x\r\n{large}: 1\r\n\r\n"),
        format!("GET /files HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
        format!("GET /files HTTP/1.1\r\nhost: x\r\n{cookies}\r\n"),
        format!("GET /files/{large} HTTP/1.1\r\nhost: x\r\n\r\n"),
        format!("GET /files HTTP/1.1\r\nhost: x\r\nx: {large}"),
        format!("{large} /files HTTP/1.1\r\nhost: x\r\n\r\n"),
        large.clone(),
    ] {
        let got = scene.exchange(&head).await;
        let start = &head[..head.len().min(60)];
        assert!((400..500).contains(&status(&got)), "{start}: {got}");
    }
    assert_eq!(scene.target.count(), 0);
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_at_its_announcement_and_without_one() {
    let listener = format!("limits: {{ maxBodyBytes: 1Mi }}\n    {SHORT}");
    let scene = Scene::start(&listener, "", |_| completion("x")).await;
    for path in [CHAT, "/files/upload"] {
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1099511627776\r\n\r\n");
        let got = scene.exchange(head).await;
        assert_eq!(status(&got), 413, "{path}: {got}");
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        let endless = chunk.repeat(400);
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
        let got = scene.exchange(format!("{head}{endless}")).await;
        assert_eq!(status(&got), 413, "{path}: {got}");
    }
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_makes_up_is_neither_echoed_nor_kept_at_length() {
    let scene = scene().await;
    let long = "x".repeat(1 << 20);
    let fields: String = (0..100_000)
        .map(|number| format!("\"k{number}\":{number},"))
        .collect();
    for (body, code) in [
        (
            format!("{{\"model\":\"{long}\",\"messages\":[]}}"),
            400..=404,
        ),
        (
            format!(
                "{{\"model\":\"{}\",\"messages\":[]}}",
                "\\u0078".repeat(100_000)
            ),
            400..=404,
        ),
        (
            format!("{{{fields}\"model\":\"x\",\"messages\":[]}}"),
            200..=200,
        ),
        (
            format!("{{\"{long}\":1,\"model\":\"x\",\"messages\":[]}}"),
            200..=200,
        ),
        (chat_about(&"\\\"\u{1f600}".repeat(100_000)), 200..=200),
    ] {
        let got = once(scene.address(), prompt(&body)).await;
        assert!(
            code.contains(&got.status.as_u16()),
            "{}: {}",
            &body[..40],
            got.text()
        );
        assert!(got.body.len() < 2000, "{} bytes of answer", got.body.len());
    }
    let mut agent = chat("x", false, 1);
    agent
        .headers_mut()
        .insert(header::USER_AGENT, "u".repeat(50_000).parse().unwrap());
    assert_eq!(once(scene.address(), agent).await.status, 200);
    let path = format!("/{}", "p".repeat(50_000));
    assert_eq!(
        once(scene.address(), post(&path, &serde_json::json!({})))
            .await
            .status,
        404
    );
    for line in scene.gateway.access_log() {
        assert!(
            line.to_string().len() < 16_000,
            "a line of {} bytes",
            line.to_string().len()
        );
    }
    scene.unharmed(48).await;
}
