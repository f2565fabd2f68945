//! The request as an upstream gets it.
//!
//! Built anew for each attempt, since each may go to another backend: its path, its host, its
//! credential, its name for the model. The body is the client's own bytes with the few that must
//! change spliced.

use std::borrow::Cow;

use bytes::Bytes;
use credentials::{Material, Token};
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, EXPECT, HOST};
use http::header::{HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{Request, Version};
use llm::splice::{Edits, Rewrite, Splicer};
use llm::translate::TranslatedRequest;
use mesh::snapshot::{Backend, BackendKind, Target};
use net::body::Body;
use net::replay::Patch;

use crate::headers::{
    add_forwarded, copy_end_to_end, is_credential, is_forwarded, is_of_dialect, join_cookies,
};
use crate::route::{Prompt, Routed};
use crate::targets::Candidate;
use crate::upgrade;

/// The project that the use of Google's APIs is counted to.
const USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// The request for one attempt, authorised by `token` where that is renewed, as it was translated if
/// the backend speaks another dialect; `None` if the path that it is rewritten to is too long for one.
pub(crate) fn request(
    routed: &Routed,
    candidate: &Candidate<'_>,
    token: Option<&Token>,
    translated: Option<TranslatedRequest>,
) -> Option<Request<Body>> {
    let target = candidate.target;
    let uri = uri(routed, target, translated.as_ref())?;
    let is_own = routed.api().map(|api| api.dialect) == target.backend.dialect;
    let headers = headers(routed, candidate, token, translated.is_some() && !is_own);
    let body = match translated {
        Some(translated) => Body::Full(translated.body),
        None => body(routed, target),
    };
    let mut request = Request::new(body);
    *request.method_mut() = routed.head.method.clone();
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    Some(request)
}

/// The protocol that the upstream is asked to switch to. Only a plain service is.
pub(crate) fn upgrade(routed: &Routed, backend: &Backend) -> Option<HeaderValue> {
    upgrade::requested(&routed.head.headers).filter(|_| backend.dialect.is_none())
}

/// The headers; `foreign` are the client's dialect and the backend's to each other.
fn headers(
    routed: &Routed,
    candidate: &Candidate<'_>,
    token: Option<&Token>,
    foreign: bool,
) -> HeaderMap {
    let backend = &*candidate.target.backend;
    let upgrade = upgrade(routed, backend);
    let llm = routed.api().is_some();
    let provider = backend.kind == BackendKind::Provider;
    let mut headers = copy_end_to_end(&routed.head.headers, |name| {
        *name == HOST
            || *name == EXPECT
            || llm && is_credential(name)
            || foreign && is_of_dialect(name)
            || provider && is_forwarded(name)
    });
    if llm {
        // A stream is watched for usage, its end and errors, so it must come as it is.
        // Without the header any coding would do (RFC 9110, section 12.5.3).
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    } else {
        join_cookies(&mut headers);
    }
    if !provider {
        add_forwarded(&mut headers, &routed.client, routed.tls);
    }
    // Over the client's, whose business it is not; under what the configuration says.
    if let Some(project) = token.and_then(|token| token.project.as_ref()) {
        headers.insert(USER_PROJECT, project.clone());
    }
    for (name, value) in &backend.default_headers {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    for (name, value) in backend.headers.iter().chain(&backend.credential) {
        headers.insert(name, value.clone());
    }
    if let Some(Material::Bearer(value)) = token.map(|token| &token.material) {
        headers.insert(AUTHORIZATION, value.clone());
    }
    if let Some(protocol) = upgrade {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    routed.rule.filters.request_headers.apply(&mut headers);
    headers.insert(HOST, host(routed, candidate));
    headers
}

/// The rule's host, the backend's, the client's for a plain service, else the endpoint's address.
fn host(routed: &Routed, candidate: &Candidate<'_>) -> HeaderValue {
    let backend = &*candidate.target.backend;
    let client = || match backend.dialect {
        None => asked_for(&routed.head),
        Some(_) => None,
    };
    routed
        .rule
        .filters
        .host
        .clone()
        .or_else(|| backend.host.clone())
        .or_else(client)
        .unwrap_or_else(|| candidate.dialled.host.clone())
}

/// The host and port that the client asked for: HTTP/2 has them in `:authority`, HTTP/1.1 in `Host`.
fn asked_for(head: &Parts) -> Option<HeaderValue> {
    match head.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => head.headers.get(HOST).cloned(),
    }
}

fn uri(routed: &Routed, target: &Target, translated: Option<&TranslatedRequest>) -> Option<Uri> {
    let backend = &target.backend;
    let (mut whole, query) = match translated {
        Some(to) => {
            let path = [&*backend.base_path, &*to.resource].concat();
            (path, to.query.map(Cow::Borrowed))
        }
        None => (path(routed, target), passed_on(routed)),
    };
    if let Some(query) = query {
        whole.push('?');
        whole.push_str(&query);
    }
    PathAndQuery::try_from(whole).map(Uri::from).ok()
}

/// An API's path stands below the backend's base path, whatever stood before it at the client; a
/// plain path is the client's, or the rule's rewrite of it.
fn path(routed: &Routed, target: &Target) -> String {
    let path = routed.head.uri.path();
    match (routed.api(), &routed.rule.filters.path) {
        (Some(api), _) => {
            let resource = api.resource(path, target.model.as_deref());
            [&*target.backend.base_path, &*resource].concat()
        }
        (None, Some(change)) => change.apply(path, routed.prefix_len),
        (None, None) => path.to_owned(),
    }
}

/// The client's query, but for what ends here.
fn passed_on(routed: &Routed) -> Option<Cow<'_, str>> {
    let query = routed.head.uri.query()?;
    match routed.api() {
        Some(api) => api.query(query),
        None => Some(query.into()),
    }
}

/// The client's own body, with what `target` wants otherwise.
pub(crate) fn body(routed: &Routed, target: &Target) -> Body {
    let patch = routed.prompt().and_then(|prompt| patch(prompt, target));
    if routed.body.is_empty() {
        return Body::Empty;
    }
    Body::Replay(routed.body.body(patch))
}

/// The edits that this target needs; `None` if the client's bytes will do.
fn patch(prompt: &Prompt, target: &Target) -> Option<Box<dyn Patch>> {
    let asks = target.backend.quirks.usage_is_asked_for();
    let rewrite = Rewrite {
        model: target.model.as_deref(),
        include_usage: asks,
        clear_stream_options: !asks,
    };
    let edits = Edits::rewrite(&prompt.scan, &rewrite);
    (!edits.is_empty()).then(|| Box::new(Spliced::new(&edits)) as Box<dyn Patch>)
}

/// A splicer as a replayed body wants it.
struct Spliced {
    splicer: Option<Splicer>,
    delta: i64,
}

impl Spliced {
    fn new(edits: &Edits) -> Self {
        Self {
            splicer: Some(edits.splicer()),
            delta: edits.delta(),
        }
    }
}

impl Patch for Spliced {
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) {
        if let Some(splicer) = &mut self.splicer {
            splicer.push(chunk, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) {
        if let Some(splicer) = self.splicer.take() {
            splicer.finish(out);
        }
    }

    fn len_delta(&self) -> i64 {
        self.delta
    }
}
