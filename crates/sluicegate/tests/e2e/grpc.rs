//! gRPC through plain routes: HTTP/2 without TLS on both sides, trailers, streams, error mapping.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::{PATIENCE, once};
use crate::plain::service;
use crate::process::{Gateway, eventually, free_address};

/// A body whose frames come from a channel, until its sender is gone.
struct Channel(mpsc::Receiver<Frame<Bytes>>);

impl Body for Channel {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|frame| frame.map(Ok))
    }
}

fn channel() -> (mpsc::Sender<Frame<Bytes>>, Channel) {
    let (sender, receiver) = mpsc::channel(16);
    (sender, Channel(receiver))
}

/// A server that sends each message back as it comes, then how many there were as a trailer.
async fn echo_server() -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service_fn(echo)));
        }
    });
    (address, serving)
}

async fn echo(request: Request<Incoming>) -> Result<Response<Channel>, Infallible> {
    assert_eq!(request.headers()["te"], "trailers");
    let (sender, body) = channel();
    let path = request.uri().path().to_owned();
    let mut incoming = request.into_body();
    tokio::spawn(async move {
        let mut count = 0;
        while let Some(Ok(frame)) = incoming.frame().await {
            // The end of a stream may come as an empty frame of its own.
            if let Some(data) = frame.into_data().ok().filter(|data| !data.is_empty()) {
                count += 1;
                drop(sender.send(Frame::data(data)).await);
            }
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.insert("x-count", count.into());
        drop(sender.send(Frame::trailers(trailers)).await);
    });
    let response = Response::builder().header("content-type", "application/grpc+proto");
    Ok(response.header("x-path", path).body(body).unwrap())
}

async fn connect(address: SocketAddr) -> SendRequest<Channel> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

fn call(address: SocketAddr, body: Channel) -> Request<Channel> {
    Request::post(format!("http://{address}/pkg.Service/Method"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)
        .unwrap()
}

/// A pool that speaks HTTP/2, of this one endpoint.
fn grpc(endpoint: SocketAddr, extra: &str) -> String {
    let rules = "      - matches: [{ path: { value: /pkg.Service } }]\n        \
                 backendRefs: [{ pool: service }]\n        retry: { attempts: 0 }\n";
    let pool = format!("dialect: none\n    protocol: h2\n{extra}");
    service(&[endpoint], rules).replace("dialect: none\n", &pool)
}

async fn next(body: &mut Incoming) -> Frame<Bytes> {
    timeout(PATIENCE, body.frame())
        .await
        .expect("in time")
        .expect("a frame")
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_both_ways_as_they_come_and_trailers_follow() {
    let (address, serving) = echo_server().await;
    let gateway = Gateway::start(&grpc(address, "")).await;
    let mut client = connect(gateway.address).await;
    let (sender, body) = channel();
    let response = client
        .send_request(call(gateway.address, body))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/grpc+proto");
    assert_eq!(response.headers()["x-path"], "/pkg.Service/Method");
    let mut body = response.into_body();
    for message in ["one", "two", "three"] {
        sender.send(Frame::data(message.into())).await.unwrap();
        assert_eq!(next(&mut body).await.into_data().unwrap(), message);
    }
    drop(sender);
    let trailers = next(&mut body).await.into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(trailers["x-count"], "3");
    assert!(body.frame().await.is_none());
    let line = gateway.logged(1).await.remove(0);
    assert_eq!(line["outcome"], "completed", "{line}");
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_share_connections() {
    let (address, serving) = echo_server().await;
    let gateway = Gateway::start(&grpc(address, "")).await;
    let client = connect(gateway.address).await;
    let calls = (0..50).map(|number: u32| {
        let (mut client, gateway) = (client.clone(), gateway.address);
        tokio::spawn(async move {
            let (sender, body) = channel();
            sender
                .send(Frame::data(number.to_string().into()))
                .await
                .unwrap();
            drop(sender);
            let response = client.send_request(call(gateway, body)).await.unwrap();
            let body = response.into_body().collect().await.unwrap();
            assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
            assert_eq!(body.to_bytes(), number.to_string());
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let open = gateway
        .metric("sluicegate_connections_accepted_total")
        .await;
    assert_eq!(open, 1.0, "one connection carries all calls");
    serving.abort();
}

/// The status of a call that the gateway itself answers: it stands in the head.
async fn refusal(gateway: &Gateway, request: Request<Channel>) -> (HeaderMap, Bytes) {
    let mut client = connect(gateway.address).await;
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let headers = response.headers().clone();
    (
        headers,
        response.into_body().collect().await.unwrap().to_bytes(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_refuses_is_refused_as_grpc() {
    let gateway = Gateway::start(&grpc(free_address(), "")).await;
    let (headers, body) = refusal(&gateway, call(gateway.address, channel().1)).await;
    assert_eq!(headers["grpc-status"], "14", "nobody listens there");
    assert!(
        headers["grpc-message"]
            .to_str()
            .unwrap()
            .contains("connection"),
        "{headers:?}"
    );
    assert!(body.is_empty());
    let mut unknown = call(gateway.address, channel().1);
    *unknown.uri_mut() = format!("http://{}/other.Service/Method", gateway.address)
        .parse()
        .unwrap();
    let (headers, _) = refusal(&gateway, unknown).await;
    assert_eq!(headers["grpc-status"], "12", "no such service");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_room_is_unavailable_and_has_room_again() {
    let (address, serving) = echo_server().await;
    let config = grpc(
        address,
        "    connectionPool: { maxRequestsPerEndpoint: 1 }\n",
    );
    let gateway = Gateway::start(&config).await;
    let mut client = connect(gateway.address).await;
    let (sender, body) = channel();
    let held = client
        .send_request(call(gateway.address, body))
        .await
        .unwrap();
    let (headers, _) = refusal(&gateway, call(gateway.address, channel().1)).await;
    assert_eq!(headers["grpc-status"], "14");
    let plain = once(gateway.address, crate::client::get("/pkg.Service/x")).await;
    assert_eq!(plain.status, 503, "{}", plain.text());
    assert_eq!(plain.header("retry-after"), "1");
    assert_eq!(plain.json()["error"]["code"], "no_endpoint");
    drop(sender);
    held.into_body().collect().await.unwrap();
    let (sender, body) = channel();
    drop(sender);
    let response = client
        .send_request(call(gateway.address, body))
        .await
        .unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cancelled_leaves_nothing_behind() {
    let (address, serving) = echo_server().await;
    let gateway = Gateway::start(&grpc(address, "")).await;
    let mut client = connect(gateway.address).await;
    let (sender, body) = channel();
    let held = client
        .send_request(call(gateway.address, body))
        .await
        .unwrap();
    assert_eq!(gateway.endpoints().await[0]["inFlight"], 1);
    drop((held, sender, client));
    eventually("released", || async {
        gateway.endpoints().await[0]["inFlight"] == 0
    })
    .await;
    let line = gateway.logged(1).await.remove(0);
    assert_eq!(line["outcome"], "client_aborted", "{line}");
    serving.abort();
}
