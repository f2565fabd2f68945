//! Real sockets on loopback, most with paused time: loopback delivers at once, so only timers
//! make the clock move.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};

use super::{
    BoxError, ConnInfo, Handler, ListenerConfig, ListenerStats, Listeners, RequestBody, Upgraded,
};
use crate::drain::{Drain, Trigger};
use crate::limits::Limits;
use crate::tasks::Tasks;

mod drained;
mod h2;
mod http1;
mod over_tls;
mod sets;

type TestBody = UnsyncBoxBody<Bytes, BoxError>;

/// A set with one listener on a free port and the handler [`respond`].
struct Server {
    address: SocketAddr,
    set: Listeners<TestHandler>,
    connections: Tasks,
    drain: Trigger,
    events: Arc<Events>,
}

#[derive(Default)]
struct Events {
    /// An endless body was dropped.
    endless_dropped: Notify,
    /// A request body that another task reads has ended, one way or the other.
    read_elsewhere: Notify,
    /// A tunnel closed one way has been read to its end.
    tunnel_read: Notify,
}

struct TestHandler(Arc<Events>);

impl Handler for TestHandler {
    type Body = TestBody;
    type Future = Pin<Box<dyn Future<Output = Response<TestBody>> + Send>>;

    fn handle(&self, request: Request<RequestBody>, connection: Arc<ConnInfo>) -> Self::Future {
        Box::pin(respond(self.0.clone(), request, connection))
    }
}

async fn start(limits: Limits) -> Server {
    start_with(ListenerConfig {
        limits,
        ..config("test")
    })
    .await
}

async fn start_with(config: ListenerConfig) -> Server {
    let (drain, watch) = Drain::new();
    let connections = Tasks::new();
    let events = Arc::new(Events::default());
    let set = Listeners::new(TestHandler(events.clone()), watch, connections.clone());
    let name = config.name.clone();
    set.apply(vec![config]).await.unwrap();
    let address = set.local_addr(&name).unwrap();
    Server {
        address,
        set,
        connections,
        drain,
        events,
    }
}

fn config(name: &str) -> ListenerConfig {
    ListenerConfig::plain(name, SocketAddr::from(([127, 0, 0, 1], 0)))
}

impl Server {
    async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        // Waiting for an acknowledgement is invisible to the runtime, which would let time pass.
        stream.set_nodelay(true).unwrap();
        Client(stream)
    }

    fn stats(&self) -> ListenerStats {
        self.set.stats().remove(0)
    }
}

async fn respond(
    events: Arc<Events>,
    request: Request<RequestBody>,
    connection: Arc<ConnInfo>,
) -> Response<TestBody> {
    match request.uri().path() {
        "/echo" => echo(request).await,
        "/endless" => answer(Endless(events)),
        "/unsized" => unsized_answer(),
        "/broken" => {
            let frames = [data("abc"), Err("on purpose".into())];
            Response::new(Scripted(frames.into()).boxed_unsync())
        }
        "/elsewhere" => {
            read_elsewhere(events, request);
            full("ok")
        }
        "/elsewhere-and-wait" => {
            read_elsewhere(events, request);
            std::future::pending().await
        }
        "/pause" => answer(Paused::default()),
        "/panic" => panic!("on purpose"),
        "/large" => full(vec![b'x'; 1 << 20]),
        "/listener" => full(connection.listener.to_string()),
        "/protocol" => full(format!("{:?}", connection.protocol)),
        "/tls" => full(describe_tls(&connection)),
        "/upgrade" => upgrade(request, echo_four),
        "/upgrade-and-close-one-way" => upgrade(request, |tunnel| close_one_way(events, tunnel)),
        _ => full("ok"),
    }
}

fn answer<B>(body: B) -> Response<TestBody>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    Response::new(body.map_err(|never| match never {}).boxed_unsync())
}

fn full(body: impl Into<Bytes>) -> Response<TestBody> {
    answer(Full::new(body.into()))
}

/// "abc" in two frames that are ready together, and a trailer.
fn unsized_answer() -> Response<TestBody> {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", 6.into());
    let frames = [data("a"), data("bc"), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(Scripted(frames.into()).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert("trailer", HeaderValue::from_static("x-sum"));
    response
}

fn data(bytes: &'static str) -> Result<Frame<Bytes>, BoxError> {
    Ok(Frame::data(Bytes::from_static(bytes.as_bytes())))
}

/// Reads the body in a task of its own, and tells when that has ended.
fn read_elsewhere(events: Arc<Events>, request: Request<RequestBody>) {
    Tasks::new().spawn("reader", async move {
        let _ = request.into_body().collect().await;
        events.read_elsewhere.notify_one();
    });
}

fn describe_tls(connection: &ConnInfo) -> String {
    let tls = connection.tls.as_ref().unwrap();
    let alpn = tls.alpn.as_deref().map(String::from_utf8_lossy);
    format!("{:?} {:?} {}", tls.sni, alpn, tls.peer_certificates.len())
}

/// Answers with the lengths that were declared and the body as it was understood.
async fn echo(request: Request<RequestBody>) -> Response<TestBody> {
    let declared = request.headers().get_all("content-length").iter().count();
    match request.into_body().collect().await {
        Ok(body) => {
            let mut response = full(body.to_bytes());
            response
                .headers_mut()
                .insert("x-content-lengths", declared.into());
            response
        }
        Err(_) => {
            let mut response = full("");
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        }
    }
}

fn upgrade<F>(
    mut request: Request<RequestBody>,
    tunnel: impl FnOnce(Upgraded) -> F + Send + 'static,
) -> Response<TestBody>
where
    F: Future<Output = ()> + Send,
{
    let upgraded = super::on_upgrade(&mut request);
    Tasks::new().spawn("tunnel", async move {
        let Some(upgraded) = upgraded else { return };
        if let Ok(upgraded) = upgraded.upgraded().await {
            tunnel(upgraded).await;
        }
    });
    let mut response = full("");
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response
        .headers_mut()
        .insert("upgrade", "echo".parse().unwrap());
    response
        .headers_mut()
        .insert("connection", "upgrade".parse().unwrap());
    response
}

async fn echo_four(mut tunnel: Upgraded) {
    let mut bytes = [0; 4];
    tunnel.read_exact(&mut bytes).await.unwrap();
    tunnel.write_all(&bytes).await.unwrap();
}

/// Closes its sending side after the first byte, and expects the client to go on.
async fn close_one_way(events: Arc<Events>, mut tunnel: Upgraded) {
    tunnel.read_u8().await.unwrap();
    tunnel.shutdown().await.unwrap();
    let mut rest = String::new();
    tunnel.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "rest");
    events.tunnel_read.notify_one();
}

/// Gives these frames.
struct Scripted(VecDeque<Result<Frame<Bytes>, BoxError>>);

impl Body for Scripted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.pop_front())
    }
}

/// Gives a chunk whenever it is asked, and tells when it is dropped.
struct Endless(Arc<Events>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(
            &[b'x'; 16 * 1024],
        )))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.endless_dropped.notify_one();
    }
}

/// Gives "a", nothing for ten minutes, "b".
#[derive(Default)]
struct Paused {
    given: usize,
    pause: Option<Pin<Box<Sleep>>>,
}

const PAUSE: Duration = Duration::from_secs(600);

impl Body for Paused {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.given == 1 {
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(PAUSE)));
            std::task::ready!(pause.as_mut().poll(cx));
        }
        self.given += 1;
        let chunk = [&b"a"[..], b"b"].get(self.given - 1).copied();
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(Bytes::from_static(chunk)))))
    }
}

/// A client that writes and reads raw bytes.
struct Client(TcpStream);

impl Client {
    async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    async fn get(&mut self, path: &str) {
        self.write(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"))
            .await;
    }

    /// Reads until `end` has come.
    async fn read_until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            let byte = self.0.read_u8().await;
            read.push(byte.unwrap_or_else(|error| {
                panic!("{error} after {:?}", String::from_utf8_lossy(&read))
            }));
        }
        String::from_utf8(read).unwrap()
    }

    async fn read_exactly(&mut self, length: usize) -> String {
        let mut read = vec![0; length];
        self.0.read_exact(&mut read).await.unwrap();
        String::from_utf8(read).unwrap()
    }

    /// Reads the rest, however the connection ends.
    async fn read_to_end(&mut self) -> String {
        let mut read = Vec::new();
        let _ = self.0.read_to_end(&mut read).await;
        String::from_utf8_lossy(&read).into_owned()
    }
}
