//! Responses of HTTP/1.1: every split gives the same, and where hyper's client reads a whole response
//! from the same bytes it is the same one.

use crate::{split::splits, wire::Wire};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use net::http1::{BodyReader, HeadLimits, ResponseReader};
use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

const LIMITS: HeadLimits = HeadLimits {
    bytes: 64 << 10,
    fields: 100,
};

/// What was read of a connection that sends some bytes and then ends.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    status: Option<StatusCode>,
    body: Vec<u8>,
    /// The body came to its end.
    whole: bool,
    keeps: bool,
    failed: bool,
}

pub(crate) fn run(data: &[u8]) {
    let seen = read(&[data]);
    for pieces in splits(data) {
        assert_eq!(read(&pieces), seen, "in {} pieces", pieces.len());
    }
    // After 101 it is not HTTP.
    let comparable = seen.whole && seen.status != Some(StatusCode::SWITCHING_PROTOCOLS);
    if let Some((status, body)) = comparable.then(|| second_opinion(data)).flatten() {
        assert_eq!(Some(status), seen.status);
        assert_eq!(body, seen.body);
    }
}

fn read(pieces: &[&[u8]]) -> Seen {
    let mut seen = Seen::default();
    let mut head = ResponseReader::new(LIMITS);
    let mut body: Option<BodyReader> = None;
    for piece in pieces {
        let mut rest = *piece;
        if body.is_none() {
            match head.push(rest, false) {
                Ok(None) => continue,
                Ok(Some((head, used))) => {
                    seen.status = Some(head.status);
                    seen.keeps = head.keep_alive;
                    body = Some(head.body);
                    rest = &rest[used..];
                }
                Err(_) => {
                    seen.failed = true;
                    return seen;
                }
            }
        }
        let Some(body) = &mut body else { continue };
        let (data, used) = body.push(rest);
        assert!(
            used <= rest.len() && data.len() <= used,
            "bytes from nowhere"
        );
        seen.body.extend_from_slice(&data);
        seen.failed = body.failure().is_some();
        assert!(
            used == rest.len() || body.is_over() || seen.failed,
            "bytes were left"
        );
    }
    seen.whole = body.is_some_and(|body| body.is_over() || body.ends_with_connection());
    seen
}

/// What hyper's client reads; nothing if it finds fault.
fn second_opinion(data: &[u8]) -> Option<(StatusCode, Bytes)> {
    let handshake = http1::Builder::new()
        .max_headers(LIMITS.fields)
        .handshake::<_, Empty<Bytes>>(Wire::server(data));
    let Poll::Ready(Ok((mut sender, connection))) = poll(pin!(handshake)) else {
        return None;
    };
    let mut connection = pin!(connection);
    let mut exchange = pin!(async move {
        let response = sender.send_request(Request::new(Empty::new())).await.ok()?;
        let (head, body) = response.into_parts();
        Some((head.status, body.collect().await.ok()?.to_bytes()))
    });
    // Each turn of the connection makes one step at least; there are no more steps than bytes.
    for _ in 0..data.len() + 10 {
        if let Poll::Ready(answer) = poll(exchange.as_mut()) {
            return answer;
        }
        let _ = poll(connection.as_mut());
    }
    None
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
