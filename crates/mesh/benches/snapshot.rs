//! The router and the compiler at 10,000 routes.
//!
//! Each shape keeps the router's index busy in another place: hosts, path prefixes, models, header
//! values. The bounds the project holds itself to are 2 µs a match and 100 ms a compilation.

#![expect(
    clippy::unwrap_used,
    reason = "a configuration that does not compile measures nothing"
)]

use divan::Bencher;
use http::{HeaderMap, HeaderValue, Method};
use mesh::resources::{
    BackendRef, Endpoint, HeaderMatch, ModelMatch, PathMatch, PoolSpec, RouteMatch, RouteSpec,
    RuleSpec, StringMatchType,
};
use mesh::snapshot::Head;
use mesh::{Meta, Resource, Resources, Secrets, Snapshot};

const ROUTES: usize = 10_000;

fn main() {
    divan::main();
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    Hosts,
    Prefixes,
    Models,
    Headers,
}

const SHAPES: [Shape; 4] = [Shape::Hosts, Shape::Prefixes, Shape::Models, Shape::Headers];

fn route(shape: Shape, i: usize) -> Resource<RouteSpec> {
    let mut hostnames = Vec::new();
    let mut one = RouteMatch::default();
    match shape {
        Shape::Hosts => hostnames.push(format!("tenant-{i}.example.com")),
        Shape::Prefixes => {
            let path = PathMatch {
                value: format!("/tenant/{i}"),
                ..PathMatch::default()
            };
            one.path = Some(path);
        }
        Shape::Models => {
            one.model = Some(ModelMatch {
                kind: Default::default(),
                value: format!("model-{i}"),
            });
        }
        Shape::Headers => one.headers.push(HeaderMatch {
            kind: StringMatchType::Exact,
            name: "x-tenant".to_owned(),
            value: i.to_string(),
        }),
    }
    let backend = BackendRef {
        pool: Some("pool".to_owned()),
        ..BackendRef::default()
    };
    let rule = RuleSpec {
        matches: vec![one],
        backend_refs: vec![backend],
        ..RuleSpec::default()
    };
    let spec = RouteSpec {
        hostnames,
        rules: vec![rule],
        ..RouteSpec::default()
    };
    Resource {
        meta: Meta::named(format!("route-{i}")),
        spec,
    }
}

fn resources(shape: Shape) -> Resources {
    let endpoint = Endpoint {
        name: None,
        address: "10.0.0.1:8000".to_owned(),
        weight: 1,
    };
    let spec = PoolSpec {
        endpoints: vec![endpoint],
        ..PoolSpec::default()
    };
    Resources {
        pools: vec![Resource {
            meta: Meta::named("pool"),
            spec,
        }],
        routes: (0..ROUTES).map(|i| route(shape, i)).collect(),
        ..Resources::default()
    }
}

#[divan::bench(args = SHAPES)]
fn route_request(bencher: Bencher<'_, '_>, shape: Shape) {
    let snapshot = Snapshot::compile(&resources(shape), &Secrets::new()).unwrap();
    let router = &snapshot.listeners()[0].router;
    let headers = HeaderMap::from_iter([
        (
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (
            http::HeaderName::from_static("x-tenant"),
            HeaderValue::from_static("7777"),
        ),
    ]);
    let head = Head {
        host: "tenant-7777.example.com",
        method: &Method::POST,
        path: "/tenant/7777/v1/chat/completions",
        query: None,
        headers: &headers,
        llm: true,
    };
    assert!(router.route(&head, Some("model-7777")).is_ok());
    bencher.bench(|| {
        router.route(
            divan::black_box(&head),
            divan::black_box(Some("model-7777")),
        )
    });
}

#[divan::bench(args = SHAPES)]
fn compile(bencher: Bencher<'_, '_>, shape: Shape) {
    let resources = resources(shape);
    bencher.bench(|| Snapshot::compile(&resources, &Secrets::new()).is_ok());
}
