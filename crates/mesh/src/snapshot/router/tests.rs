mod naive;

use http::HeaderName;
use serde_json::{Value, json};

use super::*;
use crate::snapshot::Snapshot;
use crate::snapshot::tests::compile;

/// A request as tests write it.
#[derive(Clone, Debug)]
struct Request {
    host: String,
    method: Method,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    llm: bool,
}

impl Request {
    /// An LLM request if the path ends like one.
    fn new(host: &str, path_and_query: &str, headers: &[(&str, &str)]) -> Self {
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (path_and_query, None),
        };
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()));
        Self {
            host: host.to_owned(),
            method: Method::POST,
            path: path.to_owned(),
            query,
            headers: pairs.collect(),
            llm: path.ends_with("/chat/completions") || path.ends_with("/models"),
        }
    }

    fn head(&self) -> Head<'_> {
        Head {
            host: &self.host,
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            llm: self.llm,
        }
    }
}

fn router(snapshot: &Snapshot) -> &Router {
    &snapshot.listeners()[0].router
}

/// A snapshot of one route per entry, each with a rule of one match to the pool `web` (plain) or,
/// for names that begin with `llm`, to the pool `llm`.
fn snapshot(routes: &[(&str, Value)]) -> Snapshot {
    let route = |(name, spec): &(&str, Value)| {
        let pool = if name.starts_with("llm") {
            "llm"
        } else {
            "web"
        };
        let rule = json!({ "matches": [spec["match"]], "backendRefs": [{ "pool": pool }] });
        let hostnames = spec.get("hostnames").cloned().unwrap_or(json!([]));
        (
            (*name).to_owned(),
            json!({ "hostnames": hostnames, "rules": [rule] }),
        )
    };
    let unused = json!({ "hostnames": ["unused.test"], "rules": [
        { "backendRefs": [{ "pool": "llm" }] },
    ] });
    let mut routes: serde_json::Map<String, Value> = routes.iter().map(route).collect();
    routes.insert("unused".to_owned(), unused);
    compile(json!({
        "pools": {
            "llm": { "endpoints": [{ "address": "h:1" }] },
            "web": { "dialect": "none", "endpoints": [{ "address": "h:2" }] },
        },
        "routes": routes,
    }))
}

/// Of two routes that both fit, the one named `first` wins, in whatever order they are written.
#[track_caller]
fn check_precedence(request: &Request, model: Option<&str>, first: Value, second: Value) {
    for (a, b) in [("llm-a", "llm-b"), ("llm-b", "llm-a")] {
        let routes = [(a, first.clone()), (b, second.clone())];
        let routed = router(&snapshot(&routes))
            .route(&request.head(), model)
            .unwrap();
        assert_eq!(&*routed.rule.route, a, "{first} before {second}");
        let alone = snapshot(&routes[1..]);
        assert!(
            router(&alone).route(&request.head(), model).is_ok(),
            "{second} does not fit"
        );
    }
}

#[test]
fn the_more_specific_match_wins() {
    let request = Request::new(
        "api.a.com",
        "/v1/chat/completions?q=1&r=2",
        &[("x", "1"), ("y", "2")],
    );
    let check = |first: Value, second: Value| {
        check_precedence(
            &request,
            Some("gpt-5"),
            json!({ "match": first }),
            json!({ "match": second }),
        );
    };
    let path = |kind: &str, value: &str| json!({ "path": { "type": kind, "value": value } });
    let model = |kind: &str, value: &str| json!({ "model": { "type": kind, "value": value } });
    let header = |name: &str, value: &str| json!({ "name": name, "value": value });
    check(
        path("Exact", "/v1/chat/completions"),
        path("PathPrefix", "/v1/chat/completions"),
    );
    check(path("PathPrefix", "/v1/chat"), path("PathPrefix", "/v1"));
    check(
        path("PathPrefix", "/v1"),
        path("RegularExpression", "/v1/chat/comp.*"),
    );
    check(path("RegularExpression", "/v1/.*"), path("PathPrefix", "/"));
    check(path("RegularExpression", "/v1/.*"), model("Exact", "gpt-5"));
    check(path("PathPrefix", "/v1"), json!({ "method": "POST" }));
    check(
        json!({ "method": "POST" }),
        json!({ "headers": [header("x", "1"), header("y", "2")] }),
    );
    check(
        json!({ "headers": [header("x", "1"), header("y", "2")] }),
        json!({ "headers": [header("X", "1")], "queryParams": [header("q", "1")] }),
    );
    check(
        json!({ "queryParams": [header("q", "1"), header("r", "2")] }),
        json!({ "queryParams": [header("q", "1")], "model": { "value": "gpt-5" } }),
    );
    check(
        json!({ "queryParams": [header("q", "1")] }),
        model("Exact", "gpt-5"),
    );
    check(model("Exact", "gpt-5"), model("Prefix", "gpt-5"));
    check(model("Prefix", "gpt-"), model("Prefix", "gpt"));
    check(model("Prefix", "g"), model("Glob", "gpt-?"));
    check(model("Glob", "*"), model("RegularExpression", "gpt-5"));
    check(model("RegularExpression", ".*"), json!({}));
}

#[test]
fn the_more_specific_host_wins() {
    let request = Request::new("API.a.com", "/v1/chat/completions", &[]);
    let check = |first: Value, second: Value| {
        let second = json!({ "hostnames": second, "match": { "method": "POST" } });
        check_precedence(
            &request,
            None,
            json!({ "hostnames": first, "match": {} }),
            second,
        );
    };
    check(json!(["api.a.com"]), json!(["*.a.com"]));
    check(json!(["*.a.com"]), json!(["*.com"]));
    check(json!(["*.com"]), json!([]));
}

#[test]
fn a_host_falls_back_to_a_less_specific_one() {
    let snapshot = snapshot(&[
        (
            "exact",
            json!({ "hostnames": ["a.com"], "match": { "path": { "value": "/x" } } }),
        ),
        ("any", json!({ "match": {} })),
    ]);
    let route = |host: &str, path: &str| {
        let routed = router(&snapshot).route(&Request::new(host, path, &[]).head(), None);
        routed.unwrap().rule.route.to_string()
    };
    assert_eq!(route("a.com", "/x/y"), "exact");
    assert_eq!(route("a.com.", "/x"), "exact");
    assert_eq!(route("a.com", "/y"), "any");
    assert_eq!(route(&"x.".repeat(200), "/y"), "any");
}

#[test]
fn older_routes_come_first_then_names_then_rules() {
    let rules = json!([{ "name": "one", "backendRefs": [{ "pool": "p" }] },
                       { "name": "two", "backendRefs": [{ "pool": "p" }] }]);
    let value = json!({
        "pools": { "p": { "endpoints": [{ "address": "h:1" }] } },
        "routes": { "c": { "rules": rules }, "b": { "rules": rules }, "a": { "rules": rules } },
    });
    let mut resources = crate::snapshot::tests::resources(&value);
    let mut order = |created: [Option<u64>; 3]| {
        for (route, created) in resources.routes.iter_mut().zip(created) {
            route.meta.created = created;
        }
        let snapshot = Snapshot::compile(&resources, &Default::default()).unwrap();
        let names = router(&snapshot)
            .matches()
            .map(|(_, rule)| format!("{}{}", rule.route, rule.name));
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(order([None, None, None]), "aone atwo bone btwo cone ctwo");
    assert_eq!(
        order([Some(1), Some(2), Some(2)]),
        "cone ctwo aone atwo bone btwo"
    );
    assert_eq!(
        order([None, Some(9), None]),
        "bone btwo aone atwo cone ctwo"
    );
}

#[test]
fn only_api_paths_reach_an_engine() {
    let snapshot = snapshot(&[("llm", json!({ "match": { "path": { "value": "/team" } } }))]);
    let route = |path: &str| {
        router(&snapshot)
            .route(&Request::new("h", path, &[]).head(), Some("m"))
            .is_ok()
    };
    assert!(route("/team/v1/chat/completions"));
    assert!(!route("/team/v1/load_lora_adapter"));
    assert!(!route("/v1/chat/completions"));
}

#[test]
fn an_unknown_model_is_not_an_unknown_route() {
    let snapshot = snapshot(&[("llm", json!({ "match": { "model": { "value": "m" } } }))]);
    let route = |path: &str, model| {
        router(&snapshot)
            .route(&Request::new("h", path, &[]).head(), model)
            .map(drop)
    };
    assert_eq!(route("/v1/chat/completions", Some("m")), Ok(()));
    assert_eq!(
        route("/v1/chat/completions", Some("n")),
        Err(Unmatched::UnknownModel)
    );
    assert_eq!(
        route("/v1/chat/completions", None),
        Err(Unmatched::UnknownModel)
    );
    assert_eq!(route("/elsewhere", Some("m")), Err(Unmatched::NoRoute));
}

#[test]
fn a_preview_tells_whether_the_model_matters() {
    let model = json!({ "model": { "value": "m" } });
    let check = |routes: &[(&str, Value)], expect: &str| {
        let request = Request::new("h", "/v1/chat/completions", &[]);
        let told = match router(&snapshot(routes)).preview(&request.head()) {
            Preview::Decided(found) => found.rule.route.to_string(),
            Preview::NeedsModel => "model".to_owned(),
            Preview::None => "none".to_owned(),
        };
        assert_eq!(told, expect);
    };
    check(&[("llm-any", json!({ "match": {} }))], "llm-any");
    check(
        &[
            ("llm-any", json!({ "match": {} })),
            ("llm-m", json!({ "match": model })),
        ],
        "model",
    );
    check(
        &[
            ("llm-any", json!({ "match": { "method": "POST" } })),
            ("llm-m", json!({ "match": model })),
        ],
        "llm-any",
    );
    check(
        &[
            ("llm-any", json!({ "match": {} })),
            ("llm-m", json!({ "match": model, "hostnames": ["x"] })),
        ],
        "llm-any",
    );
    check(
        &[
            ("web", json!({ "match": { "path": { "value": "/v1" } } })),
            ("llm-m", json!({ "match": model })),
        ],
        "web",
    );
    check(
        &[("web", json!({ "match": { "path": { "value": "/v2" } } }))],
        "none",
    );
}

#[test]
fn the_matched_prefix_is_told() {
    let snapshot = snapshot(&[
        ("prefix", json!({ "match": { "path": { "value": "/a/" } } })),
        (
            "exact",
            json!({ "match": { "path": { "type": "Exact", "value": "/b" } } }),
        ),
        ("all", json!({ "match": {} })),
    ]);
    let check = |path: &str, expect: usize| {
        let routed = router(&snapshot)
            .route(&Request::new("h", path, &[]).head(), None)
            .unwrap();
        assert_eq!(routed.prefix_len, expect, "{path}");
    };
    check("/a/b", 2);
    check("/a", 2);
    check("/b", 2);
    check("/c", 0);
}

#[test]
fn models_are_listed_where_they_can_be_asked_for() {
    let endpoints = json!([{ "address": "h:1" }]);
    let snapshot = compile(json!({
        "pools": {
            "own": { "endpoints": endpoints, "models": ["implicit"] },
            "p": { "endpoints": endpoints, "models": ["a", "b"] },
            "q": { "endpoints": endpoints },
        },
        "routes": {
            "r": { "rules": [
                { "matches": [{ "model": { "type": "Prefix", "value": "b" } }],
                  "backendRefs": [{ "pool": "p" }] },
                { "matches": [{ "model": { "value": "alias" }, "method": "POST" }],
                  "backendRefs": [{ "pool": "p", "model": "a" }] },
                { "matches": [{ "path": { "value": "/team" }, "model": { "value": "team" } }],
                  "backendRefs": [{ "pool": "q" }] },
                { "matches": [{ "headers": [{ "name": "vip", "value": "1" }], "model": { "value": "vip" } }],
                  "backendRefs": [{ "pool": "q" }] },
            ] },
        },
    }));
    let list = |path: &str, headers: &[(&str, &str)]| {
        let request = Request::new("h", path, headers);
        let listed = router(&snapshot).models(&request.head());
        for model in &listed {
            assert_eq!(
                router(&snapshot)
                    .model(&request.head(), &model.name)
                    .as_ref(),
                Some(model)
            );
        }
        listed
            .iter()
            .map(|it| format!("{}:{}", it.name, it.owner))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(list("/v1/models", &[]), "alias:p b:p implicit:own");
    assert_eq!(
        list("/team/v1/models", &[]),
        "alias:p b:p implicit:own team:q"
    );
    assert_eq!(
        list("/v1/models", &[("vip", "1")]),
        "alias:p b:p implicit:own vip:q"
    );
    let request = Request::new("h", "/v1/models", &[]);
    let model = |name: &str| {
        router(&snapshot)
            .model(&request.head(), name)
            .map(|it| it.owner.to_string())
    };
    assert_eq!(model("b2"), Some("p".into()));
    assert_eq!(model("a"), None);
}

#[test]
fn a_backend_without_routes_serves_its_own_models() {
    let value = json!({
        "providers": { "catch-all": {}, "named": { "models": ["m"] }, "routed": {} },
        "routes": { "r": { "rules": [
            { "matches": [{ "model": { "value": "m" } }, { "headers": [{ "name": "x", "value": "1" }] }],
              "backendRefs": [{ "provider": "routed" }] },
        ] } },
    });
    let snapshot = compile(value);
    let check = |headers: &[(&str, &str)], model: &str, expect: &str| {
        let request = Request::new("h", "/v1/chat/completions", headers);
        let routed = router(&snapshot)
            .route(&request.head(), Some(model))
            .unwrap();
        assert_eq!(
            &*routed.rule.targets().next().unwrap().backend.name,
            expect,
            "{model}"
        );
    };
    check(&[], "m", "routed");
    check(&[], "other", "catch-all");
    check(&[("x", "1")], "other", "routed");
}

#[test]
fn the_root_is_a_prefix_of_everything() {
    let snapshot = snapshot(&[("web", json!({ "match": {} }))]);
    for path in ["/", "/a", "*"] {
        let request = Request::new("h", path, &[]);
        let router = router(&snapshot);
        assert!(router.route(&request.head(), None).is_ok(), "{path}");
        let told = router.explain(&request.head(), None);
        let is_chosen = |one: &Considered| matches!(one.verdict, Verdict::Chosen);
        assert!(told.iter().any(is_chosen), "{path}");
    }
}

#[test]
fn explanations_name_the_reason() {
    let snapshot = snapshot(&[
        ("llm-host", json!({ "hostnames": ["x.com"], "match": {} })),
        (
            "llm-path",
            json!({ "match": { "path": { "value": "/v2" } } }),
        ),
        ("llm-method", json!({ "match": { "method": "GET" } })),
        (
            "llm-header",
            json!({ "match": { "headers": [{ "name": "x", "value": "1" }] } }),
        ),
        (
            "llm-query",
            json!({ "match": { "queryParams": [{ "name": "q", "value": "1" }] } }),
        ),
        (
            "llm-model",
            json!({ "match": { "model": { "value": "m" } } }),
        ),
        ("web", json!({ "match": {} })),
        ("web-too", json!({ "match": {} })),
    ]);
    let request = Request::new("h", "/v1/chat/completions", &[("x", "2")]);
    let told = router(&snapshot)
        .explain(&request.head(), Some("n"))
        .iter()
        .map(|considered| {
            let verdict = match &considered.verdict {
                Verdict::Chosen => "chosen".to_owned(),
                Verdict::Shadowed { by } => format!("shadowed by {}", by.route),
                Verdict::PassedOver(mismatch) => mismatch.to_string(),
            };
            format!(
                "{} ({}): {verdict}",
                considered.rule.route, considered.conditions
            )
        })
        .collect::<Vec<_>>()
        .join("\n");
    insta::assert_snapshot!(told, @r#"
    llm-host (host x.com, path /*): the host is another
    unused (host unused.test, path /*): the host is another
    llm-path (path /v2/*): the path is another
    llm-method (path /*, method GET): the method is another
    llm-header (path /*, header x 1): the header `x` is absent or another
    llm-query (path /*, query parameter q 1): the query parameter `q` is absent or another
    llm-model (path /*, model m): the model is another
    web (path /*): chosen
    web-too (path /*): shadowed by web
    "#);
}

#[test]
fn ports_are_taken_off_hosts() {
    let check = |authority: &str, expect: &str| assert_eq!(host_without_port(authority), expect);
    check("a.com:8080", "a.com");
    check("a.com", "a.com");
    check("[::1]:80", "[::1]");
    check("[::1]", "[::1]");
    check("::1", "::1");
    check("a.com:", "a.com");
    check("", "");
}
