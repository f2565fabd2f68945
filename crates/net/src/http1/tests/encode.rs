//! What is written, to the byte.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{Empty, Full};

use super::super::*;
use crate::body::Body;

#[test]
fn the_head_of_a_request_is_written() {
    let check = |request: http::request::Builder, body: Body, expect: &str, framing: Framing| {
        let request = request.body(body).unwrap();
        let framed = Framing::of(&request);
        let head = encode_request(&request, framed);
        assert_eq!(
            (std::str::from_utf8(&head).unwrap(), framed),
            (expect, framing)
        );
        assert!(!head.is_empty());
    };
    let three = || Body::from(Bytes::from("abc"));
    check(
        Request::get("http://there/a?b=c").header("host", "h"),
        Body::Empty,
        "GET /a?b=c HTTP/1.1\r\nhost: h\r\n\r\n",
        Framing::None,
    );
    check(
        Request::post("/")
            .header("content-length", "9")
            .header("a", "b"),
        three(),
        "POST / HTTP/1.1\r\na: b\r\ncontent-length: 3\r\n\r\n",
        Framing::Length(3),
    );
    check(
        Request::put("/").header("transfer-encoding", "x"),
        Body::Empty,
        "PUT / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
        Framing::Length(0),
    );
    check(
        Request::get("http://a?b"),
        Body::Empty,
        "GET /?b HTTP/1.1\r\n\r\n",
        Framing::None,
    );
    check(
        Request::options("*"),
        Body::Empty,
        "OPTIONS * HTTP/1.1\r\n\r\n",
        Framing::None,
    );
}

#[test]
fn trailers_are_written_but_for_those_that_frame() {
    let mut fields = HeaderMap::new();
    for name in ["x-sum", "content-length", "transfer-encoding", "host"] {
        fields.insert(name, "1".parse().unwrap());
    }
    let mut headers = HeaderMap::new();
    headers.insert("trailer", "X-Sum, host".parse().unwrap());
    let announced = announced_trailers(&headers);
    let written = encode_trailers(&fields, &announced);
    assert_eq!(written, b"0\r\nx-sum: 1\r\n\r\n");
    assert_eq!(encode_trailers(&fields, &[]), b"0\r\n\r\n");
}

const MODERN: Asked = Asked {
    to_head: false,
    modern: true,
};
const TO_HEAD: Asked = Asked {
    to_head: true,
    modern: true,
};
const OLD: Asked = Asked {
    to_head: false,
    modern: false,
};

fn written<B: http_body::Body>(
    asked: Asked,
    response: Response<B>,
    connection: Option<&'static str>,
) -> String {
    let framing = asked.framing(&response);
    let head = encode_response(&response, framing, connection, b"now");
    String::from_utf8(head).unwrap()
}

#[test]
fn the_head_of_a_response_is_written() {
    let check = |asked,
                 status: u16,
                 fields: &[(&'static str, &'static str)],
                 body: &'static str,
                 expect: &str| {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let response = response.body(Full::new(Bytes::from(body))).unwrap();
        let head = written(asked, response, None);
        let expect = expect.replace('|', "\r\n") + "\r\n\r\n";
        assert_eq!(head, expect, "{asked:?} {status} {fields:?}");
    };
    check(
        MODERN,
        200,
        &[],
        "abc",
        "HTTP/1.1 200 OK|date: now|content-length: 3",
    );
    check(
        MODERN,
        200,
        &[],
        "",
        "HTTP/1.1 200 OK|date: now|content-length: 0",
    );
    let own = [("date", "then"), ("a", "b")];
    check(
        MODERN,
        200,
        &own,
        "a",
        "HTTP/1.1 200 OK|date: then|a: b|content-length: 1",
    );
    let lies = [
        ("content-length", "9"),
        ("transfer-encoding", "gzip"),
        ("connection", "x"),
    ];
    check(
        MODERN,
        404,
        &lies,
        "a",
        "HTTP/1.1 404 Not Found|date: now|content-length: 1",
    );
    check(
        MODERN,
        599,
        &[],
        "a",
        "HTTP/1.1 599 |date: now|content-length: 1",
    );
    check(
        TO_HEAD,
        200,
        &[("content-length", "9")],
        "",
        "HTTP/1.1 200 OK|content-length: 9|date: now",
    );
    check(
        TO_HEAD,
        200,
        &[],
        "abc",
        "HTTP/1.1 200 OK|date: now|content-length: 3",
    );
    check(TO_HEAD, 200, &[], "", "HTTP/1.1 200 OK|date: now");
    check(
        MODERN,
        304,
        &[("content-length", "9")],
        "",
        "HTTP/1.1 304 Not Modified|content-length: 9|date: now",
    );
    check(
        MODERN,
        204,
        &[("content-length", "0")],
        "",
        "HTTP/1.1 204 No Content|date: now",
    );
    let switch = [
        ("connection", "upgrade"),
        ("upgrade", "x"),
        ("content-length", "0"),
    ];
    check(
        MODERN,
        101,
        &switch,
        "",
        "HTTP/1.1 101 Switching Protocols|connection: upgrade|upgrade: x|date: now",
    );
    check(
        OLD,
        200,
        &[],
        "abc",
        "HTTP/1.1 200 OK|date: now|content-length: 3",
    );
}

/// A body that does not know its length.
struct Unknown;

impl http_body::Body for Unknown {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(None)
    }
}

#[test]
fn a_body_of_unknown_length_is_chunked_where_that_is_understood() {
    let response = || Response::new(Unknown);
    let modern = written(MODERN, response(), None);
    assert!(
        modern.ends_with("transfer-encoding: chunked\r\n\r\n"),
        "{modern}"
    );
    let old = written(OLD, response(), Some("close"));
    assert!(
        old.ends_with("date: now\r\nconnection: close\r\n\r\n"),
        "{old}"
    );
    assert_eq!(TO_HEAD.framing(&response()), Framing::None);
    assert_eq!(
        MODERN.framing(&Response::new(Empty::<Bytes>::new())),
        Framing::Length(0)
    );
}
