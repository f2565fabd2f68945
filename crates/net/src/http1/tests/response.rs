//! Responses as they are read.

use http::HeaderMap;
use proptest::prelude::*;

use super::super::*;

const LIMITS: HeadLimits = HeadLimits {
    bytes: 1000,
    fields: 8,
};

/// A response as a reader sees it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    status: u16,
    headers: HeaderMap,
    keep_alive: bool,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
    over: bool,
    /// Bytes that belong to no response.
    surplus: usize,
    wrong: Option<Malformed>,
}

/// Reads `pieces` of a response one after the other.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, to_head: bool) -> Seen {
    let mut seen = Seen::default();
    let mut reader = ResponseReader::new(LIMITS);
    let mut body: Option<BodyReader> = None;
    for mut piece in pieces {
        if body.is_none() {
            match reader.push(piece, to_head) {
                Err(wrong) => {
                    seen.wrong = Some(wrong);
                    return seen;
                }
                Ok(None) => continue,
                Ok(Some((head, used))) => {
                    seen.status = head.status.as_u16();
                    seen.headers = head.headers;
                    seen.keep_alive = head.keep_alive;
                    body = Some(head.body);
                    piece = &piece[used..];
                }
            }
        }
        let Some(body) = &mut body else { continue };
        let (data, used) = body.push(piece);
        seen.body.extend_from_slice(&data);
        seen.wrong = body.failure();
        seen.surplus += if seen.wrong.is_some() {
            0
        } else {
            piece.len() - used
        };
        if body.is_over() {
            seen.over = true;
            seen.trailers = body.take_trailers().or(seen.trailers.take());
        }
    }
    seen
}

fn whole(bytes: &str) -> Seen {
    read([bytes.as_bytes()], false)
}

#[test]
fn the_end_is_where_the_head_says() {
    let check = |head: &str, rest: &str, body: &str, over: bool, keep_alive: bool| {
        let seen = whole(&format!("HTTP/1.1 {head}\r\n\r\n{rest}"));
        assert_eq!(seen.wrong, None, "{head}");
        assert_eq!(String::from_utf8_lossy(&seen.body), body, "{head}");
        assert_eq!((seen.over, seen.keep_alive), (over, keep_alive), "{head}");
    };
    check("200 OK\r\ncontent-length: 5", "hello", "hello", true, true);
    check("200 OK\r\ncontent-length: 5", "hello!", "hello", true, true);
    let more = whole("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello!");
    assert_eq!((more.surplus, &*more.body), (1, &b"hello"[..]));
    check("200 OK\r\ncontent-length: 9", "hello", "hello", false, true);
    check("200\r\ncontent-length: 5", "hello", "hello", true, true);
    check("200 OK", "hello", "hello", false, false);
    check(
        "200 OK\r\ncontent-length: 5, 5",
        "hello",
        "hello",
        true,
        true,
    );
    check(
        "200 OK\r\ncontent-length: 5\r\ncontent-length: 5",
        "hello",
        "hello",
        true,
        true,
    );
    check(
        "200 OK\r\nconnection: x, Close\r\ncontent-length: 5",
        "hello",
        "hello",
        true,
        false,
    );
    check(
        "200 OK\r\ntransfer-encoding: Chunked\r\ncontent-length: 2",
        "5\r\nhello\r\n0\r\n\r\n",
        "hello",
        true,
        false,
    );
    check(
        "200 OK\r\ntransfer-encoding: chunked",
        "5\r\nhello\r\n0\r\n\r\n",
        "hello",
        true,
        true,
    );
    check("204 No Content\r\ncontent-length: 5", "", "", true, true);
    check("304 Not Modified\r\ncontent-length: 5", "", "", true, true);
    check(
        "101 Switching Protocols\r\nupgrade: x",
        "raw",
        "raw",
        false,
        false,
    );
    check(
        "100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5",
        "hello",
        "hello",
        true,
        true,
    );
}

#[test]
fn old_servers_and_head_requests() {
    let old = |fields: &str| {
        whole(&format!(
            "HTTP/1.0 200 OK\r\n{fields}content-length: 1\r\n\r\nx"
        ))
    };
    assert!(!old("").keep_alive);
    assert!(old("connection: Keep-Alive\r\n").keep_alive);
    assert!(!old("connection: keep-alive, close\r\n").keep_alive);
    let nothing =
        whole("HTTP/1.0 304 Not Modified\r\ntransfer-encoding: x\r\ncontent-length: y\r\n\r\n");
    assert!(nothing.over && nothing.headers.get("content-length").is_none());
    let to_head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    let seen = read([&to_head[..]], true);
    assert!(seen.over && seen.keep_alive);
    assert_eq!(seen.headers["content-length"], "5");
}

#[test]
fn one_length_is_passed_on() {
    let lengths = |fields: &str| {
        let seen = whole(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n"));
        let lengths: Vec<_> = seen
            .headers
            .get_all("content-length")
            .iter()
            .cloned()
            .collect();
        lengths
    };
    assert_eq!(lengths("content-length: 5\r\ncontent-length: 5"), ["5"]);
    assert_eq!(lengths("content-length: 5,5"), ["5"]);
    assert_eq!(
        lengths("content-length: 5\r\ntransfer-encoding: chunked"),
        [""; 0]
    );
}

#[test]
fn what_is_no_response_is_refused() {
    let check = |bytes: &str, expect: &str| {
        let wrong = whole(bytes).wrong;
        assert_eq!(
            wrong.map(|wrong| wrong.to_string()).as_deref(),
            Some(expect),
            "{bytes:?}"
        );
    };
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
    check("SSH-2.0-OpenSSH", "it does not begin like a response");
    check("H2", "it does not begin like a response");
    check("HTTP/2 200 OK\r\n\r\n", "it does not begin like a response");
    check("HTTP/1.7 200 OK\r\n\r\n", "its version is not HTTP/1");
    check("HTTP/1.1 099 Low\r\n\r\n", "its status is none");
    check("HTTP/1.1 99 Low\r\n\r\n", "its head is not valid");
    check("HTTP/1.1 20 \r\n\r\n", "its head is not valid");
    check(&head("a b: c"), "a header field's name is not valid");
    check(&head("a : c"), "a header field's name is not valid");
    check(&head("a: b\r\n c"), "a header field's name is not valid");
    check(&head("a: b\0"), "a header field's value is not valid");
    check(&head("content-length: +5"), "its content-length is none");
    check(&head("content-length: 5 5"), "its content-length is none");
    check(&head("content-length:"), "its content-length is none");
    check(
        &head("content-length: 99999999999999999999"),
        "its content-length is none",
    );
    check(
        &head("content-length: 5\r\ncontent-length: 6"),
        "its content-lengths differ",
    );
    check(&head("content-length: 5, 6"), "its content-lengths differ");
    let coding = "its transfer-encoding is not chunked alone";
    check(&head("transfer-encoding: gzip, chunked"), coding);
    check(&head("transfer-encoding: xchunked"), coding);
    check(
        &head("transfer-encoding: chunked\r\ntransfer-encoding: chunked"),
        coding,
    );
    check(
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        coding,
    );
    check(&head(&"a: b\r\n".repeat(9)), "its head has too many fields");
    check(
        &head(&format!("a: {}", "b".repeat(1000))),
        "its head is too long",
    );
    check(
        &format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(1000)),
        "its head is too long",
    );
}

#[test]
fn chunks_are_read_strictly() {
    let check = |chunks: &str, body: &str, wrong: Option<&str>| {
        let seen = whole(&format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"
        ));
        assert_eq!(String::from_utf8_lossy(&seen.body), body, "{chunks:?}");
        assert_eq!(
            seen.wrong.map(|wrong| wrong.to_string()).as_deref(),
            wrong,
            "{chunks:?}"
        );
    };
    let (size, line) = (
        "a chunk's size is none",
        "a chunk does not end with its line",
    );
    check("2\r\nhi\r\n3\r\n you\r\n0\r\n\r\n", "hi yo", Some(line));
    check("2\r\nhi\r\n4\r\n you\r\n0\r\n\r\n", "hi you", None);
    check("00A ; a=b\r\n0123456789\r\n0\r\n\r\n", "0123456789", None);
    check("2;x\r\nhi\r\n", "hi", None);
    check("2;x\nhi\r\n", "", Some("a chunk's extension has a bare LF"));
    check("2\nhi\r\n", "", Some(size));
    check("2\r\nhi\n", "hi", Some(line));
    check("\r\n", "", Some(size));
    check(";x\r\n", "", Some(size));
    check("-2\r\nhi", "", Some(size));
    check("0x2\r\nhi", "", Some(size));
    check("2 2\r\nhi", "", Some(size));
    check(
        "00000000000000002\r\nhi",
        "",
        Some("a chunk's size is too large"),
    );
    check(
        &format!("1;{}\r\nx", "e".repeat(20_000)),
        "",
        Some("its chunks have too long extensions"),
    );
    check(
        "0\r\nbad name: x\r\n\r\n",
        "",
        Some("its trailers are not valid"),
    );
    check(
        &format!("0\r\na: {}", "b".repeat(20_000)),
        "",
        Some("its trailers are too long"),
    );
}

#[test]
fn trailers_are_read() {
    let seen =
        whole("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: 1\r\nb: 2\r\n\r\nmore");
    let trailers = seen.trailers.unwrap();
    assert_eq!(
        (&trailers["a"], &trailers["b"]),
        (&"1".parse().unwrap(), &"2".parse().unwrap())
    );
    assert_eq!((seen.over, seen.surplus), (true, 4));
}

#[test]
fn chunks_that_came_together_are_one_piece_of_their_size() {
    let mut reader = BodyReader::chunked();
    let (data, used) = reader.push(b"3\r\nabc\r\n2\r\nde\r\n1");
    assert_eq!((&*data, used), (&b"abcde"[..], 16));
    let (data, _) = reader.push(b"\r\nf\r\n0\r\n\r\n");
    assert_eq!(&*data, b"f");
    assert!(reader.is_over());
    assert_eq!(reader.left(), Some(0));
}

/// Bytes that are often nearly a response.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.0 200 OK\n",
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
        "ff\r\n",
    ]);
    prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat().into_bytes())
}

proptest! {
    #[test]
    fn the_split_does_not_matter(bytes in bytes(), sizes in prop::collection::vec(1_usize..9, 1..9)) {
        let pieces = super::split(&bytes, &sizes);
        prop_assert_eq!(read(pieces, false), read([&bytes[..]], false));
    }

    #[test]
    fn what_is_chunked_comes_out(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..10)) {
        let mut wire = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for chunk in &chunks {
            wire.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(&encode_trailers(&HeaderMap::new(), &[]));
        let seen = read([&wire[..]], false);
        prop_assert_eq!(seen.body, chunks.concat());
        prop_assert!(seen.over && seen.keep_alive && seen.wrong.is_none());
    }
}
