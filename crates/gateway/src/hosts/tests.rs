use http::HeaderValue;

use super::*;

fn headers(pairs: &[(http::HeaderName, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
        .collect()
}

fn check(uri: &str, hosts: &[&'static str], expect: Result<&str, BadHost>) {
    let uri: Uri = uri.parse().unwrap();
    let pairs: Vec<_> = hosts.iter().map(|host| (HOST, *host)).collect();
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(name, HeaderValue::from_static(value));
    }
    assert_eq!(
        addressed(&uri, &map).as_deref(),
        expect.as_ref().map(|host| *host),
        "{uri} {hosts:?}"
    );
}

#[test]
fn exactly_one_host_is_believed() {
    check("/v1/models", &["Example.com:8080"], Ok("example.com"));
    check("/v1/models", &["[::1]:8080"], Ok("[::1]"));
    check("http://example.com/v1", &["example.com"], Ok("example.com"));
    check("http://example.com/v1", &[], Ok("example.com"));
    check(
        "http://example.com/v1",
        &["evil.test"],
        Err(BadHost::Disagree),
    );
    check(
        "http://example.com:81/v1",
        &["example.com:82"],
        Err(BadHost::Disagree),
    );
    check("/", &[], Err(BadHost::Missing));
    check("/", &["a", "b"], Err(BadHost::Repeated));
    check("/", &["a", "a"], Err(BadHost::Repeated));
    check("/", &["user@a"], Err(BadHost::Malformed));
    check("/", &["a/b"], Err(BadHost::Malformed));
    check("/", &["a:"], Ok("a"));
    check("/", &["a_b:1"], Ok("a_b"));
    check("/", &["a:+1"], Err(BadHost::Malformed));
    check("/", &[":80"], Err(BadHost::Malformed));
    check("http://a:8080/", &["A:8080"], Ok("a"));
    check("/", &["a:0x50"], Err(BadHost::Malformed));
    check("/", &["a:99999"], Err(BadHost::Malformed));
    check("http://a:http/", &["a"], Err(BadHost::Malformed));
    check("http://user@a/", &["a"], Err(BadHost::Malformed));
    check("/", &[""], Err(BadHost::Malformed));
}

#[test]
fn pages_of_other_hosts_are_foreign() {
    let foreign = |origin: &'static str| {
        foreign_origin(&headers(&[(ORIGIN, origin)]), "localhost").map(str::to_owned)
    };
    assert_eq!(
        foreign_origin(&HeaderMap::new(), "localhost"),
        None,
        "no browser"
    );
    assert_eq!(foreign("http://localhost:3000"), None);
    assert_eq!(foreign("https://LOCALHOST"), None);
    for origin in [
        "https://evil.example.com",
        "http://localhost.evil.test",
        "http://evil.test@localhost",
        "localhost",
        "null",
    ] {
        assert_eq!(foreign(origin).as_deref(), Some(origin));
    }
}

#[test]
fn local_names_are_loopback_or_the_bound_address() {
    let bound: IpAddr = [192, 0, 2, 1].into();
    for host in ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "192.0.2.1"] {
        assert!(is_local(host, bound), "{host}");
    }
    for host in ["192.0.2.2", "evil.test", "localhost.evil.test"] {
        assert!(!is_local(host, bound), "{host}");
    }
}
