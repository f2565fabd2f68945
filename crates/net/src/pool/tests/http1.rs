use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use http::StatusCode;
use http_body::Body as _;
use tokio::sync::{Notify, mpsc};
use tokio::task::coop;

use super::super::{SendError, SendErrorKind, Sent, upgrade};
use super::*;
use crate::body::BodyError;

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let check = |answer: &'static str, expect: &'static str, connects: u64| async move {
        let tasks = Tasks::new();
        let address = raw(&tasks, move |_, tcp| answer_all(tcp, answer)).await;
        let (pool, target) = (pool(), plain(address, Protocol::Auto));
        for _ in 0..3 {
            let response = send(&pool, &target, get("/")).await.unwrap();
            assert_eq!(text(response).await, expect, "{answer}");
        }
        assert_eq!(pool.stats().connects, connects, "{answer}");
        assert_eq!(pool.stats().reuses, 3 - connects, "{answer}");
        tasks.abort_all();
    };
    check(HELLO, "hello", 1).await;
    check("HTTP/1.1 204 No Content\r\n\r\n", "", 1).await;
    check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", 1).await;
    check(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "hi",
        1,
    )
    .await;
    check(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "",
        1,
    )
    .await;
    check(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
        "hi",
        3,
    )
    .await;
}

#[tokio::test]
async fn a_body_read_only_to_its_announced_end_gives_the_connection_back() {
    let tasks = Tasks::new();
    let address = raw(&tasks, |_, tcp| answer_all(tcp, HELLO)).await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    let mut body = send(&pool, &target, get("/")).await.unwrap().into_body();
    assert_eq!(body.size_hint().exact(), Some(5));
    assert_eq!(pool.stats().idle, 0);
    within(body.frame()).await.unwrap().unwrap();
    assert!(body.is_end_stream());
    assert_eq!(
        pool.stats().idle,
        1,
        "as hyper's server does, nobody polls to the end"
    );
}

#[tokio::test]
async fn trailers_pass() {
    let answer = "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
                  1\r\na\r\n0\r\nx-sum: 9\r\n\r\n";
    let tasks = Tasks::new();
    let address = raw(&tasks, move |_, tcp| answer_all(tcp, answer)).await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    let response = send(&pool, &target, get("/")).await.unwrap();
    let body = within(response.into_body().collect()).await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-sum"], "9");
    assert_eq!(pool.stats().idle, 1);
}

#[tokio::test]
async fn requests_take_the_form_of_the_wire() {
    let tasks = Tasks::new();
    let (heads, mut seen) = mpsc::unbounded_channel();
    let address = raw(&tasks, move |_, mut tcp| {
        let heads = heads.clone();
        async move {
            while let Some(head) = head(&mut tcp).await {
                heads.send(head).unwrap();
                tcp.write_all(HELLO.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    let here = address.to_string();
    let mut check = async |uri: &str, host: Option<&str>, line: &str, expect: &str| {
        let mut request = Request::get(uri).version(http::Version::HTTP_2);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        text(
            send(&pool, &target, request.body(Body::Empty).unwrap())
                .await
                .unwrap(),
        )
        .await;
        let head = seen.recv().await.unwrap();
        assert!(
            head.starts_with(&format!("GET {line} HTTP/1.1\r\n")),
            "{head}"
        );
        assert_eq!(head.matches("host:").count(), 1, "{head}");
        assert!(head.contains(&format!("host: {expect}\r\n")), "{head}");
    };
    check("/a?b=c", Some("own"), "/a?b=c", "own").await;
    check("/a", None, "/a", &here).await;
    check("http://there:1/a?b", None, "/a?b", "there:1").await;
    check("http://there", Some("own"), "/", "own").await;
}

#[tokio::test]
async fn dropping_a_response_closes_its_connection() {
    let tasks = Tasks::new();
    let closed = Arc::new(Notify::new());
    let heard = closed.clone();
    let address = raw(&tasks, move |_, mut tcp| {
        let closed = closed.clone();
        async move {
            let asked = head(&mut tcp).await.unwrap();
            if asked.starts_with("GET /stream") {
                let start = "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhello";
                tcp.write_all(start.as_bytes()).await.unwrap();
            }
            assert_eq!(head(&mut tcp).await, None);
            closed.notify_one();
        }
    })
    .await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    let mut body = send(&pool, &target, get("/stream"))
        .await
        .unwrap()
        .into_body();
    within(body.frame()).await.unwrap().unwrap();
    drop(body);
    within(heard.notified()).await;

    let mut silent = Box::pin(pool.send(&target, get("/silent"), PATIENCE));
    let pause = Duration::from_millis(20);
    assert!(tokio::time::timeout(pause, &mut silent).await.is_err());
    drop(silent);
    within(heard.notified()).await;
    assert_eq!(pool.stats().open, 0);
}

#[tokio::test]
async fn a_failure_tells_what_the_upstream_may_have_seen() {
    // What the server does with the last request of a connection, and how it then looks.
    let check = |earlier: usize, last: &'static str, kind, answered, idle_close| async move {
        let tasks = Tasks::new();
        let address = raw(&tasks, move |_, mut tcp| async move {
            for _ in 0..earlier {
                head(&mut tcp).await.unwrap();
                tcp.write_all(HELLO.as_bytes()).await.unwrap();
            }
            head(&mut tcp).await;
            tcp.write_all(last.as_bytes()).await.unwrap();
        })
        .await;
        let (pool, target) = (pool(), plain(address, Protocol::Http1));
        for _ in 0..earlier {
            text(send(&pool, &target, get("/")).await.unwrap()).await;
        }
        let error = send(&pool, &target, post(Bytes::from("x").into()))
            .await
            .unwrap_err();
        assert_eq!((error.kind, error.sent), (kind, Sent::Maybe), "{error}");
        assert_eq!(error.answered, answered, "{error}");
        assert_eq!(error.reused, earlier > 0, "{error}");
        assert_eq!(error.is_idle_close(), idle_close, "{error}");
        tasks.abort_all();
    };
    check(0, "", SendErrorKind::Closed, false, false).await;
    check(1, "", SendErrorKind::Closed, false, true).await;
    check(1, "HTTP/1.1 200 O", SendErrorKind::Closed, true, false).await;
    check(
        0,
        "SSH-2.0-OpenSSH\r\n",
        SendErrorKind::Protocol,
        true,
        false,
    )
    .await;
    check(
        1,
        "SSH-2.0-OpenSSH\r\n",
        SendErrorKind::Protocol,
        true,
        false,
    )
    .await;
}

#[tokio::test]
async fn a_response_head_has_limits() {
    let tasks = Tasks::new();
    let address = raw(&tasks, |_, mut tcp| async move {
        head(&mut tcp).await;
        let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(70_000));
        let _ = tcp.write_all(long.as_bytes()).await;
        head(&mut tcp).await;
    })
    .await;
    let error = send(&pool(), &plain(address, Protocol::Http1), get("/"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Protocol, "{error}");
}

#[tokio::test]
async fn nobody_there_is_told_with_nothing_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let pool = pool();
    let error = send(&pool, &plain(address, Protocol::Http1), get("/"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.sent),
        (SendErrorKind::Connect, Sent::Nothing)
    );
    let nowhere = Target::new("nowhere.invalid:80".parse().unwrap(), Protocol::Http1, None);
    let error = send(&pool, &nowhere, get("/")).await.unwrap_err();
    assert_eq!(
        (error.kind, error.sent),
        (SendErrorKind::Resolve, Sent::Nothing)
    );
    assert_eq!(
        (pool.stats().connect_failures, pool.stats().connects),
        (2, 0)
    );
}

#[test]
fn a_lack_of_our_own_is_no_failure_to_connect() {
    let target = plain(([127, 0, 0, 1], 1).into(), Protocol::Http1);
    let check = |error: io::Error, expect: SendErrorKind| {
        let told = SendError::connecting(SendErrorKind::Connect, &target, error);
        assert_eq!((told.kind, told.sent), (expect, Sent::Nothing), "{told}");
    };
    check(io::Error::from_raw_os_error(24), SendErrorKind::Exhausted);
    check(
        io::ErrorKind::AddrNotAvailable.into(),
        SendErrorKind::Exhausted,
    );
    check(
        io::ErrorKind::ConnectionRefused.into(),
        SendErrorKind::Connect,
    );
}

#[tokio::test]
async fn names_are_resolved() {
    let tasks = Tasks::new();
    let address = raw(&tasks, |_, tcp| answer_all(tcp, HELLO)).await;
    let name = format!("localhost:{}", address.port()).parse().unwrap();
    let response = send(&pool(), &Target::new(name, Protocol::Http1, None), get("/")).await;
    assert_eq!(text(response.unwrap()).await, "hello");
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_ends_the_connection() {
    let tasks = Tasks::new();
    let address = raw(&tasks, |_, mut tcp| async move {
        head(&mut tcp).await.unwrap();
        tcp.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
            .await
            .unwrap();
        while tcp.read_u8().await.is_ok() {}
    })
    .await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    let response = send(&pool, &target, post(Body::boxed(Endless)))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(text(response).await, "no");
    assert_eq!(pool.stats().open, 0);
}

struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_request_body_that_fails_is_not_the_upstreams_fault() {
    let tasks = Tasks::new();
    let address = raw(&tasks, |_, tcp| answer_all(tcp, HELLO)).await;
    let request = post(Body::boxed(Broken));
    let error = send(&pool(), &plain(address, Protocol::Http1), request)
        .await
        .unwrap_err();
    assert_eq!(error.kind, SendErrorKind::RequestBody, "{error}");
}

#[tokio::test]
async fn the_length_of_the_body_is_what_the_head_says() {
    let tasks = Tasks::new();
    let (heads, mut seen) = mpsc::unbounded_channel();
    let address = raw(&tasks, move |_, mut tcp| {
        let heads = heads.clone();
        async move {
            heads.send(head(&mut tcp).await.unwrap()).unwrap();
            tcp.write_all(HELLO.as_bytes()).await.unwrap();
        }
    })
    .await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    let mut check = async |body: Body, name: &'static str, value: &str, expect: &str| {
        let mut request = post(body);
        request.headers_mut().insert(name, value.parse().unwrap());
        drop(send(&pool, &target, request).await.unwrap());
        let head = seen.recv().await.unwrap();
        let framing: Vec<_> = head
            .lines()
            .filter(|l| l.starts_with("content-l") || l.starts_with("tr"))
            .collect();
        assert_eq!(framing, [expect], "{head}");
    };
    let three = || Body::from(Bytes::from("abc"));
    check(three(), "content-length", "3", "content-length: 3").await;
    check(three(), "content-length", "2", "content-length: 3").await;
    check(three(), "transfer-encoding", "chunked", "content-length: 3").await;
    check(Body::Empty, "content-length", "0", "content-length: 0").await;
    check(Body::Empty, "content-length", "9", "content-length: 0").await;
    check(
        Body::boxed(Endless),
        "content-length",
        "9",
        "transfer-encoding: chunked",
    )
    .await;
}

#[tokio::test]
async fn a_body_may_end_with_its_connection() {
    let tasks = Tasks::new();
    let address = raw(&tasks, |_, mut tcp| async move {
        head(&mut tcp).await.unwrap();
        tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\nto the end")
            .await
            .unwrap();
    })
    .await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    assert_eq!(
        text(send(&pool, &target, get("/")).await.unwrap()).await,
        "to the end"
    );
    assert_eq!(pool.stats().open, 0);
}

#[tokio::test]
async fn a_body_cut_short_is_an_error() {
    let check = |answer: &'static str| async move {
        let tasks = Tasks::new();
        let address = raw(&tasks, move |_, mut tcp| async move {
            head(&mut tcp).await.unwrap();
            tcp.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let (pool, target) = (pool(), plain(address, Protocol::Http1));
        let response = send(&pool, &target, get("/")).await.unwrap();
        assert!(
            within(response.into_body().collect()).await.is_err(),
            "{answer}"
        );
        assert_eq!(pool.stats().open, 0);
    };
    check("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello").await;
    check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n").await;
}

#[test]
fn what_every_stream_carries_is_small() {
    let pool = pool();
    let target = plain("127.0.0.1:1".parse().unwrap(), Protocol::Http1);
    let sending = pool.send(&target, get("/"), PATIENCE);
    assert!(
        size_of_val(&sending) <= 2048,
        "{} bytes",
        size_of_val(&sending)
    );
    assert!(size_of::<Body>() <= 128, "{} bytes", size_of::<Body>());
    assert!(
        size_of::<UpstreamBody>() <= 64,
        "{} bytes",
        size_of::<UpstreamBody>()
    );
}

#[tokio::test]
async fn an_upgraded_connection_carries_bytes_and_is_not_reused() {
    let tasks = Tasks::new();
    let address = raw(&tasks, |_, mut tcp| async move {
        head(&mut tcp).await.unwrap();
        let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                      upgrade: echo\r\n\r\nearly";
        tcp.write_all(answer.as_bytes()).await.unwrap();
        let (mut from, mut to) = tcp.split();
        tokio::io::copy(&mut from, &mut to).await.unwrap();
    })
    .await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    let mut request = get("/");
    request
        .headers_mut()
        .insert("connection", "upgrade".parse().unwrap());
    request
        .headers_mut()
        .insert("upgrade", "echo".parse().unwrap());
    let response = send(&pool, &target, request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut io = upgrade(response).unwrap();
    io.write_all(b" and late").await.unwrap();
    let mut got = [0; 14];
    within(io.read_exact(&mut got)).await.unwrap();
    assert_eq!(&got, b"early and late");
    assert_eq!((pool.stats().open, pool.stats().idle), (1, 0));
    drop(io);
    assert_eq!(pool.stats().idle, 0);
}

#[tokio::test]
async fn only_a_101_can_be_upgraded() {
    let tasks = Tasks::new();
    let address = raw(&tasks, |_, tcp| answer_all(tcp, HELLO)).await;
    let response = send(&pool(), &plain(address, Protocol::Http1), get("/"))
        .await
        .unwrap();
    assert!(upgrade(response).is_err());
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn chunks_that_arrived_together_come_together_and_wake_nobody() {
    let tasks = Tasks::new();
    let address = raw(&tasks, |_, mut tcp| async move {
        head(&mut tcp).await.unwrap();
        let start = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n0\r\n";
        let chunks: String = (1..10).map(|i| format!("1\r\n{i}\r\n")).collect();
        tcp.write_all(format!("{start}{chunks}").as_bytes())
            .await
            .unwrap();
        head(&mut tcp).await;
    })
    .await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    let mut body = send(&pool, &target, get("/")).await.unwrap().into_body();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut cx = Context::from_waker(&waker);
    let mut got = String::new();
    while let Poll::Ready(frame) = Pin::new(&mut body).poll_frame(&mut cx) {
        let data = frame.unwrap().unwrap().into_data().unwrap();
        got.push_str(std::str::from_utf8(&data).unwrap());
    }
    assert_eq!(got, "0123456789");
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_connection_goes_to_the_idle_list_newest_last() {
    let tasks = Tasks::new();
    let numbers = Arc::new(Mutex::new(Vec::new()));
    let seen = numbers.clone();
    let address = raw(&tasks, move |number, mut tcp| {
        let numbers = numbers.clone();
        async move {
            while head(&mut tcp).await.is_some() {
                numbers.lock().unwrap().push(number);
                tcp.write_all(HELLO.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    let first = send(&pool, &target, get("/")).await.unwrap();
    let second = send(&pool, &target, get("/")).await.unwrap();
    text(first).await;
    text(second).await;
    text(send(&pool, &target, get("/")).await.unwrap()).await;
    assert_eq!(*seen.lock().unwrap(), [0, 1, 1]);
}

/// Polls `inner`, at every other turn with only `left` of the task's cooperative budget.
struct Starved<F> {
    inner: F,
    left: u32,
    turn: u32,
}

impl<F: Future + Unpin> Future for Starved<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.turn += 1;
        if self.turn % 2 == 1 {
            // tokio gives a task 128 operations a turn.
            for _ in self.left..128 {
                if let Poll::Ready(operation) = coop::poll_proceed(cx) {
                    operation.made_progress();
                }
            }
        }
        Pin::new(&mut self.inner).poll(cx)
    }
}

#[tokio::test]
async fn a_spent_budget_delays_but_never_hangs() {
    let tasks = Tasks::new();
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let address = raw(&tasks, move |_, tcp| answer_all(tcp, answer)).await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    for left in 0..40 {
        let (pool, target) = (pool.clone(), target.clone());
        let exchange = Box::pin(async move {
            let response = pool.send(&target, get("/"), PATIENCE).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        });
        let starved = tasks.spawn(
            "starved",
            Starved {
                inner: exchange,
                left,
                turn: 0,
            },
        );
        assert_eq!(within(starved).await.unwrap(), "hi", "{left}");
    }
}

/// However many connections the peer has closed, and however little the task may still do.
#[tokio::test]
async fn a_request_is_never_put_on_a_connection_that_is_known_to_be_closed() {
    for left in [0, 1, 2, 128] {
        let tasks = Tasks::new();
        let (answered, close) = (
            Arc::new(tokio::sync::Barrier::new(4)),
            Arc::new(Notify::new()),
        );
        let closing = close.clone();
        let address = raw(&tasks, move |number, mut tcp| {
            let (answered, close) = (answered.clone(), closing.clone());
            async move {
                head(&mut tcp).await.unwrap();
                if number < 4 {
                    answered.wait().await;
                }
                let closed = close.notified();
                tcp.write_all(HELLO.as_bytes()).await.unwrap();
                closed.await;
            }
        })
        .await;
        let (pool, target) = (pool(), plain(address, Protocol::Http1));
        let exchange = async || text(send(&pool, &target, get("/")).await.unwrap()).await;
        tokio::join!(exchange(), exchange(), exchange(), exchange());
        assert_eq!(pool.stats().idle, 4);
        close.notify_waiters();
        // Until the ends have arrived, which nobody looks for before the next request.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (sending, target) = (pool.clone(), target.clone());
        let starved = tasks.spawn(
            "starved",
            Starved {
                inner: Box::pin(
                    async move { sending.send(&target, post(Body::Empty), PATIENCE).await },
                ),
                left,
                turn: 0,
            },
        );
        let response = within(starved).await.unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{left}");
        assert_eq!(pool.stats().connects, 5, "{left}");
        tasks.abort_all();
    }
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_are_no_answer() {
    let tasks = Tasks::new();
    let address = raw(&tasks, |_, mut tcp| async move {
        head(&mut tcp).await.unwrap();
        tcp.write_all(HELLO.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let _ = tcp
            .write_all(HELLO.replace("hello", "other").as_bytes())
            .await;
        head(&mut tcp).await;
    })
    .await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    text(send(&pool, &target, get("/")).await.unwrap()).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(
        text(send(&pool, &target, get("/")).await.unwrap()).await,
        "hello"
    );
    assert_eq!(pool.stats().connects, 2);
}

/// A body of so many pieces, whose length is not known.
struct Pieces(usize);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        cx.waker().wake_by_ref();
        match self.0.checked_sub(1) {
            None => Poll::Ready(None),
            Some(left) => {
                self.0 = left;
                Poll::Ready(Some(Ok(http_body::Frame::data("piece".into()))))
            }
        }
    }
}

#[tokio::test]
async fn a_get_has_a_body_only_if_something_comes_of_it() {
    let tasks = Tasks::new();
    let (heads, mut seen) = mpsc::unbounded_channel();
    let address = raw(&tasks, move |_, mut tcp| {
        let heads = heads.clone();
        async move {
            heads.send(head(&mut tcp).await.unwrap()).unwrap();
            tcp.write_all(HELLO.as_bytes()).await.unwrap();
        }
    })
    .await;
    let (pool, target) = (pool(), plain(address, Protocol::Http1));
    for (pieces, chunked) in [(0, false), (1, true), (2, true)] {
        let request = get("/").map(|_| Body::boxed(Pieces(pieces)));
        text(send(&pool, &target, request).await.unwrap()).await;
        let head = seen.recv().await.unwrap();
        assert_eq!(
            head.contains("transfer-encoding: chunked"),
            chunked,
            "{head}"
        );
    }
}
