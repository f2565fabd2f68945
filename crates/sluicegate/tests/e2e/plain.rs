//! Plain HTTP routes beside the models: matching, changes, bodies on their way, retries.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request};
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpStream;

use crate::client::{Client, get, once, post, request};
use crate::process::{Gateway, free_address};
use crate::raw::Raw;
use crate::upstream::{Gate, Received, Step, Upstream, answer, piece, stream_head};

/// A pool `service` of these endpoints, without a dialect, and rules of one route.
pub fn service(endpoints: &[SocketAddr], rules: &str) -> String {
    let endpoints: Vec<String> = endpoints
        .iter()
        .enumerate()
        .map(|(index, address)| format!("{{ name: e{index}, address: \"{address}\" }}"))
        .collect();
    format!(
        "listeners:\n  - name: main\n    address: LISTEN\n    exposeEndpoint: true\n\
         pools:\n  - name: service\n    dialect: none\n    endpoints: [{}]\n    \
         loadBalancer: {{ policy: RoundRobin }}\n    outlierDetection: {{ consecutiveErrors: 0 }}\n\
         routes:\n  - name: r\n    rules:\n{rules}",
        endpoints.join(", ")
    )
}

const EVERYTHING: &str = "      - backendRefs: [{ pool: service }]\n";

fn echo(request: &Received) -> Vec<Step> {
    answer("200 OK", "text/plain", &request.text())
}

fn with_headers(path: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut builder = Request::builder().uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        builder = builder.header(HOST, "localhost");
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prefix_and_headers_are_changed_and_nothing_else_is() {
    let head = "HTTP/1.1 201 Created\r\nx-gone: 1\r\nx-kept: 2\r\nset-cookie: a=1\r\n\
                set-cookie: b=2\r\ncontent-length: 2\r\n\r\nok";
    let upstream = Upstream::always(vec![Step::Send(head.into())]).await;
    let rules = "      - matches: [{ path: { value: /vectors } }]
        filters:
          - urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: /v2 } }
          - requestHeaderModifier:
              set: [{ name: x-set, value: new }]
              add: [{ name: x-add, value: two }]
              remove: [x-remove]
          - responseHeaderModifier:
              set: [{ name: x-answer, value: changed }]
              remove: [x-gone]
        backendRefs: [{ pool: service }]
";
    let gateway = Gateway::start(&service(&[upstream.address], rules)).await;
    let path = "/vectors/a%20b;v=1?x=1&x=%2F&flag";
    let headers = [("x-set", "old"), ("x-add", "one"), ("x-remove", "1")];
    let answer = once(gateway.address, with_headers(path, &headers)).await;
    assert_eq!(
        (answer.status.as_u16(), answer.text().as_str()),
        (201, "ok")
    );
    assert_eq!(answer.header("x-answer"), "changed");
    assert_eq!(answer.header("x-kept"), "2");
    assert!(!answer.headers.contains_key("x-gone"));
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
    let sent = upstream.request();
    assert_eq!(sent.line, "GET /v2/a%20b;v=1?x=1&x=%2F&flag HTTP/1.1");
    assert_eq!(sent.header("x-set").as_deref(), Some("new"));
    assert_eq!(sent.header("x-add").as_deref(), Some("one, two"));
    assert_eq!(sent.header("x-remove"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_told_apart_by_host_method_headers_and_query() {
    let rule = |name: &str, matches: &str| {
        format!(
            "      - name: {name}\n        matches: [{{ {matches} }}]\n        \
             filters: [{{ directResponse: {{ status: 200, body: {name} }} }}]\n"
        )
    };
    let rules = [
        rule("exact", "path: { type: Exact, value: /a }"),
        rule("prefix", "path: { value: /a }"),
        rule(
            "regex",
            "path: { type: RegularExpression, value: \"/r/[0-9]+\" }",
        ),
        rule("method", "path: { value: /a }, method: DELETE"),
        rule(
            "header",
            "path: { value: /a }, headers: [{ name: X-Canary, value: \"true\" }]",
        ),
        rule(
            "pattern",
            "headers: [{ type: RegularExpression, name: x-v, value: \"v[12]\" }]",
        ),
        rule(
            "query",
            "path: { value: /a }, queryParams: [{ name: debug, value: \"1\" }]",
        ),
    ];
    let other_host = "  - name: other\n    hostnames: [\"*.example.com\"]\n    rules:\n      - \
                      filters: [{ directResponse: { status: 200, body: host } }]\n";
    let config = service(&[free_address()], &rules.concat()) + other_host;
    let gateway = Gateway::start(&config).await;
    let mut client = Client::new(gateway.address);
    let mut check = async |method: Method, path: &str, headers: &[(&str, &str)], expected: &str| {
        let mut request = with_headers(path, headers);
        *request.method_mut() = method.clone();
        let answer = client.send(request).await.unwrap();
        let got = match answer.status.as_u16() {
            200 => answer.text(),
            status => status.to_string(),
        };
        assert_eq!(got, expected, "{method} {path} {headers:?}");
    };
    check(Method::GET, "/a", &[], "exact").await;
    check(Method::GET, "/a/b", &[], "prefix").await;
    check(Method::GET, "/ab", &[], "404").await;
    check(Method::GET, "/r/12", &[], "regex").await;
    check(Method::GET, "/r/12/x", &[], "404").await;
    check(Method::DELETE, "/a/b", &[], "method").await;
    check(Method::GET, "/a/b", &[("x-canary", "true")], "header").await;
    check(Method::GET, "/a/b", &[("x-canary", "TRUE")], "prefix").await;
    check(Method::GET, "/z", &[("x-v", "v2")], "pattern").await;
    check(Method::GET, "/z", &[("x-v", "v23")], "404").await;
    check(Method::GET, "/a/b?x=2&debug=1", &[], "query").await;
    check(Method::GET, "/a/b?debug=2", &[], "prefix").await;
    check(Method::GET, "/a", &[("host", "www.example.com:80")], "host").await;
    check(Method::GET, "/a", &[("host", "example.com")], "exact").await;
    check(Method::GET, "/a/../b", &[], "400").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_and_fixed_answers_need_no_backend() {
    let rules = "      - matches: [{ path: { value: /old } }]
        filters:
          - requestRedirect:
              scheme: https
              hostname: docs.example.com
              path: { type: ReplacePrefixMatch, replacePrefixMatch: /new }
              statusCode: 301
      - matches: [{ path: { type: Exact, value: /robots.txt } }]
        filters:
          - directResponse: { status: 203, contentType: text/x-robots, body: \"Disallow: /\\n\" }
          - responseHeaderModifier: { set: [{ name: cache-control, value: no-store }] }
";
    let gateway = Gateway::start(&service(&[free_address()], rules)).await;
    let moved = once(gateway.address, get("/old/page?q=1")).await;
    assert_eq!(moved.status, 301);
    assert_eq!(
        moved.header("location"),
        "https://docs.example.com/new/page?q=1"
    );
    let fixed = once(gateway.address, get("/robots.txt")).await;
    assert_eq!(
        (fixed.status.as_u16(), fixed.text().as_str()),
        (203, "Disallow: /\n")
    );
    assert_eq!(fixed.header("content-type"), "text/x-robots");
    assert_eq!(fixed.header("cache-control"), "no-store");
    assert_eq!(fixed.header("x-sluicegate-attempts"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_body_is_forwarded_while_it_arrives() {
    let upstream = Upstream::start(echo).await;
    let gateway = Gateway::start(&service(&[upstream.address], EVERYTHING)).await;
    let mut client = Raw::open(gateway.address).await;
    client
        .send("POST /up HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    client.send("5\r\nfirst\r\n").await;
    let has = |text: &'static str| {
        move |all: &[Received]| {
            all.first()
                .is_some_and(|one| one.text() == text && !one.whole)
        }
    };
    upstream.until("the first piece alone", has("first")).await;
    client.send("7\r\n second\r\n").await;
    upstream
        .until("the second piece", has("first second"))
        .await;
    client.send("0\r\n\r\n").await;
    let head = client.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(client.until("second").await, "first second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_body_is_forwarded_while_it_arrives() {
    let gate = Gate::closed();
    let steps = vec![
        stream_head(),
        piece("one"),
        Step::Wait(gate.clone()),
        piece("two"),
        Step::Hang,
    ];
    let upstream = Upstream::always(steps).await;
    let gateway = Gateway::start(&service(&[upstream.address], EVERYTHING)).await;
    let mut client = Raw::open(gateway.address).await;
    client.send("GET /down HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.until("3\r\none\r\n").await;
    gate.open();
    client.until("3\r\ntwo\r\n").await;
    drop(client);
    upstream.until_left(1).await;
    let line = gateway.logged(1).await.remove(0);
    assert_eq!(line["outcome"], "client_aborted", "{line}");
    assert_eq!(line["bytes_sent"], 6, "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_passes_both_ways() {
    let upstream = Upstream::start(echo).await;
    let gateway = Gateway::start(&service(&[upstream.address], EVERYTHING)).await;
    let body: String = (0..1_500_000)
        .map(|number| format!("{number:08x}"))
        .collect();
    let answer = once(gateway.address, request(Method::PUT, "/big", &body)).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.body == body,
        "{} bytes came back of {}",
        answer.body.len(),
        body.len()
    );
    let length = body.len().to_string();
    assert_eq!(upstream.request().header("content-length"), Some(length));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_stay_without() {
    let upstream = Upstream::start(|request| match request.line.split(' ').next() {
        Some("HEAD") => vec![Step::Send(
            "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n".into(),
        )],
        Some("GET") => vec![Step::Send(
            "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n".into(),
        )],
        _ => vec![Step::Send("HTTP/1.1 204 No Content\r\n\r\n".into())],
    })
    .await;
    let gateway = Gateway::start(&service(&[upstream.address], EVERYTHING)).await;
    let mut client = Client::new(gateway.address);
    let head = client.send(request(Method::HEAD, "/", "")).await.unwrap();
    assert_eq!(head.header("content-length"), "99");
    assert_eq!(client.send(get("/")).await.unwrap().header("etag"), "\"x\"");
    assert_eq!(
        client
            .send(request(Method::DELETE, "/", ""))
            .await
            .unwrap()
            .status,
        204
    );
    assert_eq!(
        upstream.connections(),
        1,
        "none of these ends the connection"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let upstream = Upstream::start(echo).await;
    let gateway = Gateway::start(&service(&[upstream.address], EVERYTHING)).await;
    let mut client = Raw::open(gateway.address).await;
    client
        .send("POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        .await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 100 "));
    client.send("body").await;
    assert!(
        client
            .until("\r\n\r\nbody")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    assert_eq!(upstream.request().header("expect"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_connection_and_of_control_stay_behind() {
    let upstream = Upstream::start(echo).await;
    let gateway = Gateway::start(&service(&[upstream.address], EVERYTHING)).await;
    let stripped = [
        ("connection", "x-hop, keep-alive"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic c2VjcmV0"),
        ("te", "gzip"),
        ("x-gateway-destination-endpoint", "10.0.0.1:1"),
        ("x-gateway-destination-endpoint-subset", "a"),
        ("x-prefiller-host-port", "10.0.0.1:1"),
        ("x-sluicegate-endpoint", "e9"),
        ("x-sluicegate-anything", "1"),
        ("x-forwarded-client-cert", "By=spiffe://evil"),
    ];
    let answer = once(gateway.address, with_headers("/", &stripped)).await;
    assert_eq!(answer.status, 200);
    let sent = upstream.request();
    for (name, _) in stripped {
        assert_eq!(sent.header(name), None, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstreams_own_hop_by_hop_headers_stay_behind() {
    let head = "HTTP/1.1 200 OK\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n\
                x-end: 1\r\ncontent-length: 0\r\n\r\n";
    let upstream = Upstream::always(vec![Step::Send(head.into())]).await;
    let gateway = Gateway::start(&service(&[upstream.address], EVERYTHING)).await;
    let answer = once(gateway.address, get("/")).await;
    assert_eq!(answer.header("x-end"), "1");
    for name in ["x-hop", "keep-alive", "connection"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_service_is_told_host_caller_and_credentials() {
    let upstream = Upstream::start(echo).await;
    let gateway = Gateway::start(&service(&[upstream.address], EVERYTHING)).await;
    let headers = [
        ("host", "files.example.com:81"),
        ("authorization", "Bearer of-the-service"),
        ("cookie", "session=1"),
        ("x-forwarded-for", "203.0.113.9"),
        ("accept-encoding", "zstd"),
    ];
    once(gateway.address, with_headers("/", &headers)).await;
    let sent = upstream.request();
    assert_eq!(sent.header("host").as_deref(), Some("files.example.com:81"));
    assert_eq!(
        sent.header("authorization").as_deref(),
        Some("Bearer of-the-service")
    );
    assert_eq!(sent.header("cookie").as_deref(), Some("session=1"));
    assert_eq!(
        sent.header("x-forwarded-for").as_deref(),
        Some("203.0.113.9, 127.0.0.1")
    );
    assert_eq!(sent.header("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(sent.header("accept-encoding").as_deref(), Some("zstd"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_service_is_told_the_host_of_an_http2_client_too() {
    let upstream = Upstream::start(echo).await;
    let gateway = Gateway::start(&service(&[upstream.address], EVERYTHING)).await;
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://files.example.com:81/").body(Full::<Bytes>::default());
    let answer = sender.send_request(request.unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    let host = upstream.request().header("host");
    assert_eq!(host.as_deref(), Some("files.example.com:81"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_id_is_kept_or_made_and_the_trace_goes_on() {
    let upstream = Upstream::start(echo).await;
    let gateway = Gateway::start(&service(&[upstream.address], EVERYTHING)).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [
        ("x-request-id", "mine-1"),
        ("traceparent", trace),
        ("tracestate", "a=1"),
    ];
    let mut client = Client::new(gateway.address);
    let kept = client.send(with_headers("/one", &headers)).await.unwrap();
    let made = client
        .send(with_headers("/two", &[("x-request-id", "not fit")]))
        .await
        .unwrap();
    assert_eq!(kept.header("x-request-id"), "mine-1");
    let [one, two] = upstream.requests().try_into().unwrap();
    assert_eq!(one.header("x-request-id").as_deref(), Some("mine-1"));
    assert_eq!(one.header("traceparent").as_deref(), Some(trace));
    assert_eq!(one.header("tracestate").as_deref(), Some("a=1"));
    let id = made.header("x-request-id");
    assert_eq!(id.len(), 36, "{id}");
    assert_eq!(two.header("x-request-id").as_deref(), Some(id));
    let lines = gateway.logged(2).await;
    let logged = |name: &str, value: &str| lines.iter().any(|line| line[name] == value);
    assert!(
        logged("traceparent", trace) && logged("request_id", id),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_may_be_repeated_is_when_an_endpoint_drops_it() {
    let broken = Upstream::always(vec![Step::Close]).await;
    let sound = Upstream::start(echo).await;
    let endpoints = [broken.address, sound.address];
    let gateway = Gateway::start(&service(&endpoints, EVERYTHING)).await;
    let mut client = Client::new(gateway.address);
    let mut failed = 0;
    for _ in 0..10 {
        let answer = client
            .send(post("/order", &json!({ "amount": 1 })))
            .await
            .unwrap();
        match answer.status.as_u16() {
            200 => {}
            502 => {
                failed += 1;
                assert_eq!(answer.header("x-sluicegate-attempts"), "1");
                assert_eq!(
                    answer.json()["error"]["code"],
                    "upstream_error",
                    "{}",
                    answer.text()
                );
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert_eq!(
        (broken.count(), sound.count()),
        (5, 5),
        "each was sent once"
    );
    assert_eq!(failed, 5);
    for _ in 0..10 {
        let answer = client.send(get("/list")).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert!(broken.count() > 5, "some had to be repeated");
    assert_eq!(sound.count(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_whose_answer_is_an_error_is_not_repeated() {
    let broken = Upstream::always(answer("503 Service Unavailable", "text/plain", "busy")).await;
    let rules = "      - backendRefs: [{ pool: service }]\n        retry: { attempts: 3 }\n";
    let endpoints = [broken.address, broken.address];
    let config = service(&endpoints, rules);
    let gateway = Gateway::start(&config).await;
    let posted = once(gateway.address, post("/order", &json!({}))).await;
    assert_eq!(
        (posted.status.as_u16(), posted.text().as_str()),
        (503, "busy")
    );
    assert_eq!(broken.count(), 1);
    let got = once(gateway.address, get("/list")).await;
    assert_eq!((got.status.as_u16(), got.text().as_str()), (503, "busy"));
    assert_eq!(got.header("x-sluicegate-attempts"), "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reached_nobody_is_sent_elsewhere_whatever_its_method() {
    let sound = Upstream::start(echo).await;
    let gateway = Gateway::start(&service(&[free_address(), sound.address], EVERYTHING)).await;
    let mut client = Client::new(gateway.address);
    let mut repeated = 0;
    for number in 0..10 {
        let answer = client
            .send(post("/order", &json!({ "number": number })))
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["number"], number);
        assert_eq!(answer.header("x-sluicegate-endpoint"), "e1");
        repeated += usize::from(answer.header("x-sluicegate-attempts") == "2");
    }
    assert_eq!(sound.count(), 10);
    assert_eq!(repeated, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_closed_while_it_was_idle_costs_no_request() {
    let sound = Upstream::start(|request| {
        let mut steps = echo(request);
        steps.push(Step::Close);
        steps
    })
    .await;
    let gateway = Gateway::start(&service(&[sound.address], EVERYTHING)).await;
    let mut client = Client::new(gateway.address);
    for _ in 0..30 {
        let answer = client.send(post("/order", &json!({}))).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(sound.count(), 30);
}
