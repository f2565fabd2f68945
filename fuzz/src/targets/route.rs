//! Routing: the index finds the rule that trying all of them finds, and paths and hosts of any form
//! are taken apart without harm.
//!
//! An input is lines: host, request target, model, and a header's value.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use llm::{Api, Dialect};
use manifests::File;
use mesh::snapshot::{
    Action, Head, Match, PathChange, Preview, RequestedUrl, Rule, Snapshot, Verdict,
    host_without_port,
};
use std::sync::{Arc, LazyLock};

/// Routes that differ in everything that a match may ask for.
const CONFIGURATION: &str = include_str!("route.yaml");

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let read = manifests::read(&[File::new("route.yaml", CONFIGURATION)]);
    let read = read.unwrap_or_else(|problems| panic!("{problems:?}"));
    Snapshot::compile(&read.resources, &mesh::Secrets::new()).expect("a valid configuration")
});

pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (authority, target, model, header) = (line(), line(), line(), line());
    let host = host_without_port(authority);
    assert!(authority.starts_with(host));
    let Ok(uri) = target.parse::<Uri>() else {
        return;
    };
    let path = uri.path();
    let api = Api::of_path(path);
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(header) {
        headers.insert(HeaderName::from_static("x-team"), value);
    }
    let head = Head {
        host,
        method: &Method::GET,
        path,
        query: uri.query(),
        headers: &headers,
        llm: api.is_some(),
    };
    route(&head, Some(model).filter(|model| !model.is_empty()));
    if let Some(api) = api {
        model_in_path(api, path);
    }
}

fn route(head: &Head<'_>, model: Option<&str>) {
    for listener in SNAPSHOT.listeners() {
        let router = &listener.router;
        let routed = router.route(head, model).ok();
        let considered = router.explain(head, model);
        let chosen = considered
            .iter()
            .find(|one| matches!(one.verdict, Verdict::Chosen));
        let name = |rule: &Arc<Rule>| (rule.route.clone(), rule.name.clone());
        assert_eq!(
            routed.as_ref().map(|found| name(&found.rule)),
            chosen.map(|one| name(&one.rule)),
        );
        match (router.preview(head), &routed) {
            (Preview::Decided(decided), Some(found)) => {
                assert_eq!(name(&decided.rule), name(&found.rule));
                assert_eq!(decided.prefix_len, found.prefix_len);
            }
            (Preview::Decided(_), None) => panic!("decided, and yet no route"),
            (Preview::None, Some(_)) => panic!("no route, and yet a rule"),
            (Preview::NeedsModel | Preview::None, _) => {}
        }
        if let Some(found) = routed {
            act(&found, head);
        }
        for listed in router.models(head) {
            let found = router.model(head, &listed.name);
            assert!(
                found.is_some(),
                "{} is listed and cannot be had",
                listed.name
            );
        }
    }
}

/// What the rule does with the path.
fn act(found: &Match, head: &Head<'_>) {
    let rest = head.path.get(found.prefix_len..);
    let rest = rest.expect("the prefix is one of the path");
    if let Some(change) = &found.rule.filters.path {
        let changed = change.apply(head.path, found.prefix_len);
        assert!(matches!(change, PathChange::Full(_)) || changed.ends_with(rest));
        assert!(changed.starts_with('/') || !head.path.starts_with('/'));
    }
    if let Action::Redirect(redirect) = &found.rule.action {
        let url = RequestedUrl {
            https: false,
            host: head.host,
            port: 8080,
            path: head.path,
            query: head.query,
        };
        let location = redirect.location(&url, found.prefix_len);
        let is_url = |location: HeaderValue| location.as_bytes().starts_with(b"http");
        assert!(location.is_none_or(is_url));
    }
}

/// A path that names a model keeps it, and climbs nowhere.
fn model_in_path(api: Api, path: &str) {
    let resource = api.resource(path, None);
    assert!(resource.starts_with('/'));
    assert!(!resource.contains("..") && !resource.to_ascii_lowercase().contains("%2e%2e"));
    if let Some(model) = api.model_in_path(path) {
        assert!(!model.is_empty());
        let named = llm::decoded(&resource).contains(&*llm::decoded(model));
        assert!(named || api.dialect == Dialect::OpenAi && api.has_body());
    }
}
