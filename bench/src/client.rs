//! What the load generators have in common: the request and the connection.

use crate::answer::{Answer, HEADER};
use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Uri,
    client::conn::http1::{self, Connection, SendRequest},
    header::{CONTENT_TYPE, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// A chat completion request, ready to be sent over and over.
#[derive(Clone)]
pub(crate) struct Prompt {
    host: HeaderValue,
    answer: HeaderValue,
    body: Bytes,
}

const TEXT: &str = "Tell me how a river that rises in the hills finds its way down to the sea.\n";

impl Prompt {
    /// A request for `model` of about `bytes` bytes, 300 at least, for `target`.
    pub(crate) fn new(
        target: SocketAddr,
        model: &str,
        bytes: usize,
        answer: Answer,
    ) -> Result<Self> {
        const FRAME: usize = 200;
        // A line feed takes two bytes in JSON.
        let text = TEXT.repeat((bytes.saturating_sub(FRAME) / (TEXT.len() + 1)).max(1));
        let body = json!({
            "model": model,
            "stream": answer.is_stream(),
            "max_tokens": 252,
            "messages": [
                {"role": "system", "content": "You are a patient teacher of geography."},
                {"role": "user", "content": text},
            ],
        });
        Ok(Self {
            host: target.to_string().parse()?,
            answer: HeaderValue::from_static(answer.name()),
            body: body.to_string().into(),
        })
    }

    pub(crate) fn request(&self) -> Result<Request<Full<Bytes>>> {
        Request::post(Uri::from_static("/v1/chat/completions"))
            .header(HOST, self.host.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(HEADER, self.answer.clone())
            .body(Full::new(self.body.clone()))
            .context("the request is not valid")
    }
}

/// A connection: what sends requests, and what has to be polled meanwhile.
pub(crate) type Opened = (
    SendRequest<Full<Bytes>>,
    Connection<TokioIo<TcpStream>, Full<Bytes>>,
);

pub(crate) async fn connect(target: SocketAddr) -> Result<Opened> {
    let stream = TcpStream::connect(target)
        .await
        .with_context(|| format!("cannot connect to {target}"))?;
    stream.set_nodelay(true)?;
    Ok(http1::handshake(TokioIo::new(stream)).await?)
}

#[cfg(test)]
mod tests {
    use super::{Answer, Prompt};

    #[test]
    fn a_prompt_is_about_as_long_as_it_should_be() {
        for bytes in [300, 1500, 1 << 20] {
            let target = ([127, 0, 0, 1], 80).into();
            let prompt = Prompt::new(target, "bench", bytes, Answer::Whole).unwrap();
            let error = prompt.body.len().abs_diff(bytes);
            assert!(error < 100, "{} for {bytes}", prompt.body.len());
        }
    }
}
