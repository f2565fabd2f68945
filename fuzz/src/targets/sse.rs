//! The codec of server-sent events: every split gives the events that the standard's own algorithm
//! finds, no byte is lost, and what is encoded decodes.

use crate::reference::sse::{Block, blocks};
use crate::split::{random, splits};
use bytes::Bytes;
use llm::sse::{DEFAULT_MAX_FRAME, Decoder, Frame, FrameTooLong, encode};

pub(crate) fn run(data: &[u8]) {
    let expected = blocks(data);
    for pieces in splits(data).into_iter().chain([vec![data]]) {
        let frames = decode(&pieces, DEFAULT_MAX_FRAME).expect("no frame is too long");
        assert_eq!(bytes_of(&frames), data, "bytes were lost");
        assert_eq!(parsed(&frames), expected, "in {} pieces", pieces.len());
        bounded(&pieces, &frames);
    }
    what_is_encoded_decodes(data);
}

fn decode(pieces: &[&[u8]], max_frame: usize) -> Result<Vec<Frame>, (Vec<Frame>, FrameTooLong)> {
    let mut decoder = Decoder::new(max_frame);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(too_long) => return Err((frames, too_long)),
            }
        }
    }
    frames.extend(decoder.finish());
    Ok(frames)
}

fn bytes_of(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.raw.to_vec()).collect()
}

fn parsed(frames: &[Frame]) -> Vec<Block> {
    let block = |frame: &Frame| Block {
        event: frame.event().map(<[u8]>::to_vec),
        data: frame.data().map(std::borrow::Cow::into_owned),
        id: frame.id().map(<[u8]>::to_vec),
        retry: frame.retry(),
        is_comment: frame.is_comment(),
    };
    let said = frames.iter().filter(|frame| !frame.is_empty());
    said.map(block).collect()
}

/// With a bound, the frames up to the first that exceeds it are the same.
fn bounded(pieces: &[&[u8]], all: &[Frame]) {
    let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
    let limit = random(&pieces.concat()).usize(..=bytes);
    let frames = match decode(pieces, limit) {
        Ok(frames) => {
            assert_eq!(frames.len(), all.len());
            frames
        }
        Err((frames, _)) => {
            let next = all.get(frames.len()).map(|frame| frame.raw.len());
            assert!(next.is_some_and(|len| len > limit), "{next:?} is refused");
            frames
        }
    };
    for (frame, same) in frames.iter().zip(all) {
        assert_eq!(frame, same);
        assert!(frame.raw.len() <= limit);
    }
}

fn what_is_encoded_decodes(data: &[u8]) {
    let name = String::from_utf8_lossy(data);
    let encoded = encode(Some(&name), data);
    let frames = decode(&[&encoded], DEFAULT_MAX_FRAME).expect("short");
    let frame = match frames.as_slice() {
        [frame] => frame,
        several => panic!("one event became {}: {encoded:?}", several.len()),
    };
    let first_line = name.split(['\r', '\n']).next().unwrap_or_default();
    assert_eq!(frame.event(), Some(first_line.as_bytes()));
    let with_line_feeds = String::from_utf8_lossy(data)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let decoded = frame.data().expect("an event has data");
    assert_eq!(String::from_utf8_lossy(&decoded), with_line_feeds);
}
