use super::*;

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    for path in [
        "/..",
        "/public/../admin",
        "/public/./admin",
        "/public/%2e%2E/admin",
        "/public/.%2e/admin",
        "/public\\..\\admin",
        "/public/..%2fadmin",
        "/public%2F..%2Fadmin",
        "/public%5c..%5Cadmin",
        "/public/..;/admin",
        "/public/..%3bx=1/admin",
    ] {
        assert!(
            matches!(check_path(path), Err(Failure::DotSegments)),
            "{path}"
        );
    }
}

#[test]
fn paths_with_dots_in_names_are_not() {
    for path in [
        "",
        "*",
        "/",
        "/v1/chat/completions",
        "/v1/models/gpt-4.1",
        "/v1/models/org%2Fmodel.v1",
        "/..well-known/x",
        "/a...b/..c",
        "/x;y=../z",
        "/100%",
    ] {
        assert!(check_path(path).is_ok(), "{path}");
    }
}
