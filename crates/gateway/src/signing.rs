//! Signing a request as it goes out, where its upstream is asked by signatures.
//!
//! The signature is one of the body too, so that is read to its end before a byte of it is sent: what
//! is recorded of it is hashed piece by piece, changed as it will be, and then read once more.

use std::sync::Arc;

use credentials::{PayloadHash, Signer};
use http::Request;
use http_body_util::BodyExt;
use mesh::snapshot::Target;
use net::body::{Body, BodyError};
use net::replay::ReplayError;

use crate::outbound;
use crate::route::Routed;
use crate::translation::aside;

/// A body in one piece that is longer than this is hashed beside the threads that serve requests: a MiB
/// takes about a millisecond.
const LONG: usize = 256 << 10;

/// Why a request cannot be signed.
#[derive(Debug)]
pub(crate) enum Unsigned {
    /// Its body cannot be read.
    Body(ReplayError),
    /// The keys are no such.
    Keys(credentials::Error),
}

/// Signs `request`, which is `routed` as it goes to `target`.
pub(crate) async fn sign(
    request: &mut Request<Body>,
    signer: &Signer,
    routed: &Routed,
    target: &Target,
) -> Result<(), Unsigned> {
    let payload = match request.body() {
        Body::Empty => PayloadHash::default(),
        Body::Full(bytes) => {
            let bytes = bytes.clone();
            aside(bytes.len(), LONG, move || PayloadHash::of(&bytes)).await
        }
        _ => hash(outbound::body(routed, target)).await?,
    };
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let now = telemetry::wall_clock();
    let signed = signer.sign(&method, &uri, request.headers_mut(), payload, now);
    signed.map_err(Unsigned::Keys)
}

async fn hash(mut body: Body) -> Result<PayloadHash, Unsigned> {
    let mut hash = PayloadHash::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Unsigned::Body(body_error(error)))?;
        if let Some(data) = frame.data_ref() {
            hash.update(data);
        }
        // A body in memory is always ready: let others on between its pieces.
        tokio::task::consume_budget().await;
    }
    Ok(hash)
}

fn body_error(error: BodyError) -> ReplayError {
    match error {
        BodyError::Request(error) => error,
        other => ReplayError::Client(Arc::new(other)),
    }
}
