use http_body_util::BodyExt;
use net::budget::Exhausted;
use serde_json::Value;

use super::*;

/// Status, `error.type` and `error.code` of the OpenAI answer, the metric's error type, and the
/// gRPC code.
type Told<'a> = (u16, &'a str, &'a str, &'a str, u16);

fn told(failure: &Failure) -> (u16, String, String, &'static str, u16) {
    let response = failure.response(None, false);
    let status = response.status().as_u16();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let body = runtime
        .block_on(response.into_body().collect())
        .ok()
        .unwrap()
        .to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("message"), failure.to_string());
    let grpc = failure.response(None, true);
    assert_eq!(grpc.status(), 200);
    assert_eq!(grpc.headers()["content-type"], "application/grpc");
    let code = grpc.headers()["grpc-status"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    (
        status,
        text("type"),
        text("code"),
        failure.error_type().as_str(),
        code,
    )
}

#[test]
fn each_failure_tells_whose_it_is() {
    let check = |failure: Failure, expect: Told<'_>| {
        let told = told(&failure);
        let told = (told.0, told.1.as_str(), told.2.as_str(), told.3, told.4);
        assert_eq!(told, expect, "{failure:?}");
    };
    let invalid = "invalid_request_error";
    check(
        BadHost::Missing.into(),
        (400, invalid, "", "invalid_request", 3),
    );
    check(
        Failure::DotSegments,
        (400, invalid, "", "invalid_request", 3),
    );
    check(Failure::NoModel, (400, invalid, "", "invalid_request", 3));
    let dialect = (400, invalid, "dialect_not_served", "invalid_request", 3);
    check(Failure::ForeignDialect("x".into()), dialect);
    check(Failure::ForeignModels, dialect);
    let overloaded = (503, "server_error", "overloaded", "overloaded", 14);
    check(Failure::Exhausted, overloaded);
    check(
        Failure::Unsendable,
        (400, invalid, "", "invalid_request", 3),
    );
    check(
        Failure::ContentEncoding("br".into()),
        (415, invalid, "", "invalid_request", 3),
    );
    let unknown = Failure::UnknownModel("x".into());
    check(unknown, (404, invalid, "model_not_found", "not_found", 12));
    let body = |error: ReplayError| Failure::Body(error);
    let long = body(ReplayError::TooLarge { limit: 1 });
    check(
        long,
        (413, invalid, "request_too_large", "request_too_large", 8),
    );
    let no_route = Failure::NoRoute("/x".into());
    check(no_route, (404, invalid, "route_not_found", "not_found", 12));
    let host = Failure::ForeignHost("x".into());
    let told_host = told(&host);
    assert_eq!(
        (told_host.0, told_host.2.as_str(), told_host.4),
        (421, "host_not_allowed", 7)
    );
    let origin = told(&Failure::ForeignOrigin);
    assert_eq!(
        (origin.0, origin.2.as_str(), origin.4),
        (403, "origin_not_allowed", 7)
    );
    let full = told(&body(ReplayError::Exhausted(Exhausted::Shared)));
    assert_eq!((full.0, full.3, full.4), (503, "overloaded", 14));
    let idle = told(&body(ReplayError::IdleTimeout {
        after: Duration::from_secs(1),
    }));
    assert_eq!((idle.0, idle.3, idle.4), (408, "request_timeout", 4));
    let upstream = Failure::Upstream {
        backend: "b".into(),
        detail: "it closed",
        cause: None,
        error: ErrorType::UpstreamReset,
    };
    let upstream = told(&upstream);
    assert_eq!(
        (upstream.0, upstream.3, upstream.4),
        (502, "upstream_reset", 14)
    );
}

#[test]
fn a_timeout_names_its_field() {
    let timeouts = Timeouts {
        connect: Duration::from_secs(1),
        first_token: Some(Duration::from_secs(2)),
        between_chunks: Some(Duration::from_secs(3)),
        request: Some(Duration::from_secs(4)),
        backend_request: Some(Duration::from_secs(5)),
    };
    let check = |timeout, expect: &str, error: &str| {
        let failure = Failure::timeout(timeout, &timeouts);
        assert!(failure.to_string().contains(expect), "{failure}");
        let told = told(&failure);
        assert_eq!((told.0, told.3, told.4), (504, error, 4));
    };
    check(Timeout::Connect, "`connect` of 1s", "connect_timeout");
    check(
        Timeout::FirstToken,
        "`firstToken` of 2s",
        "first_token_timeout",
    );
    check(
        Timeout::BetweenChunks,
        "`betweenChunks` of 3s",
        "idle_timeout",
    );
    check(Timeout::Request, "`request` of 4s", "request_timeout");
    check(
        Timeout::BackendRequest,
        "`backendRequest` of 5s",
        "request_timeout",
    );
}

#[test]
fn who_may_try_again_is_told_so() {
    let full = Failure::NoEndpoint {
        backend: "b".into(),
        reason: PickError::AllFull,
    };
    for grpc in [false, true] {
        assert_eq!(full.response(None, grpc).headers()["retry-after"], "1");
        let exhausted = Failure::Exhausted.response(None, grpc);
        assert_eq!(exhausted.headers()["retry-after"], "1");
    }
    let method = Failure::MethodNotAllowed {
        path: "/v1/models".into(),
        allow: "GET",
    };
    let response = method.response(None, false);
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &"GET".parse().unwrap())
    );
}

#[test]
fn grpc_messages_are_printable() {
    assert_eq!(
        percent_encoded("100% of `x`\n\u{fc}"),
        "100%25 of `x`%0A%C3%BC"
    );
    for (content_type, expect) in [
        ("application/grpc+proto", true),
        ("application/json", false),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        assert_eq!(is_grpc(&headers), expect);
    }
}
