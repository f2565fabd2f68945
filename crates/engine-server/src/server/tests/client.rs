//! A small HTTP client: one connection per request.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A response with its connection, which ends when it is dropped.
pub(super) struct Opened {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Incoming,
    _connection: JoinSet<()>,
}

/// A response that was read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// The events of a stream without the end, which must be there.
    pub(super) fn events(&self) -> Vec<Value> {
        let mut datas: Vec<&str> = self
            .text
            .split_terminator("\n\n")
            .map(|event| event.strip_prefix("data: ").expect(event))
            .collect();
        assert_eq!(datas.pop(), Some("[DONE]"));
        datas
            .into_iter()
            .map(|data| serde_json::from_str(data).expect(data))
            .collect()
    }
}

pub(super) async fn open(
    addr: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Opened, String> {
    let stream = TcpStream::connect(addr)
        .await
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(connection.await) });
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "engine");
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())?;
    let (head, body) = response.into_parts();
    Ok(Opened {
        status: head.status,
        headers: head.headers,
        body,
        _connection: tasks,
    })
}

pub(super) async fn send(
    addr: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answer, String> {
    let opened = open(addr, method, path, headers, body).await?;
    let bytes = opened
        .body
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    let text = String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())?;
    Ok(Answer {
        status: opened.status,
        headers: opened.headers,
        text,
    })
}

pub(super) async fn post(addr: SocketAddr, path: &str, body: &str) -> Answer {
    send(addr, Method::POST, path, &[], body).await.unwrap()
}

pub(super) async fn get(addr: SocketAddr, path: &str) -> Answer {
    send(addr, Method::GET, path, &[], "").await.unwrap()
}

/// The value of a metric without labels other than the common ones.
pub(super) async fn metric(addr: SocketAddr, name: &str) -> f64 {
    let page = get(addr, "/metrics").await.text;
    let line = page
        .lines()
        .find(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('{'))
        })
        .unwrap_or_else(|| panic!("no {name} in\n{page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}
