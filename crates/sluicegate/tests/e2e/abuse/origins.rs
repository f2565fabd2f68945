//! Pages that reach for services on the machine of the person who reads them.

use std::net::SocketAddr;

use http::{Method, Request, header};

use super::{exchange, status};
use crate::client::{chat, once};
use crate::process::Gateway;
use crate::upstream::{Upstream, completion};

/// Names that lead to this machine, or look like it, and are not its own.
const FOREIGN_HOSTS: [&str; 14] = [
    "rebound.example.com",
    "rebound.example.com:8080",
    "localhost.example.com",
    "127.0.0.1.example.com",
    "127.0.0.1.nip.io",
    "xlocalhost",
    "localhost-",
    "0.0.0.0:8080",
    "[::]:8080",
    "127.1",
    "2130706433",
    "0x7f000001",
    "192.168.0.1",
    "169.254.169.254",
];

const NO_HOSTS: [&str; 7] = [
    "localhost@rebound.example.com",
    "rebound.example.com@localhost",
    "localhost, rebound.example.com",
    "localhost/rebound.example.com",
    "localhost rebound.example.com",
    "localhost\\rebound.example.com",
    "",
];

const FOREIGN_ORIGINS: [&str; 8] = [
    "https://rebound.example.com",
    "http://localhost.example.com",
    "http://127.0.0.1.example.com",
    "http://0.0.0.0:8080",
    "null",
    "file://",
    "chrome-extension://abcdefghijklmnop",
    "localhost",
];

async fn asked_as(address: SocketAddr, path: &str, host: &str, more: &str) -> u16 {
    let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{more}\r\n");
    status(&exchange(address, head).await)
}

async fn check_hosts(address: SocketAddr, path: &str) {
    for host in FOREIGN_HOSTS {
        assert_eq!(asked_as(address, path, host, "").await, 421, "{host:?}");
        // What a proxy would say of it is not believed.
        for more in [
            "x-forwarded-host: localhost\r\n",
            "forwarded: host=localhost\r\n",
        ] {
            assert_eq!(
                asked_as(address, path, host, more).await,
                421,
                "{host:?} {more}"
            );
        }
    }
    for host in NO_HOSTS {
        let got = asked_as(address, path, host, "").await;
        assert!([400, 421].contains(&got), "{host:?}: {got}");
    }
    for head in [
        format!("GET {path} HTTP/1.0\r\n\r\n"),
        format!("GET http://rebound.example.com{path} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        format!("GET http://localhost{path} HTTP/1.1\r\nhost: rebound.example.com\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nhost: rebound.example.com\r\n\r\n"),
    ] {
        let got = status(&exchange(address, &head).await);
        assert!([400, 421].contains(&got), "{head:?}: {got}");
    }
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8080"] {
        assert_eq!(asked_as(address, path, host, "").await, 200, "{host}");
    }
}

async fn check_origins(address: SocketAddr, path: &str) {
    for origin in FOREIGN_ORIGINS {
        let origin = format!("origin: {origin}\r\n");
        assert_eq!(
            asked_as(address, path, "localhost", &origin).await,
            403,
            "{origin}"
        );
    }
    let own = "origin: http://localhost:8080\r\n";
    assert_eq!(asked_as(address, path, "localhost:8080", own).await, 200);
}

/// The status that an HTTP/2 request to this authority gets, with this `host` header.
async fn over_http2(address: SocketAddr, path: &str, authority: &str, host: &str) -> u16 {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(stream),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    let request = Request::builder()
        .method(Method::GET)
        .uri(format!("http://{authority}{path}"))
        .header(header::HOST, host)
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    sender
        .send_request(request)
        .await
        .unwrap()
        .status()
        .as_u16()
}

async fn check_http2(address: SocketAddr, path: &str) {
    for (authority, host, allowed) in [
        ("localhost", "localhost", 200),
        ("rebound.example.com", "rebound.example.com", 421),
        ("rebound.example.com", "localhost", 400),
        ("localhost", "rebound.example.com", 400),
    ] {
        let got = over_http2(address, path, authority, host).await;
        let refused = allowed != 200 && [400, 421].contains(&got);
        assert!(got == allowed || refused, "{authority} {host}: {got}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_of_a_key_in_the_environment_answers_to_local_names_alone() {
    let upstream = Upstream::always(completion("m")).await;
    let url = format!("http://{}/v1", upstream.address);
    let variables = [
        ("OPENAI_API_KEY", "sk-planted"),
        ("OPENAI_BASE_URL", url.as_str()),
    ];
    let gateway = Gateway::start_from_environment(&variables).await;
    check_hosts(gateway.address, "/v1/models").await;
    check_origins(gateway.address, "/v1/models").await;
    check_http2(gateway.address, "/v1/models").await;
    let listed = upstream.count();
    // What a page can send without asking first: a form's content types, an opaque origin.
    for (origin, kind) in [
        ("https://rebound.example.com", "text/plain"),
        ("null", "text/plain"),
    ] {
        let mut page = chat("m", false, 1);
        page.headers_mut()
            .insert(header::ORIGIN, origin.parse().unwrap());
        page.headers_mut()
            .insert(header::CONTENT_TYPE, kind.parse().unwrap());
        assert_eq!(once(gateway.address, page).await.status, 403, "{origin}");
    }
    assert_eq!(upstream.count(), listed, "no page's request is paid for");
    assert_eq!(once(gateway.address, chat("m", false, 1)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_endpoint_answers_to_local_names_and_to_no_page() {
    let upstream = Upstream::always(completion("m")).await;
    let config = super::config("", "", upstream.address, upstream.address);
    let gateway = Gateway::start(&config).await;
    for path in ["/snapshot", "/metrics"] {
        check_hosts(gateway.admin, path).await;
        check_origins(gateway.admin, path).await;
        check_http2(gateway.admin, path).await;
    }
    let own = gateway.admin.to_string();
    assert_eq!(asked_as(gateway.admin, "/healthz", &own, "").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_endpoint_does_not_answer_for_the_gateway() {
    let upstream = Upstream::always(completion("m")).await;
    let config = super::config("", "", upstream.address, upstream.address);
    let gateway = Gateway::start(&config).await;
    for path in ["/snapshot", "/endpoints", "/metrics", "/healthz"] {
        assert_eq!(
            asked_as(gateway.address, path, "localhost", "").await,
            404,
            "{path}"
        );
    }
    assert_ne!(once(gateway.admin, chat("m", false, 1)).await.status, 200);
    assert_eq!(upstream.count(), 0);
}
