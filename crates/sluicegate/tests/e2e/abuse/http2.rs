//! HTTP/2 spoken frame by frame, as no library would.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::{CHAT, SHORT, Scene};
use crate::client::PATIENCE;
use crate::upstream::{Received, Step, answer, completion, piece, stream_head};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// A frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// A string of HPACK without Huffman coding (RFC 7541, section 5.2).
fn string(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.len();
    if rest < 127 {
        out.push(rest as u8);
    } else {
        out.push(127);
        rest -= 127;
        while rest >= 128 {
            out.push((rest % 128 + 128) as u8);
            rest /= 128;
        }
        out.push(rest as u8);
    }
    [&out, text].concat()
}

/// Fields as literals that leave the dynamic table alone (section 6.2.2).
fn fields(list: &[(&str, &str)]) -> Vec<u8> {
    let literal = |(name, value): &(&str, &str)| {
        [&[0], &*string(name.as_bytes()), &*string(value.as_bytes())].concat()
    };
    list.iter().flat_map(literal).collect()
}

const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/files"),
    (":authority", "x"),
];
const POST: [(&str, &str); 4] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/files"),
    (":authority", "x"),
];
const PROMPT: [(&str, &str); 4] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", CHAT),
    (":authority", "x"),
];

/// A connection; the other side's frames are read by [`Frames`].
struct H2(OwnedWriteHalf);

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
}

struct Frames(OwnedReadHalf);

impl H2 {
    async fn open(scene: &Scene, settings: &[(u16, u32)]) -> (Self, Frames) {
        let stream = TcpStream::connect(scene.address()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (read, write) = stream.into_split();
        let mut client = Self(write);
        assert!(client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await);
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        assert!(client.send(&frame(SETTINGS, 0, 0, &settings)).await);
        (client, Frames(read))
    }

    /// Whether the other side still takes bytes.
    async fn send(&mut self, bytes: &[u8]) -> bool {
        matches!(timeout(PATIENCE, self.0.write_all(bytes)).await, Ok(Ok(())))
    }
}

impl Frames {
    /// The next frame; `None` when the connection is over.
    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.read(&mut head).await?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.read(&mut payload).await?;
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
        })
    }

    async fn read(&mut self, bytes: &mut [u8]) -> Option<()> {
        let read = timeout(PATIENCE, self.0.read_exact(bytes)).await;
        read.expect("a frame or the end").ok().map(|_| ())
    }

    /// Reads until a frame that satisfies, or the end.
    async fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    /// Reads to the end and tells whether it was announced.
    async fn goodbye(&mut self) -> bool {
        let mut announced = false;
        while let Some(frame) = self.next().await {
            announced |= frame.kind == GOAWAY;
        }
        announced
    }
}

fn hangs(_: &Received) -> Vec<Step> {
    vec![Step::Hang]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_and_resets_leaves_nothing_behind() {
    let scene = Scene::start(SHORT, "", hangs).await;
    let body = br#"{"model":"x","messages":[]}"#;
    // At once, and with a pause in which the requests get going before they are reset.
    for pause in [None, Some(Duration::from_millis(1))] {
        let (mut client, mut frames) = H2::open(&scene, &[]).await;
        for index in 0..2000 {
            let stream = 2 * index + 1;
            let request = [
                frame(HEADERS, END_HEADERS, stream, &fields(&PROMPT)),
                frame(DATA, END_STREAM, stream, body),
            ]
            .concat();
            let reset = frame(RST_STREAM, 0, stream, &8u32.to_be_bytes());
            let taken = match pause.filter(|_| index % 10 == 0) {
                None => client.send(&[request, reset].concat()).await,
                Some(pause) => {
                    let taken = client.send(&request).await;
                    tokio::time::sleep(pause).await;
                    taken && client.send(&reset).await
                }
            };
            if !taken {
                break;
            }
        }
        drop(client);
        while frames.next().await.is_some() {}
    }
    super::nothing_in_flight_but_the_bystander(&scene).await;
    scene.unharmed(48).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_the_client_makes_us_reset_end_the_connection() {
    let scene = Scene::start(SHORT, "", hangs).await;
    let (mut client, mut frames) = H2::open(&scene, &[]).await;
    for index in 0..5000 {
        let stream = 2 * index + 1;
        let request = frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields(&GET));
        // An increment of zero is an error of the stream, which we reset.
        let error = frame(WINDOW_UPDATE, 0, stream, &[0; 4]);
        if !client.send(&[request, error].concat()).await {
            break;
        }
    }
    assert!(frames.goodbye().await, "nobody put an end to it");
    super::nothing_in_flight_but_the_bystander(&scene).await;
    scene.unharmed(48).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_is_cut_off() {
    let scene = Scene::start(SHORT, "", |_| completion("x")).await;
    let large = fields(&[("x-large", &"y".repeat(16_000))]);
    for piece in [large, Vec::new(), fields(&[("a", "b")])] {
        let (mut client, mut frames) = H2::open(&scene, &[]).await;
        client.send(&frame(HEADERS, 0, 1, &fields(&GET))).await;
        let flood = frame(CONTINUATION, 0, 1, &piece).repeat(100);
        let flooding = tokio::spawn(async move {
            let mut floods = 0;
            while floods < 1000 && client.send(&flood).await {
                floods += 1;
            }
        });
        assert!(
            frames.goodbye().await,
            "{} bytes each without end",
            piece.len()
        );
        flooding.abort();
    }
    assert_eq!(scene.target.count(), 0);
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_unfolds_to_megabytes_is_refused_and_others_go_on() {
    let scene = Scene::start(SHORT, "", |_| completion("x")).await;
    let (mut client, mut frames) = H2::open(&scene, &[]).await;
    // Put 4,000 bytes into the dynamic table once, and name them by one byte again and again.
    let entry = [
        &[0x40],
        &*string(b"x-bomb"),
        &*string("y".repeat(4000).as_bytes()),
    ]
    .concat();
    let bomb = |count| [fields(&GET), entry.clone(), vec![0x80 | 62; count]].concat();
    // Somewhat over the limit, the request is refused.
    client
        .send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb(30)))
        .await;
    let refused = frames.until(|frame| frame.stream == 1).await.unwrap();
    assert!(
        [RST_STREAM, HEADERS].contains(&refused.kind),
        "{}",
        refused.kind
    );
    assert_eq!(scene.target.count(), 0);
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 3, &fields(&GET));
    client.send(&request).await;
    let answered = frames.until(|frame| frame.stream == 3).await.unwrap();
    assert_eq!((answered.kind, scene.target.count()), (HEADERS, 1));
    // Forty megabytes are no mistake any more: the connection ends.
    client
        .send(&frame(HEADERS, END_HEADERS | END_STREAM, 5, &bomb(10_000)))
        .await;
    assert!(frames.goodbye().await);
    assert_eq!(scene.target.count(), 1);
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_control_frames_cost_nothing() {
    let scene = Scene::start(SHORT, "", hangs).await;
    for flood in [
        frame(PING, 0, 0, b"12345678"),
        frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]),
        frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes()),
        frame(2, 0, 1, &[0, 0, 0, 0, 9]), // PRIORITY
        frame(0x7f, 0, 0, &[0; 1000]),    // of no kind that is known
    ] {
        // The answers are not read, so that they would have to be kept.
        let (mut client, _frames) = H2::open(&scene, &[]).await;
        let flood = flood.repeat(1000);
        for _ in 0..50 {
            let sending = timeout(Duration::from_millis(500), client.0.write_all(&flood));
            if !matches!(sending.await, Ok(Ok(()))) {
                break;
            }
        }
    }
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_frames_are_no_progress_of_a_body() {
    let scene = Scene::start(SHORT, "", hangs).await;
    let (mut client, mut frames) = H2::open(&scene, &[]).await;
    client
        .send(&frame(HEADERS, END_HEADERS, 1, &fields(&PROMPT)))
        .await;
    let reading = tokio::spawn(async move {
        frames
            .until(|frame| frame.kind == GOAWAY || (frame.stream == 1 && frame.kind == HEADERS))
            .await
    });
    let begun = std::time::Instant::now();
    while !reading.is_finished() {
        let late = begun.elapsed() > Duration::from_secs(10);
        assert!(!late, "empty frames keep a request alive for ever");
        if !client.send(&frame(DATA, 0, 1, b"").repeat(10)).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    scene.unharmed(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_given_no_window_are_reset() {
    const COUNT: u32 = 100;
    let text = "x".repeat(60_000);
    let scene = Scene::start(SHORT, "", move |_| {
        let pieces = (0..100).map(|_| piece(&text));
        std::iter::once(stream_head()).chain(pieces).collect()
    })
    .await;
    // No window for any stream; none for the connection as a whole beyond the first 65,535 bytes.
    for settings in [&[(4, 0)][..], &[(4, 1 << 30)]] {
        let (mut client, mut frames) = H2::open(&scene, settings).await;
        for index in 0..COUNT {
            let stream = 2 * index + 1;
            let request = frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields(&GET));
            client.send(&request).await;
        }
        let mut reset = 0;
        while reset < COUNT {
            match frames.next().await {
                Some(Frame {
                    kind: RST_STREAM, ..
                }) => reset += 1,
                Some(Frame {
                    kind: SETTINGS,
                    flags,
                    ..
                }) if flags & ACK == 0 => {
                    client.send(&frame(SETTINGS, ACK, 0, b"")).await;
                }
                Some(_) => {}
                None => break,
            }
        }
    }
    super::nothing_in_flight_but_the_bystander(&scene).await;
    scene.unharmed(u64::from(COUNT) * 512 / 1024).await;
}

/// What HTTP/2 can say and HTTP/1.1 would read otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_smuggled_from_http2_to_an_http1_upstream() {
    let scene = Scene::start(SHORT, "", |request| {
        answer("200 OK", "text/plain", &request.text())
    })
    .await;
    let line = "GET /files/smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    let path = format!("/files HTTP/1.1\r\nhost: x\r\n\r\n{line}");
    let method = format!("GET /files HTTP/1.1\r\nhost: x\r\n\r\n{line}GET");
    let value = format!("1\r\n\r\n{line}");
    let chunked = format!("0\r\n\r\n{line}");
    let more = |list: &[(&str, &str)]| fields(&[&POST, list].concat());
    let other = |at: usize, value: &str| {
        let mut list = POST;
        list[at].1 = value;
        fields(&list)
    };
    let heads = [
        more(&[("transfer-encoding", "chunked")]),
        more(&[("transfer-encoding", "chunked"), ("content-length", "4")]),
        more(&[("content-length", "4")]),
        more(&[("content-length", "1000")]),
        more(&[("content-length", "4"), ("content-length", "5")]),
        more(&[("content-length", "+4")]),
        more(&[("x-a", &value)]),
        more(&[("x-a\r\ntransfer-encoding", "chunked")]),
        more(&[("x-a: 1\r\nx-b", "2")]),
        more(&[("x a", "1")]),
        more(&[("Transfer-Encoding", "chunked")]),
        more(&[("connection", "close")]),
        more(&[("upgrade", "websocket")]),
        more(&[("te", "gzip")]),
        more(&[("host", "y")]),
        more(&[(":path", "/files/smuggled")]),
        more(&[(":unknown", "1")]),
        other(0, &method),
        other(0, "CONNECT"),
        other(1, "http://y/files/smuggled?"),
        other(2, &path),
        other(2, "files/smuggled"),
        other(2, ""),
        other(2, "*"),
        other(3, &format!("x\r\n\r\n{line}")),
        other(3, "y@x"),
        other(3, "x/files/smuggled"),
    ];
    for head in heads {
        let shown = String::from_utf8_lossy(&head).into_owned();
        let before = scene.target.count();
        let (mut client, mut frames) = H2::open(&scene, &[]).await;
        client.send(&frame(HEADERS, END_HEADERS, 1, &head)).await;
        client
            .send(&frame(DATA, END_STREAM, 1, chunked.as_bytes()))
            .await;
        let ended = frames.until(|frame| {
            frame.kind == GOAWAY
                || (frame.stream == 1 && [HEADERS, RST_STREAM].contains(&frame.kind))
        });
        ended.await;
        drop(client);
        for request in scene.target.requests().split_off(before) {
            assert!(!request.line.contains("smuggled"), "{shown:?}: {request:?}");
            assert!(
                !request.whole || request.body == chunked.as_bytes(),
                "{shown:?}: {request:?}"
            );
            let framed = request.header("content-length").is_some();
            let chunks = request.header("transfer-encoding").is_some();
            assert!(framed != chunks, "{shown:?}: {request:?}");
        }
    }
    let plain = more(&[("content-length", &chunked.len().to_string())]);
    let before = scene.target.count();
    let (mut client, mut frames) = H2::open(&scene, &[]).await;
    client.send(&frame(HEADERS, END_HEADERS, 1, &plain)).await;
    client
        .send(&frame(DATA, END_STREAM, 1, chunked.as_bytes()))
        .await;
    frames
        .until(|frame| frame.stream == 1 && frame.flags & END_STREAM > 0)
        .await
        .unwrap();
    let reached = scene.target.requests().split_off(before);
    assert_eq!((reached.len(), reached[0].text()), (1, chunked));
    scene.unharmed(16).await;
}
