use super::*;

#[test]
fn paths_are_changed_as_gateway_api_prescribes() {
    // The table of HTTPPathModifier.replacePrefixMatch; the prefix is compiled without its slash.
    let check = |path: &str, prefix: &str, replacement: &str, expect: &str| {
        let change = PathChange::Prefix(replacement.trim_end_matches('/').into());
        let prefix_len = prefix.trim_end_matches('/').len();
        assert_eq!(
            change.apply(path, prefix_len),
            expect,
            "{path} {prefix} {replacement}"
        );
    };
    check("/foo/bar", "/foo", "/xyz", "/xyz/bar");
    check("/foo/bar", "/foo", "/xyz/", "/xyz/bar");
    check("/foo/bar", "/foo/", "/xyz", "/xyz/bar");
    check("/foo/bar", "/foo/", "/xyz/", "/xyz/bar");
    check("/foo", "/foo", "/xyz", "/xyz");
    check("/foo/", "/foo", "/xyz", "/xyz/");
    check("/foo/bar", "/foo", "/", "/bar");
    check("/foo/", "/foo", "/", "/");
    check("/foo", "/foo", "/", "/");
    check("/bar", "/", "/xyz", "/xyz/bar");
    assert_eq!(PathChange::Full("/x".into()).apply("/foo/bar", 4), "/x");
}

#[test]
fn redirects_keep_what_they_do_not_change() {
    let same = Redirect {
        https: None,
        host: None,
        port: None,
        path: None,
        status: StatusCode::FOUND,
    };
    let url = RequestedUrl {
        https: false,
        host: "a.com",
        port: 8080,
        path: "/p",
        query: Some("q=1"),
    };
    let check = |redirect: Redirect, url: RequestedUrl<'_>, expect: &str| {
        assert_eq!(redirect.location(&url, 0).unwrap(), expect);
    };
    check(same.clone(), url, "http://a.com:8080/p?q=1");
    check(
        same.clone(),
        RequestedUrl {
            port: 80,
            query: None,
            ..url
        },
        "http://a.com/p",
    );
    check(
        Redirect {
            https: Some(true),
            ..same.clone()
        },
        url,
        "https://a.com/p?q=1",
    );
    check(
        Redirect {
            port: Some(443),
            ..same.clone()
        },
        url,
        "http://a.com:443/p?q=1",
    );
    check(
        Redirect {
            host: Some("b.com".into()),
            ..same.clone()
        },
        url,
        "http://b.com:8080/p?q=1",
    );
    let path = Some(PathChange::Full("/new".into()));
    check(
        Redirect {
            path,
            ..same.clone()
        },
        url,
        "http://a.com:8080/new?q=1",
    );
    assert!(
        same.location(
            &RequestedUrl {
                host: "a b\n",
                ..url
            },
            0
        )
        .is_none()
    );
}

#[test]
fn headers_are_removed_set_and_added() {
    let pair = |name, value| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    let changes = HeaderChanges {
        remove: vec![HeaderName::from_static("gone")],
        set: vec![pair("one", "new")],
        add: vec![pair("many", "2")],
    };
    let mut headers =
        HeaderMap::from_iter([pair("gone", "x"), pair("one", "old"), pair("many", "1")]);
    headers.append("one", HeaderValue::from_static("older"));
    changes.apply(&mut headers);
    let shown = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {value:?}");
    let mut left: Vec<_> = headers.iter().map(shown).collect();
    left.sort();
    assert_eq!(left, [r#"many: "1""#, r#"many: "2""#, r#"one: "new""#]);
}
