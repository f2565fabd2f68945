//! The router against one that tries every match of every rule, written from the documented rules
//! and sharing no code with it.

use std::cmp::Reverse;

use globset::GlobBuilder;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use regex::Regex;

use super::*;
use crate::resources::*;

/// Rank of a match, least first, and where it is.
type Found = (
    (u8, Reverse<usize>),
    (u8, Reverse<usize>),
    Rest,
    String,
    usize,
);
type Rest = (
    bool,
    Reverse<usize>,
    Reverse<usize>,
    (u8, Reverse<usize>),
    u64,
);

fn naive(resources: &Resources, request: &Request, model: Option<&str>) -> Option<(String, usize)> {
    let mut found: Vec<Found> = Vec::new();
    for route in &resources.routes {
        for (index, rule) in route.spec.rules.iter().enumerate() {
            let llm = rule.backend_refs[0].pool.as_deref() == Some("llm");
            if llm && !request.llm {
                continue;
            }
            for one in &rule.matches {
                let hosts = host_ranks(&route.spec.hostnames, &request.host);
                let fits = path_fits(one, &request.path)
                    && details_fit(one, request)
                    && model_fits(one, model);
                let created = route.meta.created.unwrap_or(u64::MAX);
                found.extend(hosts.into_iter().filter(|_| fits).map(|host| {
                    (
                        host,
                        path_rank(one),
                        rest(one, created),
                        route.meta.name.clone(),
                        index,
                    )
                }));
            }
        }
    }
    found
        .into_iter()
        .min()
        .map(|(_, _, _, route, rule)| (route, rule))
}

fn host_ranks(hostnames: &[String], host: &str) -> Vec<(u8, Reverse<usize>)> {
    let host = host.to_lowercase();
    if hostnames.is_empty() {
        return vec![(2, Reverse(0))];
    }
    let rank = |name: &String| match name.strip_prefix('*') {
        Some(suffix) => host.ends_with(suffix).then_some((1, Reverse(suffix.len()))),
        None => (host == *name).then_some((0, Reverse(0))),
    };
    hostnames.iter().filter_map(rank).collect()
}

fn elements(path: &str) -> Vec<&str> {
    path.trim_end_matches('/').split('/').collect()
}

fn whole(pattern: &str, text: &str) -> bool {
    Regex::new(&format!("^({pattern})$"))
        .unwrap()
        .is_match(text)
}

fn path_fits(one: &RouteMatch, path: &str) -> bool {
    one.path.as_ref().is_none_or(|of| match of.kind {
        PathMatchType::Exact => path == of.value,
        PathMatchType::PathPrefix => elements(path).starts_with(&elements(&of.value)),
        PathMatchType::RegularExpression => whole(&of.value, path),
    })
}

fn path_rank(one: &RouteMatch) -> (u8, Reverse<usize>) {
    match &one.path {
        Some(of) if of.kind == PathMatchType::Exact => (0, Reverse(0)),
        Some(of) if of.kind == PathMatchType::RegularExpression => (2, Reverse(0)),
        Some(of) if of.value != "/" => (1, Reverse(of.value.trim_end_matches('/').len())),
        _ => (3, Reverse(0)),
    }
}

fn rest(one: &RouteMatch, created: u64) -> Rest {
    let model = match &one.model {
        Some(of) => match of.kind {
            ModelMatchType::Exact => (0, Reverse(0)),
            ModelMatchType::Prefix => (1, Reverse(of.value.len())),
            ModelMatchType::Glob => (2, Reverse(0)),
            ModelMatchType::RegularExpression => (3, Reverse(0)),
        },
        None => (4, Reverse(0)),
    };
    let (headers, query) = (one.headers.len(), one.query_params.len());
    (
        one.method.is_none(),
        Reverse(headers),
        Reverse(query),
        model,
        created,
    )
}

fn text_fits(kind: StringMatchType, value: &str, text: &str) -> bool {
    match kind {
        StringMatchType::Exact => value == text,
        StringMatchType::RegularExpression => whole(value, text),
    }
}

fn details_fit(one: &RouteMatch, request: &Request) -> bool {
    let method = one
        .method
        .is_none_or(|method| serde_json::to_value(method).unwrap() == request.method.as_str());
    let headers = one.headers.iter().all(|of| {
        let value = request.headers.get(of.name.to_lowercase());
        value.is_some_and(|value| text_fits(of.kind, &of.value, value.to_str().unwrap()))
    });
    let query = one.query_params.iter().all(|of| {
        let value = request
            .query
            .as_deref()
            .and_then(|query| query.strip_prefix("q="));
        of.name == "q" && value.is_some_and(|value| text_fits(of.kind, &of.value, value))
    });
    method && headers && query
}

fn model_fits(one: &RouteMatch, model: Option<&str>) -> bool {
    one.model.as_ref().is_none_or(|of| {
        model.is_some_and(|model| match of.kind {
            ModelMatchType::Exact => model == of.value,
            ModelMatchType::Prefix => model.starts_with(&of.value),
            ModelMatchType::Glob => GlobBuilder::new(&of.value)
                .build()
                .unwrap()
                .compile_matcher()
                .is_match(model),
            ModelMatchType::RegularExpression => whole(&of.value, model),
        })
    })
}

fn paths() -> impl Strategy<Value = Option<PathMatch>> {
    let plain = select(vec![
        "/",
        "/a",
        "/a/b",
        "/a/",
        "/ab",
        "/a/b/chat/completions",
    ]);
    let plain = (
        select(vec![PathMatchType::Exact, PathMatchType::PathPrefix]),
        plain,
    );
    let regex = select(vec!["/a.*", "/[ab]+", ".*/chat/completions"]);
    let regex = regex.prop_map(|value| (PathMatchType::RegularExpression, value));
    let path = prop_oneof![3 => plain, 1 => regex];
    proptest::option::of(path.prop_map(|(kind, value)| PathMatch {
        kind,
        value: value.to_owned(),
    }))
}

fn values() -> impl Strategy<Value = (StringMatchType, String)> {
    let values = [
        ("1", StringMatchType::Exact),
        ("2", StringMatchType::Exact),
        ("1|2", StringMatchType::RegularExpression),
    ];
    select(values.to_vec()).prop_map(|(value, kind)| (kind, value.to_owned()))
}

fn models() -> impl Strategy<Value = Option<ModelMatch>> {
    use ModelMatchType::*;
    let models = [
        (Exact, "m1"),
        (Exact, "m2"),
        (Prefix, "m"),
        (Prefix, "m1"),
        (Glob, "m?"),
        (RegularExpression, "m[12]"),
    ];
    let model = |(kind, value): (_, &str)| ModelMatch {
        kind,
        value: value.to_owned(),
    };
    proptest::option::of(select(models.to_vec()).prop_map(model))
}

fn matches(llm: bool) -> impl Strategy<Value = RouteMatch> {
    let method = proptest::option::of(select(vec![
        crate::resources::Method::Get,
        crate::resources::Method::Post,
    ]));
    let headers = subsequence(vec!["X", "y"], 0..=2).prop_flat_map(|names| {
        names
            .into_iter()
            .map(|name| (Just(name), values()))
            .collect::<Vec<_>>()
    });
    let query = proptest::option::of(values());
    (paths(), method, headers, query, models()).prop_map(
        move |(path, method, headers, query, model)| {
            let header = |(name, (kind, value)): (&str, _)| HeaderMatch {
                kind,
                name: name.to_owned(),
                value,
            };
            let parameter = |(kind, value)| QueryParamMatch {
                kind,
                name: "q".to_owned(),
                value,
            };
            RouteMatch {
                path,
                method,
                headers: headers.into_iter().map(header).collect(),
                query_params: query.into_iter().map(parameter).collect(),
                model: model.filter(|_| llm),
            }
        },
    )
}

fn rules() -> impl Strategy<Value = RuleSpec> {
    any::<bool>().prop_flat_map(|llm| {
        proptest::collection::vec(matches(llm), 1..3).prop_map(move |matches| {
            let pool = Some(if llm { "llm" } else { "web" }.to_owned());
            let backend_refs = vec![BackendRef {
                pool,
                ..BackendRef::default()
            }];
            RuleSpec {
                matches,
                backend_refs,
                ..RuleSpec::default()
            }
        })
    })
}

fn some_resources() -> impl Strategy<Value = Resources> {
    let hostnames = subsequence(vec!["a.com", "*.a.com", "b.a.com", "*.com"], 0..=2);
    let route = (
        hostnames,
        proptest::collection::vec(rules(), 1..3),
        proptest::option::of(0..2u64),
    );
    proptest::collection::vec(route, 0..12).prop_map(|routes| {
        let endpoint = Endpoint {
            name: None,
            address: "h:1".to_owned(),
            weight: 1,
        };
        let llm = PoolSpec {
            endpoints: vec![endpoint],
            ..PoolSpec::default()
        };
        let web = PoolSpec {
            dialect: PoolDialect::None,
            ..llm.clone()
        };
        let pools = vec![
            Resource {
                meta: Meta::named("llm"),
                spec: llm,
            },
            Resource {
                meta: Meta::named("web"),
                spec: web,
            },
        ];
        // Keeps the pool from serving by itself.
        let elsewhere = RouteSpec {
            hostnames: vec!["elsewhere.test".to_owned()],
            rules: vec![RuleSpec {
                matches: vec![RouteMatch::default()],
                backend_refs: vec![BackendRef {
                    pool: Some("llm".to_owned()),
                    ..BackendRef::default()
                }],
                ..RuleSpec::default()
            }],
            ..RouteSpec::default()
        };
        let mut all = vec![Resource {
            meta: Meta::named("z"),
            spec: elsewhere,
        }];
        for (i, (hostnames, rules, created)) in routes.into_iter().enumerate() {
            let meta = Meta {
                created,
                ..Meta::named(format!("r{i:02}"))
            };
            let hostnames = hostnames.into_iter().map(str::to_owned).collect();
            all.push(Resource {
                meta,
                spec: RouteSpec {
                    hostnames,
                    rules,
                    ..RouteSpec::default()
                },
            });
        }
        Resources {
            pools,
            routes: all,
            ..Resources::default()
        }
    })
}

fn requests() -> impl Strategy<Value = Request> {
    let host = select(vec![
        "a.com",
        "b.a.com",
        "c.b.a.com",
        "x.com",
        "B.A.com",
        "other",
        "",
    ]);
    let path = select(vec![
        "/",
        "/a",
        "/a/",
        "/a/b",
        "/a/bc",
        "/ab",
        "/b",
        "/a/b/chat/completions",
        "/chat/completions",
        "",
    ]);
    let header = || select(vec![None, Some("1"), Some("2"), Some("3")]);
    let method = select(vec![
        http::Method::GET,
        http::Method::POST,
        http::Method::PUT,
    ]);
    (host, path, header(), header(), header(), method).prop_map(|(host, path, x, y, q, method)| {
        let headers: Vec<_> = [("x", x), ("y", y)]
            .into_iter()
            .filter_map(|(n, v)| Some((n, v?)))
            .collect();
        let query = q.map(|q| format!("q={q}"));
        Request {
            method,
            query,
            ..Request::new(host, path, &headers)
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_router_finds_what_trying_all_finds(
        resources in some_resources(),
        requests in proptest::collection::vec(requests(), 16),
    ) {
        let snapshot = Snapshot::compile(&resources, &Default::default()).unwrap();
        let router = router(&snapshot);
        let name = |found: &Match| (found.rule.route.to_string(), found.rule.name.parse().unwrap());
        for request in &requests {
            let head = request.head();
            let preview = router.preview(&head);
            let mut models_matter = false;
            for model in [None, Some("m1"), Some("m2"), Some("m12"), Some("x")] {
                let expect = naive(&resources, request, model);
                let routed = router.route(&head, model);
                prop_assert_eq!(routed.as_ref().ok().map(name), expect, "{:?} {:?}", request, model);
                let chosen = router.explain(&head, model).into_iter()
                    .find(|considered| matches!(considered.verdict, Verdict::Chosen));
                let chosen = chosen.map(|it| (it.rule.route.to_string(), it.rule.name.parse().unwrap()));
                prop_assert_eq!(routed.as_ref().ok().map(name), chosen);
                match (&preview, &routed) {
                    (Preview::Decided(found), Ok(routed)) => prop_assert_eq!(name(found), name(routed)),
                    (Preview::Decided(_), Err(error)) => prop_assert!(false, "{error}"),
                    (Preview::None, routed) => prop_assert_eq!(routed.as_ref().err(), Some(&Unmatched::NoRoute)),
                    (Preview::NeedsModel, Err(error)) => prop_assert_eq!(*error, Unmatched::UnknownModel),
                    (Preview::NeedsModel, Ok(_)) => {}
                }
                models_matter |= model.is_some() && routed.map(|it| name(&it)).ok() != naive(&resources, request, None);
            }
            prop_assert!(!models_matter || matches!(preview, Preview::NeedsModel));
        }
    }

    #[test]
    fn no_head_breaks_the_router(host: String, path: String, query: Option<String>, model: String) {
        let snapshot = snapshot(&[
            ("llm-a", json!({ "hostnames": ["*.a.com"], "match": { "path": { "value": "/é".replace('é', "e") } } })),
            ("web", json!({ "match": { "queryParams": [{ "name": "q", "value": "1" }] } })),
        ]);
        let request = Request { host, query, ..Request::new("", &path.replace('?', ""), &[]) };
        let _ = router(&snapshot).route(&request.head(), Some(&model));
        let _ = router(&snapshot).models(&request.head());
        let _ = host_without_port(&request.host);
    }
}
