//! A plain HTTP client that shares no code with the gateway's.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// Longer than anything that is not stuck.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that is kept, and opened anew when the server closes it.
pub struct Client {
    address: SocketAddr,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "not JSON ({error}): {}",
                String::from_utf8_lossy(&self.body)
            )
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: None,
        }
    }

    /// Sends a request and returns the head of its answer. A connection that the server closed
    /// while it was idle is replaced, as every HTTP client does.
    pub async fn start(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
        {
            match connection.try_send_request(request.clone()).await {
                Ok(response) => {
                    self.connection = Some(connection);
                    return Ok(response);
                }
                Err(mut error) => {
                    if error.take_message().is_none() {
                        return Err(error.into_error().into());
                    }
                }
            }
        }
        let mut connection = open(self.address).await?;
        let response = connection.send_request(request).await?;
        self.connection = Some(connection);
        Ok(response)
    }

    /// Sends a request and reads its whole answer.
    pub async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        tokio::time::timeout(PATIENCE, async {
            let (head, body) = self.start(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body,
            })
        })
        .await?
    }
}

async fn open(
    address: SocketAddr,
) -> Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}

/// `GET path`.
pub fn get(path: &str) -> Request<Full<Bytes>> {
    request(Method::GET, path, "")
}

/// A request with a JSON body.
pub fn post(path: &str, body: &Value) -> Request<Full<Bytes>> {
    request(Method::POST, path, &body.to_string())
}

/// Any request.
pub fn request(method: Method, path: &str, body: &str) -> Request<Full<Bytes>> {
    let builder = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost");
    let builder = match body {
        "" => builder,
        _ => builder.header(CONTENT_TYPE, "application/json"),
    };
    builder.body(Full::from(body.to_owned())).unwrap()
}

/// A chat completion of `max_tokens`.
pub fn chat(model: &str, stream: bool, max_tokens: u32) -> Request<Full<Bytes>> {
    let message = json!({ "role": "user", "content": "Tell me about sluices." });
    let body = json!({
        "model": model,
        "stream": stream,
        "max_tokens": max_tokens,
        "ignore_eos": true,
        "messages": [message],
    });
    post("/v1/chat/completions", &body)
}

/// One request on a connection of its own.
pub async fn once(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    Client::new(address).send(request).await.expect("an answer")
}

/// The events of a stream: the `data` of each.
pub fn events(body: &str) -> Vec<&str> {
    body.split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .collect()
}
