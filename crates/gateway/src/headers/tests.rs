use super::*;

fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn hop_by_hop_headers_stay_behind() {
    let mut headers = map(&[
        ("connection", "close, X-Private, te"),
        ("keep-alive", "timeout=5"),
        ("proxy-authorization", "Basic a"),
        ("x-private", "1"),
        ("te", "trailers"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("accept", "*/*"),
    ]);
    strip_hop_by_hop(&mut headers);
    assert_eq!(names(&headers), ["accept", "te"]);

    let mut headers = map(&[("te", "gzip")]);
    strip_hop_by_hop(&mut headers);
    assert!(headers.is_empty());

    let mut headers = map(&[("te", "trailers"), ("connection", "x-request-id")]);
    headers.append("te", HeaderValue::from_static("gzip"));
    headers.insert("x-request-id", HeaderValue::from_static("1"));
    strip_hop_by_hop(&mut headers);
    assert_eq!(names(&headers), ["x-request-id"]);
}

#[test]
fn trailers_say_nothing_that_a_head_may_not() {
    let mut trailers = map(&[
        ("authorization", "Bearer a"),
        ("cookie", "a=b"),
        ("x-api-key", "a"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-request-id", "1"),
        ("x-sluicegate-a", "1"),
        ("host", "a"),
        ("content-length", "1"),
        ("transfer-encoding", "chunked"),
        ("x-checksum", "1"),
    ]);
    strip_trailers(&mut trailers);
    assert_eq!(names(&trailers), ["x-checksum"]);
}

#[test]
fn clients_cannot_steer_or_impersonate() {
    let mut headers = map(&[
        ("x-gateway-destination-endpoint", "10.0.0.1:80"),
        ("x-gateway-destination-endpoint-subset", "10.0.0.1:80"),
        ("x-prefiller-host-port", "10.0.0.1:80"),
        ("x-forwarded-client-cert", "By=spiffe://x"),
        ("x-sluicegate-endpoint", "a"),
        ("x-request-id", "kept"),
    ]);
    strip_control(&mut headers);
    assert_eq!(names(&headers), ["x-request-id"]);
}

#[test]
fn a_callers_credentials_end_here() {
    let headers = map(&[
        ("authorization", "Bearer a"),
        ("cookie", "session=a"),
        ("x-api-key", "b"),
        ("api-key", "c"),
        ("x-goog-api-key", "d"),
        ("content-type", "application/json"),
    ]);
    let headers = copy_end_to_end(&headers, is_credential);
    assert_eq!(names(&headers), ["content-type"]);
}

#[test]
fn the_forwarded_chain_grows() {
    let client = HeaderValue::from_static("192.0.2.7");
    let mut headers = HeaderMap::new();
    add_forwarded(&mut headers, &client, false);
    assert_eq!(headers["x-forwarded-for"], "192.0.2.7");
    assert_eq!(headers["x-forwarded-proto"], "http");
    add_forwarded(&mut headers, &client, true);
    assert_eq!(headers["x-forwarded-for"], "192.0.2.7, 192.0.2.7");
    assert_eq!(headers["x-forwarded-proto"], "https");
}

#[test]
fn a_control_header_is_known_by_its_underscores_too() {
    let mut headers = map(&[
        ("x_sluicegate_endpoint", "a"),
        ("x-gateway_destination-endpoint", "10.0.0.1:80"),
        ("x_forwarded_client_cert", "By=spiffe://x"),
        ("x_custom", "kept"),
    ]);
    headers.append("x-sluicegate-attempts", HeaderValue::from_static("1"));
    headers.append("x-sluicegate-attempts", HeaderValue::from_static("2"));
    strip_control(&mut headers);
    assert_eq!(names(&headers), ["x_custom"]);
}

#[test]
fn a_forwarded_chain_in_several_lines_stays_whole() {
    let mut headers = HeaderMap::new();
    headers.append("x-forwarded-for", HeaderValue::from_static("198.51.100.1"));
    headers.append(
        "x-forwarded-for",
        HeaderValue::from_static("203.0.113.9, 10.0.0.1"),
    );
    add_forwarded(&mut headers, &HeaderValue::from_static("192.0.2.7"), false);
    let chain: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    assert_eq!(chain, ["198.51.100.1, 203.0.113.9, 10.0.0.1, 192.0.2.7"]);
}

#[test]
fn others_are_told_nothing_of_the_way() {
    let headers = map(&[
        ("x-forwarded-for", "192.0.2.7"),
        ("x-real-ip", "192.0.2.7"),
        ("forwarded", "for=192.0.2.7"),
        ("accept", "*/*"),
    ]);
    let headers = copy_end_to_end(&headers, is_forwarded);
    assert_eq!(names(&headers), ["accept"]);
}

#[test]
fn cookies_become_one_header() {
    let mut headers = HeaderMap::new();
    join_cookies(&mut headers);
    assert!(headers.is_empty());
    headers.append("cookie", HeaderValue::from_static("a=1"));
    join_cookies(&mut headers);
    headers.append("cookie", HeaderValue::from_static("b=2"));
    join_cookies(&mut headers);
    assert_eq!(
        headers.get_all("cookie").iter().collect::<Vec<_>>(),
        ["a=1; b=2"]
    );
}
