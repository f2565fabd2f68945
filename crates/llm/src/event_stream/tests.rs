use proptest::prelude::*;

use super::*;
use crate::testing::{cuts, pieces};

/// Messages that Amazon's own SDKs are tested with.
const EMPTY: &[u8] = b"\0\0\0\x10\0\0\0\0\x05\xc2\x48\xeb\x7d\x98\xc8\xff";
const WITHOUT_HEADERS: &[u8] = b"\0\0\0\x1d\0\0\0\0\xfdR\x8cZ{'foo':'bar'}\xc3e96";
const WITH_A_HEADER: &[u8] = b"\0\0\0=\0\0\0 \x07\xfd\x83\x96\x0ccontent-type\x07\0\x10\
    application/json{'foo':'bar'}\x8d\x9c\x08\xb1";

fn decode(pieces: &[&[u8]], most: usize) -> Result<Vec<Message>, BadFrame> {
    let mut decoder = Decoder::new(most);
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(message) = decoder.next_message()? {
            messages.push(message);
        }
        assert_eq!(decoder.consumed(), piece.len());
    }
    let len: usize = messages.iter().map(|message| message.raw.len()).sum();
    let is_cut = len < pieces.concat().len();
    assert_eq!(decoder.is_within_message(), is_cut);
    Ok(messages)
}

fn encoded(kind: Kind, name: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(kind, name, payload, &mut out);
    out
}

/// A message with these headers, each of a name, the type and the bytes of a value.
fn message(headers: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut out = vec![0; PRELUDE];
    for (name, kind, value) in headers {
        out.push(name.len() as u8);
        out.extend_from_slice(name.as_bytes());
        out.push(*kind);
        out.extend_from_slice(value);
    }
    let headers = out.len() - PRELUDE;
    let len = out.len() + CRC;
    seal(&mut out, len, headers);
    let sum = crc32fast::hash(&out);
    out.extend_from_slice(&sum.to_be_bytes());
    out
}

#[test]
fn reads_the_messages_of_other_implementations() {
    let stream = [EMPTY, WITHOUT_HEADERS, WITH_A_HEADER].concat();
    let messages = decode(&[&stream], 100).expect("messages");
    let read: Vec<_> = messages.iter().map(|m| (m.name(), m.data())).collect();
    let payload = Cow::Borrowed(&b"{'foo':'bar'}"[..]);
    let expect = [
        (None, Cow::Borrowed(&b""[..])),
        (None, payload.clone()),
        (None, payload),
    ];
    assert_eq!(read, expect);
}

#[test]
fn names_events_exceptions_and_errors() {
    let error = message(&[
        (":message-type", 7, b"\0\x05error"),
        (":error-code", 7, b"\0\x0fInternalFailure"),
        (":error-message", 7, b"\0\x06a \"b\"\n"),
    ]);
    let stream = [
        encoded(Kind::Event, "messageStart", br#"{"role":"assistant"}"#),
        encoded(Kind::Exception, "throttlingException", b"{}"),
        error,
        message(&[(":message-type", 7, b"\0\x05error")]),
        message(&[(":error-code", 7, b"\0\x01a")]),
    ];
    let messages = decode(&[&stream.concat()], 1000).expect("messages");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let read: Vec<_> = messages
        .iter()
        .map(|m| (text(m.name().expect("a name")), text(&m.data())))
        .collect();
    let expect = [
        ("messageStart", r#"{"role":"assistant"}"#),
        ("throttlingException", "{}"),
        (
            "error",
            r#"{"code":"InternalFailure","message":"a \"b\"\n"}"#,
        ),
        ("error", r#"{"code":null,"message":null}"#),
        ("error", r#"{"code":"a","message":null}"#),
    ];
    assert_eq!(
        read,
        expect.map(|(name, data)| (name.to_owned(), data.to_owned()))
    );
}

#[test]
fn passes_over_headers_of_every_type() {
    let stream = message(&[
        ("a", 0, b""),
        ("b", 1, b""),
        ("c", 2, b"1"),
        ("d", 3, b"12"),
        ("e", 4, b"1234"),
        ("f", 5, b"12345678"),
        ("g", 6, b"\0\x03abc"),
        ("h", 8, b"12345678"),
        ("i", 9, b"0123456789abcdef"),
        (":event-type", 7, b"\0\x01x"),
    ]);
    let messages = decode(&[&stream], 1000).expect("a message");
    assert_eq!(messages[0].name(), Some(&b"x"[..]));
}

#[track_caller]
fn refused(stream: &[u8], why: &str) {
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    for pieces in [&[stream][..], &bytes] {
        let error = decode(pieces, 64).expect_err(why);
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn refuses_what_is_no_message() {
    let mut flipped = WITH_A_HEADER.to_vec();
    flipped[30] ^= 1;
    refused(&flipped, "its check sum");
    let mut flipped = WITH_A_HEADER.to_vec();
    flipped[3] ^= 1;
    refused(&flipped, "check sum of its beginning");
    refused(b"data: {\"a\":1}\n\n", "check sum of its beginning");
    refused(&message(&[("a", 10, b"")]), "unknown type");
    refused(&message(&[("a", 7, b"\0\xffx")]), "does not end");
    refused(&message(&[("a", 7, b"\0")]), "does not end");

    let mut lying = vec![0; PRELUDE];
    seal(&mut lying, PRELUDE + 10, 7);
    refused(&lying, "do not go together");
    seal(&mut lying, 1 << 20, 1 << 18);
    refused(&lying, "do not go together");
    seal(&mut lying, 65, 0);
    refused(&lying, "longer than 64 bytes");
}

proptest! {
    #[test]
    fn any_split_gives_the_same_messages(
        events in prop::collection::vec(("[a-z]{1,20}", "[a-z{}]{0,40}"), 0..6),
        cut in 0..20usize,
        cuts in cuts()
    ) {
        let mut stream = Vec::new();
        for (name, payload) in &events {
            encode(Kind::Event, name, payload.as_bytes(), &mut stream);
        }
        stream.truncate(stream.len().saturating_sub(cut));
        let whole = decode(&[&stream], 1000).expect("messages");
        let split = decode(&pieces(&stream, &cuts), 1000).expect("messages");
        prop_assert_eq!(&whole, &split);
        for (message, (name, payload)) in whole.iter().zip(&events) {
            prop_assert_eq!(message.name(), Some(name.as_bytes()));
            prop_assert_eq!(&*message.data(), payload.as_bytes());
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        headers in 0..40usize,
        cuts in cuts()
    ) {
        let mut stream = bytes.clone();
        if stream.len() >= PRELUDE + CRC {
            let len = stream.len();
            seal(&mut stream, len, headers);
            let end = len - CRC;
            let sum = crc32fast::hash(&stream[..end]);
            stream[end..].copy_from_slice(&sum.to_be_bytes());
        }
        let whole = decode(&[&stream], 1000);
        prop_assert_eq!(whole, decode(&pieces(&stream, &cuts), 1000));
    }
}
