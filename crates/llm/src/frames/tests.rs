use proptest::prelude::*;

use super::*;
use crate::testing::{cuts, pieces};

fn lines(pieces: &[&[u8]], most: usize) -> Result<Vec<Frame>, BadFrame> {
    let mut decoder = Decoder::new(Framing::Lines, most);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(frame) = decoder.next_frame()? {
            frames.push(frame);
        }
        assert_eq!(decoder.consumed(), Some(piece.len()));
    }
    frames.extend(decoder.finish());
    let raw: Vec<&[u8]> = frames.iter().map(|frame| &**frame.raw()).collect();
    assert_eq!(raw.concat(), pieces.concat());
    Ok(frames)
}

#[test]
fn a_line_is_an_event_unless_it_is_empty() {
    let frames = lines(&[b"{\"a\":1}\r\n\n  \n{\"b\"", b":2}\n{}"], 20).expect("short lines");
    let data: Vec<_> = frames.iter().map(Frame::data).collect();
    let expect: [Option<&[u8]>; 5] = [
        Some(b"{\"a\":1}"),
        None,
        None,
        Some(b"{\"b\":2}"),
        Some(b"{}"),
    ];
    assert_eq!(data, expect.map(|data| data.map(Cow::Borrowed)));
}

#[test]
fn a_line_has_a_bound() {
    let too_long = BadFrame::from(FrameTooLong { limit: 8 });
    assert!(lines(&[b"1234567\n1234567\n"], 8).is_ok());
    for stream in [&[&b"12345678\n"[..]][..], &[b"12345", b"6789"]] {
        assert_eq!(lines(stream, 8), Err(too_long.clone()));
    }
}

#[test]
fn a_cut_message_says_nothing() {
    let mut decoder = Decoder::new(Framing::Messages, 100);
    decoder.push(Bytes::from_static(b"\0\0\0\x10"));
    assert_eq!(decoder.next_frame(), Ok(None));
    let cut = decoder.finish().expect("what is left");
    assert_eq!((cut.data(), cut.raw().len()), (None, 0));
}

proptest! {
    #[test]
    fn any_split_gives_the_same_lines(stream in "[a-z{}\r\n]{0,80}", cuts in cuts()) {
        let whole = lines(&[stream.as_bytes()], 100);
        prop_assert_eq!(whole, lines(&pieces(stream.as_bytes(), &cuts), 100));
    }
}
