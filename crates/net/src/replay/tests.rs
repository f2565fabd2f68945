use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use proptest::prelude::*;
use tokio::sync::mpsc;

use super::record::Record;
use super::{CollectError, Patch, Replay, ReplayBody, ReplayConfig, ReplayError, SpillConfig};
use crate::body::BodyError;
use crate::budget::{BodyBudget, Exhausted};
use crate::tasks::Tasks;

/// A request body fed by the test.
struct Fed {
    frames: mpsc::UnboundedReceiver<io::Result<Frame<Bytes>>>,
    len: Option<u64>,
}

type Feeder = mpsc::UnboundedSender<io::Result<Frame<Bytes>>>;

fn fed(len: Option<u64>) -> (Feeder, Fed) {
    let (feeder, frames) = mpsc::unbounded_channel();
    (feeder, Fed { frames, len })
}

fn fed_with(chunks: &[&[u8]]) -> Fed {
    let (feeder, body) = fed(None);
    for chunk in chunks {
        feeder
            .send(Ok(Frame::data(Bytes::copy_from_slice(chunk))))
            .unwrap();
    }
    body
}

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.frames.poll_recv(cx)
    }

    fn size_hint(&self) -> SizeHint {
        self.len
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn config(memory_threshold: u64, disk: Option<u64>) -> Arc<ReplayConfig> {
    let spill = disk.map(|bytes| SpillConfig {
        directory: std::env::temp_dir(),
        budget: BodyBudget::new(bytes),
    });
    Arc::new(ReplayConfig {
        memory_threshold,
        spill,
        ..ReplayConfig::default()
    })
}

fn in_memory() -> Arc<ReplayConfig> {
    config(1 << 20, None)
}

async fn read(body: ReplayBody) -> Result<Bytes, BodyError> {
    Ok(body.collect().await?.to_bytes())
}

async fn record(replay: &Replay) -> Result<(), ReplayError> {
    replay
        .collect(|_| Ok::<(), Infallible>(()))
        .await
        .map_err(|error| match error {
            CollectError::Body(error) => error,
            CollectError::Observer(never) => match never {},
        })
}

/// Doubles every byte of the value `of`, holding back the last piece until the next.
struct Doubling {
    of: u8,
    held: Option<Bytes>,
    delta: i64,
}

impl Patch for Doubling {
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) {
        let doubled: Vec<u8> = double(&chunk, self.of);
        out.extend(self.held.replace(doubled.into()));
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) {
        out.extend(self.held.take());
        out.push(Bytes::from_static(b"!"));
    }

    fn len_delta(&self) -> i64 {
        self.delta
    }
}

fn double(bytes: &[u8], of: u8) -> Vec<u8> {
    bytes
        .iter()
        .flat_map(|b| std::iter::repeat_n(*b, if *b == of { 2 } else { 1 }))
        .collect()
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_attempt_has_the_same_bytes(
        chunks in prop::collection::vec(prop::collection::vec(0u8..4, 0..6000), 0..24),
        threshold in 0u64..40_000,
        memory in 0u64..60_000,
        before in any::<bool>(),
        attempts in 1usize..4,
    ) {
        let all = chunks.concat();
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let budget = BodyBudget::new(memory);
        run(async {
            let config = config(threshold, Some(1 << 30));
            let replay = Replay::new(fed_with(&chunks), &budget, config.clone());
            if before {
                let mut seen = Vec::new();
                replay.collect(|chunk| { seen.extend_from_slice(chunk); Ok::<_, Infallible>(()) }).await.unwrap();
                assert_eq!(seen, all);
            }
            for attempt in 0..attempts {
                assert_eq!(read(replay.body(None)).await.unwrap(), all, "attempt {attempt}");
                let delta = i64::try_from(double(&all, 1).len() - all.len() + 1).unwrap();
                let patched = replay.body(Some(Box::new(Doubling { of: 1, held: None, delta })));
                let expect = [double(&all, 1), vec![b'!']].concat();
                assert_eq!(patched.size_hint().exact(), Some(expect.len() as u64));
                assert_eq!(read(patched).await.unwrap(), expect);
            }
            let copies = BodyBudget::new(1 << 20);
            let mut room = copies.reservation();
            assert_eq!(replay.to_bytes(&mut room).await.unwrap(), all);
            assert!([0, all.len() as u64].contains(&copies.used()));
            assert_eq!(replay.len(), Some(all.len() as u64));
            assert!(budget.used() <= memory);
            drop(replay);
            assert_eq!(config.spill.as_ref().unwrap().budget.used(), 0);
        });
        prop_assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_record_reads_as_what_was_pushed(
        chunks in prop::collection::vec(1usize..9000, 1..40),
        forget in 0u64..200_000,
    ) {
        let mut record = Record::default();
        let mut all = Vec::new();
        for (i, len) in chunks.into_iter().enumerate() {
            let chunk = vec![i as u8; len];
            all.extend_from_slice(&chunk);
            record.push(chunk.into());
        }
        let forgotten = record.forget_before(forget);
        prop_assert_eq!(record.start(), forgotten);
        prop_assert!(forgotten <= forget);
        prop_assert_eq!(record.end(), all.len() as u64);
        let mut position = record.start();
        while let Some(bytes) = record.read(position) {
            let from = position as usize;
            prop_assert_eq!(&bytes[..], &all[from..from + bytes.len()]);
            position += bytes.len() as u64;
        }
        prop_assert_eq!(position, record.end());
    }
}

#[test]
fn a_body_of_single_bytes_is_kept_in_blocks() {
    let mut record = Record::default();
    let buffer = Bytes::from(vec![7; 400_000]);
    for i in 0..buffer.len() {
        record.push(buffer.slice(i..=i));
    }
    assert_eq!(record.len(), 400_000);
    assert!(
        record.pieces().len() <= 8,
        "{} pieces",
        record.pieces().len()
    );
}

#[test]
fn joined_pieces_keep_no_more_memory_than_they_have_bytes() {
    let mut record = Record::default();
    for _ in 0..20 {
        for length in [1000, 1000, 1000, 1000, 1000, 4096] {
            record.push(vec![7; length].into());
        }
    }
    let pieces = record.pieces();
    drop(record);
    let capacities = pieces.into_iter().map(|piece| {
        let piece = piece.try_into_mut().expect("the only handle");
        piece.capacity()
    });
    assert_eq!(capacities.sum::<usize>(), 20 * 9096);
}

#[test]
fn a_piece_that_comes_whole_is_not_copied() {
    let chunk = Bytes::from(vec![1; 300]);
    let body = Full::new(chunk.clone());
    let replay = Replay::new(body, &BodyBudget::new(1000), in_memory());
    let copies = BodyBudget::new(0);
    let bytes = run(replay.to_bytes(&mut copies.reservation())).unwrap();
    assert_eq!(bytes.as_ptr(), chunk.as_ptr());
}

#[tokio::test]
async fn a_copy_of_a_body_takes_its_room() {
    let check = |known: bool, memory: u64, expect: Result<usize, Exhausted>| async move {
        let body = fed_with(&[&[0; 5000], &[0; 5000], &[0; 5000]]);
        let replay = Replay::new(body, &BodyBudget::new(1 << 20), in_memory());
        if known {
            record(&replay).await.unwrap();
        }
        let copies = BodyBudget::new(memory);
        let mut room = copies.reservation();
        match replay.to_bytes(&mut room).await {
            Ok(bytes) => assert_eq!(Ok(bytes.len()), expect),
            Err(ReplayError::Exhausted(level)) => assert_eq!(Err(level), expect),
            Err(error) => panic!("{error}"),
        }
        assert_eq!(room.bytes(), copies.used());
        assert_eq!(expect.is_ok(), copies.used() >= 15_000);
    };
    check(true, 15_000, Ok(15_000)).await;
    check(true, 14_999, Err(Exhausted::Own)).await;
    check(false, 15_000, Ok(15_000)).await;
    check(false, 14_999, Err(Exhausted::Own)).await;
}

#[tokio::test]
async fn an_attempt_streams_while_the_client_still_sends() {
    let (feeder, source) = fed(None);
    let replay = Replay::new(source, &BodyBudget::new(1000), in_memory());
    let mut first = replay.body(None);
    feeder.send(Ok(Frame::data("one".into()))).unwrap();
    assert_eq!(
        first.frame().await.unwrap().unwrap().into_data().unwrap(),
        "one"
    );
    drop(first);
    let mut second = replay.body(None);
    assert_eq!(second.size_hint().exact(), None);
    assert_eq!(
        second.frame().await.unwrap().unwrap().into_data().unwrap(),
        "one"
    );
    feeder.send(Ok(Frame::data("two".into()))).unwrap();
    assert_eq!(
        second.frame().await.unwrap().unwrap().into_data().unwrap(),
        "two"
    );
    drop(feeder);
    assert!(second.frame().await.is_none());
    assert_eq!(read(replay.body(None)).await.unwrap(), "onetwo");
}

#[tokio::test]
async fn a_reader_goes_on_when_the_one_that_polled_the_source_is_aborted() {
    let (feeder, source) = fed(None);
    let replay = Replay::new(source, &BodyBudget::new(1000), in_memory());
    let tasks = Tasks::new();
    let survivor = tasks.spawn("survivor", read(replay.body(None)));
    tokio::task::yield_now().await;
    let aborted = tasks.spawn("aborted", read(replay.body(None)));
    tokio::task::yield_now().await;
    aborted.abort();
    let _ = aborted.await;
    feeder.send(Ok(Frame::data("late".into()))).unwrap();
    drop(feeder);
    let survivor = tokio::time::timeout(Duration::from_secs(10), survivor)
        .await
        .expect("hangs");
    assert_eq!(survivor.unwrap().unwrap(), "late");
}

#[tokio::test]
async fn two_attempts_at_once_both_get_everything() {
    let (feeder, source) = fed(None);
    let config = config(100, Some(1 << 20));
    let replay = Replay::new(source, &BodyBudget::new(1 << 20), config);
    let tasks = Tasks::new();
    let readers = [(); 2].map(|()| tasks.spawn("reader", read(replay.body(None))));
    for i in 0..50u8 {
        feeder.send(Ok(Frame::data(vec![i; 5000].into()))).unwrap();
        tokio::task::yield_now().await;
    }
    drop(feeder);
    for reader in readers {
        assert_eq!(reader.await.unwrap().unwrap().len(), 250_000);
    }
}

#[tokio::test]
async fn trailers_come_with_each_attempt() {
    let (feeder, source) = fed(None);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "9".parse().unwrap());
    feeder.send(Ok(Frame::data("body".into()))).unwrap();
    feeder.send(Ok(Frame::trailers(trailers.clone()))).unwrap();
    let replay = Replay::new(source, &BodyBudget::new(1000), in_memory());
    for _ in 0..2 {
        let body = replay.body(None).collect().await.unwrap();
        assert_eq!(body.trailers(), Some(&trailers));
    }
}

#[tokio::test]
async fn no_body_is_known_to_be_none() {
    let replay = Replay::new(Empty::<Bytes>::new(), &BodyBudget::new(0), in_memory());
    let body = replay.body(None);
    assert!(replay.is_empty() && body.is_end_stream() && body.size_hint().exact() == Some(0));
}

#[tokio::test]
async fn the_end_is_seen_with_the_last_piece_of_a_collected_body() {
    let replay = Replay::new(fed_with(&[b"abc"]), &BodyBudget::new(1000), in_memory());
    record(&replay).await.unwrap();
    let mut body = replay.body(None);
    assert_eq!(body.size_hint().exact(), Some(3));
    body.frame().await.unwrap().unwrap();
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn a_released_body_is_let_go_as_it_is_read() {
    let (feeder, source) = fed(None);
    let budget = BodyBudget::new(1 << 20);
    let replay = Replay::new(source, &budget, in_memory());
    let mut body = replay.body(None);
    for _ in 0..3 {
        feeder.send(Ok(Frame::data(vec![1; 5000].into()))).unwrap();
        body.frame().await.unwrap().unwrap();
    }
    let mut late = replay.body(None);
    late.frame().await.unwrap().unwrap();
    assert_eq!(budget.used(), 15_000);
    replay.release();
    assert_eq!(
        budget.used(),
        10_000,
        "the slower attempt has read one piece"
    );
    drop(late);
    assert_eq!(budget.used(), 0);
    feeder.send(Ok(Frame::data(vec![2; 5000].into()))).unwrap();
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        vec![2; 5000]
    );
    assert_eq!(budget.used(), 0);
    let late = read(replay.body(None)).await;
    assert!(
        matches!(late, Err(BodyError::Request(ReplayError::Released))),
        "{late:?}"
    );
    drop(body);
    assert!(feeder.is_closed(), "nobody needs the rest");
}

#[tokio::test]
async fn a_spilled_body_gives_back_memory_and_then_the_file() {
    let config = config(10_000, Some(100_000));
    let disk = config.spill.as_ref().unwrap().budget.clone();
    let budget = BodyBudget::new(1 << 20);
    let chunk = vec![3; 6000];
    let replay = Replay::new(fed_with(&[&chunk, &chunk, &chunk]), &budget, config);
    record(&replay).await.unwrap();
    assert_eq!((disk.used(), budget.used()), (12_000, 6000));
    let body = replay.body(None);
    replay.release();
    assert_eq!(disk.used(), 12_000);
    assert_eq!(read(body).await.unwrap(), vec![3; 18_000]);
    assert_eq!((disk.used(), budget.used()), (0, 0));
}

#[tokio::test]
async fn where_there_is_no_room_the_body_ends() {
    let check = |memory, disk, expect: Option<Exhausted>| async move {
        let process = BodyBudget::new(memory);
        let replay = Replay::new(
            fed_with(&[&[0; 5000], &[0; 5000], &[0; 5000]]),
            &process.child(12_000),
            config(100_000, disk),
        );
        let outcome = record(&replay).await;
        match (outcome, expect) {
            (Ok(()), None) => assert_eq!(read(replay.body(None)).await.unwrap().len(), 15_000),
            (Err(ReplayError::Exhausted(level)), Some(expect)) => assert_eq!(level, expect),
            (outcome, _) => panic!("memory {memory}, disk {disk:?}: {outcome:?}"),
        }
    };
    check(100_000, None, Some(Exhausted::Own)).await;
    check(9000, None, Some(Exhausted::Shared)).await;
    check(9000, Some(100_000), None).await;
    check(9000, Some(9000), Some(Exhausted::Shared)).await;
    check(0, Some(15_000), None).await;
}

#[tokio::test]
async fn a_full_disk_budget_does_not_matter_while_memory_lasts() {
    let budget = BodyBudget::new(1 << 20);
    let replay = Replay::new(
        fed_with(&[&[0; 9000][..]; 3]),
        &budget,
        config(10_000, Some(0)),
    );
    record(&replay).await.unwrap();
    assert_eq!(budget.used(), 27_000);
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_told() {
    let spill = Some(SpillConfig {
        directory: "/nonexistent/sluicegate".into(),
        budget: BodyBudget::new(1 << 20),
    });
    let config = Arc::new(ReplayConfig {
        memory_threshold: 0,
        spill,
        ..ReplayConfig::default()
    });
    let replay = Replay::new(fed_with(&[b"x"]), &BodyBudget::new(1000), config);
    let outcome = record(&replay).await;
    assert!(matches!(outcome, Err(ReplayError::Spill(_))), "{outcome:?}");
}

#[tokio::test]
async fn too_long_is_refused_at_the_announcement_or_when_it_shows() {
    let config = Arc::new(ReplayConfig {
        max_len: 10,
        ..ReplayConfig::default()
    });
    let check = |len, chunks: Vec<&'static [u8]>, fits: bool| {
        let config = config.clone();
        async move {
            let source = Fed {
                len,
                ..fed_with(&chunks)
            };
            let replay = Replay::new(source, &BodyBudget::new(1000), config);
            match record(&replay).await {
                Ok(()) => assert!(fits),
                Err(ReplayError::TooLarge { limit: 10 }) => assert!(!fits),
                Err(other) => panic!("{other:?}"),
            }
        }
    };
    check(Some(11), vec![], false).await;
    check(None, vec![b"01234", b"56789"], true).await;
    check(None, vec![b"01234", b"567890"], false).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_may_be_slow_but_not_still() {
    let timeout = Duration::from_secs(30);
    let (feeder, source) = fed(None);
    let replay = Replay::new(source, &BodyBudget::new(1000), in_memory());
    let tasks = Tasks::new();
    let reading = tasks.spawn("reading", read(replay.body(None)));
    for _ in 0..4 {
        tokio::time::sleep(timeout - Duration::from_secs(1)).await;
        feeder.send(Ok(Frame::data("x".into()))).unwrap();
    }
    assert!(!reading.is_finished());
    let outcome = reading.await.unwrap();
    assert!(
        matches!(outcome, Err(BodyError::Request(ReplayError::IdleTimeout { after })) if after == timeout),
        "{outcome:?}"
    );
    assert!(
        read(replay.body(None)).await.is_err(),
        "later attempts are told the same"
    );
}

#[tokio::test]
async fn a_client_that_breaks_off_fails_the_attempt() {
    let (feeder, source) = fed(None);
    feeder.send(Ok(Frame::data("half".into()))).unwrap();
    feeder
        .send(Err(io::ErrorKind::ConnectionReset.into()))
        .unwrap();
    let replay = Replay::new(source, &BodyBudget::new(1000), in_memory());
    let mut body = replay.body(None);
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "half"
    );
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(
        matches!(error, BodyError::Request(ReplayError::Client(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_observer_ends_the_reading() {
    let replay = Replay::new(fed_with(&[b"a", b"b"]), &BodyBudget::new(1000), in_memory());
    let outcome = replay
        .collect(|chunk| if chunk == "b" { Err("seen") } else { Ok(()) })
        .await;
    assert!(matches!(outcome, Err(CollectError::Observer("seen"))));
}

#[tokio::test]
async fn a_waker_is_kept_once_however_often_a_reader_polls() {
    let (_feeder, source) = fed(None);
    let replay = Replay::new(source, &BodyBudget::new(1000), in_memory());
    let mut body = replay.body(None);
    poll_fn(|cx| {
        for _ in 0..100 {
            assert!(Pin::new(&mut body).poll_frame(cx).is_pending());
        }
        Poll::Ready(())
    })
    .await;
    assert_eq!(replay.recording.waiting(), 1);
}
