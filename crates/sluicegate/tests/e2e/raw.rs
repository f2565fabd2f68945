//! A client that writes and reads bytes: for what an HTTP library would not send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::PATIENCE;

/// A connection.
pub struct Raw {
    pub stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until `end` has come, and returns everything up to its end.
    pub async fn until(&mut self, end: &str) -> String {
        loop {
            let found = self
                .read
                .windows(end.len())
                .position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let rest = self.read.split_off(at + end.len());
                let taken = std::mem::replace(&mut self.read, rest);
                return String::from_utf8(taken).unwrap();
            }
            let so_far = String::from_utf8_lossy(&self.read).into_owned();
            assert!(self.fill().await > 0, "closed before {end:?}: {so_far:?}");
        }
    }

    /// Reads until the other side closes.
    pub async fn rest(&mut self) -> String {
        while self.fill().await > 0 {}
        String::from_utf8(std::mem::take(&mut self.read)).unwrap()
    }

    /// Closes this side's half.
    pub async fn shutdown(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    async fn fill(&mut self) -> usize {
        let mut bytes = vec![0; 16 * 1024];
        let count = timeout(PATIENCE, self.stream.read(&mut bytes))
            .await
            .expect("an answer");
        let count = count.unwrap_or(0);
        self.read.extend_from_slice(&bytes[..count]);
        count
    }
}
