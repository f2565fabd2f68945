//! Requests of HTTP/1.1: every split gives the same, and as far as hyper's server reads requests from
//! the same bytes, they are the same ones, in the same places.

use crate::{split::splits, wire::Wire};
use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use net::http1::{BodyReader, HeadLimits, RequestReader};
use std::{
    cell::RefCell,
    convert::Infallible,
    future::Future,
    pin::pin,
    task::{Context, Waker},
};

const LIMITS: HeadLimits = HeadLimits {
    bytes: 64 << 10,
    fields: 100,
};

/// A request that came whole.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    method: Method,
    target: Uri,
    body: Vec<u8>,
}

/// What was read of a connection, up to the last request that keeps it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Connection {
    requests: Vec<Seen>,
    refused: bool,
}

pub(crate) fn run(data: &[u8]) {
    let seen = read(&[data]);
    for pieces in splits(data) {
        assert_eq!(read(&pieces), seen, "in {} pieces", pieces.len());
    }
    for (ours, theirs) in seen.requests.iter().zip(second_opinion(data)) {
        assert_eq!(*ours, theirs);
    }
}

fn read(pieces: &[&[u8]]) -> Connection {
    let mut seen = Connection::default();
    let mut reader = RequestReader::new(LIMITS);
    let mut current: Option<(Seen, BodyReader, bool)> = None;
    for piece in pieces {
        let mut rest = *piece;
        loop {
            if let Some((request, body, keeps)) = &mut current {
                let (data, used) = body.push(rest);
                assert!(
                    used <= rest.len() && data.len() <= used,
                    "bytes from nowhere"
                );
                request.body.extend_from_slice(&data);
                rest = &rest[used..];
                if body.failure().is_some() {
                    seen.refused = true;
                    return seen;
                }
                if !body.is_over() {
                    assert!(rest.is_empty(), "bytes were left");
                    break;
                }
                let last = !*keeps;
                seen.requests
                    .extend(current.take().map(|(request, ..)| request));
                if last {
                    return seen;
                }
            }
            if rest.is_empty() {
                break;
            }
            match reader.push(rest) {
                Ok(None) => break,
                Ok(Some((head, used))) => {
                    rest = &rest[used..];
                    let request = Seen {
                        method: head.method,
                        target: head.target,
                        body: Vec::new(),
                    };
                    current = Some((request, head.body, head.keep_alive));
                }
                Err(_) => {
                    seen.refused = true;
                    return seen;
                }
            }
        }
    }
    seen
}

/// The requests that hyper's server reads whole.
fn second_opinion(data: &[u8]) -> Vec<Seen> {
    let seen = RefCell::new(Vec::new());
    let service = service_fn(|request: Request<Incoming>| async {
        let (head, body) = request.into_parts();
        if let Ok(body) = body.collect().await {
            seen.borrow_mut().push(Seen {
                method: head.method,
                target: head.uri,
                body: body.to_bytes().to_vec(),
            });
        }
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    let mut connection = pin!(
        http1::Builder::new()
            .max_headers(LIMITS.fields)
            .half_close(true)
            .serve_connection(Wire::client(data), service)
    );
    // Each turn makes one step at least; there are no more steps than bytes.
    for _ in 0..data.len() + 10 {
        if connection
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
        {
            break;
        }
    }
    seen.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_opinion_is_one() {
        let data = b"POST /a HTTP/1.1\r\ncontent-length: 1\r\n\r\nxGET /b HTTP/1.1\r\n\r\n";
        let theirs = second_opinion(data);
        assert_eq!(theirs.len(), 2);
        assert_eq!(theirs, read(&[data]).requests);
    }
}
