use proptest::prelude::*;

use super::*;
use crate::testing::{cuts, pieces};

fn decode(pieces: &[&[u8]]) -> Vec<Frame> {
    let mut decoder = Decoder::new(DEFAULT_MAX_FRAME);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(frame) = decoder.next_frame().expect("short frames") {
            frames.push(frame);
        }
    }
    frames.extend(decoder.finish());
    assert_eq!(
        frames
            .iter()
            .map(|frame| &frame.raw[..])
            .collect::<Vec<_>>()
            .concat(),
        pieces.concat()
    );
    frames
}

/// Event, data, id and retry of each frame that is not empty.
type Parsed = (Option<String>, Option<String>, Option<String>, Option<u64>);

fn parsed(frames: &[Frame]) -> Vec<Parsed> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let parse = |frame: &Frame| {
        let data = frame.data().map(|data| text(&data));
        (
            frame.event().map(text),
            data,
            frame.id().map(text),
            frame.retry(),
        )
    };
    frames
        .iter()
        .filter(|frame| !frame.is_empty())
        .map(parse)
        .collect()
}

#[track_caller]
fn check(stream: &str, expect: &[&str]) {
    let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
    for pieces in [&[stream.as_bytes()][..], &bytes] {
        let frames = parsed(&decode(pieces));
        let data: Vec<_> = frames
            .iter()
            .filter_map(|frame| frame.1.as_deref())
            .collect();
        assert_eq!(data, expect, "{stream:?}");
    }
}

#[test]
fn data_is_found() {
    check("data: a\n\ndata: b\n\n", &["a", "b"]);
    check("data:a\n\n", &["a"]);
    check("data:  a \n\n", &[" a "]);
    check("data: a\ndata: b\ndata\n\n", &["a\nb\n"]);
    check("data\n\n", &[""]);
    check("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]);
    check("data: a\rdata: b\r\rdata: c\r\r", &["a\nb", "c"]);
    check("data: a\r\ndata: b\n\rdata: c\n\n", &["a\nb", "c"]);
    check("\n\n\ndata: a\n\n\n", &["a"]);
    check(": hi\n\ndata: a\n: b\n\n", &["a"]);
    check("\u{FEFF}data: a\n\n\u{FEFF}data: b\n\n", &["a"]);
    check("datax: a\n data: b\nxdata: c\n\n", &[]);
    check("data: a:b\n\n", &["a:b"]);
}

#[test]
fn other_fields_are_found() {
    let frames = decode(&[
        b"event: e\nid: 7\nretry: 20\ndata: d\n\nevent:x\nevent:y\nretry:+1\nid:\0\n\n",
        b"id: 8\nid: \0\nretry: 5\nretry: x\n\n",
    ]);
    let some = |text: &str| Some(text.to_owned());
    let expect = [
        (some("e"), some("d"), some("7"), Some(20)),
        (some("y"), None, None, None),
        (None, None, some("8"), Some(5)),
    ];
    assert_eq!(parsed(&frames), expect);
}

#[test]
fn comments_and_blank_lines_are_told_apart() {
    let check = |frame: &str, comment: bool, empty: bool| {
        let frames = decode(&[frame.as_bytes()]);
        assert_eq!(frames.len(), 1, "{frame:?}");
        assert_eq!(
            (frames[0].is_comment(), frames[0].is_empty()),
            (comment, empty),
            "{frame:?}"
        );
    };
    check(": keep-alive\n\n", true, false);
    check(":\r\n\r\n", true, false);
    check(": a\n: b\n\n", true, false);
    check(": a\ndata: b\n\n", false, false);
    check("\n", false, true);
    check("\r\n", false, true);
}

#[test]
fn a_carriage_return_at_the_end_of_a_chunk_ends_its_frame() {
    let mut decoder = Decoder::new(100);
    decoder.push(Bytes::from_static(b"data: a\r\n\r"));
    let frame = decoder.next_frame().expect("short").expect("complete");
    assert_eq!(&frame.raw[..], b"data: a\r\n\r");
    decoder.push(Bytes::from_static(b"\ndata: b\r\n\r\n"));
    assert!(
        decoder
            .next_frame()
            .expect("short")
            .expect("the line feed")
            .is_empty()
    );
    let frame = decoder.next_frame().expect("short").expect("complete");
    assert_eq!(&frame.raw[..], b"data: b\r\n\r\n");
}

#[test]
fn frames_in_one_chunk_are_slices_of_it() {
    let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\n");
    let mut decoder = Decoder::new(100);
    decoder.push(chunk.clone());
    let first = decoder.next_frame().expect("short").expect("complete");
    let second = decoder.next_frame().expect("short").expect("complete");
    assert_eq!(first.raw.as_ptr(), chunk.as_ptr());
    assert_eq!(second.raw.as_ptr(), chunk[9..].as_ptr());
    assert_eq!(decoder.next_frame(), Ok(None));
}

#[test]
fn frames_are_bounded() {
    let too_long = Err(FrameTooLong { limit: 10 });
    for size in [1, 4, 100] {
        let mut decoder = Decoder::new(10);
        let mut results = Vec::new();
        for chunk in b"data: 12\n\ndata: 123\n\n".chunks(size) {
            decoder.push(Bytes::copy_from_slice(chunk));
            loop {
                let result = decoder.next_frame();
                let stop = !matches!(result, Ok(Some(_)));
                results.push(result.map(|frame| frame.map(|frame| frame.raw.len())));
                if stop {
                    break;
                }
            }
        }
        results.retain(|result| *result != Ok(None));
        assert_eq!(results[..2], [Ok(Some(10)), too_long.clone()], "{size}");
    }
}

#[test]
fn what_is_encoded_decodes() {
    assert_eq!(&encode(None, b"{}")[..], b"data: {}\n\n");
    assert_eq!(
        &encode(Some("e"), b"a\nb")[..],
        b"event: e\ndata: a\ndata: b\n\n"
    );
    assert_eq!(
        &encode(Some("e\ndata: x"), b"")[..],
        b"event: e\ndata: \n\n"
    );
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        lines in prop::collection::vec(
            ("(data|event|id|retry|:|)(: ?)?[a-z0-9:\u{FEFF} ]{0,8}", "(\n|\r|\r\n|\n\n|\r\r|\r\n\r\n)"),
            0..16
        ),
        mark: bool,
        cuts in cuts()
    ) {
        let mut stream = String::from(if mark { "\u{FEFF}" } else { "" });
        for (line, end) in lines {
            stream += &line;
            stream += &end;
        }
        let whole = decode(&[stream.as_bytes()]);
        let split = decode(&pieces(stream.as_bytes(), &cuts));
        prop_assert_eq!(parsed(&whole), parsed(&split));
    }

    #[test]
    fn encoding_keeps_data(data in "[a-z :\n]{0,30}", event in "[a-z]{1,5}") {
        let frames = decode(&[&encode(Some(&event), data.as_bytes())]);
        prop_assert_eq!(frames.len(), 1);
        prop_assert_eq!(frames[0].data().expect("data"), data.as_bytes());
        prop_assert_eq!(frames[0].event(), Some(event.as_bytes()));
    }

    #[test]
    fn arbitrary_bytes_come_through(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r')], 0..60),
        cuts in cuts()
    ) {
        decode(&pieces(&bytes, &cuts));
    }
}
