//! Requests as they are read.

use proptest::prelude::*;

use super::super::*;

const LIMITS: HeadLimits = HeadLimits {
    bytes: 1000,
    fields: 8,
};

/// What was read of a connection.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    requests: Vec<Request>,
    refused: bool,
}

/// A request as a server sees it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    line: String,
    fields: Vec<(String, String)>,
    keep_alive: bool,
    body: String,
    whole: bool,
}

/// Reads one request after the other, as long as each is whole.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut seen = Seen::default();
    let mut reader = RequestReader::new(LIMITS);
    let mut body: Option<BodyReader> = None;
    for mut rest in pieces {
        while !rest.is_empty() && !seen.refused {
            if let Some(reading) = &mut body {
                let (data, used) = reading.push(rest);
                rest = &rest[used..];
                seen.refused = reading.failure().is_some();
                let request = seen.requests.last_mut().unwrap();
                request.body += &String::from_utf8_lossy(&data);
                request.whole = reading.is_over();
                body = body.filter(|_| !request.whole);
                continue;
            }
            match reader.push(rest) {
                Ok(None) => rest = b"",
                Ok(Some((head, used))) => {
                    rest = &rest[used..];
                    seen.requests.push(known(&head));
                    body = Some(head.body).filter(|body| !body.is_over());
                }
                Err(_) => seen.refused = true,
            }
        }
    }
    seen
}

fn known(head: &RequestHead) -> Request {
    let fields = head.headers.iter();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Request {
        line: format!("{} {} {}", head.method, head.target, head.modern),
        fields: fields
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        keep_alive: head.keep_alive,
        body: String::new(),
        whole: head.body.is_over(),
    }
}

fn one(bytes: &str) -> Request {
    let mut seen = read([bytes.as_bytes()]);
    assert!(
        !seen.refused && seen.requests.len() == 1,
        "{bytes:?}: {seen:?}"
    );
    seen.requests.remove(0)
}

#[test]
fn a_head_is_what_it_says() {
    let check = |head: &str, line: &str, keep_alive: bool| {
        let request = one(&format!("{head}\r\n\r\n"));
        assert_eq!(
            (&*request.line, request.keep_alive),
            (line, keep_alive),
            "{head}"
        );
        assert!(request.whole);
    };
    check("GET /a?b HTTP/1.1", "GET /a?b true", true);
    check("\r\n\r\nGET /a?b HTTP/1.1", "GET /a?b true", true);
    check("\nGET / HTTP/1.1\nhost: a", "GET / true", true);
    check("GET / HTTP/1.0", "GET / false", false);
    check(
        "GET / HTTP/1.0\r\nconnection: x, Keep-Alive",
        "GET / false",
        true,
    );
    check(
        "GET / HTTP/1.1\r\nconnection: x, Close",
        "GET / true",
        false,
    );
    check(
        "PURGE http://a:1/b HTTP/1.1",
        "PURGE http://a:1/b true",
        true,
    );
    check("CONNECT a:1 HTTP/1.1", "CONNECT a:1 true", true);
    check("OPTIONS * HTTP/1.1", "OPTIONS * true", true);
}

#[test]
fn an_empty_line_in_two_pieces_is_one() {
    let bytes = b"\r\n\n\r\nGET / HTTP/1.1\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    assert_eq!(read(bytes.chunks(1)), read([&bytes[..]]));
    assert_eq!(read(bytes.chunks(1)).requests.len(), 2);
}

#[test]
fn a_body_ends_where_the_head_says_and_the_next_request_begins_there() {
    let check = |head: &str, body: &str, expect: &str| {
        let next = "GET /next HTTP/1.1\r\n\r\n";
        let seen = read([format!("POST / HTTP/1.1\r\n{head}\r\n\r\n{body}{next}").as_bytes()]);
        let [first, second] = &seen.requests[..] else {
            panic!("{head}: {seen:?}");
        };
        assert_eq!((&*first.body, first.whole), (expect, true), "{head}");
        assert_eq!(second.line, "GET /next true", "{head}");
    };
    check("content-length: 3", "abc", "abc");
    check("content-length: 0", "", "");
    check("a: b", "", "");
    check("content-length: 3, 3", "abc", "abc");
    check(
        "transfer-encoding: chunked",
        "3\r\nabc\r\n0\r\nt: u\r\n\r\n",
        "abc",
    );
    check("Transfer-Encoding: Chunked", "0\r\n\r\n", "");
}

#[test]
fn what_frames_a_body_twice_is_kept_once_and_ends_the_connection() {
    let both =
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n";
    let request = one(both);
    assert!(request.whole && !request.keep_alive);
    assert_eq!(
        request.fields,
        [("transfer-encoding".to_owned(), "chunked".to_owned())]
    );
    let same = one("POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na");
    assert_eq!(same.fields, [("content-length".to_owned(), "1".to_owned())]);
}

#[test]
fn what_is_no_request_is_refused_with_its_status() {
    let check = |bytes: &[u8], expect: u16| {
        let refused = RequestReader::new(LIMITS).push(bytes).unwrap_err();
        assert_eq!(
            refused.status.as_u16(),
            expect,
            "{}: {refused}",
            bytes.escape_ascii()
        );
    };
    // Before the end of the head has come, too.
    check(b"\x16\x03\x01\x02\0\x01", 400);
    check(b"GET / HTTP/2.0\r\n", 400);
    check(b"GET / HTTP/1.1\r\na b: c\r\n", 400);
    check(b"GET  / HTTP/1.1\r\n\r\n", 400);
    check(b"GET / HTTP/1.1\r\n folded: a\r\n\r\n", 400);
    check(b"GET / HTTP/1.1\r\ncontent-length: +1\r\n\r\n", 400);
    check(
        b"GET / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        400,
    );
    check(b"GET / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", 400);
    check(b"GET http:// HTTP/1.1\r\n\r\n", 400);
    let fields = "a: b\r\n".repeat(9);
    check(format!("GET / HTTP/1.1\r\n{fields}\r\n").as_bytes(), 431);
    let long = "a".repeat(2000);
    check(format!("GET / HTTP/1.1\r\na: {long}").as_bytes(), 431);
    let mut reader = RequestReader::new(HeadLimits {
        bytes: 1 << 20,
        fields: 8,
    });
    let target = "a".repeat(70_000);
    let refused = reader.push(format!("GET /{target} HTTP/1.1\r\n\r\n").as_bytes());
    assert_eq!(refused.unwrap_err().status.as_u16(), 414);
}

#[test]
fn expectations_are_for_http_1_1() {
    let head = |version: &str| {
        let fields = "expect: 100-Continue\r\nte: gzip, trailers";
        let bytes = format!("PUT / HTTP/1.{version}\r\n{fields}\r\n\r\n");
        let (head, _) = RequestReader::new(LIMITS)
            .push(bytes.as_bytes())
            .unwrap()
            .unwrap();
        (head.expects_continue(), head.takes_trailers())
    };
    assert_eq!(head("1"), (true, true));
    assert_eq!(head("0"), (false, false));
}

/// Bytes that are often nearly a request.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "POST /a HTTP/1.1\r\n",
        "POST /a HTTP/1.0\n",
        "transfer-encoding: chunked\r\n",
        "content-length: 4\r\n",
        "connection: close\r\n",
        "a: b\r\n",
        "\r\n",
        "\n",
        "\r",
        "4\r\nabcd\r\n",
        "1;x=y\r\nz\r\n",
        "0\r\n",
        "t: u\r\n",
        "abcd",
        "\0",
    ]);
    prop::collection::vec(token, 0..14).prop_map(|tokens| tokens.concat().into_bytes())
}

proptest! {
    #[test]
    fn the_split_does_not_matter(bytes in bytes(), sizes in prop::collection::vec(1_usize..9, 1..9)) {
        prop_assert_eq!(read(super::split(&bytes, &sizes)), read([&bytes[..]]));
    }
}
