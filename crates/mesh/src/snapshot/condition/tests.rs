use super::*;
use proptest::prelude::*;

#[test]
fn prefixes_are_compared_by_element() {
    let check = |prefix: &str, path: &str, expect: bool| {
        let condition = PathCondition::Prefix(prefix.into());
        assert_eq!(condition.fits(path), expect, "{prefix} {path}");
    };
    check("/foo", "/foo", true);
    check("/foo", "/foo/", true);
    check("/foo", "/foo/bar", true);
    check("/foo", "/foobar", false);
    check("", "/anything", true);
    check("", "/", true);
}

#[test]
fn expressions_fit_as_a_whole() {
    let check = |source: &str, text: &str, expect: bool| {
        let pattern = Patterns::default().regex(source).unwrap();
        assert_eq!(pattern.fits(text), expect, "{source} {text}");
    };
    check("a|ab", "ab", true);
    check("a|ab", "abc", false);
    check("a|b", "xb", false);
    check("a", "a\n", false);
    check("(?m)a$", "a\nb", false);
}

#[test]
fn globs_cross_slashes() {
    let check = |source: &str, text: &str, expect: bool| {
        let glob = Patterns::default().glob(source).unwrap();
        assert_eq!(glob.is_match(text), expect, "{source} {text}");
    };
    check("meta-llama/*", "meta-llama/a/b", true);
    check("gpt-?", "gpt-5", true);
    check("gpt-?", "gpt-50", false);
    check("{a,b}[0-9]", "b7", true);
    check("*", "", true);
}

#[test]
fn broken_expressions_are_refused() {
    let mut patterns = Patterns::default();
    for source in ["(", "a)|(b", "(?=a)", r"\p{Greek}{1000}{1000}", "a**{"] {
        assert!(patterns.regex(source).is_err(), "{source}");
    }
    assert!(patterns.glob("[").is_err());
}

#[test]
fn equal_expressions_are_compiled_once() {
    let mut patterns = Patterns::default();
    let (a, b) = (patterns.regex("a+").unwrap(), patterns.regex("a+").unwrap());
    assert!(Arc::ptr_eq(&a.whole, &b.whole));
}

#[test]
fn repeated_headers_are_joined() {
    let name = HeaderName::from_static("x");
    let mut headers = HeaderMap::new();
    assert_eq!(joined_header(&headers, &name), None);
    headers.append(&name, "1".parse().unwrap());
    assert_eq!(joined_header(&headers, &name).as_deref(), Some("1"));
    headers.append(&name, "2".parse().unwrap());
    assert_eq!(joined_header(&headers, &name).as_deref(), Some("1,2"));
    headers.append(&name, http::HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(joined_header(&headers, &name), None);
}

#[test]
fn query_parameters_are_compared_decoded() {
    let condition = QueryCondition {
        name: "a b".into(),
        value: Text::Exact("ü&".into()),
    };
    let check = |query: &str, expect: bool| {
        assert_eq!(condition.fits(Some(query)), expect, "{query}");
    };
    check("a+b=%C3%BC%26", true);
    check("x=1&a%20b=ü%26", true);
    check("a+b=no&a+b=ü%26", false);
    check("a+b", false);
    check("", false);
    assert!(!condition.fits(None));
}

proptest! {
    #[test]
    fn decoding_takes_any_text(text: String) {
        let plain = !text.contains(['%', '+']);
        let decoded = decoded(&text);
        prop_assert!(decoded.len() <= 3 * text.len());
        prop_assert!(!plain || decoded == text);
    }
}
