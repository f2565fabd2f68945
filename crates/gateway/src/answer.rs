//! The answer that a request gets: its head, and the body that will follow.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Response, StatusCode};
use llm::models::Model;
use llm::translate::Dropped;
use mesh::snapshot::{Action, RequestedUrl};
use net::replay::ReplayError;
use telemetry::{ErrorType, Outcome};

use crate::attempt::{Begun, Ran, UpstreamAnswer};
use crate::body::{Proxied, ResponseBody};
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::headers::{X_DROPPED, strip_control, strip_hop_by_hop};
use crate::route::{Listing, Routed};
use crate::upgrade::Tunnel;

/// What a request is answered with.
pub(crate) enum Answer {
    /// By the gateway itself.
    Local(Response<Bytes>),
    /// With the error of the last upstream that was tried.
    Relayed(Box<UpstreamAnswer>, ErrorType, Box<Routed>),
    /// With an upstream's answer that has begun.
    Begun(Box<Begun>, Box<Routed>),
    /// With a tunnel to an upstream that agreed to another protocol.
    Tunnel(Box<Begun>, Box<Routed>, Tunnel),
}

impl Answer {
    /// The answer of an attempt loop.
    pub(crate) fn of(ran: Ran, routed: Box<Routed>, tunnel: Option<Tunnel>) -> Self {
        match (ran, tunnel) {
            (Ran::Relay(answer, error), _) => Self::Relayed(answer, error, routed),
            (Ran::Begun(begun), Some(tunnel))
                if begun.head.status == StatusCode::SWITCHING_PROTOCOLS =>
            {
                Self::Tunnel(begun, routed, tunnel)
            }
            (Ran::Begun(begun), _) => Self::Begun(begun, routed),
        }
    }

    /// The response; its body settles the exchange when it ends.
    pub(crate) fn into_response(self, exchange: Box<Exchange>) -> Response<ResponseBody> {
        match self {
            Self::Local(response) => local(exchange, response),
            Self::Relayed(answer, error, routed) => relayed(exchange, *answer, error, &routed),
            Self::Begun(begun, routed) => proxied(exchange, begun, &routed),
            Self::Tunnel(begun, routed, tunnel) => tunnel.open(exchange, *begun, &routed),
        }
    }
}

/// The models that a client may ask for.
pub(crate) fn models(listing: &Listing) -> Answer {
    let dialect = listing.api.dialect;
    let models: Vec<Model> = listing
        .models
        .iter()
        .map(|listed| Model {
            id: listed.name.to_string(),
            created: 0,
            owned_by: listed.owner.to_string(),
        })
        .collect();
    let client = listing.client;
    let body = match (listing.api.operation, models.first()) {
        (llm::Operation::GetModel | llm::Operation::ShowModel, Some(model)) => {
            llm::models::encode_model(dialect, client, model)
        }
        _ => llm::models::encode_list(dialect, client, &models),
    };
    let mut response = Response::new(body);
    let json = HeaderValue::from_static(llm::CONTENT_TYPE_JSON);
    response.headers_mut().insert(CONTENT_TYPE, json);
    Answer::Local(response)
}

/// The answer of a rule that answers by itself; `None` if it forwards.
pub(crate) fn by_rule(routed: &Routed) -> Option<Answer> {
    let mut response = match &routed.rule.action {
        Action::Forward(_) => return None,
        Action::Redirect(redirect) => {
            let url = RequestedUrl {
                https: routed.tls,
                host: &routed.host,
                port: routed.entry.port,
                path: routed.head.uri.path(),
                query: routed.head.uri.query(),
            };
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = redirect.status;
            if let Some(location) = redirect.location(&url, routed.prefix_len) {
                response.headers_mut().insert(LOCATION, location);
            }
            response
        }
        Action::Respond(fixed) => {
            let mut response = Response::new(fixed.body.clone());
            *response.status_mut() = fixed.status;
            if let Some(content_type) = &fixed.content_type {
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, content_type.clone());
            }
            response
        }
    };
    routed
        .rule
        .filters
        .response_headers
        .apply(response.headers_mut());
    Some(Answer::Local(response))
}

/// The answer to a request that failed.
pub(crate) fn refusal(
    mut exchange: Box<Exchange>,
    failure: &Failure,
    grpc: bool,
) -> Response<ResponseBody> {
    let mut response = failure.response(exchange.api, grpc);
    let status = response.status();
    exchange.mark(status, response.headers_mut(), false);
    exchange.bytes_sent = response.body().len();
    let outcome = match failure {
        Failure::Upstream { .. } | Failure::Timeout { .. } => Outcome::UpstreamFailed,
        Failure::Body(ReplayError::Client(_)) => Outcome::ClientAborted,
        _ => Outcome::Rejected,
    };
    exchange.settle(
        outcome,
        Some(failure.error_type()),
        Some(&failure.log_detail()),
    );
    response
}

fn local(mut exchange: Box<Exchange>, response: Response<Bytes>) -> Response<ResponseBody> {
    let (mut head, body) = response.into_parts();
    exchange.mark(head.status, &mut head.headers, false);
    exchange.bytes_sent = body.len() as u64;
    exchange.settle(Outcome::Completed, None, None);
    Response::from_parts(head, ResponseBody::local(body))
}

fn relayed(
    mut exchange: Box<Exchange>,
    answer: UpstreamAnswer,
    error: ErrorType,
    routed: &Routed,
) -> Response<ResponseBody> {
    let UpstreamAnswer { mut head, body } = answer;
    upstream_headers(&mut exchange, &mut head, routed);
    head.headers.remove(CONTENT_LENGTH);
    exchange.bytes_sent = body.len() as u64;
    exchange.settle(Outcome::UpstreamFailed, Some(error), None);
    Response::from_parts(clean(head), ResponseBody::local(body))
}

fn proxied(
    mut exchange: Box<Exchange>,
    begun: Box<Begun>,
    routed: &Routed,
) -> Response<ResponseBody> {
    let Begun {
        mut head,
        held,
        place,
        end,
        dropped,
    } = *begun;
    upstream_headers(&mut exchange, &mut head, routed);
    if held.tap.changes_length() {
        // The usage chunk may be taken out, an error event may be added, all may be written anew.
        head.headers.remove(CONTENT_LENGTH);
    }
    if let Some(fields) = header_of(&dropped) {
        head.headers.insert(X_DROPPED, fields);
    }
    let body = Proxied::new(
        exchange,
        Arc::clone(&routed.rule),
        routed.api(),
        held,
        place,
        end,
    );
    Response::from_parts(clean(head), ResponseBody::proxied(body))
}

/// The names of the fields; a client's own are no longer than they are worth reading.
fn header_of(dropped: &Dropped) -> Option<HeaderValue> {
    const MOST: usize = 1024;
    let visible = |c: char| if c.is_ascii_graphic() { c } else { '?' };
    let mut names: Vec<String> = Vec::new();
    let (mut len, mut left) = (0, dropped.unnamed());
    for field in dropped.fields() {
        len += field.len();
        if len > MOST {
            left += 1;
        } else {
            names.push(field.chars().map(visible).collect());
        }
    }
    if left > 0 {
        names.push(format!("and {left} more"));
    }
    (!names.is_empty())
        .then(|| HeaderValue::try_from(names.join(", ")).ok())
        .flatten()
}

/// Makes an upstream's headers those of our answer.
pub(crate) fn upstream_headers(
    exchange: &mut Exchange,
    head: &mut http::response::Parts,
    routed: &Routed,
) {
    strip_hop_by_hop(&mut head.headers);
    // An upstream that is itself a gateway speaks of its own attempts and endpoints.
    strip_control(&mut head.headers);
    routed
        .rule
        .filters
        .response_headers
        .apply(&mut head.headers);
    exchange.mark(
        head.status,
        &mut head.headers,
        routed.entry.listener.expose_endpoint,
    );
}

/// The version and the extensions of an upstream's answer concern its own connection.
fn clean(head: http::response::Parts) -> http::response::Parts {
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = head.status;
    parts.headers = head.headers;
    parts
}
