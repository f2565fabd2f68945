use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http_body::Frame;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::{Notify, Semaphore};

use super::super::{SendErrorKind, Sent};
use super::*;
use crate::body::BodyError;
use crate::tasks::Tasks;

#[derive(Clone)]
pub(super) struct Executor(pub(super) Tasks);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, future: F) {
        drop(self.0.spawn("h2", future));
    }
}

/// An h2c server with a stream limit, which asks `answer` and can be told to shut down.
async fn serve<F, Answered>(
    tasks: &Tasks,
    max_streams: u32,
    goodbye: Arc<Notify>,
    answer: F,
) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> Answered + Clone + Send + Sync + 'static,
    Answered: Future<Output = Body> + Send + 'static,
{
    let executor = Executor(tasks.clone());
    raw(tasks, move |_, tcp| {
        let (executor, answer, goodbye) = (executor.clone(), answer.clone(), goodbye.clone());
        async move {
            let service = service_fn(move |request| {
                let answered = answer(request);
                async { Ok::<_, Infallible>(Response::new(answered.await)) }
            });
            let mut connection = std::pin::pin!(
                http2::Builder::new(executor)
                    .max_concurrent_streams(max_streams)
                    .serve_connection(TokioIo::new(tcp), service)
            );
            tokio::select! {
                _ = connection.as_mut() => {}
                () = goodbye.notified() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        }
    })
    .await
}

async fn hello(_: Request<Incoming>) -> Body {
    Bytes::from("hello").into()
}

fn limited(connections: usize) -> Pool {
    let h2_max_connections = NonZeroUsize::new(connections).unwrap();
    Pool::new(
        PoolConfig {
            h2_max_connections,
            ..PoolConfig::default()
        },
        Tasks::new(),
    )
}

#[tokio::test]
async fn requests_share_a_connection_and_take_the_form_of_http2() {
    let tasks = Tasks::new();
    let echo = async |request: Request<Incoming>| -> Body {
        let host = request.headers().get("host").is_some();
        Bytes::from(format!("{} {host}", request.uri())).into()
    };
    let address = serve(&tasks, 100, Arc::default(), echo).await;
    let (pool, target) = (pool(), plain(address, Protocol::H2));
    let check = async |uri: &str, host: Option<&str>, expect: String| {
        let mut request = Request::get(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let response = send(&pool, &target, request.body(Body::Empty).unwrap())
            .await
            .unwrap();
        assert_eq!(text(response).await, expect);
    };
    check("/a?b", Some("own:1"), "http://own:1/a?b false".into()).await;
    check("/a?b", None, format!("http://{address}/a?b false")).await;
    check("http://there/", None, "http://there/ false".into()).await;
    assert_eq!((pool.stats().connects, pool.stats().reuses), (1, 2));
}

#[tokio::test]
async fn more_streams_than_the_peer_allows_open_more_connections() {
    // (allowed per connection, connections allowed, requests at once) -> connections
    let check = |max_streams, max_connections, requests: usize, expect: u64| async move {
        let tasks = Tasks::new();
        let gate = Arc::new(Semaphore::new(0));
        let entered = gate.clone();
        let answer = move |_| {
            let gate = entered.clone();
            async move {
                let _held = gate.acquire().await;
                Body::from(Bytes::from("hello"))
            }
        };
        let address = serve(&tasks, max_streams, Arc::default(), answer).await;
        let (pool, target) = (limited(max_connections), plain(address, Protocol::H2));
        let sent: Vec<_> = (0..requests)
            .map(|_| {
                let (pool, target) = (pool.clone(), target.clone());
                tasks.spawn(
                    "request",
                    async move { send(&pool, &target, get("/")).await },
                )
            })
            .collect();
        within(async {
            while pool.stats().connects < expect {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        gate.add_permits(1000);
        for response in sent {
            assert_eq!(text(response.await.unwrap().unwrap()).await, "hello");
        }
        assert_eq!(pool.stats().connects, expect);
        tasks.abort_all();
    };
    check(2, 8, 6, 3).await;
    check(2, 2, 6, 2).await;
    check(100, 8, 50, 1).await;
}

#[tokio::test]
async fn a_place_is_taken_until_the_body_ends() {
    let tasks = Tasks::new();
    let address = serve(&tasks, 1, Arc::default(), hello).await;
    let (pool, target) = (pool(), plain(address, Protocol::H2));
    let first = send(&pool, &target, get("/")).await.unwrap();
    let second = send(&pool, &target, get("/")).await.unwrap();
    assert_eq!(
        pool.stats().connects,
        2,
        "the first response has not been read"
    );
    text(first).await;
    text(second).await;
    text(send(&pool, &target, get("/")).await.unwrap()).await;
    assert_eq!(pool.stats().connects, 2);
}

#[tokio::test]
async fn a_connection_that_says_goodbye_is_replaced() {
    let tasks = Tasks::new();
    let goodbye = Arc::new(Notify::new());
    let address = serve(&tasks, 100, goodbye.clone(), hello).await;
    let (pool, target) = (pool(), plain(address, Protocol::H2));
    for _ in 0..10 {
        text(send(&pool, &target, get("/")).await.unwrap()).await;
        goodbye.notify_one();
        match send(&pool, &target, get("/")).await {
            Ok(response) => assert_eq!(text(response).await, "hello"),
            Err(error) => {
                assert_eq!(
                    (error.kind, error.sent),
                    (SendErrorKind::Refused, Sent::Nothing)
                );
            }
        }
    }
}

struct Silence(Arc<AtomicUsize>);

impl http_body::Body for Silence {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Pending
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn dropping_a_response_resets_its_stream_only() {
    let tasks = Tasks::new();
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let answer = move |_| {
        let count = count.clone();
        async move { Body::boxed(Silence(count)) }
    };
    let address = serve(&tasks, 100, Arc::default(), answer).await;
    let (pool, target) = (pool(), plain(address, Protocol::H2));
    let keep = send(&pool, &target, get("/")).await.unwrap();
    drop(send(&pool, &target, get("/")).await.unwrap());
    within(async {
        while ended.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!((pool.stats().open, ended.load(Ordering::Relaxed)), (1, 1));
    drop(keep);
}

#[tokio::test]
async fn long_bodies_pass_both_ways() {
    let tasks = Tasks::new();
    let echo = |request: Request<Incoming>| async {
        let bytes = request.into_body().collect().await.unwrap().to_bytes();
        Body::boxed(Full::new(bytes).map_err(|never| match never {}))
    };
    let address = serve(&tasks, 100, Arc::default(), echo).await;
    let (pool, target) = (pool(), plain(address, Protocol::H2));
    let prompt = Bytes::from(vec![b'p'; 8 << 20]);
    let response = send(&pool, &target, post(prompt.clone().into()))
        .await
        .unwrap();
    assert_eq!(text(response).await, prompt);
}

#[tokio::test]
async fn a_closed_pool_lets_its_tasks_end() {
    let tasks = Tasks::new();
    let address = serve(&tasks, 100, Arc::default(), hello).await;
    let own = Tasks::new();
    let pool = Pool::new(PoolConfig::default(), own.clone());
    let target = plain(address, Protocol::H2);
    let response = send(&pool, &target, get("/")).await.unwrap();
    assert!(own.live() > 0);
    pool.close();
    assert_eq!(text(response).await, "hello", "what is in progress goes on");
    within(own.wait()).await;
    assert_eq!(pool.stats().open, 0);
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time() {
    let tasks = Tasks::new();
    let address = serve(&tasks, 100, Arc::default(), hello).await;
    let (pool, target) = (pool(), plain(address, Protocol::H2));
    text(send(&pool, &target, get("/")).await.unwrap()).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(299)).await;
    pool.sweep();
    assert!(!pool.slots.load().is_empty());
    tokio::time::advance(Duration::from_secs(2)).await;
    pool.sweep();
    assert!(pool.slots.load().is_empty());
    tokio::time::resume();
    swept_until(&pool, |stats| stats.open == 0).await;
}

#[tokio::test]
async fn a_peer_without_http2_is_told() {
    let tasks = Tasks::new();
    let address = raw(&tasks, |_, mut tcp| async move {
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    })
    .await;
    let error = send(&pool(), &plain(address, Protocol::H2), get("/"))
        .await
        .unwrap_err();
    let expected = [
        SendErrorKind::Handshake,
        SendErrorKind::Protocol,
        SendErrorKind::Closed,
    ];
    assert!(expected.contains(&error.kind), "{error:?}");
}

#[tokio::test]
async fn a_request_body_that_fails_is_not_the_upstreams_fault() {
    let tasks = Tasks::new();
    let wait_for_all = |request: Request<Incoming>| async {
        let _ = request.into_body().collect().await;
        Body::Empty
    };
    let address = serve(&tasks, 100, Arc::default(), wait_for_all).await;
    let request = post(Body::boxed(Broken));
    let error = send(&pool(), &plain(address, Protocol::H2), request)
        .await
        .unwrap_err();
    assert_eq!(error.kind, SendErrorKind::RequestBody, "{error:?}");
}
