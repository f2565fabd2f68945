//! The life of a request, a stage a line.
//!
//! Each stage is a module of its name and knows nothing of the others; what they pass on is the
//! request itself, getting better known from stage to stage, and the [`Exchange`] that keeps its
//! books. A stage that cannot go on returns a [`Failure`], and this module alone turns it into an
//! answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};
use net::listener::{ConnInfo, Handler, RequestBody};

use crate::answer::{self, Answer};
use crate::body::ResponseBody;
use crate::exchange::Exchange;
use crate::failure::{self, Failure};
use crate::route::Destination;
use crate::shared::Shared;
use crate::upgrade::Tunnel;
use crate::{attempt, classify, counting, identify, route};

/// What serves the requests of all listeners.
pub(crate) struct Pipeline {
    shared: Arc<Shared>,
}

impl Pipeline {
    /// A pipeline over `shared`.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Handler for Pipeline {
    type Body = ResponseBody;
    /// Boxed, so that a connection without a request does not carry the room for one.
    type Future = Pin<Box<dyn Future<Output = Response<ResponseBody>> + Send>>;

    fn handle(&self, request: Request<RequestBody>, connection: Arc<ConnInfo>) -> Self::Future {
        // Opened here, since the future is dropped unpolled if the client has left already.
        let exchange = Exchange::open(&self.shared, connection, &request);
        Box::pin(serve(Arc::clone(&self.shared), exchange, request))
    }
}

/// Answers one request, whatever happens.
async fn serve(
    shared: Arc<Shared>,
    mut exchange: Box<Exchange>,
    mut request: Request<RequestBody>,
) -> Response<ResponseBody> {
    let grpc = failure::is_grpc(request.headers());
    let tunnel = Tunnel::wanted(&mut request);
    match stages(&shared, &mut exchange, request, tunnel).await {
        Ok(answer) => answer.into_response(exchange),
        Err(failure) => answer::refusal(exchange, &failure, grpc),
    }
}

/// The stages, in order. Everything here reads one snapshot: the one in force when it began.
async fn stages(
    shared: &Arc<Shared>,
    exchange: &mut Exchange,
    request: Request<RequestBody>,
    tunnel: Option<Tunnel>,
) -> Result<Answer, Failure> {
    let runtime = shared.runtime.load_full();
    let identified = identify::identify(&runtime, exchange, request)?;
    let classified = classify::classify(&runtime, shared, exchange, identified).await?;
    let routed = match route::route(exchange, classified)? {
        Destination::Models(listing) => return Ok(answer::models(&listing)),
        Destination::Count(question) => return counting::answer(shared, *question).await,
        Destination::Rule(routed) => routed,
    };
    if let Some(answer) = answer::by_rule(&routed) {
        return Ok(answer);
    }
    let ran = attempt::run(&runtime, shared, exchange, &routed).await?;
    Ok(Answer::of(ran, routed, tunnel))
}
