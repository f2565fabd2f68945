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
    let mut headers = map(&[
        ("authorization", "Bearer a"),
        ("cookie", "session=a"),
        ("x-api-key", "b"),
        ("api-key", "c"),
        ("x-goog-api-key", "d"),
        ("content-type", "application/json"),
    ]);
    strip_credentials(&mut headers);
    assert_eq!(names(&headers), ["content-type"]);
}

#[test]
fn the_forwarded_chain_grows() {
    let client: std::net::IpAddr = [192, 0, 2, 7].into();
    let mut headers = HeaderMap::new();
    add_forwarded(&mut headers, client, false);
    assert_eq!(headers["x-forwarded-for"], "192.0.2.7");
    assert_eq!(headers["x-forwarded-proto"], "http");
    add_forwarded(&mut headers, client, true);
    assert_eq!(headers["x-forwarded-for"], "192.0.2.7, 192.0.2.7");
    assert_eq!(headers["x-forwarded-proto"], "https");
}
