use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use proptest::prelude::*;
use tokio::io::{AsyncRead, ReadBuf};

use super::{Arriving, Next, PIECE, READ};
use crate::http1::BodyReader;

/// A connection whose bytes come in segments: a read takes from one only.
struct Segments {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    at: usize,
    reads: usize,
    /// Where it has last let a reader wait.
    paused: usize,
}

impl Segments {
    fn new(lengths: &[usize]) -> Self {
        let sums = lengths.iter().scan(0, |sum, length| {
            *sum += length;
            Some(*sum)
        });
        let ends: Vec<_> = sums.collect();
        let len = ends.last().copied().unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "bytes that differ")]
        let bytes = (0..len).map(|at| (at / 251 + at) as u8).collect();
        Self {
            bytes,
            ends,
            at: 0,
            reads: 0,
            paused: 0,
        }
    }
}

impl AsyncRead for Segments {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ends.contains(&self.at) && self.paused < self.at {
            self.paused = self.at;
            return Poll::Pending;
        }
        let end = self.ends.iter().find(|end| **end > self.at);
        let end = end.copied().unwrap_or(self.at);
        let now = buf.remaining().min(end - self.at);
        buf.put_slice(&self.bytes[self.at..self.at + now]);
        self.at += now;
        self.reads += 1;
        Poll::Ready(Ok(()))
    }
}

/// The pieces of a body of `length` bytes, and what was read behind it.
fn read(io: &mut Segments, length: usize) -> (Vec<Bytes>, Bytes) {
    let mut body = Arriving::new(Bytes::new(), BodyReader::length(length as u64));
    let (mut pieces, mut behind) = (Vec::new(), Bytes::new());
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        let left = length - pieces.iter().map(Bytes::len).sum::<usize>();
        assert_eq!(body.size_hint().exact(), Some(left as u64));
        match body.next() {
            Next::Frame(frame) => pieces.push(frame.into_data().unwrap()),
            Next::End => return (pieces, behind),
            Next::Malformed(malformed) => panic!("{malformed}"),
            Next::More => {
                let read = body.poll_read_to_keep(io, &mut behind, &mut cx);
                assert!(
                    matches!(read, Poll::Pending | Poll::Ready(Ok(true))),
                    "{read:?}"
                );
            }
        }
    }
}

/// A sender may choose where its segments end: it must not make what follows be read in small parts.
#[test]
fn what_came_first_does_not_decide_how_the_rest_is_read() {
    for first in [1, READ - 1, READ, 2 * READ - 1, 2 * READ + 1, 65_535] {
        let mut io = Segments::new(&[first, 4 << 20]);
        let (pieces, _) = read(&mut io, first + (4 << 20));
        assert_eq!(pieces.concat(), io.bytes);
        assert!(io.reads <= 1 + 32 + 2, "{} reads after {first}", io.reads);
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE));
        assert!(pieces.len() <= 1 + 128 + 2, "{} pieces", pieces.len());
    }
}

#[test]
fn a_body_that_breaks_off_ends_there() {
    let mut io = Segments::new(&[100_000]);
    let mut body = Arriving::new(Bytes::new(), BodyReader::length(300_000));
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = || {
        let read = body.poll_read_to_keep(&mut io, &mut Bytes::new(), &mut cx);
        while let Next::Frame(_) = body.next() {}
        read
    };
    assert!(matches!(read(), Poll::Ready(Ok(true))));
    assert!(matches!(read(), Poll::Pending));
    assert!(matches!(read(), Poll::Ready(Ok(false))));
    assert!(!body.is_whole());
}

proptest! {
    #[test]
    fn a_body_is_what_came_up_to_its_end(
        segments in prop::collection::vec(1..300_000_usize, 1..6),
        behind in 0..70_000_usize,
    ) {
        let mut io = Segments::new(&segments);
        let length = io.bytes.len().saturating_sub(behind);
        let (pieces, behind) = read(&mut io, length);
        prop_assert_eq!(pieces.concat(), &io.bytes[..length]);
        prop_assert_eq!(behind, &io.bytes[length..io.at]);
        prop_assert!(io.at - length < READ, "much is read ahead");
    }
}
