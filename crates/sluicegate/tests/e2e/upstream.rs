//! Upstreams that do exactly what a test tells them, and keep every byte they were sent.
//!
//! They speak HTTP/1.1 by hand: what a library would tidy up (the spelling of a header, the seams
//! of a chunked body, the moment at which a connection breaks) is what these tests are about.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::process::eventually;

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub struct Received {
    /// `GET /path HTTP/1.1`.
    pub line: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// What has come of the body, without the framing.
    pub body: Vec<u8>,
    /// The lines after a chunked body.
    pub trailers: Vec<String>,
    /// The body has ended.
    pub whole: bool,
}

impl Received {
    /// The value of a header; of a repeated one the values with commas between.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .headers
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What an upstream does next on a connection.
#[derive(Clone)]
pub enum Step {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Waits until the test opens the gate.
    Wait(Gate),
    /// Does nothing for so long.
    Pause(Duration),
    /// Opens the gate: everything before has been handed to the socket.
    Open(Gate),
    /// Does nothing until the other side closes.
    Hang,
    /// Ends the connection.
    Close,
    /// Sends back whatever comes, until the other side closes its half.
    Echo,
}

/// Holds an upstream back until it is opened.
#[derive(Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    async fn passed(&self) {
        drop(self.0.subscribe().wait_for(|open| *open).await);
    }
}

/// A whole answer of this content type.
pub fn answer(status: &str, content_type: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
    );
    vec![Step::Send([head.as_bytes(), body.as_bytes()].concat())]
}

/// A plain chat completion of eight tokens.
pub fn completion(model: &str) -> Vec<Step> {
    let body = format!(
        "{{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"{model}\",\"choices\":[{{\"index\":0,\
         \"message\":{{\"role\":\"assistant\",\"content\":\"hi\"}},\"finish_reason\":\"stop\"}}],\
         \"usage\":{{\"prompt_tokens\":5,\"completion_tokens\":3,\"total_tokens\":8}}}}"
    );
    answer("200 OK", "application/json", &body)
}

/// The head of a streamed answer, whose pieces follow by [`piece`] until [`last_piece`].
pub fn stream_head() -> Step {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
                transfer-encoding: chunked\r\n\r\n";
    Step::Send(head.into())
}

/// A piece of a chunked body, sent at once.
pub fn piece(text: impl AsRef<[u8]>) -> Step {
    let text = text.as_ref();
    Step::Send([format!("{:x}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat())
}

/// The end of a chunked body.
pub fn last_piece() -> Step {
    Step::Send(b"0\r\n\r\n".into())
}

/// A whole streamed answer of these pieces.
pub fn stream<T: AsRef<[u8]>>(pieces: &[T]) -> Vec<Step> {
    let pieces = pieces.iter().map(piece);
    std::iter::once(stream_head())
        .chain(pieces)
        .chain([last_piece()])
        .collect()
}

/// A running upstream.
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Received>,
    connections: usize,
    left: usize,
    sent: usize,
}

type Script = dyn Fn(&Received) -> Vec<Step> + Send + Sync;

impl Upstream {
    /// Does what `script` says once a request is read to its end.
    pub async fn start(script: impl Fn(&Received) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), script).await
    }

    /// The same at an address of the test's choice.
    pub async fn start_at(
        address: SocketAddr,
        script: impl Fn(&Received) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (script, shared): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                shared.lock().unwrap().connections += 1;
                let connection = Connection {
                    stream,
                    buffer: Vec::new(),
                    seen: Arc::clone(&shared),
                };
                tokio::spawn(connection.serve(Arc::clone(&script)));
            }
        });
        Self {
            address,
            seen,
            accepting,
        }
    }

    /// Gives the same answer to every request.
    pub async fn always(steps: Vec<Step>) -> Self {
        Self::start(move |_| steps.clone()).await
    }

    pub fn requests(&self) -> Vec<Received> {
        self.seen.lock().unwrap().requests.clone()
    }

    /// The only request there was.
    pub fn request(&self) -> Received {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.into_iter().next().unwrap()
    }

    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().requests.len()
    }

    /// Bytes handed to sockets by [`Step::Send`].
    pub fn sent(&self) -> usize {
        self.seen.lock().unwrap().sent
    }

    pub fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// Waits until `condition` holds of the requests so far, the last of which may still arrive.
    pub async fn until(&self, what: &str, condition: impl Fn(&[Received]) -> bool) {
        eventually(what, || async {
            condition(&self.seen.lock().unwrap().requests)
        })
        .await;
    }

    /// Waits until so many peers have closed while something was still owed to them.
    pub async fn until_left(&self, count: usize) {
        eventually("peer left", || async {
            self.seen.lock().unwrap().left >= count
        })
        .await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Connection {
    stream: TcpStream,
    /// Read, but not yet used.
    buffer: Vec<u8>,
    seen: Arc<Mutex<Seen>>,
}

impl Connection {
    async fn serve(mut self, script: Arc<Script>) {
        while let Some(request) = self.read_request().await {
            for step in script(&request) {
                if self.perform(step).await.is_none() {
                    return;
                }
            }
        }
    }

    /// Does one step; `None` when the connection is over.
    async fn perform(&mut self, step: Step) -> Option<()> {
        match step {
            Step::Send(bytes) => {
                self.stream.write_all(&bytes).await.ok()?;
                self.seen.lock().unwrap().sent += bytes.len();
                Some(())
            }
            Step::Pause(time) => {
                tokio::time::sleep(time).await;
                Some(())
            }
            Step::Open(gate) => {
                gate.open();
                Some(())
            }
            Step::Close => None,
            Step::Hang => {
                self.left().await;
                None
            }
            Step::Wait(gate) => {
                tokio::select! {
                    () = gate.passed() => Some(()),
                    () = self.left() => None,
                }
            }
            Step::Echo => {
                let early = std::mem::take(&mut self.buffer);
                self.stream.write_all(&early).await.ok()?;
                let (mut read, mut write) = self.stream.split();
                drop(tokio::io::copy(&mut read, &mut write).await);
                self.seen.lock().unwrap().left += 1;
                None
            }
        }
    }

    /// Returns when the peer has closed, which is noted.
    async fn left(&mut self) {
        while self.fill().await.is_some() {}
        self.seen.lock().unwrap().left += 1;
    }

    async fn read_request(&mut self) -> Option<Received> {
        let head = self.take_until(b"\r\n\r\n").await?;
        let mut lines = head.split("\r\n");
        let line = lines.next()?.to_owned();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers: Vec<(String, String)> = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let request = Received {
            line,
            headers,
            ..Received::default()
        };
        let index = {
            let mut seen = self.seen.lock().unwrap();
            seen.requests.push(request.clone());
            seen.requests.len() - 1
        };
        match (
            request.header("content-length"),
            request.header("transfer-encoding"),
        ) {
            (Some(length), None) => self.take(length.parse().unwrap(), index).await?,
            (None, Some(_)) => self.take_chunked(index).await?,
            (None, None) => {}
            both => panic!("two framings of one body: {both:?}"),
        }
        let mut seen = self.seen.lock().unwrap();
        seen.requests[index].whole = true;
        Some(seen.requests[index].clone())
    }

    async fn take_chunked(&mut self, index: usize) -> Option<()> {
        loop {
            let size = self.take_until(b"\r\n").await?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            if size == 0 {
                return self.take_trailers(index).await;
            }
            self.take(size, index).await?;
            self.take_until(b"\r\n").await?;
        }
    }

    async fn take_trailers(&mut self, index: usize) -> Option<()> {
        loop {
            let line = self.take_until(b"\r\n").await?;
            if line.trim().is_empty() {
                return Some(());
            }
            let mut seen = self.seen.lock().unwrap();
            seen.requests[index].trailers.push(line.trim().to_owned());
        }
    }

    /// Moves so many bytes to the body of a request, as they come.
    async fn take(&mut self, mut length: usize, index: usize) -> Option<()> {
        loop {
            let ready = self.buffer.len().min(length);
            let bytes = self.buffer.drain(..ready);
            self.seen.lock().unwrap().requests[index].body.extend(bytes);
            length -= ready;
            if length == 0 {
                return Some(());
            }
            self.fill().await?;
        }
    }

    async fn take_until(&mut self, end: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self
                .buffer
                .windows(end.len())
                .position(|window| window == end)
            {
                let rest = self.buffer.split_off(at + end.len());
                let taken = std::mem::replace(&mut self.buffer, rest);
                return Some(String::from_utf8(taken[..at].to_vec()).unwrap());
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Option<()> {
        let mut bytes = vec![0; 64 * 1024];
        let count = self
            .stream
            .read(&mut bytes)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        self.buffer.extend_from_slice(&bytes[..count]);
        Some(())
    }
}
