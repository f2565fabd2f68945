//! One request over a connection of its own, to see whether a proxy serves a model yet.

use super::server::now;
use anyhow::{Context, Result, bail};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// Longest that a probe waits for its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause between two probes: what a measured time is exact to.
const INTERVAL: Duration = Duration::from_millis(1);

/// How long to go on probing.
const PATIENCE: Duration = Duration::from_secs(20);

/// The status that a chat completion for a model is answered with.
pub(super) fn status(address: SocketAddr, model: &str) -> Result<u16> {
    let body = format!(
        r#"{{"model":"{model}","messages":[{{"role":"user","content":"Is anybody there?"}}]}}"#
    );
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    parse_status(&response).context("the answer is not HTTP")
}

fn parse_status(response: &[u8]) -> Option<u16> {
    let code = response.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    str::from_utf8(code).ok()?.parse().ok()
}

/// The time from `began` until a chat completion for a model is answered with 200, in milliseconds.
pub(super) fn ms_until_served(address: SocketAddr, model: &str, began: Instant) -> Result<f64> {
    loop {
        let outcome = status(address, model);
        let elapsed = now() - began;
        if matches!(outcome, Ok(200)) {
            return Ok(elapsed.as_secs_f64() * 1000.0);
        }
        if elapsed > PATIENCE {
            bail!("{address} does not serve {model} after {PATIENCE:?}: {outcome:?}");
        }
        thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::parse_status;

    #[test]
    fn statuses() {
        let check = |response: &str, expected: Option<u16>| {
            assert_eq!(parse_status(response.as_bytes()), expected);
        };
        check("HTTP/1.1 200 OK\r\n\r\n", Some(200));
        check("HTTP/1.1 404", Some(404));
        check("HTTP/1.1 4", None);
        check("", None);
    }
}
