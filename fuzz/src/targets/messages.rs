//! Amazon's messages: any split gives the same ones, no byte is lost, what is encoded decodes, and one
//! whose check sums are right is read as a plain walk over its headers reads it.

use crate::split::splits;
use bytes::Bytes;
use llm::event_stream::{Decoder, Kind, Message, encode};

const PRELUDE: usize = 12;

pub(crate) fn run(data: &[u8]) {
    alike_in_pieces(data);
    let sealed = sealed(data);
    alike_in_pieces(&sealed);
    if let Ok(messages) = decode(&[&sealed]) {
        let [message] = messages.as_slice() else {
            panic!("one message became {}", messages.len());
        };
        let (headers, payload) = parts(data);
        let names = walk(headers).expect("it was read");
        let last = |wanted: &[u8]| {
            let values = names.iter().filter(|(name, _)| *name == wanted);
            values.map(|(_, value)| *value).next_back()
        };
        if last(b":message-type") == Some(b"event") {
            assert_eq!(message.name(), last(b":event-type"));
            assert_eq!(&*message.data(), payload);
        }
    }
    what_is_encoded_decodes(data);
}

fn decode(pieces: &[&[u8]]) -> Result<Vec<Message>, String> {
    let mut decoder = Decoder::new(1 << 20);
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(message) = decoder.next_message().map_err(|bad| bad.to_string())? {
            messages.push(message);
        }
        assert!(decoder.consumed() <= piece.len());
    }
    Ok(messages)
}

fn alike_in_pieces(data: &[u8]) {
    let whole = decode(&[data]);
    for pieces in splits(data) {
        assert_eq!(decode(&pieces), whole);
    }
    let read: Vec<u8> = whole
        .iter()
        .flatten()
        .flat_map(|message| message.raw().to_vec())
        .collect();
    assert!(data.starts_with(&read), "bytes were changed");
}

/// The input as headers and a payload: the first byte tells how long the headers are.
fn parts(data: &[u8]) -> (&[u8], &[u8]) {
    let Some((len, rest)) = data.split_first() else {
        return (&[], &[]);
    };
    rest.split_at(usize::from(*len).min(rest.len()))
}

/// A message of these whose lengths and check sums are right.
fn sealed(data: &[u8]) -> Vec<u8> {
    let (headers, payload) = parts(data);
    let len = |len: usize| u32::try_from(len).expect("short").to_be_bytes();
    let mut out = [
        len(PRELUDE + headers.len() + payload.len() + 4),
        len(headers.len()),
    ]
    .concat();
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}

/// The names and values of headers; `None` if they are none.
fn walk(mut rest: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut found = Vec::new();
    while let Some((len, tail)) = rest.split_first() {
        let (name, tail) = tail.split_at_checked(usize::from(*len))?;
        let (kind, tail) = tail.split_first()?;
        let (len, tail) = match kind {
            0 | 1 => (0, tail),
            2 => (1, tail),
            3 => (2, tail),
            4 => (4, tail),
            5 | 8 => (8, tail),
            6 | 7 => {
                let (len, tail) = tail.split_first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes(*len)), tail)
            }
            9 => (16, tail),
            _ => return None,
        };
        let (value, tail) = tail.split_at_checked(len)?;
        found.push((name, value));
        rest = tail;
    }
    Some(found)
}

fn what_is_encoded_decodes(data: &[u8]) {
    for kind in [Kind::Event, Kind::Exception] {
        let mut out = Vec::new();
        encode(kind, "name", data, &mut out);
        let messages = decode(&[&out]).expect("a message");
        let [message] = messages.as_slice() else {
            panic!("one message became {}", messages.len());
        };
        assert_eq!(message.name(), Some(&b"name"[..]));
        assert_eq!(&*message.data(), data);
    }
}
