//! Token endpoints on loopback, for tests.

use std::sync::{Arc, Mutex};

use net::tasks::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::Client;
use crate::token::{Material, Token};
use crate::variables::Variables;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// `GET /path?query`.
    pub(crate) line: String,
    head: String,
    pub(crate) body: String,
}

impl Seen {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (other, value) = line.split_once(": ")?;
            other.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// A field of the form, decoded.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let value = self.body.split('&').find_map(|pair| {
            let (other, value) = pair.split_once('=')?;
            (other == name).then_some(value)
        })?;
        let decoded = percent_encoding::percent_decode_str(value);
        Some(decoded.decode_utf8().unwrap().into_owned())
    }
}

/// A server that answers what a test says.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    tasks: Tasks,
}

impl Endpoint {
    /// Starts it; `answer` gives a status and a body.
    pub(crate) async fn start(
        answer: impl Fn(&Seen) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tasks, answer) = (Tasks::new(), Arc::new(answer));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (serving, seen_there) = (tasks.clone(), Arc::clone(&seen));
        tasks.spawn("token endpoint", async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen_there));
                serving.spawn("token connection", async move {
                    serve(stream, &*answer, &seen).await;
                });
            }
        });
        Self { url, seen, tasks }
    }

    /// Always this answer.
    pub(crate) async fn always(status: u16, body: &str) -> Self {
        let body = body.to_owned();
        Self::start(move |_| (status, body.clone())).await
    }

    /// What was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request that there was.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.tasks.abort_all();
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: &(dyn Fn(&Seen) -> (u16, String) + Send + Sync),
    seen: &Mutex<Vec<Seen>>,
) {
    let mut buffer = Vec::new();
    while let Some(request) = receive(&mut stream, &mut buffer).await {
        let (status, body) = answer(&request);
        seen.lock().unwrap().push(request);
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n\r\n");
        if stream
            .write_all(format!("{head}{body}").as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

async fn receive(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    loop {
        let text = String::from_utf8_lossy(buffer).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let request = Seen {
                line: head
                    .lines()
                    .next()?
                    .trim_end_matches(" HTTP/1.1")
                    .to_owned(),
                head: head.to_owned(),
                body: body.to_owned(),
            };
            let length = request.header("content-length");
            let length = length.map_or(0, |length| length.parse::<usize>().unwrap());
            if body.len() >= length {
                buffer.clear();
                return Some(request);
            }
        }
        let read = stream.read_buf(buffer).await.ok()?;
        if read == 0 {
            return None;
        }
    }
}

/// Environment variables of a test.
pub(crate) fn variables<const N: usize>(pairs: [(&str, &str); N]) -> Variables {
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Variables::new(move |name| {
        let found = pairs.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.clone())
    })
}

/// A client for a test.
pub(crate) fn client() -> Client {
    Client::new(&Tasks::new()).unwrap()
}

/// The answer of an OAuth server.
pub(crate) fn granted(token: &str) -> String {
    format!("{{\"access_token\":\"{token}\",\"expires_in\":3600,\"token_type\":\"Bearer\"}}")
}

/// The value of `authorization` that a token is.
pub(crate) fn sent(token: &Token) -> &str {
    match &token.material {
        Material::Bearer(value) if value.is_sensitive() => value.to_str().unwrap(),
        other => panic!("{other:?}"),
    }
}
