mod http1;
mod http2;
mod idle;
mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Address, Pool, PoolConfig, Protocol, SendError, Target, UpstreamBody};
use crate::body::{Body, BodyError};
use crate::tasks::Tasks;

/// More than anything here takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(10);

fn pool() -> Pool {
    Pool::new(PoolConfig::default(), Tasks::new())
}

fn plain(address: SocketAddr, protocol: Protocol) -> Target {
    Target::new(address.into(), protocol, None)
}

fn get(path: &str) -> Request<Body> {
    Request::get(path)
        .header("host", "upstream")
        .body(Body::Empty)
        .unwrap()
}

fn post(body: Body) -> Request<Body> {
    Request::post("/")
        .header("host", "upstream")
        .body(body)
        .unwrap()
}

async fn send(
    pool: &Pool,
    target: &Target,
    request: Request<Body>,
) -> Result<Response<UpstreamBody>, SendError> {
    within(pool.send(target, request, PATIENCE)).await
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("hangs")
}

async fn text(response: Response<UpstreamBody>) -> Bytes {
    within(response.into_body().collect())
        .await
        .unwrap()
        .to_bytes()
}

/// A server of raw bytes: `serve` gets each connection with its number.
async fn raw<F, Served>(tasks: &Tasks, serve: F) -> SocketAddr
where
    F: Fn(usize, TcpStream) -> Served + Send + 'static,
    Served: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = tasks.clone();
    drop(tasks.spawn("accept", async move {
        for number in 0.. {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            drop(connections.spawn("connection", serve(number, tcp)));
        }
    }));
    address
}

/// Reads a request head; `None` if the connection ends instead.
async fn head(tcp: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match tcp.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return None,
        }
    }
    Some(String::from_utf8(head).unwrap())
}

/// Answers every request on a connection with the same bytes.
async fn answer_all(mut tcp: TcpStream, answer: &'static str) {
    while head(&mut tcp).await.is_some() {
        tcp.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// Waits until the pool, having swept, is as `expect` says.
async fn swept_until(pool: &Pool, expect: impl Fn(super::PoolStats) -> bool) {
    within(async {
        while !expect(pool.stats()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            pool.sweep();
        }
    })
    .await;
}

/// A request body whose client goes away.
struct Broken;

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        Poll::Ready(Some(Err(BodyError::Other("the client went away".into()))))
    }
}

#[test]
fn addresses_parse_and_print() {
    let check = |text: &str, expect: Option<&str>| {
        let parsed = text.parse::<Address>();
        assert_eq!(
            parsed.as_ref().ok().map(ToString::to_string).as_deref(),
            expect,
            "{text}"
        );
    };
    check("1.2.3.4:80", Some("1.2.3.4:80"));
    check("[::1]:80", Some("[::1]:80"));
    check("vllm-0.pool.svc:8000", Some("vllm-0.pool.svc:8000"));
    check("my_host:1", Some("my_host:1"));
    check("host", None);
    check("host:", None);
    check(":80", None);
    check("host:70000", None);
    check("http://host:80", None);
    check("::1:80", None);
}

#[test]
fn equal_targets_are_one_key() {
    let address: SocketAddr = "127.0.0.1:80".parse().unwrap();
    assert_eq!(
        plain(address, Protocol::Http1),
        plain(address, Protocol::Http1)
    );
    assert_ne!(
        plain(address, Protocol::Http1),
        plain(address, Protocol::H2)
    );
}
